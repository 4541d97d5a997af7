//! The gateway: hosts that were elsewhere unseen, and answers that come late or twice.

use crate::mag::{attach, serve, visitor, GIVEN};
use crate::mag_registration::*;
use crate::scenario::*;
use roles::event::{Departure, Sign};
use roles::mag::{MagCounter, VisitorState};
use roles::Event;
use std::time::Duration;
use wire::mh::*;

const UNKNOWN: Option<HandoffIndicator> = Some(HandoffIndicator::UNKNOWN);

/// The anchor says at a refresh that the host has come to another gateway: it is not served any more,
/// unless it turns out to be here.
#[test]
fn a_host_that_is_elsewhere_is_not_served() {
    let link = link(0, 1);
    let source = ip("2001:db8:1:5::1");
    let talks = Event::HostSeen {
        link,
        sign: Sign::Packet { source },
    };
    for signs in [Some(talks), Some(solicits(link)), None] {
        let (mut mag, update) = refreshing();
        let effects = refuses(&mut mag, 2_880_005, &update, 129);
        assert!(unbinds(&effects));
        assert_eq!(sent(&effects), [], "its anchor knows");
        // A withdrawal would leave a host that is here without a router.
        assert!(advertisements(&effects).is_empty());
        assert_eq!(mag.counter(MagCounter::HostsElsewhere), 1);
        assert_eq!(visitor(&mag, 2_880_005).state, VisitorState::Registering);
        let late = timer_after(&effects, &retransmit()).expect("another try");
        assert!(late >= Duration::from_secs(32));
        let effects = match signs {
            Some(sign) => tell(&mut mag, 2_880_900, sign),
            None => {
                let asked = fire(&mut mag, 2_920_000, retransmit());
                still_here(&mut mag, 2_920_002, &asked)
            }
        };
        let update = pbu_in(&effects).clone();
        assert_eq!(handoff_of(&update.options), UNKNOWN);
        assert_eq!(prefixes_of(&update.options), [prefix(GIVEN)]);
        let done = answered(answer(&update, Status(0), &[GIVEN]));
        let effects = tell(&mut mag, 2_920_005, done);
        assert_eq!(advertisements(&effects).len(), 1);
    }
    // It is not here: there is nothing left to end.
    let (mut mag, update) = refreshing();
    refuses(&mut mag, 2_880_005, &update, 129);
    let why = Departure::Unreachable;
    let effects = tell(&mut mag, 2_890_000, Event::HostGone { link, why });
    assert!(!unbinds(&effects));
    assert_eq!(pbu_in(&effects).lifetime, Lifetime::ZERO);
}

/// A host solicits while its binding is being refreshed: the anchor is told that it is here, for a
/// refresh would not bring it back from another gateway.
#[test]
fn a_host_that_solicits_during_a_refresh_is_registered_as_attached() {
    let (mut mag, refresh) = refreshing();
    let effects = tell(&mut mag, 2_880_300, solicits(link(0, 1)));
    let update = pbu_in(&effects).clone();
    assert_eq!(handoff_of(&update.options), UNKNOWN);
    assert_eq!(prefixes_of(&update.options), [prefix(GIVEN)]);
    // The refusal of the refresh is not about that.
    let effects = refuses(&mut mag, 2_880_400, &refresh, 129);
    assert_eq!(
        ignored_because(&effects),
        Some("acknowledgement_without_update")
    );
    assert_eq!(sent(&tell(&mut mag, 2_880_500, solicits(link(0, 1)))), []);
    tell(
        &mut mag,
        2_880_600,
        answered(answer(&update, Status(0), &[GIVEN])),
    );
    assert_eq!(visitor(&mag, 2_880_600).state, VisitorState::Bound);
}

/// The anchor is being told of a solicitation when the host goes elsewhere and comes back, before the
/// answer has: what is on its way is older than the other gateway's update.
#[test]
fn a_host_that_comes_back_while_its_anchor_is_being_told_is_told_of_anew() {
    let mut mag = mag();
    serve(&mut mag, 0, link(0, 1));
    let first = tell(&mut mag, 60_000, solicits(link(0, 1)));
    let first = pbu_in(&first).clone();
    let sign = Sign::Operator;
    let link = link(0, 1);
    let second = tell(&mut mag, 60_100, Event::HostSeen { link, sign });
    let second = pbu_in(&second).clone();
    assert_eq!(handoff_of(&second.options), UNKNOWN);
    assert_ne!(second.sequence, first.sequence);
    let crossed = answered(answer(&first, Status(0), &[GIVEN]));
    let effects = tell(&mut mag, 60_400, crossed);
    assert_eq!(
        ignored_because(&effects),
        Some("acknowledgement_without_update")
    );
    let done = answered(answer(&second, Status(0), &[GIVEN]));
    let effects = tell(&mut mag, 60_500, done);
    let after = timer_after(&effects, &refresh()).unwrap();
    assert!(after > Duration::from_secs(2_000), "{after:?}");
}

/// A solicitation is no proof, for hosts repeat them: it is told once the answer is there.
#[test]
fn a_solicitation_after_an_update_went_out_is_told_when_that_is_answered() {
    let mut mag = mag();
    let first = attach(&mut mag, 0, link(0, 1));
    assert_eq!(sent(&tell(&mut mag, 100, solicits(link(0, 1)))), []);
    let done = answered(answer(&first, Status(0), &[GIVEN]));
    let effects = tell(&mut mag, 400, done);
    let second = Duration::from_secs(1);
    assert_eq!(timer_after(&effects, &refresh()), Some(second));
    let asked = fire(&mut mag, 1400, refresh());
    let again = still_here(&mut mag, 1402, &asked);
    let again = pbu_in(&again).clone();
    assert_eq!(handoff_of(&again.options), UNKNOWN);
    // One that has gone out after the solicitation says it all.
    let done = answered(answer(&again, Status(0), &[GIVEN]));
    let effects = tell(&mut mag, 1800, done);
    let after = timer_after(&effects, &refresh()).unwrap();
    assert!(after > Duration::from_secs(2_000), "{after:?}");
}

