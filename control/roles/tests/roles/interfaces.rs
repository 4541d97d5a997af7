//! The anchor: hosts with several interfaces and several prefixes (RFC 5213 section 5.4).

use crate::scenario::*;
use roles::effect::{Effect, Path};
use roles::event::{RevocationScope, Timer};
use roles::lma::{BindingState, BindingView, Lma, LmaCounter};
use roles::policy::Allowance;
use roles::store::{Key, Record};
use roles::{BoundPrefix, Event};
use std::net::Ipv6Addr;
use wire::mh::*;

const LINK_LAYER: u8 = 25;
const NEW: HandoffIndicator = HandoffIndicator::NEW_INTERFACE;
const BETWEEN: HandoffIndicator = HandoffIndicator::BETWEEN_INTERFACES;
const MAGS: HandoffIndicator = HandoffIndicator::BETWEEN_MAGS;
const UNKNOWN: HandoffIndicator = HandoffIndicator::UNKNOWN;
const SAME: HandoffIndicator = HandoffIndicator::NOT_CHANGED;

/// An anchor with a session of `mn` at MAG1 by interface 1, then one at MAG2 by interface 2; and what
/// each has.
fn both() -> (Lma, HomeNetworkPrefix, HomeNetworkPrefix) {
    let mut lma = lma();
    let first = given(&tell(&mut lma, 1000, pbu("mn", 1000).event()));
    let second = pbu("mn", 1100).from(MAG2).interface(2).handoff(NEW);
    let second = given(&tell(&mut lma, 1100, second.event()));
    (lma, first, second)
}

fn views(lma: &Lma) -> Vec<BindingView> {
    lma.bindings(at(2000)).collect()
}

/// Where each session is, and what it has.
fn places(lma: &Lma) -> Vec<(Ipv6Addr, Vec<HomeNetworkPrefix>)> {
    let views = views(lma).into_iter();
    views.map(|view| (view.care_of, view.prefixes)).collect()
}

fn named(pbu: Pbu, prefixes: &[HomeNetworkPrefix]) -> Pbu {
    let options = prefixes
        .iter()
        .copied()
        .map(MobilityOption::HomeNetworkPrefix);
    options.fold(pbu.without(22), Pbu::and)
}

fn allowing(sessions: u32, prefixes: Option<u8>) -> Event {
    let mut policy = policy();
    policy.allowance = Allowance { sessions, prefixes };
    Event::Policy { policy }
}

fn bound(effects: &[Effect]) -> Vec<(BoundPrefix, Ipv6Addr)> {
    let binds = effects.iter().filter_map(|effect| match effect {
        Effect::Bind {
            prefix,
            path: Path::Anchor { tunnel },
        } => Some((*prefix, tunnel.remote)),
        _ => None,
    });
    binds.collect()
}

#[test]
fn each_interface_has_a_session_that_lives_and_ends_alone() {
    let (mut lma, first, second) = both();
    assert_ne!(first, second);
    assert_eq!(
        places(&lma),
        [(ip(MAG1), vec![first]), (ip(MAG2), vec![second])]
    );
    // The one moves, and the other stays where it is.
    let moves = pbu("mn", 2000).from(MAG2);
    assert_eq!(given(&tell(&mut lma, 2000, moves.event())), first);
    assert_eq!(
        places(&lma),
        [(ip(MAG2), vec![first]), (ip(MAG2), vec![second])]
    );
    // Or leaves.
    let leaves = pbu("mn", 3000).from(MAG2).lifetime(0);
    let effects = tell(&mut lma, 3000, leaves.event());
    assert_eq!(prefixes_of(&pba(&effects).options), [first]);
    let states: Vec<_> = views(&lma).iter().map(|view| view.state).collect();
    assert_eq!(states, [BindingState::Pending, BindingState::Active]);
    fire(&mut lma, 13_000, Timer::BindingExpiry { session: 1 });
    assert_eq!(places(&lma), [(ip(MAG2), vec![second])]);
    // Each gets what it had before when it comes back.
    fire(&mut lma, 500_000, Timer::BindingExpiry { session: 2 });
    assert_eq!(lma.sessions(), 0);
    let back = pbu("mn", 500_100).interface(2);
    assert_eq!(given(&tell(&mut lma, 500_100, back.event())), second);
    let back = pbu("mn", 500_200).handoff(NEW);
    assert_eq!(given(&tell(&mut lma, 500_200, back.event())), first);
}

