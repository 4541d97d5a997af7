//! The anchor: hosts that move, leave and come back (RFC 5213 sections 5.3.3 to 5.3.5 and 5.4.1).

use crate::scenario::*;
use roles::effect::{Effect, Notice, Path};
use roles::event::Timer;
use roles::lma::{BindingState, BindingView, Lma, LmaCounter};
use std::time::Duration;
use wire::mh::*;

const LINK_LAYER: u8 = 25;
const EXPIRY: Timer = Timer::BindingExpiry { session: 1 };
const WAIT: Timer = Timer::AssignWait { session: 1 };

/// An anchor with a binding of `mn` at MAG1 since 1000 ms, and its prefix.
fn bound() -> (Lma, HomeNetworkPrefix) {
    let mut lma = lma();
    tell(&mut lma, 1000, pbu("mn", 1000).event());
    let prefix = view(&lma).prefixes[0];
    (lma, prefix)
}

fn view(lma: &Lma) -> BindingView {
    lma.bindings(at(1000)).next().expect("a binding")
}

fn path_of(effects: &[Effect]) -> Option<Path> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::Bind { path, .. } => Some(*path),
        _ => None,
    })
}

fn remote(effects: &[Effect]) -> std::net::Ipv6Addr {
    match path_of(effects) {
        Some(Path::Anchor { tunnel }) => tunnel.remote,
        other => panic!("{other:?}"),
    }
}

fn deregistration(ms: u64) -> Pbu {
    pbu("mn", ms).lifetime(0)
}

/// The new gateway comes first.
///
/// Proves S1-41.
#[test]
fn handover_with_the_new_gateway_first() {
    let (mut lma, prefix) = bound();
    let effects = tell(&mut lma, 2000, pbu("mn", 2000).from(MAG2).event());
    assert_eq!(status(&effects), Status(0));
    assert_eq!(prefixes_of(&pba(&effects).options), [prefix]);
    assert_eq!(remote(&effects), ip(MAG2));
    let moved = Notice::BindingMoved {
        mn_identifier: nai("mn"),
        prefix: prefix.into(),
        from: ip(MAG1),
        to: ip(MAG2),
    };
    assert!(effects.contains(&Effect::Notify { notice: moved }));
    // The old one's goodbye comes late: it ends nothing and is not answered.
    let effects = tell(&mut lma, 2100, deregistration(2100).event());
    assert_eq!(sent(&effects), []);
    assert_eq!(path_of(&effects), None);
    assert_eq!(
        ignored_because(&effects),
        Some("deregistration_from_elsewhere")
    );
    assert_eq!(
        (view(&lma).care_of, view(&lma).state),
        (ip(MAG2), BindingState::Active)
    );
    // Or it was even sent before the new one's update, and overtaken.
    let effects = tell(&mut lma, 2100, deregistration(1900).event());
    assert_eq!(status(&effects), Status(157));
    assert_eq!(view(&lma).state, BindingState::Active);
}

/// The old gateway comes first.
///
/// Proves S1-41.
#[test]
fn handover_with_the_old_gateway_first() {
    let (mut lma, prefix) = bound();
    let effects = tell(&mut lma, 2000, deregistration(2000).event());
    assert_eq!(status(&effects), Status(0));
    assert_eq!(pba(&effects).lifetime, Lifetime::ZERO);
    assert_eq!(prefixes_of(&pba(&effects).options), [prefix]);
    assert_eq!(path_of(&effects), Some(Path::Pending));
    let ten_seconds = Some(Duration::from_secs(10));
    assert_eq!(timer_after(&effects, &EXPIRY), ten_seconds);
    let effects = tell(&mut lma, 5000, pbu("mn", 5000).from(MAG2).event());
    assert_eq!(prefixes_of(&pba(&effects).options), [prefix]);
    assert_eq!(remote(&effects), ip(MAG2));
    // The wait is over with that.
    assert_eq!(
        timer_after(&effects, &EXPIRY),
        Some(Duration::from_secs(400))
    );
    assert_eq!(view(&lma).state, BindingState::Active);
}

