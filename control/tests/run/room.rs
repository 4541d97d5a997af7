//! A gateway whose configuration has less room than its store has records.

use control::config::{Config, Machine};
use control::store::{Change, Durability, Embedded, Keeper, Place, Store};
use control::{run, ControlSocket, Error, Params, PortStats};
use dataplane::rings;
use dataplane::tables::{Capacity, Tables};
use roles::store::{AnchorRecord, Record, SessionRecord};
use std::net::Ipv6Addr;
use std::path::Path;
use wire::mh::{AccessTechnology, HandoffIndicator, HomeNetworkPrefix, MnIdentifier};

const DATABASE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 0x2c);
const MAAR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 0x21);

/// The configuration of a database that has room for so many prefixes.
fn configuration(directory: &Path, capacity: usize) -> Config {
    let text = format!(
        "[gateway]\nname = \"cmd\"\nsocket = \"control.sock\"\n\
         [store]\npath = \"state/cmd.redb\"\n\
         [cmd]\naddress = \"{DATABASE}\"\ncapacity = {capacity}\n\
         [[cmd.maar]]\naddress = \"{MAAR}\"\npools = [\"2001:db8:2100::/40\"]\n"
    );
    let file = directory.join("cmd.toml");
    std::fs::write(&file, text).expect("the configuration is written");
    Config::load_for(&file, &Machine::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn session(number: u64) -> Record {
    let prefix = 0x2001_0db8_2100_u128 << 80 | u128::from(number) << 64;
    Record::Session(SessionRecord {
        session: number,
        mn_identifier: MnIdentifier::Nai(format!("mn{number}@example.net")),
        serving: Some(MAAR),
        anchors: vec![AnchorRecord {
            address: MAAR,
            prefixes: vec![HomeNetworkPrefix {
                prefix: prefix.into(),
                length: 64,
            }],
            leaving: Vec::new(),
            told: Some(MAAR),
            attributes: Vec::new(),
            revoked: None,
        }],
        pending: false,
        link_layer: None,
        access_technology: AccessTechnology::ETHERNET,
        handoff: HandoffIndicator::NEW_INTERFACE,
        sequence: 1,
        timestamp: None,
        granted: 900,
    })
}

fn store(config: &Config) -> Embedded {
    let path = config.store.as_ref().and_then(|it| it.path.clone());
    let place = Place {
        path: path.expect("a path"),
        durability: Durability::Process,
        role: "cmd",
        address: DATABASE,
        interfaces: Vec::new(),
    };
    Embedded::open(place).expect("a store")
}

/// It does not start, says what to raise, and what it has acknowledged is all there afterwards.
#[test]
fn a_gateway_without_room_for_what_it_has_acknowledged_does_not_start() {
    let folder = tempfile::tempdir().expect("a directory");
    let config = configuration(folder.path(), 3);
    let sessions: Vec<_> = (1..=5).map(|it| Change::Put(session(it))).collect();
    store(&config).commit(&sessions).expect("they are kept");
    let nothing = Capacity {
        bindings: 1,
        tunnels: 1,
        adjacencies: 1,
    };
    let (writer, _tables) = Tables::new(nothing, 0).expect("tables");
    let (rings, _) = rings::channel(0).expect("rings");
    let opening = Keeper::open(&config, None).expect("a thread");
    let params = Params {
        kernel: None,
        store: Some(opening.expect("a store").wait().expect("it opens")),
        socket: ControlSocket::claim(&folder.path().join("control.sock"), None).expect("a socket"),
        config_path: folder.path().join("cmd.toml"),
        config: configuration(folder.path(), 3),
        record: None,
        writer,
        rings,
        ports: Vec::new(),
        read_port: Box::new(|_| PortStats::default()),
        workers: Vec::new(),
        dpdk_version: "none".to_owned(),
        cycles_per_second: None,
        ready: None,
    };
    let error = run(params).expect_err("there is room for three");
    assert!(matches!(
        error,
        Error::NoRoom {
            lacking: 2,
            records: 5,
            ..
        }
    ));
    let said = error.to_string();
    assert!(said.starts_with("2 of the 5 records in "), "{said}");
    assert!(said.contains("raise capacity = 3 in [cmd]"), "{said}");
    let mut left = 0;
    let kept = store(&config).load(&mut |chunk| left += chunk.len());
    kept.expect("it is whole");
    assert_eq!(left, 5);
}
