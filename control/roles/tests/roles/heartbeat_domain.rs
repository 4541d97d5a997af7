//! Heartbeats (RFC 5847) between MAARs and their database: nothing ends because one of them is down, and
//! whoever is back, or has lost its sessions, hears of hosts anew.

use crate::cmd_scenario::{
    cmd_config, cmd_with, confirm, indicated, register, update_to, CMD, MAAR1, MAAR2, PREF1, PREF2,
};
use crate::heartbeat::{answered_with, asks, fails, hears, notices, peer, unsolicited, watching};
use crate::maar_scenario::{
    accepted, arrives, config, from, here, maar_address, pool, update_to_cmd,
};
use crate::scenario::*;
use roles::cmd::{Cmd, CmdCounter, CmdMode, MaarPeer};
use roles::effect::{Effect, Notice};
use roles::event::Timer;
use roles::maar::{Maar, MaarCounter, NodeState};
use roles::{Event, PeerState};
use std::time::Duration;
use wire::mh::*;

/// A MAAR that watches its database, with a host that it serves.
fn gateway() -> Maar {
    let mut config = config(3);
    config.heartbeat = watching();
    let mut maar = Maar::new(config);
    let (update, effects) = arrives(&mut maar, 1000, here());
    let first = timer_after(&effects, &asks(CMD)).or_else(|| {
        let effects = tell(&mut maar, 1010, from(CMD, accepted(&update, &[2])));
        timer_after(&effects, &asks(CMD))
    });
    assert!(first.expect("it is asked") <= Duration::from_secs(5));
    tell(&mut maar, 1010, from(CMD, accepted(&update, &[2])));
    assert_eq!(state(&maar, 1010), NodeState::Served);
    maar
}

fn state(maar: &Maar, ms: u64) -> NodeState {
    maar.nodes(at(ms)).next().expect("a host").state
}

/// A database that watches its MAARs, with a host that went from the first to the second.
fn database() -> (Cmd, BindingUpdate) {
    let mut config = cmd_config(CmdMode::Proxy);
    config.heartbeat = watching();
    let mut cmd = cmd_with(config);
    let effects = register(&mut cmd, 1000, MAAR1, "mn", PREF1);
    assert!(timer_after(&effects, &asks(MAAR1)).is_some());
    let effects = register(&mut cmd, 2000, MAAR2, "mn", PREF2);
    assert!(timer_after(&effects, &asks(MAAR2)).is_some());
    assert!(effects.contains(&Effect::CancelTimer { timer: asks(MAAR1) }));
    (cmd, update_to(&effects, MAAR1))
}

/// The database stops answering: hosts keep what they have. It is back, and hears of each anew.
#[test]
fn a_database_that_is_back_hears_of_the_hosts_again() {
    let us = maar_address(1);
    let mut maar = gateway();
    answered_with(&mut maar, 2000, (CMD, &us), 1);
    assert_eq!(peer(maar.peers(at(2000)), CMD).state, PeerState::Up);
    let (effects, at_last) = fails(&mut maar, CMD, 60_000);
    assert!(matches!(
        notices(&effects)[..],
        [Notice::PeerDown { sessions: 1, .. }]
    ));
    assert_eq!(state(&maar, at_last), NodeState::Served);
    assert_eq!(maar.counter(MaarCounter::PeersDown), 1);
    let effects = answered_with(&mut maar, at_last + 1000, (CMD, &us), 1);
    assert!(timer_after(&effects, &Timer::PeerSessions).is_some());
    let effects = fire(&mut maar, at_last + 1050, Timer::PeerSessions);
    let update = update_to_cmd(&effects);
    assert!(update.options.contains(&MobilityOption::HandoffIndicator(
        HandoffIndicator::NOT_CHANGED
    )));
    assert_eq!(maar.counter(MaarCounter::HostsRenewed), 1);
}

/// A database that was restarted without its sessions says so by itself, and is told them.
#[test]
fn a_database_that_lost_its_sessions_is_told_them() {
    let us = maar_address(1);
    let mut maar = gateway();
    answered_with(&mut maar, 2000, (CMD, &us), 1);
    hears(&mut maar, 3000, (CMD, &us), unsolicited(2));
    assert_eq!(maar.counter(MaarCounter::PeersRestarted), 1);
    let effects = fire(&mut maar, 3050, Timer::PeerSessions);
    let update = update_to_cmd(&effects);
    let mut lost = Cmd::new(cmd_config(CmdMode::Proxy));
    let maars = vec![MaarPeer {
        address: ip(&us),
        pools: vec![pool(1)],
    }];
    tell(&mut lost, 3000, Event::Maars { maars });
    let event = message_event(&us, CMD, Message::BindingUpdate(update));
    tell(&mut lost, 3060, event);
    let views: Vec<_> = lost.bindings(at(3060)).collect();
    assert_eq!((views.len(), views[0].serving), (1, Some(ip(&us))));
    // Somebody else's word is nothing.
    hears(&mut maar, 4000, (MAAR2, &us), unsolicited(3));
    assert_eq!(maar.counter(MaarCounter::HeartbeatsByStrangers), 1);
    assert_eq!(maar.counter(MaarCounter::PeersRestarted), 1);
}