/// The session that an update was for, a new one, or the status that refused it.
type Found = Result<Option<u64>, u8>;

/// What an update is about, rule by rule. `Some(n)`: session n; `None`: a new one.
#[test]
fn the_session_of_an_update_is_found_by_the_rules() {
    let (_, first, second) = both();
    let two = |ms| pbu("mn", ms).from(MAG2);
    let cases: Vec<(&str, Pbu, Found)> = vec![
        // 5.4.1.1: prefixes by value.
        ("rule 5, interface", named(two(2000), &[first]), Ok(Some(1))),
        (
            "rule 5, between",
            named(two(2000).interface(3).handoff(BETWEEN), &[first]),
            Ok(Some(1)),
        ),
        (
            "rule 5, gateway",
            named(pbu("mn", 2000).interface(3), &[first]),
            Ok(Some(1)),
        ),
        (
            "rule 5, gateway, unnamed",
            named(pbu("mn", 2000).without(LINK_LAYER), &[first]),
            Ok(Some(1)),
        ),
        (
            "rule 6, other interface",
            named(two(2000).interface(3), &[first]),
            Err(155),
        ),
        (
            "rule 6, new interface",
            named(two(2000).interface(3).handoff(NEW), &[first]),
            Err(155),
        ),
        (
            "rule 4, too many",
            named(pbu("mn", 2000), &[first, second]),
            Err(159),
        ),
        (
            "rule 3, another's",
            named(pbu("two", 2000), &[first]),
            Err(155),
        ),
        (
            "rule 2, of nobody",
            named(two(2000).interface(3), &[prefix("2001:db8:1:9::/64")]),
            Ok(None),
        ),
        (
            "section 5.4",
            named(pbu("mn", 2000), &[prefix("2001:db8:1:9::/64")]),
            Err(159),
        ),
        // 5.4.1.2: the interface.
        ("rule 2", pbu("mn", 2000), Ok(Some(1))),
        (
            "rule 2, whatever is said",
            pbu("mn", 2000).handoff(NEW),
            Ok(Some(1)),
        ),
        ("rule 2, the other", two(2000).interface(2), Ok(Some(2))),
        (
            "rule 2, technology",
            two(2000).with(MobilityOption::AccessTechnology(AccessTechnology(4))),
            Ok(None),
        ),
        (
            "rule 3, two sessions",
            two(2000).interface(3).handoff(BETWEEN),
            Ok(None),
        ),
        (
            "rule 4, two sessions",
            two(2000).interface(3).handoff(UNKNOWN),
            Ok(None),
        ),
        ("rule 5", two(2000).interface(3).handoff(MAGS), Ok(None)),
        // 5.4.1.3: neither.
        (
            "rule 1, between",
            two(2000).without(LINK_LAYER).handoff(BETWEEN),
            Ok(None),
        ),
        (
            "rule 1, gateways",
            two(2000).without(LINK_LAYER).handoff(MAGS),
            Ok(None),
        ),
        (
            "rule 4",
            two(2000).without(LINK_LAYER).handoff(NEW),
            Ok(None),
        ),
    ];
    for (why, update, expected) in cases {
        let (mut lma, ..) = both();
        let sequence = update.sequence;
        let effects = tell(&mut lma, 2000, update.event());
        let touched = views(&lma)
            .into_iter()
            .find(|view| view.sequence == sequence);
        let found = match status(&effects) {
            Status(0) => Ok(touched
                .map(|view| view.session)
                .filter(|&session| session < 3)),
            Status(refused) => Err(refused),
        };
        assert_eq!(found, expected, "{why}");
        let sessions = if expected == Ok(None) { 3 } else { 2 };
        assert_eq!(lma.sessions(), sessions, "{why}");
    }
}

