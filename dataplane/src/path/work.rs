//! The first stages of a round: what a packet's header says, what has to be looked up for it, and what it
//! is once it is out of its tunnel.

use super::Lane;
use crate::classify::inside::Inside;
use crate::classify::packet::{read, Fields, Plan};
use crate::classify::{Meta, Origin};
use crate::key::TunnelId;
use crate::rewrite::decap::decapsulate;
use crate::table::Probe;
use crate::tunnels::{Mark, OuterPair};
use crate::verdict::Drop;
use crate::worker::View;
use arrayvec::ArrayVec;
use packet::{Buf, MAX_BURST};

/// A packet's plan with the places of its probes.
pub(super) struct Work {
    pub(super) fields: Fields,
    pub(super) plan: Plan,
    pub(super) source: Option<u8>,
    pub(super) destination: Option<u8>,
}

impl Work {
    /// Reads the IP header, cuts what the link layer padded on, and plans.
    #[inline]
    pub(super) fn begin<B: Buf>(buf: &mut B, meta: &Meta) -> Self {
        let packet = buf.data().get(meta.at..).unwrap_or_default();
        let (fields, plan) = match read(packet, meta) {
            Ok(read) => read,
            Err(reason) => return Self::drop(reason),
        };
        if packet.len() > fields.length && buf.set_len(meta.at + fields.length).is_err() {
            return Self::drop(Drop::NoBuffer);
        }
        Self {
            fields,
            plan,
            source: None,
            destination: None,
        }
    }

    fn drop(reason: Drop) -> Self {
        Self {
            fields: Fields::NONE,
            plan: Plan::Drop(reason),
            source: None,
            destination: None,
        }
    }

    /// Adds what has to be looked up.
    #[inline]
    pub(super) fn ask(&mut self, meta: &Meta, probes: &mut ArrayVec<Probe, { 2 * MAX_BURST }>) {
        let (source, destination) = match self.plan {
            Plan::Lookup { source } => (source, true),
            Plan::Own { source } => (source, false),
            Plan::Multicast => (meta.access, false),
            Plan::Tunnelled(_) | Plan::Fragment | Plan::Back | Plan::Drop(_) => (false, false),
        };
        let mut ask = |address| {
            let place = u8::try_from(probes.len()).ok();
            // Two for each packet of a lane at most, and there is room for them.
            probes.push(Probe::new(meta.domain, meta.family.address(address)));
            place
        };
        if destination {
            self.destination = ask(self.fields.destination);
        }
        if source {
            self.source = ask(self.fields.source);
        }
    }
}

/// Takes those packets out of their tunnels whose outer addresses are a tunnel of ours. The others
/// are ordinary packets.
#[inline]
pub(super) fn untunnel<B: Buf>(
    lane: &mut Lane<B>,
    works: &mut ArrayVec<Work, MAX_BURST>,
    view: &View<'_>,
) {
    let mut pairs = ArrayVec::<OuterPair, MAX_BURST>::new();
    for ((_, meta), work) in lane.iter().zip(works.iter()) {
        if let Plan::Tunnelled(_) | Plan::Fragment = work.plan {
            pairs.push(OuterPair {
                domain: meta.domain,
                local: work.fields.destination,
                remote: work.fields.source,
            });
        }
    }
    if pairs.is_empty() {
        return;
    }
    let mut tunnels = [None; MAX_BURST];
    view.reader.tunnels_between(&pairs, &mut tunnels);
    let mut tunnels = pairs.iter().zip(tunnels);
    for ((buf, meta), work) in lane.iter_mut().zip(works) {
        let inner = match work.plan {
            Plan::Tunnelled(inside) => Some(inside),
            Plan::Fragment => None,
            _ => continue,
        };
        let found = match (tunnels.next(), inner) {
            (Some((pair, _)), Some(inside)) if inside.mark != Mark::PLAIN => {
                view.reader.tunnel_marked(pair, inside.mark)
            }
            (found, _) => found.and_then(|(_, tunnel)| tunnel),
        };
        match (found, inner) {
            (None, _) => work.plan = Plan::Lookup { source: false },
            // It is collected later.
            (Some(_), None) => {}
            (Some(tunnel), Some(inside)) => match leave(buf, meta, tunnel, inside, view) {
                Ok(()) => *work = Work::begin(buf, meta),
                Err(reason) => *work = Work::drop(reason),
            },
        }
    }
}

/// Takes one packet out of this tunnel.
#[inline]
pub(super) fn leave<B: Buf>(
    buf: &mut B,
    meta: &mut Meta,
    tunnel: TunnelId,
    inside: Inside,
    view: &View<'_>,
) -> Result<(), Drop> {
    decapsulate(buf, meta.at, inside.inner, inside.family)?;
    meta.at = 0;
    meta.family = inside.family;
    meta.origin = Origin::Tunnel(tunnel);
    if inside.mark != Mark::PLAIN {
        let inner = view.reader.tunnel(tunnel);
        meta.domain = inner.map_or(meta.domain, |tunnel| tunnel.inner_domain());
    }
    Ok(())
}
