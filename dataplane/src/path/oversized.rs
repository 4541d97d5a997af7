//! Frames that are larger than their port carries, and frames that lie in several segments.
//!
//! ```text
//!   several segments ─> one buffer ─┬─ all of it is there ──────────> the way of every packet
//!                                   └─ as much as a buffer holds ─┐
//!   a device that cuts what is longer than its slots ─────────────┴─> told, or dropped
//! ```
//!
//! Buffers are as large as the largest frame of any port, so what does not fit into one is larger than
//! its own link carries: a host's segmentation offload that nobody undid, or a link whose MTU is
//! configured too small here. Of such a packet the front is there, whose header claims more than came.
//! Its sender is told the MTU of the link by Packet Too Big (RFC 8201 section 4) or Fragmentation
//! Needed, as by a router behind that link, where the sender may be here at all.

use super::decide::{check_host, Step};
use super::{Packet, Path};
use crate::classify::{Family, Origin};
use crate::icmp::Problem;
use crate::key::NextHop;
use crate::table::Probe;
use crate::verdict::{Drop, Verdict};
use crate::worker::output::Sent;
use crate::worker::{Meter, View};
use packet::{Buf, PortId, RxTx};
use std::net::Ipv6Addr;
use wire::checksum;
use wire::ipv4::{self, address::mapped};
use wire::ipv6;
use zerocopy::FromBytes;

/// Octets of a link-layer header with one tag.
const LINK: usize = wire::ether::HEADER_LEN + wire::ether::TAG_LEN;

impl<T: RxTx, M: Meter> Path<T, M> {
    /// Puts a packet that lies in several segments into one buffer, as far as that holds it.
    #[cold]
    #[inline(never)]
    pub(super) fn gather(&mut self, buf: T::Buf, view: &View<'_>, io: &mut T) -> Option<T::Buf> {
        let Some(mut whole) = io.alloc() else {
            self.drop(buf, Drop::NoBuffer, view, io);
            return None;
        };
        buf.gather(&mut whole);
        Some(whole)
    }

    /// A packet that ends at once because of its header, if not because it is larger than its link
    /// carries.
    #[cold]
    #[inline(never)]
    pub(super) fn malformed(
        &mut self,
        mut packet: Packet<T::Buf>,
        reason: Drop,
        view: &View<'_>,
        io: &mut T,
    ) {
        match oversized(&mut packet, view) {
            Some(step) => self.step(packet, step, view, io),
            None => self.drop(packet.buf, reason, view, io),
        }
    }

    /// Hands a frame to the host's own stack, unless its twin does not carry it.
    pub(super) fn give_twin(
        &mut self,
        twin: PortId,
        buf: T::Buf,
        verdict: Verdict,
        view: &View<'_>,
        io: &mut T,
    ) {
        if self.known.twin(twin).is_some_and(|of| !of.carries(&buf)) {
            return self.drop(buf, Drop::TooBig, view, io);
        }
        self.output.send(twin, buf, Sent::plain(verdict), view, io);
    }
}

/// What is to be done about a packet that its link does not carry; none about any other.
fn oversized<B: Buf>(packet: &mut Packet<B>, view: &View<'_>) -> Option<Step> {
    let meta = packet.meta;
    let interface = view.fib.interface_of(meta.interface);
    let mtu = interface.map_or(usize::MAX, |interface| interface.mtu.into());
    let claim = claim(packet.data(), meta.family)
        .filter(|claim| claim.octets > packet.data().len() && packet.data().len() >= mtu);
    let claim = claim.filter(|_| meta.origin == Origin::Link)?;
    packet.fields.source = claim.source;
    packet.fields.destination = claim.destination;
    let refused = Step::Drop(Drop::Oversized);
    let address = |address| meta.family.address(address);
    let ours = view.fib.route(meta.domain, address(claim.destination)) == Some(NextHop::Local);
    if ours || !claim.tells {
        return Some(refused);
    }
    if meta.access {
        let probe = Probe::new(meta.domain, address(claim.source));
        let mut found = [None];
        view.reader.lookup(&[probe], &mut found);
        let [source] = found;
        if check_host(&meta, source, view).is_err() {
            return Some(refused);
        }
    }
    Some(Step::Tell(Problem::oversized(mtu)))
}

/// What a port is the twin of. Both have one MTU.
#[derive(Clone, Copy)]
pub(super) struct TwinOf {
    /// The port.
    pub(super) main: PortId,
    /// The MTU.
    pub(super) mtu: u16,
}

impl TwinOf {
    /// Whether a frame is no longer than both carry.
    pub(super) fn carries<B: Buf>(self, buf: &B) -> bool {
        buf.data().len() <= usize::from(self.mtu) + LINK
    }
}

/// What a packet's header claims.
struct Claim {
    source: Ipv6Addr,
    destination: Ipv6Addr,
    /// Octets of the whole packet.
    octets: usize,
    /// Whether its sender wants to hear that it is too large.
    tells: bool,
}

fn claim(data: &[u8], family: Family) -> Option<Claim> {
    match family {
        Family::V6 => {
            let (header, _) = ipv6::Header::ref_from_prefix(data).ok()?;
            (header.version() == 6).then(|| Claim {
                source: header.source.into(),
                destination: header.destination.into(),
                octets: ipv6::HEADER_LEN + usize::from(header.payload_length.get()),
                tells: true,
            })
        }
        Family::V4 => {
            let (header, _) = ipv4::Header::ref_from_prefix(data).ok()?;
            let sum = checksum::add(0, data.get(..header.header_len())?);
            let sound = checksum::fold(sum) == u16::MAX;
            (header.version() == 4 && sound).then(|| Claim {
                source: mapped(header.source),
                destination: mapped(header.destination),
                octets: header.total_length.get().into(),
                tells: header.dont_fragment(),
            })
        }
    }
}
