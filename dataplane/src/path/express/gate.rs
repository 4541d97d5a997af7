//! Where Mobility Headers of strangers end that are over their rate: at the first look, before anything is
//! looked up for them, so that a flood of forged signalling costs no more than plain packets would.
//!
//! ```text
//!   Mobility Header ─> to others than us ─> rides, like every packet
//!                      of a peer, or strangers have some of their rate left ─> stays
//!                      else ─> ends here, signalling_limited
//! ```
//!
//! It takes nothing of any rate: who is let through is policed where copies to control are made, like
//! everyone ([`Police`]).

use super::board::Look;
use crate::classify::plain::Ip6;
use crate::key::{Domain, NextHop};
use crate::police::Police;
use crate::table::Probe;
use crate::worker::View;
use std::net::Ipv6Addr;
use wire::ipv6::next_header;

/// The gate of one burst.
pub(super) struct Gate<'a> {
    police: &'a Police,
    /// What it reads.
    pub(super) view: &'a View<'a>,
    /// How many were let through that will ask for some of the rate.
    passed: u32,
    /// Whether there is nothing left of it, so that nobody has to be asked for a share.
    shut: bool,
    /// The address that the last one was to, and whether it is ours.
    last: Option<(Domain, Ipv6Addr, bool)>,
}

impl<'a> Gate<'a> {
    pub(super) fn new(police: &'a Police, view: &'a View<'a>) -> Self {
        Self {
            police,
            view,
            passed: 0,
            shut: false,
            last: None,
        }
    }

    /// What becomes of an IPv6 packet that came in on a core link, if it is a Mobility Header for us: it
    /// ends here or stays. None for any other.
    #[inline]
    pub(super) fn look(&mut self, domain: Domain, ip: &Ip6, octets: usize) -> Option<Look> {
        match ip.next(octets) {
            Some(next_header::MOBILITY) => self.judge(domain, ip),
            _ => None,
        }
    }

    /// The same of one that is a Mobility Header.
    #[inline(always)]
    pub(super) fn judge(&mut self, domain: Domain, ip: &Ip6) -> Option<Look> {
        if !self.is_ours(domain, ip.destination()) {
            return None;
        }
        let source = ip.source();
        let stays = self.view.fib.expects(domain, source) || self.lets_through(source);
        Some(if stays { Look::Stays } else { Look::Ends })
    }

    /// Whether there is a place for one more stranger, `source`. Once there is none, there is none for the
    /// rest of the burst, which is of one time.
    #[inline(always)]
    fn lets_through(&mut self, source: Ipv6Addr) -> bool {
        if self.shut {
            return false;
        }
        let now = self.view.now;
        self.shut = !self.police.has_for_strangers(self.passed, now);
        let lets = !self.shut && self.police.has_for_stranger(source, now);
        self.passed += u32::from(lets);
        lets
    }

    #[inline(always)]
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
    let probe = Probe::ipv6(domain, address.octets());
    match view.reader.binding_of(&probe) {
        None => view.fib.route(domain, address) == Some(NextHop::Local),
        // Of a prefix that is bound, the address that its anchor has in it.
        Some(_) => view.fib.is_anchor_address(address),
    }
}
