//! Every order in which a worker's reads and control's writes can fall, in tables of a few slots.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p dataplane --test loom_table --release`. Under loom
//! a bucket has two slots, and a thread is preempted at most [`PREEMPTIONS`] times in a run. Beside
//! every entry stands a cell that loom watches: it is written where the entry is prepared and read
//! where a worker uses what it found, so an entry that came back too early is a data race.
#![cfg(loom)]

use dataplane::key::{BindingKey, Domain, Encapsulation, Forwarding, TunnelId, TunnelSpec};
use dataplane::mem::Storage;
use dataplane::qsbr::Qsbr;
use dataplane::table::hash::Seed;
use dataplane::table::{Bindings, BindingsWriter, Probe, Sizes};
use dataplane::tunnels::{OuterPair, TunnelsWriter};
use loom::cell::UnsafeCell;
use loom::thread;
use std::net::Ipv6Addr;
use std::sync::{Arc, Mutex};

/// Times that a thread may be stopped between two of its steps.
const PREEMPTIONS: usize = 5;

fn check(test: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.max_branches = 10_000;
    builder.check(test);
}

fn prefix(n: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(n) << 64)
}

fn key(n: u32, length: u8) -> BindingKey {
    let (domain, prefix) = (Domain(0), prefix(n).into());
    BindingKey {
        domain,
        prefix,
        length,
    }
}

fn to(n: u32) -> Forwarding {
    Forwarding::Anchor {
        tunnel: TunnelId(n),
    }
}

fn tunnel(n: u32) -> TunnelSpec {
    let (local, remote) = (prefix(0), prefix(n));
    TunnelSpec {
        domain: Domain(0),
        local,
        remote,
        hop_limit: 64,
        mtu: 1460,
        encapsulation: Encapsulation::Plain,
    }
}

fn new(capacity: usize, buckets: usize, seed: u64) -> (BindingsWriter, Arc<Bindings>, Arc<Qsbr>) {
    let qsbr = Arc::new(Qsbr::new(1));
    let sizes = Sizes {
        capacity,
        spare: 0,
        buckets,
    };
    let writer =
        BindingsWriter::new(sizes, Seed::new(seed), Storage::Heap, Arc::clone(&qsbr)).unwrap();
    let table = Arc::clone(writer.table());
    (writer, table, qsbr)
}

fn look(table: &Bindings, n: u32) -> Option<(usize, Forwarding)> {
    let mut found = [None];
    table.lookup(&[Probe::new(Domain(0), prefix(n).into())], &mut found);
    let [found] = found;
    found.map(|found| (found.id.0 as usize, found.forwarding()))
}

#[test]
fn a_move_is_seen_whole() {
    check(|| {
        let (mut writer, table, qsbr) = new(1, 2, 1);
        writer.bind(key(1, 64), to(1), |_| ()).unwrap();
        let reader = thread::spawn(move || {
            qsbr.online(0);
            let first = look(&table, 1).unwrap().1;
            let second = look(&table, 1).unwrap().1;
            assert!([to(1), to(2)].contains(&first), "{first:?}");
            // Once a worker sees the new way it never goes back.
            assert!(
                second == to(2) || first == to(1) && second == to(1),
                "{first:?} {second:?}"
            );
            qsbr.offline(0);
        });
        writer.bind(key(1, 64), to(2), |_| ()).unwrap();
        reader.join().unwrap();
    });
}

#[test]
fn a_new_binding_is_found_whole_or_not_at_all() {
    check(|| {
        let (mut writer, table, qsbr) = new(2, 2, 1);
        writer.bind(key(1, 64), to(1), |_| ()).unwrap();
        let reader = thread::spawn(move || {
            qsbr.online(0);
            let new = look(&table, 2);
            assert!(new.is_none_or(|(_, forwarding)| forwarding == to(2)));
            assert_eq!(look(&table, 1).unwrap().1, to(1));
            assert!(new.is_none() || look(&table, 2).is_some());
            qsbr.offline(0);
        });
        writer.bind(key(2, 64), to(2), |_| ()).unwrap();
        reader.join().unwrap();
    });
}

