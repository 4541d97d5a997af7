//! Heartbeats (RFC 5847): who is there, who has failed, who has restarted, and what follows from it.

use crate::scenario::*;
use roles::effect::{Effect, Notice};
use roles::event::Timer;
use roles::lma::{Lma, LmaCounter};
use roles::mag::{Mag, MagCounter, VisitorState};
use roles::{Event, HeartbeatConfig, PeerState, PeerView, Role};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::*;

/// Between two requests, in milliseconds.
const INTERVAL: u64 = 60_000;

pub fn watching() -> HeartbeatConfig {
    HeartbeatConfig {
        interval: Duration::from_millis(INTERVAL),
        missing_allowed: 2,
        ..HeartbeatConfig::default()
    }
}

/// An anchor that asks its gateways, with `mn` bound behind MAG1.
fn anchor(change: impl FnOnce(&mut roles::lma::LmaConfig)) -> (Lma, Vec<Effect>) {
    let mut config = lma_config();
    config.heartbeat = watching();
    change(&mut config);
    let mut lma = lma_with(config);
    let effects = tell(&mut lma, 1000, pbu("mn", 1000).event());
    (lma, effects)
}

/// A gateway that asks its anchor, with `mn` bound at link (1, 1).
fn gateway(change: impl FnOnce(&mut roles::mag::MagConfig)) -> Mag {
    let mut config = mag_config();
    config.heartbeat = watching();
    change(&mut config);
    let mut mag = Mag::new(config);
    attach(&mut mag, 1000, 1, "mn", "2001:db8:1::/64");
    mag
}

fn attach(mag: &mut Mag, ms: u64, host: u8, name: &str, prefix: &str) {
    tell(mag, ms, solicits(link(1, host)));
    let effects = tell(mag, ms, admitted(link(1, host), profile(name)));
    let update = pbu_in(&effects).clone();
    tell(
        mag,
        ms,
        answered(answer(&update, Status::ACCEPTED, &[prefix])),
    );
}

pub fn asks(peer: &str) -> Timer {
    Timer::Heartbeat { peer: ip(peer) }
}

/// The one heartbeat that effects send.
pub fn heartbeat(effects: &[Effect]) -> (Ipv6Addr, &Heartbeat) {
    match sent(effects).as_slice() {
        [(_, to, Message::Heartbeat(heartbeat))] => (*to, heartbeat),
        other => panic!("not one heartbeat: {other:?}"),
    }
}

pub fn response(sequence: u32, counter: u32) -> Heartbeat {
    Heartbeat {
        unsolicited: false,
        response: true,
        sequence,
        options: vec![MobilityOption::RestartCounter(counter)],
    }
}

pub fn unsolicited(counter: u32) -> Heartbeat {
    Heartbeat {
        unsolicited: true,
        ..response(0, counter)
    }
}

pub fn hears(
    role: &mut impl Role,
    ms: u64,
    (from, to): (&str, &str),
    it: Heartbeat,
) -> Vec<Effect> {
    tell(role, ms, message_event(from, to, Message::Heartbeat(it)))
}

/// Has a role ask a peer, which answers with this Restart Counter.
pub fn answered_with(
    role: &mut impl Role,
    ms: u64,
    (peer, ours): (&str, &str),
    counter: u32,
) -> Vec<Effect> {
    let effects = fire(role, ms, asks(peer));
    let (to, request) = heartbeat(&effects);
    assert_eq!(to, ip(peer));
    let sequence = request.sequence;
    hears(role, ms + 2, (peer, ours), response(sequence, counter))
}

pub fn peer(views: impl Iterator<Item = PeerView>, address: &str) -> PeerView {
    let mut views = views.filter(|view| view.address == ip(address));
    views.next().expect("a peer")
}

pub fn notices(effects: &[Effect]) -> Vec<&Notice> {
    let notices = effects.iter().filter_map(|effect| match effect {
        Effect::Notify { notice } => Some(notice),
        _ => None,
    });
    notices.collect()
}

