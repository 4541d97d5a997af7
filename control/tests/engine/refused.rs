//! Tables that take no more: the peer hears status 130, and nothing is half installed.

use crate::bytes::Seen;
use crate::host::Host;
use crate::story::{
    advertisements, attach, bindings, domain_with, visitors, ACCESS2, CAPACITY, CORE, LMA, MAG1,
    MAG2, MN,
};
use crate::world::World;
use dataplane::tables::Capacity;
use roles::mag::VisitorState;
use std::time::Duration;
use wire::mh::{Message, Status};

/// Statuses of the acknowledgements on the core.
fn statuses(world: &mut World) -> Vec<Status> {
    let heard = world.hear(CORE);
    let messages = heard.iter().filter_map(Seen::mh);
    messages
        .filter_map(|message| match message {
            Message::BindingAcknowledgement(acknowledgement) => Some(acknowledgement.status),
            _ => None,
        })
        .collect()
}

#[test]
fn an_anchor_without_room_for_a_tunnel_says_130_and_keeps_what_it_had() {
    let anchor = Capacity {
        tunnels: 1,
        ..CAPACITY
    };
    let mut world = domain_with(anchor, CAPACITY);
    let mut first = Host::new(MN, 1);
    attach(&mut world, &mut first);
    assert_eq!(statuses(&mut world), [Status::ACCEPTED]);

    world.replug(MN, ACCESS2);
    let mut second = Host::new(MN, 2);
    let heard = attach(&mut world, &mut second);
    assert_eq!(statuses(&mut world), [Status::INSUFFICIENT_RESOURCES]);
    assert!(advertisements(&heard).is_empty());
    assert_eq!(bindings(&world).len(), 1);
    let lma = &world.nodes[LMA];
    assert_eq!(lma.counted("table_full"), 1);
    assert!(lma.counted("effect_dropped") > 0);
    let writer = lma.engine.writer();
    assert_eq!((writer.bindings_len(), writer.tunnels_len()), (1, 1));
    assert_eq!(world.nodes[MAG2].engine.writer().bindings_len(), 0);
    assert_eq!(visitors(&world, MAG1), [VisitorState::Bound]);
}

#[test]
fn an_anchor_without_room_for_a_binding_says_130() {
    let anchor = Capacity {
        bindings: 1,
        ..CAPACITY
    };
    let mut world = domain_with(anchor, CAPACITY);
    let mut first = Host::new(MN, 1);
    attach(&mut world, &mut first);
    let mut second = Host::new(MN, 2);
    let heard = attach(&mut world, &mut second);
    let told = advertisements(&heard);
    assert!(told.iter().all(|(seen, _)| seen.to != second.mac));
    let expected = [Status::ACCEPTED, Status::INSUFFICIENT_RESOURCES];
    assert_eq!(statuses(&mut world), expected);
    assert_eq!(world.nodes[LMA].engine.writer().bindings_len(), 1);
    assert_eq!(bindings(&world).len(), 1);
}

#[test]
fn an_access_gateway_without_room_for_a_host_gives_its_binding_back() {
    // One adjacency, which the anchor takes.
    let access = Capacity {
        adjacencies: 1,
        ..CAPACITY
    };
    let mut world = domain_with(CAPACITY, access);
    let mut mn = Host::new(MN, 1);
    let heard = attach(&mut world, &mut mn);
    assert!(advertisements(&heard).is_empty());
    world.pass(Duration::from_secs(15));
    mn.live(&mut world);
    let writer = world.nodes[MAG1].engine.writer();
    assert_eq!((writer.bindings_len(), writer.tunnels_len()), (0, 0));
    assert_eq!(world.nodes[LMA].engine.writer().bindings_len(), 0);
    assert!(bindings(&world).is_empty());
}
