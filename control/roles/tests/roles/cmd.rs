//! The central mobility database: what each mode says to whom, and in which order.

use crate::cmd_scenario::*;
use crate::scenario::*;
use roles::cmd::{AnchorState, CmdCounter, CmdMode, SessionState};
use roles::effect::Effect;
use roles::event::Timer;
use roles::Event;
use std::time::Duration;
use wire::mh::*;

/// Figure 1 of the draft: a first registration is stored, then answered with the usual options, the
/// same in every mode. Nothing is bound: no packet comes here.
/// Proves S2-02, S2-03, S2-06.
#[test]
fn a_first_registration_is_stored_and_answered_without_previous_maars() {
    for mode in CmdMode::ALL {
        let mut cmd = cmd(mode);
        let effects = register(&mut cmd, 1000, MAAR1, "mn", PREF1);
        let answer = answer_to(&effects, MAAR1);
        assert_eq!(answer.status, Status::ACCEPTED);
        assert_eq!(answer.flags, AcknowledgementFlags(0x22), "P and D");
        assert_eq!((answer.sequence, answer.lifetime), (1000, Lifetime(75)));
        let asked = registration("mn", &[PREF1], 1000);
        assert_eq!(
            answer.options, asked.options,
            "all that was asked, and no more"
        );
        assert!(updates(&effects).is_empty());
        let stored = position(&effects, |e| matches!(e, Effect::Store { .. })).unwrap();
        let sent = position(&effects, |e| matches!(e, Effect::Send { .. })).unwrap();
        assert!(stored < sent);
        let bound = |e: &Effect| matches!(e, Effect::Bind { .. } | Effect::Unbind { .. });
        assert_eq!(position(&effects, bound), None);
        let view = view(&cmd, 1000, "mn");
        assert_eq!(
            (view.serving, view.state),
            (Some(ip(MAAR1)), SessionState::Active)
        );
        assert_eq!(view.anchors[0].prefixes, [prefix(PREF1)]);
        assert_eq!(view.lifetime_left, Duration::from_secs(300));
    }
}

/// What the MAAR that a host has left is told: the update of the one that serves it, with the Serving
/// MAAR option added, and the prefix that it is about.
fn assert_forwarded(update: &BindingUpdate, serving: &str, theirs: &str, new: &str) {
    assert_eq!(update.flags, UpdateFlags(0x8210), "A, P and D");
    assert_eq!(serving_in(&update.options), [ip(serving)]);
    assert_eq!(anchored_in(&update.options), [prefix(theirs)]);
    assert_eq!(prefixes_of(&update.options), [prefix(new)]);
    assert!(update.lifetime > Lifetime::ZERO);
    assert!(update
        .options
        .contains(&MobilityOption::MnIdentifier(nai("mn"))));
}

/// Figure 2: PBU, PBU with Serving MAAR, PBA, PBA with Previous MAAR, one after the other.
/// Proves S2-12, S2-14, S2-15.
#[test]
fn a_relay_answers_when_the_previous_maar_has() {
    let mut cmd = cmd(CmdMode::Relay);
    register(&mut cmd, 1000, MAAR1, "mn", PREF1);
    let effects = register(&mut cmd, 2000, MAAR2, "mn", PREF2);
    assert!(answers(&effects).is_empty());
    let update = update_to(&effects, MAAR1);
    assert_forwarded(&update, MAAR2, PREF1, PREF2);
    assert_eq!(view(&cmd, 2000, "mn").serving, Some(ip(MAAR2)));
    let timer = Timer::Aggregation { session: 1 };
    assert_eq!(
        timer_after(&effects, &timer),
        Some(Duration::from_millis(500))
    );
    let effects = confirm(&mut cmd, 2010, MAAR1, &update, &[PREF1]);
    let answer = answer_to(&effects, MAAR2);
    assert_eq!((answer.status, answer.sequence), (Status::ACCEPTED, 2000));
    assert_eq!(prefixes_of(&answer.options), [prefix(PREF2)]);
    assert_eq!(previous_in(&answer), [(ip(MAAR1), prefix(PREF1))]);
    assert!(effects.contains(&Effect::CancelTimer { timer }));
    let view = view(&cmd, 2010, "mn");
    assert_eq!(view.anchors[0].state, AnchorState::Told);
    assert!(!view.awaited);
    assert_eq!(fire(&mut cmd, 2500, Timer::Aggregation { session: 1 }), []);
}

