//! What the binding table promises about its size, and what happens at its edges.
#![cfg(not(loom))]

use dataplane::counters::{BindingTotals, Direction, Traffic};
use dataplane::key::{BindingId, BindingKey, Domain, Forwarding, TunnelId};
use dataplane::mem::Storage;
use dataplane::table::{Full, Probe};
use dataplane::tables::{Capacity, Options, Tables, Writer, MOST_BINDINGS};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

fn tables(bindings: usize, workers: usize, seed: u64) -> (Writer, Arc<Tables>) {
    let capacity = Capacity {
        bindings,
        tunnels: 4,
        adjacencies: 4,
    };
    let storage = if bindings > 100_000 {
        Storage::Mapping
    } else {
        Storage::Heap
    };
    let seed = Some(seed);
    Tables::with(Options {
        capacity,
        workers,
        storage,
        seed,
    })
    .unwrap()
}

fn key(n: u32) -> BindingKey {
    let prefix = IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(n) << 64));
    BindingKey {
        domain: Domain(0),
        prefix,
        length: 64,
    }
}

fn to(n: u32) -> Forwarding {
    Forwarding::Anchor {
        tunnel: TunnelId(n & 0xff_ffff),
    }
}

/// Looks up the keys from `first` on, at a host of each.
fn found(tables: &Arc<Tables>, keys: &[BindingKey]) -> Vec<Option<Forwarding>> {
    let mut reader = tables.reader(0);
    reader.online();
    let host = |key: &BindingKey| match key.prefix {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() | 0x1234)),
        v4 => v4,
    };
    let probe = |key: &BindingKey| Probe::new(key.domain, host(key));
    let probes: Vec<Probe> = keys.iter().map(probe).collect();
    let mut found = vec![None; probes.len()];
    reader.lookup(&probes, &mut found);
    found
        .iter()
        .map(|found| found.map(|found| found.forwarding()))
        .collect()
}

fn fill_and_check(capacity: usize, seed: u64) {
    let (mut writer, tables) = tables(capacity, 1, seed);
    assert_eq!(writer.bindings_guaranteed(), capacity);
    let all = capacity as u32;
    for n in 0..all {
        assert!(
            writer.bind(key(n), to(n)).is_ok(),
            "binding {n} of {capacity}"
        );
    }
    assert_eq!(writer.bindings_len(), capacity);
    for n in all..all + 10 {
        assert_eq!(writer.bind(key(n), to(n)), Err(Full::Capacity));
        assert_eq!(writer.binding(&key(n)), None);
    }
    // A move needs no room.
    assert!(writer.bind(key(0), Forwarding::Pending).is_ok());
    let keys: Vec<BindingKey> = (0..all + 10).map(key).collect();
    for (n, found) in (0..).zip(found(&tables, &keys)) {
        let expected = match n {
            0 => Some(Forwarding::Pending),
            n if n < all => Some(to(n)),
            _ => None,
        };
        assert_eq!(found, expected, "binding {n} of {capacity}");
    }
    // The load stays at the top while what is in the table changes.
    let churn = all.min(100_000);
    for n in 0..churn {
        assert!(writer.unbind(&key(n)).is_some());
        assert!(writer.bind(key(all + n), to(all + n)).is_ok());
    }
    let keys: Vec<BindingKey> = (0..all + churn).map(key).collect();
    for (n, found) in (0..).zip(found(&tables, &keys)) {
        assert_eq!(
            found,
            (n >= churn).then(|| to(n)),
            "binding {n} of {capacity}"
        );
    }
}

#[test]
fn every_binding_fits_up_to_the_capacity() {
    for capacity in [1, 2, 3, 7, 8, 9, 16, 17, 31, 64, 100, 1000, 4096, 65_536] {
        for seed in 0..8 {
            fill_and_check(capacity, seed);
        }
    }
}

#[test]
fn a_large_table_holds_what_it_was_made_for() {
    for capacity in [100_000, 1_000_000] {
        fill_and_check(capacity, 1);
    }
}

#[test]
#[ignore = "long: fills the largest table"]
fn the_largest_table_holds_what_it_was_made_for() {
    fill_and_check(MOST_BINDINGS, 1);
}

#[test]
fn a_size_out_of_range_is_refused_in_words() {
    for (bindings, tunnels, adjacencies) in
        [(0, 1, 1), (1, 0, 1), (1, 1, 0), (MOST_BINDINGS + 1, 1, 1)]
    {
        let capacity = Capacity {
            bindings,
            tunnels,
            adjacencies,
        };
        let Err(error) = Tables::new(capacity, 1) else {
            panic!("{capacity:?} was taken");
        };
        assert!(error.to_string().contains("asked for"), "{error}");
    }
}

