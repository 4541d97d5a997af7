//! Gateways that keep what they acknowledge: nothing is said before it is kept, and one that was
//! killed forwards again before anybody has signalled.

use crate::bytes::Seen;
use crate::host::{replies, Host};
use crate::story::{
    advertisements, attach, bindings, domain_keeping, gateway, meet, signalling, started, visitors,
    ACCESS2, CAPACITY, CN, CORE, LMA, MAG1, MAG2, MN,
};
use crate::world::World;
use control::store::{Change, Durability, Keeper, RestartCounter, Size, Store, StoreError};
use dataplane::verdict::{Forward, Verdict};
use roles::mag::VisitorState;
use roles::store::{Key, Record};
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Longest time that a commit may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A store in memory, shared by the starts of a gateway, that commits only while it is open.
#[derive(Clone, Default)]
pub struct Shelf(Arc<(Mutex<Inside>, Condvar)>);

#[derive(Default)]
struct Inside {
    shut: bool,
    records: BTreeMap<Key, Record>,
    starts: u32,
}

impl Shelf {
    /// A start of the gateway whose store this is.
    pub fn keeper(&self) -> Option<Keeper> {
        self.0 .0.lock().unwrap().starts += 1;
        let shelf: Box<dyn Store> = Box::new(self.clone());
        let opening = Keeper::begin(|| Ok(shelf), Durability::Process, None);
        Some(opening.unwrap().wait().unwrap())
    }

    fn shut(&self, shut: bool) {
        self.0 .0.lock().unwrap().shut = shut;
        self.0 .1.notify_all();
    }
}

impl Store for Shelf {
    fn load(&mut self, each: &mut dyn FnMut(Vec<Record>)) -> Result<(), StoreError> {
        each(
            self.0
                 .0
                .lock()
                .unwrap()
                .records
                .values()
                .cloned()
                .collect(),
        );
        Ok(())
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let inside = self.0 .0.lock().unwrap();
        let mut inside = self.0 .1.wait_while(inside, |it| it.shut).unwrap();
        for change in changes {
            match change {
                Change::Put(record) => inside.records.insert(record.key(), record.clone()),
                Change::Remove(key) => inside.records.remove(key),
            };
        }
        Ok(())
    }

    fn size(&self) -> Size {
        Size::default()
    }

    fn restarts(&self) -> u32 {
        self.0 .0.lock().unwrap().starts - 1
    }

    fn restart_counter(&self) -> RestartCounter {
        RestartCounter::default()
    }
}