/// The third and later MAARs: copies go to all previous ones, and their answers come in one.
/// Proves S2-17, S2-15.
#[test]
fn a_relay_asks_all_previous_maars_and_answers_once() {
    let mut cmd = cmd(CmdMode::Relay);
    register(&mut cmd, 1000, MAAR1, "mn", PREF1);
    let effects = register(&mut cmd, 2000, MAAR2, "mn", PREF2);
    let update = update_to(&effects, MAAR1);
    confirm(&mut cmd, 2010, MAAR1, &update, &[PREF1]);
    let effects = register(&mut cmd, 3000, MAAR3, "mn", PREF3);
    let (first, second) = (update_to(&effects, MAAR1), update_to(&effects, MAAR2));
    assert_forwarded(&first, MAAR3, PREF1, PREF3);
    assert_forwarded(&second, MAAR3, PREF2, PREF3);
    assert_eq!(
        answers(&confirm(&mut cmd, 3010, MAAR2, &second, &[PREF2])),
        []
    );
    let effects = confirm(&mut cmd, 3020, MAAR1, &first, &[PREF1]);
    let answer = answer_to(&effects, MAAR3);
    let both = [(ip(MAAR1), prefix(PREF1)), (ip(MAAR2), prefix(PREF2))];
    assert_eq!(previous_in(&answer), both);
    assert_eq!(cmd.counter(CmdCounter::AnswersAggregated), 2);
}

/// The aggregation timeout: what there is goes in time, what comes late goes on arrival.
/// Proves S2-18.
#[test]
fn a_relay_sends_what_it_has_in_time_and_the_rest_as_it_comes() {
    let mut cmd = cmd(CmdMode::Relay);
    register(&mut cmd, 1000, MAAR1, "mn", PREF1);
    let effects = register(&mut cmd, 2000, MAAR2, "mn", PREF2);
    let update = update_to(&effects, MAAR1);
    confirm(&mut cmd, 2010, MAAR1, &update, &[PREF1]);
    let effects = register(&mut cmd, 3000, MAAR3, "mn", PREF3);
    let (first, second) = (update_to(&effects, MAAR1), update_to(&effects, MAAR2));
    confirm(&mut cmd, 3010, MAAR2, &second, &[PREF2]);
    let effects = fire(&mut cmd, 3500, Timer::Aggregation { session: 1 });
    let answer = answer_to(&effects, MAAR3);
    assert_eq!(previous_in(&answer), [(ip(MAAR2), prefix(PREF2))]);
    let effects = confirm(&mut cmd, 4200, MAAR1, &first, &[PREF1]);
    let late = answer_to(&effects, MAAR3);
    assert_eq!(late.sequence, answer.sequence);
    let both = [(ip(MAAR1), prefix(PREF1)), (ip(MAAR2), prefix(PREF2))];
    assert_eq!(previous_in(&late), both);
    assert_eq!(cmd.counter(CmdCounter::AnswersIncomplete), 1);
    assert_eq!(cmd.counter(CmdCounter::AnswersLate), 1);
}

/// A serving MAAR that asks again is answered with the others, once, under its last number.
/// Proves S2-18.
#[test]
fn an_update_that_comes_again_is_answered_with_the_first() {
    let mut cmd = cmd(CmdMode::Relay);
    register(&mut cmd, 1000, MAAR1, "mn", PREF1);
    let effects = register(&mut cmd, 2000, MAAR2, "mn", PREF2);
    let update = update_to(&effects, MAAR1);
    let again = register(&mut cmd, 2300, MAAR2, "mn", PREF2);
    assert!(sent(&again).is_empty());
    let answer = answer_to(&confirm(&mut cmd, 2310, MAAR1, &update, &[PREF1]), MAAR2);
    assert_eq!(answer.sequence, 2300);
    // Its answer was lost: the next is made from what is known.
    let answer = answer_to(&register(&mut cmd, 3300, MAAR2, "mn", PREF2), MAAR2);
    assert_eq!(previous_in(&answer), [(ip(MAAR1), prefix(PREF1))]);
    let refreshed = answer_to(&refresh(&mut cmd, 9000, MAAR2, "mn", PREF2), MAAR2);
    assert_eq!(previous_in(&refreshed), [(ip(MAAR1), prefix(PREF1))]);
}

