//! What is wrong, sent as octets to whole gateways, and the octets of their answers: every status of
//! RFC 5846, and those of RFC 5213 and RFC 5844 about who may have what. The octets are put together
//! here from the figures of the RFCs, and not by the codec that the gateways use.

use crate::bytes::{frame, ip, packet, Seen};
use crate::configuration::ROUTER_MAC;
use crate::host::Host;
use crate::ipv4::{domain, lease, DUAL, ROUTER};
use crate::story::{attach, bindings, domain_with_policies, meet, CN, CORE, LMA, MAG1, MN};
use crate::world::{port_mac, World};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use wire::checksum;
use wire::ipv6::next_header;

pub const LMA_ADDRESS: &str = "2001:db8:c::1";
pub const MAG_ADDRESS: &str = "2001:db8:c::11";
pub const HOST: &str = "dual@example.net";

/// A mobility option.
pub fn option(kind: u8, data: &[u8]) -> Vec<u8> {
    [&[kind, data.len() as u8], data].concat()
}

pub fn who(identifier: &str) -> Vec<u8> {
    option(8, &[&[1], identifier.as_bytes()].concat())
}

pub fn prefix(text: &str) -> Vec<u8> {
    option(22, &[&[0, 64], &ip(text).octets()[..]].concat())
}

/// An IPv4 Home Address Request.
pub fn request(address: impl Into<Ipv4Addr>, length: u8) -> Vec<u8> {
    option(
        36,
        &[&[length << 2, 0], &address.into().octets()[..]].concat(),
    )
}

/// A message with its checksum.
fn sealed(from: Ipv6Addr, to: Ipv6Addr, message: &[u8]) -> Vec<u8> {
    let length = message.len() as u32;
    let sum = checksum::pseudo_header_v6(&from.octets(), &to.octets(), length, 135);
    let check = checksum::finish(checksum::add(sum, message));
    let mut message = message.to_vec();
    message[4..6].copy_from_slice(&check.to_be_bytes());
    message
}

/// A message of a type, padded and of the right length.
pub fn message(kind: u8, rest: &[u8]) -> Vec<u8> {
    let mut message = [&[59, 0, kind, 0, 0, 0], rest].concat();
    match (8 - message.len() % 8) % 8 {
        0 => {}
        1 => message.push(0),
        more => message.extend(option(1, &vec![0; more - 2])),
    }
    message[1] = (message.len() / 8 - 1) as u8;
    message
}

/// Sends a message, with its checksum, from a node to another.
pub fn carry(
    world: &mut World,
    (from, here): (&str, usize),
    (to, there): (&str, usize),
    message: &[u8],
) {
    let (from, to) = (ip(from), ip(to));
    let message = sealed(from, to, message);
    let packet = packet(from, to, next_header::MOBILITY, 64, &message);
    world.hear(CORE);
    let frame = frame(port_mac(here as u8, 0), port_mac(there as u8, 0), &packet);
    world.send(CORE, &frame);
}

/// A message to a node from the other end of the domain's signalling.
fn tell(world: &mut World, node: usize, kind: u8, rest: &[u8]) {
    let ends = [(MAG_ADDRESS, MAG1), (LMA_ADDRESS, LMA)];
    let [from, to] = match node {
        LMA => ends,
        _ => [ends[1], ends[0]],
    };
    carry(world, from, to, &message(kind, rest));
}

/// The mobility messages of a type that a node has sent.
pub fn heard(world: &mut World, node: usize, kind: u8) -> Vec<Vec<u8>> {
    let from = ip(if node == LMA {
        LMA_ADDRESS
    } else {
        MAG_ADDRESS
    });
    // Its way there may have to be found.
    world.pass(Duration::from_millis(50));
    let sent = world.hear(CORE).into_iter().filter(|seen| {
        let mobility = seen.kind == next_header::MOBILITY;
        mobility && seen.source == from && seen.payload[2] == kind
    });
    sent.map(|seen: Seen| seen.payload).collect()
}

