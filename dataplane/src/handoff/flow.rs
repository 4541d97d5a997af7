//! Which worker a packet belongs to: a hash over its inner flow.
//!
//! The inner flow of a tunnel packet is that of the packet inside. All fragments of a packet have one
//! flow, for what tells them from other packets stands in each: addresses and the flow label. So
//! a packet that is put together again is so by one worker.

use crate::rewrite::flow;
use packet::Buf;
use wire::ether::{self, ethertype, Tag};
use wire::ipv6::{next_header, Header};
use zerocopy::FromBytes;

/// Bits of a hash.
const BITS: u32 = 20;

/// The shortest header of IPv4 (RFC 791).
const IPV4_HEADER_LEN: usize = 20;

/// More-fragments flag and fragment offset of IPv4.
const IPV4_FRAGMENT: u16 = 0x3fff;

/// The worker, of so many, of the packet at the front of `buf`; none for what has no flow.
#[inline]
pub(super) fn worker<B: Buf>(buf: &B, workers: usize) -> Option<usize> {
    let hash = frame(buf.data())?;
    Some(((u64::from(hash) * workers as u64) >> BITS) as usize)
}

#[inline]
fn frame(data: &[u8]) -> Option<u32> {
    let (header, behind) = ether::Header::ref_from_prefix(data).ok()?;
    let (ether_type, packet) = match header.ethertype.get() {
        ethertype::VLAN => {
            let (tag, behind) = Tag::ref_from_prefix(behind).ok()?;
            (tag.ethertype.get(), behind)
        }
        plain => (plain, behind),
    };
    match ether_type {
        ethertype::IPV6 => outer(packet),
        ethertype::IPV4 => ipv4(packet),
        _ => None,
    }
}

/// The flow of an IPv6 packet, or of the one inside.
#[inline]
fn outer(packet: &[u8]) -> Option<u32> {
    let (header, behind) = Header::ref_from_prefix(packet).ok()?;
    let inner = match header.next_header {
        next_header::IPV6 => ipv6(behind),
        next_header::IPV4 => ipv4(behind),
        // A tunnel encapsulation limit stands in front (RFC 2473 section 4.1.1).
        next_header::DESTINATION_OPTIONS => match behind {
            [next, length, ..] => {
                let inside = behind.get((usize::from(*length) + 1) * 8..)?;
                match *next {
                    next_header::IPV6 => ipv6(inside),
                    next_header::IPV4 => ipv4(inside),
                    _ => None,
                }
            }
            _ => None,
        },
        _ => None,
    };
    inner.or_else(|| Some(flow::label(header, behind)))
}

#[inline]
fn ipv6(packet: &[u8]) -> Option<u32> {
    let (header, behind) = Header::ref_from_prefix(packet).ok()?;
    Some(flow::label(header, behind))
}

/// The flow of an IPv4 packet. Ports count only where every packet of the flow shows them.
#[inline]
fn ipv4(packet: &[u8]) -> Option<u32> {
    let header = packet.first_chunk::<IPV4_HEADER_LEN>()?;
    let [first, _, _, _, _, _, f0, f1, _, protocol, _, _, a @ ..] = *header;
    let behind = packet.get(usize::from(first & 0x0f) * 4..)?;
    let whole = u16::from_be_bytes([f0, f1]) & IPV4_FRAGMENT == 0;
    let behind = if whole { behind } else { &[] };
    let [s0, s1, s2, s3, d0, d1, d2, d3] = a;
    // As an IPv6 header with these addresses would be.
    let mapped = |octets: [u8; 4]| {
        let mut address = [0; 16];
        if let Some(end) = address.last_chunk_mut() {
            *end = octets;
        }
        address
    };
    let (source, destination) = (mapped([s0, s1, s2, s3]), mapped([d0, d1, d2, d3]));
    Some(flow::label(
        &Header::new(source, destination, protocol, 0, 0),
        behind,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::IntoBytes;

    fn ethernet(ether_type: u16, rest: &[&[u8]]) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        frame.extend(ether_type.to_be_bytes());
        rest.iter().for_each(|part| frame.extend_from_slice(part));
        frame
    }

    fn header(source: u8, next: u8) -> [u8; 40] {
        let mut address = [0; 16];
        address[15] = source;
        let header = Header::new(address, [9; 16], next, 64, 8);
        header.as_bytes().try_into().expect("forty octets")
    }

    const PORTS: [u8; 8] = [0, 80, 4, 0, 0, 8, 0, 0];

    #[test]
    fn a_tunnel_packet_goes_where_its_inner_packet_would_go() {
        let inner = [&header(1, next_header::UDP)[..], &PORTS].concat();
        let bare = frame(&ethernet(ethertype::IPV6, &[&inner])).expect("a flow");
        let outer = header(7, next_header::IPV6);
        let tunnel = ethernet(ethertype::IPV6, &[&outer, &inner]);
        assert_eq!(frame(&tunnel), Some(bare));
        let tagged = ethernet(ethertype::VLAN, &[&[0, 100, 0x86, 0xdd], &outer, &inner]);
        assert_eq!(frame(&tagged), Some(bare));
        let outer = header(8, next_header::DESTINATION_OPTIONS);
        let limit = [next_header::IPV6, 0, 4, 1, 4, 1, 0, 0];
        let limited = ethernet(ethertype::IPV6, &[&outer, &limit, &inner]);
        assert_eq!(frame(&limited), Some(bare));
        let other = [&header(2, next_header::UDP)[..], &PORTS].concat();
        let other = ethernet(ethertype::IPV6, &[&outer, &limit, &other]);
        assert_ne!(frame(&other), Some(bare));
    }

    #[test]
    fn fragments_of_one_ipv4_packet_stay_together() {
        let mut packet = vec![0x45, 0, 0, 28, 0, 1, 0x20, 0, 64, next_header::UDP, 0, 0];
        packet.extend([192, 0, 2, 1, 192, 0, 2, 2]);
        let first = frame(&ethernet(ethertype::IPV4, &[&packet, &PORTS]));
        packet[6..8].copy_from_slice(&[0, 1]);
        let last = frame(&ethernet(ethertype::IPV4, &[&packet, &[9; 8]]));
        assert_eq!(first, last);
        packet[6..8].copy_from_slice(&[0, 0]);
        let whole = |ports: &[u8]| frame(&ethernet(ethertype::IPV4, &[&packet, ports]));
        assert_ne!(whole(&PORTS), whole(&[9; 8]));
    }

    #[test]
    fn what_is_cut_short_or_is_no_ip_has_no_flow() {
        assert_eq!(frame(&[0; 13]), None);
        assert_eq!(frame(&ethernet(ethertype::ARP, &[&[0; 28]])), None);
        assert_eq!(frame(&ethernet(ethertype::IPV6, &[&[0; 39]])), None);
        assert_eq!(frame(&ethernet(ethertype::IPV4, &[&[0x4f; 20]])), None);
        // The outer packet has one, whatever is inside.
        let outer = header(7, next_header::IPV6);
        assert!(frame(&ethernet(ethertype::IPV6, &[&outer, &[0; 39]])).is_some());
        for octets in 0..10 {
            let outer = header(7, next_header::DESTINATION_OPTIONS);
            let cut = ethernet(ethertype::IPV6, &[&outer, &[41; 10][..octets]]);
            // Whatever it says, it says it without a panic.
            let _ = frame(&cut);
        }
    }
}
