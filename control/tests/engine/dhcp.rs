//! DHCPv6 through an access gateway: what is relayed to the server and back, and what is not.

use crate::bytes::{ip, mac_of, packet, Seen};
use crate::configuration::ROUTER_MAC;
use crate::host::Host;
use crate::story::{
    attach, bindings, domain, domain_of, domain_with_policies, signalling, ACCESS2, CAPACITY, CORE,
    LMA, MAG1, MN,
};
use crate::world::{Member, World};
use control::gateway::Gateway;
use roles::effect::Learned;
use roles::mag::VisitorView;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::dhcpv6::{
    code, kind, put, relay_header, ClientMessage, Options, RelayMessage, ALL_RELAYS_AND_SERVERS,
};
use wire::ipv6::next_header;
use wire::mh::{DelegatedPrefix, Message, MobilityOption};
use wire::udp::Datagram;

pub const SERVER: &str = "2001:db8:c::53";

/// The story's domain with a relay agent on the access gateways, and the server's host.
fn relaying() -> (World, Host) {
    let more =
        format!("[mag.dhcpv6]\nservers = [\"{SERVER}\"]\ndelegates = [\"2001:db8:d000::/36\"]\n");
    let mut world = domain_of(CAPACITY, CAPACITY, &more);
    let mut server = Host::new(CORE, 0x53);
    server.addresses.push(ip(SERVER));
    // It answers those who look for it.
    for _ in 0..6 {
        server.live(&mut world);
        world.pass(Duration::from_millis(400));
    }
    server.live(&mut world);
    (world, server)
}

/// A datagram in a packet.
pub fn udp(from: Ipv6Addr, to: Ipv6Addr, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let (source, destination) = ports;
    let datagram = Datagram {
        source,
        destination,
        payload,
    };
    packet(
        from,
        to,
        next_header::UDP,
        64,
        &datagram.emit(from, to).unwrap(),
    )
}

/// A client's message under a name.
pub fn client(kind: u8, transaction: u8, name: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, transaction];
    put(code::CLIENT_ID, &[name], &mut message);
    put(code::IA_NA, &[&[0, 0, 0, 1], &[0; 8]], &mut message);
    message
}

/// A domain whose access gateway relays to a server, and a host that it serves.
fn served() -> (World, Host, Host) {
    let (mut world, server) = relaying();
    let mut mn = Host::new(MN, 1);
    attach(&mut world, &mut mn);
    world.hear(CORE);
    (world, server, mn)
}

/// An association with one address.
pub fn association(address: Ipv6Addr, valid: u32) -> Vec<u8> {
    let mut inner = Vec::new();
    let times = [valid.to_be_bytes(); 2].concat();
    put(code::IA_ADDRESS, &[&address.octets(), &times], &mut inner);
    let mut option = Vec::new();
    put(code::IA_NA, &[&[0, 0, 0, 1], &[0; 8], &inner], &mut option);
    option
}

/// A server's answer to a client.
pub fn reply(transaction: u8, leases: &[u8]) -> Vec<u8> {
    let mut message = vec![kind::REPLY, 0, 0, transaction];
    put(code::CLIENT_ID, &[b"one"], &mut message);
    message.extend(leases);
    message
}

/// The host sends a message to all relay agents.
pub fn send(world: &mut World, mn: &Host, message: &[u8]) {
    let (from, to) = (mn.addresses[0], ALL_RELAYS_AND_SERVERS);
    let packet = udp(from, to, (546, 547), message);
    mn.send_to(world, mac_of(to, mn.mac), &packet);
}

/// What reached the server: each a relay's message.
pub fn at_server(world: &mut World) -> Vec<Seen> {
    let heard = world.hear(CORE).into_iter();
    heard
        .filter(|seen| seen.destination == ip(SERVER) && seen.kind == next_header::UDP)
        .collect()
}

/// The server answers what a relay agent asked, with this inside.
pub fn answer(world: &mut World, server: &Host, asked: &Seen, inner: &[u8]) {
    let datagram = Datagram::parse(asked.source, asked.destination, &asked.payload).unwrap();
    let relayed = RelayMessage::parse(datagram.payload).unwrap();
    let mut message = relay_header(kind::RELAY_REPLY, 0, relayed.link, relayed.peer);
    let name = relayed.options.first(code::INTERFACE_ID).unwrap();
    put(code::INTERFACE_ID, &[name], &mut message);
    put(code::RELAY_MESSAGE, &[inner], &mut message);
    let packet = udp(ip(SERVER), asked.source, (547, 547), &message);
    server.send_to(world, asked.from, &packet);
    world.pass(Duration::from_millis(20));
}

