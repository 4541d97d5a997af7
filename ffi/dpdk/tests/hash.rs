//! DPDK's hash table under one writer and a reader.

use dpdk::{Eal, EalConfig, HashKey, BULK};

fn key(n: u32) -> HashKey {
    let mut key = [0x20; 16];
    key[4..8].copy_from_slice(&n.to_be_bytes());
    key
}

#[test]
fn a_hash_table_finds_what_was_put_in_and_nothing_else() {
    let eal = Eal::init(EalConfig {
        name: "test-hash".to_owned(),
        memory_mb: 64,
        ..EalConfig::default()
    })
    .expect("the environment starts");
    let (mut writer, reader) = dpdk::hash(&eal, 1000).expect("the memory holds it");
    let (mut other, _) = dpdk::hash(&eal, 64).expect("the memory holds it");
    for n in 0..800 {
        writer.insert(&key(n), n as usize + 5).expect("has room");
    }
    let mut values = [0; BULK];
    let keys: Vec<HashKey> = (768..832).map(key).collect();
    assert_eq!(reader.lookup(&keys, &mut values), u64::from(u32::MAX));
    assert!((773..).zip(&values).take(32).all(|(n, value)| n == *value));
    assert_eq!(reader.lookup(&[], &mut values), 0);

    // Another value for a key that is there, and a key that goes and comes back.
    writer.insert(&key(0), 9).expect("is there already");
    let removed = writer.remove(&key(1)).expect("it was there");
    assert!(writer.remove(&key(1)).is_none());
    assert_eq!(reader.lookup(&[key(0), key(1)], &mut values), 0b01);
    assert_eq!(values[0], 9);
    writer.release(removed);
    let removed = writer.remove(&key(2)).expect("it was there");
    // Another table has no such place of this one's.
    other.release(removed);
    writer.insert(&key(1), 11).expect("has room again");
    assert_eq!(reader.lookup(&[key(1)], &mut values), 1);
    assert_eq!(values[0], 11);

    // A table that is full says so, and still has all that it had.
    let refused = (1000..9000).find_map(|n| writer.insert(&key(n), 1).err());
    let sentence = refused.expect("it is not endless").to_string();
    assert!(sentence.contains("1000 entries"), "{sentence}");
    assert_eq!(reader.lookup(&keys[..32], &mut values), u64::from(u32::MAX));

    drop((writer, reader, other));
    eal.shutdown(Vec::new(), Vec::new())
        .expect("nothing is held");
}
