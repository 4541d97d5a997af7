//! The gateway: acknowledgements, retransmissions and refreshes.

use crate::mag::{attach, serve, visitor, GIVEN};
use crate::scenario::*;
use roles::effect::Effect;
use roles::event::Timer;
use roles::mag::{Mag, MagCounter, VisitorState};
use roles::Event;
use std::time::Duration;
use wire::mh::*;

const SECOND: Duration = Duration::from_secs(1);

pub fn retransmit() -> Timer {
    Timer::Retransmit { link: link(0, 1) }
}

pub fn refresh() -> Timer {
    Timer::Refresh { link: link(0, 1) }
}

pub fn expiry() -> Timer {
    Timer::VisitorExpiry { link: link(0, 1) }
}

/// A gateway that has asked for a registration, and the update.
fn registering() -> (Mag, BindingUpdate) {
    let mut mag = mag();
    let update = attach(&mut mag, 0, link(0, 1));
    (mag, update)
}

/// A gateway that refreshes a binding since 2880 s, and the update.
pub fn refreshing() -> (Mag, BindingUpdate) {
    let mut mag = mag();
    serve(&mut mag, 0, link(0, 1));
    let effects = fire(&mut mag, 2_880_000, refresh());
    (mag, pbu_in(&effects).clone())
}

pub fn refuses(mag: &mut Mag, ms: u64, update: &BindingUpdate, status: u8) -> Vec<Effect> {
    tell(mag, ms, answered(answer(update, Status(status), &[])))
}

/// The same by an anchor that tells its own time, in milliseconds of ours.
fn refuses_at(
    mag: &mut Mag,
    ms: u64,
    update: &BindingUpdate,
    status: u8,
    anchors_time: Option<u64>,
) -> Vec<Effect> {
    let mut refusal = answer(update, Status(status), &[]);
    for option in &mut refusal.options {
        if let (MobilityOption::Timestamp(time), Some(anchors_time)) = (option, anchors_time) {
            *time = stamp(anchors_time);
        }
    }
    tell(mag, ms, answered(refusal))
}

pub fn unbinds(effects: &[Effect]) -> bool {
    let prefix = prefix(GIVEN);
    effects.contains(&Effect::Unbind {
        prefix: prefix.into(),
    })
}

#[test]
fn updates_are_sent_again_with_backoff_and_without_end() {
    let mut mag = mag();
    tell(&mut mag, 0, solicits(link(0, 1)));
    let first = tell(&mut mag, 0, admitted(link(0, 1), profile("mn")));
    let mut last = pbu_in(&first).clone();
    let mut delay = timer_after(&first, &retransmit()).unwrap();
    let mut now = 0;
    for period in [1, 2, 4, 8, 16, 32, 32, 32] {
        let period = SECOND * period;
        assert!(delay >= period && delay <= period + period / 8, "{delay:?}");
        now += delay.as_millis() as u64 + 1;
        let asked = fire(&mut mag, now, retransmit());
        let effects = still_here(&mut mag, now, &asked);
        let update = pbu_in(&effects);
        assert_eq!(update.sequence, last.sequence.wrapping_add(1));
        let latest = MobilityOption::Timestamp(stamp(now));
        assert!(update.options.contains(&latest));
        last = update.clone();
        delay = timer_after(&effects, &retransmit()).unwrap();
    }
    tell(
        &mut mag,
        now + 5,
        answered(answer(&last, Status(0), &[GIVEN])),
    );
    assert_eq!(visitor(&mag, now).state, VisitorState::Bound);
    assert_eq!(mag.counter(MagCounter::UpdatesRetransmitted), 8);
}

/// An answer to an earlier transmission counts, with its time.
#[test]
fn an_answer_that_crosses_a_retransmission() {
    let (mut mag, first) = registering();
    let asked = fire(&mut mag, 1100, retransmit());
    pbu_in(&still_here(&mut mag, 1102, &asked));
    let effects = tell(
        &mut mag,
        1200,
        answered(answer(&first, Status(0), &[GIVEN])),
    );
    let left = Duration::from_millis(3_600_000 - 1200);
    assert_eq!(timer_after(&effects, &expiry()), Some(left));
}