#[test]
fn a_deregistered_binding_goes_after_the_wait() {
    let (mut lma, prefix) = bound();
    tell(&mut lma, 2000, deregistration(2000).event());
    // Said again, because the answer was lost: answered again, and the wait does not start anew.
    let effects = tell(&mut lma, 3000, deregistration(3000).event());
    assert_eq!(status(&effects), Status(0));
    assert_eq!(path_of(&effects), None);
    let effects = fire(&mut lma, 12_000, EXPIRY);
    assert_eq!(
        effects[0],
        Effect::Unbind {
            prefix: prefix.into()
        }
    );
    assert_eq!(lma.bindings(at(0)).count(), 0);
    assert_eq!(lma.counter(LmaCounter::BindingsDeleted), 1);
    // Nothing left to end.
    let effects = tell(&mut lma, 13_000, deregistration(13_000).event());
    assert_eq!(
        ignored_because(&effects),
        Some("deregistration_without_session")
    );
    assert_eq!(sent(&effects), []);
}

#[test]
fn a_host_comes_back_to_the_same_gateway_during_the_wait() {
    let (mut lma, _) = bound();
    tell(&mut lma, 2000, deregistration(2000).event());
    let effects = tell(&mut lma, 3000, pbu("mn", 3000).event());
    assert_eq!(remote(&effects), ip(MAG1));
    assert_eq!(lma.counter(LmaCounter::BindingsMoved), 0);
}

#[test]
fn a_refresh_changes_no_path() {
    let (mut lma, prefix) = bound();
    let refresh = pbu("mn", 9000)
        .prefix(&prefix.to_string())
        .handoff(HandoffIndicator::NOT_CHANGED);
    let effects = tell(&mut lma, 9000, refresh.event());
    assert_eq!(status(&effects), Status(0));
    assert_eq!(path_of(&effects), None);
    assert_eq!(
        timer_after(&effects, &EXPIRY),
        Some(Duration::from_secs(400))
    );
    assert_eq!(lma.counter(LmaCounter::BindingsRefreshed), 1);
}

/// A gateway that has not noticed that its host has left does not get the binding back by a refresh.
/// Proves S1-41.
#[test]
fn a_refresh_by_the_gateway_that_the_host_has_left_moves_nothing() {
    let (mut lma, prefix) = bound();
    tell(&mut lma, 2000, pbu("mn", 2000).from(MAG2).event());
    let refresh = |from, ms| {
        let named = pbu("mn", ms).from(from).prefix(&prefix.to_string());
        named.handoff(HandoffIndicator::NOT_CHANGED).event()
    };
    let effects = tell(&mut lma, 3000, refresh(MAG1, 3000));
    assert_eq!(status(&effects), Status(129));
    assert_eq!(path_of(&effects), None);
    assert_eq!(view(&lma).care_of, ip(MAG2));
    assert_eq!(view(&lma).timestamp, Some(stamp(2000)));
    assert_eq!(
        status(&tell(&mut lma, 4000, refresh(MAG2, 4000))),
        Status(0)
    );
    assert_eq!(
        status(&tell(&mut lma, 5000, refresh(MAG1, 5000))),
        Status(129)
    );
    // If the host is there after all, it is registered as attached.
    let effects = tell(&mut lma, 6000, pbu("mn", 6000).event());
    assert_eq!(remote(&effects), ip(MAG1));
    // Where nobody else has it, it may be had.
    tell(&mut lma, 7000, deregistration(7000).event());
    let effects = tell(&mut lma, 8000, refresh(MAG2, 8000));
    assert_eq!(remote(&effects), ip(MAG2));
}

/// After a restart a refresh may come first from where the host no longer is: then the next one is
/// as good.
#[test]
fn after_a_restart_the_latest_refresh_has_the_binding() {
    let mut lma = lma();
    let refresh = |from, ms| {
        let named = pbu("mn", ms).from(from).prefix("2001:db8:1:77::/64");
        named.handoff(HandoffIndicator::NOT_CHANGED).event()
    };
    tell(&mut lma, 10, refresh(MAG1, 10));
    let effects = tell(&mut lma, 20, refresh(MAG2, 20));
    assert_eq!(remote(&effects), ip(MAG2));
}

