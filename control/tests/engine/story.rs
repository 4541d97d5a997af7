//! An anchor, two access gateways, a mobile node and a correspondent.

use crate::bytes::{ip, Seen};
use crate::configuration::{self, LMA_POLICY, MAG_POLICY, ROUTER_MAC};
use crate::host::{replies, Host};
use crate::world::{begin, Member, Node, World};
use control::engine::Engine;
use control::gateway::Gateway;
use control::store::Keeper;
use dataplane::tables::Capacity;
use dataplane::verdict::{Forward, Verdict};
use roles::event::{Departure, HostLink};
use roles::lma::{BindingState, BindingView};
use roles::mag::VisitorState;
use roles::{Event, Now};
use std::time::Duration;
use wire::ipv6::address::ALL_NODES;
use wire::ipv6::next_header;
use wire::mh::Message;
use wire::nd::{NdMessage, NdOption, RouterAdvertisement};

/// Where the gateways stand in the world.
pub const LMA: usize = 0;
/// The first access gateway.
pub const MAG1: usize = 1;
/// The second access gateway.
pub const MAG2: usize = 2;
/// End on the core wire, which hears all signalling and tunnel packets.
pub const CORE: usize = 0;
/// End of the correspondent.
pub const CN: usize = 1;
/// End of the mobile node.
pub const MN: usize = 2;
/// Wire of the second access link.
pub const ACCESS2: usize = 3;

/// Tables of a test.
pub const CAPACITY: Capacity = Capacity {
    bindings: 64,
    tunnels: 16,
    adjacencies: 64,
};

/// The anchor, two access gateways, and ends for the mobile node and the correspondent.
pub fn domain() -> World {
    domain_with(CAPACITY, CAPACITY)
}

/// The same with other tables of the anchor and of the access gateways.
pub fn domain_with(anchor: Capacity, access: Capacity) -> World {
    domain_of(anchor, access, "")
}

/// The same with more in the configuration of the access gateways.
pub fn domain_of(anchor: Capacity, access: Capacity, more: &str) -> World {
    domain_keeping([anchor, access, access], more, [None, None, None])
}

/// A gateway of the domain, started now; `more` is for the configuration of an access gateway.
pub fn gateway(
    place: usize,
    capacity: Capacity,
    more: &str,
    now: Now,
    store: Option<Keeper>,
    prepare: impl FnOnce(&mut Engine<Gateway>),
) -> Node {
    let mut node = started(place, capacity, more, now, store);
    prepare(&mut node.engine);
    node.engine.restore(|| now).unwrap();
    node
}

/// The same, as it is before it has back what was kept.
pub fn started(
    place: usize,
    capacity: Capacity,
    more: &str,
    now: Now,
    store: Option<Keeper>,
) -> Node {
    let (config, policy) = match place {
        LMA => (configuration::LMA.to_owned(), LMA_POLICY),
        MAG1 => (configuration::mag("2001:db8:c::11") + more, MAG_POLICY),
        _ => (configuration::mag("2001:db8:c::12") + more, MAG_POLICY),
    };
    Node::started(place as u8, &config, policy, capacity, now, store)
}

/// The domain with stores of its gateways.
pub fn domain_keeping(capacities: [Capacity; 3], more: &str, stores: [Option<Keeper>; 3]) -> World {
    let places = (0..).zip(capacities).zip(stores);
    let nodes = places
        .map(|((place, capacity), store)| gateway(place, capacity, more, begin(), store, |_| {}));
    join(nodes.collect())
}

/// The domain with other configurations, made from its own, and other policies.
pub fn domain_with_policies(
    lma: impl Fn(String) -> String,
    lma_policy: &str,
    mag: impl Fn(String) -> String,
    mag_policy: &str,
) -> World {
    let now = begin();
    let mag = |node, address: &str| {
        let config = mag(configuration::mag(address));
        Node::new(node, &config, mag_policy, CAPACITY, now)
    };
    let lma = lma(configuration::LMA.to_owned());
    join(vec![
        Node::new(0, &lma, lma_policy, CAPACITY, now),
        mag(1, "2001:db8:c::11"),
        mag(2, "2001:db8:c::12"),
    ])
}

fn join(nodes: Vec<Node>) -> World {
    let core = (0..3).map(|node| Member::Port(node, 0));
    let wires = vec![
        core.chain([Member::End(CORE)]).collect(),
        vec![Member::Port(LMA, 1), Member::End(CN)],
        vec![Member::Port(MAG1, 1), Member::End(MN)],
        vec![Member::Port(MAG2, 1)],
    ];
    World::new(nodes, wires, 3)
}

