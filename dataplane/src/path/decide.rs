//! What happens to a packet whose addresses have been looked up.
//!
//! First the source: on an access interface it is a host's, out of a tunnel it belongs to a binding
//! of that tunnel (or the destination does, when we are the host's end of it). Then the destination:
//! its binding, and without one the route.

use super::Known;
use crate::classify::packet::Fields;
use crate::classify::{Meta, Origin};
use crate::hold::Wanted;
use crate::icmp::Problem;
use crate::key::{AdjacencyId, AdjacencySpec, BindingId, Forwarding, NextHop, TunnelId};
use crate::table::Found;
use crate::verdict::{Drop, Forward, Punt, Verdict};
use crate::worker::View;
use wire::ipv6::next_header;

/// What a lookup found for an address.
pub(super) type Binding = Option<Found>;

/// The bindings of a packet's addresses.
#[derive(Clone, Copy)]
pub(super) struct Looked {
    pub(super) source: Binding,
    pub(super) destination: Binding,
}

/// The way of a packet that goes out.
#[derive(Clone, Copy)]
pub(super) struct Way {
    pub(super) verdict: Verdict,
    pub(super) up: Option<BindingId>,
    pub(super) down: Option<BindingId>,
}

/// What happens.
pub(super) enum Step {
    /// Into this tunnel.
    Tunnel(TunnelId, Way),
    /// To this neighbour.
    Neighbour(AdjacencyId, Way),
    /// To us.
    Own,
    /// A copy to control.
    Punt(Punt),
    /// Kept until the neighbour is known.
    Hold(Wanted),
    /// Its sender is told.
    Tell(Problem),
    /// It ends here.
    Drop(Drop),
}

/// What the source of a packet allows.
pub(super) enum Allowed {
    /// To go where its destination says.
    Anywhere { up: Option<BindingId> },
    /// Into the tunnel of its binding only.
    Into { tunnel: TunnelId, up: BindingId },
    /// To the host that it came through the tunnel for.
    To { host: AdjacencyId, down: BindingId },
}

/// Decides for a packet that is neither multicast nor bound to its link.
#[inline(always)]
pub(super) fn decide(
    meta: &Meta,
    fields: &Fields,
    looked: Looked,
    known: &Known,
    view: &View<'_>,
) -> Step {
    let way = |forward, up, down| Way {
        verdict: meta.success.unwrap_or(Verdict::Forward(forward)),
        up,
        down,
    };
    let up = match allowed(meta, looked, known, view) {
        Ok(Allowed::Anywhere { up }) => up,
        Ok(Allowed::Into { tunnel, up }) => {
            return Step::Tunnel(tunnel, way(Forward::Encapsulated, Some(up), None));
        }
        Ok(Allowed::To { host, down }) => {
            return Step::Neighbour(host, way(Forward::Delivered, None, Some(down)));
        }
        Err(step) => return step,
    };
    let tunnelled = matches!(meta.origin, Origin::Tunnel(_));
    let here = meta.origin == Origin::Here;
    let down = looked.destination.map(|found| found.id);
    let binding = looked.destination.map(Found::forwarding);
    if is_anchors(meta, fields, binding, view) {
        return Step::Own;
    }
    let forward = match onward(binding, tunnelled, here) {
        Onward::Tunnel(tunnel, forward) => return Step::Tunnel(tunnel, way(forward, up, down)),
        Onward::Host(host, forward) => return Step::Neighbour(host, way(forward, up, down)),
        Onward::Route(forward) => forward,
        Onward::Pending => return Step::Drop(Drop::BindingPending),
    };
    let destination = meta.family.address(fields.destination);
    match view.fib.route(meta.domain, destination) {
        Some(NextHop::Adjacency(neighbour)) => Step::Neighbour(neighbour, way(forward, up, None)),
        Some(NextHop::Local) => Step::Own,
        Some(NextHop::OnLink(interface)) => Step::Hold(Wanted {
            interface,
            address: destination,
        }),
        Some(NextHop::Unresolved { interface, router }) => Step::Hold(Wanted {
            interface,
            address: router,
        }),
        Some(NextHop::Unreachable) | None => Step::Tell(Problem::NO_ROUTE),
        Some(NextHop::Blackhole) => Step::Drop(Drop::Blackhole),
    }
}

/// Whether a packet is for us at the address that we have in a prefix which we anchor: a Mobility Header
/// from the core, or ICMP from anywhere.
#[inline(always)]
fn is_anchors(meta: &Meta, fields: &Fields, binding: Option<Forwarding>, view: &View<'_>) -> bool {
    let taken = match fields.next_header {
        next_header::MOBILITY => meta.origin == Origin::Link && !meta.access,
        next_header::ICMPV6 => meta.origin != Origin::Here,
        _ => false,
    };
    taken && is_of_anchored(fields, binding, view)
}

