use super::*;
use crate::config::Ipv6Prefix;
use parking_lot::{Condvar, Mutex};
use proptest::prelude::*;
use roles::effect::{Encapsulation, Learned};
use roles::event::HostLink;
use roles::lma::BindingKind;
use roles::mag::VisitorAddress;
use roles::policy::Profile;
use roles::store::{BindingRecord, VisitorRecord};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use wire::ether::MacAddr;
use wire::mh::{AccessTechnology, HandoffIndicator, HomeNetworkPrefix, MnIdentifier, NtpTime};

fn place(directory: &Path) -> Place {
    Place {
        path: directory.join("state/lma.redb"),
        durability: Durability::Process,
        role: "lma",
        address: "2001:db8:c::1".parse().unwrap(),
        interfaces: vec!["core".to_owned(), "access".to_owned()],
    }
}

fn prefix(number: u64) -> HomeNetworkPrefix {
    let parsed: Ipv6Prefix = format!("2001:db8:1:{:x}::/64", number & 0xffff)
        .parse()
        .unwrap();
    HomeNetworkPrefix {
        prefix: parsed.prefix,
        length: parsed.length,
    }
}

fn binding(session: u64, sequence: u16) -> Record {
    Record::Binding(BindingRecord {
        kind: BindingKind::Proxy,
        session,
        mn_identifier: MnIdentifier::Nai(format!("{session}@example.net")),
        delegated: Vec::new(),
        home_addresses: Vec::new(),
        ipv4_home_address: Some([10, 1, 0, 7].into()),
        domain: (session % 3 == 0).then(|| "red".parse().unwrap()),
        prefixes: vec![prefix(session)],
        care_of: "2001:db8:c::11".parse().unwrap(),
        encapsulation: Encapsulation::Udp,
        link_layer: Some(vec![2, 0, 0, 0, 0, 255]),
        access_technology: AccessTechnology::ETHERNET,
        handoff: HandoffIndicator::UNKNOWN,
        attached: true,
        link_local: "fe80::1".parse().unwrap(),
        sequence,
        timestamp: Some(NtpTime(u64::MAX - 5)),
        pending: sequence % 2 == 1,
        ends: Duration::new(1_800_000_000, 123_456_789),
    })
}

fn visitor(interface: u16, host: u8) -> Record {
    Record::Visitor(VisitorRecord {
        link: HostLink {
            interface,
            mac: MacAddr([2, 0, 0, 0, 0, host]),
        },
        link_local: None,
        addresses: vec![VisitorAddress {
            address: "2001:db8:1::7".parse().unwrap(),
            learned: Learned::Dad,
        }],
        dhcp_server: Some("2001:db8:c::53".parse().unwrap()),
        ipv4: None,
        encapsulation: Encapsulation::Plain,
        profile: Profile {
            mn_identifier: MnIdentifier::Nai(format!("{host}@example.net")),
            ipv6: true,
            lma: "2001:db8:c::1".parse().unwrap(),
            home_network_prefixes: Vec::new(),
            managed: true,
            other: false,
            ipv4_home_address: None,
            service_selection: None,
            domain: None,
            learn_addresses: true,
            simultaneous: false,
            mobility: true,
        },
        prefixes: vec![prefix(host.into())],
        delegated: Vec::new(),
        sequence: 9,
        refresh: Duration::from_secs(1_700_000_000),
        ends: Duration::from_secs(1_700_000_300),
    })
}

fn all(store: &mut dyn Store) -> BTreeMap<Key, Record> {
    let mut found = BTreeMap::new();
    let loaded = store.load(&mut |chunk| {
        found.extend(chunk.into_iter().map(|record| (record.key(), record)));
    });
    loaded.unwrap_or_else(|error| panic!("{error}"));
    found
}

#[test]
fn what_is_committed_is_there_again_and_every_start_is_counted() {
    let directory = TempDir::new().unwrap();
    let place = place(directory.path());
    let records = [binding(1, 0), binding(u64::MAX, 3), visitor(1, 7)];
    for start in 0..3 {
        let mut store = Embedded::open(place.clone()).unwrap();
        assert_eq!(store.restarts(), start);
        let expected = if start == 0 { &records[..0] } else { &records };
        let found: Vec<_> = all(&mut store).into_values().collect();
        assert_eq!(found, expected);
        let changes = records.clone().map(Change::Put);
        store.commit(&changes).unwrap();
        assert_eq!(store.size().records, 3);
        assert!(store.size().octets > 0);
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.path), 0o600);
    assert_eq!(mode(place.path.parent().unwrap()), 0o700);
}