#[test]
fn a_granted_lifetime_and_advice_set_the_timers() {
    let (mut mag, update) = registering();
    let mut granted = answer(&update, Status(0), &[GIVEN]);
    granted.lifetime = Lifetime(100);
    let effects = tell(&mut mag, 0, answered(granted.clone()));
    assert_eq!(timer_after(&effects, &expiry()), Some(SECOND * 400));
    let after = timer_after(&effects, &refresh()).unwrap();
    assert!(after > SECOND * 299 && after <= SECOND * 320, "{after:?}");

    let (mut mag, _) = registering();
    let advice = MobilityOption::BindingRefreshAdvice(Lifetime(25));
    granted.options.push(advice);
    let effects = tell(&mut mag, 0, answered(granted));
    let after = timer_after(&effects, &refresh()).unwrap();
    assert!(after > SECOND * 93 && after <= SECOND * 100, "{after:?}");

    // More than was asked for is not taken.
    let (mut mag, update) = registering();
    let mut granted = answer(&update, Status(0), &[GIVEN]);
    granted.lifetime = Lifetime(2000);
    let effects = tell(&mut mag, 0, answered(granted));
    assert_eq!(timer_after(&effects, &expiry()), Some(SECOND * 3600));
}

#[test]
fn a_refresh_names_its_prefix_and_changes_nothing() {
    let (mut mag, update) = refreshing();
    assert_eq!(prefixes_of(&update.options), [prefix(GIVEN)]);
    let unchanged = Some(HandoffIndicator::NOT_CHANGED);
    assert_eq!(handoff_of(&update.options), unchanged);
    assert_eq!(visitor(&mag, 2_880_000).state, VisitorState::Refreshing);
    let done = answered(answer(&update, Status(0), &[GIVEN]));
    let effects = tell(&mut mag, 2_880_005, done);
    assert!(!effects.iter().any(|e| matches!(e, Effect::Bind { .. })));
    assert!(advertisements(&effects).is_empty());
    assert_eq!(mag.counter(MagCounter::Refreshed), 1);
}

/// The anchor started again and gives another prefix.
#[test]
fn a_refresh_that_gives_another_prefix() {
    let (mut mag, update) = refreshing();
    let other = "2001:db8:1:6::/64";
    let done = answered(answer(&update, Status(0), &[other]));
    let effects = tell(&mut mag, 2_880_005, done);
    let bind = position(&effects, |e| matches!(e, Effect::Bind { .. }));
    assert!(bind < position(&effects, |e| matches!(e, Effect::Unbind { .. })));
    assert!(unbinds(&effects));
    let told = &advertisements(&effects)[0].2.prefixes;
    assert_eq!((told[0].prefix, told[0].valid > 0), (prefix(other), true));
    assert_eq!((told[1].prefix, told[1].valid), (prefix(GIVEN), 0));
}

/// The anchor does not answer: the binding stands until its lifetime is over, and is asked for on.
#[test]
fn an_anchor_that_is_away() {
    let (mut mag, _) = refreshing();
    fire(&mut mag, 2_882_000, retransmit());
    assert_eq!(visitor(&mag, 3_000_000).state, VisitorState::Refreshing);
    let effects = fire(&mut mag, 3_600_000, expiry());
    assert!(unbinds(&effects));
    assert_eq!(advertisements(&effects)[0].2.router_lifetime, 0);
    assert_eq!(visitor(&mag, 3_600_000).state, VisitorState::Registering);
    let effects = fire(&mut mag, 3_610_000, retransmit());
    let update = pbu_in(&effects).clone();
    assert_eq!(prefixes_of(&update.options), [prefix(GIVEN)]);
    let back = answered(answer(&update, Status(0), &[GIVEN]));
    let effects = tell(&mut mag, 3_610_005, back);
    assert_eq!(advertisements(&effects)[0].2.router_lifetime, 1800);
    assert_eq!(visitor(&mag, 3_610_005).state, VisitorState::Bound);
}