#[test]
fn a_stalled_worker_is_named_and_its_table_refuses_before_it_reuses() {
    let (mut writer, tables) = tables(8, 2, 3);
    let (mut idle, mut busy) = (tables.reader(0), tables.reader(1));
    idle.online();
    busy.online();
    assert_eq!(writer.stalled(), None);
    // Spare entries for 64 removals, then the table waits for the workers.
    let mut refused = None;
    for n in 0..100 {
        idle.quiescent();
        match writer.bind(key(n), to(n)) {
            Ok(_) => assert!(writer.unbind(&key(n)).is_some()),
            Err(full) => {
                refused = Some((n, full));
                break;
            }
        }
    }
    assert_eq!(refused, Some((72, Full::Reclaiming)));
    idle.quiescent();
    assert_eq!(writer.stalled(), Some(1));
    assert_eq!(writer.bindings_len(), 0);
    assert_eq!(writer.binding(&key(72)), None);
    assert_eq!(writer.reclaim(), 72);
    // Half a remedy is none: only the stalled worker's word counts.
    idle.quiescent();
    assert_eq!(writer.bind(key(72), to(72)), Err(Full::Reclaiming));
    busy.quiescent();
    idle.quiescent();
    assert_eq!(writer.reclaim(), 0);
    assert_eq!(writer.stalled(), None);
    assert!(writer.bind(key(72), to(72)).is_ok());
    // A worker that sleeps holds nothing back.
    busy.offline();
    idle.offline();
    assert!(writer.unbind(&key(72)).is_some());
    assert_eq!(writer.reclaim(), 0);
}

#[test]
fn a_table_that_was_held_back_is_itself_again_without_help() {
    let (mut writer, tables) = tables(1000, 1, 6);
    let mut worker = tables.reader(0);
    for round in 0..3 {
        worker.online();
        let (mut n, mut refused) = (0, 0);
        // The worker stalls: what was removed cannot be used again, and no more than there is waits.
        while refused < 10 {
            match writer.bind(key(n), to(n)) {
                Ok(_) => assert!(writer.unbind(&key(n)).is_some()),
                Err(full) => {
                    assert_eq!(full, Full::Reclaiming, "round {round}");
                    assert_eq!(writer.stalled(), Some(0));
                    refused += 1;
                }
            }
            n += 1;
            assert!(n < 3000, "the list of what waits has no bound");
        }
        // It goes on: the next binding finds room by itself, and so do as many as there may be.
        worker.quiescent();
        worker.offline();
        for n in 0..1000 {
            assert!(
                writer.bind(key(n), to(n)).is_ok(),
                "round {round}, binding {n}"
            );
        }
        assert_eq!(writer.bind(key(1000), to(1000)), Err(Full::Capacity));
        for n in 0..1000 {
            assert!(writer.unbind(&key(n)).is_some());
        }
    }
}

#[test]
fn counters_belong_to_a_binding_and_not_to_its_entry() {
    let (mut writer, tables) = tables(1, 2, 4);
    let readers = [tables.reader(0), tables.reader(1)];
    let id = writer.bind(key(1), to(1)).unwrap();
    for (reader, now) in readers.iter().zip([5, 9]) {
        reader.count_binding(id, Direction::Up, 100, now);
        reader.count_binding(id, Direction::Down, 1000, now - 1);
        reader.count_binding(id, Direction::Down, 1000, now - 1);
    }
    let expected = BindingTotals {
        up: Traffic {
            packets: 2,
            bytes: 200,
        },
        down: Traffic {
            packets: 4,
            bytes: 4000,
        },
        last_seen: Some(9),
    };
    assert_eq!(writer.totals(id), expected);
    // A move keeps them.
    assert_eq!(writer.bind(key(1), to(2)), Ok(id));
    let mut swept = Vec::new();
    while !writer.sweep(1, |id, key, totals| swept.push((id, key, totals))) {}
    assert_eq!(swept, [(id, key(1), expected)]);
    assert_eq!(writer.unbind(&key(1)), Some(expected));
    assert_eq!(writer.unbind(&key(1)), None);
    assert_eq!(writer.totals(id), BindingTotals::default());
    // All 65 entries come round: whoever gets one starts at nothing.
    for n in 2..200 {
        let id = writer.bind(key(n), to(n)).unwrap();
        assert_eq!(writer.totals(id), BindingTotals::default());
        readers[0].count_binding(id, Direction::Up, 1, 1);
        let totals = writer.unbind(&key(n)).unwrap();
        assert_eq!((totals.up.packets, totals.down.packets), (1, 0));
    }
}

#[test]
fn a_sweep_sees_every_binding_once_and_is_bounded() {
    let (mut writer, _tables) = tables(1000, 1, 5);
    for n in 0..1000 {
        writer.bind(key(n), to(n)).unwrap();
    }
    for n in (0..1000).step_by(3) {
        writer.unbind(&key(n));
    }
    for _ in 0..2 {
        let (mut seen, mut calls) = (Vec::new(), 0);
        loop {
            let before = seen.len();
            let ended = writer.sweep(64, |id: BindingId, key, _| seen.push((id, key)));
            assert!(seen.len() - before <= 64);
            calls += 1;
            if ended {
                break;
            }
        }
        assert_eq!(calls, 1000usize.div_ceil(64));
        let expected: Vec<_> = writer.bindings().map(|(id, key, _)| (id, key)).collect();
        assert_eq!(seen, expected);
        assert_eq!(seen.len(), 666);
    }
}