/// It may even have been elsewhere within a second of its registration.
#[test]
fn a_solicitation_right_after_the_registration_is_told_in_a_while() {
    let mut mag = mag();
    serve(&mut mag, 0, link(0, 1));
    let effects = tell(&mut mag, 700, solicits(link(0, 1)));
    assert_eq!(sent(&effects), []);
    let soon = timer_after(&effects, &refresh());
    assert_eq!(soon, Some(Duration::from_millis(305)));
    let asked = fire(&mut mag, 1005, refresh());
    let effects = still_here(&mut mag, 1007, &asked);
    assert_eq!(handoff_of(&pbu_in(&effects).options), UNKNOWN);
    // The next refresh is one again.
    let update = pbu_in(&effects).clone();
    let done = answered(answer(&update, Status(0), &[GIVEN]));
    tell(&mut mag, 1010, done);
    let effects = fire(&mut mag, 2_880_000, refresh());
    let unchanged = Some(HandoffIndicator::NOT_CHANGED);
    assert_eq!(handoff_of(&pbu_in(&effects).options), unchanged);
}

/// Both transmissions of an update are refused: the second refusal is of what is no longer asked.
#[test]
fn refusals_that_come_twice_count_once() {
    for (status, handoff) in [(130, UNKNOWN), (155, UNKNOWN), (159, UNKNOWN)] {
        let (mut mag, first) = refreshing();
        let effects = fire(&mut mag, 2_881_100, retransmit());
        let second = pbu_in(&effects).clone();
        refuses(&mut mag, 2_881_200, &first, status);
        let effects = refuses(&mut mag, 2_881_210, &second, status);
        assert_eq!(
            ignored_because(&effects),
            Some("acknowledgement_without_update")
        );
        assert_eq!(refused_because(&effects), None, "{status}");
        let asked = fire(&mut mag, 2_920_000, retransmit());
        let effects = still_here(&mut mag, 2_920_002, &asked);
        let update = pbu_in(&effects).clone();
        assert_eq!(handoff_of(&update.options), handoff);
        let effects = tell(
            &mut mag,
            2_920_005,
            answered(answer(&update, Status(0), &[GIVEN])),
        );
        assert!(!advertisements(&effects).is_empty(), "{status}");
    }
}

/// Both timers are late, and that of the lifetime comes first: the host is registered anew.
#[test]
fn a_lifetime_that_is_over_before_the_refresh_began() {
    let mut mag = mag();
    serve(&mut mag, 0, link(0, 1));
    let effects = fire(&mut mag, 3_600_000, expiry());
    assert!(unbinds(&effects));
    assert_eq!(refused_because(&effects), None);
    let effects = still_here(&mut mag, 3_600_000, &effects);
    let update = pbu_in(&effects);
    assert_eq!(handoff_of(&update.options), UNKNOWN);
    assert_eq!(prefixes_of(&update.options), [prefix(GIVEN)]);
    assert_eq!(visitor(&mag, 3_600_000).state, VisitorState::Registering);
}

/// What an anchor that garbles has stopped, the operator starts again.
#[test]
fn the_operator_ends_the_silence_towards_an_anchor() {
    let link = link(0, 1);
    let sign = Sign::Operator;
    let attach = [Event::HostSeen { link, sign }];
    let reload = [Event::AccessPolicyChanged, admitted(link, profile("mn"))];
    for acts in [&attach[..], &reload[..]] {
        let (mut mag, update) = refreshing();
        let mut garbled = answer(&update, Status(0), &[GIVEN]);
        garbled.options.retain(|option| option.kind() != 23);
        let other = MobilityOption::HandoffIndicator(HandoffIndicator::NEW_INTERFACE);
        garbled.options.push(other);
        tell(&mut mag, 2_880_005, answered(garbled));
        assert_eq!(sent(&tell(&mut mag, 2_890_000, solicits(link))), []);
        let mut effects = Vec::new();
        for event in acts {
            effects.extend(tell(&mut mag, 2_900_000, event.clone()));
        }
        assert_eq!(handoff_of(&pbu_in(&effects).options), UNKNOWN);
    }
}

/// One host loses two prefixes, and between them another one: each asks once.
#[test]
fn hosts_that_lose_their_prefixes_ask_once() {
    let mut mag = mag();
    let given = |n| format!("2001:db8:1:{n}::/64");
    let attach = |mag: &mut roles::mag::Mag, host, name: &str, prefixes: &[&str]| {
        let link = link(0, host);
        tell(mag, 0, solicits(link));
        let effects = tell(mag, 0, admitted(link, profile(name)));
        let update = pbu_in(&effects).clone();
        tell(mag, 5, answered(answer(&update, Status(0), prefixes)))
    };
    attach(&mut mag, 1, "one", &[&given(1), &given(3)]);
    attach(&mut mag, 2, "two", &[&given(2)]);
    let all = [given(1), given(2), given(3)];
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let effects = attach(&mut mag, 3, "three", &all);
    assert_eq!(sent(&effects).len(), 2);
}
