//! The outer flow label (RFC 6438): all packets of one inner flow get the same one, and flows spread
//! evenly over all labels but zero.

use std::hint::select_unpredictable;
use wire::ipv4;
use wire::ipv6::{next_header, Header};

/// The label for a packet with this header. Addresses and flow label tell flows apart; where a source
/// sets no label, protocol and ports do, as far as every packet of the flow shows them.
#[inline(always)]
pub(crate) fn label(header: &Header, behind: &[u8]) -> u32 {
    let ends = (&header.source, &header.destination);
    label_of(header.flow_label(), header.next_header, ends, behind)
}

/// The same of a header's parts: flow label, next header, source and destination.
#[inline(always)]
pub(crate) fn label_of(
    own: u32,
    next_header: u8,
    (source, destination): (&[u8; 16], &[u8; 16]),
    behind: &[u8],
) -> u32 {
    let shown = u64::from(ports(next_header, behind)) << 8 | u64::from(next_header);
    // Neighbours in a burst differ in this, so a branch would be guessed wrong.
    let rest = select_unpredictable(own == 0, shown, u64::from(own) << 32);
    let [a, b] = halves(source);
    let [c, d] = halves(destination);
    folded(mix(mix(a ^ rest, b) ^ c, d))
}

/// The label for an IPv4 packet with this header. Addresses, protocol and ports tell flows apart; of a
/// packet in fragments, whose later ones have no ports, the ports count in none.
#[inline(always)]
pub(crate) fn label_ipv4(header: &ipv4::Header, packet: &[u8]) -> u32 {
    let ports = match packet.get(header.header_len()..) {
        Some(behind) if !header.is_fragment() => ports(header.protocol, behind),
        _ => 0,
    };
    let source = u64::from(u32::from_be_bytes(header.source));
    let destination = u64::from(u32::from_be_bytes(header.destination));
    let rest = u64::from(ports) << 8 | u64::from(header.protocol);
    folded(mix(source << 32 | destination, rest))
}

#[inline(always)]
fn folded(hash: u64) -> u32 {
    let label = (hash >> 44) as u32;
    // Zero means "no label" and would take the packet out of the spread.
    label + u32::from(label == 0)
}

#[inline(always)]
fn halves(address: &[u8; 16]) -> [u64; 2] {
    let bits = u128::from_le_bytes(*address);
    [bits as u64, (bits >> 64) as u64]
}

#[inline(always)]
fn ports(protocol: u8, behind: &[u8]) -> u32 {
    let ports = behind
        .first_chunk()
        .map_or(0, |ports| u32::from_le_bytes(*ports));
    let has = matches!(protocol, next_header::TCP | next_header::UDP);
    select_unpredictable(has, ports, 0)
}

/// Multiplies to 128 bits and folds, as wyhash does; `a` is hardly ever 0.
#[inline(always)]
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b ^ 0xd6e8_feb8_6659_fd93);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(source: u16, destination: u16, label: u32, protocol: u8) -> Header {
        let mut octets = [0; 16];
        octets[0] = 0x20;
        let mut source_octets = octets;
        source_octets[14..].copy_from_slice(&source.to_be_bytes());
        octets[6..8].copy_from_slice(&destination.to_be_bytes());
        let mut header = Header::new(source_octets, octets, protocol, 64, 0);
        header.set_flow_label(label);
        header
    }

    #[test]
    fn one_flow_has_one_label_and_ports_count_only_where_a_source_sets_none() {
        let of = |own, ports: [u8; 4]| label(&header(1, 2, own, next_header::UDP), &ports);
        assert_eq!(of(0, [0, 1, 0, 2]), of(0, [0, 1, 0, 2]));
        assert_ne!(of(0, [0, 1, 0, 2]), of(0, [0, 1, 0, 3]));
        assert_eq!(of(7, [0, 1, 0, 2]), of(7, [0, 1, 0, 3]));
        assert_ne!(of(7, [0; 4]), of(8, [0; 4]));
        let fragment = |behind: [u8; 4]| label(&header(1, 2, 0, next_header::FRAGMENT), &behind);
        assert_eq!(fragment([0, 1, 0, 2]), fragment([9, 9, 9, 9]));
    }

    #[test]
    fn an_ipv4_flow_has_one_label_in_fragments_too() {
        let of = |source: [u8; 4], ports: [u8; 4], fragment: Option<u16>| {
            let to = [198, 51, 100, 1];
            let mut header = ipv4::Header::new(source.into(), to.into(), next_header::UDP, 64, 28);
            header.set_fragment(false, fragment.is_some(), fragment.unwrap_or(0));
            let packet = [zerocopy::IntoBytes::as_bytes(&header), &ports].concat();
            label_ipv4(&header, &packet)
        };
        let a = [192, 0, 2, 1];
        assert_eq!(of(a, [0, 1, 0, 2], None), of(a, [0, 1, 0, 2], None));
        assert_ne!(of(a, [0, 1, 0, 2], None), of(a, [0, 1, 0, 3], None));
        assert_ne!(of(a, [0; 4], None), of([192, 0, 2, 2], [0; 4], None));
        assert_eq!(of(a, [0, 1, 0, 2], Some(0)), of(a, [9; 4], Some(8)));
        let mut labels: Vec<u32> = (0..=255).map(|port| of(a, [0, port, 0, 2], None)).collect();
        assert!(labels.iter().all(|label| (1..1 << 20).contains(label)));
        labels.sort_unstable();
        labels.dedup();
        assert!(labels.len() > 250, "{} of 256 labels differ", labels.len());
    }

    #[test]
    fn flows_spread_over_the_labels_and_none_has_zero() {
        let mut buckets = [0u32; 16];
        for source in 0..64 {
            for destination in 0..64 {
                let label = label(&header(source, destination, 0, next_header::TCP), &[]);
                assert!(label > 0 && label < 1 << 20);
                buckets[(label & 15) as usize] += 1;
            }
        }
        // 4096 flows in 16 buckets: 256 each, give or take six standard deviations.
        for count in buckets {
            assert!((160..=352).contains(&count), "{buckets:?}");
        }
    }
}
