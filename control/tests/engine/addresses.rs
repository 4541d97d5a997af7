//! Home links as hosts see them: duplicate address detection, addresses that become known, and hosts
//! that claim what is not theirs.

use crate::bytes::{ip, mac_of, nd_packet, Seen};
use crate::configuration::ROUTER_MAC;
use crate::host::{echo, Host};
use crate::story::{attach, domain, signalling, CN, CORE, MAG1, MN};
use crate::world::{Member, World};
use control::gateway::Gateway;
use dataplane::verdict::{Drop, Verdict};
use roles::effect::Learned;
use roles::mag::MagCounter;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::ipv6::address::{solicited_node, ALL_NODES};
use wire::nd::{
    NdMessage, NdOption, NeighbourAdvertisement, NeighbourSolicitation, RouterAdvertisement,
    RouterFlags,
};

/// An end for a second host.
const OTHER: usize = 3;

/// The story's domain with a second host on the first access link.
fn two_hosts() -> World {
    let mut world = domain();
    world.add_end(2, Member::End(OTHER));
    world
}

/// A host detects whether anybody has an address; what it hears.
fn detect(world: &mut World, host: &mut Host, target: Ipv6Addr) -> Vec<Seen> {
    let options = Vec::new();
    let message = NdMessage::NeighbourSolicitation(NeighbourSolicitation { target, options });
    let group = solicited_node(target);
    let packet = nd_packet(Ipv6Addr::UNSPECIFIED, group, &message);
    host.send_to(world, mac_of(group, host.mac), &packet);
    world.pass(Duration::from_millis(20));
    host.live(world)
}

/// A host tells everybody that it has an address.
fn claim(world: &mut World, host: &Host, target: Ipv6Addr) {
    let message = NdMessage::NeighbourAdvertisement(NeighbourAdvertisement {
        router: true,
        solicited: false,
        override_cache: true,
        target,
        options: vec![NdOption::TargetLinkLayer(host.mac)],
    });
    let packet = nd_packet(host.addresses[0], ALL_NODES, &message);
    host.send_to(world, mac_of(ALL_NODES, host.mac), &packet);
}

fn answers(seen: &[Seen]) -> Vec<(Seen, NeighbourAdvertisement)> {
    let advertised = seen.iter().filter_map(|seen| match seen.nd() {
        Some(NdMessage::NeighbourAdvertisement(told)) => Some((seen.clone(), told)),
        _ => None,
    });
    advertised.collect()
}

/// The addresses that the first access gateway knows of its visitors.
fn known(world: &World) -> Vec<(Ipv6Addr, Learned)> {
    let Gateway::Mag(mag) = world.nodes[MAG1].engine.role() else {
        panic!("no access gateway");
    };
    let visitors = mag.visitors(world.now());
    let all = visitors.flat_map(|visitor| visitor.addresses);
    all.map(|known| (known.address, known.learned)).collect()
}

fn counted(world: &World, counter: MagCounter) -> u64 {
    match world.nodes[MAG1].engine.role() {
        Gateway::Mag(mag) => mag.counter(counter),
        _ => panic!("no access gateway"),
    }
}

/// Proves S1-25, S1-36.
#[test]
fn an_address_under_detection_is_learned_and_its_anchor_hears_of_it() {
    let mut world = domain();
    let mut mn = Host::new(MN, 1);
    attach(&mut world, &mut mn);
    world.hear(CORE);
    let own = mn.address();
    assert!(answers(&detect(&mut world, &mut mn, own)).is_empty());
    assert_eq!(known(&world), [(own, Learned::Dad)]);
    assert_eq!(signalling(&world.hear(CORE)), ["update", "acknowledgement"]);
    detect(&mut world, &mut mn, own);
    assert_eq!(signalling(&world.hear(CORE)), [""; 0]);
}

/// Proves S1-36, S1-37.
#[test]
fn a_manual_address_shows_itself_by_the_question_for_the_router() {
    let mut world = domain();
    let mut mn = Host::new(MN, 1);
    attach(&mut world, &mut mn);
    let manual = Ipv6Addr::from_bits(mn.address().to_bits() >> 64 << 64 | 0x77);
    let message = NdMessage::NeighbourSolicitation(NeighbourSolicitation {
        target: ip("fe80::1"),
        options: vec![NdOption::SourceLinkLayer(mn.mac)],
    });
    let packet = nd_packet(manual, ip("fe80::1"), &message);
    mn.send_to(&mut world, ROUTER_MAC, &packet);
    world.pass(Duration::from_millis(20));
    assert_eq!(answers(&mn.live(&mut world)).len(), 1);
    assert_eq!(known(&world), [(manual, Learned::Packet)]);
}

/// Proves S1-37.
#[test]
fn a_manual_address_of_another_prefix_is_refused_and_nothing_goes_through() {
    let mut world = domain();
    let mut mn = Host::new(MN, 1);
    attach(&mut world, &mut mn);
    world.hear(CORE);
    world.hear(CN);
    let foreign = ip("2001:db8:77::1");
    assert!(answers(&detect(&mut world, &mut mn, foreign)).is_empty());
    let packet = echo(foreign, ip("2001:db8:100::10"), 128, 1);
    mn.send_to(&mut world, ROUTER_MAC, &packet);
    world.pass(Duration::from_millis(20));
    assert_eq!(counted(&world, MagCounter::AddressesRefused), 2);
    assert_eq!(known(&world), []);
    assert!(world.hear(CN).is_empty() && world.hear(CORE).is_empty());
}

