//! Frames of every kind: plain ones, ones at the borders, and broken ones.

use super::world::{neighbour, own, Frame, ACCESS_VLAN, CORE_VLAN, ENDS, IPV4, IPV6, NO_VLAN};
use proptest::prelude::*;
use proptest::sample::{select, Index};
use wire::ether::{ethertype, MacAddr};
use wire::ipv4;
use wire::ipv6::{encapsulation_limit_header, next_header, Header};
use zerocopy::IntoBytes;

/// A packet and its ethertype.
type Packet = (u16, Vec<u8>);

fn v6(text: &str) -> [u8; 16] {
    let address: std::net::Ipv6Addr = text.parse().expect("an address");
    address.octets()
}

/// Mostly the plain ones, which come first.
fn address(all: &'static [&'static str], plain: usize) -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => select(&all[..plain]), 1 => select(all)]
}

/// A packet from a neighbour, untagged.
pub fn packet(port: u16, ether_type: u16, packet: Vec<u8>) -> Frame {
    let link = [own(port).0, neighbour(9).0].concat();
    Frame {
        port,
        octets: [link, ether_type.to_be_bytes().to_vec(), packet].concat(),
        stripped: None,
        first: None,
    }
}

/// An IPv6 packet from an anchored host to a correspondent, untagged or in a VLAN.
pub fn plain(port: u16, vlan: Option<u16>, hops: u8) -> Frame {
    let header = Header::new(v6(IPV6[0]), v6(IPV6[7]), next_header::NONE, hops, 0);
    let tag = vlan.map(|vlan| [ethertype::VLAN.to_be_bytes(), vlan.to_be_bytes()].concat());
    let link = [own(port).0, neighbour(9).0].concat();
    let ether_type = ethertype::IPV6.to_be_bytes();
    Frame {
        port,
        octets: [
            &link,
            tag.as_deref().unwrap_or_default(),
            &ether_type,
            header.as_bytes(),
        ]
        .concat(),
        stripped: None,
        first: None,
    }
}

/// Few hops, many, and those at the border.
fn hops() -> impl Strategy<Value = u8> {
    prop_oneof![8 => 2..=255u8, 1 => 0..=2u8]
}

/// Octets of a payload, among them those that make a packet as large as links and tunnels carry.
fn octets() -> impl Strategy<Value = usize> {
    let border = select(vec![
        1172usize, 1220, 1260, 1360, 1380, 1420, 1440, 1460, 1480,
    ]);
    prop_oneof![9 => 0..200usize, 2 => (border, 0..48usize).prop_map(|(at, less)| at - less)]
}

fn ipv6() -> impl Strategy<Value = Packet> {
    let protocols = vec![
        next_header::UDP,
        next_header::TCP,
        next_header::ICMPV6,
        next_header::NONE,
        next_header::HOP_BY_HOP,
        next_header::DESTINATION_OPTIONS,
        next_header::FRAGMENT,
        next_header::ROUTING,
        next_header::IPV6,
        next_header::IPV4,
        next_header::MOBILITY,
    ];
    let protocol = prop_oneof![8 => Just(next_header::UDP), 2 => select(protocols)];
    let from = prop_oneof![2 => address(&IPV6, 8), 3 => Just(IPV6[0]), 2 => select(&IPV6[3..5])];
    let ends = (from, address(&IPV6, 9));
    let label = prop_oneof![Just(0u32), 0..1u32 << 20];
    (
        ends,
        protocol,
        hops(),
        any::<u8>(),
        label,
        octets(),
        any::<u8>(),
    )
        .prop_map(|((from, to), protocol, hops, class, label, octets, fill)| {
            let mut header = Header::new(v6(from), v6(to), protocol, hops, octets as u16);
            header.set_traffic_class(class);
            header.set_flow_label(label);
            let payload = match protocol {
                next_header::DESTINATION_OPTIONS if octets >= 8 => {
                    let limit = encapsulation_limit_header(next_header::NONE, fill & 3);
                    [limit.as_bytes(), &vec![fill; octets - 8]].concat()
                }
                _ => vec![fill; octets],
            };
            (ethertype::IPV6, [header.as_bytes(), &payload].concat())
        })
}

fn ipv4() -> impl Strategy<Value = Packet> {
    let from = prop_oneof![2 => address(&IPV4, 4), 3 => Just(IPV4[0]), 2 => select(&IPV4[1..3])];
    let ends = (from, address(&IPV4, 6));
    let fragment = prop_oneof![8 => Just(None), 1 => (0..4u16).prop_map(Some)];
    (ends, hops(), any::<u8>(), octets(), any::<u8>(), fragment).prop_map(
        |((from, to), hops, class, octets, fill, fragment)| {
            let (from, to) = (from.parse().expect("one"), to.parse().expect("one"));
            let length = (ipv4::HEADER_LEN + octets) as u16;
            let mut header = ipv4::Header::new(from, to, ipv4::protocol::UDP, hops, length);
            header.set_traffic_class(class);
            if let Some(offset) = fragment {
                header.set_fragment(false, offset & 1 > 0, offset * 8);
                header.seal();
            }
            (
                ethertype::IPV4,
                [header.as_bytes(), &vec![fill; octets]].concat(),
            )
        },
    )
}

