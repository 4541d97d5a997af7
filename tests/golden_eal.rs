//! The golden cases of the data plane once more, over capture-file ports in a real DPDK environment:
//! what the path makes of plain memory it makes of mbufs.

#[path = "../dataplane/tests/golden/case.rs"]
mod case;

use case::{play, read_pcap, Case, Counts};
use dpdk::{Collector, Eal, EalConfig, Mbuf, Port, PortConfig, WorkerIo};
use packet::{Burst, PortId, RxTx, MAX_BURST};
use std::collections::VecDeque;
use std::path::Path;

/// Octets of a capture file's header: a file that holds no frames.
const EMPTY_CAPTURE: usize = 24;

/// Packets that come at once: one, a few, half a burst, and nearly a whole one. The cases are played in bursts of
/// every size without ports; here each size is a start of every port anew.
const SIZES: [usize; 4] = [1, 3, 32, MAX_BURST - 1];

/// A worker's queues that hand out what they receive in bursts of one size.
struct Bursts {
    io: WorkerIo,
    waiting: Vec<VecDeque<Mbuf>>,
    size: usize,
}

impl RxTx for Bursts {
    type Buf = Mbuf;
    type Fragments = Collector;

    fn ports(&self) -> u16 {
        self.io.ports()
    }

    fn rx(&mut self, port: PortId, burst: &mut Burst<Mbuf>) -> usize {
        let waiting = &mut self.waiting[usize::from(port.0)];
        if waiting.is_empty() {
            let mut all = Burst::new();
            self.io.rx(port, &mut all);
            waiting.extend(all);
        }
        let count = waiting.len().min(self.size);
        burst.extend(waiting.drain(..count));
        count
    }

    fn tx(&mut self, port: PortId, burst: &mut Burst<Mbuf>) -> usize {
        self.io.tx(port, burst)
    }

    fn alloc(&mut self) -> Option<Mbuf> {
        self.io.alloc()
    }

    fn fragments(&mut self) -> &mut Collector {
        self.io.fragments()
    }

    fn free(&mut self, burst: &mut Burst<Mbuf>) {
        self.io.free(burst);
    }
}

/// Opens a capture-file port for each port of the case: `in` of the case, `out` in `directory`.
fn open(eal: &Eal, case: &Case, directory: &Path, size: usize) -> Vec<Port> {
    let empty = directory.join("empty.pcap");
    let ports = (0..case.tables.ports).map(|port| {
        let input = Some(case.input(port)).filter(|input| input.is_file());
        let input = input.unwrap_or_else(|| {
            // Its header alone, from a case that has an input.
            let some = (0..case.tables.ports).map(|port| case.input(port));
            let some = some.into_iter().find(|input| input.is_file());
            let bytes = std::fs::read(some.expect("a case receives something")).expect("a capture");
            std::fs::write(&empty, &bytes[..EMPTY_CAPTURE]).expect("temporary file");
            empty.clone()
        });
        let output = directory.join(format!("out{port}.pcap"));
        let device = format!(
            "net_pcap{port},rx_pcap={},tx_pcap={}",
            input.display(),
            output.display()
        );
        let name = format!("{} {port} {size}", case.name);
        let config = PortConfig {
            mbufs: Some(1023),
            // Every case's packets in one piece.
            mtu: Some(4000),
            ..PortConfig::new(name, device)
        };
        Port::attach(eal, config).expect("a capture-file port opens")
    });
    ports.collect()
}

fn run(eal: &Eal, case: &Case, size: usize) -> (Vec<Vec<Vec<u8>>>, Counts) {
    let directory = tempfile::tempdir().expect("temporary directory");
    let mut ports = open(eal, case, directory.path(), size);
    let queues = ports.iter_mut().map(|port| port.take_queues().remove(0));
    let queues: Vec<_> = queues.collect();
    let io = Bursts {
        waiting: queues.iter().map(|_| VecDeque::new()).collect(),
        io: WorkerIo::new(queues, ports[0].pool().clone()).expect("memory for fragments"),
        size,
    };
    let counts = play(case, io, &case.then, |_| {});
    for port in ports {
        let pool = port.close().expect("no queue is held");
        assert_eq!(pool.in_use(), 0, "{}: every mbuf is given back", case.name);
    }
    let sent = (0..case.tables.ports).map(|port| {
        let mut frames = read_pcap(&directory.path().join(format!("out{port}.pcap")));
        frames.sort();
        frames
    });
    (sent.collect(), counts)
}

/// Proves S1-15, S1-16, S1-42, S1-43, S1-44, S1-45.
#[test]
fn golden_cases_over_capture_ports() {
    let eal = Eal::init(EalConfig {
        name: format!("test-golden-{}", std::process::id()),
        memory_mb: 128,
        ..EalConfig::default()
    })
    .expect("the environment starts");
    let root = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/dataplane/tests/golden"
    ));
    for case in case::all(root) {
        let expected: Vec<_> = (0..case.tables.ports)
            .map(|port| read_pcap(&case.output(port)))
            .collect();
        let text = std::fs::read_to_string(case.counts()).expect("the case has its counts");
        let counts: Counts = serde_json::from_str(&text).expect("counts");
        for size in SIZES {
            let (sent, counted) = run(&eal, &case, size);
            assert_eq!(sent, expected, "{}: in bursts of {size}", case.name);
            assert_eq!(counted, counts, "{}: in bursts of {size}", case.name);
        }
    }
    let leaks = eal.shutdown(Vec::new(), Vec::new());
    assert_eq!(leaks.expect("nothing is held").mbufs_in_use(), 0);
}
