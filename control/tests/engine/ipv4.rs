//! Hosts with IPv4 behind gateways: lease, ARP, tunnel, move (RFC 5844).

use crate::bytes::{frame, icmp_packet, ip, nd_packet, packet};
use crate::configuration::ROUTER_MAC;
use crate::story::{domain_with_policies, CN, CORE, LMA, MAG1, MAG2, MN};
use crate::world::{port_mac, World};
use dataplane::verdict::{Drop, Forward, Verdict};
use std::net::Ipv4Addr;
use std::time::Duration;
use wire::arp::Packet;
use wire::dhcpv4::{code, kind, op, Message};
use wire::ether::{ethertype, Frame, Header, MacAddr};
use wire::ipv4::{self, protocol};
use wire::ipv6::address::ALL_ROUTERS;
use wire::ipv6::next_header;
use wire::nd::{NdMessage, RouterSolicitation};
use zerocopy::{FromBytes, IntoBytes};

/// A host of both families, one of IPv4 alone, and one of IPv6 alone.
pub const DUAL: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const FOUR: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
const SIX: MacAddr = MacAddr([2, 0, 0, 0, 0, 3]);

pub const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
const FIXED: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 77);
const SERVER: Ipv4Addr = Ipv4Addr::new(169, 254, 0, 1);
const CORRESPONDENT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);
const CN_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xc]);

const LMA_POLICY: &str = r#"
mags = ["2001:db8:c::11", "2001:db8:c::12"]
serve_unlisted = true
[[host]]
identifier = "four@example.net"
ipv4_home_address = "10.1.0.77"
ipv6 = false
"#;

const MAG_POLICY: &str = r#"
[[host]]
mac = "02:00:00:00:00:01"
identifier = "dual@example.net"
lma = "2001:db8:c::1"
ipv4 = true
[[host]]
mac = "02:00:00:00:00:02"
identifier = "four@example.net"
lma = "2001:db8:c::1"
ipv4 = true
ipv6 = false
[[host]]
mac = "02:00:00:00:00:03"
identifier = "six@example.net"
lma = "2001:db8:c::1"
"#;

pub fn domain() -> World {
    let lma = |config: String| {
        config
            .replace(
                "2001:db8:100::1/64\"",
                "2001:db8:100::1/64\", \"198.51.100.1/24\"",
            )
            .replace(
                "pools =",
                "ipv4_networks = [{ prefix = \"10.1.0.0/16\" }]\npools =",
            )
    };
    let mag = |config: String| {
        config.replace(
            "router = \"fe80::1\"",
            "addresses = [\"169.254.0.1/32\"]\nrouter = \"fe80::1\"",
        )
    };
    domain_with_policies(lma, LMA_POLICY, mag, MAG_POLICY)
}

fn ethernet(kind: u16, from: MacAddr, to: MacAddr, payload: &[u8]) -> Vec<u8> {
    [Header::new(to, from, kind).as_bytes(), payload].concat()
}

fn datagram(from: Ipv4Addr, to: Ipv4Addr, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let length = 8 + payload.len() as u16;
    let header = ipv4::Header::new(from, to, protocol::UDP, 64, 20 + length);
    let mut packet = header.as_bytes().to_vec();
    for field in [ports.0, ports.1, length, 0] {
        packet.extend(field.to_be_bytes());
    }
    packet.extend(payload);
    packet
}

fn dhcp(mac: MacAddr, kind: u8, options: &[(u8, [u8; 4])]) -> Message {
    let mut message = Message {
        op: op::REQUEST,
        hops: 0,
        xid: 0x5eed,
        secs: 0,
        broadcast: false,
        client: Ipv4Addr::UNSPECIFIED,
        given: Ipv4Addr::UNSPECIFIED,
        relay: Ipv4Addr::UNSPECIFIED,
        mac,
        names: Vec::new(),
        options: vec![(code::MESSAGE_TYPE, vec![kind])],
    };
    for (code, address) in options {
        message.put(*code, *address);
    }
    message
}

