//! Frames of a plan, written fast: a ready frame of each length, in which addresses, ports, stamp and
//! checksum are filled in.

use super::plan::{Pick, Plan, UDP_LEN};
use super::stamp::{self, Stamp};
use wire::checksum;
use wire::ether::{self, ethertype, MacAddr};
use wire::ipv6::{self, next_header};
use zerocopy::IntoBytes;

/// Hop limit of everything sent.
pub const HOP_LIMIT: u8 = 64;

/// Source port of the first of the flows of a host.
const FIRST_SOURCE_PORT: u16 = 0xc000;

/// Destination port of the first flow group.
pub const FIRST_GROUP_PORT: u16 = 10_000;

/// Where source and destination lie in an IPv6 header.
const ADDRESSES: usize = 8;

/// Ready frames.
#[derive(Clone, Debug)]
pub struct Templates {
    /// By length.
    frames: Vec<(usize, Template)>,
    /// Where the inner packet starts.
    inner: usize,
    tunnelled: bool,
}

#[derive(Clone, Debug)]
struct Template {
    octets: Vec<u8>,
    /// Running checksum of the UDP packet as it stands in `octets`, with its pseudo-header but for the
    /// addresses.
    sum: u64,
}

impl Templates {
    /// The frames of `plan` from link-layer address `from` to `to`.
    pub fn new(plan: &Plan, from: MacAddr, to: MacAddr) -> Self {
        let tunnelled = plan.sent_tunnelled();
        let inner = ether::HEADER_LEN + usize::from(tunnelled) * ipv6::HEADER_LEN;
        let mut lengths: Vec<usize> = plan.given().frame.lengths().collect();
        lengths.sort_unstable();
        lengths.dedup();
        let frames = lengths
            .into_iter()
            .map(|length| (length, Template::new(length, inner, from, to)))
            .collect();
        Self {
            frames,
            inner,
            tunnelled,
        }
    }

    /// Writes a packet into `out`, which is as long as it is.
    #[inline]
    pub fn write(&self, plan: &Plan, pick: &Pick, time: u64, out: &mut [u8]) {
        let found = self
            .frames
            .iter()
            .find(|(length, _)| *length == pick.length);
        let Some((_, template)) = found else { return };
        if out.len() != template.octets.len() {
            return;
        }
        out.copy_from_slice(&template.octets);
        if self.tunnelled {
            if let Some(header) = out.get_mut(ether::HEADER_LEN..self.inner) {
                let (source, destination) = plan.outer(pick);
                put(header, ADDRESSES, &source.octets());
                put(header, ADDRESSES + 16, &destination.octets());
                let [_, a, b, c] =
                    ((pick.host_hash as u32 & 0x000f_ffff) | 0x6000_0000).to_be_bytes();
                put(header, 1, &[a, b, c]);
            }
        }
        if let Some(packet) = out.get_mut(self.inner..) {
            template.finish(plan, pick, time, packet);
        }
    }
}

impl Template {
    fn new(length: usize, inner: usize, from: MacAddr, to: MacAddr) -> Self {
        let mut octets = Vec::with_capacity(length);
        octets.extend(ether::Header::new(to, from, ethertype::IPV6).as_bytes());
        // Lengths are checked by the plan and fit 16 bits.
        let payload = |headers: usize| (length - headers) as u16;
        if inner > ether::HEADER_LEN {
            let behind = payload(inner);
            let outer = ipv6::Header::new([0; 16], [0; 16], next_header::IPV6, HOP_LIMIT, behind);
            octets.extend(outer.as_bytes());
        }
        let udp = payload(inner + ipv6::HEADER_LEN);
        let header = ipv6::Header::new([0; 16], [0; 16], next_header::UDP, HOP_LIMIT, udp);
        octets.extend(header.as_bytes());
        let start = octets.len();
        octets.extend([0; 4]);
        octets.extend(udp.to_be_bytes());
        octets.extend([0; 2 + stamp::LEN]);
        // A pattern behind the stamp, so that octets that get lost or swapped show.
        octets.extend((octets.len()..length).map(|place| (place * 7) as u8));
        let message = octets.get(start..).unwrap_or_default();
        let pseudo = u64::from(udp) + u64::from(next_header::UDP);
        let sum = checksum::add(pseudo, message);
        Self { octets, sum }
    }