#[inline(never)]
fn is_of_anchored(fields: &Fields, binding: Option<Forwarding>, view: &View<'_>) -> bool {
    let anchored = matches!(
        binding,
        Some(Forwarding::Anchor { .. } | Forwarding::Local { .. })
    );
    anchored && view.fib.is_anchor_address(fields.destination)
}

/// Where a packet goes whose source allows it to go anywhere.
pub(super) enum Onward {
    /// Into this tunnel, its destination's.
    Tunnel(TunnelId, Forward),
    /// To its destination on an access link.
    Host(AdjacencyId, Forward),
    /// By route. No binding counts it as its own.
    Route(Forward),
    /// Nowhere at present.
    Pending,
}

/// What the binding of its destination makes of a packet that came out of a tunnel, or is made here, or
/// neither.
#[inline(always)]
pub(super) fn onward(binding: Option<Forwarding>, tunnelled: bool, here: bool) -> Onward {
    match binding {
        Some(Forwarding::Anchor { tunnel }) if tunnelled => {
            Onward::Tunnel(tunnel, Forward::Relayed)
        }
        Some(Forwarding::Anchor { tunnel }) => Onward::Tunnel(tunnel, Forward::Encapsulated),
        Some(Forwarding::Local { host }) if tunnelled => Onward::Host(host, Forward::Delivered),
        Some(Forwarding::Local { host }) => Onward::Host(host, Forward::Local),
        Some(Forwarding::Pending) => Onward::Pending,
        // What we send to the host ourselves needs no tunnel. From anyone else it has to come
        // out of the tunnel, so it goes to the anchor by route.
        Some(Forwarding::Access { host, .. }) if here => Onward::Host(host, Forward::Local),
        Some(Forwarding::Access { .. }) | None if tunnelled => Onward::Route(Forward::Decapsulated),
        Some(Forwarding::Access { .. }) | None => Onward::Route(Forward::Routed),
    }
}

#[inline(always)]
fn allowed(meta: &Meta, looked: Looked, known: &Known, view: &View<'_>) -> Result<Allowed, Step> {
    match meta.origin {
        Origin::Here => Ok(Allowed::Anywhere { up: None }),
        Origin::Link if !meta.access => Ok(Allowed::Anywhere { up: None }),
        Origin::Link => host(looked.source, |host| is_at(meta, host, view)),
        Origin::Tunnel(tunnel) => tunnelled(tunnel, looked, known),
    }
}

/// A packet from an access interface; `is_at` says whether it came from this neighbour.
#[inline(always)]
pub(super) fn host(
    source: Binding,
    is_at: impl FnOnce(AdjacencyId) -> bool,
) -> Result<Allowed, Step> {
    let Some(found) = source else {
        return Err(Step::Punt(Punt::UnknownHost));
    };
    let id = found.id;
    let (host, allowed) = match found.forwarding() {
        Forwarding::Access { tunnel, host } => (host, Allowed::Into { tunnel, up: id }),
        Forwarding::Local { host } => (host, Allowed::Anywhere { up: Some(id) }),
        // Its host was elsewhere: this is how it says that it has come back.
        Forwarding::Anchor { .. } => return Err(Step::Punt(Punt::UnknownHost)),
        Forwarding::Pending => return Err(Step::Drop(Drop::BindingPending)),
    };
    if is_at(host) {
        Ok(allowed)
    } else {
        Err(Step::Drop(Drop::HostSpoofed))
    }
}

/// Whether a frame came from this neighbour.
fn is_at(meta: &Meta, host: AdjacencyId, view: &View<'_>) -> bool {
    let sender = AdjacencySpec {
        interface: meta.interface,
        mac: meta.mac,
    };
    view.reader.adjacency(host) == Some(sender)
}

/// Whether a packet from an access interface may be taken for its host's.
pub(super) fn check_host(meta: &Meta, source: Binding, view: &View<'_>) -> Result<(), Step> {
    host(source, |host| is_at(meta, host, view)).map(|_| ())
}

/// A packet out of a tunnel.
#[inline(always)]
pub(super) fn tunnelled(through: TunnelId, looked: Looked, known: &Known) -> Result<Allowed, Step> {
    let source = looked.source.map(|found| (found.id, found.forwarding()));
    if let Some((id, Forwarding::Anchor { tunnel })) = source {
        if tunnel == through {
            return Ok(Allowed::Anywhere { up: Some(id) });
        }
    }
    let destination = looked
        .destination
        .map(|found| (found.id, found.forwarding()));
    if let Some((down, Forwarding::Access { tunnel, host })) = destination {
        if tunnel == through {
            return Ok(Allowed::To { host, down });
        }
    }
    Err(Step::Drop(match (source, destination) {
        (Some((_, Forwarding::Pending)), _) => Drop::BindingPending,
        // Nothing tells which end of the tunnel we are. Where hosts are attached, it is most likely
        // a packet for one that has just left.
        (None, None) if known.access => Drop::InnerDestinationUnknown,
        _ => Drop::InnerSourceSpoofed,
    }))
}