/// Sends a client's message from `from` to `to`, and takes the answers.
fn ask(world: &mut World, message: &Message, from: Ipv4Addr, to: Ipv4Addr) -> Vec<Message> {
    world.hear_others(MN);
    let packet = datagram(from, to, (68, 67), &message.emit());
    let mac = if to.is_broadcast() {
        MacAddr::BROADCAST
    } else {
        ROUTER_MAC
    };
    world.send(MN, &ethernet(ethertype::IPV4, message.mac, mac, &packet));
    world.pass(Duration::from_millis(300));
    answers(world, message.mac)
}

fn answers(world: &mut World, mac: MacAddr) -> Vec<Message> {
    let heard = world.hear_others(MN).into_iter();
    let messages = heard.filter_map(|frame| {
        let frame = Frame::parse(&frame).ok()?;
        let parts = ipv4::Header::split(frame.payload).ok()?;
        assert_eq!(
            (frame.header.destination, frame.header.source),
            (mac, ROUTER_MAC)
        );
        assert_eq!(Ipv4Addr::from(parts.header.source), SERVER);
        assert_eq!(parts.payload[..4], [0, 67, 0, 68]);
        Message::parse(&parts.payload[8..]).ok()
    });
    messages.collect()
}

fn broadcast(world: &mut World, message: &Message) -> Vec<Message> {
    ask(world, message, Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST)
}

/// Leases an address by the four messages.
pub fn lease(world: &mut World, mac: MacAddr) -> Ipv4Addr {
    let offers = broadcast(world, &dhcp(mac, kind::DISCOVER, &[]));
    let [offer] = &offers[..] else {
        panic!("not one offer: {offers:?}");
    };
    assert_eq!(offer.kind(), Some(kind::OFFER));
    assert_eq!(offer.address(code::ROUTER), Some(ROUTER));
    assert_eq!(
        offer.address(code::SUBNET_MASK),
        Some(Ipv4Addr::new(255, 255, 0, 0))
    );
    let chosen = [
        (code::REQUESTED_ADDRESS, offer.given.octets()),
        (code::SERVER_IDENTIFIER, SERVER.octets()),
    ];
    let acks = broadcast(world, &dhcp(mac, kind::REQUEST, &chosen));
    assert_eq!(acks.len(), 1);
    assert_eq!(
        (acks[0].kind(), acks[0].given),
        (Some(kind::ACK), offer.given)
    );
    offer.given
}

/// The correspondent tells where it is.
fn correspondent_asks(world: &mut World) {
    let request = Packet::request(CN_MAC, CORRESPONDENT, Ipv4Addr::new(198, 51, 100, 1));
    let frame = ethernet(
        ethertype::ARP,
        CN_MAC,
        MacAddr::BROADCAST,
        request.as_bytes(),
    );
    world.send(CN, &frame);
    world.pass(Duration::from_millis(100));
    world.hear_others(CN);
}

fn packets(frames: Vec<Vec<u8>>) -> Vec<(MacAddr, Ipv4Addr, Ipv4Addr, u8)> {
    let packets = frames.into_iter().filter_map(|frame| {
        let frame = Frame::parse(&frame).ok()?;
        let parts = ipv4::Header::split(frame.payload).ok()?;
        let header = parts.header;
        let to = frame.header.destination;
        Some((
            to,
            header.source.into(),
            header.destination.into(),
            header.ttl(),
        ))
    });
    packets.collect()
}

