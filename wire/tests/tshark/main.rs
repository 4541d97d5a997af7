//! What we put on the wire, as tshark reads it. Field by field it must see what was meant, and it must
//! find nothing malformed nor anything to warn of.

mod discovery;
mod ipv4;
mod judge;
mod later;
mod mobility;
mod tunnels;

use std::net::Ipv6Addr;
use wire::ether::{self, ethertype, MacAddr};
use wire::ipv6::{self, address};
use zerocopy::IntoBytes;

const MAG: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const LMA: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
const HOST: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xa);
const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xb);
const GLOBAL: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0xa);
const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xa]);

/// Field names, each with all its values.
type Expected = Vec<(&'static str, Vec<String>)>;

/// One expected value.
fn one(field: &'static str, value: impl ToString) -> (&'static str, Vec<String>) {
    (field, vec![value.to_string()])
}

fn packet(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    upper: u8,
    hop_limit: u8,
    payload: &[u8],
) -> Vec<u8> {
    let length = payload.len() as u16;
    let header = ipv6::Header::new(
        source.octets(),
        destination.octets(),
        upper,
        hop_limit,
        length,
    );
    [header.as_bytes(), payload].concat()
}

/// An Ethernet frame around an IPv6 packet, to the group address where the packet goes to a group.
fn frame(packet: &[u8]) -> Vec<u8> {
    let (header, _) = ipv6::Header::split(packet).expect("an IPv6 packet");
    let destination = Ipv6Addr::from(header.destination);
    let to = match destination.is_multicast() {
        true => address::multicast_mac(destination),
        false => MacAddr([2, 0, 0, 0, 0, 0xb]),
    };
    let header = ether::Header::new(to, MAC, ethertype::IPV6);
    [header.as_bytes(), packet].concat()
}

/// A judge that lets everything pass proves nothing.
mod judge_of_the_judge {
    use super::judge::{judge, Case};
    use super::*;

    fn echo_with(expected: Expected, change: impl FnOnce(&mut Vec<u8>)) -> Case {
        let mut frame = frame(&tunnels::echo());
        change(&mut frame);
        Case {
            name: "echo".to_owned(),
            frame,
            expected,
        }
    }

    #[test]
    #[should_panic(expected = "icmpv6.echo.sequence_number is [\"7\"], not [\"8\"]")]
    fn another_value_is_seen() {
        judge(&[echo_with(
            vec![one("icmpv6.echo.sequence_number", 8)],
            |_| {},
        )]);
    }

    #[test]
    #[should_panic(expected = "expert says")]
    fn a_wrong_checksum_is_seen() {
        judge(&[echo_with(vec![], |frame| {
            if let Some(last) = frame.last_mut() {
                *last ^= 1;
            }
        })]);
    }

    #[test]
    #[should_panic(expected = "malformed")]
    fn a_truncated_message_is_seen() {
        let update = [59, 0, 5, 0, 0, 0, 0, 1];
        judge(&[Case {
            name: "short update".to_owned(),
            frame: frame(&packet(MAG, LMA, wire::mh::NEXT_HEADER, 64, &update)),
            expected: vec![],
        }]);
    }
}