#[test]
fn a_peer_is_asked_while_a_session_is_shared_with_it() {
    let (mut lma, effects) = anchor(|_| {});
    let first = timer_after(&effects, &asks(MAG1)).expect("it will be asked");
    assert!(first >= Duration::from_secs(1) && first <= Duration::from_secs(5));
    // A second session makes no second clock.
    let effects = tell(&mut lma, 1500, pbu("other", 1500).event());
    assert_eq!(timer_after(&effects, &asks(MAG1)), None);
    let effects = fire(&mut lma, 4000, asks(MAG1));
    let (to, request) = heartbeat(&effects);
    assert_eq!(to, ip(MAG1));
    assert!(!request.response && !request.unsolicited && request.options.is_empty());
    let sequence = request.sequence;
    assert_eq!(
        timer_after(&effects, &asks(MAG1)),
        Some(Duration::from_millis(INTERVAL))
    );
    hears(&mut lma, 4007, (MAG1, LMA), response(sequence, 5));
    let seen = peer(lma.peers(at(5007)), MAG1);
    assert_eq!(
        seen,
        PeerView {
            address: ip(MAG1),
            state: PeerState::Up,
            sessions: 2,
            missing: 0,
            restart_counter: Some(5),
            round_trip: Some(Duration::from_millis(7)),
            heard: Some(Duration::from_secs(1)),
        }
    );
    // Numbers grow from request to request.
    let effects = fire(&mut lma, 64_000, asks(MAG1));
    assert_eq!(heartbeat(&effects).1.sequence, sequence.wrapping_add(1));
    // One host moves, the other ends: MAG2 is asked, MAG1 is not any more.
    let effects = tell(&mut lma, 65_000, pbu("mn", 65_000).from(MAG2).event());
    assert!(timer_after(&effects, &asks(MAG2)).is_some());
    let mn_identifier = nai("other");
    let effects = tell(&mut lma, 66_000, Event::Delete { mn_identifier });
    let cancel = Effect::CancelTimer { timer: asks(MAG1) };
    assert!(effects.contains(&cancel));
    assert_eq!(fire(&mut lma, 67_000, asks(MAG1)), []);
    assert_eq!(lma.counter(LmaCounter::HeartbeatsSent), 2);
    assert_eq!(lma.counter(LmaCounter::HeartbeatsAnswered), 1);
}

#[test]
fn without_an_interval_nobody_is_asked_and_everybody_known_is_answered() {
    let (mut lma, effects) = anchor(|config| config.heartbeat.interval = Duration::ZERO);
    assert_eq!(timer_after(&effects, &asks(MAG1)), None);
    assert_eq!(fire(&mut lma, 2000, asks(MAG1)), []);
    let started = Event::Started {
        restart_counter: 9,
        lost: false,
        keeps: true,
    };
    assert_eq!(tell(&mut lma, 2000, started), []);
    // MAG2 shares no session (RFC 5847 section 3: it is answered all the same).
    for (nth, from) in [MAG1, MAG2].into_iter().enumerate() {
        let request = Heartbeat {
            sequence: 77,
            ..Heartbeat::default()
        };
        let effects = hears(&mut lma, 3000 + nth as u64, (from, LMA), request);
        assert_eq!(heartbeat(&effects), (ip(from), &response(77, 9)));
    }
    assert_eq!(lma.counter(LmaCounter::HeartbeatsReceived), 2);
}

#[test]
fn strangers_are_neither_answered_nor_believed() {
    let (mut lma, _) = anchor(|_| {});
    let mut mag = gateway(|_| {});
    let anchors = Event::Anchors {
        addresses: vec![ip(LMA)],
    };
    tell(&mut mag, 1500, anchors);
    for it in [Heartbeat::default(), response(1, 3), unsolicited(3)] {
        let effects = hears(&mut lma, 2000, (STRANGER, LMA), it.clone());
        assert_eq!(ignored_because(&effects), Some("heartbeats_by_strangers"));
        assert_eq!(sent(&effects), []);
        let effects = hears(&mut mag, 2000, (STRANGER, MAG1), it);
        assert_eq!(ignored_because(&effects), Some("heartbeats_by_strangers"));
        assert_eq!(sent(&effects), []);
    }
    assert!(lma.peers(at(2000)).all(|it| it.address != ip(STRANGER)));
    assert_eq!(mag.counter(MagCounter::HeartbeatsByStrangers), 3);
}

