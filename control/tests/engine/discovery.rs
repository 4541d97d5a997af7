//! Neighbour discovery on core and access links, at packet level.

use crate::bytes::{frame, ip, mac_of, nd_packet, Seen};
use crate::configuration::ROUTER_MAC;
use crate::host::{echo, Host};
use crate::story::{
    advertisements, attach, domain, domain_with, meet, CAPACITY, CN, CORE, LMA, MAG1, MN,
};
use crate::world::{port_mac, Member, World};
use dataplane::key::TunnelId;
use dataplane::tables::Capacity;
use std::io::Write;
use std::net::Ipv6Addr;
use std::process::Command;
use std::time::Duration;
use wire::ipv6::address::{solicited_node, ALL_NODES};
use wire::nd::{NdMessage, NdOption, NeighbourAdvertisement, NeighbourSolicitation};

/// Asks for `target` and returns what the host heard.
fn ask(world: &mut World, host: &mut Host, source: Ipv6Addr, target: Ipv6Addr) -> Vec<Seen> {
    let options = match source.is_unspecified() {
        true => Vec::new(),
        false => vec![NdOption::SourceLinkLayer(host.mac)],
    };
    let message = NdMessage::NeighbourSolicitation(NeighbourSolicitation { target, options });
    let group = solicited_node(target);
    let packet = nd_packet(source, group, &message);
    host.send_to(world, mac_of(group, host.mac), &packet);
    host.live(world)
}

/// The Neighbour Advertisements among frames.
fn advertised(seen: &[Seen]) -> Vec<(Seen, NeighbourAdvertisement)> {
    seen.iter()
        .filter_map(|seen| match seen.nd() {
            Some(NdMessage::NeighbourAdvertisement(told)) => Some((seen.clone(), told)),
            _ => None,
        })
        .collect()
}

/// Proves S1-33, S1-34.
#[test]
fn the_default_router_is_told_at_the_shared_link_layer_address() {
    let mut world = domain();
    let mut mn = Host::new(MN, 1);
    let source = mn.addresses[0];
    let told = advertised(&ask(&mut world, &mut mn, source, ip("fe80::1")));
    let [(seen, answer)] = &told[..] else {
        panic!("one answer: {told:?}");
    };
    assert_eq!((seen.to, seen.from), (mn.mac, ROUTER_MAC));
    assert_eq!((seen.source, seen.destination), (ip("fe80::1"), source));
    assert!(answer.router && answer.solicited && answer.override_cache);
    assert_eq!(answer.options, [NdOption::TargetLinkLayer(ROUTER_MAC)]);
}

#[test]
fn the_routers_address_is_defended_and_nobody_elses() {
    let mut world = domain();
    let mut mn = Host::new(MN, 1);
    let told = advertised(&ask(&mut world, &mut mn, ip("::"), ip("fe80::1")));
    let [(seen, answer)] = &told[..] else {
        panic!("one answer: {told:?}");
    };
    assert_eq!((seen.to, seen.destination), (mn.mac, ALL_NODES));
    assert!(!answer.solicited);

    let before = world.nodes[MAG1].counted("discovery_foreign");
    let own = mn.addresses[0];
    assert!(advertised(&ask(&mut world, &mut mn, ip("::"), own)).is_empty());
    assert!(advertised(&ask(&mut world, &mut mn, own, ip("fe80::2"))).is_empty());
    let after = world.nodes[MAG1].counted("discovery_foreign");
    assert_eq!(after - before, 2);
}

#[test]
fn our_core_addresses_are_told_and_defended() {
    let mut world = domain();
    let mut node = Host::new(CORE, 0x99);
    node.addresses.push(ip("2001:db8:c::99"));
    let (source, target) = (node.address(), ip("2001:db8:c::1"));
    let told = advertised(&ask(&mut world, &mut node, source, target));
    let [(seen, answer)] = &told[..] else {
        panic!("one answer: {told:?}");
    };
    assert_eq!((seen.source, seen.destination), (target, source));
    let mac = port_mac(0, 0);
    assert_eq!(answer.options, [NdOption::TargetLinkLayer(mac)]);
    let told = advertised(&ask(&mut world, &mut node, ip("::"), target));
    let [(seen, _)] = &told[..] else {
        panic!("one answer: {told:?}");
    };
    assert_eq!(seen.to, mac_of(ALL_NODES, mac));
}