/// With one session alone, handoff indicators that name no interface find it.
#[test]
fn the_only_session_is_found_by_the_handoff_indicator() {
    let update = |handoff| {
        pbu("mn", 2000)
            .from(MAG2)
            .without(LINK_LAYER)
            .handoff(handoff)
    };
    let cases = [
        (update(BETWEEN), 1),
        (update(MAGS), 1),
        (update(NEW), 2),
        (update(SAME), 2),
        (update(MAGS).interface(2), 2),
        (update(BETWEEN).interface(2), 1),
    ];
    for (update, sessions) in cases {
        let mut lma = lma();
        tell(&mut lma, 1000, pbu("mn", 1000).event());
        assert_eq!(status(&tell(&mut lma, 2000, update.event())), Status(0));
        assert_eq!(lma.sessions(), sessions);
    }
}

/// The acknowledgement was lost, and the gateway that names no interface asks again.
#[test]
fn an_update_without_an_interface_is_repeated_and_makes_one_session() {
    let update = |ms| pbu("mn", ms).without(LINK_LAYER);
    let mut lma = lma();
    let first = given(&tell(&mut lma, 1000, update(1000).event()));
    assert_eq!(given(&tell(&mut lma, 2000, update(2000).event())), first);
    assert_eq!(lma.sessions(), 1);
    // Beside an interface that is named, too.
    let second = pbu("mn", 2100).interface(2).handoff(NEW);
    tell(&mut lma, 2100, second.event());
    assert_eq!(given(&tell(&mut lma, 3000, update(3000).event())), first);
    assert_eq!(lma.sessions(), 2);
}

#[test]
fn no_wait_makes_a_session_at_once() {
    let mut config = lma_config();
    config.max_delay_before_new_bce_assign = std::time::Duration::ZERO;
    let mut lma = lma_with(config);
    tell(&mut lma, 1000, pbu("mn", 1000).event());
    let second = pbu("mn", 2000).from(MAG2).interface(2);
    assert_eq!(status(&tell(&mut lma, 2000, second.event())), Status(0));
    assert_eq!(lma.sessions(), 2);
}

#[test]
fn goodbyes_end_the_session_that_they_name_and_no_other() {
    let goodbye = |ms: u64| pbu("mn", ms).lifetime(0);
    let (_, first, second) = both();
    let cases = [
        ("by interface", goodbye(2000), Some(1)),
        (
            "by prefix",
            named(goodbye(2000).from(MAG2).interface(2), &[second]),
            Some(2),
        ),
        (
            "another's prefix",
            named(goodbye(2000).from(MAG2).interface(3), &[first]),
            None,
        ),
        ("unknown interface", goodbye(2000).interface(3), None),
        (
            "neither, by the gateway that has one",
            goodbye(2000).without(LINK_LAYER),
            Some(1),
        ),
        ("from elsewhere", goodbye(2000).from(MAG2), None),
    ];
    for (why, update, ended) in cases {
        let (mut lma, ..) = both();
        tell(&mut lma, 2000, update.event());
        let pending = views(&lma).into_iter();
        let pending = pending.filter(|view| view.state == BindingState::Pending);
        let pending: Vec<u64> = pending.map(|view| view.session).collect();
        assert_eq!(pending, Vec::from_iter(ended), "{why}");
    }
    // Of two sessions with one gateway it is not said which.
    let (mut lma, ..) = both();
    tell(&mut lma, 1500, pbu("mn", 1500).from(MAG2).event());
    let unnamed = goodbye(2000).from(MAG2).without(LINK_LAYER);
    assert_eq!(sent(&tell(&mut lma, 2000, unnamed.event())), []);
}