/// A packet in a tunnel, of ours or of others, perhaps behind an encapsulation limit.
fn in_tunnel() -> impl Strategy<Value = Packet> {
    let from = prop_oneof![6 => Just(ENDS[1]), 3 => select(&ENDS[..])];
    let inner = prop_oneof![3 => ipv6(), 1 => ipv4()];
    (from, inner, hops(), any::<u8>(), 0..12u8).prop_map(|(from, inner, hops, class, limit)| {
        let next = match inner.0 {
            ethertype::IPV4 => next_header::IPV4,
            _ => next_header::IPV6,
        };
        let (next, option) = match limit {
            0 => {
                let option = encapsulation_limit_header(next, 4);
                (next_header::DESTINATION_OPTIONS, option.as_bytes().to_vec())
            }
            _ => (next, Vec::new()),
        };
        let payload = [option, inner.1].concat();
        let length = payload.len() as u16;
        let mut header = Header::new(v6(from), v6(ENDS[0]), next, hops, length);
        header.set_traffic_class(class);
        (ethertype::IPV6, [header.as_bytes(), &payload].concat())
    })
}

/// What is odd about a frame: octets that are others, or fewer or more of them, or two segments.
#[derive(Clone, Debug)]
enum Broken {
    No,
    Octet(Index, u8),
    Cut(Index),
    Padded(usize),
    InSegments(Index),
}

fn broken() -> impl Strategy<Value = Broken> {
    prop_oneof![
        12 => Just(Broken::No),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, octet)| Broken::Octet(at, octet)),
        1 => any::<Index>().prop_map(Broken::Cut),
        2 => (1..40usize).prop_map(Broken::Padded),
        1 => any::<Index>().prop_map(Broken::InSegments),
    ]
}

#[derive(Clone, Copy, Debug)]
enum Tagged {
    No,
    Frame(u16),
    Stripped(u16),
}

/// A tag that a port's frames may have, mostly.
fn tagged(port: u16) -> impl Strategy<Value = Tagged> {
    let own = match port {
        0 => 0,
        1 => CORE_VLAN,
        _ => ACCESS_VLAN,
    };
    let other = select(vec![0, CORE_VLAN, ACCESS_VLAN, NO_VLAN, 0xe000 | CORE_VLAN]);
    let tag = || prop_oneof![6 => Just(own), 1 => other.clone()];
    prop_oneof![
        6 => Just(Tagged::No),
        3 => tag().prop_map(Tagged::Frame),
        1 => tag().prop_map(Tagged::Stripped),
    ]
}

/// Any frame, on any port.
pub fn frame() -> impl Strategy<Value = Frame> {
    let packet = prop_oneof![4 => ipv6(), 2 => ipv4(), 4 => in_tunnel()];
    let ports = prop_oneof![3 => 0..2u16, 1 => Just(2u16)];
    let to = prop_oneof![12 => Just(None), 1 => select(vec![
        Some(MacAddr([0x33, 0x33, 0, 0, 0, 1])),
        Some(neighbour(77)),
    ])];
    // On a port's access interfaces mostly those hosts that are there.
    let from = prop_oneof![8 => Just(None), 1 => select(vec![
        Some(neighbour(2)),
        Some(MacAddr([3, 0, 0, 0, 0, 1])),
        Some(own(0)),
        Some(own(2)),
    ])];
    let port = ports.prop_flat_map(|port| (Just(port), tagged(port)));
    let all = (port, to, from, packet, broken());
    all.prop_map(|((port, tagged), to, from, (ether_type, packet), broken)| {
        let host = match tagged {
            Tagged::No => 2,
            Tagged::Frame(_) | Tagged::Stripped(_) => 4,
        };
        let to = to.unwrap_or(own(port));
        let from = from.unwrap_or(neighbour(host));
        let mut octets = [to.0, from.0].concat();
        let stripped = match tagged {
            Tagged::No => None,
            Tagged::Stripped(tag) => Some(tag),
            Tagged::Frame(tag) => {
                octets.extend(ethertype::VLAN.to_be_bytes());
                octets.extend(tag.to_be_bytes());
                None
            }
        };
        octets.extend(ether_type.to_be_bytes());
        octets.extend(packet);
        let mut first = None;
        match broken {
            Broken::No => {}
            // Mostly among the headers.
            Broken::Octet(at, octet) => {
                let most = octets.len().min(110);
                octets[at.index(most)] = octet;
            }
            Broken::Cut(at) => octets.truncate(at.index(octets.len())),
            Broken::Padded(more) => octets.extend(vec![0xee; more]),
            Broken::InSegments(at) => first = Some(at.index(octets.len())),
        }
        Frame {
            port,
            octets,
            stripped,
            first,
        }
    })
}
