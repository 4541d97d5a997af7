//! A MAAR: hosts that leave, anchors that are let go of, and what outlives the process.

use crate::maar_scenario::{
    accepted, anchored, arrives, bindings, config, from, here, led_here, maar, maar_address,
    own_prefix, pool, refused, router, served, timer, told, tunnel, update_from, update_to_cmd,
    CMD,
};
use crate::scenario::{
    admitted, advertisements, at, fire, ip, profile, sent, solicits, status, still_here, tell,
    timer_after,
};
use roles::effect::{Effect, Path};
use roles::event::{Departure, NodeTimer};
use roles::maar::{Maar, MaarCounter, Neighbour, NodeState, PreviousExpiry};
use roles::store::Record;
use roles::Event;
use wire::mh::{Lifetime, MobilityOption, Status};

fn state(maar: &Maar, ms: u64) -> Option<NodeState> {
    maar.nodes(at(ms)).next().map(|node| node.state)
}

fn gone(why: Departure) -> Event {
    Event::HostGone { link: here(), why }
}

/// Proves S2-29.
#[test]
fn a_detachment_tells_nobody_until_the_guard_time_is_over() {
    let mut maar = served(&[2]);
    let effects = tell(&mut maar, 5_000, gone(Departure::Unreachable));
    assert!(sent(&effects).is_empty());
    assert_eq!(bindings(&effects), (vec![], vec![]));
    let guard = timer_after(&effects, &timer(NodeTimer::Guard)).expect("a guard time");
    assert_eq!(state(&maar, 5_000), Some(NodeState::Guarded));
    let mut ms = 5_000 + u64::try_from(guard.as_millis()).unwrap();
    // It has not been refreshed meanwhile, and is asked whether it is there after all.
    assert!(fire(&mut maar, ms - 1, timer(NodeTimer::Refresh)).is_empty());
    for _ in 0..3 {
        let effects = fire(&mut maar, ms, timer(NodeTimer::Guard));
        assert!(matches!(
            effects[..],
            [Effect::Probe { .. }, Effect::SetTimer { .. }]
        ));
        ms += 1_000;
    }
    let own = own_prefix(&maar);
    let effects = fire(&mut maar, ms, timer(NodeTimer::Guard));
    let update = update_to_cmd(&effects);
    assert_eq!(update.lifetime, Lifetime::ZERO);
    assert_eq!(bindings(&effects).1, [anchored(2).into(), own.into()]);
    assert!(advertisements(&effects).is_empty());
    tell(
        &mut maar,
        ms + 10,
        from(CMD, refused(&update, Status::ACCEPTED)),
    );
    assert_eq!(maar.sessions(), 0);
    assert_eq!(maar.counter(MaarCounter::Deregistered), 1);
}

/// Proves S2-29.
#[test]
fn a_host_that_returns_in_time_goes_on() {
    let mut maar = served(&[2]);
    tell(&mut maar, 5_000, gone(Departure::LinkDown));
    let effects = tell(&mut maar, 6_000, solicits(here()));
    assert!(effects.contains(&Effect::CancelTimer {
        timer: timer(NodeTimer::Guard)
    }));
    assert!(!advertisements(&effects).is_empty());
    let update = update_to_cmd(&effects);
    assert_eq!(state(&maar, 6_000), Some(NodeState::Served));
    tell(&mut maar, 6_010, from(CMD, accepted(&update, &[])));
    // What the answer does not name again is still there.
    assert_eq!(maar.nodes(at(6_010)).next().unwrap().previous.len(), 1);
}

/// Proves S2-29, S2-32.
#[test]
fn a_host_that_has_gone_to_another_gateway_is_let_go_within_the_guard_time() {
    let mut maar = served(&[]);
    tell(&mut maar, 5_000, gone(Departure::LinkDown));
    let effects = tell(&mut maar, 5_100, update_from(CMD, told(5_100, Some(2))));
    assert!(effects.contains(&Effect::CancelTimer {
        timer: timer(NodeTimer::Guard)
    }));
    assert_eq!(state(&maar, 5_100), Some(NodeState::Previous));
}

