//! Signalling authenticated by shared keys (RFC 4285), between whole gateways.

use crate::bytes::{frame, ip, Seen};
use crate::host::Host;
use crate::story::{advertisements, attach, bindings, domain, visitors, CORE, LMA, MAG1, MN};
use crate::world::{port_mac, World};
use control::authentication::{Algorithm, Association, Associations, Key, Kind};
use roles::mag::VisitorState;
use std::time::Duration;
use wire::mh::{Message, MobilityOption, Status};

pub const OLD: (u32, [u8; 16]) = (256, [7; 16]);
const NEW: (u32, [u8; 16]) = (257, [8; 16]);

/// Keys between a gateway and a peer; the first is the one to be used.
pub fn share(world: &mut World, node: usize, peer: &str, keys: &[(u32, [u8; 16])]) {
    let keys = keys
        .iter()
        .map(|(spi, octets)| Key::new(Kind::MnHa, *spi, Algorithm::HmacSha1, *octets));
    let association = Association::new(keys.collect(), Some(Duration::from_secs(7)));
    let associations = Associations::new([(ip(peer), association)], true);
    world.nodes[node].engine.set_associations(associations);
}

fn share_both(world: &mut World, at_lma: &[(u32, [u8; 16])], at_mag: &[(u32, [u8; 16])]) {
    share(world, LMA, "2001:db8:c::11", at_lma);
    share(world, MAG1, "2001:db8:c::1", at_mag);
}

fn statuses(seen: &[Seen]) -> Vec<Status> {
    let messages = seen.iter().filter_map(Seen::mh);
    messages
        .filter_map(|message| match message {
            Message::BindingAcknowledgement(answer) => Some(answer.status),
            _ => None,
        })
        .collect()
}

/// The frame that brings a packet which was heard on the core to the anchor once more.
fn again(seen: &Seen) -> Vec<u8> {
    frame(port_mac(1, 0), port_mac(0, 0), &seen.packet)
}

/// Proves S1-09.
#[test]
fn gateways_that_share_a_key_sign_up_hosts_by_it() {
    let mut world = domain();
    share_both(&mut world, &[OLD], &[OLD]);
    let mut mn = Host::new(MN, 1);
    let told = attach(&mut world, &mut mn);
    assert_eq!(advertisements(&told).len(), 1);
    assert_eq!(bindings(&world).len(), 1);
    let heard = world.hear(CORE);
    let messages: Vec<Message> = heard.iter().filter_map(Seen::mh).collect();
    assert_eq!(messages.len(), 2);
    for message in messages {
        let last = message.options().last();
        let Some(MobilityOption::Authentication(option)) = last else {
            panic!("not authenticated: {message:?}");
        };
        assert_eq!((option.subtype, option.spi), (1, 256));
        assert_eq!(option.data.len(), 12);
    }
}

/// Proves S1-09.
#[test]
fn an_update_by_another_key_is_refused_with_146_and_leaves_nothing() {
    let mut world = domain();
    share_both(&mut world, &[OLD], &[(256, [9; 16])]);
    let mut mn = Host::new(MN, 1);
    let told = attach(&mut world, &mut mn);
    assert!(advertisements(&told).is_empty());
    assert!(bindings(&world).is_empty());
    assert_eq!(world.nodes[LMA].counted("message_forged"), 1);
    // The answer is by the anchor's key, so its gateway does not believe it either.
    assert_eq!(statuses(&world.hear(CORE)), [Status::AUTH_FAIL]);
    assert_eq!(world.nodes[MAG1].counted("message_forged"), 1);
    assert_eq!(visitors(&world, MAG1), [VisitorState::Registering]);
}

/// Proves S1-09.
#[test]
fn what_is_not_authenticated_is_refused_or_discarded() {
    // The anchor wants a key, the gateway knows none.
    let mut world = domain();
    share(&mut world, LMA, "2001:db8:c::11", &[OLD]);
    let mut mn = Host::new(MN, 1);
    attach(&mut world, &mut mn);
    assert_eq!(world.nodes[LMA].counted("message_unauthenticated"), 1);
    assert_eq!(statuses(&world.hear(CORE)), [Status::AUTH_FAIL]);
    assert!(bindings(&world).is_empty());

    // It wants keys of everyone, and has none of this one.
    let mut world = domain();
    share(&mut world, LMA, "2001:db8:c::12", &[OLD]);
    attach(&mut world, &mut Host::new(MN, 1));
    assert_eq!(world.nodes[LMA].counted("message_no_association"), 1);
    assert!(statuses(&world.hear(CORE)).is_empty());
    assert!(bindings(&world).is_empty());
}