/// A packet each way between a host and the correspondent, through the tunnel.
fn both_ways(world: &mut World, mac: MacAddr, address: Ipv4Addr) {
    world.hear(CORE);
    world.hear_others(CN);
    let up = datagram(address, CORRESPONDENT, (5000, 5001), b"up");
    world.send(MN, &ethernet(ethertype::IPV4, mac, ROUTER_MAC, &up));
    let at_cn = packets(world.hear_others(CN));
    assert_eq!(at_cn, [(CN_MAC, address, CORRESPONDENT, 62)]);
    let tunnelled = world.hear(CORE);
    assert!(tunnelled.iter().any(|seen| seen.kind == next_header::IPV4));
    world.hear_others(MN);
    let down = datagram(CORRESPONDENT, address, (5001, 5000), b"down");
    world.send(
        CN,
        &ethernet(ethertype::IPV4, CN_MAC, port_mac(0, 1), &down),
    );
    let at_mn = packets(world.hear_others(MN));
    assert_eq!(at_mn, [(mac, CORRESPONDENT, address, 62)]);
}

/// Proves S1-46.
#[test]
fn a_lease_of_the_home_address_goes_along_and_packets_find_the_host() {
    let mut world = domain();
    correspondent_asks(&mut world);
    let dual = lease(&mut world, DUAL);
    both_ways(&mut world, DUAL, dual);
    let four = lease(&mut world, FOUR);
    assert_eq!(four, FIXED);
    both_ways(&mut world, FOUR, four);

    // Both move. What they had they ask for, as a client does on a new link.
    world.replug(MN, crate::story::ACCESS2);
    for (mac, address) in [(DUAL, dual), (FOUR, four)] {
        let has = [(code::REQUESTED_ADDRESS, address.octets())];
        let acks = broadcast(&mut world, &dhcp(mac, kind::REQUEST, &has));
        assert_eq!(acks.len(), 1, "{mac}");
        assert_eq!((acks[0].kind(), acks[0].given), (Some(kind::ACK), address));
        both_ways(&mut world, mac, address);
    }
    // A renewal goes to the server alone, whose address all gateways have.
    let mut renewal = dhcp(FOUR, kind::REQUEST, &[]);
    renewal.client = four;
    world.pass(Duration::from_secs(2));
    let acks = ask(&mut world, &renewal, four, SERVER);
    assert_eq!(acks.len(), 1);
    assert_eq!((acks[0].kind(), acks[0].given), (Some(kind::ACK), four));
    for node in [LMA, MAG1, MAG2] {
        world.nodes[node].check();
    }
    assert!(world.nodes[MAG2].verdicts(Verdict::Forward(Forward::Encapsulated)) >= 2);
}

#[test]
fn who_has_no_ipv4_is_not_answered_and_who_asks_for_another_address_is_refused() {
    let mut world = domain();
    let six = broadcast(&mut world, &dhcp(SIX, kind::DISCOVER, &[]));
    assert_eq!(six, []);
    let stranger = MacAddr([2, 0, 0, 0, 0, 9]);
    assert_eq!(
        broadcast(&mut world, &dhcp(stranger, kind::DISCOVER, &[])),
        []
    );
    lease(&mut world, FOUR);
    world.pass(Duration::from_secs(2));
    let other = [(code::REQUESTED_ADDRESS, [10, 1, 0, 5])];
    let naks = broadcast(&mut world, &dhcp(FOUR, kind::REQUEST, &other));
    assert_eq!(naks.len(), 1);
    assert_eq!(naks[0].kind(), Some(kind::NAK));
    // A message in another host's name is for nobody.
    world.pass(Duration::from_secs(2));
    let mut lie = dhcp(DUAL, kind::DISCOVER, &[]);
    lie.mac = FOUR;
    let packet = datagram(
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::BROADCAST,
        (68, 67),
        &lie.emit(),
    );
    world.hear_others(MN);
    world.send(
        MN,
        &ethernet(ethertype::IPV4, DUAL, MacAddr::BROADCAST, &packet),
    );
    world.pass(Duration::from_secs(1));
    assert_eq!(answers(&mut world, FOUR), []);
    let mag = &world.nodes[MAG1];
    assert_eq!(mag.counted("dhcpv4_refused"), 1);
    assert_eq!(mag.counted("dhcpv4_ignored"), 1);
    // Broken ones are counted, and change nothing.
    world.pass(Duration::from_secs(2));
    let broken = datagram(
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::BROADCAST,
        (68, 67),
        &[1, 1, 6],
    );
    world.send(
        MN,
        &ethernet(ethertype::IPV4, FOUR, MacAddr::BROADCAST, &broken),
    );
    assert_eq!(world.nodes[MAG1].counted("dhcpv4_malformed"), 1);
}