/// The host comes back to an anchor, which tells the database in vain, and goes where it came from.
/// Nobody has heard of it, so that nobody will say anything to this gateway: its prefix is led there still.
///
/// Proves S2-29.
#[test]
fn a_host_that_came_back_unheard_and_left_again_is_anchored_as_before() {
    let mut maar = served(&[]);
    let own = own_prefix(&maar);
    tell(&mut maar, 5_000, update_from(CMD, told(5_000, Some(2))));
    arrives(&mut maar, 9_000, here());
    assert_eq!(state(&maar, 9_000), Some(NodeState::Registering));
    let effects = tell(&mut maar, 9_400, gone(Departure::LinkDown));
    assert!(sent(&effects).is_empty());
    assert_eq!(bindings(&effects), (vec![], vec![]));
    assert_eq!(state(&maar, 9_400), Some(NodeState::Previous));
    assert_eq!(own_prefix(&maar), own);
    // The tunnel that was never taken down is the one that moves on with the host.
    let effects = tell(&mut maar, 20_000, update_from(CMD, told(20_000, Some(3))));
    let path = Path::Anchor { tunnel: tunnel(3) };
    assert_eq!(bindings(&effects).0, [(own.into(), path)]);
    assert_eq!(maar.counter(MaarCounter::PrefixesReserved), 1);
}

/// Proves S2-10, S2-28.
#[test]
fn the_serving_gateway_ends_the_whole_session() {
    let mut maar = served(&[2]);
    let own = own_prefix(&maar);
    let effects = tell(&mut maar, 5_000, gone(Departure::Operator));
    let update = update_to_cmd(&effects);
    assert_eq!(update.lifetime, Lifetime::ZERO);
    let named = MobilityOption::HomeNetworkPrefix(own);
    assert!(update.options.contains(&named));
    assert_eq!(bindings(&effects).1, [anchored(2).into(), own.into()]);
    let told = advertisements(&effects);
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|(_, _, it)| it.router_lifetime == 0));
    assert!(told
        .iter()
        .all(|(_, _, it)| it.prefixes.iter().all(|p| p.valid == 0)));
}

/// Proves S2-30.
#[test]
fn variant_a_a_previous_anchor_has_no_timer() {
    let mut config = config(12);
    config.previous_expiry = PreviousExpiry::Stop;
    let mut maar = Maar::new(config);
    let (update, _) = crate::maar_scenario::arrives(&mut maar, 1_000, here());
    tell(&mut maar, 1_010, from(CMD, accepted(&update, &[])));
    let effects = tell(&mut maar, 5_000, update_from(CMD, told(5_000, Some(2))));
    assert_eq!(timer_after(&effects, &timer(NodeTimer::Expiry)), None);
    assert_eq!(maar.nodes(at(5_000)).next().unwrap().lifetime_left, None);
}

/// Proves S2-28, S2-31.
#[test]
fn variant_b_a_previous_anchor_asks_and_is_renewed_until_the_host_is_gone() {
    let mut maar = served(&[]);
    let own = own_prefix(&maar);
    let effects = tell(&mut maar, 5_000, update_from(CMD, told(5_000, Some(2))));
    let after = timer_after(&effects, &timer(NodeTimer::Expiry)).expect("a lifetime");
    let mut ms = 5_000 + u64::try_from(after.as_millis()).unwrap();
    for granted in [Lifetime(50), Lifetime(60)] {
        let effects = fire(&mut maar, ms, timer(NodeTimer::Expiry));
        let update = update_to_cmd(&effects);
        assert_eq!(update.lifetime, Lifetime::ZERO);
        assert_eq!(bindings(&effects), (vec![], vec![]));
        let mut renewed = accepted(&update, &[]);
        renewed.lifetime = granted;
        let effects = tell(&mut maar, ms + 5, from(CMD, renewed));
        let after = timer_after(&effects, &timer(NodeTimer::Expiry)).expect("a new lifetime");
        assert_eq!(after.as_secs(), u64::from(granted.as_secs()));
        ms += 5 + u64::try_from(after.as_millis()).unwrap();
    }
    assert_eq!(maar.counter(MaarCounter::PreviousRenewed), 2);
    let update = update_to_cmd(&fire(&mut maar, ms, timer(NodeTimer::Expiry)));
    let effects = tell(
        &mut maar,
        ms + 5,
        from(CMD, refused(&update, Status::ACCEPTED)),
    );
    assert_eq!(bindings(&effects).1, [own.into()]);
    assert_eq!(maar.sessions(), 0);
}

