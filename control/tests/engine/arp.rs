//! IPv4 through a gateway: it answers for its own addresses, finds its neighbours and forwards to them.

use crate::bytes::{frame, ip, nd_packet};
use crate::story::CAPACITY;
use crate::world::{begin, port_mac, Member, Node, World};
use dataplane::verdict::{Forward, Reply, Verdict};
use std::net::Ipv4Addr;
use std::time::Duration;
use wire::arp::Packet;
use wire::ether::{ethertype, Frame, Header, MacAddr};
use wire::icmpv4;
use wire::ipv4::{self, protocol};
use wire::ipv6::address::ALL_ROUTERS;
use wire::nd::{NdMessage, RouterSolicitation};
use zerocopy::IntoBytes;

const CONFIG: &str = r#"
[gateway]
name = "router"
[workers]
cores = [0]
[[port]]
name = "left0"
device = "net_null0"
[[port]]
name = "right0"
device = "net_null1"
[[interface]]
name = "left"
port = "left0"
kind = "core"
addresses = ["2001:db8:c::1/64", "192.0.2.1/24"]
[[interface]]
name = "right"
port = "right0"
kind = "core"
addresses = ["198.51.100.1/24"]
[[route]]
prefix = "203.0.113.0/24"
via = "198.51.100.9"
[[route]]
prefix = "203.0.113.128/25"
unreachable = true
[lma]
address = "2001:db8:c::1"
policy = "policy.toml"
"#;

const LEFT: usize = 0;
const RIGHT: usize = 1;
const OURS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const OURS_RIGHT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const A: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const B: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 20);
const ROUTER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 9);
const A_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xa]);
const B_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xb]);

fn world() -> World {
    let node = Node::new(0, CONFIG, "mags = []\n", CAPACITY, begin());
    let wire = |end, port| vec![Member::Port(0, port), Member::End(end)];
    World::new(vec![node], vec![wire(LEFT, 0), wire(RIGHT, 1)], 2)
}

fn ethernet(kind: u16, from: MacAddr, to: MacAddr, payload: &[u8]) -> Vec<u8> {
    [Header::new(to, from, kind).as_bytes(), payload].concat()
}

/// Sends an ARP packet and waits until the workers go by what follows from it.
fn send_arp(world: &mut World, end: usize, from: MacAddr, to: MacAddr, packet: Packet) {
    let frame = ethernet(ethertype::ARP, from, to, packet.as_bytes());
    world.send(end, &frame);
    world.pass(Duration::from_millis(100));
}

/// A datagram of A's through the gateway.
fn datagram(to: Ipv4Addr, ttl: u8) -> Vec<u8> {
    let header = ipv4::Header::new(A, to, protocol::UDP, ttl, 30);
    let packet = [header.as_bytes(), &[0; 10]].concat();
    ethernet(ethertype::IPV4, A_MAC, port_mac(0, 0), &packet)
}

/// What an end heard of ARP, each with its link-layer destination.
fn arp(world: &mut World, end: usize) -> Vec<(MacAddr, Packet)> {
    let heard = world.hear_others(end).into_iter();
    let arp = heard.filter_map(|frame| {
        let frame = Frame::parse(&frame).ok()?;
        let packet = Packet::parse(frame.payload).ok()?;
        (frame.ethertype == ethertype::ARP).then_some((frame.header.destination, *packet))
    });
    arp.collect()
}

/// What an end heard of IPv4: link-layer destination, header and payload.
fn ipv4(world: &mut World, end: usize) -> Vec<(MacAddr, ipv4::Header, Vec<u8>)> {
    let heard = world.hear_others(end).into_iter();
    let packets = heard.filter_map(|frame| {
        let frame = Frame::parse(&frame).ok()?;
        let whole = ipv4::Header::split(frame.payload).ok()?;
        let to = frame.header.destination;
        Some((to, *whole.header, whole.payload.to_vec()))
    });
    packets.collect()
}

/// A makes itself known by asking for the gateway's address.
fn a_asks(world: &mut World) {
    let request = Packet::request(A_MAC, A, OURS);
    send_arp(world, LEFT, A_MAC, MacAddr::BROADCAST, request);
}