/// All prefixes of an interface are of one session: what is handed over to an interface that has a
/// session becomes part of one.
#[test]
fn a_session_is_handed_over_to_an_interface_that_has_one() {
    let (mut lma, first, second) = both();
    let handed = |ms| {
        named(
            pbu("mn", ms).from(MAG2).interface(2).handoff(BETWEEN),
            &[first],
        )
    };
    let effects = tell(&mut lma, 2000, handed(2000).event());
    let mut all = vec![first, second];
    all.sort();
    assert_eq!(prefixes_of(&pba(&effects).options), all);
    assert_eq!(places(&lma), [(ip(MAG2), all.clone())]);
    let binds: Vec<_> = all.iter().map(|&it| (it.into(), ip(MAG2))).collect();
    assert_eq!(bound(&effects), binds);
    assert!(effects.contains(&Effect::Forget {
        key: Key::Binding { session: 2 }
    }));
    // The gateway that has lost it is told so, of what it had.
    let Some((_, to, Message::RevocationIndication(told))) = sent(&effects).last().copied() else {
        panic!("{effects:?}");
    };
    assert_eq!(to, ip(MAG1));
    assert_eq!(prefixes_of(&told.options), [first]);
    // The acknowledgement was lost: said again, it changes nothing.
    let effects = tell(&mut lma, 3000, handed(3000).event());
    assert_eq!(prefixes_of(&pba(&effects).options), all);
    assert_eq!(bound(&effects), []);
    // The gateway that has lost it refreshes before it hears of that.
    let late = named(pbu("mn", 3100).handoff(SAME), &[first]);
    assert_eq!(status(&tell(&mut lma, 3100, late.event())), Status(129));
    assert_eq!(places(&lma), [(ip(MAG2), all.clone())]);
    // From here on they are one.
    let refresh = named(pbu("mn", 4000).from(MAG2).interface(2).handoff(SAME), &all);
    assert_eq!(status(&tell(&mut lma, 4000, refresh.event())), Status(0));
    assert_eq!(lma.counter(LmaCounter::BindingsMerged), 1);
}

/// An interface that another session was held for waits on with it.
#[test]
fn what_waited_for_a_session_that_became_part_of_another_is_decided() {
    let mut lma = lma();
    tell(&mut lma, 1000, pbu("mn", 1000).event());
    tell(
        &mut lma,
        1100,
        pbu("mn", 1100).from(MAG2).interface(3).event(),
    );
    let second = pbu("mn", 1200).interface(2).handoff(NEW);
    let second = given(&tell(&mut lma, 1200, second.event()));
    let moves = named(pbu("mn", 1300).handoff(BETWEEN), &[second]);
    let effects = tell(&mut lma, 1300, moves.event());
    assert_eq!(sent(&effects).len(), 2);
    assert!(sent(&effects).iter().any(|(_, to, _)| *to == ip(MAG2)));
}

#[test]
fn a_host_has_as_many_sessions_as_policy_lets_it() {
    let mut lma = lma();
    tell(&mut lma, 0, allowing(2, None));
    let by = |ms, interface| pbu("mn", ms).interface(interface).handoff(NEW).event();
    assert_eq!(status(&tell(&mut lma, 10, by(10, 1))), Status(0));
    assert_eq!(status(&tell(&mut lma, 20, by(20, 2))), Status(0));
    assert_eq!(status(&tell(&mut lma, 30, by(30, 3))), Status(129));
    assert_eq!(status(&tell(&mut lma, 40, by(40, 2))), Status(0));
    assert_eq!(lma.sessions(), 2);
}