/// Proves S2-28.
#[test]
fn a_previous_anchor_that_is_denied_its_end_goes_on() {
    let mut maar = served(&[]);
    tell(&mut maar, 5_000, update_from(CMD, told(5_000, Some(2))));
    let update = update_to_cmd(&fire(&mut maar, 305_000, timer(NodeTimer::Expiry)));
    let denied = refused(&update, Status::ADMINISTRATIVELY_PROHIBITED);
    let effects = tell(&mut maar, 305_010, from(CMD, denied));
    assert!(timer_after(&effects, &timer(NodeTimer::Expiry)).is_some());
    assert_eq!(state(&maar, 305_010), Some(NodeState::Previous));
}

/// Proves S2-19.
#[test]
fn an_unused_prefix_is_let_go_of_alone() {
    let mut maar = served(&[2, 3]);
    let prefix = anchored(2).into();
    let effects = tell(&mut maar, 60_000, Event::Unused { prefix });
    let update = update_to_cmd(&effects);
    assert_eq!(update.lifetime, Lifetime::ZERO);
    let named = MobilityOption::HomeNetworkPrefix(anchored(2));
    assert!(update.options.contains(&named));
    assert_eq!(bindings(&effects), (vec![], vec![]));
    assert!(tell(&mut maar, 61_000, Event::Unused { prefix }).is_empty());
    let effects = tell(
        &mut maar,
        61_010,
        from(CMD, refused(&update, Status::ACCEPTED)),
    );
    assert_eq!(bindings(&effects), (vec![], vec![prefix]));
    let withdrawn: Vec<_> = advertisements(&effects)
        .iter()
        .filter(|(_, _, it)| it.prefixes.iter().any(|p| p.valid == 0))
        .map(|(_, _, it)| (it.router, it.router_lifetime, it.prefixes[0].prefix))
        .collect();
    assert_eq!(withdrawn, [(Some(router(2)), 0, anchored(2))]);
    let node = maar.nodes(at(61_010)).next().unwrap();
    assert_eq!((node.state, node.previous.len()), (NodeState::Served, 1));
    // Our own is not asked about: it is the one that the host is reached by.
    let prefix = own_prefix(&maar).into();
    assert!(tell(&mut maar, 62_000, Event::Unused { prefix }).is_empty());
}

#[test]
fn the_database_lets_a_previous_anchor_go() {
    let mut maar = served(&[]);
    let own = own_prefix(&maar);
    tell(&mut maar, 5_000, update_from(CMD, told(5_000, Some(2))));
    let effects = tell(&mut maar, 6_000, update_from(CMD, told(6_000, None)));
    assert_eq!(bindings(&effects).1, [own.into()]);
    assert_eq!(crate::scenario::status(&effects), Status::ACCEPTED);
    assert_eq!(maar.sessions(), 0);
}

#[test]
fn a_silent_database_takes_nothing_from_those_who_are_served() {
    let mut maar = served(&[2]);
    let mut effects = fire(&mut maar, 241_000, timer(NodeTimer::Refresh));
    let mut ms = 241_000;
    while ms < 2_000_000 {
        let after = timer_after(&effects, &timer(NodeTimer::Retransmit)).expect("it goes on");
        ms += u64::try_from(after.as_millis()).unwrap() + 1;
        effects = fire(&mut maar, ms, timer(NodeTimer::Retransmit));
        assert_eq!(bindings(&effects), (vec![], vec![]));
    }
    assert_eq!(state(&maar, ms), Some(NodeState::Served));
    assert!(maar.counter(MaarCounter::BindingsOverdue) > 0);
    let update = update_to_cmd(&effects);
    tell(&mut maar, ms + 5, from(CMD, accepted(&update, &[])));
    assert_eq!(maar.counter(MaarCounter::Refreshed), 1);
}

/// A host comes while the database is silent for longer than a registration is tried for, and says nothing of itself: it is asked
/// whether it is here each time, so that what it has elsewhere is led here once the database is back.
#[test]
fn a_host_that_only_listens_is_tried_for_until_the_database_is_back() {
    let mut maar = maar();
    let (_, mut effects) = arrives(&mut maar, 1_000, here());
    let mut ms = 1_000;
    for attempts in 1..=3 {
        let mut last = Vec::new();
        while let Some(after) = timer_after(&effects, &timer(NodeTimer::Retransmit)) {
            ms += u64::try_from(after.as_millis()).unwrap() + 1;
            last = fire(&mut maar, ms, timer(NodeTimer::Retransmit));
            effects = last.clone();
        }
        assert_eq!(maar.counter(MaarCounter::RegistrationsTimedOut), attempts);
        assert_eq!(maar.sessions(), 0);
        let seen = still_here(&mut maar, ms + 2, &last);
        assert_eq!(seen, [Effect::Authenticate { link: here() }]);
        effects = tell(&mut maar, ms + 3, admitted(here(), profile("mn")));
    }
    let update = update_to_cmd(&effects);
    tell(&mut maar, ms + 10, from(CMD, accepted(&update, &[2])));
    assert_eq!(state(&maar, ms + 10), Some(NodeState::Served));
    assert_eq!(maar.nodes(at(ms + 10)).next().unwrap().previous.len(), 1);
}