#[test]
fn our_addresses_are_told_to_who_asks_and_no_others() {
    let mut world = world();
    world.hear_others(LEFT);
    a_asks(&mut world);
    let told = arp(&mut world, LEFT);
    let [(to, reply)] = &told[..] else {
        panic!("one answer: {told:?}");
    };
    assert_eq!(*to, A_MAC);
    assert_eq!((reply.sender(), reply.sender_mac()), (OURS, port_mac(0, 0)));
    assert!(!reply.is_request());
    // An address of ours on another link, a neighbour's, and ours in the name of an address of
    // elsewhere, which is answered and draws no packets to itself.
    let known = world.nodes[0].engine.neighbours().len();
    for target in [OURS_RIGHT, Ipv4Addr::new(192, 0, 2, 77)] {
        let request = Packet::request(A_MAC, A, target);
        send_arp(&mut world, LEFT, A_MAC, MacAddr::BROADCAST, request);
        assert_eq!(arp(&mut world, LEFT), []);
    }
    let request = Packet::request(A_MAC, ROUTER, OURS);
    send_arp(&mut world, LEFT, A_MAC, MacAddr::BROADCAST, request);
    assert_eq!(arp(&mut world, LEFT).len(), 1);
    assert_eq!(world.nodes[0].engine.neighbours().len(), known);
    assert_eq!(world.nodes[0].counted("arp_foreign"), 1);
    // A sender that is not the frame's.
    let request = Packet::request(B_MAC, A, OURS);
    send_arp(&mut world, LEFT, A_MAC, MacAddr::BROADCAST, request);
    assert_eq!(arp(&mut world, LEFT), []);
    assert_eq!(world.nodes[0].counted("arp_malformed"), 1);
    world.nodes[0].check();
}

#[test]
fn a_packet_waits_for_its_neighbour_and_then_goes() {
    let mut world = world();
    world.hear_others(RIGHT);
    world.send(LEFT, &datagram(B, 9));
    let asked = arp(&mut world, RIGHT);
    let [(to, request)] = &asked[..] else {
        panic!("one question: {asked:?}");
    };
    assert_eq!(*to, MacAddr::BROADCAST);
    assert_eq!((request.sender(), request.target()), (OURS_RIGHT, B));
    let reply = request.reply_to(B_MAC, B);
    send_arp(&mut world, RIGHT, B_MAC, port_mac(0, 1), reply);
    let sent = ipv4(&mut world, RIGHT);
    let [(to, header, payload)] = &sent[..] else {
        panic!("one packet: {sent:?}");
    };
    assert_eq!((*to, header.ttl(), payload.len()), (B_MAC, 8, 10));
    // The next one need not wait.
    world.send(LEFT, &datagram(B, 9));
    assert_eq!(ipv4(&mut world, RIGHT).len(), 1);
    assert_eq!(
        world.nodes[0].verdicts(Verdict::Forward(Forward::Routed)),
        2
    );
    world.nodes[0].check();
}

#[test]
fn who_does_not_answer_is_told_to_the_sender_as_unreachable() {
    let mut world = world();
    a_asks(&mut world);
    world.hear_others(RIGHT);
    world.hear_others(LEFT);
    world.send(LEFT, &datagram(B, 9));
    world.pass(Duration::from_secs(4));
    let asked = arp(&mut world, RIGHT);
    let for_b = asked.iter().filter(|(_, asked)| asked.target() == B);
    assert_eq!(for_b.count(), 3, "{asked:?}");
    let told = ipv4(&mut world, LEFT);
    let [(to, header, payload)] = &told[..] else {
        panic!("one error: {told:?}");
    };
    assert_eq!((*to, Ipv4Addr::from(header.source)), (A_MAC, OURS));
    let Ok(icmpv4::Packet::Error(error, _)) = icmpv4::Packet::parse(payload) else {
        panic!("{payload:?}");
    };
    let code = icmpv4::code::HOST_UNREACHABLE;
    let expected = icmpv4::ErrorMessage::DestinationUnreachable { code };
    assert_eq!(error, expected);
    assert_eq!(
        world.nodes[0].counted("neighbour_failed"),
        1 + 1,
        "B and the router"
    );
    world.nodes[0].check();
}

