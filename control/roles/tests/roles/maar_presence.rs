//! A MAAR: nothing is said of a host that it has not been seen to be here for, since what it says is
//! newer than what another gateway has said (RFC 5213 sections 5.5 and 6.9.4).

use crate::maar_scenario::{
    accepted, anchored, arrives, bindings, from, here, led_here, maar, own_prefix, refused, served,
    timer, told, tunnel, update_from, update_to_cmd, CMD,
};
use crate::scenario::{
    admitted, at, fire, ip, link, profile, sent, solicits, still_here, tell, HOST_LINK_LOCAL,
};
use roles::effect::{Effect, Path};
use roles::event::{Departure, NodeTimer, Sign};
use roles::maar::{Maar, MaarCounter, NodeState};
use roles::Event;
use wire::mh::{HandoffIndicator, MobilityOption, Status};

fn asked() -> Effect {
    let address = ip(HOST_LINK_LOCAL);
    let link = here();
    Effect::Probe { link, address }
}

fn state(maar: &Maar, ms: u64) -> Option<NodeState> {
    maar.nodes(at(ms)).next().map(|node| node.state)
}

/// That a host has come is not said again of one that may have gone on: a fresh timestamp would take it
/// from where it is.
#[test]
fn a_registration_is_repeated_for_a_host_that_is_still_here() {
    let mut maar = maar();
    let (first, _) = arrives(&mut maar, 1_000, here());
    let silence = fire(&mut maar, 2_200, timer(NodeTimer::Retransmit));
    assert!(sent(&silence).is_empty() && silence.contains(&asked()));
    // It does not answer, and is asked again.
    let effects = fire(&mut maar, 3_300, timer(NodeTimer::Retransmit));
    assert!(sent(&effects).is_empty());
    let again = update_to_cmd(&still_here(&mut maar, 3_310, &effects));
    assert_ne!(again.sequence, first.sequence);
    assert!(again.options != first.options, "the latest timestamp");
    assert_eq!(maar.counter(MaarCounter::UpdatesRetransmitted), 1);
    // It has said so once; another of its packets repeats nothing.
    let source = ip(HOST_LINK_LOCAL);
    let link = here();
    let sign = Sign::Packet { source };
    let effects = tell(&mut maar, 3_320, Event::HostSeen { link, sign });
    assert!(sent(&effects).is_empty());
}

/// That the timestamp is older than another gateway's may be because the host has gone on there.
#[test]
fn a_registration_that_is_refused_as_old_is_repeated_for_a_host_that_is_still_here() {
    let mut maar = maar();
    let (update, _) = arrives(&mut maar, 1_000, here());
    let refusal = refused(&update, Status::TIMESTAMP_LOWER_THAN_PREV_ACCEPTED);
    let effects = tell(&mut maar, 1_010, from(CMD, refusal));
    update_to_cmd(&still_here(&mut maar, 1_012, &effects));
}

/// A refresh moves nobody, and asks nobody.
#[test]
fn a_refresh_is_repeated_without_a_question() {
    let mut maar = served(&[]);
    let first = update_to_cmd(&fire(&mut maar, 200_000, timer(NodeTimer::Refresh)));
    let again = update_to_cmd(&fire(&mut maar, 201_200, timer(NodeTimer::Retransmit)));
    let unchanged = MobilityOption::HandoffIndicator(HandoffIndicator::NOT_CHANGED);
    assert!(first.options.contains(&unchanged) && again.options.contains(&unchanged));
}

/// The host stays for a moment, and the database's clock is behind this gateway's: its word of the host's
/// next place looks older than the host's coming. It is believed, and the host asked.
#[test]
fn a_host_that_was_accepted_and_went_on_is_let_go_whatever_the_clocks_say() {
    let mut maar = served(&[2]);
    let own = own_prefix(&maar);
    let effects = tell(&mut maar, 1_030, update_from(CMD, told(990, Some(3))));
    let path = Path::Anchor { tunnel: tunnel(3) };
    let moved = (vec![(own.into(), path)], vec![anchored(2).into()]);
    assert_eq!(bindings(&effects), moved);
    assert!(effects.contains(&asked()));
    assert_eq!(sent(&effects).len(), 2, "the two answers, and no update");
    assert_eq!(state(&maar, 1_030), Some(NodeState::Previous));
    assert_eq!(maar.counter(MaarCounter::UpdatesOvertaken), 1);
    // One that is here after all says so, and comes back.
    let (link, source) = (here(), ip(HOST_LINK_LOCAL));
    let sign = Sign::Packet { source };
    let effects = tell(&mut maar, 1_032, Event::HostSeen { link, sign });
    assert_eq!(effects, [Effect::Authenticate { link }]);
    let effects = tell(&mut maar, 1_033, admitted(link, profile("mn")));
    update_to_cmd(&effects);
}