#[test]
fn an_interface_gets_as_many_prefixes_as_policy_says_or_none() {
    let mut config = lma_config();
    config.capacity = 7;
    let mut lma = lma_with(config);
    tell(&mut lma, 0, allowing(4, Some(3)));
    let effects = tell(&mut lma, 10, pbu("mn", 10).event());
    let three = prefixes_of(&pba(&effects).options);
    assert_eq!((three.len(), bound(&effects).len()), (3, 3));
    // A refresh names all of them, in whatever order.
    let mut turned = three.clone();
    turned.reverse();
    let refresh = |ms, prefixes: &[_]| named(pbu("mn", ms).handoff(SAME), prefixes).event();
    assert_eq!(status(&tell(&mut lma, 20, refresh(20, &turned))), Status(0));
    assert_eq!(
        status(&tell(&mut lma, 30, refresh(30, &three[..2]))),
        Status(159)
    );
    let mut more = three.clone();
    more.push(prefix("2001:db8:1:9::/64"));
    assert_eq!(status(&tell(&mut lma, 40, refresh(40, &more))), Status(159));
    // One move moves all.
    let moved = tell(&mut lma, 50, pbu("mn", 50).from(MAG2).event());
    assert_eq!(bound(&moved).len(), 3);
    assert!(bound(&moved).iter().all(|(_, remote)| *remote == ip(MAG2)));
    // There is room for four more: one session, and not half of another.
    assert_eq!(status(&tell(&mut lma, 60, pbu("a", 60).event())), Status(0));
    assert_eq!(
        status(&tell(&mut lma, 70, pbu("b", 70).event())),
        Status(130)
    );
    assert_eq!(lma.sessions(), 2);
    // After a loss of all state the gateway names what the host has; it gets that, and no more.
    let mut lma = self::lma();
    tell(&mut lma, 0, allowing(4, Some(3)));
    assert_eq!(status(&tell(&mut lma, 80, refresh(80, &more))), Status(155));
    let again = tell(&mut lma, 90, refresh(90, &three));
    assert_eq!(prefixes_of(&pba(&again).options), three);
}

/// A prefix that another host holds spoils the whole request.
#[test]
fn several_prefixes_are_given_all_or_none() {
    let mut lma = lma();
    tell(&mut lma, 0, allowing(4, Some(2)));
    let mut others = prefixes_of(&pba(&tell(&mut lma, 10, pbu("a", 10).event())).options);
    others[0] = prefix("2001:db8:1:9::/64");
    let mixed = named(pbu("mn", 20), &others);
    assert_eq!(status(&tell(&mut lma, 20, mixed.event())), Status(155));
    let effects = tell(&mut lma, 30, named(pbu("mn", 30), &others[..1]).event());
    assert_eq!(given(&effects), others[0]);
}

#[test]
fn fixed_prefixes_are_shared_among_the_interfaces() {
    // All of them go to the first, unless policy says how many.
    let mut lma = lma();
    let all = tell(&mut lma, 10, pbu("two", 10).event());
    assert_eq!(prefixes_of(&pba(&all).options).len(), 2);
    let second = |ms| pbu("two", ms).interface(2).handoff(NEW);
    assert_eq!(status(&tell(&mut lma, 20, second(20).event())), Status(130));
    let mut lma = self::lma();
    tell(&mut lma, 0, allowing(4, Some(1)));
    let one = given(&tell(&mut lma, 10, pbu("two", 10).event()));
    let other = given(&tell(&mut lma, 20, second(20).event()));
    assert_ne!(one, other);
    // The second interface may not have the prefix of the first.
    let third = named(second(30).from(MAG2).interface(3), &[one]);
    assert_eq!(status(&tell(&mut lma, 30, third.event())), Status(155));
}

/// Gateways' clocks differ: what one sends is not held against what another sent for another interface.
#[test]
fn each_session_has_its_own_order() {
    let (mut lma, first, second) = both();
    let late = named(pbu("mn", 900 + 100).sequence(7).handoff(SAME), &[first]);
    // As old as what was accepted for this session.
    assert_eq!(status(&tell(&mut lma, 1200, late.event())), Status(157));
    let between = named(pbu("mn", 1050).handoff(SAME), &[first]);
    // Older than what was accepted for the other.
    assert_eq!(status(&tell(&mut lma, 1200, between.event())), Status(0));
    let new = pbu("mn", 1010).interface(3).handoff(NEW);
    assert_eq!(status(&tell(&mut lma, 1200, new.event())), Status(0));
    // By sequence numbers the same, and the refusal tells the one of the session.
    let by_number = |number| {
        let update = pbu("mn", 1300).without(27).sequence(number).handoff(SAME);
        named(update.from(MAG2).interface(2), &[second]).event()
    };
    let effects = tell(&mut lma, 1300, by_number(1100));
    assert_eq!(
        (status(&effects), pba(&effects).sequence),
        (Status(135), 1100)
    );
    assert_eq!(status(&tell(&mut lma, 1300, by_number(1101))), Status(0));
}