#[test]
fn the_restart_counter_grows_with_each_start_that_may_have_lost_sessions() {
    let directory = TempDir::new().unwrap();
    let place = place(directory.path());
    let start = |place: &Place| {
        let mut store = Embedded::open(place.clone()).unwrap();
        store.commit(&[Change::Put(visitor(1, 1))]).unwrap();
        store.restart_counter()
    };
    let lost = |value| RestartCounter { value, lost: true };
    let kept = |value| RestartCounter { value, lost: false };
    // A new store follows one that is lost, or none: the counter of either was a time.
    let first = start(&place);
    assert!(first.lost && first.value > 1_700_000_000);
    let first = first.value;
    assert_eq!(start(&place), kept(first));
    assert_eq!(start(&place), kept(first));
    // A visitor is lost with its interface.
    let mut without = place.clone();
    without.interfaces.pop();
    assert_eq!(start(&without), lost(first + 1));
    assert_eq!(start(&without), kept(first + 1));
    // The machine has started anew: what it had not written is gone, where no commit waits for that.
    let reboot = || {
        let database = redb::Database::open(&place.path).unwrap();
        let transaction = database.begin_write().unwrap();
        let table: redb::TableDefinition<'_, &str, &[u8]> = redb::TableDefinition::new("meta");
        let mut meta = transaction.open_table(table).unwrap();
        meta.insert("boot", b"another".as_slice()).unwrap();
        drop(meta);
        transaction.commit().unwrap();
    };
    reboot();
    assert_eq!(start(&without), lost(first + 2));
    without.durability = Durability::PowerLoss;
    reboot();
    assert_eq!(start(&without), kept(first + 2));
}

#[test]
fn a_store_that_others_can_read_is_not_used() {
    let directory = TempDir::new().unwrap();
    let place = place(directory.path());
    drop(Embedded::open(place.clone()).unwrap());
    fs::set_permissions(&place.path, PermissionsExt::from_mode(0o640)).unwrap();
    let error = Embedded::open(place.clone()).unwrap_err().to_string();
    assert!(
        error.contains("mode 640") && error.contains("chmod 600"),
        "{error}"
    );
    fs::set_permissions(&place.path, PermissionsExt::from_mode(0o600)).unwrap();
    let parent = place.path.parent().unwrap();
    fs::set_permissions(parent, PermissionsExt::from_mode(0o750)).unwrap();
    let error = Embedded::open(place.clone()).unwrap_err().to_string();
    assert!(
        error.contains("mode 750") && error.contains("chmod 700"),
        "{error}"
    );
}

#[test]
fn a_store_in_use_a_link_and_a_directory_are_told_from_one_that_is_broken() {
    let directory = TempDir::new().unwrap();
    let place = place(directory.path());
    let store = Embedded::open(place.clone()).unwrap();
    let error = Embedded::open(place.clone()).unwrap_err();
    assert!(matches!(error, StoreError::InUse(_)), "{error}");
    drop(store);
    let moved = place.path.with_extension("moved");
    fs::rename(&place.path, &moved).unwrap();
    std::os::unix::fs::symlink(&moved, &place.path).unwrap();
    let error = Embedded::open(place.clone()).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
}

/// Damage is told, with what to do, and the file stays as it is.
#[test]
fn a_damaged_file_is_refused_and_left_alone() {
    let directory = TempDir::new().unwrap();
    let place = place(directory.path());
    let mut store = Embedded::open(place.clone()).unwrap();
    let changes: Vec<_> = (0..2_000).map(|it| Change::Put(binding(it, 0))).collect();
    store.commit(&changes).unwrap();
    drop(store);
    let whole = fs::read(&place.path).unwrap();
    let mut refused = 0;
    let mut harmless = 0;
    for at in (0..whole.len()).step_by(whole.len() / 41) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x5a;
        fs::write(&place.path, &damaged).unwrap();
        match Embedded::open(place.clone()) {
            // Where nothing is kept.
            Ok(mut store) => {
                assert_eq!(all(&mut store).len(), 2_000);
                harmless += 1;
            }
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains("move it away"), "{text}");
                refused += 1;
            }
        }
    }
    assert!(refused > 5, "{refused} of {}", refused + harmless);
    for foreign in [
        &b"[gateway]\nname = \"lma\"\n"[..],
        &[0; 8192],
        &whole[..5000],
    ] {
        fs::write(&place.path, foreign).unwrap();
        let error = Embedded::open(place.clone()).unwrap_err().to_string();
        assert!(error.contains("move it away"), "{error}");
        assert_eq!(fs::read(&place.path).unwrap(), foreign);
    }
}