#[test]
fn hosts_cannot_flood_the_server_nor_speak_from_anothers_address() {
    let mut world = domain();
    let address = lease(&mut world, FOUR);
    world.pass(Duration::from_secs(2));
    let message = dhcp(FOUR, kind::DISCOVER, &[]).emit();
    let packet = datagram(
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::BROADCAST,
        (68, 67),
        &message,
    );
    let before = world.nodes[MAG1].counted("dhcpv4_received");
    for _ in 0..100 {
        world.send(
            MN,
            &ethernet(ethertype::IPV4, FOUR, MacAddr::BROADCAST, &packet),
        );
    }
    let taken = world.nodes[MAG1].counted("dhcpv4_received") - before;
    assert!((1..=10).contains(&taken), "{taken} of 100");
    let spoofed = datagram(address, CORRESPONDENT, (1, 2), b"not mine");
    world.send(MN, &ethernet(ethertype::IPV4, DUAL, ROUTER_MAC, &spoofed));
    assert_eq!(
        world.nodes[MAG1].verdicts(Verdict::Drop(Drop::HostSpoofed)),
        1
    );
}

/// What a host claims in ARP that it has: its own is its own, the router's is taken back, once a second.
#[test]
fn a_host_that_claims_the_router_is_counted_and_the_router_announced() {
    let mut world = domain();
    let four = lease(&mut world, FOUR);
    lease(&mut world, DUAL);
    let claim = |world: &mut World, mac: MacAddr, address: Ipv4Addr| {
        world.pass(Duration::from_millis(600));
        world.hear_others(MN);
        let announcement = Packet::request(mac, address, address);
        let frame = ethernet(
            ethertype::ARP,
            mac,
            MacAddr::BROADCAST,
            announcement.as_bytes(),
        );
        world.send(MN, &frame);
        let heard = world.hear_others(MN).into_iter();
        let told = heard.filter_map(|frame| {
            let frame = Frame::parse(&frame).ok()?;
            let arp = frame.ethertype == ethertype::ARP;
            let packet = *Packet::parse(frame.payload).ok().filter(|_| arp)?;
            Some((
                frame.header.destination,
                packet.sender(),
                packet.sender_mac(),
            ))
        });
        told.collect::<Vec<_>>()
    };
    let defended = [(MacAddr::BROADCAST, ROUTER, ROUTER_MAC)];
    assert_eq!(claim(&mut world, FOUR, four), []);
    assert_eq!(world.nodes[MAG1].counted("arp_spoofed"), 0);
    assert_eq!(claim(&mut world, DUAL, ROUTER), defended);
    // Sooner than a second later.
    assert_eq!(claim(&mut world, DUAL, ROUTER), []);
    assert_eq!(claim(&mut world, DUAL, ROUTER), defended);
    // Another host's address is counted; it is not ours to announce.
    assert_eq!(claim(&mut world, DUAL, four), []);
    let ours = claim(&mut world, SIX, SERVER);
    assert_eq!(ours, [(MacAddr::BROADCAST, SERVER, ROUTER_MAC)]);
    assert_eq!(world.nodes[MAG1].counted("arp_spoofed"), 5);
    assert_eq!(world.nodes[MAG1].counted("arp_defended"), 3);
}