#[test]
fn a_refused_host_is_not_served() {
    for status in [129, 131, 133, 152, 153, 154, 155, 158, 160, 161, 162] {
        let (mut mag, update) = registering();
        let effects = refuses(&mut mag, 5, &update, status);
        let why = refused_because(&effects).expect("a refusal");
        assert!(why.contains(&status.to_string()), "{why}");
        assert_eq!(mag.visitors(at(5)).count(), 0);
        assert_eq!(sent(&effects), []);
        // It is left alone for a while; for good where only the operator can help.
        assert_eq!(tell(&mut mag, 10_000, solicits(link(0, 1))), []);
        let asked = tell(&mut mag, 31_000, solicits(link(0, 1)));
        assert_eq!(asked.is_empty(), status == 152);
    }
}

#[test]
fn a_binding_that_the_anchor_refuses_to_extend_ends() {
    for status in [128, 130, 152, 153, 154] {
        let (mut mag, update) = refreshing();
        let effects = refuses(&mut mag, 2_880_005, &update, status);
        assert!(unbinds(&effects), "{status}");
        assert_eq!(advertisements(&effects)[0].2.router_lifetime, 0);
        let tried_again = timer_after(&effects, &retransmit());
        assert_eq!(tried_again.is_some(), [128, 130].contains(&status));
        assert_eq!(sent(&effects), []);
    }
}

/// A lack of resources passes: it is tried again at the slowest rate.
#[test]
fn transient_refusals_are_tried_again_late() {
    // With 156 the anchor tells its time, which is ten seconds from ours.
    for (status, anchors_time) in [(128, None), (130, None), (156, Some(10_000))] {
        let (mut mag, update) = registering();
        let effects = refuses_at(&mut mag, 5, &update, status, anchors_time);
        assert_eq!(sent(&effects), []);
        assert!(timer_after(&effects, &retransmit()).unwrap() >= SECOND * 32);
        assert_eq!(visitor(&mag, 5).state, VisitorState::Registering);
    }
    // With a wrong clock, what is bound stays bound.
    let (mut mag, update) = refreshing();
    let effects = refuses_at(&mut mag, 2_880_005, &update, 156, Some(0));
    assert!(!unbinds(&effects));
    assert_eq!(sent(&effects), []);
    assert_eq!(visitor(&mag, 2_880_005).state, VisitorState::Refreshing);
}

/// An update that waited on its way (for a neighbour, in a queue) is too old when it arrives, though both
/// clocks are right: a fresh one goes out at once.
#[test]
fn an_update_that_was_late_is_sent_anew_at_once() {
    let (mut mag, mut update) = registering();
    for ms in [370, 1100, 2200] {
        let effects = refuses_at(&mut mag, ms, &update, 156, Some(ms - 1));
        update = pbu_in(&effects).clone();
        let latest = MobilityOption::Timestamp(stamp(ms));
        assert!(update.options.contains(&latest));
    }
    // Not for ever.
    let effects = refuses_at(&mut mag, 3300, &update, 156, Some(3299));
    assert_eq!(sent(&effects), []);
}

#[test]
fn a_timestamp_that_came_too_late_is_sent_anew_at_once() {
    let (mut mag, mut update) = registering();
    for ms in [5, 1100, 2200] {
        let asked = refuses(&mut mag, ms, &update, 157);
        let effects = still_here(&mut mag, ms, &asked);
        update = pbu_in(&effects).clone();
        let latest = MobilityOption::Timestamp(stamp(ms));
        assert!(update.options.contains(&latest));
    }
    // Not for ever.
    assert_eq!(sent(&refuses(&mut mag, 3300, &update, 157)), []);
}

#[test]
fn prefixes_that_are_refused_are_not_asked_for_again() {
    for status in [155, 159] {
        let (mut mag, update) = refreshing();
        let effects = refuses(&mut mag, 2_880_005, &update, status);
        assert!(unbinds(&effects));
        let asked = pbu_in(&effects).clone();
        assert_eq!(prefixes_of(&asked.options), [HomeNetworkPrefix::REQUEST]);
        let effects = refuses(&mut mag, 2_880_010, &asked, status);
        assert!(refused_because(&effects).is_some());
    }
}

