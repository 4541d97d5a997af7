//! The gateway: nothing is said of a host again that it has not been seen to be here for, since what it
//! says is newer than what another gateway has said (RFC 5213 sections 5.5 and 6.9.4).

use crate::mag::{attach, serve, visitor, GIVEN};
use crate::mag_registration::{expiry, refresh, refuses, retransmit};
use crate::scenario::*;
use roles::effect::Effect;
use roles::event::Sign;
use roles::mag::{MagCounter, VisitorState};
use roles::Event;
use std::time::Duration;
use wire::mh::{HandoffIndicator, MobilityOption, Status};

fn here() -> roles::event::HostLink {
    link(0, 1)
}

fn asked() -> Effect {
    let address = ip(HOST_LINK_LOCAL);
    let link = here();
    Effect::Probe { link, address }
}

fn says(options: &[MobilityOption], handoff: HandoffIndicator) -> bool {
    options.contains(&MobilityOption::HandoffIndicator(handoff))
}

/// A host that has gone on to another gateway does not answer, and is not taken back from there.
#[test]
fn an_attachment_is_repeated_for_a_host_that_is_still_here() {
    let mut mag = mag();
    let first = attach(&mut mag, 0, here());
    for ms in [1_200, 2_300] {
        let silence = fire(&mut mag, ms, retransmit());
        assert!(sent(&silence).is_empty() && silence.contains(&asked()));
        let after = timer_after(&silence, &retransmit());
        assert_eq!(after, Some(Duration::from_secs(1)));
    }
    let effects = fire(&mut mag, 3_400, retransmit());
    let effects = still_here(&mut mag, 3_410, &effects);
    let again = pbu_in(&effects);
    assert_ne!(again.sequence, first.sequence);
    assert!(says(&again.options, HandoffIndicator::UNKNOWN));
    assert_eq!(mag.counter(MagCounter::UpdatesRetransmitted), 1);
    // It has said so once; another of its packets repeats nothing.
    let (link, source) = (here(), ip(HOST_LINK_LOCAL));
    let sign = Sign::Packet { source };
    let effects = tell(&mut mag, 3_420, Event::HostSeen { link, sign });
    assert_eq!(sent(&effects), []);
}

/// That the timestamp is older than another gateway's may be because the host has gone on there.
#[test]
fn an_attachment_that_is_refused_as_old_is_repeated_for_a_host_that_is_still_here() {
    let mut mag = mag();
    let update = attach(&mut mag, 0, here());
    let effects = refuses(&mut mag, 10, &update, 157);
    pbu_in(&still_here(&mut mag, 12, &effects));
}

/// A refresh moves nobody, and asks nobody.
#[test]
fn a_refresh_is_repeated_without_a_question() {
    let mut mag = mag();
    serve(&mut mag, 0, here());
    for (ms, timer) in [(2_880_000, refresh()), (2_881_200, retransmit())] {
        let effects = fire(&mut mag, ms, timer);
        assert!(says(
            &pbu_in(&effects).options,
            HandoffIndicator::NOT_CHANGED
        ));
        assert!(!effects.contains(&asked()));
    }
}

/// The host has come up anew since the update that was accepted: it may have been elsewhere, and the anchor
/// hear of that later. It may also have gone on since.
#[test]
fn an_arrival_is_told_late_of_a_host_that_is_still_here() {
    let mut mag = mag();
    let update = attach(&mut mag, 0, here());
    tell(&mut mag, 100, solicits(here()));
    let accepted = answered(answer(&update, Status(0), &[GIVEN]));
    let late = timer_after(&tell(&mut mag, 110, accepted), &refresh());
    assert!(late.expect("a timer") < Duration::from_secs(10));
    let effects = fire(&mut mag, 1_700, refresh());
    let effects = still_here(&mut mag, 1_702, &effects);
    assert!(says(&pbu_in(&effects).options, HandoffIndicator::UNKNOWN));
}

/// The anchor was away for a lifetime: who serves the host now, nobody here knows.
#[test]
fn a_host_is_registered_anew_after_its_lifetime_if_it_is_still_here() {
    let mut mag = mag();
    serve(&mut mag, 0, here());
    let effects = fire(&mut mag, 3_600_000, expiry());
    let effects = still_here(&mut mag, 3_600_002, &effects);
    assert!(says(&pbu_in(&effects).options, HandoffIndicator::UNKNOWN));
    assert_eq!(visitor(&mag, 3_600_002).state, VisitorState::Registering);
}

/// Of a host that has shown no address nothing can be asked.
#[test]
fn a_host_that_cannot_be_asked_is_spoken_for() {
    let mut mag = mag();
    let sign = Sign::Operator;
    tell(&mut mag, 0, Event::HostSeen { link: here(), sign });
    pbu_in(&tell(&mut mag, 0, admitted(here(), profile("mn"))));
    pbu_in(&fire(&mut mag, 1_200, retransmit()));
}

/// A host that went to another link of its gateway for a moment, and was back before policy had said who it is
/// there, stays where it is; one that was last seen there moves.
#[test]
fn an_answer_of_policy_that_comes_too_late_moves_nobody() {
    let (first, second) = (link(0, 1), link(1, 1));
    for (back, at_last) in [(true, first), (false, second)] {
        let mut mag = mag();
        serve(&mut mag, 1_000, first);
        tell(&mut mag, 5_000, solicits(second));
        if back {
            tell(&mut mag, 5_002, solicits(first));
        }
        let effects = tell(&mut mag, 5_003, admitted(second, profile("mn")));
        let moved = effects.iter().any(|it| matches!(it, Effect::Bind { .. }));
        assert_eq!(moved, !back, "{effects:?}");
        let links: Vec<_> = mag.visitors(at(5_003)).map(|it| it.link).collect();
        assert_eq!(links, [at_last]);
        assert_eq!(mag.counter(MagCounter::HostsMoved), u64::from(!back));
        // Nothing of the other link is left that its end could take along.
        let other = if back { second } else { first };
        let why = roles::event::Departure::LinkDown;
        tell(&mut mag, 5_100, Event::HostGone { link: other, why });
        assert_eq!(visitor(&mag, 5_100).link, at_last);
    }
}
