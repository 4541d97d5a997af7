//! Messages of the gateway's own to a peer whose link-layer address is not known yet.

use crate::bytes::{ip, mh_packet, Seen};
use crate::host::Host;
use crate::story::{bindings, domain_with_policies, signalling, CORE, LMA};
use crate::world::{port_mac, World};
use std::time::Duration;
use wire::mh::{
    AccessTechnology, BindingUpdate, HandoffIndicator, HomeNetworkPrefix, Lifetime, Message,
    MnIdentifier, MobilityOption, NtpTime, UpdateFlags,
};

/// A domain whose anchor knows one more access gateway, which the test plays.
fn with_gateway() -> (World, Host) {
    let policy = "serve_unlisted = true\n\
                  mags = [\"2001:db8:c::11\", \"2001:db8:c::12\", \"2001:db8:c::99\"]\n";
    let world = domain_with_policies(|it| it, policy, |it| it, "");
    let mut gateway = Host::new(CORE, 0x99);
    gateway.addresses.push(ip("2001:db8:c::99"));
    (world, gateway)
}

/// The gateway registers so many hosts, one after the other, without listening.
fn register(world: &mut World, gateway: &Host, hosts: u16) {
    for host in 0..hosts {
        let message = Message::BindingUpdate(BindingUpdate {
            sequence: host,
            flags: UpdateFlags::ACKNOWLEDGE.with(UpdateFlags::PROXY),
            lifetime: Lifetime::from_secs_floor(600),
            options: vec![
                MobilityOption::MnIdentifier(MnIdentifier::Nai(format!("{host}@first.example"))),
                MobilityOption::HomeNetworkPrefix(HomeNetworkPrefix::REQUEST),
                MobilityOption::HandoffIndicator(HandoffIndicator::NEW_INTERFACE),
                MobilityOption::AccessTechnology(AccessTechnology::ETHERNET),
                MobilityOption::Timestamp(NtpTime::from_unix(world.now().wall)),
            ],
        });
        let packet = mh_packet(gateway.address(), ip("2001:db8:c::1"), &message);
        gateway.send_to(world, port_mac(0, 0), &packet);
    }
    world.settle();
}

/// How many acknowledgements the gateway hears within some milliseconds, while it answers neighbours.
fn acknowledgements(world: &mut World, gateway: &mut Host) -> usize {
    let mut heard = Vec::new();
    for _ in 0..5 {
        heard.extend(gateway.live(world));
        world.pass(Duration::from_millis(20));
    }
    heard.retain(|seen: &Seen| seen.to == gateway.mac);
    let names = signalling(&heard);
    names
        .iter()
        .filter(|name| **name == "acknowledgement")
        .count()
}

#[test]
fn the_first_answers_to_a_peer_wait_for_its_address() {
    let (mut world, mut gateway) = with_gateway();
    register(&mut world, &gateway, 20);
    assert_eq!(bindings(&world).len(), 20);
    assert_eq!(world.nodes[LMA].counted("message_waits"), 20);
    assert_eq!(acknowledgements(&mut world, &mut gateway), 20);
    // Those behind them go straight.
    register(&mut world, &gateway, 5);
    assert_eq!(world.nodes[LMA].counted("message_waits"), 20);
    assert_eq!(world.nodes[LMA].counted("message_unreachable"), 0);
}

#[test]
fn nothing_waits_for_ever_for_a_peer_that_does_not_answer() {
    let (mut world, mut gateway) = with_gateway();
    register(&mut world, &gateway, 20);
    world.pass(Duration::from_secs(10));
    // The heartbeats that followed among them.
    assert!(world.nodes[LMA].counted("message_unreachable") >= 20);
    assert_eq!(acknowledgements(&mut world, &mut gateway), 0);
}

/// An address that was learned a moment ago is in the next topology: workers do not go by it yet.
#[test]
fn answers_wait_until_workers_know_the_way_to_their_peer() {
    let (mut world, mut gateway) = with_gateway();
    gateway.live(&mut world);
    register(&mut world, &gateway, 20);
    assert_eq!(bindings(&world).len(), 20);
    assert_eq!(world.nodes[LMA].counted("message_waits"), 20);
    assert_eq!(acknowledgements(&mut world, &mut gateway), 20);
}

/// What a peer was asked while the link was down has not reached it.
#[test]
fn a_peer_is_asked_again_as_soon_as_a_link_is_up() {
    let (mut world, mut gateway) = with_gateway();
    register(&mut world, &gateway, 20);
    world.hear(CORE);
    assert_eq!(acknowledgements(&mut world, &mut gateway), 0);
    let now = world.now();
    world.nodes[LMA].engine.link_came_up(now);
    world.settle();
    assert_eq!(acknowledgements(&mut world, &mut gateway), 20);
    assert_eq!(world.nodes[LMA].counted("message_unreachable"), 0);
}
