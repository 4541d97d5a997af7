//! Revocation of IPv4 home addresses alone: the V bit (RFC 5846 sections 8.1, 8.2 and 9.1).

use crate::ipv4::{anchor, any, attach, dual, gateway, request, served, unbound};
use crate::revocation::{acknowledgement, indication, revoke, who, GLOBAL, SINGLE};
use crate::scenario::*;
use roles::effect::{Effect, Notice};
use roles::event::{Departure, HostLink, RevocationScope};
use roles::lma::{BindingView, Lma, LmaCounter};
use roles::mag::{Mag, MagCounter, VisitorState};
use roles::policy::Profile;
use roles::store::{Key, Record};
use roles::{BoundPrefix, Event};
use std::net::Ipv4Addr;
use wire::mh::*;

const V: RevocationFlags = RevocationFlags(0xc000);

fn six() -> HostLink {
    link(0, 1)
}

fn four() -> HostLink {
    link(1, 2)
}

fn alone(host: &str) -> Profile {
    Profile {
        ipv6: false,
        simultaneous: true,
        ..dual(host, None)
    }
}

fn views(lma: &Lma) -> Vec<BindingView> {
    lma.bindings(at(2000)).collect()
}

/// The links that are served: whether by prefixes, and with which address.
fn places(mag: &Mag) -> Vec<(HostLink, bool, Option<Ipv4Addr>)> {
    let views = mag.visitors(at(2000));
    let bound = views.filter(|view| view.state == VisitorState::Bound);
    let places = bound.map(|view| {
        let address = view.ipv4.map(|service| service.address);
        (view.link, !view.prefixes.is_empty(), address)
    });
    places.collect()
}

/// An anchor and a gateway: `mn` has prefixes by one interface and an IPv4 home address by another.
fn two_sessions() -> (Lma, Mag, Ipv4Addr) {
    let (mut lma, mut mag) = (anchor(), gateway(MAG1));
    attach(&mut mag, &mut lma, 1000, six(), profile("mn"));
    attach(&mut mag, &mut lma, 1100, four(), alone("mn"));
    let address = views(&lma)[1].ipv4_home_address.expect("an address");
    let expected = [(six(), true, None), (four(), false, Some(address))];
    assert_eq!(places(&mag), expected);
    (lma, mag, address)
}

/// The same of one interface that has both.
fn one_session() -> (Lma, Mag, Ipv4Addr) {
    let (mut lma, mut mag) = (anchor(), gateway(MAG1));
    attach(&mut mag, &mut lma, 1000, six(), dual("mn", None));
    let address = views(&lma)[0].ipv4_home_address.expect("an address");
    assert_eq!(places(&mag), [(six(), true, Some(address))]);
    (lma, mag, address)
}

/// Brings an indication to the other end; and what is acknowledged back to where it came from.
fn pass(lma: &mut Lma, mag: &mut Mag, ms: u64, effects: &[Effect]) -> Vec<Effect> {
    let (to, message) = indication(effects);
    let message = Message::RevocationIndication(message.clone());
    let to_mag = to == ip(MAG1);
    let (from, to) = if to_mag { (LMA, MAG1) } else { (MAG1, LMA) };
    let event = message_event(from, to, message);
    let followed = match to_mag {
        true => tell(mag, ms, event),
        false => tell(lma, ms, event),
    };
    let answer = Message::RevocationAcknowledgement(acknowledgement(&followed).clone());
    let event = message_event(to, from, answer);
    match to_mag {
        true => tell(lma, ms, event),
        false => tell(mag, ms, event),
    };
    followed
}

/// A host with a session of each family moves with the interface of one of them: what the former
/// gateway is told names that one, and the other goes on.
///
/// Proves S1-18, S1-20, S1-46.
#[test]
fn a_session_of_ipv4_alone_is_named_by_its_address_after_a_move() {
    let (mut lma, mut mag, address) = two_sessions();
    let moved = pbu("mn", 2000).from(MAG2).interface(2).without(22);
    let moved = moved.handoff(HandoffIndicator::BETWEEN_MAGS).and(any());
    let effects = tell(&mut lma, 2000, moved.event());
    assert_eq!(status(&effects), Status::ACCEPTED);
    let (to, told) = indication(&effects);
    assert_eq!((to, told.flags), (ip(MAG1), V));
    assert!(told.trigger.is_handover());
    assert_eq!(prefixes_of(&told.options), []);
    assert!(told.options.contains(&request(address, 32)));
    assert!(options::timestamp(&told.options).is_some());

    let effects = pass(&mut lma, &mut mag, 2010, &effects);
    let answer = acknowledgement(&effects);
    assert_eq!(
        (answer.status, answer.flags),
        (RevocationStatus::SUCCESS, V)
    );
    assert_eq!(unbound(&effects), [BoundPrefix::V4(address)]);
    assert_eq!(places(&mag), [(six(), true, None)]);
    assert_eq!(views(&lma).len(), 2);
    assert_eq!(lma.counter(LmaCounter::RevocationsAcknowledged), 1);
}