#[test]
fn routes_lead_through_a_router_that_is_kept_and_asked_again() {
    let mut world = world();
    let asked = arp(&mut world, RIGHT);
    let (_, request) = asked
        .iter()
        .find(|(_, asked)| asked.target() == ROUTER)
        .expect("the router is asked for at the start");
    let reply = request.reply_to(B_MAC, ROUTER);
    send_arp(&mut world, RIGHT, B_MAC, port_mac(0, 1), reply);
    world.send(LEFT, &datagram(Ipv4Addr::new(203, 0, 113, 5), 64));
    let sent = ipv4(&mut world, RIGHT);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].0, B_MAC);
    // It stays known while it answers, asked alone.
    let mut alone = 0;
    for _ in 0..120 {
        world.pass(Duration::from_secs(1));
        for (to, asked) in arp(&mut world, RIGHT) {
            assert_eq!((to, asked.target()), (B_MAC, ROUTER));
            alone += 1;
            let reply = asked.reply_to(B_MAC, ROUTER);
            send_arp(&mut world, RIGHT, B_MAC, port_mac(0, 1), reply);
        }
    }
    assert!(alone >= 2, "{alone}");
    // It moves to another link-layer address and says so to everyone.
    let news = Packet::request(A_MAC, ROUTER, ROUTER);
    send_arp(&mut world, RIGHT, A_MAC, MacAddr::BROADCAST, news);
    world.send(LEFT, &datagram(Ipv4Addr::new(203, 0, 113, 5), 64));
    let sent = ipv4(&mut world, RIGHT);
    assert_eq!(sent.iter().map(|(to, ..)| *to).collect::<Vec<_>>(), [A_MAC]);
    // And goes: nobody answers any more.
    world.pass(Duration::from_secs(60));
    world.send(LEFT, &datagram(Ipv4Addr::new(203, 0, 113, 5), 64));
    assert_eq!(ipv4(&mut world, RIGHT), []);
    world.nodes[0].check();
}

#[test]
fn what_no_route_and_no_node_has_is_answered_or_dropped() {
    let mut world = world();
    a_asks(&mut world);
    world.hear_others(LEFT);
    let no_route = Verdict::Reply(Reply::NoRoute);
    for (to, replies) in [
        ([203, 0, 113, 200], 1),
        ([10, 0, 0, 1], 2),
        // The link's own address and everyone's on it.
        ([198, 51, 100, 0], 2),
        ([198, 51, 100, 255], 2),
    ] {
        world.send(LEFT, &datagram(to.into(), 64));
        assert_eq!(world.nodes[0].verdicts(no_route), replies, "{to:?}");
    }
    let echo = [8, 0, 0xf7, 0xff, 0, 0, 0, 0];
    let header = ipv4::Header::new(A, OURS_RIGHT, protocol::ICMP, 1, 28);
    let packet = [header.as_bytes(), &echo].concat();
    let frame = ethernet(ethertype::IPV4, A_MAC, port_mac(0, 0), &packet);
    world.hear_others(LEFT);
    world.send(LEFT, &frame);
    let [(_, header, payload)] = &ipv4(&mut world, LEFT)[..] else {
        panic!("one echo reply");
    };
    assert_eq!(Ipv4Addr::from(header.source), OURS_RIGHT);
    assert_eq!(payload[..2], [0, 0]);
    world.nodes[0].check();
}

#[test]
fn core_links_are_asked_at_the_start_whether_our_ipv4_addresses_are_free() {
    let mut world = world();
    for (end, ours) in [(LEFT, OURS), (RIGHT, OURS_RIGHT)] {
        let asked = arp(&mut world, end);
        let probes = asked.iter().filter(|(to, asked)| {
            let probe = asked.sender().is_unspecified() && asked.target() == ours;
            *to == MacAddr::BROADCAST && probe
        });
        assert_eq!(probes.count(), 1, "{asked:?}");
    }
    let claim = Packet::request(A_MAC, OURS, OURS);
    send_arp(&mut world, LEFT, A_MAC, MacAddr::BROADCAST, claim);
    assert_eq!(world.nodes[0].counted("arp_conflict"), 1);
}

#[test]
fn the_same_link_speaks_ipv6_as_before() {
    let mut world = world();
    let message = NdMessage::RouterSolicitation(RouterSolicitation { options: vec![] });
    let packet = nd_packet(ip("fe80::a"), ALL_ROUTERS, &message);
    let before =
        world.nodes[0].verdicts(Verdict::Drop(dataplane::verdict::Drop::MulticastUnwanted));
    world.send(
        LEFT,
        &frame(A_MAC, MacAddr([0x33, 0x33, 0, 0, 0, 2]), &packet),
    );
    let after = world.nodes[0].verdicts(Verdict::Drop(dataplane::verdict::Drop::MulticastUnwanted));
    assert_eq!(after - before, 1);
}