#[test]
fn a_longer_prefix_that_comes_and_goes_never_hides_the_shorter() {
    check(|| {
        let (mut writer, table, qsbr) = new(2, 2, 1);
        writer.bind(key(1, 64), to(64), |_| ()).unwrap();
        let reader = thread::spawn(move || {
            qsbr.online(0);
            let found = look(&table, 1).unwrap().1;
            assert!([to(64), to(128)].contains(&found), "{found:?}");
            qsbr.offline(0);
        });
        writer.bind(key(1, 128), to(128), |_| ()).unwrap();
        writer.unbind(&key(1, 128)).unwrap();
        reader.join().unwrap();
    });
}

/// A table in which binding one key more displaces others.
#[derive(Clone, Copy, Debug)]
struct Crowd {
    buckets: usize,
    seed: u64,
    /// Keys from 0 to below this are bound, then `gone` is taken out again.
    keys: u32,
    gone: u32,
}

impl Crowd {
    /// The table, all but the last binding made.
    fn table(&self) -> (BindingsWriter, Arc<Bindings>, Arc<Qsbr>) {
        let (mut writer, table, qsbr) = new(self.buckets * 2, self.buckets, self.seed);
        for n in 0..self.keys {
            // A crowd too many for its buckets is no use, `displaced` finds that out.
            let _ = writer.bind(key(n, 64), to(n), |_| ());
        }
        writer.unbind(&key(self.gone, 64));
        (writer, table, qsbr)
    }

    /// How many records the last binding displaces.
    fn displaced(self) -> u64 {
        let result = Arc::new(Mutex::new(0));
        let displaced = Arc::clone(&result);
        check(move || {
            let (mut writer, table, _) = self.table();
            let before = table.displacements();
            let all = writer.len() as u32 == self.keys - 1;
            let last = writer.bind(key(self.keys, 64), to(self.keys), |_| ());
            if all && last.is_ok() {
                *displaced.lock().unwrap() = table.displacements() - before;
            }
        });
        let displaced = *result.lock().unwrap();
        displaced
    }

    /// Looks for `wanted` while the last binding is made.
    fn look_for(self, wanted: u32) {
        check(move || {
            let (mut writer, table, qsbr) = self.table();
            let reader = thread::spawn(move || {
                qsbr.online(0);
                let found = look(&table, wanted).map(|(_, forwarding)| forwarding);
                assert_eq!(found, Some(to(wanted)), "{wanted} in {self:?}");
                qsbr.offline(0);
            });
            writer
                .bind(key(self.keys, 64), to(self.keys), |_| ())
                .unwrap();
            reader.join().unwrap();
        });
    }
}

/// Looks for every key in some tables in which `chain` records are displaced at once. A record may
/// go from its first bucket to its second or back; only one that goes back can be missed, and that
/// takes a slot that became free, so there are many tables.
fn nothing_is_missed_while_displacing(buckets: usize, chain: u64, tables: usize) {
    let keys = buckets as u32 * 2 - 1;
    let crowds = (0..).flat_map(|seed| {
        (0..keys).map(move |gone| Crowd {
            buckets,
            seed,
            keys,
            gone,
        })
    });
    for crowd in crowds
        .filter(|crowd| crowd.displaced() == chain)
        .take(tables)
    {
        for wanted in (0..keys).filter(|wanted| *wanted != crowd.gone) {
            crowd.look_for(wanted);
        }
    }
}

#[test]
fn a_key_that_is_there_is_found_while_it_changes_buckets() {
    nothing_is_missed_while_displacing(3, 1, 16);
}

#[test]
fn a_key_that_is_there_is_found_while_a_chain_changes_buckets() {
    nothing_is_missed_while_displacing(4, 2, 8);
}

#[test]
fn a_binding_leads_to_no_tunnel_that_is_not_there_yet() {
    check(|| {
        let (mut writer, table, qsbr) = new(1, 2, 1);
        let mut ends =
            TunnelsWriter::new(2, Seed::new(1), Storage::Heap, Arc::clone(&qsbr)).unwrap();
        let first = ends.add(tunnel(1)).unwrap();
        writer
            .bind(key(1, 64), Forwarding::Anchor { tunnel: first }, |_| ())
            .unwrap();
        let tunnels = Arc::clone(ends.table());
        let reader = thread::spawn(move || {
            qsbr.online(0);
            let Some((_, Forwarding::Anchor { tunnel })) = look(&table, 1) else {
                panic!("a binding that is there was not found");
            };
            let remote = tunnels.get(tunnel).expect("its tunnel").remote();
            assert_eq!(remote, prefix(if tunnel == first { 1 } else { 2 }));
            qsbr.offline(0);
        });
        let second = ends.add(tunnel(2)).unwrap();
        writer
            .bind(key(1, 64), Forwarding::Anchor { tunnel: second }, |_| ())
            .unwrap();
        reader.join().unwrap();
    });
}