/// Proves S1-29.
#[test]
fn a_duplicate_address_is_defended_for_its_owner() {
    let mut world = two_hosts();
    let (mut owner, mut other) = (Host::new(MN, 1), Host::new(OTHER, 2));
    attach(&mut world, &mut owner);
    let link_local = owner.addresses[0];
    // It hears that from us although it does not hear the owner.
    owner.alive = false;
    let told = answers(&detect(&mut world, &mut other, link_local));
    let [(seen, answer)] = &told[..] else {
        panic!("one answer: {told:?}");
    };
    assert_eq!((seen.to, seen.from), (other.mac, ROUTER_MAC));
    assert_eq!(seen.destination, ALL_NODES);
    assert_eq!(answer.target, link_local);
    assert!(!answer.override_cache && !answer.solicited && !answer.router);
    assert_eq!(answer.options, [NdOption::TargetLinkLayer(ROUTER_MAC)]);
    // The owner itself is not told so.
    assert!(answers(&detect(&mut world, &mut owner, link_local)).is_empty());
}

/// Proves S1-24, S1-29.
#[test]
fn nobody_is_spoken_for_who_is_not_served() {
    let mut world = two_hosts();
    // No policy knows this one.
    let (mut stranger, mut other) = (Host::new(MN, 0x77), Host::new(OTHER, 2));
    attach(&mut world, &mut stranger);
    let target = stranger.addresses[0];
    assert!(answers(&detect(&mut world, &mut other, target)).is_empty());
}

#[test]
fn a_host_that_claims_the_routers_or_a_neighbours_address_gains_nothing() {
    let mut world = two_hosts();
    let (mut owner, mut other) = (Host::new(MN, 1), Host::new(OTHER, 2));
    attach(&mut world, &mut owner);
    attach(&mut world, &mut other);
    let before = world.nodes[MAG1].counted("discovery_conflict");
    claim(&mut world, &other, ip("fe80::1"));
    let after = world.nodes[MAG1].counted("discovery_conflict");
    assert_eq!(after - before, 1);
    claim(&mut world, &other, owner.addresses[0]);
    assert_eq!(counted(&world, MagCounter::AddressesContested), 1);
    // A packet from the other's prefix is not its.
    let stolen = echo(owner.address(), ip("2001:db8:100::10"), 128, 1);
    other.send_to(&mut world, ROUTER_MAC, &stolen);
    let mag = &world.nodes[MAG1];
    assert_eq!(mag.verdicts(Verdict::Drop(Drop::HostSpoofed)), 1);
    // The owner is still found where it is.
    world.pass(Duration::from_secs(65));
    owner.live(&mut world);
    mag_is_sound(&world);
}

/// Other hosts on the link hear from us at once whose the router's address is, and no more than once a second.
///
/// Proves S1-34.
#[test]
fn the_routers_address_is_taken_back_from_a_host_that_claims_it() {
    let mut world = two_hosts();
    let (mut owner, mut other) = (Host::new(MN, 1), Host::new(OTHER, 2));
    attach(&mut world, &mut owner);
    attach(&mut world, &mut other);
    owner.live(&mut world);
    let router = ip("fe80::1");
    let heard = |world: &mut World, owner: &mut Host| {
        world.pass(Duration::from_millis(20));
        let heard = owner.live(world);
        let ours = |(seen, _): &(Seen, _)| seen.from == ROUTER_MAC;
        let told = answers(&heard).into_iter().filter(ours);
        told.collect::<Vec<_>>()
    };
    let conflicts = |world: &World| world.nodes[MAG1].counted("discovery_conflict");
    let before = conflicts(&world);
    claim(&mut world, &other, router);
    let told = heard(&mut world, &mut owner);
    let [(seen, answer)] = &told[..] else {
        panic!("one answer: {told:?}");
    };
    assert_eq!((seen.source, seen.destination), (router, ALL_NODES));
    assert_eq!(seen.to, mac_of(ALL_NODES, other.mac));
    assert_eq!(answer.target, router);
    assert!(answer.override_cache && !answer.solicited && answer.router);
    assert_eq!(answer.options, [NdOption::TargetLinkLayer(ROUTER_MAC)]);

    // In a solicitation it is a claim as well: who hears it notes where it comes from.
    let asks = NdMessage::NeighbourSolicitation(NeighbourSolicitation {
        target: owner.addresses[0],
        options: vec![NdOption::SourceLinkLayer(other.mac)],
    });
    let group = solicited_node(owner.addresses[0]);
    let packet = nd_packet(router, group, &asks);
    let defended = |world: &World| world.nodes[MAG1].counted("discovery_defended");
    for times in [1, 2] {
        other.send_to(&mut world, mac_of(group, other.mac), &packet);
        assert_eq!(defended(&world), times);
        world.pass(Duration::from_secs(1));
    }
    assert_eq!(conflicts(&world) - before, 3);
    mag_is_sound(&world);
}

#[test]
fn a_host_that_plays_the_router_is_found_out() {
    let mut world = two_hosts();
    let other = Host::new(OTHER, 2);
    let message = NdMessage::RouterAdvertisement(RouterAdvertisement {
        hop_limit: 64,
        flags: RouterFlags::default(),
        router_lifetime: 1_800,
        reachable_time: 0,
        retrans_timer: 0,
        options: vec![NdOption::SourceLinkLayer(other.mac)],
    });
    let packet = nd_packet(other.addresses[0], ALL_NODES, &message);
    other.send_to(&mut world, mac_of(ALL_NODES, other.mac), &packet);
    assert_eq!(world.nodes[MAG1].counted("router_advertisement_rogue"), 1);
    mag_is_sound(&world);
}

fn mag_is_sound(world: &World) {
    world.nodes[MAG1].check();
}