/// Proves S1-09.
#[test]
fn an_update_that_is_sent_again_by_somebody_else_is_refused_with_144() {
    let mut world = domain();
    share_both(&mut world, &[OLD], &[OLD]);
    let mut mn = Host::new(MN, 1);
    attach(&mut world, &mut mn);
    let heard = world.hear(CORE);
    let is_update = |seen: &&Seen| matches!(seen.mh(), Some(Message::BindingUpdate(_)));
    let update = heard.iter().find(is_update).expect("an update");
    let before = bindings(&world);
    world.send(CORE, &again(update));
    assert_eq!(world.nodes[LMA].counted("message_replayed"), 1);
    assert_eq!(statuses(&world.hear(CORE)), [Status::ID_MISMATCH]);
    assert_eq!(bindings(&world), before);
    // Long after, too.
    world.pass(Duration::from_secs(10));
    world.send(CORE, &again(update));
    assert_eq!(world.nodes[LMA].counted("message_replayed"), 2);

    let is_answer = |seen: &&Seen| matches!(seen.mh(), Some(Message::BindingAcknowledgement(_)));
    let answer = heard.iter().find(is_answer).expect("an answer");
    world.send(CORE, &frame(port_mac(0, 0), port_mac(1, 0), &answer.packet));
    // The two refusals, which no update of the gateway waits for, and this.
    assert_eq!(world.nodes[MAG1].counted("message_unmatched"), 3);
}

/// Proves S1-09.
#[test]
fn an_update_without_a_timestamp_is_refused_with_145() {
    let mut world = domain();
    share(&mut world, LMA, "2001:db8:c::11", &[OLD]);
    let key = Key::new(Kind::MnHa, OLD.0, Algorithm::HmacSha1, OLD.1);
    let association = Association::new(vec![key], None);
    let associations = Associations::new([(ip("2001:db8:c::1"), association)], true);
    world.nodes[MAG1].engine.set_associations(associations);
    attach(&mut world, &mut Host::new(MN, 1));
    assert_eq!(statuses(&world.hear(CORE)), [Status::MESG_ID_REQUIRED]);
    assert_eq!(world.nodes[LMA].counted("message_no_timestamp"), 1);
    assert!(bindings(&world).is_empty());
}

/// Proves S1-09.
#[test]
fn a_new_key_takes_over_without_the_loss_of_a_message() {
    let mut world = domain();
    share_both(&mut world, &[OLD], &[OLD]);
    let mut mn = Host::new(MN, 1);
    attach(&mut world, &mut mn);
    type Keys<'a> = &'a [(u32, [u8; 16])];
    let steps: [(Keys<'_>, Keys<'_>, [u32; 2]); 6] = [
        (&[OLD, NEW], &[OLD], [256, 256]),
        (&[OLD, NEW], &[OLD, NEW], [256, 256]),
        (&[OLD, NEW], &[NEW, OLD], [257, 256]),
        (&[NEW, OLD], &[NEW, OLD], [257, 257]),
        (&[NEW], &[NEW, OLD], [257, 257]),
        (&[NEW], &[NEW], [257, 257]),
    ];
    for (at_lma, at_mag, spis) in steps {
        share_both(&mut world, at_lma, at_mag);
        world.hear(CORE);
        mn.solicit_router(&mut world);
        world.pass(Duration::from_secs(1));
        mn.live(&mut world);
        let heard = world.hear(CORE);
        // Gateways without keys are told of restarts, too.
        let registers = |it: &Message| !matches!(it, Message::Heartbeat(_));
        let messages = heard.iter().filter_map(Seen::mh).filter(registers);
        let messages: Vec<Message> = messages.collect();
        let spi = |message: &Message| match message.options().last() {
            Some(MobilityOption::Authentication(option)) => option.spi,
            other => panic!("not authenticated: {other:?}"),
        };
        assert_eq!(messages.iter().map(spi).collect::<Vec<_>>(), spis);
        assert_eq!(statuses(&heard), [Status::ACCEPTED]);
        assert_eq!(visitors(&world, MAG1), [VisitorState::Bound]);
    }
}