#[test]
fn a_solicitation_in_the_name_of_another_link_draws_no_packets_to_itself() {
    let mut world = domain();
    let mut node = Host::new(CORE, 0x99);
    let known = |world: &World| world.nodes[LMA].engine.neighbours().len();
    let before = known(&world);
    // The correspondent is on another link of the anchor, the last address on none.
    for stolen in [ip("2001:db8:100::77"), ip("2001:db8:77::1")] {
        let told = advertised(&ask(&mut world, &mut node, stolen, ip("2001:db8:c::1")));
        assert_eq!(told.len(), 1, "it is answered all the same");
    }
    assert_eq!(known(&world), before);
    let own = ip("2001:db8:c::99");
    ask(&mut world, &mut node, own, ip("2001:db8:c::1"));
    assert_eq!(known(&world), before + 1);
}

#[test]
fn core_links_are_asked_at_the_start_whether_our_addresses_are_free() {
    let mut world = domain();
    let heard = world.hear(CORE);
    let asked = |target: Ipv6Addr| {
        let probes = heard.iter().filter(|seen| {
            seen.source.is_unspecified()
                && seen.destination == solicited_node(target)
                && matches!(seen.nd(), Some(NdMessage::NeighbourSolicitation(asked))
                    if asked.target == target && asked.options.is_empty())
        });
        probes.count()
    };
    for ours in ["2001:db8:c::1", "2001:db8:c::11", "2001:db8:c::12"] {
        assert_eq!(asked(ip(ours)), 1, "{ours}");
    }
    // Every access gateway has this one.
    let mut mn = Host::new(MN, 1);
    let access = mn.live(&mut world);
    assert!(access.iter().all(|seen| !seen.source.is_unspecified()));

    let message = NdMessage::NeighbourAdvertisement(NeighbourAdvertisement {
        router: false,
        solicited: false,
        override_cache: true,
        target: ip("2001:db8:c::1"),
        options: vec![NdOption::TargetLinkLayer(mn.mac)],
    });
    let before = world.nodes[LMA].counted("discovery_conflict");
    let other = Host::new(CORE, 0x99);
    let packet = nd_packet(ip("2001:db8:c::1"), ALL_NODES, &message);
    other.send_to(&mut world, mac_of(ALL_NODES, other.mac), &packet);
    let after = world.nodes[LMA].counted("discovery_conflict");
    assert_eq!(after - before, 1);
}

#[test]
fn a_neighbour_that_found_no_room_gets_its_adjacency_when_there_is_some() {
    let anchor = Capacity {
        adjacencies: 1,
        ..CAPACITY
    };
    // Both access gateways answer the anchor; the first takes all the room there is.
    let mut world = domain_with(anchor, CAPACITY);
    assert_eq!(world.nodes[LMA].counted("adjacency_full"), 1);
    let port = Member::Port(MAG1, 0);
    world.wires[0].retain(|member| *member != port);
    world.pass(Duration::from_secs(70));
    let engine = &world.nodes[LMA].engine;
    let neighbours = engine.neighbours().list();
    let resolved = neighbours.iter().filter(|(.., mac)| mac.is_some());
    assert_eq!(resolved.count(), 1, "{neighbours:?}");
    assert_eq!(engine.adjacencies(), 1);
}

#[test]
fn a_discovery_message_that_was_forwarded_or_damaged_is_not_answered() {
    let mut world = domain();
    let mut mn = Host::new(MN, 1);
    let target = ip("fe80::1");
    let message = NdMessage::NeighbourSolicitation(NeighbourSolicitation {
        target,
        options: vec![NdOption::SourceLinkLayer(mn.mac)],
    });
    let group = solicited_node(target);
    let good = nd_packet(mn.addresses[0], group, &message);
    let mut forwarded = good.clone();
    forwarded[7] = 254;
    let mut damaged = good.clone();
    damaged[50] ^= 1;
    let mut overlong = good;
    // An option of length zero; the checksum is put right.
    overlong[65] = 0;
    let before = u16::from_be_bytes([overlong[42], overlong[43]]);
    let fixed = wire::checksum::update(before, 0x0101, 0x0100);
    overlong[42..44].copy_from_slice(&fixed.to_be_bytes());
    for bad in [forwarded, damaged, overlong] {
        mn.send_to(&mut world, mac_of(group, mn.mac), &bad);
    }
    assert!(advertised(&mn.live(&mut world)).is_empty());
    let mag = &world.nodes[MAG1];
    assert_eq!(
        mag.counted("advertisement_sent"),
        1,
        "the anchor's own question"
    );
    mag.check();
}