#[test]
fn the_store_of_another_gateway_is_refused_unless_it_is_empty() {
    let directory = TempDir::new().unwrap();
    let place = place(directory.path());
    drop(Embedded::open(place.clone()).unwrap());
    let other = Place {
        role: "mag",
        ..place.clone()
    };
    let mut store = Embedded::open(other.clone()).unwrap();
    store.commit(&[Change::Put(visitor(0, 1))]).unwrap();
    drop(store);
    let error = Embedded::open(place.clone()).unwrap_err().to_string();
    assert!(
        error.contains("mag 2001:db8:c::1") && error.contains("lma 2001:db8:c::1"),
        "{error}"
    );
    let moved = Place {
        address: "2001:db8:c::2".parse().unwrap(),
        ..other.clone()
    };
    assert!(matches!(
        Embedded::open(moved),
        Err(StoreError::Foreign { .. })
    ));
    assert_eq!(all(&mut Embedded::open(other).unwrap()).len(), 1);
}

#[test]
fn visitors_follow_their_interfaces_to_other_places_in_the_configuration() {
    let directory = TempDir::new().unwrap();
    let mut place = Place {
        role: "mag",
        ..place(directory.path())
    };
    place.interfaces = ["core", "one", "two"].map(str::to_owned).to_vec();
    let mut store = Embedded::open(place.clone()).unwrap();
    let changes = [visitor(1, 1), visitor(2, 1), visitor(2, 2)].map(Change::Put);
    store.commit(&changes).unwrap();
    drop(store);
    place.interfaces = ["two", "core"].map(str::to_owned).to_vec();
    let mut store = Embedded::open(place).unwrap();
    let found: Vec<_> = all(&mut store).into_values().collect();
    assert_eq!(found, [visitor(0, 1), visitor(0, 2)]);
}

/// Bindings and visitors that the first schema wrote are read, and what takes their place has the form of this one.
#[test]
fn a_store_of_the_first_schema_is_read() {
    let directory = TempDir::new().unwrap();
    let place = place(directory.path());
    drop(Embedded::open(place.clone()).unwrap());
    let database = redb::Database::open(&place.path).unwrap();
    let transaction = database.begin_write().unwrap();
    let table: redb::TableDefinition<'_, &str, &[u8]> = redb::TableDefinition::new("meta");
    let mut meta = transaction.open_table(table).unwrap();
    meta.insert("schema", 1_u64.to_be_bytes().as_slice())
        .unwrap();
    drop(meta);
    let table: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("records");
    let mut records = transaction.open_table(table).unwrap();
    for session in [7_u64, 8] {
        let key = [&[0][..], &session.to_be_bytes()].concat();
        let written = rmp_serde::to_vec_named(&binding(session, 3)).unwrap();
        records.insert(key.as_slice(), written.as_slice()).unwrap();
    }
    let key = [1, 0, 1, 2, 0, 0, 0, 0, 5];
    let written = rmp_serde::to_vec_named(&visitor(1, 5)).unwrap();
    let put = records.insert(key.as_slice(), written.as_slice());
    drop(put.unwrap());
    drop(records);
    transaction.commit().unwrap();
    drop(database);
    for expected in [binding(7, 3), binding(7, 4)] {
        let mut store = Embedded::open(place.clone()).unwrap();
        let found: Vec<_> = all(&mut store).into_values().collect();
        assert_eq!(found, [expected, binding(8, 3), visitor(1, 5)]);
        let changes = [binding(7, 4), visitor(1, 5)].map(Change::Put);
        store.commit(&changes).unwrap();
    }
}

/// What may happen to a store.
#[derive(Clone, Debug)]
enum Act {
    Put(u8, u16),
    Remove(u8),
    Commit,
    /// The process is killed: what it has written stays, nothing is closed.
    Crash,
    /// It ends in order.
    Close,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (any::<u8>(), any::<u16>()).prop_map(|(key, value)| Act::Put(key, value)),
        3 => any::<u8>().prop_map(Act::Remove),
        2 => Just(Act::Commit),
        1 => Just(Act::Crash),
        1 => Just(Act::Close),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever is put, removed and committed, and however it ends: what is there again is what was
    /// committed last.
    #[test]
    fn a_store_is_a_map_that_survives(acts in proptest::collection::vec(act(), 1..120)) {
        let directory = TempDir::new().unwrap();
        let mut place = place(directory.path());
        let mut store = Embedded::open(place.clone()).unwrap();
        let (mut committed, mut model) = (BTreeMap::new(), BTreeMap::new());
        let (mut changes, mut starts) = (Vec::new(), 0);
        for act in acts {
            match act {
                Act::Put(key, value) => {
                    let record = binding(key.into(), value);
                    model.insert(record.key(), record.clone());
                    changes.push(Change::Put(record));
                }
                Act::Remove(key) => {
                    let key = Key::Binding { session: key.into() };
                    model.remove(&key);
                    changes.push(Change::Remove(key));
                }
                Act::Commit => {
                    store.commit(&changes).unwrap();
                    changes.clear();
                    committed = model.clone();
                }
                Act::Crash | Act::Close => {
                    starts += 1;
                    let crashed = matches!(act, Act::Crash);
                    let next = directory.path().join(format!("state/{starts}.redb"));
                    if crashed {
                        fs::copy(&place.path, &next).unwrap();
                    }
                    drop(store);
                    if crashed {
                        place.path = next;
                    }
                    store = Embedded::open(place.clone()).unwrap();
                    prop_assert_eq!(store.restarts(), starts);
                    changes.clear();
                    model = committed.clone();
                }
            }
            prop_assert_eq!(&all(&mut store), &committed);
            prop_assert_eq!(store.size().records, committed.len() as u64);
        }
    }
}