#[test]
fn a_peer_is_answered_ten_times_a_second() {
    let (mut lma, _) = anchor(|_| {});
    let mut answers = 0;
    for sequence in 0..25 {
        let request = Heartbeat {
            sequence,
            ..Heartbeat::default()
        };
        answers += sent(&hears(&mut lma, 2000, (MAG1, LMA), request)).len();
    }
    assert_eq!(answers, 10);
    assert_eq!(lma.counter(LmaCounter::HeartbeatsUnanswered), 15);
    let effects = hears(&mut lma, 3000, (MAG1, LMA), Heartbeat::default());
    assert_eq!(sent(&effects).len(), 1);
}

#[test]
fn an_answer_to_nothing_is_ignored() {
    let (mut lma, _) = anchor(|_| {});
    let effects = hears(&mut lma, 2000, (MAG1, LMA), response(0, 1));
    assert_eq!(ignored_because(&effects), Some("heartbeats_unexpected"));
    answered_with(&mut lma, 4000, (MAG1, LMA), 1);
    let effects = fire(&mut lma, 64_000, asks(MAG1));
    let sequence = heartbeat(&effects).1.sequence;
    let effects = hears(&mut lma, 64_001, (MAG1, LMA), response(sequence ^ 1, 2));
    assert_eq!(ignored_because(&effects), Some("heartbeats_unexpected"));
    // Nor does one answer serve twice, or tell of a restart by that.
    hears(&mut lma, 64_002, (MAG1, LMA), response(sequence, 1));
    let effects = hears(&mut lma, 64_003, (MAG1, LMA), response(sequence, 8));
    assert_eq!(ignored_because(&effects), Some("heartbeats_unexpected"));
    assert_eq!(peer(lma.peers(at(64_003)), MAG1).restart_counter, Some(1));
}

/// Asks MAG1 at an anchor until it is down; returns what that does, and when.
pub fn fails(role: &mut impl Role, peer: &str, from: u64) -> (Vec<Effect>, u64) {
    let mut ms = from;
    // One request, and then as many without an answer as are allowed, and one more.
    for _ in 0..3 {
        let effects = fire(role, ms, asks(peer));
        assert_eq!(notices(&effects), Vec::<&Notice>::new());
        ms += INTERVAL;
    }
    (fire(role, ms, asks(peer)), ms)
}

#[test]
fn more_missing_answers_than_are_allowed_are_a_failure_and_the_bindings_stay() {
    let (mut lma, _) = anchor(|_| {});
    let (effects, ms) = fails(&mut lma, MAG1, 4000);
    let (peer_down, sessions) = (ip(MAG1), 1);
    let notice = Notice::PeerDown {
        peer: peer_down,
        sessions,
    };
    assert_eq!(notices(&effects), [&notice]);
    // It is asked on.
    let sequence = heartbeat(&effects).1.sequence;
    assert_eq!(peer(lma.peers(at(ms)), MAG1).state, PeerState::Down);
    assert_eq!(timer_after(&effects, &Timer::PeerSessions), None);
    assert_eq!(lma.sessions(), 1);
    let effects = hears(&mut lma, ms + 5, (MAG1, LMA), response(sequence, 4));
    assert_eq!(notices(&effects), [&Notice::PeerUp { peer: ip(MAG1) }]);
    let seen = peer(lma.peers(at(ms + 5)), MAG1);
    assert_eq!((seen.state, seen.missing), (PeerState::Up, 0));
    assert_eq!(lma.counter(LmaCounter::PeersDown), 1);
}

