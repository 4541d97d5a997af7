//! A MAAR that is made anew out of its records: hosts that it has room for, and what they may have no longer.

use crate::maar_leave::last_record;
use crate::maar_scenario::{
    accepted, anchored, arrives, config, from, here, maar, maar_address, pool, router, timer, CMD,
};
use crate::restart::{started, World};
use crate::scenario::{advertisements, ip, tell, timer_after};
use roles::effect::Effect;
use roles::event::NodeTimer;
use roles::maar::{Maar, MaarCounter, Neighbour};
use roles::store::Key;
use roles::{Event, Role};
use std::time::Duration;

/// A host of a MAAR is there with all that other anchors lead to it, or the gateway does not start: nothing of it
/// is left out without a word.
#[test]
fn a_host_without_room_for_all_its_anchors_is_kept() {
    let mut world = World::default();
    let mut before = maar();
    let (update, _) = arrives(&mut before, 1_000, here());
    let answer = accepted(&update, &[2, 3]);
    let from_cmd = from(CMD, answer);
    world.apply(&tell(&mut before, 1_010, from_cmd));
    assert_eq!((world.records.len(), world.table.len()), (1, 3));

    let with_room_for = |capacity| {
        let mut config = config(12);
        config.capacity = capacity;
        Maar::new(config)
    };
    for capacity in [0, 1, 2] {
        let mut narrow = with_room_for(capacity);
        let effects = world.restore(&mut narrow, started(2_000));
        let left_out = Key::Node { session: 1 };
        assert_eq!(effects, [Effect::NoRoom { key: left_out }], "{capacity}");
        assert_eq!((narrow.sessions(), world.records.len()), (0, 1));
    }
    let mut anew = with_room_for(3);
    let effects = world.restore(&mut anew, started(3_000));
    assert_eq!((world.records.len(), world.table.len()), (1, 3));
    assert!(!effects.iter().any(|it| matches!(it, Effect::NoRoom { .. })));
    assert_eq!(anew.counter(MaarCounter::NodesRestored), 1);
}

/// What was acknowledged is led on where a host may have less now. What an anchor may no longer have is counted,
/// and its host hears that it is gone, by the router that it had.
#[test]
fn a_restored_host_hears_what_it_has_no_longer() {
    let mut before = maar();
    let (update, _) = arrives(&mut before, 1_000, here());
    let answer = accepted(&update, &[2, 3, 4]);
    let from_cmd = from(CMD, answer);
    let record = last_record(&tell(&mut before, 1_010, from_cmd));

    let mut config = config(12);
    config.most_previous = 1;
    config.capacity = 3;
    // The fourth is not of the domain any more, and so needs no room.
    let others = (2..=3).map(|n| Neighbour {
        address: ip(&maar_address(n)),
        pools: vec![pool(n)],
    });
    config.neighbours = others.collect::<Vec<_>>().into();
    let mut maar = Maar::new(config);
    let mut effects = Vec::new();
    maar.on(started(2_000), &Event::Restored { record }, &mut effects);
    let led = maar.nodes(started(2_000)).next().expect("the host");
    assert_eq!(led.previous.len(), 2);
    assert_eq!(maar.counter(MaarCounter::AnchorsRefused), 1);
    assert!(!effects
        .iter()
        .any(|it| matches!(it, Effect::Advertise { .. })));
    let advertise = timer(NodeTimer::Advertise);
    let soon = timer_after(&effects, &advertise).expect("it will be told");
    assert!(soon <= Duration::from_secs(8));
    let due = Event::Timer { timer: advertise };
    let mut effects = Vec::new();
    maar.on(started(10_000), &due, &mut effects);
    let ended = advertisements(&effects).into_iter().flat_map(|(_, _, it)| {
        let ended = it.prefixes.iter().filter(|it| it.valid == 0);
        ended.map(move |prefix| (prefix.prefix, it.router))
    });
    let expected = (anchored(4), Some(router(4)));
    assert_eq!(ended.collect::<Vec<_>>(), [expected]);
    // Once.
    let mut effects = Vec::new();
    maar.on(started(11_000), &due, &mut effects);
    let told = advertisements(&effects);
    let mut told = told.iter().flat_map(|(_, _, it)| &it.prefixes);
    assert!(told.all(|it| it.valid > 0));
}