/// The former gateway had both, and the new one registers the address alone: what is named is what
/// the former one knows the session by.
#[test]
fn what_is_named_is_what_the_former_gateway_has() {
    let (mut lma, mut mag, address) = one_session();
    let prefixes = views(&lma)[0].prefixes.clone();
    let moved = pbu("mn", 2000).from(MAG2).interface(1).without(22);
    let moved = moved.handoff(HandoffIndicator::BETWEEN_MAGS);
    let effects = tell(&mut lma, 2000, moved.and(request(address, 16)).event());
    assert_eq!(status(&effects), Status::ACCEPTED);
    assert_eq!(views(&lma)[0].prefixes, []);
    let (_, told) = indication(&effects);
    assert_eq!(told.flags, SINGLE);
    assert_eq!(prefixes_of(&told.options), prefixes);
    pass(&mut lma, &mut mag, 2010, &effects);
    assert_eq!(places(&mag), []);
}

/// Proves S1-46.
#[test]
fn an_anchor_revokes_the_address_alone_and_the_prefixes_stay() {
    let (mut lma, mut mag, address) = one_session();
    let scope = RevocationScope::Host {
        mn_identifier: nai("mn"),
        ipv4_only: true,
        trigger: Some(RevocationTrigger::USER_TERMINATION),
    };
    let revoked = tell(
        &mut lma,
        1500,
        Event::Revoke {
            scope: scope.clone(),
        },
    );
    assert_eq!(unbound(&revoked), [BoundPrefix::V4(address)]);
    let (_, told) = indication(&revoked);
    assert_eq!(told.flags, V);
    assert_eq!(told.trigger, RevocationTrigger::USER_TERMINATION);
    assert_eq!(told.options, [who("mn"), request(address, 32)]);
    // What is stored has no address any more.
    let stored = |effects: &[Effect]| {
        let mut records = effects.iter().filter_map(|effect| match effect {
            Effect::Store {
                record: Record::Binding(it),
            } => Some(it.ipv4_home_address),
            Effect::Store {
                record: Record::Visitor(it),
            } => Some(it.ipv4.map(|it| it.address)),
            _ => None,
        });
        records.next()
    };
    assert_eq!(stored(&revoked), Some(None));

    let effects = pass(&mut lma, &mut mag, 1510, &revoked);
    assert_eq!(unbound(&effects), [BoundPrefix::V4(address)]);
    assert_eq!(served(&effects), [None]);
    assert_eq!(stored(&effects), Some(None));
    let down = Notice::BindingDown {
        mn_identifier: nai("mn"),
        prefix: address.into(),
    };
    assert!(effects.contains(&Effect::Notify { notice: down }));
    assert_eq!(advertisements(&effects), []);
    assert_eq!(places(&mag), [(six(), true, None)]);
    assert_eq!(mag.counter(MagCounter::HostsRevoked), 0);
    let view = &views(&lma)[0];
    assert_eq!((view.prefixes.len(), view.ipv4_home_address), (1, None));
    // It is not asked for again.
    let refreshed = tell(
        &mut mag,
        1700,
        message_event(
            LMA,
            MAG1,
            Message::BindingRefreshRequest(BindingRefreshRequest {
                options: vec![who("mn")],
            }),
        ),
    );
    let refresh = pbu_in(&refreshed);
    assert!(!refresh.options.iter().any(|it| it.kind() == 36));
    assert_eq!(prefixes_of(&refresh.options), view.prefixes);
    // Nothing is there to revoke once more.
    let event = Event::Revoke { scope };
    assert_eq!(sent(&tell(&mut lma, 1800, event)), []);
}

#[test]
fn a_session_that_has_nothing_but_the_address_ends_with_it() {
    for ipv4_only in [false, true] {
        let (mut lma, mut mag, address) = two_sessions();
        let scope = RevocationScope::Host {
            mn_identifier: nai("mn"),
            ipv4_only,
            trigger: None,
        };
        let effects = tell(&mut lma, 1500, Event::Revoke { scope });
        assert_eq!(views(&lma).len(), usize::from(ipv4_only));
        let messages = sent(&effects).into_iter().map(|(_, _, message)| message);
        let messages: Vec<Message> = messages.cloned().collect();
        assert_eq!(messages.len(), if ipv4_only { 1 } else { 2 });
        let Some(Message::RevocationIndication(last)) = messages.last() else {
            panic!("no revocation: {effects:?}");
        };
        assert_eq!((last.flags, last.options.len()), (V, 2));
        let forgotten = effects.iter().any(|effect| {
            matches!(effect, Effect::Forget { key: Key::Binding { session } } if *session == 2)
        });
        assert!(forgotten);
        for message in messages {
            tell(&mut mag, 1510, message_event(LMA, MAG1, message));
        }
        let left: Vec<_> = places(&mag).into_iter().map(|(link, ..)| link).collect();
        assert_eq!(
            left,
            if ipv4_only { vec![six()] } else { vec![] },
            "{address}"
        );
    }
}