/// Sends an indication, and returns status and flags of its acknowledgement.
fn indicate(
    world: &mut World,
    node: usize,
    (trigger, flags): (u8, u8),
    options: &[Vec<u8>],
) -> (u8, u8) {
    let fixed = [1, trigger, 0x12, 0x34, flags, 0];
    tell(world, node, 16, &[&fixed, &options.concat()[..]].concat());
    match &heard(world, node, 16)[..] {
        [answer] => {
            assert_eq!(answer[6], 2);
            assert_eq!(answer[8..10], [0x12, 0x34]);
            (answer[7], answer[10])
        }
        other => panic!("not one acknowledgement: {other:?}"),
    }
}

const P: u8 = 0x80;
const V: u8 = 0xc0;
const G: u8 = 0xa0;

/// A domain where `dual` has a prefix and an IPv4 home address, by MAG1.
fn served() -> (World, Ipv4Addr) {
    let mut world = domain();
    let address = lease(&mut world, DUAL);
    (world, address)
}

#[test]
fn every_status_of_a_revocation_is_answered_in_octets() {
    let (mut world, address) = served();
    let own = bindings(&world)[0].prefixes[0].prefix.to_string();
    let plain = option(29, &[&[32 << 2, 0], &address.octets()[..]].concat());
    let other = request([10, 1, 99, 99], 32);
    let absent = prefix("2001:db8:dead::");
    for node in [LMA, MAG1] {
        for (status, code, options) in [
            (128, (1, P), vec![who("nobody@example.net")]),
            (128, (1, P), vec![who(HOST), absent.clone()]),
            (128, (1, V), vec![who(HOST), other.clone()]),
            (129, (1, V), vec![who(HOST)]),
            (129, (1, V), vec![who(HOST), plain.clone()]),
            (131, (1, P), vec![]),
            (131, (1, V), vec![request(address, 32)]),
            (133, (8, P), vec![who(HOST)]),
            (133, (127, P), vec![who(HOST)]),
            (133, (130, G), vec![who(HOST)]),
            (133, (255, P), vec![who(HOST)]),
            (134, (128, P), vec![who(HOST)]),
            (134, (1, G), vec![who(HOST)]),
            (134, (1, 0), vec![who(HOST)]),
            (
                134,
                (1, V),
                vec![who(HOST), prefix(&own), request(address, 32)],
            ),
            (134, (128, G | V), vec![who(HOST), request(address, 32)]),
        ] {
            let answer = indicate(&mut world, node, code, &options);
            assert_eq!(answer, (status, code.1), "{code:?} at {node}");
        }
    }
    // Those that one of the two has: what only a gateway is to know, and what only an anchor allows.
    let late = option(27, &[0, 0, 0, 0, 0, 1, 0, 0]);
    for (status, node, code, options) in [
        (132, MAG1, (4, P), vec![who(HOST), late.clone()]),
        (
            132,
            MAG1,
            (4, V),
            vec![who(HOST), request(address, 32), late],
        ),
        (131, MAG1, (129, G), vec![]),
        (134, MAG1, (128, G), vec![who(HOST)]),
        (130, LMA, (128, G), vec![]),
        (134, LMA, (129, G), vec![who("@example.net")]),
    ] {
        let answer = indicate(&mut world, node, code, &options);
        assert_eq!(answer, (status, code.1), "{code:?} at {node}");
    }
    assert_eq!(bindings(&world)[0].ipv4_home_address, Some(address));
    for node in [LMA, MAG1] {
        world.nodes[node].check();
        let held = world.nodes[node].engine.writer().bindings_len();
        assert_eq!(held, 2);
    }
    // Part of it is there.
    let options = [who(HOST), prefix(&own), absent];
    assert_eq!(indicate(&mut world, MAG1, (1, P), &options), (1, P));
    assert_eq!(world.nodes[MAG1].engine.writer().bindings_len(), 0);
}