#[test]
fn a_neighbour_that_does_not_answer_is_told_to_the_sender() {
    let mut world = domain();
    let mut cn = Host::correspondent(CN);
    meet(&mut world, &mut cn);
    let (_, router) = cn.router.unwrap();
    let nobody = ip("2001:db8:c::77");
    cn.send_to(&mut world, router, &echo(cn.address(), nobody, 128, 1));
    world.pass(Duration::from_secs(5));
    let unreachable = cn
        .live(&mut world)
        .iter()
        .any(|seen| seen.icmp() == Some((1, 3)));
    assert!(unreachable);
    assert_eq!(world.nodes[LMA].counted("neighbour_failed"), 1);
    world.nodes[LMA].check();
}

#[test]
fn a_gateway_that_falls_silent_is_found_out_and_found_again() {
    let mut world = domain();
    let mut mn = Host::new(MN, 1);
    attach(&mut world, &mut mn);
    let resolved = |world: &World| {
        let tunnel = world.nodes[LMA].tables.tunnel(TunnelId(0));
        tunnel.expect("the tunnel").adjacency.is_some()
    };
    assert!(resolved(&world));
    world.pass(Duration::from_secs(60));
    assert!(resolved(&world), "probed and answered");
    let port = Member::Port(MAG1, 0);
    world.wires[0].retain(|member| *member != port);
    world.pass(Duration::from_secs(60));
    assert!(!resolved(&world));
    world.wires[0].push(port);
    world.pass(Duration::from_secs(40));
    assert!(resolved(&world));
    world.nodes[LMA].check();
}

/// Proves S1-30, S1-32.
#[test]
fn tshark_reads_the_router_advertisement_as_we_mean_it() {
    let mut world = domain();
    let mut mn = Host::new(MN, 1);
    let heard = attach(&mut world, &mut mn);
    let (seen, _) = advertisements(&heard).remove(0);
    let file = tempfile::NamedTempFile::with_suffix(".pcap").unwrap();
    write_pcap(file.as_file(), &frame(seen.from, seen.to, &seen.packet));
    let fields = [
        "icmpv6.type",
        "icmpv6.checksum.status",
        "icmpv6.opt.prefix.flag.l",
        "icmpv6.opt.prefix.flag.a",
        "icmpv6.opt.prefix.length",
        "icmpv6.nd.ra.flag.m",
        "icmpv6.nd.ra.flag.o",
        "_ws.malformed",
        "_ws.expert.severity",
    ];
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(file.path()).args(["-T", "fields"]);
    tshark.args(fields.iter().flat_map(|field| ["-e", field]));
    let Ok(output) = tshark.output() else {
        eprintln!("tshark is not installed: what wire::nd reads has been judged elsewhere");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let read: Vec<_> = text.trim_end_matches('\n').split('\t').collect();
    assert_eq!(
        read,
        ["134", "1", "0", "1", "64", "0", "1", "", ""],
        "{fields:?}"
    );
}

/// One Ethernet frame as a capture file.
fn write_pcap(mut file: &std::fs::File, frame: &[u8]) {
    let mut bytes = Vec::new();
    bytes.extend(0xa1b2_c3d4_u32.to_le_bytes());
    bytes.extend([2, 0, 4, 0]);
    bytes.extend([0; 8]);
    bytes.extend(65_535_u32.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend([0; 8]);
    for _ in 0..2 {
        bytes.extend((frame.len() as u32).to_le_bytes());
    }
    bytes.extend(frame);
    file.write_all(&bytes).unwrap();
}