/// Figure 3: the previous MAAR answers both; the database forwards nothing.
/// Proves S2-22, S2-23.
#[test]
fn a_locator_leaves_the_answer_to_the_previous_maars() {
    let mut cmd = cmd(CmdMode::Locator);
    register(&mut cmd, 1000, MAAR1, "mn", PREF1);
    let effects = register(&mut cmd, 2000, MAAR2, "mn", PREF2);
    let update = update_to(&effects, MAAR1);
    assert_forwarded(&update, MAAR2, PREF1, PREF2);
    assert!(answers(&effects).is_empty());
    assert!(sent(&confirm(&mut cmd, 2010, MAAR1, &update, &[PREF1])).is_empty());
    assert_eq!(cmd.counter(CmdCounter::AnswersLeft), 1);
    assert_eq!(fire(&mut cmd, 2500, Timer::Aggregation { session: 1 }), []);
    // One that has heard nobody asks again, and is not left alone.
    let answer = answer_to(&register(&mut cmd, 3000, MAAR2, "mn", PREF2), MAAR2);
    assert_eq!(previous_in(&answer), [(ip(MAAR1), prefix(PREF1))]);
    // Of several answers one may have been lost: the next refresh says what there is to know.
    let refreshed = answer_to(&refresh(&mut cmd, 9000, MAAR2, "mn", PREF2), MAAR2);
    assert_eq!(previous_in(&refreshed), [(ip(MAAR1), prefix(PREF1))]);
}

/// A locator whose previous MAARs say nothing, or refuse, lets the host begin all the same.
#[test]
fn a_locator_answers_when_nobody_else_does() {
    let mut silent = cmd(CmdMode::Locator);
    register(&mut silent, 1000, MAAR1, "mn", PREF1);
    register(&mut silent, 2000, MAAR2, "mn", PREF2);
    let effects = fire(&mut silent, 2500, Timer::Aggregation { session: 1 });
    assert_eq!(previous_in(&answer_to(&effects, MAAR2)), []);
    let mut refused = cmd(CmdMode::Locator);
    register(&mut refused, 1000, MAAR1, "mn", PREF1);
    let effects = register(&mut refused, 2000, MAAR2, "mn", PREF2);
    let update = update_to(&effects, MAAR1);
    let status = Status::NOT_LMA_FOR_THIS_MOBILE_NODE;
    let answer = Message::BindingAcknowledgement(acknowledgement(&update, status, &[]));
    let effects = hear(&mut refused, 2010, MAAR1, answer);
    assert_eq!(answer_to(&effects, MAAR2).status, Status::ACCEPTED);
    assert_eq!(
        refused.prefixes(),
        1,
        "the first prefix is nobody's any more"
    );
}

/// Figure 4: the answer goes at once with all previous MAARs, and they are told in parallel.
/// Proves S2-25, S2-26.
#[test]
fn a_proxy_answers_at_once_and_collects() {
    let mut cmd = cmd(CmdMode::Proxy);
    register(&mut cmd, 1000, MAAR1, "mn", PREF1);
    register(&mut cmd, 2000, MAAR2, "mn", PREF2);
    let effects = register(&mut cmd, 3000, MAAR3, "mn", PREF3);
    let answer = answer_to(&effects, MAAR3);
    let both = [(ip(MAAR1), prefix(PREF1)), (ip(MAAR2), prefix(PREF2))];
    assert_eq!(previous_in(&answer), both);
    let (first, second) = (update_to(&effects, MAAR1), update_to(&effects, MAAR2));
    assert_forwarded(&first, MAAR3, PREF1, PREF3);
    assert_forwarded(&second, MAAR3, PREF2, PREF3);
    let states = |cmd: &roles::cmd::Cmd| -> Vec<AnchorState> {
        let view = view(cmd, 3000, "mn");
        view.anchors.iter().map(|it| it.state).collect()
    };
    use AnchorState::{Asked, Serving, Told};
    assert_eq!(states(&cmd), [Asked, Asked, Serving]);
    assert!(sent(&confirm(&mut cmd, 3010, MAAR2, &second, &[PREF2])).is_empty());
    assert_eq!(states(&cmd), [Asked, Told, Serving]);
    assert!(sent(&confirm(&mut cmd, 3010, MAAR1, &first, &[PREF1])).is_empty());
    assert_eq!(states(&cmd), [Told, Told, Serving]);
}

