//! Gateways that are reached over IPv4 (RFC 5844 section 4): signalling in UDP, and what is wrong with it.

use crate::bytes::{frame, nd_packet};
use crate::configuration::ROUTER_MAC;
use crate::story::{domain_with_policies, CORE, LMA, MN};
use crate::world::{port_mac, World};
use dataplane::key::TunnelId;
use std::net::Ipv4Addr;
use std::time::Duration;
use wire::checksum;
use wire::ether::{ethertype, Frame, Header, MacAddr};
use wire::ipv4::{self, protocol};
use wire::ipv6::address::ALL_ROUTERS;
use wire::nd::{NdMessage, RouterSolicitation};
use wire::udp::{PMIP_CONTROL, PMIP_DATA};
use zerocopy::IntoBytes;

const HOST: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const ANCHOR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 11);

const LMA_POLICY: &str = "mags = [\"192.0.2.11\"]\nserve_unlisted = true\n";

const MAG_POLICY: &str = r#"
[[host]]
mac = "02:00:00:00:00:01"
identifier = "mn@example.net"
lma = "192.0.2.1"
"#;

fn domain() -> World {
    let lma = |config: String| {
        let config = config.replace("c::1/64\"", "c::1/64\", \"192.0.2.1/24\"");
        config.replace("pools =", "ipv4_address = \"192.0.2.1\"\npools =")
    };
    let mag = |config: String| {
        let own = match config.contains("c::11/64") {
            true => "192.0.2.11",
            false => "192.0.2.12",
        };
        let config = config.replace("/64\"]", &format!("/64\", \"{own}/24\"]"));
        config + &format!("ipv4_address = \"{own}\"\n")
    };
    domain_with_policies(lma, LMA_POLICY, mag, MAG_POLICY)
}

/// The datagrams of signalling that passed the core: ends with their ports, and the mobility header.
type Told = ((Ipv4Addr, u16), (Ipv4Addr, u16), Vec<u8>);

fn told(world: &mut World) -> Vec<Told> {
    let heard = world.hear_others(CORE).into_iter();
    let read = heard.filter_map(|frame| {
        let frame = Frame::parse(&frame).ok()?;
        let whole = Some(frame.payload).filter(|_| frame.ethertype == ethertype::IPV4)?;
        let parts = ipv4::Header::split(whole).ok()?;
        let udp = parts.header.protocol == protocol::UDP;
        let ports = parts.payload.get(..4).filter(|_| udp)?;
        let port = |at: usize| u16::from_be_bytes([ports[at], ports[at + 1]]);
        let payload = parts.payload.get(8..)?.to_vec();
        Some((
            (parts.header.source.into(), port(0)),
            (parts.header.destination.into(), port(2)),
            payload,
        ))
    });
    read.collect()
}

fn attached() -> (World, Vec<Told>) {
    let mut world = domain();
    let solicitation = NdMessage::RouterSolicitation(RouterSolicitation { options: vec![] });
    let link_local = "fe80::1:1".parse().unwrap();
    let packet = nd_packet(link_local, ALL_ROUTERS, &solicitation);
    world.send(MN, &frame(HOST, ROUTER_MAC, &packet));
    world.pass(Duration::from_millis(500));
    let told = told(&mut world);
    (world, told)
}

/// Says something to the anchor, as a datagram whose checksum is right but for `spoil`.
fn say(world: &mut World, from: (Ipv4Addr, u16), octets: &[u8], spoil: u8) -> Vec<Told> {
    world.hear_others(CORE);
    let length = 8 + octets.len() as u16;
    let header = ipv4::Header::new(from.0, ANCHOR, protocol::UDP, 64, 20 + length);
    let fields = [from.1, PMIP_CONTROL, length, 0].map(u16::to_be_bytes);
    let datagram = [fields.as_flattened(), octets].concat();
    let mut sum = checksum::add(0, &[header.source, header.destination].concat());
    sum = checksum::add(sum, &[0, protocol::UDP]);
    sum = checksum::add(sum, &length.to_be_bytes());
    let sum = checksum::finish(checksum::add(sum, &datagram));
    let mut packet = [header.as_bytes(), &datagram].concat();
    packet[26..28].copy_from_slice(&sum.to_be_bytes());
    packet[27] ^= spoil;
    let link = Header::new(
        port_mac(0, 0),
        MacAddr([2, 0, 0, 0, 0, 0x99]),
        ethertype::IPV4,
    );
    world.send(CORE, &[link.as_bytes(), &packet].concat());
    world.pass(Duration::from_millis(100));
    let mut told = told(world);
    told.retain(|(source, ..)| source.0 == ANCHOR);
    told
}

