//! Golden cases: tables and frames in, frames and counts out.
//!
//! ```text
//!   golden/lma.toml           tables that several cases share
//!   golden/encap/case.toml    what the case shows, which tables it uses, what happens afterwards
//!   golden/encap/in0.pcap     what port 0 receives (likewise for other ports)
//!   golden/encap/out1.pcap    what port 1 sends
//!   golden/encap/counts.json  verdicts, punted frames, neighbours asked for, bytes per binding
//! ```
//!
//! The inputs are written by `make.py` with scapy, so that they do not share our idea of a packet. A
//! case knows nothing of how ports are made: [`play`] drives any [`RxTx`] until it is dry. This file is
//! a module that tests of other packages may include by its path.

// Every test that includes this file uses a part of it.
#![allow(dead_code)]

mod tables;

use dataplane::key::*;
use dataplane::rings::{self, ControlRings, Message};
use dataplane::worker::{Idle, PuntRate, PuntRates, Rate, Worker, WorkerConfig};
use packet::RxTx;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tables::full_route;
pub use tables::{Gateway, TablesFile};
use wire::ether::MacAddr;

/// One case.
pub struct Case {
    pub name: String,
    pub directory: PathBuf,
    pub tables: TablesFile,
    tables_name: String,
    pub then: Vec<Then>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    /// What the case shows, for readers.
    about: String,
    tables: String,
    #[serde(default)]
    then: Vec<Then>,
}

/// What happens when the ports have run dry.
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Then {
    /// A neighbour is resolved.
    Resolve {
        interface: String,
        address: IpAddr,
        mac: MacAddr,
    },
    /// So much time passes.
    Seconds(u64),
}

/// What came of a case beside frames.
#[derive(Serialize, Deserialize, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    pub received: u64,
    pub born: BTreeMap<String, u64>,
    pub verdicts: BTreeMap<String, u64>,
    /// Octets from and to each prefix that had any.
    pub bindings: BTreeMap<String, [u64; 2]>,
    /// Reason, interface and frame of what control was shown.
    pub punted: Vec<String>,
    /// Neighbours that control was asked for.
    pub wanted: Vec<String>,
}

/// Directory of the cases.
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"))
}

/// All cases under `root`, by name.
pub fn all(root: &Path) -> Vec<Case> {
    let entries = std::fs::read_dir(root).expect("the directory of the cases");
    let mut cases: Vec<Case> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.join("case.toml").is_file())
        .map(|directory| Case::load(root, directory))
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(!cases.is_empty(), "no cases under {}", root.display());
    cases
}

impl Case {
    fn load(root: &Path, directory: PathBuf) -> Self {
        let file: CaseFile = read_toml(&directory.join("case.toml"));
        let tables = read_toml(&root.join(format!("{}.toml", file.tables)));
        let name = directory
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        Self {
            name,
            directory,
            tables,
            tables_name: file.tables,
            then: file.then,
        }
    }

    /// Whether it uses the tables of this name.
    pub fn shares(&self, tables: &str) -> bool {
        self.tables_name == tables
    }

    /// Where the frames that `port` receives are.
    pub fn input(&self, port: u16) -> PathBuf {
        self.directory.join(format!("in{port}.pcap"))
    }

    /// Where the frames that `port` sends are.
    pub fn output(&self, port: u16) -> PathBuf {
        self.directory.join(format!("out{port}.pcap"))
    }

    /// Where the counts are.
    pub fn counts(&self) -> PathBuf {
        self.directory.join("counts.json")
    }

    /// Makes the tables.
    pub fn gateway(&self) -> Gateway {
        self.tables.make()
    }
}

fn read_toml<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A worker's configuration under which no rate limit shows.
pub fn unlimited() -> WorkerConfig {
    let rate = Rate::new(1_000_000_000, 1_000_000);
    WorkerConfig {
        idle: Idle::Busy,
        icmp_rate: rate,
        icmp_source_rate: rate,
        punt_rates: PuntRates::all(PuntRate {
            source: rate,
            total: rate,
        }),
        hold_time: Duration::from_secs(3),
        fragment_seed: 0,
    }
}