/// A host that comes back finds its old anchor serving it; the others stay.
/// Proves S2-17.
#[test]
fn a_host_that_comes_back_is_served_by_its_old_anchor() {
    let mut cmd = cmd(CmdMode::Proxy);
    register(&mut cmd, 1000, MAAR1, "mn", PREF1);
    register(&mut cmd, 2000, MAAR2, "mn", PREF2);
    let effects = register(&mut cmd, 3000, MAAR1, "mn", PREF1);
    let answer = answer_to(&effects, MAAR1);
    assert_eq!(previous_in(&answer), [(ip(MAAR2), prefix(PREF2))]);
    assert_eq!(updates(&effects).len(), 1, "it is not told of itself");
    let view = view(&cmd, 3000, "mn");
    assert_eq!(view.anchors.len(), 2);
    assert_eq!(cmd.prefixes(), 2);
}

/// The mode changes while hosts are there and one is moving: what was begun in one mode is ended in it,
/// and no session is lost.
/// Proves S2-27.
#[test]
fn the_mode_changes_at_run_time() {
    let mut cmd = cmd(CmdMode::Relay);
    register(&mut cmd, 1000, MAAR1, "mn", PREF1);
    let effects = register(&mut cmd, 2000, MAAR2, "mn", PREF2);
    let update = update_to(&effects, MAAR1);
    let mode = CmdMode::Proxy;
    assert_eq!(tell(&mut cmd, 2005, Event::Mode { mode }), []);
    assert_eq!(cmd.mode(), CmdMode::Proxy);
    let answer = answer_to(&confirm(&mut cmd, 2010, MAAR1, &update, &[PREF1]), MAAR2);
    assert_eq!(previous_in(&answer), [(ip(MAAR1), prefix(PREF1))]);
    let effects = register(&mut cmd, 3000, MAAR3, "mn", PREF3);
    assert_eq!(previous_in(&answer_to(&effects, MAAR3)).len(), 2);
    let mode = CmdMode::Locator;
    tell(&mut cmd, 3500, Event::Mode { mode });
    let effects = register(&mut cmd, 4000, MAAR1, "mn", PREF1);
    assert!(answers(&effects).is_empty());
    assert_eq!(updates(&effects).len(), 2);
    assert_eq!(cmd.prefixes(), 3);
}

/// What a MAAR tells of its interface towards the host comes to the MAAR that is to play it.
/// Proves S2-15.
#[test]
fn what_an_anchor_tells_of_its_interface_is_passed_on() {
    let mut cmd = cmd(CmdMode::Proxy);
    let told = [
        MobilityOption::DlifLinkLocalAddress(ip("fe80::1")),
        MobilityOption::DlifLinkLayerAddress(vec![2, 0, 0, 0, 0, 0x51]),
        MobilityOption::LocalPrefix(prefix("2001:db8:77::/48")),
    ];
    let mut update = registration("mn", &[PREF1], 1000);
    update.options.extend(told.clone());
    hear(&mut cmd, 1000, MAAR1, Message::BindingUpdate(update));
    let answer = answer_to(&register(&mut cmd, 2000, MAAR2, "mn", PREF2), MAAR2);
    let at = answer
        .options
        .iter()
        .position(|it| it.kind() == 67)
        .unwrap();
    assert_eq!(answer.options[at + 1..], told);
}