/// Section 8.2, fourth rule.
#[test]
fn a_gateway_revokes_the_address_alone() {
    for ipv4_only in [true, false] {
        let (mut lma, mut mag, address) = one_session();
        let scope = RevocationScope::Host {
            mn_identifier: nai("mn"),
            ipv4_only,
            trigger: Some(RevocationTrigger::ACCESS_TERMINATION),
        };
        let effects = tell(&mut mag, 1500, Event::Revoke { scope });
        let (to, told) = indication(&effects);
        assert_eq!(to, ip(LMA));
        assert_eq!(told.trigger, RevocationTrigger::ACCESS_TERMINATION);
        assert_eq!(told.flags, if ipv4_only { V } else { SINGLE });
        let followed = pass(&mut lma, &mut mag, 1510, &effects);
        let status = acknowledgement(&followed).status;
        assert_eq!(status, RevocationStatus::SUCCESS);
        assert!(unbound(&followed).contains(&address.into()));
        let left = usize::from(ipv4_only);
        assert_eq!((views(&lma).len(), places(&mag).len()), (left, left));
        assert_eq!(mag.counter(MagCounter::RevocationsAcknowledged), 1);
        assert_eq!(lma.counter(LmaCounter::BindingsRevoked), 1);
    }
}

#[test]
fn each_wrong_indication_has_its_status_at_both_ends() {
    let (mut lma, mut mag, address) = one_session();
    let own = views(&lma)[0].prefixes[0];
    let own = MobilityOption::HomeNetworkPrefix(own);
    let plain = MobilityOption::Ipv4HomeAddress {
        home: Ipv4HomeAddress {
            address,
            prefix_length: 32,
        },
        prefix_requested: false,
    };
    let other = request([10, 1, 0, 9], 32);
    let it = || request(address, 32);
    let many = RevocationFlags(GLOBAL.0 | V.0);
    for (status, message) in [
        (128, revoke(1, V, vec![who("mn"), other])),
        (128, revoke(1, V, vec![who("nobody"), it()])),
        (129, revoke(1, V, vec![who("mn")])),
        // The option of Mobile IPv6 hosts is not that of proxy bindings (section 5.1).
        (129, revoke(1, V, vec![who("mn"), plain])),
        (131, revoke(1, V, vec![it()])),
        (134, revoke(1, V, vec![who("mn"), own, it()])),
        (134, revoke(128, many, vec![who("mn"), it()])),
    ] {
        for effects in [
            tell(&mut lma, 1500, message_event(MAG1, LMA, message.clone())),
            tell(&mut mag, 1500, message_event(LMA, MAG1, message.clone())),
        ] {
            let answer = acknowledgement(&effects);
            assert_eq!(answer.status, RevocationStatus(status), "{message}");
            assert!(answer.flags.contains(V));
            assert_eq!(unbound(&effects), []);
        }
    }
    // The address of a session behind another gateway.
    let message = revoke(1, V, vec![who("mn"), it()]);
    let effects = tell(&mut lma, 1500, message_event(MAG2, LMA, message));
    assert_eq!(
        acknowledgement(&effects).status,
        RevocationStatus::NO_BINDING
    );
    // A host that has come since keeps it, if it is a move that takes it away.
    let early = MobilityOption::Timestamp(stamp(900));
    let message = revoke(2, V, vec![who("mn"), it(), early]);
    let effects = tell(&mut mag, 1500, message_event(LMA, MAG1, message));
    assert_eq!(acknowledgement(&effects).status, RevocationStatus::ATTACHED);
    assert_eq!(places(&mag), [(six(), true, Some(address))]);
}

/// A host that has left is not spoken of in IPv4 any more.
#[test]
fn what_is_left_behind_is_forgotten_or_said_of_the_prefixes_alone() {
    for two in [true, false] {
        let (_, mut mag, address) = if two { two_sessions() } else { one_session() };
        let link = if two { four() } else { six() };
        let why = Departure::Unreachable;
        tell(&mut mag, 1500, Event::HostGone { link, why });
        let message = revoke(1, V, vec![who("mn"), request(address, 32)]);
        let effects = tell(&mut mag, 1510, message_event(LMA, MAG1, message.clone()));
        assert_eq!(acknowledgement(&effects).status, RevocationStatus::SUCCESS);
        let leaving = mag.visitors(at(1520));
        let leaving = leaving
            .filter(|view| view.state == VisitorState::Leaving)
            .count();
        assert_eq!(leaving, usize::from(!two));
        let effects = tell(&mut mag, 1530, message_event(LMA, MAG1, message));
        assert_eq!(
            acknowledgement(&effects).status,
            RevocationStatus::NO_BINDING
        );
    }
}