/// Runs a worker over `io` until it is dry, then does what the case wants done, and lets `dry` look at
/// the queues. Returns what was counted.
pub fn play<T: RxTx>(case: &Case, io: T, then: &[Then], dry: impl FnOnce(&mut T)) -> Counts {
    let mut gateway = case.gateway();
    let (mut control, mut ends) = rings::channel(1).expect("rings");
    let mut worker = Worker::new(0, &gateway.tables, ends.remove(0), io, &unlimited());
    let mut counts = Counts::default();
    let mut now = Duration::from_secs(1);
    let mut run = |now, worker: &mut Worker<T>, counts: &mut Counts| {
        while worker.poll_at(now) > 0 {
            collect(&mut control, &gateway.topology, counts);
        }
        collect(&mut control, &gateway.topology, counts);
    };
    run(now, &mut worker, &mut counts);
    for step in then {
        match step {
            Then::Seconds(seconds) => now += Duration::from_secs(*seconds),
            Then::Resolve {
                interface,
                address,
                mac,
            } => {
                let interface = case.tables.interface_id(interface);
                let spec = AdjacencySpec {
                    interface,
                    mac: *mac,
                };
                let id = gateway.writer.add_adjacency(spec).expect("room");
                let mut topology = gateway.topology.clone();
                for route in &mut topology.routes {
                    let by_router = matches!(route.next_hop,
                        NextHop::Unresolved { router, .. } if router == *address);
                    if by_router {
                        route.next_hop = NextHop::Adjacency(id);
                    }
                }
                topology.routes.push(full_route(*address, id));
                gateway.writer.publish(topology);
                // The pass that has a new topology announced is the one before it is used.
                worker.poll_at(now);
            }
        }
        run(now, &mut worker, &mut counts);
    }
    worker.drain();
    dry(worker.io_mut());
    gateway.count(&mut counts);
    counts
}

fn collect(control: &mut ControlRings, topology: &Topology, counts: &mut Counts) {
    let name = |id: InterfaceId| &topology.interfaces[usize::from(id.0)].name;
    control.poll(|_, message| match message {
        Message::Punted(punted) => {
            let octets: String = punted
                .frame
                .iter()
                .map(|octet| format!("{octet:02x}"))
                .collect();
            let interface = name(punted.interface);
            counts
                .punted
                .push(format!("{} {interface} {octets}", punted.reason.name()));
        }
        Message::NeighbourWanted { interface, address } => {
            counts
                .wanted
                .push(format!("{} {address}", name(*interface)));
        }
    });
}

impl Gateway {
    /// Adds what was counted to what was seen.
    pub fn count(&mut self, counts: &mut Counts) {
        let totals = self.tables.verdict_totals();
        assert_eq!(
            totals.begun(),
            totals.ended(),
            "every packet has one verdict"
        );
        counts.received = totals.received;
        let born = totals.born().filter(|(_, n)| *n > 0);
        counts.born = born.map(|(born, n)| (born.reason(), n)).collect();
        let verdicts = totals.iter().filter(|(_, n)| *n > 0);
        let name = |verdict: dataplane::verdict::Verdict| {
            format!("{} {}", verdict.kind(), verdict.reason())
        };
        counts.verdicts = verdicts.map(|(verdict, n)| (name(verdict), n)).collect();
        for (prefix, id) in &self.bindings {
            let totals = self.writer.totals(*id);
            if totals.last_seen.is_some() {
                let octets = [totals.up.bytes, totals.down.bytes];
                counts.bindings.insert(prefix.clone(), octets);
            }
        }
        counts.punted.sort();
        counts.wanted.sort();
    }
}

const PCAP: [u8; 24] = {
    let mut header = [0; 24];
    // Little endian, microseconds, version 2.4, snap length 65535, Ethernet.
    let fields = [
        0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1,
    ];
    let mut at = 0;
    while at < fields.len() {
        header[at] = fields[at];
        at += 1;
    }
    header
};

/// How a pcap file with times in nanoseconds begins, which DPDK's capture ports write.
const NANOSECONDS: [u8; 4] = [0x4d, 0x3c, 0xb2, 0xa1];

/// The frames of a pcap file; none when there is no file.
pub fn read_pcap(path: &Path) -> Vec<Vec<u8>> {
    let Ok(bytes) = std::fs::read(path) else {
        return Vec::new();
    };
    assert!(
        [&PCAP[..4], &NANOSECONDS].contains(&&bytes[..4]),
        "{}: not a little-endian pcap",
        path.display()
    );
    let mut rest = &bytes[24..];
    let mut frames = Vec::new();
    while let Some(header) = rest.first_chunk::<16>() {
        let length = u32::from_le_bytes(header[8..12].try_into().expect("four octets")) as usize;
        frames.push(rest[16..16 + length].to_vec());
        rest = &rest[16 + length..];
    }
    frames
}

/// Writes frames to a pcap file, or removes it when there is none.
pub fn write_pcap(path: &Path, frames: &[Vec<u8>]) {
    if frames.is_empty() {
        let _ = std::fs::remove_file(path);
        return;
    }
    let mut bytes = PCAP.to_vec();
    for frame in frames {
        let length = (frame.len() as u32).to_le_bytes();
        bytes.extend([0; 8]);
        bytes.extend(length);
        bytes.extend(length);
        bytes.extend(frame);
    }
    std::fs::write(path, bytes).expect("the pcap file");
}