/// Proves S1-46.
#[test]
fn a_host_is_registered_in_datagrams_and_bound_between_ipv4_addresses() {
    let (world, told) = attached();
    let ends: Vec<_> = told.iter().map(|(from, to, _)| (*from, *to)).collect();
    let (there, back) = ((GATEWAY, PMIP_CONTROL), (ANCHOR, PMIP_CONTROL));
    assert_eq!(ends, [(there, back), (back, there)]);
    // No checksum of its own (sections 4.1.3.2 and 4.2.2.1).
    assert!(told.iter().all(|(.., octets)| octets[4..6] == [0, 0]));
    let binding = crate::story::bindings(&world).pop().expect("a binding");
    assert_eq!(binding.care_of, GATEWAY.to_ipv6_mapped());
    assert_eq!(binding.anchor, ANCHOR.to_ipv6_mapped());
    world.nodes[LMA].check();
}

#[test]
fn an_answer_goes_to_the_port_that_was_asked_from() {
    let (mut world, told) = attached();
    let update = told[0].2.clone();
    let answers = say(&mut world, (GATEWAY, 40_000), &update, 0);
    // It is the same update once more, and too old by now.
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].1, (GATEWAY, 40_000));
}

#[test]
fn broken_datagrams_are_counted_and_not_answered() {
    let (mut world, told) = attached();
    let update = told[0].2.clone();
    let from = (GATEWAY, PMIP_CONTROL);
    assert_eq!(say(&mut world, from, &update, 1), []);
    assert_eq!(world.nodes[LMA].counted("packet_malformed"), 1);
    let cut = &update[..update.len() - 8];
    assert_eq!(say(&mut world, from, cut, 0), []);
    assert_eq!(world.nodes[LMA].counted("malformed_truncated"), 1);
    let bindings = crate::story::bindings(&world);
    assert_eq!(bindings.len(), 1);
}

/// A router says of a packet of so many octets, with this behind its IPv4 header, that its link carries no more than
/// `mtu`; the MTU of the tunnel then.
fn too_big(world: &mut World, ends: [Ipv4Addr; 2], protocol: u8, mtu: u16, octets: u16) -> u16 {
    let [local, remote] = ends;
    let mut quoted = ipv4::Header::new(local, remote, protocol, 64, octets)
        .as_bytes()
        .to_vec();
    // Ports of datagrams with packets; of a plain packet, just octets of it.
    quoted.extend([PMIP_DATA.to_be_bytes(); 2].as_flattened());
    quoted.extend([0; 4]);
    let mut message = vec![3, 4, 0, 0, 0, 0];
    message.extend(mtu.to_be_bytes());
    message.extend(quoted);
    let sum = checksum::finish(checksum::add(0, &message));
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let router = Ipv4Addr::new(192, 0, 2, 99);
    let length = 20 + message.len() as u16;
    let header = ipv4::Header::new(router, ANCHOR, protocol::ICMP, 64, length);
    let mac = MacAddr([2, 0, 0, 0, 0, 0x99]);
    let link = Header::new(port_mac(0, 0), mac, ethertype::IPV4);
    world.send(
        CORE,
        &[link.as_bytes(), header.as_bytes(), &message].concat(),
    );
    world.pass(Duration::from_millis(100));
    let tables = &world.nodes[LMA].tables;
    tables.tunnel(TunnelId(0)).expect("the tunnel").mtu
}

/// The path between two gateways over IPv4 carries less than their links: what goes in is told, or cut, by what the
/// path carries.
///
/// Proves S1-46.
#[test]
fn fragmentation_needed_lowers_the_tunnels_mtu() {
    let (mut world, _) = attached();
    let ends = [ANCHOR, GATEWAY];
    let elsewhere = [ANCHOR, Ipv4Addr::new(192, 0, 2, 77)];
    // About one to somewhere else, one that is no tunnel's, and one that the path carries after all.
    assert_eq!(
        too_big(&mut world, elsewhere, protocol::IPV6, 1400, 1480),
        1460
    );
    assert_eq!(too_big(&mut world, ends, protocol::TCP, 1400, 1480), 1460);
    assert_eq!(too_big(&mut world, ends, protocol::UDP, 1400, 1480), 1460);
    assert_eq!(too_big(&mut world, ends, protocol::IPV6, 1480, 1480), 1460);
    assert_eq!(world.nodes[LMA].counted("icmp_unmatched"), 4);
    // A tunnel whose packets have an IPv4 header alone.
    assert_eq!(too_big(&mut world, ends, protocol::IPV6, 1400, 1480), 1380);
    assert_eq!(too_big(&mut world, ends, protocol::IPV4, 1450, 1480), 1380);
    // A router that does not say how much.
    assert_eq!(too_big(&mut world, ends, protocol::IPV6, 0, 1400), 986);
    // Never below what every path carries.
    assert_eq!(too_big(&mut world, ends, protocol::IPV6, 68, 1000), 556);
    assert_eq!(world.nodes[LMA].counted("icmp_too_big"), 3);
    world.nodes[LMA].check();
}