#[test]
fn an_anchor_ends_the_bindings_of_a_gateway_that_is_down_if_so_configured() {
    let (mut lma, _) = anchor(|config| {
        config.heartbeat.end_when_down = true;
        config.heartbeat.sessions_per_second = 40;
    });
    for nth in 0..5 {
        tell(&mut lma, 1200, pbu(&format!("mn{nth}"), 1200).event());
    }
    tell(&mut lma, 1300, pbu("elsewhere", 1300).from(MAG2).event());
    let (effects, ms) = fails(&mut lma, MAG1, 4000);
    assert_eq!(
        timer_after(&effects, &Timer::PeerSessions),
        Some(Duration::ZERO)
    );
    // A host that came to it since is left alone, one that has moved away too.
    let moved = pbu("mn1", ms + 1).from(MAG2);
    tell(&mut lma, ms + 1, moved.event());
    let back = pbu("mn0", ms + 2);
    tell(&mut lma, ms + 2, back.event());
    // Two at a time.
    let effects = fire(&mut lma, ms + 3, Timer::PeerSessions);
    let after = timer_after(&effects, &Timer::PeerSessions);
    assert_eq!(after, Some(Duration::from_millis(50)));
    let unbound = effects.iter();
    let unbound = unbound.filter(|effect| matches!(effect, Effect::Unbind { .. }));
    assert_eq!(unbound.count(), 1, "mn ends, mn0 does not: {effects:?}");
    while timer_after(
        &fire(&mut lma, ms + 100, Timer::PeerSessions),
        &Timer::PeerSessions,
    )
    .is_some()
    {}
    let mut left: Vec<String> = lma
        .bindings(at(ms + 100))
        .map(|it| it.mn_identifier.to_string())
        .collect();
    left.sort();
    assert_eq!(
        left,
        [
            "elsewhere@example.net",
            "mn0@example.net",
            "mn1@example.net"
        ]
    );
    assert_eq!(lma.counter(LmaCounter::BindingsEndedWithPeer), 4);
}

#[test]
fn a_gateway_that_answers_again_keeps_the_bindings_that_have_not_ended_yet() {
    let (mut lma, _) = anchor(|config| {
        config.heartbeat.end_when_down = true;
        config.heartbeat.sessions_per_second = 20;
    });
    tell(&mut lma, 1200, pbu("other", 1200).event());
    let (effects, ms) = fails(&mut lma, MAG1, 4000);
    let sequence = heartbeat(&effects).1.sequence;
    fire(&mut lma, ms, Timer::PeerSessions);
    assert_eq!(lma.sessions(), 1);
    hears(&mut lma, ms + 10, (MAG1, LMA), response(sequence, 4));
    fire(&mut lma, ms + 50, Timer::PeerSessions);
    assert_eq!(lma.sessions(), 1);
}

#[test]
fn a_gateway_that_has_restarted_loses_its_bindings_only_if_so_configured() {
    for end in [false, true] {
        let (mut lma, _) = anchor(|config| config.end_when_restarted = end);
        answered_with(&mut lma, 4000, (MAG1, LMA), 4);
        // By now it may have restarted already: what it registers is not what it has lost.
        tell(&mut lma, 5000, pbu("later", 5000).event());
        let effects = hears(&mut lma, 6000, (MAG1, LMA), unsolicited(5));
        let restarted = Notice::PeerRestarted {
            peer: ip(MAG1),
            restart_counter: 5,
        };
        assert_eq!(notices(&effects), [&restarted]);
        assert_eq!(sent(&effects), []);
        fire(&mut lma, 6000, Timer::PeerSessions);
        assert_eq!(lma.sessions(), if end { 1 } else { 2 });
        let left = lma.bindings(at(6000)).map(|it| it.mn_identifier);
        assert!(left.last() == Some(nai("later")));
        // The same counter again says nothing new.
        let effects = hears(&mut lma, 7000, (MAG1, LMA), unsolicited(5));
        assert_eq!(effects, []);
        assert_eq!(lma.counter(LmaCounter::PeersRestarted), 1);
    }
}

#[test]
fn the_first_counter_that_is_heard_tells_of_no_restart() {
    let mut mag = gateway(|_| {});
    let effects = hears(&mut mag, 2000, (LMA, MAG1), unsolicited(7));
    assert_eq!(notices(&effects), Vec::<&Notice>::new());
    assert_eq!(timer_after(&effects, &Timer::PeerSessions), None);
    assert_eq!(peer(mag.peers(at(2000)), LMA).restart_counter, Some(7));
}