/// The messages of servers that the host heard.
pub fn at_host(world: &mut World, mn: &mut Host) -> Vec<(Seen, Vec<u8>)> {
    let heard = mn.live(world).into_iter();
    heard
        .filter(|seen| seen.kind == next_header::UDP)
        .map(|seen| {
            let datagram = Datagram::parse(seen.source, seen.destination, &seen.payload);
            let datagram = datagram.expect("a datagram");
            assert_eq!((datagram.source, datagram.destination), (547, 546));
            let message = datagram.payload.to_vec();
            (seen, message)
        })
        .collect()
}

fn visitor(world: &World, node: usize) -> VisitorView {
    let Gateway::Mag(mag) = world.nodes[node].engine.role() else {
        panic!("no access gateway");
    };
    mag.visitors(world.now()).next().expect("a visitor")
}

/// An address of the host's prefix.
fn of_prefix(mn: &Host, last: u128) -> Ipv6Addr {
    Ipv6Addr::from_bits(mn.address().to_bits() >> 64 << 64 | last)
}

/// Proves S1-25, S1-27, S1-34, S1-38, S1-39.
#[test]
fn a_host_gets_its_address_from_the_server_and_its_anchor_hears_of_it() {
    let (mut world, server, mut mn) = served();
    let asked = client(kind::REQUEST, 7, b"one");
    send(&mut world, &mn, &asked);
    let relayed = at_server(&mut world);
    let [seen] = &relayed[..] else {
        panic!("one message: {relayed:?}");
    };
    assert_eq!(seen.source, ip("2001:db8:c::11"));
    let datagram = Datagram::parse(seen.source, seen.destination, &seen.payload).unwrap();
    assert_eq!((datagram.source, datagram.destination), (547, 547));
    let message = RelayMessage::parse(datagram.payload).unwrap();
    assert_eq!((message.kind, message.hops), (kind::RELAY_FORWARD, 0));
    // Of the host's prefix, and the router's that every gateway shows.
    assert_eq!(message.link, of_prefix(&mn, 0x0000_5eff_fe00_5213));
    assert_eq!(message.peer, mn.addresses[0]);
    let inner = message.options.first(code::RELAY_MESSAGE);
    assert_eq!(inner, Some(&asked[..]));
    let layer = message.options.first(code::CLIENT_LINK_LAYER);
    assert_eq!(layer, Some(&[0, 1, 2, 0, 0, 0, 0, 1][..]));

    let leased = of_prefix(&mn, 0x1234);
    let given = reply(7, &association(leased, 600));
    answer(&mut world, &server, seen, &given);
    let told = at_host(&mut world, &mut mn);
    let [(frame, message)] = &told[..] else {
        panic!("one answer: {told:?}");
    };
    assert_eq!(*message, given, "not an octet of it is changed");
    assert_eq!((frame.from, frame.to), (ROUTER_MAC, mn.mac));
    assert_eq!(
        (frame.source, frame.destination),
        (ip("fe80::1"), mn.addresses[0])
    );
    assert_eq!(signalling(&world.hear(CORE)), ["update", "acknowledgement"]);
    let view = visitor(&world, MAG1);
    assert_eq!(view.dhcp_server, Some(ip(SERVER).into()));
    let known: Vec<_> = view
        .addresses
        .iter()
        .map(|it| (it.address, it.learned))
        .collect();
    assert_eq!(known, [(leased, Learned::Dhcp)]);

    // Renewed: no news for the anchor. Released: it is no longer the host's.
    send(&mut world, &mn, &client(kind::RENEW, 8, b"one"));
    let renewal = at_server(&mut world).remove(0);
    answer(
        &mut world,
        &server,
        &renewal,
        &reply(8, &association(leased, 600)),
    );
    assert_eq!(at_host(&mut world, &mut mn).len(), 1);
    assert_eq!(signalling(&world.hear(CORE)), [""; 0]);
    let mut release = client(kind::RELEASE, 9, b"one");
    release.extend(association(leased, 0));
    world.pass(Duration::from_secs(2));
    send(&mut world, &mn, &release);
    assert!(visitor(&world, MAG1).addresses.is_empty());
    world.nodes[MAG1].check();
}