/// The last record that effects have stored.
pub fn last_record(effects: &[Effect]) -> Record {
    let mut stored = effects.iter().rev().filter_map(|effect| match effect {
        Effect::Store { record } => Some(record.clone()),
        _ => None,
    });
    stored.next().expect("something stored")
}

#[test]
fn a_restart_brings_back_hosts_and_anchors() {
    let mut before = maar();
    let (update, _) = crate::maar_scenario::arrives(&mut before, 1_000, here());
    let effects = tell(&mut before, 1_010, from(CMD, accepted(&update, &[2])));
    let own = own_prefix(&before);
    let record = last_record(&effects);
    let json = serde_json::to_string(&record).unwrap();
    let record: Record = serde_json::from_str(&json).unwrap();
    let mut after = maar();
    let effects = tell(&mut after, 20_000, Event::Restored { record });
    let local = (own.into(), Path::Local { link: here() });
    assert_eq!(bindings(&effects).0, [local, led_here(2)]);
    assert!(effects.contains(&Effect::Authenticate { link: here() }));
    assert!(effects
        .iter()
        .any(|it| matches!(it, Effect::ShowRouter { .. })));
    assert_eq!(state(&after, 20_000), Some(NodeState::Served));

    let effects = tell(&mut before, 5_000, update_from(CMD, told(5_000, Some(3))));
    let record = last_record(&effects);
    let mut after = maar();
    let effects = tell(
        &mut after,
        20_000,
        Event::Restored {
            record: record.clone(),
        },
    );
    let tunnel = crate::maar_scenario::tunnel(3);
    assert_eq!(
        bindings(&effects).0,
        [(own.into(), Path::Anchor { tunnel })]
    );
    // Nothing comes back twice.
    let effects = tell(&mut after, 20_001, Event::Restored { record });
    assert!(matches!(effects[..], [Effect::Forget { .. }]));
    assert_eq!(after.nodes(at(20_001)).count(), 1);
}

#[test]
fn what_the_table_refuses_is_given_up() {
    let mut maar = served(&[2]);
    let prefix = anchored(2).into();
    tell(&mut maar, 2_000, Event::Refused { prefix });
    let node = maar.nodes(at(2_000)).next().unwrap();
    assert_eq!((node.state, node.previous.len()), (NodeState::Served, 0));
    let prefix = own_prefix(&maar).into();
    tell(&mut maar, 3_000, Event::Refused { prefix });
    assert_eq!(state(&maar, 3_000), Some(NodeState::Leaving));
    assert_eq!(maar.counter(MaarCounter::RefusedByTable), 2);
}

/// The other gateways are read again: one that is new is believed from then on, and what one that is gone
/// anchored is led here no longer.
///
/// Proves S2-19.
#[test]
fn neighbours_change_while_hosts_are_here() {
    let mut maar = served(&[2, 3]);
    let neighbours = |numbers: &[u16]| {
        let neighbours = numbers.iter().map(|&n| Neighbour {
            address: ip(&maar_address(n)),
            pools: vec![pool(n)],
        });
        Event::Neighbours {
            neighbours: neighbours.collect(),
        }
    };
    let effects = tell(&mut maar, 5_000, neighbours(&[3, 40]));
    assert_eq!(bindings(&effects), (vec![], vec![anchored(2).into()]));
    assert!(!advertisements(&effects).is_empty(), "the host is told");
    let node = maar.nodes(at(5_000)).next().unwrap();
    assert_eq!((node.state, node.previous.len()), (NodeState::Served, 1));
    // The host goes to the new one; to the old one nobody is led.
    let effects = tell(&mut maar, 6_000, update_from(CMD, told(6_000, Some(2))));
    assert_eq!(status(&effects), Status::ADMINISTRATIVELY_PROHIBITED);
    tell(&mut maar, 7_000, update_from(CMD, told(7_000, Some(40))));
    assert_eq!(state(&maar, 7_000), Some(NodeState::Previous));
}