#[test]
fn the_hosts_of_an_anchor_that_has_restarted_are_registered_anew_some_at_a_time() {
    let mut mag = gateway(|config| config.heartbeat.sessions_per_second = 40);
    attach(&mut mag, 1500, 2, "two", "2001:db8:1:2::/64");
    attach(&mut mag, 1500, 3, "three", "2001:db8:1:3::/64");
    let effects = answered_with(&mut mag, 4000, (LMA, MAG1), 4);
    assert_eq!(effects, []);
    let effects = answered_with(&mut mag, 64_000, (LMA, MAG1), 5);
    assert_eq!(
        timer_after(&effects, &Timer::PeerSessions),
        Some(Duration::ZERO)
    );
    let first = fire(&mut mag, 64_002, Timer::PeerSessions);
    assert!(timer_after(&first, &Timer::PeerSessions).is_some());
    let second = fire(&mut mag, 64_052, Timer::PeerSessions);
    assert_eq!(timer_after(&second, &Timer::PeerSessions), None);
    let updates = sent(&first).into_iter().chain(sent(&second));
    let updates: Vec<_> = updates
        .map(|(_, to, message)| match message {
            Message::BindingUpdate(update) => (
                to,
                handoff_of(&update.options),
                prefixes_of(&update.options),
            ),
            other => panic!("{other:?}"),
        })
        .collect();
    let refresh = |text| {
        (
            ip(LMA),
            Some(HandoffIndicator::NOT_CHANGED),
            vec![prefix(text)],
        )
    };
    assert_eq!(
        updates,
        [
            refresh("2001:db8:1::/64"),
            refresh("2001:db8:1:2::/64"),
            refresh("2001:db8:1:3::/64")
        ]
    );
    // They are served meanwhile.
    assert!(mag
        .visitors(at(64_052))
        .all(|it| it.state == VisitorState::Refreshing));
    assert_eq!(mag.counter(MagCounter::BindingsRenewed), 3);
}

#[test]
fn hosts_wait_for_their_refresh_when_that_is_configured() {
    let mut mag = gateway(|config| config.renew_when_restarted = false);
    answered_with(&mut mag, 4000, (LMA, MAG1), 4);
    let effects = answered_with(&mut mag, 64_000, (LMA, MAG1), 5);
    assert_eq!(timer_after(&effects, &Timer::PeerSessions), None);
    assert_eq!(mag.counter(MagCounter::PeersRestarted), 1);
}

#[test]
fn an_anchor_that_is_back_hears_of_the_hosts_again() {
    let mut mag = gateway(|_| {});
    answered_with(&mut mag, 4000, (LMA, MAG1), 4);
    let (effects, ms) = fails(&mut mag, LMA, 64_000);
    let sequence = heartbeat(&effects).1.sequence;
    let effects = hears(&mut mag, ms + 1, (LMA, MAG1), response(sequence, 4));
    assert_eq!(notices(&effects), [&Notice::PeerUp { peer: ip(LMA) }]);
    let effects = fire(&mut mag, ms + 1, Timer::PeerSessions);
    assert_eq!(
        handoff_of(&pbu_in(&effects).options),
        Some(HandoffIndicator::NOT_CHANGED)
    );
}

#[test]
fn the_hosts_of_an_anchor_that_is_down_are_told_so_if_so_configured() {
    let mut mag = gateway(|config| config.heartbeat.end_when_down = true);
    let (_, ms) = fails(&mut mag, LMA, 4000);
    let effects = fire(&mut mag, ms, Timer::PeerSessions);
    let [(_, _, advertisement)] = advertisements(&effects)[..] else {
        panic!("not one advertisement: {effects:?}");
    };
    assert_eq!(advertisement.router_lifetime, 0);
    assert!(effects
        .iter()
        .any(|effect| matches!(effect, Effect::Unbind { .. })));
    // It is registered on if it is still here, until somebody accepts that; then its anchor is asked again.
    let effects = still_here(&mut mag, ms + 2, &effects);
    let update = pbu_in(&effects).clone();
    assert_eq!(handoff_of(&update.options), Some(HandoffIndicator::UNKNOWN));
    assert_eq!(fire(&mut mag, ms + 10, asks(LMA)), []);
    let accepted = answer(&update, Status::ACCEPTED, &["2001:db8:1::/64"]);
    let effects = tell(&mut mag, ms + 20, answered(accepted));
    assert!(timer_after(&effects, &asks(LMA)).is_some());
    assert_eq!(mag.counter(MagCounter::BindingsEndedWithPeer), 1);
}

