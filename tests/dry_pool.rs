//! A pool that runs dry under load, in a real DPDK environment: what cannot be had is counted, nothing
//! is lost, and when buffers come back all goes as before, by itself.

#[path = "../dataplane/tests/golden/case.rs"]
mod case;

use case::{all, unlimited};
use dataplane::key::InterfaceId;
use dataplane::rings::{self, Inject};
use dataplane::verdict::{Drop, Forward, Verdict};
use dataplane::worker::Worker;
use dpdk::{Eal, EalConfig, Mbuf, Pool, PoolConfig, Port, PortConfig, PortShare, WorkerIo};
use packet::{Burst, RxTx};
use std::path::Path;
use std::time::Duration;

/// Buffers: fewer than the ring that they leave by has places.
const BUFFERS: u32 = 511;

/// Passes without a packet after which nothing will come.
const PATIENCE: usize = 100;

const NOW: Duration = Duration::from_secs(1);

#[test]
fn a_pool_that_runs_dry_recovers_by_itself() {
    let eal = Eal::init(EalConfig {
        name: format!("test-dry-{}", std::process::id()),
        memory_mb: 64,
        ..EalConfig::default()
    })
    .expect("the environment starts");
    let root = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/dataplane/tests/golden"
    ));
    let cases = all(root);
    let case = cases.iter().find(|case| case.name == "encap");
    let case = case.expect("the case");
    let gateway = case.gateway();
    let pool = PoolConfig {
        mbufs: BUFFERS,
        ..PoolConfig::default()
    };
    let pool = Pool::new(&eal, pool).expect("the memory holds it");
    let attach = |name: &str, device: String| {
        let pool = pool.clone();
        let port = Port::attach_with(&eal, PortConfig::new(name, device), |_| vec![pool]);
        port.expect("it opens")
    };
    // It replays the case for ever, as fast as buffers can be had.
    let source = format!(
        "net_pcap0,rx_pcap={},infinite_rx=1",
        case.input(0).display()
    );
    let mut source = attach("source", source);
    let mut sink = attach("sink", "net_ring0".to_owned());
    let (source_rx, source_tx) = source.take_ends();
    let (mut sink_rx, sink_tx) = sink.take_ends();
    let shares = vec![
        PortShare::new(source_rx, source_tx.into_iter().next(), source.link()),
        PortShare::new(Vec::new(), sink_tx.into_iter().next(), sink.link()),
    ];
    let io = WorkerIo::with(shares, pool.clone()).expect("it fits");
    assert_eq!(io.ports(), 2);
    let (mut control, mut ends) = rings::channel(1).expect("rings");
    let mut worker = Worker::new(0, &gateway.tables, ends.remove(0), io, &unlimited());
    let tables = gateway.tables.clone();
    let count = |verdict| tables.verdict_totals().of(verdict);
    let frame = [0; 60];
    let inject = Inject::Frame {
        interface: InterfaceId(1),
        data: &frame,
    };

    let mut sent = Vec::new();
    for round in 1..=4_u64 {
        let before = count(Verdict::Forward(Forward::Encapsulated));
        let mut empty = 0;
        while empty < PATIENCE {
            empty = match worker.poll_at(NOW) {
                0 => empty + 1,
                _ => 0,
            };
        }
        sent.push(count(Verdict::Forward(Forward::Encapsulated)) - before);
        // What is left is less than a burst. Without it, control's frame finds no buffer.
        let rest: Vec<Mbuf> = std::iter::from_fn(|| pool.alloc()).collect();
        assert_eq!(pool.in_use(), BUFFERS, "the pool is dry");
        control.inject(0, inject).expect("room");
        worker.poll_at(NOW);
        assert_eq!(count(Verdict::Drop(Drop::NoBuffer)), round);
        drop(rest);
        let totals = tables.verdict_totals();
        assert_eq!(
            totals.begun(),
            totals.ended(),
            "every packet has one verdict"
        );
        // Somebody takes what was sent, and the buffers are back.
        let mut burst = Burst::<Mbuf>::new();
        for queue in &mut sink_rx {
            while queue.rx(&mut burst) > 0 {
                burst.clear();
            }
        }
    }
    assert!(sent[0] > 100, "{sent:?}");
    assert!(
        sent.iter().all(|it| it * 2 > sent[0]),
        "as much every time: {sent:?}"
    );
    control.inject(0, inject).expect("room");
    worker.poll_at(NOW);
    assert_eq!(count(Verdict::Drop(Drop::NoBuffer)), 4, "now there is one");
    assert!(gateway.writer.stalled().is_none());
    drop((worker, sink_rx));
    let leaks = eal.shutdown(vec![source, sink], vec![pool]);
    assert_eq!(leaks.expect("nothing is held").mbufs_in_use(), 0);
}