#[test]
fn the_operator_ends_all_sessions_of_a_host() {
    let mn_identifier = nai("mn");
    let (mut lma, first, second) = both();
    let effects = tell(
        &mut lma,
        2000,
        Event::Delete {
            mn_identifier: nai("mn"),
        },
    );
    for prefix in [first, second] {
        let prefix = prefix.into();
        assert!(effects.contains(&Effect::Unbind { prefix }));
    }
    assert_eq!(lma.sessions(), 0);
    let (mut lma, first, second) = both();
    let scope = RevocationScope::host(mn_identifier);
    let effects = tell(&mut lma, 2000, Event::Revoke { scope });
    let told: Vec<_> = sent(&effects)
        .into_iter()
        .map(|(_, to, message)| match message {
            Message::RevocationIndication(it) => (to, prefixes_of(&it.options)),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, [(ip(MAG1), vec![first]), (ip(MAG2), vec![second])]);
    assert_eq!(lma.sessions(), 0);
}

#[test]
fn a_gateway_revokes_what_it_names_or_all_that_it_has() {
    let revoke = |options: Vec<MobilityOption>| {
        let message = Message::RevocationIndication(RevocationIndication {
            trigger: RevocationTrigger(1),
            sequence: 7,
            flags: RevocationFlags::PROXY,
            options,
        });
        message_event(MAG2, LMA, message)
    };
    let who = || MobilityOption::MnIdentifier(nai("mn"));
    let together = || {
        let (mut lma, first, second) = both();
        tell(&mut lma, 1500, pbu("mn", 1500).from(MAG2).event());
        (lma, first, second)
    };
    let (mut lma, first, second) = together();
    let named = MobilityOption::HomeNetworkPrefix(second);
    tell(&mut lma, 2000, revoke(vec![who(), named]));
    assert_eq!(places(&lma), [(ip(MAG2), vec![first])]);
    let (mut lma, ..) = together();
    tell(&mut lma, 2000, revoke(vec![who()]));
    assert_eq!(lma.sessions(), 0);
}

#[test]
fn sessions_of_one_host_come_back_after_a_restart() {
    let mut before = lma();
    let mut records = Vec::new();
    for update in [
        pbu("mn", 1000),
        pbu("mn", 1100).from(MAG2).interface(2).handoff(NEW),
    ] {
        let effects = tell(&mut before, 1100, update.event());
        records.extend(effects.into_iter().filter_map(|effect| match effect {
            Effect::Store { record } => Some(record),
            _ => None,
        }));
    }
    let mut after = lma();
    for record in records.clone() {
        tell(&mut after, 1200, Event::Restored { record });
    }
    assert_eq!(views(&after), views(&before));
    // Two of one interface cannot be: the second is let go.
    let Record::Binding(mut twin) = records.swap_remove(0) else {
        panic!("a binding");
    };
    (twin.session, twin.prefixes) = (9, vec![prefix("2001:db8:1:9::/64")]);
    let record = Record::Binding(twin);
    let effects = tell(&mut after, 1300, Event::Restored { record });
    let key = Key::Binding { session: 9 };
    assert_eq!(effects, [Effect::Forget { key }]);
    assert_eq!(after.counter(LmaCounter::BindingsNotInstalled), 1);
}

/// The table has no room for one session of a host: the others stay.
#[test]
fn the_table_refuses_one_session_and_the_other_stays() {
    let (mut lma, first, second) = both();
    tell(&mut lma, 2000, pbu("mn", 2000).from(MAG2).event());
    let effects = tell(
        &mut lma,
        2000,
        Event::Refused {
            prefix: first.into(),
        },
    );
    assert_eq!(status(&effects), Status(130));
    assert_eq!(places(&lma), [(ip(MAG2), vec![second])]);
}