/// Section 3.2.4.
#[test]
fn the_router_and_the_home_network_are_behind_the_gateway() {
    let mut world = domain();
    let address = lease(&mut world, FOUR);
    let mut asks = |mac: MacAddr, target: Ipv4Addr| {
        world.hear_others(MN);
        let request = Packet::request(mac, address, target);
        let frame = ethernet(ethertype::ARP, mac, MacAddr::BROADCAST, request.as_bytes());
        world.send(MN, &frame);
        let told = world.hear_others(MN).into_iter().find_map(|frame| {
            let frame = Frame::parse(&frame).ok()?;
            (frame.ethertype == ethertype::ARP).then(|| *Packet::parse(frame.payload).unwrap())
        });
        told.map(|reply| (reply.sender(), reply.sender_mac()))
    };
    assert_eq!(asks(FOUR, ROUTER), Some((ROUTER, ROUTER_MAC)));
    let neighbour = Ipv4Addr::new(10, 1, 200, 3);
    assert_eq!(asks(FOUR, neighbour), Some((neighbour, ROUTER_MAC)));
    assert_eq!(asks(FOUR, SERVER), Some((SERVER, ROUTER_MAC)));
    assert_eq!(asks(FOUR, address), None, "it tests its own address");
    assert_eq!(asks(FOUR, Ipv4Addr::new(10, 2, 0, 3)), None);
    assert_eq!(asks(SIX, ROUTER), None, "it has no IPv4");
}