/// A MAAR that has lost its hosts tells its database, and a database its MAARs.
#[test]
fn whoever_has_lost_its_sessions_says_so() {
    let started = |restart_counter| Event::Started {
        restart_counter,
        lost: true,
        keeps: false,
    };
    let mut maar = Maar::new(config(3));
    let effects = tell(&mut maar, 0, started(7));
    assert!(timer_after(&effects, &Timer::RestartNotice).is_some());
    let effects = fire(&mut maar, 1000, Timer::RestartNotice);
    let [(_, to, Message::Heartbeat(told))] = sent(&effects)[..] else {
        panic!("one heartbeat: {effects:?}");
    };
    assert_eq!((to, told), (ip(CMD), &unsolicited(7)));
    let mut cmd = Cmd::new(cmd_config(CmdMode::Proxy));
    tell(&mut cmd, 0, started(8));
    let maars = crate::cmd_scenario::maars();
    let effects = tell(&mut cmd, 0, Event::Maars { maars });
    assert!(timer_after(&effects, &Timer::RestartNotice).is_some());
    assert_eq!(sent(&fire(&mut cmd, 1000, Timer::RestartNotice)).len(), 3);
    assert_eq!(cmd.counter(CmdCounter::RestartNotices), 3);
}

/// A MAAR was away while a host of its went on: once it is back it is told where the host is.
#[test]
fn an_anchor_that_was_silent_is_told_once_it_is_back() {
    let (mut cmd, _) = database();
    let mut time = 2000;
    let timer = Timer::AnchorUpdate {
        session: 1,
        maar: ip(MAAR1),
    };
    while cmd.counter(CmdCounter::AnchorsSilent) == 0 {
        time += 40_000;
        fire(&mut cmd, time, timer.clone());
    }
    hears(&mut cmd, time + 1000, (MAAR1, CMD), unsolicited(1));
    let effects = hears(&mut cmd, time + 2000, (MAAR1, CMD), unsolicited(2));
    assert!(timer_after(&effects, &Timer::PeerSessions).is_some());
    let effects = fire(&mut cmd, time + 2050, Timer::PeerSessions);
    let update = update_to(&effects, MAAR1);
    assert_eq!(
        crate::cmd_scenario::serving_in(&update.options),
        [ip(MAAR2)]
    );
    assert_eq!(cmd.counter(CmdCounter::AnchorsAskedAnew), 1);
}

/// A MAAR has restarted without the prefix that it anchored: it is asked, says so, and the MAAR that serves
/// the host lets go of it. The session goes on.
#[test]
fn what_an_anchor_lost_in_a_restart_ends_and_nothing_else() {
    let (mut cmd, update) = database();
    confirm(&mut cmd, 2010, MAAR1, &update, &[PREF1]);
    hears(&mut cmd, 3000, (MAAR1, CMD), unsolicited(1));
    hears(&mut cmd, 9000, (MAAR1, CMD), unsolicited(2));
    let effects = fire(&mut cmd, 9050, Timer::PeerSessions);
    let update = update_to(&effects, MAAR1);
    let refusal =
        crate::cmd_scenario::acknowledgement(&update, Status::NOT_LMA_FOR_THIS_MOBILE_NODE, &[]);
    let effects = crate::cmd_scenario::hear(
        &mut cmd,
        9100,
        MAAR1,
        Message::BindingAcknowledgement(refusal),
    );
    let (_, lost, _) = indicated(&effects, MAAR2);
    assert_eq!(lost, [prefix(PREF1)]);
    assert_eq!((cmd.sessions(), cmd.prefixes()), (1, 1));
}

/// The MAAR that serves a host is down: the session lasts as long as its lifetime, for the host may be on
/// its way to another.
#[test]
fn a_session_outlives_the_maar_that_served_it() {
    let (mut cmd, _) = database();
    answered_with(&mut cmd, 3000, (MAAR2, CMD), 1);
    let (_, at_last) = fails(&mut cmd, MAAR2, 60_000);
    assert_eq!(cmd.counter(CmdCounter::PeersDown), 1);
    assert_eq!(cmd.sessions(), 1);
    let effects = register(&mut cmd, at_last + 10, MAAR1, "mn", PREF1);
    assert!(!effects.is_empty());
    assert_eq!((cmd.sessions(), cmd.prefixes()), (1, 2));
}