/// Proves S1-38, S1-41.
#[test]
fn the_server_sees_the_same_link_wherever_the_host_is() {
    let (mut world, _) = relaying();
    let mut mn = Host::new(MN, 1);
    let mut links = Vec::new();
    for wire in [2, ACCESS2] {
        world.replug(MN, wire);
        attach(&mut world, &mut mn);
        world.hear(CORE);
        send(&mut world, &mn, &client(kind::RENEW, 7, b"one"));
        let seen = at_server(&mut world).remove(0);
        let datagram = Datagram::parse(seen.source, seen.destination, &seen.payload).unwrap();
        links.push(RelayMessage::parse(datagram.payload).unwrap().link);
    }
    assert_eq!(links[0], links[1]);
}

/// Proves S1-24, S1-38.
#[test]
fn only_a_host_that_is_served_is_relayed() {
    let (mut world, _) = relaying();
    let stranger = Host::new(MN, 0x77);
    send(&mut world, &stranger, &client(kind::SOLICIT, 1, b"one"));
    assert!(at_server(&mut world).is_empty());
    assert_eq!(world.nodes[MAG1].counted("dhcp_unserved"), 1);
    // The first message of a host that may attach is a sign of it; the next one is relayed.
    let mn = Host::new(MN, 1);
    send(&mut world, &mn, &client(kind::SOLICIT, 1, b"one"));
    world.pass(Duration::from_millis(20));
    send(&mut world, &mn, &client(kind::SOLICIT, 1, b"one"));
    assert_eq!(at_server(&mut world).len(), 1);
}

/// Proves S1-37, S1-38.
#[test]
fn a_lease_that_is_not_of_the_hosts_prefix_does_not_reach_it() {
    let (mut world, server, mut mn) = served();
    send(&mut world, &mn, &client(kind::REQUEST, 7, b"one"));
    let asked = at_server(&mut world).remove(0);
    let foreign = association(ip("2001:db8:77::1"), 600);
    answer(&mut world, &server, &asked, &reply(7, &foreign));
    let told = at_host(&mut world, &mut mn);
    let message = ClientMessage::parse(&told[0].1).unwrap();
    let emptied = message.options.first(code::IA_NA).unwrap();
    assert_eq!(emptied[12..], [0, 13, 0, 2, 0, 2], "no addresses available");
    assert_eq!(world.nodes[MAG1].counted("dhcp_mended"), 1);
    assert!(visitor(&world, MAG1).addresses.is_empty());
}

#[test]
fn what_a_host_must_not_send_goes_nowhere() {
    let (mut world, server, mut mn) = served();
    let mut relayed = relay_header(kind::RELAY_FORWARD, 9, ip("2001:db8::1"), ip("fe80::9"));
    put(
        code::RELAY_MESSAGE,
        &[&client(kind::SOLICIT, 1, b"x")],
        &mut relayed,
    );
    for (spoofed, counter) in [
        (relayed, "dhcp_spoofed"),
        (
            reply(7, &association(of_prefix(&mn, 1), 60)),
            "dhcp_spoofed",
        ),
        (vec![kind::SOLICIT, 1], "dhcp_malformed"),
        (vec![kind::SOLICIT, 1, 2, 3], "dhcp_malformed"),
    ] {
        world.pass(Duration::from_secs(2));
        let before = world.nodes[MAG1].counted(counter);
        send(&mut world, &mn, &spoofed);
        assert_eq!(
            world.nodes[MAG1].counted(counter),
            before + 1,
            "{spoofed:?}"
        );
    }
    // One that answers in the server's name, on the access link.
    let mut forged = relay_header(kind::RELAY_REPLY, 0, of_prefix(&mn, 1), mn.addresses[0]);
    put(code::RELAY_MESSAGE, &[&reply(7, &[])], &mut forged);
    let packet = udp(ip(SERVER), ip("2001:db8:c::11"), (547, 547), &forged);
    mn.send_to(&mut world, ROUTER_MAC, &packet);
    world.pass(Duration::from_millis(20));
    assert!(at_server(&mut world).is_empty() && at_host(&mut world, &mut mn).is_empty());
    drop(server);
    world.nodes[MAG1].check();
}