/// The anchor's bindings.
pub fn bindings(world: &World) -> Vec<BindingView> {
    match world.nodes[LMA].engine.role() {
        Gateway::Lma(lma) => lma.bindings(world.now()).collect(),
        _ => panic!("no anchor"),
    }
}

/// States of an access gateway's visitors.
pub fn visitors(world: &World, node: usize) -> Vec<VisitorState> {
    match world.nodes[node].engine.role() {
        Gateway::Mag(mag) => mag.visitors(world.now()).map(|view| view.state).collect(),
        _ => panic!("no access gateway"),
    }
}

/// The mobility messages among frames, by name.
pub fn signalling(seen: &[Seen]) -> Vec<&'static str> {
    seen.iter()
        .filter_map(Seen::mh)
        .map(|message| match message {
            Message::BindingUpdate(_) => "update",
            Message::BindingAcknowledgement(_) => "acknowledgement",
            Message::BindingError(_) => "error",
            _ => "other",
        })
        .collect()
}

/// The Router Advertisements among frames.
pub fn advertisements(seen: &[Seen]) -> Vec<(Seen, RouterAdvertisement)> {
    seen.iter()
        .filter_map(|seen| match seen.nd() {
            Some(NdMessage::RouterAdvertisement(told)) => Some((seen.clone(), told)),
            _ => None,
        })
        .collect()
}

/// The correspondent becomes known to the anchor, whose default router it is.
pub fn meet(world: &mut World, cn: &mut Host) {
    cn.router = Some((ip("2001:db8:100::1"), crate::world::port_mac(0, 1)));
    for _ in 0..4 {
        cn.live(world);
        world.pass(Duration::from_millis(300));
    }
    world.hear(CORE);
}

/// Attaches the mobile node by a Router Solicitation; returns what it heard.
pub fn attach(world: &mut World, mn: &mut Host) -> Vec<Seen> {
    mn.solicit_router(world);
    world.pass(Duration::from_millis(100));
    mn.live(world)
}

/// Proves S1-14, S1-15, S1-16, S1-26, S1-30, S1-31, S1-32, S1-34, S1-35, S1-42, S1-43, S1-44.
#[test]
fn a_host_attaches_and_its_packets_go_through_the_tunnel_both_ways() {
    let mut world = domain();
    let mut cn = Host::correspondent(CN);
    let mut mn = Host::new(MN, 1);
    meet(&mut world, &mut cn);

    let heard = attach(&mut world, &mut mn);
    let told = advertisements(&heard);
    let (seen, advertisement) = told.first().expect("a Router Advertisement");
    assert_eq!(seen.to, mn.mac);
    assert_eq!(seen.from, ROUTER_MAC);
    assert_eq!(seen.source, ip("fe80::1"));
    assert_eq!(seen.destination, mn.addresses[0]);
    assert_eq!(seen.hop_limit, 255);
    assert_eq!(advertisement.flags.0, 0x40, "M clear, O set");
    let prefixes: Vec<_> = advertisement
        .options
        .iter()
        .filter_map(|option| match option {
            NdOption::PrefixInformation(information) => Some(information),
            _ => None,
        })
        .collect();
    let [information] = prefixes[..] else {
        panic!("one prefix: {prefixes:?}");
    };
    assert!(!information.on_link && information.autonomous);
    let bound = bindings(&world);
    assert_eq!(bound.len(), 1);
    assert_eq!(information.prefix, bound[0].prefixes[0].prefix);
    assert_eq!(visitors(&world, MAG1), [VisitorState::Bound]);
    assert_eq!(signalling(&world.hear(CORE)), ["update", "acknowledgement"]);

    // Up and down through the tunnel, inner packets untouched but for the hop limit.
    mn.ping(&mut world, cn.address(), 7);
    let at_cn = cn.live(&mut world);
    let request = at_cn.iter().find(|seen| seen.icmp() == Some((128, 0)));
    let request = request.expect("the request");
    assert_eq!(request.source, mn.address());
    world.settle();
    let at_mn = mn.live(&mut world);
    assert_eq!(replies(&at_mn), [7]);
    assert!(at_mn.iter().all(|seen| seen.kind == next_header::ICMPV6));
    let outer: Vec<_> = world.hear(CORE);
    let tunnelled: Vec<_> = outer
        .iter()
        .filter(|seen| seen.kind == next_header::IPV6)
        .map(|seen| (seen.source, seen.destination))
        .collect();
    let (lma, mag) = (ip("2001:db8:c::1"), ip("2001:db8:c::11"));
    assert_eq!(tunnelled, [(mag, lma), (lma, mag)]);
    let lma = &world.nodes[LMA];
    assert_eq!(lma.verdicts(Verdict::Forward(Forward::Encapsulated)), 1);
    assert_eq!(lma.engine.latency().count, 1);
    for node in &world.nodes {
        node.check();
    }
}