#[test]
fn an_entry_comes_back_only_after_its_readers_are_done() {
    check(|| {
        let (mut writer, table, qsbr) = new(1, 2, 1);
        let watched = loom::sync::Arc::new(UnsafeCell::new(0));
        let put = |n: u32| {
            let watched = loom::sync::Arc::clone(&watched);
            // SAFETY: the claim under test is that no reader is at this cell now; loom checks it.
            move |_| watched.with_mut(|cell| unsafe { *cell = n })
        };
        writer.bind(key(1, 64), to(1), put(1)).unwrap();
        let reader = thread::spawn({
            let watched = loom::sync::Arc::clone(&watched);
            move || {
                qsbr.online(0);
                for _ in 0..2 {
                    for n in [1, 2] {
                        if let Some((_, forwarding)) = look(&table, n) {
                            assert_eq!(forwarding, to(n));
                            // SAFETY: the claim under test is that nobody writes this cell now.
                            watched.with(|cell| assert_eq!(unsafe { *cell }, n));
                        }
                    }
                    qsbr.quiescent(0);
                }
                qsbr.offline(0);
            }
        });
        writer.unbind(&key(1, 64)).unwrap();
        let early = writer.bind(key(2, 64), to(2), put(2)).is_ok();
        reader.join().unwrap();
        // With the worker gone nothing holds the entry back.
        assert!(early || writer.bind(key(2, 64), to(2), put(2)).is_ok());
    });
}

#[test]
fn a_worker_that_comes_online_is_not_overlooked() {
    check(|| {
        let (mut writer, table, qsbr) = new(1, 2, 1);
        let watched = loom::sync::Arc::new(UnsafeCell::new(1));
        writer.bind(key(1, 64), to(1), |_| ()).unwrap();
        let reader = thread::spawn({
            let watched = loom::sync::Arc::clone(&watched);
            move || {
                for _ in 0..2 {
                    qsbr.online(0);
                    if look(&table, 1).is_some() {
                        // SAFETY: the claim under test is that nobody writes this cell now.
                        watched.with(|cell| assert_eq!(unsafe { *cell }, 1));
                    }
                    qsbr.offline(0);
                }
            }
        });
        writer.unbind(&key(1, 64)).unwrap();
        // SAFETY: as above, and no other writer.
        let prepare = |_| watched.with_mut(|cell| unsafe { *cell = 2 });
        let early = writer.bind(key(2, 64), to(2), prepare).is_ok();
        reader.join().unwrap();
        assert!(early || writer.bind(key(2, 64), to(2), |_| ()).is_ok());
    });
}

#[test]
fn a_tunnel_is_the_one_that_was_asked_for_or_none() {
    check(|| {
        let qsbr = Arc::new(Qsbr::new(1));
        let mut writer =
            TunnelsWriter::new(1, Seed::new(1), Storage::Heap, Arc::clone(&qsbr)).unwrap();
        writer.add(tunnel(1)).unwrap();
        let table = Arc::clone(writer.table());
        let reader = thread::spawn(move || {
            qsbr.online(0);
            for n in [1, 2] {
                let pair = OuterPair {
                    domain: Domain(0),
                    local: prefix(0),
                    remote: prefix(n),
                };
                if let Some(tunnel) = table.between(&pair).and_then(|id| table.get(id)) {
                    assert_eq!((tunnel.local(), tunnel.remote()), (prefix(0), prefix(n)));
                }
                qsbr.quiescent(0);
            }
            qsbr.offline(0);
        });
        writer.remove(TunnelId(0));
        let early = writer.add(tunnel(2)).is_ok();
        reader.join().unwrap();
        assert!(early || writer.add(tunnel(2)).is_ok());
    });
}
