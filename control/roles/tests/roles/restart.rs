//! What is stored is enough to go on from: a role that is made anew out of its records does what the
//! one that was killed would have done.

use crate::mag::{attach, serve, visitor, GIVEN};
use crate::scenario::*;
use proptest::prelude::*;
use roles::effect::{Effect, Path, TunnelEnds};
use roles::event::{Departure, Timer};
use roles::lma::{BindingView, Lma};
use roles::mag::{Mag, MagCounter, VisitorState};
use roles::store::{Key, Record};
use roles::{BoundPrefix, Event, Now, Role};
use std::collections::BTreeMap;
use std::time::Duration;
use wire::mh::*;

/// What a store and a table hold after effects, and what was sent that rests on them.
#[derive(Default)]
pub struct World {
    pub records: BTreeMap<Key, Record>,
    pub table: BTreeMap<BoundPrefix, Path>,
}

impl World {
    pub fn apply(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Store { record } => {
                    self.records.insert(record.key(), record.clone());
                }
                Effect::Forget { key } => {
                    self.records.remove(key);
                }
                Effect::Bind { prefix, path } => {
                    self.table.insert(*prefix, *path);
                }
                Effect::Unbind { prefix } => {
                    self.table.remove(prefix);
                }
                _ => {}
            }
        }
    }

    /// Lets `role` have back what is stored, at `now`; the effects of all of it.
    pub fn restore(&mut self, role: &mut impl Role, now: Now) -> Vec<Effect> {
        self.table.clear();
        let mut all = Vec::new();
        let mut links = Vec::new();
        for record in self.records.clone().into_values() {
            if let Record::Visitor(visitor) = &record {
                links.push(visitor.link);
            }
            let mut effects = Vec::new();
            role.on(now, &Event::Restored { record }, &mut effects);
            self.apply(&effects);
            all.append(&mut effects);
        }
        for link in links {
            let mut effects = Vec::new();
            role.on(now, &Event::Resumed { link }, &mut effects);
            self.apply(&effects);
            all.append(&mut effects);
        }
        all
    }
}

/// A start at so many milliseconds of the scenario's wall clock: the monotonic clock begins anew.
pub fn started(ms: u64) -> Now {
    Now {
        monotonic: Duration::from_secs(1),
        wall: at(ms).wall,
    }
}

/// Bindings without what a restart may change: an update that waits is not acknowledged, and is lost.
fn views(lma: &Lma, now: Now) -> Vec<BindingView> {
    let views = lma.bindings(now).map(|view| BindingView {
        waited_for: false,
        ..view
    });
    views.collect()
}

fn anchor(remote: &str) -> Path {
    let (local, remote) = (ip(LMA), ip(remote));
    Path::Anchor {
        tunnel: TunnelEnds::plain(local, remote),
    }
}

#[test]
fn no_records_are_made_where_none_are_kept() {
    for keeps in [true, false] {
        let mut lma = lma();
        let started = Event::Started {
            restart_counter: 1,
            lost: true,
            keeps,
        };
        tell(&mut lma, 500, started);
        let effects = tell(&mut lma, 1000, pbu("mn", 1000).event());
        let stores = |effect: &Effect| matches!(effect, Effect::Store { .. });
        assert_eq!(effects.iter().any(stores), keeps);
        assert!(status(&effects).is_accepted());
    }
}