#[test]
fn a_peer_that_does_not_know_heartbeats_is_never_asked_again() {
    let (mut lma, _) = anchor(|_| {});
    let unknown = || {
        Message::BindingError(BindingError {
            status: BindingError::UNRECOGNIZED_MH_TYPE,
            home_address: Ipv6Addr::UNSPECIFIED,
            options: Vec::new(),
        })
    };
    // To nothing of ours it is no answer.
    tell(&mut lma, 2000, message_event(MAG1, LMA, unknown()));
    assert_eq!(peer(lma.peers(at(2000)), MAG1).state, PeerState::Unknown);
    fire(&mut lma, 4000, asks(MAG1));
    let effects = tell(&mut lma, 4002, message_event(MAG1, LMA, unknown()));
    assert!(effects.contains(&Effect::CancelTimer { timer: asks(MAG1) }));
    let notice = Notice::PeerWithoutHeartbeats { peer: ip(MAG1) };
    assert!(notices(&effects).contains(&&notice));
    assert_eq!(fire(&mut lma, 64_000, asks(MAG1)), []);
    assert_eq!(
        peer(lma.peers(at(64_000)), MAG1).state,
        PeerState::Unsupported
    );
    // Nor with a new session, once the last is gone.
    let mn_identifier = nai("mn");
    tell(&mut lma, 65_000, Event::Delete { mn_identifier });
    let effects = tell(&mut lma, 66_000, pbu("mn", 66_000).event());
    assert_eq!(timer_after(&effects, &asks(MAG1)), None);
    assert_eq!(lma.counter(LmaCounter::PeersWithoutHeartbeats), 1);
}

#[test]
fn a_node_that_has_lost_its_sessions_tells_all_that_policy_names() {
    let started = |lost| Event::Started {
        restart_counter: 1_750_000_000,
        lost,
        keeps: true,
    };
    let notice = Timer::RestartNotice;
    let mut lma = Lma::new(lma_config());
    assert_eq!(tell(&mut lma, 0, started(true)), []);
    let policy = || Event::Policy { policy: policy() };
    let effects = tell(&mut lma, 0, policy());
    assert_eq!(timer_after(&effects, &notice), Some(Duration::from_secs(1)));
    let effects = fire(&mut lma, 1000, notice.clone());
    let word = unsolicited(1_750_000_000);
    let told = |to| (ip(to), &word);
    let all: Vec<_> = sent(&effects)
        .into_iter()
        .map(|(_, to, message)| match message {
            Message::Heartbeat(heartbeat) => (to, heartbeat.clone()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(all.len(), 2);
    assert_eq!((all[0].0, &all[0].1), told(MAG1));
    assert_eq!((all[1].0, &all[1].1), told(MAG2));
    // A reload is no restart.
    assert_eq!(tell(&mut lma, 5000, policy()), []);

    let mut mag = mag();
    tell(&mut mag, 0, started(true));
    let anchors = || Event::Anchors {
        addresses: vec![ip(LMA)],
    };
    let effects = tell(&mut mag, 0, anchors());
    assert!(timer_after(&effects, &notice).is_some());
    let effects = fire(&mut mag, 1000, notice);
    assert_eq!(heartbeat(&effects), told(LMA));

    // One that has them all says nothing.
    let mut mag = Mag::new(mag_config());
    tell(&mut mag, 0, started(false));
    assert_eq!(tell(&mut mag, 0, anchors()), []);
}

#[test]
fn a_gateway_that_policy_names_no_more_is_forgotten() {
    let (mut lma, _) = anchor(|_| {});
    answered_with(&mut lma, 4000, (MAG1, LMA), 4);
    assert_eq!(lma.peers(at(4000)).len(), 2);
    let mut changed = policy();
    changed.mags = vec![ip(MAG2)];
    let effects = tell(&mut lma, 5000, Event::Policy { policy: changed });
    // Its binding has ended, and with it the asking.
    assert!(effects.contains(&Effect::CancelTimer { timer: asks(MAG1) }));
    let left: Vec<_> = lma.peers(at(5000)).map(|it| it.address).collect();
    assert_eq!(left, [ip(MAG2)]);
    let effects = hears(&mut lma, 6000, (MAG1, LMA), Heartbeat::default());
    assert_eq!(ignored_because(&effects), Some("heartbeats_by_strangers"));
}