#[test]
fn who_takes_no_revocations_says_so_in_octets() {
    for (line, code, status) in [
        ("accept = false", (1, P), 135),
        ("accept_global = false", (128, G), 130),
    ] {
        let mut world = domain_with_policies(
            |config| format!("{config}\n[lma.revocation]\n{line}\n"),
            "mags = [\"2001:db8:c::11\"]\nserve_unlisted = true\n",
            |config| format!("{config}\n[mag.revocation]\n{line}\n"),
            "",
        );
        for node in [LMA, MAG1] {
            let answer = indicate(&mut world, node, code, &[who(HOST)]);
            assert_eq!(answer, (status, code.1), "{line}");
        }
    }
}

/// The V bit, from octets to the tables of both ends: the address goes, the prefix stays.
#[test]
fn an_address_alone_is_revoked_at_each_end() {
    for trigger in [0, 1, 2, 3, 4, 5, 6, 7] {
        let (mut world, address) = served();
        for node in [LMA, MAG1] {
            assert_eq!(world.nodes[node].engine.writer().bindings_len(), 2);
            let options = [who(HOST), request(address, 32)];
            let code = (trigger, V);
            assert_eq!(indicate(&mut world, node, code, &options), (0, V));
            assert_eq!(world.nodes[node].engine.writer().bindings_len(), 1);
            // It is gone.
            assert_eq!(indicate(&mut world, node, code, &options), (128, V));
            world.nodes[node].check();
        }
        let binding = &bindings(&world)[0];
        assert_eq!(
            (binding.prefixes.len(), binding.ipv4_home_address),
            (1, None)
        );
    }
}

/// Sends an update in the name of MAG1; returns the status of its acknowledgement and that of its
/// option about IPv4.
fn update(world: &mut World, options: &[Vec<u8>]) -> (u8, Option<u8>) {
    let wall = world.now().wall;
    let stamp = wall.as_secs() << 16 | u64::from(wall.subsec_millis() * 65_536 / 1_000);
    // Sequence number, A and P, lifetime.
    let fixed = [0, 9, 0x82, 0, 0, 100];
    let usual = [
        option(23, &[0, 1]),
        option(24, &[0, 4]),
        option(27, &stamp.to_be_bytes()),
    ];
    let rest = [&fixed, &options.concat()[..], &usual.concat()[..]].concat();
    tell(world, LMA, 5, &rest);
    let answers = heard(world, LMA, 6);
    let [answer] = &answers[..] else {
        panic!("not one acknowledgement: {answers:?}");
    };
    let mut left = &answer[12..];
    let mut reply = None;
    while let [kind, more @ ..] = left {
        left = more;
        if let (1.., [length, more @ ..]) = (*kind, more) {
            let (data, more) = more.split_at(usize::from(*length));
            left = more;
            reply = reply.or((*kind == 37).then(|| data[0]));
        }
    }
    (answer[6], reply)
}