/// A store that commits when it is let to.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<Inside>, Condvar)>);

#[derive(Default)]
struct Inside {
    open: bool,
    broken: bool,
    commits: Vec<usize>,
}

impl Gate {
    fn set(&self, open: bool, broken: bool) {
        let mut inside = self.0 .0.lock();
        (inside.open, inside.broken) = (open, broken);
        self.0 .1.notify_all();
    }

    fn commits(&self) -> Vec<usize> {
        self.0 .0.lock().commits.clone()
    }
}

impl Store for Gate {
    fn load(&mut self, each: &mut dyn FnMut(Vec<Record>)) -> Result<(), StoreError> {
        each(vec![binding(1, 0)]);
        each(vec![binding(2, 0)]);
        Ok(())
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let mut inside = self.0 .0.lock();
        while !inside.open {
            self.0 .1.wait(&mut inside);
        }
        if inside.broken {
            return Err(StoreError::Record("broken".to_owned()));
        }
        inside.commits.push(changes.len());
        Ok(())
    }

    fn size(&self) -> Size {
        Size::default()
    }

    fn restarts(&self) -> u32 {
        7
    }

    fn restart_counter(&self) -> RestartCounter {
        RestartCounter {
            value: 8,
            lost: false,
        }
    }
}

fn keeper(gate: &Gate) -> Keeper {
    let store: Box<dyn Store> = Box::new(gate.clone());
    let opening = Keeper::begin(|| Ok(store), Durability::Process, None);
    opening.unwrap().wait().unwrap()
}

fn wait_for(keeper: &Keeper, is: impl Fn(&Keeper) -> bool) {
    let start = std::time::Instant::now();
    while !is(keeper) {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "{:?}",
            keeper.state()
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_waits_while_a_commit_is_under_way_is_committed_together() {
    let gate = Gate::default();
    let mut keeper = keeper(&gate);
    assert_eq!(keeper.restarts(), 7);
    assert_eq!(keeper.next_records().unwrap(), Some(vec![binding(1, 0)]));
    assert_eq!(keeper.next_records().unwrap(), Some(vec![binding(2, 0)]));
    assert_eq!(keeper.next_records().unwrap(), None);
    assert_eq!(keeper.put(Change::Put(binding(3, 0))), 1);
    keeper.flush();
    // It may be under way by now or not: both is fine, what is put from here on waits.
    for number in 2..=1_000 {
        assert_eq!(keeper.put(Change::Put(binding(number, 0))), number);
        keeper.flush();
    }
    assert_eq!((keeper.committed(), keeper.state().waiting), (0, 1_000));
    gate.set(true, false);
    wait_for(&keeper, |it| it.committed() == 1_000);
    assert!(gate.commits().len() <= 2, "{:?}", gate.commits());
    assert_eq!(gate.commits().iter().sum::<usize>(), 1_000);
}

#[test]
fn a_commit_that_fails_is_tried_again_and_told() {
    let gate = Gate::default();
    gate.set(true, true);
    let mut keeper = keeper(&gate);
    keeper.put(Change::Put(binding(3, 0)));
    keeper.flush();
    wait_for(&keeper, |it| it.state().failing.is_some());
    assert_eq!(keeper.committed(), 0);
    gate.set(true, false);
    wait_for(&keeper, |it| it.committed() == 1);
    let state = keeper.state();
    assert!(state.failing.is_none() && state.failures > 0, "{state:?}");
}

#[test]
fn as_much_waits_as_may_and_what_waits_at_the_end_is_kept() {
    let gate = Gate::default();
    let mut keeper = keeper(&gate);
    for _ in 0..super::keeper::WAITING {
        assert!(!keeper.is_full());
        keeper.put(Change::Remove(Key::Binding { session: 1 }));
    }
    assert!(keeper.is_full());
    gate.set(true, false);
    drop(keeper);
    assert_eq!(gate.commits().iter().sum::<usize>(), super::keeper::WAITING);
}