#[test]
fn answers_of_strangers_and_answers_to_nothing_do_not_reach_a_host() {
    let (mut world, server, mut mn) = served();
    send(&mut world, &mn, &client(kind::REQUEST, 7, b"one"));
    let asked = at_server(&mut world).remove(0);
    let given = association(of_prefix(&mn, 1), 60);
    // Another transaction, and one of a host that has left.
    answer(&mut world, &server, &asked, &reply(8, &given));
    assert_eq!(world.nodes[MAG1].counted("dhcp_unmatched"), 1);
    // Right in all but its sender.
    let mut stranger = Host::new(CORE, 0x66);
    stranger.addresses.push(ip("2001:db8:c::66"));
    let mut message = relay_header(kind::RELAY_REPLY, 0, of_prefix(&mn, 1), mn.addresses[0]);
    put(code::RELAY_MESSAGE, &[&reply(7, &given)], &mut message);
    let packet = udp(ip("2001:db8:c::66"), asked.source, (547, 547), &message);
    stranger.send_to(&mut world, asked.from, &packet);
    world.pass(Duration::from_millis(20));
    assert!(at_host(&mut world, &mut mn).is_empty());
    assert!(visitor(&world, MAG1).addresses.is_empty());
    answer(&mut world, &server, &asked, &reply(7, &given));
    assert_eq!(at_host(&mut world, &mut mn).len(), 1);
}

#[test]
fn a_host_cannot_use_the_server_up() {
    let (mut world, _, mn) = served();
    let mut relayed = 0;
    for number in 0..200_u8 {
        send(
            &mut world,
            &mn,
            &client(kind::SOLICIT, number, &[1, number]),
        );
        relayed += at_server(&mut world).len();
        world.pass(Duration::from_millis(10));
    }
    assert!((1..=8).contains(&relayed), "{relayed} messages relayed");
    for number in 0..10_u8 {
        world.pass(Duration::from_secs(2));
        send(
            &mut world,
            &mn,
            &client(kind::SOLICIT, number, &[2, number]),
        );
        relayed += at_server(&mut world).len();
    }
    // Four names are known by now.
    assert!(relayed <= 8, "{relayed} messages relayed");
    assert!(world.nodes[MAG1].counted("dhcp_starved") >= 8);
    world.nodes[MAG1].check();
}

#[test]
fn without_a_server_dhcp_is_a_sign_of_a_host_and_nothing_more() {
    let mut world = domain();
    let mut mn = Host::new(MN, 1);
    send(&mut world, &mn, &client(kind::SOLICIT, 1, b"one"));
    world.pass(Duration::from_millis(20));
    assert!(at_host(&mut world, &mut mn).is_empty());
    assert_eq!(world.nodes[MAG1].counted("dhcp_unserved"), 1);
    assert_eq!(visitor(&world, MAG1).link_local, Some(mn.addresses[0]));
}

/// An association with one delegated prefix.
fn delegation(prefix: &str, valid: u32) -> Vec<u8> {
    let (first, length) = prefix.split_once('/').expect("a prefix");
    let mut inner = Vec::new();
    let times = [valid.to_be_bytes(); 2].concat();
    let data: [&[u8]; 3] = [&times, &[length.parse().unwrap()], &ip(first).octets()];
    put(code::IA_PREFIX, &data, &mut inner);
    let mut option = Vec::new();
    put(code::IA_PD, &[&[0, 0, 0, 2], &[0; 8], &inner], &mut option);
    option
}

/// What the anchor was told of delegated prefixes, update by update.
fn told(heard: &[Seen]) -> Vec<Vec<MobilityOption>> {
    let updates = heard
        .iter()
        .filter_map(Seen::mh)
        .filter_map(|message| match message {
            Message::BindingUpdate(update) => Some(update.options),
            _ => None,
        });
    let delegated = |options: Vec<MobilityOption>| {
        let options = options.into_iter().filter(|option| option.kind() == 55);
        options.collect()
    };
    updates.map(delegated).collect()
}