#[test]
fn who_may_have_what_is_answered_in_octets() {
    let any = || request([0, 0, 0, 0], 0);
    let asks = || option(22, &[0; 18]);
    let domain = |networks: &'static str| {
        domain_with_policies(
            move |config| {
                config.replace("pools =", &format!("ipv4_networks = {networks}\npools ="))
            },
            "mags = [\"2001:db8:c::11\"]\n\
             [[host]]\nidentifier = \"dual@example.net\"\n\
             [[host]]\nidentifier = \"four@example.net\"\nipv6 = false\n\
             [[host]]\nidentifier = \"six@example.net\"\nipv4 = false\n\
             [[host]]\nidentifier = \"off@example.net\"\nproxy_registration = false\n",
            |config| config,
            "",
        )
    };
    let mut world = domain("[{ prefix = \"10.1.0.0/16\" }]");
    let four = || who("four@example.net");
    for (expected, options) in [
        ((152, None), vec![who("off@example.net"), asks()]),
        ((153, None), vec![who("nobody@example.net"), asks()]),
        ((155, None), vec![who(HOST), prefix("2001:db8:ffff::")]),
        ((158, None), vec![who(HOST)]),
        ((160, Some(128)), vec![asks(), any()]),
        (
            (170, Some(129)),
            vec![who("six@example.net"), asks(), any()],
        ),
        ((171, Some(130)), vec![four(), request([10, 2, 0, 9], 16)]),
        ((171, Some(130)), vec![four(), request([10, 1, 0, 9], 24)]),
        ((171, Some(131)), vec![four(), request([224, 0, 0, 5], 16)]),
        ((171, Some(131)), vec![four(), request(ROUTER, 16)]),
        ((171, Some(131)), vec![four(), request([10, 1, 0, 9], 63)]),
        ((172, Some(128)), vec![four(), asks(), any()]),
        ((173, Some(128)), vec![who(HOST), asks(), any(), any()]),
        // Whoever gets one keeps it from others.
        ((0, Some(0)), vec![four(), request([10, 1, 0, 9], 16)]),
        (
            (171, Some(129)),
            vec![who(HOST), asks(), request([10, 1, 0, 9], 16)],
        ),
    ] {
        assert_eq!(update(&mut world, &options), expected, "{options:?}");
    }
    let mut world = domain("[{ prefix = \"10.1.0.0/16\", dynamic = false }]");
    assert_eq!(update(&mut world, &[four(), any()]), (171, Some(132)));
    // One address is all that a network of four has beside its router.
    let mut world = domain("[{ prefix = \"10.1.0.0/30\" }]");
    assert_eq!(update(&mut world, &[four(), any()]), (0, Some(0)));
    let none = [who(HOST), asks(), any()];
    assert_eq!(update(&mut world, &none), (130, Some(128)));
}

/// A host that runs Mobile IPv6 itself, with a home agent that is none of ours: what it says to that
/// passes as any packet does, both ways, and is taken by no gateway for its own.
///
/// Proves S1-47.
#[test]
fn what_a_host_says_to_its_own_home_agent_passes() {
    let mut world = crate::story::domain();
    let (mut home_agent, mut mn) = (Host::correspondent(CN), Host::new(MN, 1));
    meet(&mut world, &mut home_agent);
    attach(&mut world, &mut mn);
    let before = bindings(&world);
    let taken =
        |world: &World| [LMA, MAG1].map(|node| world.nodes[node].counted("message_received"));
    let signalled = taken(&world);
    let (from, to) = (mn.address(), home_agent.address());
    // An update with A and H, and the acknowledgement of it.
    let update = sealed(
        from,
        to,
        &[59, 1, 5, 0, 0, 0, 0, 1, 0xc0, 0, 0, 75, 1, 2, 0, 0],
    );
    let answer = sealed(
        to,
        from,
        &[59, 1, 6, 0, 0, 0, 0, 0, 0, 1, 0, 75, 1, 2, 0, 0],
    );
    let mobility = |seen: &[Seen]| {
        let seen = seen
            .iter()
            .filter(|seen| seen.kind == next_header::MOBILITY);
        let seen = seen.map(|it| (it.source, it.destination, it.payload.clone()));
        seen.collect::<Vec<_>>()
    };
    mn.send_to(&mut world, ROUTER_MAC, &packet(from, to, 135, 64, &update));
    assert_eq!(mobility(&home_agent.live(&mut world)), [(from, to, update)]);
    let down = packet(to, from, 135, 64, &answer);
    home_agent.send_to(&mut world, port_mac(0, 1), &down);
    assert_eq!(mobility(&mn.live(&mut world)), [(to, from, answer)]);
    assert_eq!(taken(&world), signalled);
    let left = |all: Vec<roles::lma::BindingView>| {
        let all = all.into_iter();
        all.map(|it| (it.session, it.prefixes, it.sequence))
            .collect::<Vec<_>>()
    };
    assert_eq!(left(bindings(&world)), left(before));
}