    /// Fills in the inner packet.
    #[inline]
    fn finish(&self, plan: &Plan, pick: &Pick, time: u64, packet: &mut [u8]) {
        let (source, destination) = plan.inner(pick);
        let source_port = FIRST_SOURCE_PORT | (pick.host_hash >> 40) as u16 & 0x3fff;
        let group_port = FIRST_GROUP_PORT.wrapping_add(pick.group as u16);
        let [a, b] = source_port.to_be_bytes();
        let [c, d] = group_port.to_be_bytes();
        let ports = [a, b, c, d];
        let stamp = Stamp {
            sequence: pick.sequence,
            time,
        }
        .octets();
        let mut sum = checksum::add(self.sum, &source.octets());
        sum = checksum::add(sum, &destination.octets());
        sum = checksum::add(sum, &ports);
        sum = checksum::add(sum, &stamp);
        // Zero would mean that there is none.
        let check = match checksum::finish(sum) {
            0 => 0xffff,
            check => check,
        };
        put(packet, ADDRESSES, &source.octets());
        put(packet, ADDRESSES + 16, &destination.octets());
        put(packet, ipv6::HEADER_LEN, &ports);
        put(packet, ipv6::HEADER_LEN + 6, &check.to_be_bytes());
        put(packet, ipv6::HEADER_LEN + UDP_LEN, &stamp);
    }
}

#[inline]
fn put(octets: &mut [u8], at: usize, what: &[u8]) {
    if let Some(place) = octets.get_mut(at..at + what.len()) {
        place.copy_from_slice(what);
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::plan;
    use super::*;
    use wire::ether::Frame;
    use wire::ipv6::Header;

    const A: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xa]);
    const B: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xb]);

    /// Frames of every kind are whole: lengths agree and the checksum is right.
    #[test]
    fn frames_are_whole_packets() {
        for line in [
            "--hosts 1000 --frame imix",
            "--hosts 1000 --frame 114:1,1001:1,1500:1 --tunnelled sent --direction from-hosts",
        ] {
            let plan = plan(line).expect("a plan");
            let templates = Templates::new(&plan, A, B);
            for n in 0..200 {
                let pick = plan.pick(n);
                let mut octets = vec![0; pick.length];
                templates.write(&plan, &pick, 0x1234_5678_9abc, &mut octets);
                let frame = Frame::parse(&octets).expect("a frame");
                assert_eq!((frame.header.source, frame.header.destination), (A, B));
                let (header, mut payload) = Header::split(frame.payload).expect("a packet");
                assert_eq!(payload.len(), frame.payload.len() - ipv6::HEADER_LEN);
                let mut inner = header;
                if plan.sent_tunnelled() {
                    assert_eq!(header.next_header, next_header::IPV6);
                    assert_eq!(header.version(), 6);
                    assert_eq!(header.destination, plan.given().anchor.octets());
                    (inner, payload) = Header::split(payload).expect("an inner packet");
                }
                assert_eq!(inner.next_header, next_header::UDP);
                let sum = checksum::pseudo_header_v6(
                    &inner.source,
                    &inner.destination,
                    payload.len() as u32,
                    next_header::UDP,
                );
                assert!(checksum::verifies(checksum::add(sum, payload)), "{n}");
                let stamp = Stamp::read(&payload[UDP_LEN..]).expect("a stamp");
                assert_eq!(
                    (stamp.sequence, stamp.time),
                    (pick.sequence, 0x1234_5678_9abc)
                );
            }
        }
    }
}
