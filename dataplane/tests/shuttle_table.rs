//! Random orders of workers' reads and control's writes, in tables of real buckets that are nearly
//! full, so that records are displaced in chains all the time.
//!
//! Run with `RUSTFLAGS="--cfg shuttle" cargo test -p dataplane --test shuttle_table --release`. Loom
//! (`loom_table.rs`) tries every order where there are few; here there are two workers, a burst of
//! keys in each lookup, and hundreds of updates.
#![cfg(shuttle)]

use dataplane::key::{AdjacencyId, BindingKey, Domain, Forwarding, TunnelId};
use dataplane::mem::Storage;
use dataplane::qsbr::Qsbr;
use dataplane::table::hash::Seed;
use dataplane::table::{Bindings, BindingsWriter, Full, Probe, Sizes};
use shuttle::rand::{thread_rng, Rng};
use shuttle::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use shuttle::thread;
use std::net::Ipv6Addr;
use std::sync::atomic::AtomicU64;
use std::sync::Arc;

/// Buckets of ten slots.
const BUCKETS: usize = 5;
/// Bindings that there may be: 96 % of the slots.
const CAPACITY: usize = 48;
/// Keys that are never taken out, and all keys that there may be.
const ALWAYS: u32 = 32;
const KEYS: u32 = 64;
/// Entries that may wait for the workers.
const SPARE: usize = 4;

fn key(n: u32) -> BindingKey {
    let prefix = Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(n) << 64);
    BindingKey {
        domain: Domain(0),
        prefix: prefix.into(),
        length: 64,
    }
}

/// A forwarding that tells its key and how often it was moved.
fn to(n: u32, version: u32) -> Forwarding {
    Forwarding::Access {
        tunnel: TunnelId(version),
        host: AdjacencyId(version << 8 | n),
    }
}

/// What a test looks at beside the tables.
struct World {
    table: Arc<Bindings>,
    qsbr: Arc<Qsbr>,
    /// Key whose binding an entry was given to last.
    owners: Vec<AtomicU32>,
    stop: AtomicBool,
}

/// Displacements over all runs: a test in which nothing moved would say nothing.
static DISPLACED: AtomicU64 = AtomicU64::new(0);

fn read(world: &World, worker: usize, bursts: usize) {
    let mut versions = [0; ALWAYS as usize];
    world.qsbr.online(worker);
    for burst in 0..bursts {
        if world.stop.load(Ordering::Relaxed) {
            break;
        }
        let wanted: [u32; 8] = std::array::from_fn(|_| thread_rng().gen_range(0..KEYS));
        let probes = wanted.map(|n| Probe::new(Domain(0), key(n).prefix));
        let mut found = [None; 8];
        world.table.lookup(&probes, &mut found);
        for (n, found) in wanted.into_iter().zip(found) {
            let Some(found) = found else {
                assert!(n >= ALWAYS, "{n} is always there and was not found");
                continue;
            };
            let Forwarding::Access { tunnel, host } = found.forwarding() else {
                panic!("{n}: {found:?}");
            };
            assert_eq!(host.0, tunnel.0 << 8 | n, "a mixture: {found:?}");
            // The entry is nobody else's until this worker is quiescent.
            let owner = world.owners[found.id.0 as usize].load(Ordering::Relaxed);
            assert_eq!(owner, n, "the entry came back early");
            if let Some(version) = versions.get_mut(n as usize) {
                assert!(*version <= tunnel.0, "{n} went back");
                *version = tunnel.0;
            }
        }
        if burst % 4 == 3 {
            world.qsbr.offline(worker);
            world.qsbr.online(worker);
        } else {
            world.qsbr.quiescent(worker);
        }
    }
    world.qsbr.offline(worker);
}

fn write(world: &World, writer: &mut BindingsWriter, updates: u32) {
    for update in 1..=updates {
        let n = thread_rng().gen_range(0..KEYS);
        let is_bound = writer.get(&key(n)).is_some();
        if n >= ALWAYS && is_bound {
            assert!(writer.unbind(&key(n)).is_some());
            continue;
        }
        let own = |record: u32| world.owners[record as usize].store(n, Ordering::Relaxed);
        match writer.bind(key(n), to(n, update), own) {
            Ok(_) => {}
            Err(Full::Capacity) => assert!(!is_bound, "a move needs no room"),
            Err(Full::Reclaiming) => {
                assert!(!is_bound, "a move needs no room");
                world.qsbr.advance();
                writer.reclaim();
            }
        }
    }
}

/// One run: two workers read bursts while control updates.
fn run() {
    let qsbr = Arc::new(Qsbr::new(2));
    let sizes = Sizes {
        capacity: CAPACITY,
        spare: SPARE,
        buckets: BUCKETS,
    };
    let seed = Seed::new(thread_rng().gen());
    let mut writer = BindingsWriter::new(sizes, seed, Storage::Heap, Arc::clone(&qsbr)).unwrap();
    let owners = (0..CAPACITY + SPARE).map(|_| AtomicU32::new(0)).collect();
    let world = Arc::new(World {
        table: Arc::clone(writer.table()),
        qsbr,
        owners,
        stop: AtomicBool::new(false),
    });
    for n in 0..CAPACITY as u32 {
        let own = |record: u32| world.owners[record as usize].store(n, Ordering::Relaxed);
        let bound = writer.bind(key(n), to(n, 0), own);
        if n < ALWAYS && bound.is_err() {
            // Five buckets cannot take every crowd: another seed does.
            return;
        }
    }
    let before = world.table.displacements();
    let readers = [0, 1].map(|worker| {
        let world = Arc::clone(&world);
        thread::spawn(move || read(&world, worker, 12))
    });
    write(&world, &mut writer, 60);
    world.stop.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.join().unwrap();
    }
    world.qsbr.advance();
    assert_eq!(writer.reclaim(), 0, "with the workers gone nothing waits");
    let displaced = world.table.displacements() - before;
    DISPLACED.fetch_add(displaced, std::sync::atomic::Ordering::Relaxed);
}

#[test]
fn no_order_misleads_a_worker() {
    shuttle::check_random(run, 2000);
    let displaced = DISPLACED.load(std::sync::atomic::Ordering::Relaxed);
    assert!(displaced > 1000, "only {displaced} records were displaced");
}

#[test]
fn no_order_with_few_changes_of_thread_misleads_a_worker() {
    shuttle::check_pct(run, 1000, 3);
}
