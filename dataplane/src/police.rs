//! Which packets for control reach it: what comes from gateways that control expects signalling from
//! has a rate of its own, so that no stranger's flood keeps it out.
//!
//! ```text
//!   a Mobility Header of a peer      ─> that peer's share   ─> the rate of all peers
//!   a Mobility Header of a stranger  ─> its source's share  ─> the rate of all strangers
//!   whatever else, by its reason     ─> its source's share  ─> the rate of its reason
//! ```
//!
//! A source is an address, and on an access link the sender of the frame. A flood under made-up
//! sources is bounded by the rate of its reason alone; one under the name of a peer takes that peer's
//! share and no other's.

use crate::classify::Meta;
use crate::fib::Fib;
use crate::limit::{Bucket, Rate, Sources};
use crate::verdict::{Drop, Punt};
use std::net::Ipv6Addr;

/// How many packets go to control.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PuntRate {
    /// Of one source.
    pub source: Rate,
    /// Of all sources together.
    pub total: Rate,
}

impl PuntRate {
    const fn new(source: Rate, total: Rate) -> Self {
        Self { source, total }
    }
}

/// The rates at which one worker passes packets to control.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PuntRates {
    /// Mobility Headers of the peers that control expects.
    pub peers: PuntRate,
    /// Questions for neighbours that are not resolved (RFC 6583 section 6.1), by the source of the packet
    /// that needs them.
    pub neighbours: PuntRate,
    reasons: [PuntRate; Punt::ALL.len()],
}

impl PuntRates {
    /// The same rates for every reason and for peers.
    #[must_use]
    pub const fn all(rate: PuntRate) -> Self {
        Self {
            peers: rate,
            neighbours: rate,
            reasons: [rate; Punt::ALL.len()],
        }
    }

    /// The rates for `reason`, where it is not a peer's Mobility Header.
    #[must_use]
    pub fn get(&self, reason: Punt) -> PuntRate {
        let none = Rate::new(0, 0);
        let rate = self.reasons.get(reason as usize).copied();
        rate.unwrap_or(PuntRate::new(none, none))
    }

    /// Changes the rates for `reason`.
    pub fn set(&mut self, reason: Punt, rate: PuntRate) {
        if let Some(place) = self.reasons.get_mut(reason as usize) {
            *place = rate;
        }
    }
}

impl Default for PuntRates {
    /// What one control thread has the time for, with bursts that its ring has the room for.
    fn default() -> Self {
        let mut rates = Self::all(PuntRate::new(Rate::new(100, 100), Rate::new(5_000, 256)));
        rates.peers = PuntRate::new(Rate::new(200_000, 20_000), Rate::new(400_000, 40_000));
        rates.neighbours = PuntRate::new(Rate::new(50, 64), Rate::new(2_000, 256));
        // A host that comes up needs one of each; those that come up with it need theirs.
        let host = PuntRate::new(Rate::new(2, 4), Rate::new(5_000, 512));
        // One that talks all the time uses up its share before it is served. It may be back soon after, and is to be
        // heard with its first packet then.
        let visitor = PuntRate::new(Rate::new(20, 20), Rate::new(5_000, 512));
        rates.set(Punt::UnknownHost, visitor);
        rates.set(Punt::Dhcpv4, host);
        rates.set(Punt::RouterSolicitation, host);
        rates.set(Punt::Dhcp, host);
        rates.set(Punt::NodeInformation, host);
        // There are few servers, each for many hosts.
        let server = Rate::new(5_000, 256);
        rates.set(Punt::DhcpServer, PuntRate::new(server, server));
        rates
    }
}

/// The shares and rates of one worker.
pub(crate) struct Police {
    peers: Way,
    neighbours: Way,
    reasons: [Way; Punt::ALL.len()],
}

/// Shares of sources in front of the rate that they have in common.
struct Way {
    sources: Sources,
    total: Bucket,
}

impl Way {
    fn new(rate: PuntRate) -> Self {
        Self {
            sources: Sources::new(rate.source),
            total: Bucket::new(rate.total),
        }
    }

    fn take(&mut self, source: u128, now: u64) -> Result<(), Drop> {
        if !self.sources.take(source, now) {
            Err(Drop::PuntSourceLimited)
        } else if !self.total.take(now) {
            Err(Drop::PuntLimited)
        } else {
            Ok(())
        }
    }
}

impl Police {
    pub(crate) fn new(rates: &PuntRates) -> Self {
        Self {
            peers: Way::new(rates.peers),
            neighbours: Way::new(rates.neighbours),
            reasons: rates.reasons.map(Way::new),
        }
    }

    /// Whether a packet from `source` is a Mobility Header of a peer that control expects. On an
    /// access link there is none.
    pub(crate) fn is_peer(reason: Punt, source: Ipv6Addr, meta: &Meta, fib: &Fib) -> bool {
        reason == Punt::Mobility && !meta.access && fib.expects(meta.domain, source)
    }

    /// Takes the place of one question for a neighbour at `now`, if there is one. `source` is that of the
    /// packet; none for one of our own, which has no share but part in the rate.
    pub(crate) fn take_neighbour(&mut self, source: Option<Ipv6Addr>, now: u64) -> bool {
        let way = &mut self.neighbours;
        match source {
            Some(source) => way.take(source.to_bits(), now).is_ok(),
            None => way.total.take(now),
        }
    }

    /// Takes the place of one packet at `now`, in nanoseconds of the workers' clock, or says what is
    /// used up.
    pub(crate) fn take(
        &mut self,
        reason: Punt,
        peer: bool,
        source: Ipv6Addr,
        meta: &Meta,
        now: u64,
    ) -> Result<(), Drop> {
        if peer {
            return self.peers.take(source.to_bits(), now);
        }
        let way = self.reasons.get_mut(reason as usize);
        let taken = way.map_or(Err(Drop::PuntLimited), |way| {
            way.take(key(meta, source), now)
        });
        match reason {
            Punt::Mobility => taken.map_err(|_| Drop::SignallingLimited),
            _ => taken,
        }
    }

    /// Whether strangers' Mobility Headers have anything left of their rate at `now` after `taken` others.
    pub(crate) fn has_for_strangers(&self, taken: u32, now: u64) -> bool {
        let way = self.reasons.get(Punt::Mobility as usize);
        way.is_some_and(|way| way.total.has(taken, now))
    }

    /// Whether one from `source`, on a core link, has anything left of its share.
    pub(crate) fn has_for_stranger(&self, source: Ipv6Addr, now: u64) -> bool {
        let way = self.reasons.get(Punt::Mobility as usize);
        way.is_some_and(|way| way.sources.has(source.to_bits(), now))
    }
}

/// What tells sources apart whose shares are kept.
pub(crate) fn key(meta: &Meta, source: Ipv6Addr) -> u128 {
    match meta.access {
        true => sender(meta),
        false => source.to_bits(),
    }
}

/// The sender of a frame, with the interface that it came in on.
fn sender(meta: &Meta) -> u128 {
    let [a, b, c, d, e, f] = meta.mac.0;
    let [g, h] = meta.interface.0.to_be_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h]).into()
}
