//! Where Mobility Headers of strangers end that are over their rate: at the first look, before anything is
//! looked up for them, so that a flood of forged signalling costs no more than plain packets would.
//!
//! ```text
//!   Mobility Header ─> to others than us, or from a peer ──────────┐
//!                      else: strangers have some of their rate left ─┴─> as every packet
//!                            else: ends here, signalling_limited
//! ```
//!
//! It takes nothing of any rate: who is let through is policed where copies to control are made, like
//! everyone ([`Police`]).

use crate::key::{Domain, NextHop};
use crate::police::Police;
use crate::table::Probe;
use crate::verdict::Drop;
use crate::worker::View;
use std::net::Ipv6Addr;

/// The gate of one burst.
pub(super) struct Gate<'a> {
    police: &'a Police,
    /// What it reads.
    pub(super) view: &'a View<'a>,
    /// How many were let through that will ask for some of the rate.
    passed: u32,
    /// The address that the last one was to, and whether it is ours.
    last: Option<(Domain, Ipv6Addr, bool)>,
}

impl<'a> Gate<'a> {
    pub(super) fn new(police: &'a Police, view: &'a View<'a>) -> Self {
        Self {
            police,
            view,
            passed: 0,
            last: None,
        }
    }

    /// Why a Mobility Header that came in on a core link ends here, if it does.
    pub(super) fn refuses(
        &mut self,
        domain: Domain,
        source: Ipv6Addr,
        destination: Ipv6Addr,
    ) -> Option<Drop> {
        let view = self.view;
        if !self.is_ours(domain, destination) || view.fib.expects(domain, source) {
            return None;
        }
        let has = self.police.has_for_stranger(source, self.passed, view.now);
        self.passed += u32::from(has);
        (!has).then_some(Drop::SignallingLimited)
    }

    fn is_ours(&mut self, domain: Domain, address: Ipv6Addr) -> bool {
        match self.last {
            Some((of, last, ours)) if last == address && of == domain => ours,
            _ => {
                let ours = is_ours(domain, address, self.view);
                self.last = Some((domain, address, ours));
                ours
            }
        }
    }
}

/// Whether a packet to an address is for us: by its route, and no binding takes it elsewhere.
#[inline(never)]
fn is_ours(domain: Domain, address: Ipv6Addr, view: &View<'_>) -> bool {
    let mut found = [None];
    let probe = Probe::ipv6(domain, address.octets());
    view.reader.lookup_uncounted(&[probe], &mut found);
    found == [None] && view.fib.route(domain, address) == Some(NextHop::Local)
}