/// The host goes on before it is accepted here. The gateway where it is has been told that this one anchors
/// a prefix of it, and gets what comes for that.
#[test]
fn a_host_that_went_on_before_it_was_accepted_keeps_what_was_answered_for() {
    let mut maar = maar();
    arrives(&mut maar, 1_000, here());
    let own = own_prefix(&maar);
    let effects = tell(&mut maar, 1_020, update_from(CMD, told(990, Some(3))));
    let path = Path::Anchor { tunnel: tunnel(3) };
    assert_eq!(bindings(&effects), (vec![(own.into(), path)], Vec::new()));
    let (link, why) = (here(), Departure::LinkDown);
    let effects = tell(&mut maar, 1_100, Event::HostGone { link, why });
    assert_eq!(bindings(&effects), (Vec::new(), Vec::new()));
    assert_eq!(state(&maar, 1_100), Some(NodeState::Previous));
}

/// The database accepts what was sent before it said that the host is elsewhere: in which order it has
/// done both it does not say, so that it is told once more.
#[test]
fn an_acceptance_that_may_be_older_than_a_move_is_asked_for_again() {
    let mut maar = maar();
    let (update, _) = arrives(&mut maar, 1_000, here());
    let effects = tell(&mut maar, 1_020, update_from(CMD, told(990, Some(3))));
    assert_eq!(state(&maar, 1_020), Some(NodeState::Registering));
    assert_eq!(maar.counter(MaarCounter::UpdatesOvertaken), 1);
    assert!(!effects.contains(&asked()));
    let effects = tell(&mut maar, 1_030, from(CMD, accepted(&update, &[])));
    assert_eq!(state(&maar, 1_030), Some(NodeState::Served));
    let update = update_to_cmd(&still_here(&mut maar, 1_032, &effects));
    let effects = tell(&mut maar, 1_050, from(CMD, accepted(&update, &[3])));
    assert_eq!(bindings(&effects).0, [led_here(3)]);
    assert!(!effects.contains(&asked()), "once is enough");
}

/// The database could not be reached for longer than a lifetime, ended the session, and had its anchors let
/// go. A refresh that it accepts then begins another session, which has none of them.
#[test]
fn what_a_session_had_that_was_over_is_not_led_here_any_more() {
    let mut maar = served(&[2, 3]);
    let update = update_to_cmd(&fire(&mut maar, 200_000, timer(NodeTimer::Refresh)));
    let effects = tell(&mut maar, 200_010, from(CMD, accepted(&update, &[])));
    // In time: what an answer leaves out may follow.
    assert_eq!(bindings(&effects), (vec![], vec![]));
    let mut update = update_to_cmd(&fire(&mut maar, 400_000, timer(NodeTimer::Refresh)));
    for ms in [500_000, 600_000, 700_000] {
        update = update_to_cmd(&fire(&mut maar, ms, timer(NodeTimer::Retransmit)));
    }
    let effects = tell(&mut maar, 700_010, from(CMD, accepted(&update, &[3])));
    assert_eq!(bindings(&effects), (vec![], vec![anchored(2).into()]));
    assert_eq!(maar.counter(MaarCounter::AnchorsLapsed), 1);
    let views: Vec<_> = maar.nodes(at(700_010)).collect();
    let left: Vec<_> = views[0].previous.iter().map(|it| it.prefix).collect();
    assert_eq!(left, [anchored(3)]);
}

/// A host that went to another link of its gateway for a moment, and was back before policy had said who it is
/// there, stays where it is; one that was last seen there moves.
#[test]
fn an_answer_of_policy_that_comes_too_late_moves_nobody() {
    let other = link(7, 1);
    assert_ne!(other, here());
    for (back, at_last) in [(true, here()), (false, other)] {
        let mut maar = served(&[]);
        tell(&mut maar, 5_000, solicits(other));
        if back {
            tell(&mut maar, 5_002, solicits(here()));
        }
        let effects = tell(&mut maar, 5_003, admitted(other, profile("mn")));
        assert_eq!(bindings(&effects).0.is_empty(), back, "{effects:?}");
        let links: Vec<_> = maar.nodes(at(5_003)).map(|node| node.link).collect();
        assert_eq!(links, [Some(at_last)]);
        assert_eq!(maar.counter(MaarCounter::HostsMoved), u64::from(!back));
    }
}
