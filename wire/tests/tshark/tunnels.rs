//! Tunnel packets, VLAN tags and ICMPv6 errors.

use super::judge::{judge, Case};
use super::{frame, one, packet, Expected, GLOBAL, LMA, MAC, MAG};
use wire::ether::{self, ethertype};
use wire::ipv6::{self, next_header};
use wire::{checksum, gre, icmpv6};
use zerocopy::IntoBytes;

/// An echo request from the host's global address to the anchor.
pub fn echo() -> Vec<u8> {
    let mut header = icmpv6::EchoHeader {
        kind: icmpv6::kind::ECHO_REQUEST,
        code: 0,
        checksum: 0.into(),
        identifier: 0x1234.into(),
        sequence: 7.into(),
    };
    let data = b"some data";
    let length = (icmpv6::HEADER_LEN + data.len()) as u32;
    let sum =
        checksum::pseudo_header_v6(&GLOBAL.octets(), &LMA.octets(), length, next_header::ICMPV6);
    let sum = checksum::add(checksum::add(sum, header.as_bytes()), data);
    header.checksum = checksum::finish(sum).into();
    let payload = [header.as_bytes(), data].concat();
    packet(GLOBAL, LMA, next_header::ICMPV6, 63, &payload)
}

/// Proves S1-46.
#[test]
fn tunnels_and_tags() {
    let inner = echo();
    let tunnelled = packet(MAG, LMA, next_header::IPV6, 64, &inner);
    let limit = ipv6::encapsulation_limit_header(next_header::IPV6, 4);
    let limited = [&limit[..], &inner].concat();
    let limited = packet(MAG, LMA, next_header::DESTINATION_OPTIONS, 64, &limited);
    let mut labelled = tunnelled.clone();
    let mut header = ipv6::Header::new(MAG.octets(), LMA.octets(), 41, 64, inner.len() as u16);
    header.set_traffic_class(0xb9);
    header.set_flow_label(0xabcde);
    labelled[..ipv6::HEADER_LEN].copy_from_slice(header.as_bytes());
    let tagged = [
        ether::Header::new(MAC, MAC, ethertype::VLAN).as_bytes(),
        ether::Tag::new(100, ethertype::IPV6).as_bytes(),
        &tunnelled,
    ]
    .concat();
    // Data of a session with a key, and of one without (RFC 5845 section 3.3.1).
    let in_gre = |key: Option<u32>| {
        let header = gre::Header {
            protocol: ethertype::IPV6,
            key,
        };
        let (octets, length) = header.emit();
        let behind = [&octets[..length], &inner].concat();
        packet(MAG, LMA, next_header::GRE, 64, &behind)
    };
    let [keyed, keyless] = [Some(0xdead_beef), None].map(in_gre);
    let sources = || {
        let both = vec![MAG.to_string(), GLOBAL.to_string()];
        vec![
            ("ipv6.src", both),
            ("ipv6.hlim", vec!["64".into(), "63".into()]),
            one("icmpv6.checksum.status", 1),
            one("icmpv6.echo.identifier", "0x1234"),
            one("icmpv6.echo.sequence_number", 7),
        ]
    };
    let case = |name: &str, frame: Vec<u8>, more: Expected| Case {
        name: name.to_owned(),
        frame,
        expected: [sources(), more].concat(),
    };
    judge(&[
        case("IPv6 in IPv6", frame(&tunnelled), vec![]),
        case(
            "encapsulation limit",
            frame(&limited),
            vec![one("ipv6.opt.tel", 4)],
        ),
        case(
            "class and label",
            frame(&labelled),
            vec![
                (
                    "ipv6.tclass",
                    vec!["0x000000b9".into(), "0x00000000".into()],
                ),
                ("ipv6.flow", vec!["0x0abcde".into(), "0x000000".into()]),
            ],
        ),
        case(
            "GRE with a key",
            frame(&keyed),
            vec![
                one("gre.proto", "0x86dd"),
                one("gre.flags.key", 1),
                one("gre.key", "0xdeadbeef"),
            ],
        ),
        case(
            "GRE without a key",
            frame(&keyless),
            vec![
                one("gre.proto", "0x86dd"),
                one("gre.flags.key", 0),
                ("gre.key", vec![]),
            ],
        ),
        case("802.1Q", tagged, vec![one("vlan.id", 100)]),
    ]);
}

#[test]
fn icmpv6_errors() {
    use icmpv6::ErrorMessage;
    let invoking = echo();
    let errors = [
        (
            ErrorMessage::DestinationUnreachable {
                code: icmpv6::code::ADDRESS_UNREACHABLE,
            },
            (1, 3),
            None,
        ),
        (
            ErrorMessage::PacketTooBig { mtu: 1452 },
            (2, 0),
            Some(one("icmpv6.mtu", 1452)),
        ),
        (
            ErrorMessage::TimeExceeded {
                code: icmpv6::code::HOP_LIMIT_EXCEEDED,
            },
            (3, 0),
            None,
        ),
        (
            ErrorMessage::ParameterProblem {
                code: icmpv6::code::ERRONEOUS_FIELD,
                pointer: 40,
            },
            (4, 0),
            Some(one("icmpv6.pointer", 40)),
        ),
    ];
    let cases: Vec<Case> = errors
        .into_iter()
        .map(|(error, (kind, code), more)| {
            let mut payload = Vec::new();
            error.emit(MAG, GLOBAL, &invoking, &mut payload);
            let mut expected = vec![
                ("icmpv6.type", vec![kind.to_string(), "128".into()]),
                ("icmpv6.code", vec![code.to_string(), "0".into()]),
                // Right in the error, not judged in the packet that it quotes.
                ("icmpv6.checksum.status", vec!["1".into(), "2".into()]),
            ];
            expected.extend(more);
            let packet = packet(MAG, GLOBAL, next_header::ICMPV6, 64, &payload);
            Case {
                name: format!("{error:?}"),
                frame: frame(&packet),
                expected,
            }
        })
        .collect();
    judge(&cases);
}
