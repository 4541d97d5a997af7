//! IPv4, alone and in IPv6 tunnels, its ICMP, and ARP.

use super::judge::{judge, Case};
use super::{frame, one, packet, LMA, MAC, MAG};
use std::net::Ipv4Addr;
use wire::ether::{self, ethertype, MacAddr};
use wire::ipv4::{self, protocol};
use wire::{arp, checksum, icmpv4};
use zerocopy::IntoBytes;

const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const PEER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 11);
const OTHER: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xb]);

fn ipv4_packet(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = (ipv4::HEADER_LEN + payload.len()) as u16;
    let header = ipv4::Header::new(source, destination, protocol, 64, length);
    [header.as_bytes(), payload].concat()
}

fn ipv4_frame(packet: &[u8]) -> Vec<u8> {
    let header = ether::Header::new(OTHER, MAC, ethertype::IPV4);
    [header.as_bytes(), packet].concat()
}

/// An echo request from the host, after a router has had it.
fn echo() -> Vec<u8> {
    let mut message = icmpv4::EchoHeader {
        kind: icmpv4::kind::ECHO_REQUEST,
        code: 0,
        checksum: 0.into(),
        identifier: 0x1234.into(),
        sequence: 7.into(),
    };
    let data = b"some data";
    let sum = checksum::add(checksum::add(0, message.as_bytes()), data);
    message.checksum = checksum::finish(sum).into();
    let payload = [message.as_bytes(), data].concat();
    let length = (ipv4::HEADER_LEN + payload.len()) as u16;
    let mut header = ipv4::Header::new(HOST, PEER, protocol::ICMP, 64, length);
    header.count_hop();
    header.set_traffic_class(0xb9);
    [header.as_bytes(), &payload].concat()
}

#[test]
fn packets_bare_and_in_tunnels() {
    let tunnelled = packet(MAG, LMA, wire::ipv6::next_header::IPV4, 64, &echo());
    for (name, frame) in [
        ("bare", ipv4_frame(&echo())),
        ("IPv4 in IPv6", frame(&tunnelled)),
    ] {
        judge(&[Case {
            name: name.to_owned(),
            frame,
            expected: vec![
                one("ip.src", HOST),
                one("ip.dst", PEER),
                one("ip.ttl", 63),
                one("ip.dsfield", "0xb9"),
                one("ip.flags.df", 1),
                one("icmp.checksum.status", 1),
                one("icmp.ident", 0x1234),
                one("icmp.seq", 7),
            ],
        }]);
    }
}

#[test]
fn icmp_errors() {
    use icmpv4::ErrorMessage;
    let errors = [
        (
            ErrorMessage::DestinationUnreachable {
                code: icmpv4::code::HOST_UNREACHABLE,
            },
            (3, 1),
            None,
        ),
        (
            ErrorMessage::FragmentationNeeded { mtu: 1452 },
            (3, 4),
            Some(one("icmp.mtu", 1452)),
        ),
        (
            ErrorMessage::TimeExceeded {
                code: icmpv4::code::TTL_EXCEEDED,
            },
            (11, 0),
            None,
        ),
    ];
    let cases: Vec<Case> = errors
        .into_iter()
        .map(|(error, (kind, code), more)| {
            let mut payload = Vec::new();
            error.emit(&echo(), &mut payload);
            let mut expected = vec![
                ("icmp.type", vec![kind.to_string(), "8".into()]),
                ("icmp.code", vec![code.to_string(), "0".into()]),
                // Right in the error, not judged in the packet that it quotes.
                ("icmp.checksum.status", vec!["1".into(), "2".into()]),
            ];
            expected.extend(more);
            Case {
                name: format!("{error:?}"),
                frame: ipv4_frame(&ipv4_packet(PEER, HOST, protocol::ICMP, &payload)),
                expected,
            }
        })
        .collect();
    judge(&cases);
}

#[test]
fn address_resolution() {
    let request = arp::Packet::request(MAC, HOST, PEER);
    let reply = request.reply_to(OTHER, PEER);
    let case = |name: &str, packet: &arp::Packet, to, from, expected| {
        let header = ether::Header::new(to, from, ethertype::ARP);
        Case {
            name: name.to_owned(),
            frame: [header.as_bytes(), packet.as_bytes()].concat(),
            expected,
        }
    };
    judge(&[
        case(
            "request",
            &request,
            MacAddr::BROADCAST,
            MAC,
            vec![
                one("arp.opcode", 1),
                one("arp.src.hw_mac", MAC),
                one("arp.src.proto_ipv4", HOST),
                one("arp.dst.proto_ipv4", PEER),
            ],
        ),
        case(
            "reply",
            &reply,
            MAC,
            OTHER,
            vec![
                one("arp.opcode", 2),
                one("arp.src.hw_mac", OTHER),
                one("arp.src.proto_ipv4", PEER),
                one("arp.dst.hw_mac", MAC),
                one("arp.dst.proto_ipv4", HOST),
            ],
        ),
    ]);
}
