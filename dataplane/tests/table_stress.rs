//! Readers at full speed while the writer binds, moves, unbinds and displaces.
//!
//! Every answer is checked: a forwarding names the key that it belongs to and, in each of its parts, the move that
//! made it, so that parts of two moves would show; a reader that has seen a move of a key never
//! sees an earlier one; a key that is always bound is always found, and one that was never bound never is.
#![cfg(not(loom))]

use dataplane::counters::Direction;
use dataplane::key::{
    AdjacencyId, BindingKey, Domain, Forwarding, NextHop, Route, Topology, TunnelId,
};
use dataplane::mem::Storage;
use dataplane::table::{Full, Probe};
use dataplane::tables::{Capacity, Options, Reader, Tables, Writer};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};

/// Keys in the table, of which the first part is never taken out.
const CAPACITY: u32 = 4096;
const ALWAYS: u32 = 1024;
/// Keys that the writer uses; those above are never bound.
const KEYS: u32 = 3 * CAPACITY;
const OPERATIONS: u32 = 400_000;
/// The most keys that a reader asks for at once.
const IN_BURST: u64 = 64;

fn key(n: u32) -> BindingKey {
    let prefix = Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(n) << 64);
    BindingKey {
        domain: Domain(0),
        prefix: IpAddr::V6(prefix),
        length: 64,
    }
}

/// Bits of a key's number, and above them those of its version.
const NUMBER_BITS: u32 = 14;
const VERSIONS: u32 = 1 << 10;

/// A forwarding that tells its key, and in both parts its version, which grows with every binding and
/// move of the key.
fn to(n: u32, version: u32) -> Forwarding {
    assert!(n < 1 << NUMBER_BITS && version < VERSIONS);
    Forwarding::Access {
        tunnel: TunnelId(version << NUMBER_BITS | n),
        host: AdjacencyId(version << NUMBER_BITS | n),
    }
}

/// Key and version of such a forwarding.
fn told(forwarding: Forwarding) -> (u32, u32) {
    let Forwarding::Access { tunnel, host } = forwarding else {
        panic!("{forwarding:?}");
    };
    assert_eq!(tunnel.0, host.0, "parts of two moves");
    let number = tunnel.0 & ((1 << NUMBER_BITS) - 1);
    (number, tunnel.0 >> NUMBER_BITS)
}

/// A small generator of numbers (xorshift), so that a run can be told by its seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (((self.0 >> 32) * u64::from(end)) >> 32) as u32
    }
}

fn write(mut writer: Writer) -> Writer {
    let mut numbers = Numbers(7);
    let mut refused = 0;
    let mut versions = vec![0; KEYS as usize];
    for operation in 0..OPERATIONS {
        let n = numbers.below(KEYS);
        let bound = writer.binding(&key(n)).is_some();
        if !bound || n < ALWAYS || numbers.below(4) == 0 {
            let version = &mut versions[n as usize];
            *version += 1;
            match writer.bind(key(n), to(n, *version)) {
                Ok(_) => {}
                Err(Full::Capacity) => {
                    assert_eq!(writer.bindings_len(), CAPACITY as usize);
                    refused += 1;
                }
                Err(Full::Reclaiming) => {
                    assert!(writer.stalled().is_some() || writer.reclaim() < CAPACITY as usize);
                    std::thread::yield_now();
                }
            }
        } else {
            let up = writer.unbind(&key(n)).unwrap().up;
            // Workers count on while this is read, octets first: a burst of each may stand between
            // the two numbers, but never what another key counted.
            let by_bytes = up.bytes.checked_div(u64::from(n));
            let between = by_bytes.map_or(0, |packets| packets.abs_diff(up.packets));
            assert_eq!(up.bytes, by_bytes.unwrap_or(0) * u64::from(n));
            assert!(between <= 3 * IN_BURST, "{n}: {up:?}");
        }
        if operation % 1000 == 0 {
            let next_hop = NextHop::Adjacency(AdjacencyId(operation));
            let domain = Domain(0);
            let prefix = Ipv6Addr::UNSPECIFIED.into();
            let route = Route {
                domain,
                prefix,
                length: 0,
                next_hop,
            };
            writer.publish(Topology {
                routes: vec![route],
                ..Topology::default()
            });
            writer.reclaim();
        }
    }
    assert!(refused > 0, "the table was never full");
    writer
}

fn read(mut reader: Reader, seed: u64, stop: &AtomicBool) -> [u64; 3] {
    let mut numbers = Numbers(seed);
    let [mut hits, mut misses, mut bursts] = [0u64; 3];
    let mut seen = vec![0; KEYS as usize];
    reader.online();
    while bursts < 100 || !stop.load(Ordering::Relaxed) {
        let size = 1 + numbers.below(IN_BURST as u32) as usize;
        let wanted: Vec<u32> = (0..size).map(|_| numbers.below(KEYS + 100)).collect();
        let probe = |n: &u32| Probe::new(Domain(0), key(*n).prefix);
        let probes: Vec<Probe> = wanted.iter().map(probe).collect();
        let mut found = vec![None; size];
        reader.lookup(&probes, &mut found);
        for (n, found) in wanted.into_iter().zip(found) {
            match found {
                Some(found) => {
                    let (number, version) = told(found.forwarding());
                    assert_eq!(number, n, "{found:?}");
                    assert!(n < KEYS);
                    let last = std::mem::replace(&mut seen[n as usize], version);
                    assert!(version >= last, "{n}: {version} after {last}");
                    reader.count_binding(found.id, Direction::Up, u64::from(n), 1);
                    hits += 1;
                }
                None => {
                    assert!(n >= ALWAYS, "{n} is always bound and was not found");
                    misses += 1;
                }
            }
        }
        assert!(reader.fib().route(Domain(0), Ipv6Addr::LOCALHOST).is_some());
        bursts += 1;
        if bursts % 1000 == 0 {
            reader.offline();
            reader.online();
        } else {
            reader.quiescent();
        }
    }
    reader.offline();
    [hits, misses, bursts]
}

#[test]
fn no_reader_is_ever_misled() {
    let capacity = Capacity {
        bindings: CAPACITY as usize,
        tunnels: 1,
        adjacencies: 1,
    };
    let storage = Storage::Heap;
    let options = Options {
        capacity,
        workers: 3,
        storage,
        seed: Some(11),
    };
    let (mut writer, tables) = Tables::with(options).unwrap();
    for n in 0..CAPACITY {
        writer.bind(key(n), to(n, 0)).unwrap();
    }
    let route = Route {
        domain: Domain(0),
        prefix: Ipv6Addr::UNSPECIFIED.into(),
        length: 0,
        next_hop: NextHop::Blackhole,
    };
    writer.publish(Topology {
        routes: vec![route],
        ..Topology::default()
    });
    let stop = AtomicBool::new(false);
    let mut writer = std::thread::scope(|scope| {
        let read = |worker| {
            let (reader, stop) = (tables.reader(worker), &stop);
            scope.spawn(move || read(reader, worker as u64 + 1, stop))
        };
        let readers: Vec<_> = (0..3).map(read).collect();
        let writer = scope.spawn(move || write(writer)).join();
        stop.store(true, Ordering::Relaxed);
        for reader in readers {
            let counts = reader.join().unwrap();
            assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
        }
        writer.unwrap()
    });
    assert_eq!(writer.reclaim(), 0);
    assert_eq!(writer.stalled(), None);
    let displaced = tables.displacements();
    assert!(displaced > 0, "no record was displaced");
}
