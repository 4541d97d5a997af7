//! The binding table against a `HashMap` that is searched bit by bit.
#![cfg(not(loom))]

use dataplane::key::{AdjacencyId, BindingKey, Domain, Forwarding, TunnelId};
use dataplane::mem::Storage;
use dataplane::table::{Full, Probe};
use dataplane::tables::{Capacity, Options, Tables};
use proptest::prelude::*;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Prefix lengths that are used most, at the edges of what is stored.
const IPV6_LENGTHS: [u8; 8] = [0, 1, 48, 63, 64, 65, 127, 128];
const IPV4_LENGTHS: [u8; 4] = [0, 24, 31, 32];

/// Few enough prefixes, nested and of both families, that operations meet.
fn key() -> impl Strategy<Value = BindingKey> {
    let lengths6 = prop_oneof![3 => prop::sample::select(&IPV6_LENGTHS), 1 => 0u8..=128];
    let ipv6 = (lengths6, 0u128..6, 0u128..3).prop_map(|(length, high, low)| {
        let bits = (0x2001 << 112 | high << 64 | low) & mask(length);
        (IpAddr::V6(Ipv6Addr::from_bits(bits)), length)
    });
    let lengths4 = prop_oneof![3 => prop::sample::select(&IPV4_LENGTHS), 1 => 0u8..=32];
    let ipv4 = (lengths4, 0u32..6).prop_map(|(length, host)| {
        let bits = (0xc000_0200 | host) & (mask(length) >> 96) as u32;
        (IpAddr::V4(Ipv4Addr::from_bits(bits)), length)
    });
    (prop_oneof![3 => ipv6, 1 => ipv4], 0u16..2).prop_map(|((prefix, length), domain)| BindingKey {
        domain: Domain(domain),
        prefix,
        length,
    })
}

fn mask(length: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
}

fn forwarding() -> impl Strategy<Value = Forwarding> {
    (0u32..1 << 24, 0u32..1 << 28, 0..4).prop_map(|(tunnel, host, kind)| {
        let (tunnel, host) = (TunnelId(tunnel), AdjacencyId(host));
        match kind {
            0 => Forwarding::Anchor { tunnel },
            1 => Forwarding::Access { tunnel, host },
            2 => Forwarding::Local { host },
            _ => Forwarding::Pending,
        }
    })
}

#[derive(Clone, Debug)]
enum Operation {
    Bind(BindingKey, Forwarding),
    Prefetch(Vec<BindingKey>),
    Unbind(BindingKey),
    Lookup(Vec<BindingKey>),
    Reclaim,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => (key(), forwarding()).prop_map(|(key, forwarding)| Operation::Bind(key, forwarding)),
        1 => prop::collection::vec(key(), 0..130).prop_map(Operation::Prefetch),
        2 => key().prop_map(Operation::Unbind),
        2 => prop::collection::vec(key(), 0..130).prop_map(Operation::Lookup),
        1 => Just(Operation::Reclaim),
    ]
}

/// The longest binding of the model that covers the prefix of `host`, taken as an address.
fn covering(model: &HashMap<BindingKey, Forwarding>, host: &BindingKey) -> Option<Forwarding> {
    let longest = if host.prefix.is_ipv4() { 32 } else { 128 };
    (0..=longest).rev().find_map(|length| {
        let prefix = match host.prefix {
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & mask(length)).into(),
            IpAddr::V4(v4) => {
                Ipv4Addr::from_bits(v4.to_bits() & (mask(length) >> 96) as u32).into()
            }
        };
        let domain = host.domain;
        model
            .get(&BindingKey {
                domain,
                prefix,
                length,
            })
            .copied()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_table_does_what_a_map_does(
        operations in prop::collection::vec(operation(), 1..120),
        capacity in 1usize..40,
        seed: u64,
    ) {
        let capacity = Capacity { bindings: capacity, tunnels: 1, adjacencies: 1 };
        let options = Options { capacity, workers: 1, storage: Storage::Heap, seed: Some(seed) };
        let (mut writer, tables) = Tables::with(options).unwrap();
        let mut reader = tables.reader(0);
        reader.online();
        let mut model = HashMap::new();
        for operation in operations {
            match operation {
                Operation::Bind(key, forwarding) => match writer.bind(key, forwarding) {
                    Ok(id) => {
                        model.insert(key, forwarding);
                        prop_assert_eq!(writer.binding(&key), Some((id, forwarding)));
                        prop_assert_eq!(writer.binding_at(id), Some((key, forwarding)));
                    }
                    Err(full) => {
                        prop_assert_eq!(full, Full::Capacity);
                        prop_assert_eq!(model.len(), writer.bindings_guaranteed());
                        prop_assert!(!model.contains_key(&key));
                        prop_assert_eq!(writer.binding(&key), None);
                    }
                },
                Operation::Prefetch(keys) => writer.prefetch(&keys),
                Operation::Unbind(key) => {
                    let was = model.remove(&key);
                    prop_assert_eq!(writer.unbind(&key).is_some(), was.is_some());
                    prop_assert_eq!(writer.binding(&key), None);
                }
                Operation::Lookup(keys) => {
                    let probe = |key: &BindingKey| Probe::new(key.domain, key.prefix);
                    let probes: Vec<Probe> = keys.iter().map(probe).collect();
                    let mut found = vec![None; probes.len()];
                    reader.lookup(&probes, &mut found);
                    for (key, found) in keys.iter().zip(found) {
                        let expected = covering(&model, key);
                        prop_assert_eq!(found.map(|found| found.forwarding()), expected);
                    }
                }
                Operation::Reclaim => {
                    writer.reclaim();
                    reader.quiescent();
                    prop_assert_eq!(writer.reclaim(), 0);
                }
            }
            prop_assert_eq!(writer.bindings_len(), model.len());
        }
        let mut all: Vec<_> = writer.bindings().map(|(_, key, to)| (key, to)).collect();
        let mut expected: Vec<_> = model.into_iter().collect();
        all.sort_by_key(|(key, _)| *key);
        expected.sort_by_key(|(key, _)| *key);
        prop_assert_eq!(all, expected);
    }
}