/// A binding is stored before it is acknowledged, and after a restart its packets go where they went,
/// for as long as was granted; the host that registers again has its prefix.
///
/// Proves S1-40.
#[test]
fn a_binding_comes_back_with_what_is_left_of_its_lifetime() {
    let (mut lma, mut world) = (lma(), World::default());
    let effects = tell(&mut lma, 1_000, pbu("mn", 1_000).event());
    let place = |is: fn(&Effect) -> bool| position(&effects, is).expect("it is there");
    let bound = place(|it| matches!(it, Effect::Bind { .. }));
    let stored = place(|it| matches!(it, Effect::Store { .. }));
    let sent = place(|it| matches!(it, Effect::Send { .. }));
    assert!(bound < stored && stored < sent);
    world.apply(&effects);
    let prefix = given(&effects);

    // It was granted 400 s and is down for 100 of them.
    let now = started(101_000);
    let mut anew = crate::scenario::lma();
    let effects = world.restore(&mut anew, now);
    assert_eq!(world.table, BTreeMap::from([(prefix.into(), anchor(MAG1))]));
    let timer = Timer::BindingExpiry { session: 1 };
    let left = timer_after(&effects, &timer);
    assert_eq!(left, Some(Duration::from_secs(300)));
    assert_eq!(crate::scenario::sent(&effects), []);

    let mut effects = Vec::new();
    let update = pbu("mn", 102_000).from(MAG2).event();
    anew.on(started(102_000), &update, &mut effects);
    assert_eq!((status(&effects), given(&effects)), (Status(0), prefix));
    world.apply(&effects);
    assert_eq!(world.table, BTreeMap::from([(prefix.into(), anchor(MAG2))]));
    // An update from before the last one is as old to the new process as it was to the old one.
    let mut effects = Vec::new();
    anew.on(started(102_000), &pbu("mn", 900).event(), &mut effects);
    assert_eq!(status(&effects), Status::TIMESTAMP_LOWER_THAN_PREV_ACCEPTED);
}

#[test]
fn what_ran_out_meanwhile_is_forgotten_and_so_is_what_policy_no_longer_allows() {
    let (mut lma, mut world) = (lma(), World::default());
    for (host, from) in [("one", MAG1), ("two", MAG2)] {
        world.apply(&tell(&mut lma, 1_000, pbu(host, 1_000).from(from).event()));
    }
    assert_eq!(world.records.len(), 2);
    let mut late = World {
        records: world.records.clone(),
        ..World::default()
    };
    late.restore(&mut crate::scenario::lma(), started(401_000));
    assert!(late.records.is_empty() && late.table.is_empty());

    let mut strict = Lma::new(lma_config());
    let mut policy = policy();
    policy.mags = vec![ip(MAG1)];
    tell(&mut strict, 0, Event::Policy { policy });
    world.restore(&mut strict, started(2_000));
    assert_eq!((world.records.len(), world.table.len()), (1, 1));
    assert_eq!(strict.sessions(), 1);
}

#[test]
fn a_clock_that_was_set_back_makes_no_binding_last() {
    let (mut lma, mut world) = (lma(), World::default());
    world.apply(&tell(&mut lma, 900_000_000, pbu("mn", 900_000_000).event()));
    let effects = world.restore(&mut crate::scenario::lma(), started(0));
    let left = timer_after(&effects, &Timer::BindingExpiry { session: 1 });
    assert_eq!(left, Some(lma_config().max_lifetime));
}

#[test]
fn a_session_number_that_was_given_is_not_given_again() {
    let (mut lma, mut world) = (lma(), World::default());
    for host in ["one", "two", "three"] {
        world.apply(&tell(&mut lma, 1_000, pbu(host, 1_000).event()));
    }
    let mut anew = crate::scenario::lma();
    world.restore(&mut anew, started(2_000));
    let mut effects = Vec::new();
    anew.on(started(2_000), &pbu("four", 2_000).event(), &mut effects);
    world.apply(&effects);
    let last = world.records.keys().next_back();
    assert_eq!(last, Some(&Key::Binding { session: 4 }));
}

#[test]
fn a_restored_binding_that_the_table_refuses_ends() {
    let (mut lma, mut world) = (lma(), World::default());
    world.apply(&tell(&mut lma, 1_000, pbu("mn", 1_000).event()));
    let mut anew = crate::scenario::lma();
    let effects = world.restore(&mut anew, started(2_000));
    let Some(Effect::Bind { prefix, .. }) = effects.first() else {
        panic!("{effects:?}");
    };
    let mut effects = Vec::new();
    anew.on(
        started(2_000),
        &Event::Refused { prefix: *prefix },
        &mut effects,
    );
    world.apply(&effects);
    assert_eq!((anew.sessions(), world.records.len()), (0, 0));
    assert_eq!(sent(&effects), []);
}