/// The world comes to rest with everything committed and sent.
pub fn rest(world: &mut World) {
    let start = Instant::now();
    loop {
        world.settle();
        let waits = |world: &World, place: usize| {
            let engine = &world.nodes[place].engine;
            engine.store().is_some_and(|it| it.state().waiting > 0) || engine.held() != (0, 0)
        };
        if !(0..world.nodes.len()).any(|place| waits(world, place)) {
            return;
        }
        assert!(start.elapsed() < LIMIT, "a store does not commit");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A domain whose anchor and first access gateway keep what they acknowledge.
pub fn domain() -> (World, Shelf, Shelf) {
    let (anchor, access) = (Shelf::default(), Shelf::default());
    let stores = [anchor.keeper(), access.keeper(), None];
    let world = domain_keeping([CAPACITY; 3], "", stores);
    (world, anchor, access)
}

/// The same, at rest, with a correspondent and a mobile node that is bound.
fn serving() -> (World, [Shelf; 2], [Host; 2]) {
    let (mut world, anchor, access) = domain();
    let mut cn = Host::correspondent(CN);
    let mut mn = Host::new(MN, 1);
    meet(&mut world, &mut cn);
    attach(&mut world, &mut mn);
    rest(&mut world);
    mn.live(&mut world);
    (world, [anchor, access], [cn, mn])
}

/// Proves S1-14.
#[test]
fn no_acknowledgement_leaves_before_the_binding_is_kept() {
    let (mut world, anchor, access) = domain();
    let mut mn = Host::new(MN, 1);
    anchor.shut(true);
    access.shut(true);
    mn.solicit_router(&mut world);
    world.pass(Duration::from_millis(100));
    assert_eq!(signalling(&world.hear(CORE)), ["update"]);
    // The packets of the host could go already: it is the word of it that waits.
    assert_eq!(bindings(&world).len(), 1);
    assert_eq!(world.nodes[LMA].engine.held(), (1, 0));

    anchor.shut(false);
    let start = Instant::now();
    while visitors(&world, MAG1) != [VisitorState::Bound] {
        assert!(start.elapsed() < LIMIT, "no acknowledgement");
        world.settle();
    }
    assert_eq!(signalling(&world.hear(CORE)), ["acknowledgement"]);
    assert!(advertisements(&mn.live(&mut world)).is_empty());
    access.shut(false);
    rest(&mut world);
    assert_eq!(advertisements(&mn.live(&mut world)).len(), 1);
    assert_eq!(world.nodes[LMA].counted("send_held"), 1);
}

/// What follows to the same peer waits in its turn, and nothing to others does.
#[test]
fn the_order_of_messages_to_a_peer_is_kept() {
    let (mut world, anchor, _access) = domain();
    let first = Host::new(MN, 1);
    anchor.shut(true);
    first.solicit_router(&mut world);
    // The update is sent again for want of an answer, and each is answered.
    world.pass(Duration::from_millis(3_500));
    let held = world.nodes[LMA].engine.held().0;
    assert!(held >= 2, "{held}");
    assert!(!signalling(&world.hear(CORE)).contains(&"acknowledgement"));
    anchor.shut(false);
    rest(&mut world);
    let heard = world.hear(CORE);
    let statuses: Vec<u8> = heard
        .iter()
        .filter_map(Seen::mh)
        .filter_map(|message| match message {
            wire::mh::Message::BindingAcknowledgement(answer) => Some(answer.status.0),
            _ => None,
        })
        .collect();
    assert_eq!(statuses.first(), Some(&0), "{statuses:?}");
    assert_eq!(visitors(&world, MAG1), [VisitorState::Bound]);
}

/// Kills a gateway and starts it again `after` a while.
pub fn kill(world: &mut World, place: usize, shelf: &Shelf, after: Duration) {
    // What is not committed is lost with the process; here all is.
    rest(world);
    world.hear(CORE);
    world.pass(after);
    let capacity = CAPACITY;
    let now = world.now();
    world.nodes[place] = gateway(place, capacity, "", now, shelf.keeper(), |_| {});
    rest(world);
}

/// An access gateway with fewer adjacencies than visitors takes back those that fit, says how many do not,
/// and keeps them: with as many as before all are back.
#[test]
fn visitors_that_find_no_room_stay_in_the_store() {
    let (mut world, _anchor, access) = domain();
    let mut mn = Host::new(MN, 1);
    attach(&mut world, &mut mn);
    rest(&mut world);
    let others = 40;
    {
        let mut inside = access.0 .0.lock().unwrap();
        let Some(Record::Visitor(visitor)) = inside.records.values().next().cloned() else {
            panic!("no visitor is kept");
        };
        for other in 0..others {
            let mut visitor = visitor.clone();
            visitor.link.mac.0 = [2, 0, 0, 0, 9, other];
            visitor.link_local = None;
            visitor.addresses.clear();
            let name = format!("other{other}@example.net");
            visitor.profile.mn_identifier = wire::mh::MnIdentifier::Nai(name);
            let another = (u128::from(other) + 1) << 72;
            for prefix in &mut visitor.prefixes {
                prefix.prefix = (prefix.prefix.to_bits() ^ another).into();
            }
            let record = Record::Visitor(visitor);
            inside.records.insert(record.key(), record);
        }
    }
    let narrow = dataplane::tables::Capacity {
        adjacencies: 16,
        ..CAPACITY
    };
    for (capacity, served) in [(narrow, 12), (CAPACITY, 41)] {
        let now = world.now();
        let node = gateway(MAG1, capacity, "", now, access.keeper(), |_| {});
        let engine = &node.engine;
        assert_eq!((engine.restored(), engine.lacking()), (41, 41 - served));
        assert_eq!(engine.writer().bindings_len() as u64, served);
        drop(node);
        assert_eq!(access.0 .0.lock().unwrap().records.len(), 41);
    }
}

/// An anchor and an access gateway that are killed, one after the other, forward again both ways with
/// not one mobility message; the binding ends when it would have ended.
///
/// Proves S1-14, S1-40.
#[test]
fn killed_gateways_forward_again_before_anything_is_signalled() {
    let (mut world, [anchor, access], [mut cn, mut mn]) = serving();
    let before = bindings(&world);
    assert_eq!(before.len(), 1);

    for (place, shelf) in [(LMA, &anchor), (MAG1, &access)] {
        kill(&mut world, place, shelf, Duration::from_secs(1));
        let engine = &world.nodes[place].engine;
        assert_eq!(engine.restored(), 1);
        assert_eq!(engine.store().expect("a store").restarts(), 1);
        // Next hops are asked for at once, and answer.
        for _ in 0..2 {
            cn.live(&mut world);
            world.pass(Duration::from_millis(20));
        }
        assert_eq!(visitors(&world, MAG1), [VisitorState::Bound]);
        world.hear(MN);
        mn.ping(&mut world, cn.address(), 7);
        for _ in 0..3 {
            cn.live(&mut world);
            world.settle();
        }
        assert_eq!(replies(&mn.live(&mut world)), [7], "place {place}");
        assert!(signalling(&world.hear(CORE)).is_empty());
    }
    let after = bindings(&world);
    assert_eq!(after[0].session, before[0].session);
    assert_eq!(
        (after[0].prefixes.clone(), after[0].care_of),
        (before[0].prefixes.clone(), before[0].care_of)
    );
    assert!(after[0].lifetime_left < before[0].lifetime_left - Duration::from_secs(1));

    // The host is gone: nothing keeps the binding but its lifetime, which goes on.
    world.replug(MN, 0);
    kill(&mut world, LMA, &anchor, Duration::from_secs(400));
    assert!(bindings(&world).is_empty());
    assert!(anchor.0 .0.lock().unwrap().records.is_empty());
}

/// While an anchor is given back its bindings it hears neighbours, so that packets go on at once, and no mobility
/// message: one that came meanwhile is dealt with when all are there.
///
/// Proves S1-14.
#[test]
fn packets_go_on_before_a_restarted_anchor_takes_its_first_message() {
    let (mut world, [anchor, _access], [cn, mn]) = serving();
    let before = bindings(&world);

    world.pass(Duration::from_secs(1));
    world.hear(CORE);
    let now = world.now();
    world.nodes[LMA] = started(LMA, CAPACITY, "", now, anchor.keeper());
    world.busy = Some(LMA);
    world.replug(MN, ACCESS2);
    mn.solicit_router(&mut world);
    assert!(signalling(&world.hear(CORE)).contains(&"update"));
    let engine = &mut world.nodes[LMA].engine;
    engine.restore(|| now).expect("restored");
    assert_eq!(engine.restored(), 1);
    world.settle();
    assert_eq!(world.nodes[LMA].counted("message_received"), 0);
    let sent = |world: &World| world.nodes[LMA].verdicts(Verdict::Forward(Forward::Encapsulated));
    assert_eq!(sent(&world), 0);
    cn.ping(&mut world, mn.address(), 7);
    assert_eq!(sent(&world), 1);

    world.busy = None;
    rest(&mut world);
    world.pass(Duration::from_millis(100));
    rest(&mut world);
    assert_eq!(visitors(&world, MAG2), [VisitorState::Bound]);
    let after = bindings(&world);
    assert_eq!(after.len(), 1);
    assert_eq!(after[0].session, before[0].session);
    assert_ne!(after[0].care_of, before[0].care_of);
}