/// Another interface under the same identifier, while the first is active.
#[test]
fn a_second_interface_has_a_session_of_its_own_and_the_first_stays() {
    for handoff in [HandoffIndicator::NEW_INTERFACE, HandoffIndicator(5)] {
        let (mut lma, _) = bound();
        let second = pbu("mn", 2000).from(MAG2).interface(2).handoff(handoff);
        assert_eq!(status(&tell(&mut lma, 2000, second.event())), Status(0));
        assert_eq!(view(&lma).care_of, ip(MAG1));
        assert_eq!(lma.sessions(), 2);
    }
    // Its goodbye does not end the session of the first either, though the gateway is the same.
    let (mut lma, _) = bound();
    let effects = tell(&mut lma, 2000, deregistration(2000).interface(2).event());
    assert_eq!(sent(&effects), []);
    assert_eq!(view(&lma).state, BindingState::Active);
}

#[test]
fn a_handoff_between_interfaces_moves_the_session() {
    let between = HandoffIndicator::BETWEEN_INTERFACES;
    for named in [false, true] {
        let (mut lma, prefix) = bound();
        let mut moves = pbu("mn", 2000).from(MAG2).interface(2).handoff(between);
        if named {
            moves = moves.prefix(&prefix.to_string());
        }
        let effects = tell(&mut lma, 2000, moves.event());
        assert_eq!(prefixes_of(&pba(&effects).options), [prefix]);
        assert_eq!(remote(&effects), ip(MAG2));
        let identifier = vec![2, 0, 0, 0, 0, 2];
        assert_eq!(view(&lma).link_layer_identifier, Some(identifier));
    }
}

/// Without link-layer identifiers, the handoff indicator decides (section 5.4.1.3).
#[test]
fn handover_without_link_layer_identifiers() {
    let (mut lma, _) = bound();
    let same = pbu("mn", 2000).from(MAG2).without(LINK_LAYER);
    let effects = tell(
        &mut lma,
        2000,
        same.handoff(HandoffIndicator::BETWEEN_MAGS).event(),
    );
    assert_eq!(remote(&effects), ip(MAG2));
}

/// With handoff state unknown and another interface, the goodbye of the old gateway is waited for.
#[test]
fn an_update_waits_for_the_deregistration() {
    let (mut lma, prefix) = bound();
    let unknown = pbu("mn", 2000).from(MAG2).interface(2);
    let effects = tell(&mut lma, 2000, unknown.event());
    assert_eq!(sent(&effects), []);
    let wait = Some(Duration::from_millis(1500));
    assert_eq!(timer_after(&effects, &WAIT), wait);
    assert!(view(&lma).waited_for);
    // It is said again meanwhile; the wait goes on as it is.
    let again = pbu("mn", 3000).from(MAG2).interface(2);
    assert_eq!(tell(&mut lma, 3000, again.event()), []);
    // The old gateway's goodbye was sent after the update that waits.
    let effects = tell(&mut lma, 3100, deregistration(3100).event());
    let answers = sent(&effects);
    assert_eq!(answers.len(), 2);
    assert_eq!((answers[0].1, answers[1].1), (ip(MAG1), ip(MAG2)));
    let Message::BindingAcknowledgement(second) = answers[1].2 else {
        panic!("{effects:?}");
    };
    assert_eq!((second.status, second.sequence), (Status(0), 3000));
    assert_eq!(prefixes_of(&second.options), [prefix]);
    assert_eq!(remote(&effects), ip(MAG2));
    assert_eq!(view(&lma).state, BindingState::Active);
    // What was accepted last still orders what comes.
    assert_eq!(view(&lma).timestamp, Some(stamp(3100)));
}

/// What waits is ordered by timestamps like everything else, whatever the sequence numbers are.
#[test]
fn the_newest_update_waits() {
    let (mut lma, _) = bound();
    let second = |ms, sequence| pbu("mn", ms).interface(2).sequence(sequence);
    tell(&mut lma, 2000, second(2000, 9).from(MAG2).event());
    tell(&mut lma, 2100, second(2050, 3).from(MAG2).event());
    // One that was overtaken on its way, from where the interface was before.
    tell(&mut lma, 2200, second(1950, 70).event());
    let effects = tell(&mut lma, 2300, deregistration(2300).event());
    let answers = sent(&effects);
    let (_, to, Message::BindingAcknowledgement(answer)) = answers[1] else {
        panic!("{effects:?}");
    };
    assert_eq!((to, answer.sequence), (ip(MAG2), 3));
    assert_eq!(remote(&effects), ip(MAG2));
}