/// The anchor is told of a prefix from where servers delegate before the host hears of it; one from elsewhere
/// is taken out. Where the anchor is not set up for it, the host is told that there is none. The relay
/// agent's link address stays that of the host's link.
#[test]
fn a_delegated_prefix_is_told_to_the_anchor() {
    const LAN: &str = "2001:db8:d000:100::/56";
    let (mut world, server, mut mn) = served();
    for (transaction, prefix, told_of) in [(7, LAN, true), (8, "2001:db8:e000::/56", false)] {
        send(&mut world, &mn, &client(kind::REQUEST, transaction, b"one"));
        let asked = at_server(&mut world).remove(0);
        let datagram = Datagram::parse(asked.source, asked.destination, &asked.payload).unwrap();
        let relayed = RelayMessage::parse(datagram.payload).unwrap();
        assert_eq!(relayed.link.segments()[..4], mn.address().segments()[..4]);
        answer(
            &mut world,
            &server,
            &asked,
            &reply(transaction, &delegation(prefix, 60)),
        );
        let heard = world.hear(CORE);
        let option = DelegatedPrefix::V6(LAN.parse().unwrap());
        let expected = vec![vec![MobilityOption::DelegatedPrefix(option)]];
        assert_eq!(told(&heard), if told_of { expected } else { Vec::new() });
        assert_eq!(delegated_to(&mut world, &mut mn), [false]);
    }
    assert_eq!(world.nodes[MAG1].counted("dhcp_held"), 1);
    assert_eq!(world.nodes[MAG1].counted("dhcp_prefixes_refused"), 1);
    assert_eq!(world.nodes[MAG1].counted("dhcp_mended"), 1);
    // This anchor has no range for it.
    assert!(visitor(&world, MAG1).delegated_prefixes.is_empty());
    world.nodes[MAG1].check();
}

/// Of each answer that the host heard: whether it delegates a prefix, or says NoPrefixAvail.
fn delegated_to(world: &mut World, mn: &mut Host) -> Vec<bool> {
    let heard = at_host(world, mn).into_iter();
    let delegates = |message: &[u8]| {
        let message = ClientMessage::parse(message).unwrap();
        let association = message.options.first(code::IA_PD).expect("the association");
        let inner = || Options::new(&association[12..]);
        let leased = inner().first(code::IA_PREFIX).is_some();
        let none = inner().first(code::STATUS) == Some(&[0, 6][..]);
        assert_ne!(leased, none);
        leased
    };
    heard.map(|(_, message)| delegates(&message)).collect()
}

/// The server answers the host's question with a delegated prefix.
fn delegate(world: &mut World, server: &Host, mn: &Host, transaction: u8, prefix: &str) {
    send(world, mn, &client(kind::REQUEST, transaction, b"one"));
    let asked = at_server(world).remove(0);
    let inner = reply(transaction, &delegation(prefix, 60));
    answer(world, server, &asked, &inner);
}

/// A domain whose anchor takes delegated prefixes, with `policy` for it.
fn delegating(policy: &str) -> (World, Host, Host) {
    let lma = |config: String| {
        let range = "delegated_prefixes = [\"2001:db8:d000::/36\"]\npools =";
        config.replace("pools =", range)
    };
    let more =
        format!("[mag.dhcpv6]\nservers = [\"{SERVER}\"]\ndelegates = [\"2001:db8:d000::/36\"]\n");
    let mag = |config: String| config + &more;
    let mags = "[[host]]\nmac = \"02:00:00:00:00:01\"\nidentifier = \"mn1@example.net\"\nlma = \"2001:db8:c::1\"\n";
    let mut world = domain_with_policies(lma, policy, mag, mags);
    let mut server = Host::new(CORE, 0x53);
    server.addresses.push(ip(SERVER));
    for _ in 0..6 {
        server.live(&mut world);
        world.pass(Duration::from_millis(400));
    }
    server.live(&mut world);
    let mut mn = Host::new(MN, 1);
    attach(&mut world, &mut mn);
    world.hear(CORE);
    (world, server, mn)
}

const TAKES: &str = "mags = [\"2001:db8:c::11\", \"2001:db8:c::12\"]\nserve_unlisted = true\n";