/// Something that happens to an anchor.
#[derive(Clone, Debug)]
struct Step {
    host: u8,
    gateway: bool,
    interface: u8,
    lifetime: u16,
    handoff: u8,
    pause: u16,
    fire: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let lifetime = prop_oneof![Just(0), Just(1), Just(100)];
    let values = (
        0..4_u8,
        any::<bool>(),
        1..3_u8,
        lifetime,
        1..6_u8,
        0..9_000_u16,
        any::<bool>(),
    );
    values.prop_map(
        |(host, gateway, interface, lifetime, handoff, pause, fire)| Step {
            host,
            gateway,
            interface,
            lifetime,
            handoff,
            pause,
            fire,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happened, the records are the cache: killed at any moment and started again at once, an
    /// anchor has the same bindings and the same table.
    #[test]
    fn records_are_the_binding_cache(steps in proptest::collection::vec(step(), 1..40)) {
        let (mut lma, mut world) = (lma(), World::default());
        let mut ms = 10_000;
        for step in steps {
            ms += u64::from(step.pause) + 1;
            let name = ["fixed", "two", "a", "b"][usize::from(step.host)];
            let update = pbu(name, ms)
                .from(if step.gateway { MAG1 } else { MAG2 })
                .interface(step.interface)
                .handoff(HandoffIndicator(step.handoff))
                .lifetime(step.lifetime);
            let update = if step.host < 2 {
                update.without(22)
                    .and(MobilityOption::HomeNetworkPrefix(HomeNetworkPrefix::REQUEST))
            } else {
                update
            };
            world.apply(&tell(&mut lma, ms, update.event()));
            if step.fire {
                for session in 1..60 {
                    let timer = Timer::BindingExpiry { session };
                    world.apply(&fire(&mut lma, ms, timer));
                }
            }
            let now = at(ms);
            let mut copy = World {
                records: world.records.clone(),
                ..World::default()
            };
            let mut anew = crate::scenario::lma();
            copy.restore(&mut anew, now);
            // What is overdue ends at once, before its timer has come.
            let live = |view: &BindingView| !view.lifetime_left.is_zero();
            let before: Vec<_> = views(&lma, now).into_iter().filter(live).collect();
            prop_assert_eq!(views(&anew, now), before);
            for (prefix, path) in &copy.table {
                prop_assert_eq!(world.table.get(prefix), Some(path));
            }
        }
    }
}

/// A visitor is stored once it is served, served at once after a restart, watched, asked about, and
/// refreshed when it would have been.
#[test]
fn a_visitor_is_served_again_before_anything_is_signalled() {
    let (mut mag, mut world) = (mag(), World::default());
    let link = link(0, 1);
    attach(&mut mag, 1_000, link);
    assert!(world.records.is_empty(), "nothing is acknowledged yet");
    let mut mag = crate::scenario::mag();
    let effects = serve(&mut mag, 1_000, link);
    world.apply(&effects);
    let stored = position(&effects, |it| matches!(it, Effect::Store { .. }));
    let told = position(&effects, |it| matches!(it, Effect::Advertise { .. }));
    assert!(stored < told && stored.is_some());
    let before = visitor(&mag, 61_000);

    let mut anew = crate::scenario::mag();
    let now = started(61_000);
    let effects = world.restore(&mut anew, now);
    let path = Path::Access {
        tunnel: TunnelEnds::plain(ip(MAG1), ip(LMA)),
        link,
        delegated: false,
    };
    assert_eq!(world.table, BTreeMap::from([(prefix(GIVEN).into(), path)]));
    assert!(effects.contains(&Effect::Authenticate { link }));
    assert!(effects.iter().any(|it| matches!(it, Effect::Watch { .. })));
    assert_eq!(sent(&effects), []);
    let after = anew.visitors(now).next().expect("a visitor");
    assert_eq!(after.lifetime_left, before.lifetime_left);
    assert_eq!(
        (after.state, after.sequence),
        (VisitorState::Bound, before.sequence)
    );
    let mut all = Vec::new();
    anew.on(now, &admitted(link, profile("mn")), &mut all);
    assert_eq!(all, []);

    let refresh = timer_after(&effects, &Timer::Refresh { link }).expect("a refresh");
    let later = Now {
        monotonic: now.monotonic + refresh,
        wall: now.wall + refresh,
    };
    let timer = Timer::Refresh { link };
    anew.on(later, &Event::Timer { timer }, &mut all);
    let update = pbu_in(&all);
    assert_eq!(
        handoff_of(&update.options),
        Some(HandoffIndicator::NOT_CHANGED)
    );
    assert_eq!(prefixes_of(&update.options), [prefix(GIVEN)]);
}

#[test]
fn a_visitor_that_left_or_may_no_longer_attach_is_not_kept() {
    let (mut mag, mut world) = (mag(), World::default());
    let link = link(0, 1);
    world.apply(&serve(&mut mag, 1_000, link));
    let records = world.records.clone();
    assert_eq!(records.len(), 1);
    let why = Departure::Unreachable;
    world.apply(&tell(&mut mag, 2_000, Event::HostGone { link, why }));
    assert!(world.records.is_empty());

    let mut world = World {
        records,
        ..World::default()
    };
    let mut anew = Mag::new(mag_config());
    world.restore(&mut anew, started(2_000));
    let refused = Event::Authenticated {
        link,
        profile: None,
    };
    let mut effects = Vec::new();
    anew.on(started(2_000), &refused, &mut effects);
    world.apply(&effects);
    assert!(world.records.is_empty() && world.table.is_empty());
    assert_eq!(pbu_in(&effects).lifetime, Lifetime::ZERO);
}

/// What does not fit is nobody's any more, and is not forgotten either: with more room it is all back.
#[test]
fn records_that_find_no_room_are_kept() {
    let (mut lma, mut world) = (lma(), World::default());
    for host in ["a", "b", "c"] {
        world.apply(&tell(&mut lma, 1_000, pbu(host, 1_000).event()));
    }
    let mut narrow = lma_with(roles::lma::LmaConfig {
        capacity: 2,
        ..lma_config()
    });
    let effects = world.restore(&mut narrow, started(2_000));
    let left_out = Key::Binding { session: 3 };
    assert!(effects.contains(&Effect::NoRoom { key: left_out }));
    assert_eq!((world.records.len(), world.table.len()), (3, 2));
    world.restore(&mut crate::scenario::lma(), started(3_000));
    assert_eq!((world.records.len(), world.table.len()), (3, 3));

    let mut mag = mag();
    let mut world = World::default();
    for (number, given) in [(1, GIVEN), (2, "2001:db8:1:6::/64")] {
        let link = link(0, number);
        tell(&mut mag, 1_000, solicits(link));
        let admitted = admitted(link, profile(&format!("mn{number}")));
        let update = pbu_in(&tell(&mut mag, 1_000, admitted)).clone();
        let accepted = answered(answer(&update, Status(0), &[given]));
        world.apply(&tell(&mut mag, 1_005, accepted));
    }
    assert_eq!(world.records.len(), 2);
    let mut narrow = Mag::new(roles::mag::MagConfig {
        capacity: 1,
        ..mag_config()
    });
    let effects = world.restore(&mut narrow, started(2_000));
    let left_out = Key::Visitor { link: link(0, 2) };
    assert!(effects.contains(&Effect::NoRoom { key: left_out }));
    assert_eq!((world.records.len(), world.table.len()), (2, 1));
    let mut anew = crate::scenario::mag();
    world.restore(&mut anew, started(3_000));
    assert_eq!((world.records.len(), world.table.len()), (2, 2));
    assert_eq!(anew.counter(MagCounter::VisitorsRestored), 2);
}

#[test]
fn a_visitor_whose_lifetime_ran_out_meanwhile_is_met_anew() {
    let (mut mag, mut world) = (mag(), World::default());
    let link = link(0, 1);
    world.apply(&serve(&mut mag, 1_000, link));
    let mut anew = crate::scenario::mag();
    world.restore(&mut anew, started(10_000_000));
    assert!(world.records.is_empty() && world.table.is_empty());
    assert_eq!(anew.counter(MagCounter::BindingsExpired), 1);
    let mut effects = Vec::new();
    anew.on(started(10_000_100), &solicits(link), &mut effects);
    assert_eq!(effects, [Effect::Authenticate { link }]);
}