/// A host whose address was set up by hand asks nobody for one: its question for the router signs it up, and the
/// next one is answered.
///
/// Proves S1-46.
#[test]
fn a_static_address_shows_itself_by_the_question_for_the_router() {
    let mut world = domain();
    correspondent_asks(&mut world);
    let asks = |world: &mut World| {
        world.hear_others(MN);
        let request = Packet::request(FOUR, FIXED, ROUTER);
        let frame = ethernet(ethertype::ARP, FOUR, MacAddr::BROADCAST, request.as_bytes());
        world.send(MN, &frame);
        world.pass(Duration::from_millis(300));
        let told = world.hear_others(MN).into_iter().filter_map(|frame| {
            let frame = Frame::parse(&frame).ok()?;
            let arp = frame.ethertype == ethertype::ARP;
            let reply = *Packet::parse(frame.payload).ok().filter(|_| arp)?;
            (!reply.is_request()).then(|| (reply.sender(), reply.sender_mac()))
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(asks(&mut world), []);
    assert_eq!(asks(&mut world), [(ROUTER, ROUTER_MAC)]);
    both_ways(&mut world, FOUR, FIXED);
    world.nodes[MAG1].check();
}

/// A dual-stack host that only solicits has its address ready before it asks.
#[test]
fn an_address_is_there_before_the_first_question() {
    let mut world = domain();
    let solicitation = NdMessage::RouterSolicitation(RouterSolicitation { options: vec![] });
    let link_local = "fe80::1:1".parse().unwrap();
    let packet = nd_packet(link_local, ALL_ROUTERS, &solicitation);
    world.send(MN, &frame(DUAL, ROUTER_MAC, &packet));
    world.pass(Duration::from_millis(300));
    let Some(binding) = crate::story::bindings(&world).pop() else {
        panic!("no binding");
    };
    assert!(binding.ipv4_home_address.is_some());
    assert_eq!(binding.prefixes.len(), 1);
    assert_eq!(Some(lease(&mut world, DUAL)), binding.ipv4_home_address);
}

/// A router in the tunnel says something of a packet that the anchor or the gateway sent into it.
fn say(world: &mut World, node: usize, (kind, code): (u8, u8), mtu: u32, inner: &[u8]) {
    let (lma, mag) = (ip("2001:db8:c::1"), ip("2001:db8:c::11"));
    let (from, to) = if node == LMA { (lma, mag) } else { (mag, lma) };
    let outer = packet(from, to, next_header::IPV4, 60, inner);
    let rest = [&mtu.to_be_bytes()[..], &outer[..outer.len().min(1232)]].concat();
    let error = icmp_packet(ip("2001:db8:c::99"), from, kind, code, &rest);
    let mac = MacAddr([2, 0, 0, 0, 0, 0x99]);
    world.send(CORE, &frame(mac, port_mac(node as u8, 0), &error));
    world.pass(Duration::from_millis(10));
}

/// The ICMP errors among some frames: source, destination, and the message.
fn errors(frames: Vec<Vec<u8>>) -> Vec<(Ipv4Addr, Ipv4Addr, Vec<u8>)> {
    let errors = frames.into_iter().filter_map(|frame| {
        let frame = Frame::parse(&frame).ok()?;
        let parts = ipv4::Header::split(frame.payload).ok()?;
        let (from, to) = (parts.header.source.into(), parts.header.destination.into());
        (parts.header.protocol == protocol::ICMP).then(|| (from, to, parts.payload.to_vec()))
    });
    errors.collect()
}

/// What happened in the tunnel to an IPv4 packet its sender hears in its own protocol (RFC 2473 section 8.3).
#[test]
fn an_ipv4_sender_is_told_what_happened_in_the_tunnel() {
    let mut world = domain();
    correspondent_asks(&mut world);
    let host = lease(&mut world, FOUR);
    let anchor = Ipv4Addr::new(198, 51, 100, 1);
    let down = |octets: usize, whole: bool| {
        let mut packet = datagram(CORRESPONDENT, host, (5001, 5000), &vec![7; octets - 28]);
        let (mut header, _) = ipv4::Header::read_from_prefix(&packet).unwrap();
        header.set_fragment(whole, false, 0);
        header.seal();
        packet[..20].copy_from_slice(header.as_bytes());
        packet
    };
    let cases = [
        ((3, 0), 0, down(100, false), Some([3, 1, 0, 0])),
        ((1, 0), 0, down(100, false), Some([3, 1, 0, 0])),
        ((2, 0), 1400, down(1400, true), Some([3, 4, 0x05, 0x50])),
        // The tunnel cuts it, or carries it after all.
        ((2, 0), 1400, down(1400, false), None),
        ((2, 0), 1000, down(1240, true), None),
        // A fragment of the tunnel's was lost.
        ((3, 1), 0, down(100, false), None),
    ];
    for (said, mtu, inner, expected) in cases {
        world.hear_others(CN);
        say(&mut world, LMA, said, mtu, &inner);
        let heard = errors(world.hear_others(CN));
        assert_eq!(heard.len(), usize::from(expected.is_some()), "{said:?}");
        let (Some((from, to, message)), Some([kind, code, high, low])) = (heard.first(), expected)
        else {
            continue;
        };
        assert_eq!((*from, *to), (anchor, CORRESPONDENT));
        assert_eq!(
            [message[0], message[1], message[6], message[7]],
            [kind, code, high, low]
        );
        assert_eq!(message[8..], inner[..message.len() - 8]);
    }
    // The host hears of it from its own gateway.
    let up = datagram(host, CORRESPONDENT, (5000, 5001), &[7; 72]);
    world.hear_others(MN);
    say(&mut world, MAG1, (3, 0), 0, &up);
    let heard = errors(world.hear_others(MN));
    assert_eq!(heard.len(), 1);
    assert_eq!((heard[0].0, heard[0].1), (SERVER, host));
    // Nobody hears of what entered no tunnel, nor of errors.
    let stranger = datagram(CORRESPONDENT, Ipv4Addr::new(10, 1, 9, 9), (1, 2), &[7; 72]);
    let mut about_error = ipv4::Header::new(CORRESPONDENT, host, protocol::ICMP, 64, 48)
        .as_bytes()
        .to_vec();
    about_error.extend([3, 1, 0, 0, 0, 0, 0, 0].into_iter().chain([0; 20]));
    for inner in [stranger, about_error] {
        world.hear_others(CN);
        say(&mut world, LMA, (3, 0), 0, &inner);
        assert_eq!(errors(world.hear_others(CN)).len(), 0);
    }
    for node in [LMA, MAG1] {
        world.nodes[node].check();
    }
}