/// RFC 7148 section 5.1.3: what the anchor acknowledges, the host gets, and not before; what is bound already
/// it gets at once.
///
/// Proves S1-38.
#[test]
fn a_delegated_prefix_reaches_its_host_when_the_anchor_has_acknowledged_it() {
    const LAN: &str = "2001:db8:d000:100::/56";
    let (mut world, server, mut mn) = delegating(TAKES);
    // Without the anchor nothing is acknowledged, and the host hears nothing for a while.
    let core = std::mem::take(&mut world.wires[0]);
    let apart = core.iter().copied();
    world.wires[0] = apart.filter(|it| *it != Member::Port(LMA, 0)).collect();
    delegate(&mut world, &server, &mn, 7, LAN);
    world.pass(Duration::from_millis(500));
    assert!(delegated_to(&mut world, &mut mn).is_empty());
    // The update is sent again, and taken.
    world.wires[0] = core;
    world.pass(Duration::from_millis(1_200));
    assert_eq!(delegated_to(&mut world, &mut mn), [true]);
    let bound = visitor(&world, MAG1).delegated_prefixes;
    assert_eq!(bound, [LAN.parse().unwrap()]);
    delegate(&mut world, &server, &mn, 8, LAN);
    assert_eq!(delegated_to(&mut world, &mut mn), [true]);
    let mag = &world.nodes[MAG1];
    assert_eq!(mag.counted("dhcp_held"), 1);
    assert_eq!(mag.counted("dhcp_prefixes_refused"), 0);
    mag.check();
}

/// What the anchor refuses, and what it says nothing about in time, a host is told not to have.
///
/// Proves S1-38.
#[test]
fn a_prefix_that_the_anchor_does_not_acknowledge_is_not_the_hosts() {
    let barred = format!("{TAKES}[[host]]\nidentifier = \"mn1@example.net\"\ndelegation = false\n");
    let (mut world, server, mut mn) = delegating(&barred);
    delegate(&mut world, &server, &mn, 7, "2001:db8:d000:100::/56");
    world.pass(Duration::from_millis(100));
    assert_eq!(delegated_to(&mut world, &mut mn), [false]);
    assert_eq!(world.nodes[MAG1].counted("dhcp_prefixes_refused"), 1);

    const LAN: &str = "2001:db8:d000:200::/56";
    let (mut world, server, mut mn) = delegating(TAKES);
    let core = world.wires[0].clone();
    world.wires[0].retain(|it| *it != Member::Port(LMA, 0));
    delegate(&mut world, &server, &mn, 7, LAN);
    assert!(delegated_to(&mut world, &mut mn).is_empty());
    world.pass(Duration::from_millis(2_100));
    assert_eq!(delegated_to(&mut world, &mut mn), [false]);
    assert_eq!(world.nodes[MAG1].counted("dhcp_prefixes_refused"), 1);
    // What is acknowledged after that does not lead to the host what it was told not to have.
    world.wires[0] = core;
    world.pass(Duration::from_millis(6_000));
    assert!(visitor(&world, MAG1).delegated_prefixes.is_empty());
    let bindings = bindings(&world);
    assert!(bindings[0].delegated_prefixes.is_empty(), "{bindings:?}");
    // It gets it when it asks again, for the server still has it for the host.
    mn.live(&mut world);
    world.hear(CORE);
    delegate(&mut world, &server, &mn, 8, LAN);
    world.pass(Duration::from_millis(100));
    assert_eq!(delegated_to(&mut world, &mut mn), [true]);
    let bound = visitor(&world, MAG1).delegated_prefixes;
    assert_eq!(bound, [LAN.parse().unwrap()]);
    world.nodes[MAG1].check();
}

/// An answer that takes the place of one that is held is all that the host hears; one about something else
/// passes it by.
#[test]
fn of_the_answers_that_wait_the_newest_is_the_hosts() {
    const FIRST: &str = "2001:db8:d000:300::/56";
    const SECOND: &str = "2001:db8:d000:400::/56";
    let (mut world, server, mut mn) = delegating(TAKES);
    let core = world.wires[0].clone();
    world.wires[0].retain(|it| *it != Member::Port(LMA, 0));
    delegate(&mut world, &server, &mn, 7, FIRST);
    delegate(&mut world, &server, &mn, 8, SECOND);
    send(
        &mut world,
        &mn,
        &client(kind::INFORMATION_REQUEST, 9, b"one"),
    );
    let asked = at_server(&mut world).remove(0);
    answer(&mut world, &server, &asked, &reply(9, &[]));
    assert_eq!(at_host(&mut world, &mut mn).len(), 1);
    world.wires[0] = core;
    world.pass(Duration::from_millis(1_500));
    assert_eq!(delegated_to(&mut world, &mut mn), [true]);
    let bound = visitor(&world, MAG1).delegated_prefixes;
    assert_eq!(bound, [SECOND.parse().unwrap()]);
    world.nodes[MAG1].check();
}
