//! Ways out of here, where they lie: to neighbours, into tunnels, by route.

use crate::adjacencies::Words;
use crate::fib::Exit;
use crate::key::{AdjacencyId, Domain, NextHop, TunnelId};
use crate::rewrite::front::Egress;
use crate::table::Probe;
use crate::tunnels::{Entrance, Entrances};
use crate::worker::View;
use std::net::Ipv6Addr;

/// What leads out of here, where it lies.
#[derive(Clone, Copy)]
pub(super) struct Ways<'a> {
    entrances: Entrances<'a>,
    pub(super) neighbours: Words<'a>,
    exits: &'a [Exit],
}

impl<'a> Ways<'a> {
    pub(super) fn of(view: &View<'a>) -> Self {
        Self {
            entrances: view.reader.entrances(),
            neighbours: view.reader.adjacency_words(),
            exits: view.fib.exits(),
        }
    }

    /// The way to a neighbour.
    #[inline(always)]
    pub(super) fn to(&self, neighbour: AdjacencyId) -> Option<Egress<'a>> {
        let to = self.neighbours.get(neighbour);
        let exit = self.exits.get(usize::from(Words::interface(to).0))?;
        Some(Egress { to, exit })
    }

    /// The way into a tunnel.
    #[inline(always)]
    pub(super) fn into(&self, tunnel: TunnelId) -> Option<Way<'a>> {
        let entrance = self.entrances.get(tunnel)?;
        let egress = self.to(entrance.adjacency)?;
        Some(Way {
            room: egress.exit.mtu_inside.min(entrance.mtu),
            egress,
            entrance: Some(entrance),
        })
    }
}

/// A way that leads out of here.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) egress: Egress<'a>,
    pub(super) entrance: Option<Entrance<'a>>,
    /// Octets of the largest packet that it carries as it is.
    pub(super) room: u16,
}

impl<'a> From<Egress<'a>> for Way<'a> {
    #[inline(always)]
    fn from(egress: Egress<'a>) -> Self {
        Self {
            room: egress.exit.mtu,
            egress,
            entrance: None,
        }
    }
}

/// Where the last packet of a burst went that went by route. It is the way of all IPv6 destinations
/// with the same upper 64 bits, as most that follow it have.
pub(super) struct LastRoute<'a> {
    /// The upper 64 bits of what it was to.
    site: u64,
    /// Its domain, above all domains where there was none.
    domain: u32,
    egress: Option<Egress<'a>>,
}

impl<'a> LastRoute<'a> {
    pub(super) const NONE: Self = Self {
        site: 0,
        domain: u32::MAX,
        egress: None,
    };

    /// The way to a destination by route, where that is a neighbour that is known.
    #[inline(always)]
    pub(super) fn to(
        &mut self,
        probe: &Probe,
        ways: &Ways<'a>,
        view: &View<'a>,
    ) -> Option<Egress<'a>> {
        let (domain, destination) = (probe.domain(), probe.address());
        let site = (destination.to_bits() >> 64) as u64;
        if self.site != site || self.domain != u32::from(domain.0) {
            *self = Self::look_up(domain, destination, ways, view);
        }
        self.egress
    }

    /// Whether all of the site go the last way.
    #[inline(always)]
    pub(super) fn is_of_site(&self) -> bool {
        self.domain != u32::MAX
    }

    #[inline(never)]
    fn look_up(domain: Domain, destination: Ipv6Addr, ways: &Ways<'a>, view: &View<'a>) -> Self {
        let (next_hop, of_site) = view.fib.route_of_site(domain, destination);
        Self {
            site: (destination.to_bits() >> 64) as u64,
            domain: match of_site {
                true => domain.0.into(),
                false => u32::MAX,
            },
            egress: by(next_hop, ways),
        }
    }
}

/// The way that a route says, where that is a neighbour that is known.
#[inline(always)]
pub(super) fn by<'a>(next_hop: Option<NextHop>, ways: &Ways<'a>) -> Option<Egress<'a>> {
    match next_hop {
        Some(NextHop::Adjacency(neighbour)) => ways.to(neighbour),
        _ => None,
    }
}