#[test]
fn sequence_numbers_follow_the_anchor() {
    let mut config = mag_config();
    config.timestamps = false;
    let mut mag = Mag::new(config);
    let update = attach(&mut mag, 0, link(0, 1));
    let is_timestamp = |o: &MobilityOption| matches!(o, MobilityOption::Timestamp(_));
    assert!(!update.options.iter().any(is_timestamp));
    let mut refusal = answer(&update, Status(135), &[]);
    refusal.sequence = 4711;
    let effects = tell(&mut mag, 5, answered(refusal));
    let corrected = pbu_in(&effects).clone();
    assert_eq!(corrected.sequence, 4712);
    tell(
        &mut mag,
        10,
        answered(answer(&corrected, Status(0), &[GIVEN])),
    );
    assert_eq!(visitor(&mag, 10).state, VisitorState::Bound);
}

/// Answers that are not answers to what was asked change nothing.
#[test]
fn answers_that_do_not_match_are_ignored() {
    let good = |update: &BindingUpdate| answer(update, Status(0), &[GIVEN]);
    let replace = |answer: &mut BindingAcknowledgement, option: MobilityOption| {
        answer.options.retain(|o| o.kind() != option.kind());
        answer.options.push(option);
    };
    type Change<'a> = &'a dyn Fn(&mut BindingAcknowledgement);
    let host = MobilityOption::MnIdentifier(nai("other"));
    let time = MobilityOption::Timestamp(stamp(77));
    let cases: [(Change<'_>, &str); 7] = [
        (
            &|a| a.flags = AcknowledgementFlags(0),
            "acknowledgement_without_proxy_flag",
        ),
        (&|a| a.sequence ^= 0x100, "acknowledgement_without_update"),
        (
            &|a| a.options.retain(|o| o.kind() != 8),
            "message_without_mn_identifier",
        ),
        (
            &|a| replace(a, host.clone()),
            "acknowledgement_for_unknown_host",
        ),
        (
            &|a| replace(a, time.clone()),
            "acknowledgement_with_wrong_timestamp",
        ),
        (
            &|a| a.lifetime = Lifetime::ZERO,
            "acknowledgement_without_prefix",
        ),
        (
            &|a| a.options.retain(|o| o.kind() != 22),
            "acknowledgement_without_prefix",
        ),
    ];
    for (change, reason) in cases {
        let (mut mag, update) = registering();
        let mut wrong = good(&update);
        change(&mut wrong);
        let effects = tell(&mut mag, 5, answered(wrong));
        assert_eq!(ignored_because(&effects), Some(reason));
        assert_eq!(visitor(&mag, 5).state, VisitorState::Registering);
        // The right one is still taken.
        tell(&mut mag, 6, answered(good(&update)));
        assert_eq!(visitor(&mag, 6).state, VisitorState::Bound, "{reason}");
    }
    let (mut mag, update) = registering();
    let message = Message::BindingAcknowledgement(good(&update));
    let effects = tell(&mut mag, 5, message_event(STRANGER, MAG1, message.clone()));
    assert_eq!(ignored_because(&effects), Some("message_from_wrong_anchor"));
    let effects = tell(&mut mag, 5, message_event(LMA, MAG2, message));
    assert_eq!(ignored_because(&effects), Some("not_our_address"));
}

/// An anchor that garbles what it was told is not asked again until the operator acts.
#[test]
fn an_answer_that_does_not_echo_stops_the_updates() {
    let garbled = |update: &BindingUpdate| {
        let mut wrong = answer(update, Status(0), &[GIVEN]);
        wrong.options.retain(|o| o.kind() != 23);
        let other = MobilityOption::HandoffIndicator(HandoffIndicator(1));
        wrong.options.push(other);
        answered(wrong)
    };
    let (mut mag, update) = registering();
    let effects = tell(&mut mag, 5, garbled(&update));
    assert_eq!(
        ignored_because(&effects),
        Some("acknowledgement_with_wrong_echo")
    );
    assert!(refused_because(&effects).is_some());
    assert_eq!(tell(&mut mag, 500_000, solicits(link(0, 1))), []);
    // What is bound stays bound for as long as it was granted.
    let (mut mag, update) = refreshing();
    tell(&mut mag, 2_880_005, garbled(&update));
    assert_eq!(visitor(&mag, 2_880_005).state, VisitorState::Bound);
    assert_eq!(sent(&tell(&mut mag, 2_900_000, solicits(link(0, 1)))), []);
    let effects = fire(&mut mag, 3_600_000, expiry());
    assert!(unbinds(&effects));
    assert!(refused_because(&effects).is_some());
}

#[test]
fn a_refresh_request_is_followed() {
    let mut mag = mag();
    serve(&mut mag, 0, link(0, 1));
    let request = |from| {
        let options = vec![MobilityOption::MnIdentifier(nai("mn"))];
        let message = Message::BindingRefreshRequest(BindingRefreshRequest { options });
        message_event(from, MAG1, message)
    };
    let effects = tell(&mut mag, 5000, request(STRANGER));
    assert_eq!(ignored_because(&effects), Some("message_from_wrong_anchor"));
    let effects = tell(&mut mag, 5000, request(LMA));
    let unchanged = Some(HandoffIndicator::NOT_CHANGED);
    assert_eq!(handoff_of(&pbu_in(&effects).options), unchanged);
}

#[test]
fn a_host_is_updated_three_times_a_second_at_most() {
    let (mut mag, update) = registering();
    let mut old = |ms, update: &BindingUpdate| {
        let asked = refuses(&mut mag, ms, update, 157);
        still_here(&mut mag, ms + 1, &asked)
    };
    let update = pbu_in(&old(5, &update)).clone();
    let update = pbu_in(&old(10, &update)).clone();
    let effects = old(14, &update);
    assert_eq!(sent(&effects), []);
    let later = Some(Duration::from_millis(985));
    assert_eq!(timer_after(&effects, &retransmit()), later);
    assert_eq!(mag.counter(MagCounter::UpdatesDelayed), 1);
}

/// Another host is given a prefix that is bound here: the anchor has lost the binding.
#[test]
fn a_prefix_that_goes_to_another_host() {
    let mut mag = mag();
    serve(&mut mag, 0, link(0, 1));
    tell(&mut mag, 5000, solicits(link(0, 2)));
    let effects = tell(&mut mag, 5000, admitted(link(0, 2), profile("other")));
    let update = pbu_in(&effects).clone();
    let effects = tell(
        &mut mag,
        5005,
        answered(answer(&update, Status(0), &[GIVEN])),
    );
    assert!(unbinds(&effects));
    let unbind = position(&effects, |e| matches!(e, Effect::Unbind { .. }));
    assert!(unbind < position(&effects, |e| matches!(e, Effect::Bind { .. })));
    // The other one asks for what there is.
    let asked = prefixes_of(&pbu_in(&effects).options);
    assert_eq!(asked, [HomeNetworkPrefix::REQUEST]);
    let states: Vec<_> = mag.visitors(at(5005)).map(|v| v.state).collect();
    assert_eq!(states, [VisitorState::Registering, VisitorState::Bound]);
}

#[test]
fn messages_that_are_not_for_a_gateway() {
    let mut mag = mag();
    let unknown = Message::Other {
        mh_type: 1,
        data: vec![0; 10],
    };
    let effects = tell(&mut mag, 0, message_event(LMA, MAG1, unknown));
    let [(from, to, Message::BindingError(error))] = sent(&effects)[..] else {
        panic!("{effects:?}");
    };
    assert_eq!((from, to, error.status), (ip(MAG1), ip(LMA), 2));
    let error = Message::BindingError(error.clone());
    let effects = tell(&mut mag, 0, message_event(LMA, MAG1, error));
    assert_eq!(ignored_because(&effects), Some("binding_errors_received"));
    let Event::Message { message, .. } = pbu("mn", 0).event() else {
        panic!("an update is a message");
    };
    let effects = tell(&mut mag, 0, message_event(STRANGER, MAG1, message));
    assert_eq!(status(&effects), Status(131));
}