/// Proves S1-32.
#[test]
fn a_solicitation_without_a_source_is_answered_to_all_nodes_in_a_frame_for_one() {
    let mut world = domain();
    let mut mn = Host::new(MN, 1);
    let message = NdMessage::RouterSolicitation(wire::nd::RouterSolicitation::default());
    let all_routers = wire::ipv6::address::ALL_ROUTERS;
    let packet = crate::bytes::nd_packet(ip("::"), all_routers, &message);
    let group = crate::bytes::mac_of(all_routers, mn.mac);
    mn.send_to(&mut world, group, &packet);
    world.pass(Duration::from_millis(100));
    let told = advertisements(&mn.live(&mut world));
    let (seen, _) = told.first().expect("a Router Advertisement");
    assert_eq!((seen.to, seen.destination), (mn.mac, ALL_NODES));
}

/// Proves S1-24.
#[test]
fn a_host_that_policy_does_not_know_gets_nothing() {
    let mut world = domain();
    let mut stranger = Host::new(MN, 0x77);
    let heard = attach(&mut world, &mut stranger);
    assert!(advertisements(&heard).is_empty());
    assert_eq!(signalling(&world.hear(CORE)), [""; 0]);
    assert!(bindings(&world).is_empty());
    stranger.addresses.push(ip("2001:db8:1000::77"));
    stranger.router = Some((ip("fe80::1"), ROUTER_MAC));
    stranger.ping(&mut world, ip("2001:db8:100::10"), 1);
    assert!(world.hear(CORE).is_empty());
}

/// Proves S1-34, S1-40, S1-41.
#[test]
fn a_host_that_moves_keeps_its_prefix_and_sees_the_same_router() {
    let mut world = domain();
    let mut cn = Host::correspondent(CN);
    let mut mn = Host::new(MN, 1);
    meet(&mut world, &mut cn);
    attach(&mut world, &mut mn);
    let (address, router) = (mn.address(), mn.router);

    // The link moves; the host notices nothing and goes on sending.
    world.replug(MN, ACCESS2);
    mn.ping(&mut world, cn.address(), 1);
    world.pass(Duration::from_millis(200));
    mn.live(&mut world);
    assert_eq!(visitors(&world, MAG2), [VisitorState::Bound]);
    assert_eq!(mn.addresses.len(), 2, "{:?}", mn.addresses);
    assert_eq!(mn.router, router);
    let bound = bindings(&world);
    assert_eq!(bound.len(), 1);
    assert_eq!(bound[0].care_of, ip("2001:db8:c::12"));
    assert_eq!(bound[0].state, BindingState::Active);

    mn.ping(&mut world, cn.address(), 2);
    cn.live(&mut world);
    world.settle();
    assert_eq!(replies(&mn.live(&mut world)), [2]);
    assert_eq!(mn.address(), address);

    // The late word of the gateway that it left changes nothing.
    let link = HostLink {
        interface: 1,
        mac: mn.mac,
    };
    let why = Departure::Operator;
    let now = world.now();
    world.nodes[MAG1]
        .engine
        .deliver(now, Event::HostGone { link, why });
    world.pass(Duration::from_millis(100));
    assert_eq!(bindings(&world)[0].state, BindingState::Active);
    mn.ping(&mut world, cn.address(), 3);
    cn.live(&mut world);
    world.settle();
    assert_eq!(replies(&mn.live(&mut world)), [3]);
    for node in &world.nodes {
        node.check();
    }
}

#[test]
fn a_host_that_no_longer_answers_is_deregistered_and_nothing_is_left() {
    let mut world = domain();
    let mut mn = Host::new(MN, 1);
    attach(&mut world, &mut mn);
    assert_eq!(world.nodes[MAG1].engine.writer().bindings_len(), 1);
    // While it answers, it stays.
    for _ in 0..40 {
        world.pass(Duration::from_secs(1));
        mn.live(&mut world);
        world.settle();
    }
    assert_eq!(visitors(&world, MAG1), [VisitorState::Bound]);
    mn.alive = false;
    world.hear(CORE);
    world.pass(Duration::from_secs(70));
    assert_eq!(visitors(&world, MAG1), []);
    assert_eq!(world.nodes[MAG1].counted("host_unreachable"), 1);
    for node in [LMA, MAG1] {
        let writer = world.nodes[node].engine.writer();
        assert_eq!((writer.bindings_len(), writer.tunnels_len()), (0, 0));
    }
    assert!(bindings(&world).is_empty());
}