/// The host has left the gateway whose update waits, too.
#[test]
fn an_update_that_waits_is_dropped_when_its_host_has_left() {
    let (mut lma, _) = bound();
    tell(
        &mut lma,
        2000,
        pbu("mn", 2000).from(MAG2).interface(2).event(),
    );
    let goodbye = deregistration(2100).from(MAG2).interface(2);
    let effects = tell(&mut lma, 2100, goodbye.event());
    assert_eq!(sent(&effects), []);
    assert!(effects.contains(&Effect::CancelTimer { timer: WAIT }));
    assert!(!view(&lma).waited_for);
    let effects = tell(&mut lma, 2200, deregistration(2200).event());
    assert_eq!(path_of(&effects), Some(Path::Pending));
    assert_eq!(view(&lma).state, BindingState::Pending);
}

/// Both interfaces are at one gateway: a refresh of the first does not answer for the second.
#[test]
fn an_update_waits_on_through_a_refresh_by_its_own_gateway() {
    let (mut lma, _) = bound();
    tell(&mut lma, 2000, pbu("mn", 2000).interface(2).event());
    tell(&mut lma, 2500, pbu("mn", 2500).event());
    assert!(view(&lma).waited_for);
    // A timer that comes early starts again.
    let early = fire(&mut lma, 3499, WAIT);
    assert_eq!(timer_after(&early, &WAIT), Some(Duration::from_millis(1)));
    assert_eq!(status(&fire(&mut lma, 3500, WAIT)), Status(0));
    assert_eq!(lma.sessions(), 2);
}

#[test]
fn an_update_waits_in_vain() {
    let (mut lma, _) = bound();
    let second = pbu("mn", 2000).from(MAG2).interface(2);
    tell(&mut lma, 2000, second.event());
    // The session that is in the way is refreshed meanwhile.
    let refresh = tell(&mut lma, 2500, pbu("mn", 2500).event());
    assert_eq!(sent(&refresh)[0].1, ip(MAG1));
    let effects = fire(&mut lma, 3500, WAIT);
    assert_eq!(status(&effects), Status(0));
    assert_eq!(sent(&effects)[0].1, ip(MAG2));
    assert_eq!(view(&lma).care_of, ip(MAG1));
    assert_eq!(lma.sessions(), 2);
    assert!(!view(&lma).waited_for);
    assert_eq!(fire(&mut lma, 3600, WAIT), []);
}

#[test]
fn an_update_that_waits_is_decided_when_the_session_ends() {
    let (mut lma, prefix) = bound();
    tell(
        &mut lma,
        400_500,
        pbu("mn", 400_500).from(MAG2).interface(2).event(),
    );
    let effects = fire(&mut lma, 401_000, EXPIRY);
    assert_eq!(
        effects[0],
        Effect::Unbind {
            prefix: prefix.into()
        }
    );
    assert_eq!(status(&effects), Status(0));
    assert_eq!(remote(&effects), ip(MAG2));
    assert_eq!(prefixes_of(&pba(&effects).options), [prefix]);
}

/// A pending session is taken over by whatever interface comes, unless that is a new one.
#[test]
fn another_interface_takes_a_pending_session_over() {
    let (mut lma, prefix) = bound();
    tell(&mut lma, 2000, deregistration(2000).event());
    let new = HandoffIndicator::NEW_INTERFACE;
    let third = pbu("mn", 2500).from(MAG2).interface(3).handoff(new);
    assert_ne!(given(&tell(&mut lma, 2500, third.event())), prefix);
    tell(
        &mut lma,
        2600,
        deregistration(2600).from(MAG2).interface(3).event(),
    );
    fire(&mut lma, 12_600, Timer::BindingExpiry { session: 2 });
    tell(&mut lma, 12_700, pbu("mn", 12_700).event());
    tell(&mut lma, 12_800, deregistration(12_800).event());
    let other = pbu("mn", 13_000).from(MAG2).interface(2);
    let effects = tell(&mut lma, 13_000, other.event());
    assert_eq!(prefixes_of(&pba(&effects).options), [prefix]);
    assert_eq!(remote(&effects), ip(MAG2));
}
