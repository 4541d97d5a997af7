//! Two workers that hand packets to each other, over plain memory: every packet is accounted for, every
//! flow stays in order, and a worker that falls behind costs its own packets only.

#[path = "golden/case.rs"]
mod case;

use case::{all, read_pcap, root, unlimited, Gateway};
use dataplane::handoff::{self, PortPlan, RING_PACKETS};
use dataplane::rings;
use dataplane::verdict::{Drop, Forward, Verdict};
use dataplane::worker::Worker;
use packet::memory::{Pool, Ports};
use packet::PortId;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const START: Duration = Duration::from_secs(1);
const WORKERS: usize = 2;

/// What came in on port 0 goes out by port 1.
const IN: PortId = PortId(0);
const OUT: PortId = PortId(1);

/// Where the source's last octet, the numbers and the end of a frame are.
const SOURCE_END: usize = 14 + 8 + 15;

/// Two workers, their tables and their pool.
struct Crew {
    gateway: Gateway,
    workers: Vec<Worker<Ports>>,
    pool: Pool,
}

impl Crew {
    /// The tables of an anchor; ports as `plan` says, which has as many as the tables know.
    fn new(spread: bool, senders: &[usize], buffers: usize) -> Self {
        let cases = all(&root());
        let case = cases.iter().find(|case| case.shares("lma"));
        let case = case.expect("a case");
        let gateway = case.tables.make_for(WORKERS);
        let pool = Pool::new(buffers, 2048);
        let plan = PortPlan {
            spread,
            senders: senders.to_vec(),
        };
        let plans = vec![plan; usize::from(case.tables.ports)];
        let (_control, rings) = rings::channel_with(WORKERS, 64).expect("rings");
        let ends = handoff::channel(WORKERS, &plans);
        let workers = rings.into_iter().zip(ends).enumerate();
        let workers = workers.map(|(index, (rings, ends))| {
            let io = Ports::new(case.tables.ports, pool.clone());
            let tables = &gateway.tables;
            Worker::joined(index, tables, rings, io, ends, &unlimited())
        });
        Self {
            workers: workers.collect(),
            pool,
            gateway,
        }
    }

    /// Has worker 0 receive `count` packets of so many flows, each with its flow and number.
    fn receive(&mut self, flows: u8, count: u32) {
        let encap = root().join("encap/in0.pcap");
        let frame = read_pcap(&encap).swap_remove(0);
        for number in 0..count {
            let flow = (number % u32::from(flows)) as u8;
            let mut frame = frame.clone();
            frame[SOURCE_END] = flow;
            let end = frame.len() - 4;
            frame[end..].copy_from_slice(&number.to_be_bytes());
            let io = self.workers[0].io_mut();
            assert!(io.receive(IN, &frame), "room for the frame");
        }
    }

    /// Polls one worker until it is dry.
    fn dry(&mut self, worker: usize) {
        while self.workers[worker].poll_at(START) > 0 {}
    }

    /// What each worker has sent on the way out since the last look: flow and number of each.
    fn sent(&mut self) -> Vec<Vec<(u8, u32)>> {
        let told = |frame: Vec<u8>| {
            let number = frame.last_chunk().expect("a number");
            (frame[40 + SOURCE_END], u32::from_be_bytes(*number))
        };
        let of = |worker: &mut Worker<Ports>| worker.io_mut().take_sent(OUT);
        let frames = self.workers.iter_mut().map(of);
        frames
            .map(|frames| frames.into_iter().map(told).collect())
            .collect()
    }

    fn count(&self, verdict: Verdict) -> u64 {
        self.gateway.tables.verdict_totals().of(verdict)
    }

    /// One pass each, in turn, as two cores would, until nobody finds anything.
    fn in_turn(&mut self) {
        loop {
            let found = self.workers.iter_mut().map(|it| it.poll_at(START));
            if found.sum::<usize>() == 0 {
                return;
            }
        }
    }

    /// All that was received has one end, over all workers, and no buffer is out.
    fn balances(&self, received: u64) {
        let totals = self.gateway.tables.verdict_totals();
        assert_eq!(totals.received, received);
        assert_eq!(totals.begun(), totals.ended());
        let rx = self.gateway.tables.port_totals(IN).rx;
        assert_eq!(rx.packets, received);
        assert_eq!(self.pool.in_use(), 0);
    }
}

/// Each flow's numbers go up, and no flow is with two workers.
fn in_order(sent: &[Vec<(u8, u32)>]) {
    let mut last = BTreeMap::new();
    for (worker, packets) in sent.iter().enumerate() {
        for (flow, number) in packets {
            let before = last.insert(*flow, (worker, *number));
            if let Some((other, before)) = before {
                assert_eq!(other, worker, "flow {flow}");
                assert!(before < *number, "flow {flow}: {number} after {before}");
            }
        }
    }
}

#[test]
fn one_queue_feeds_both_workers_and_flows_stay_in_order() {
    let mut crew = Crew::new(true, &[0, 1], 4096);
    crew.receive(50, 2_000);
    crew.in_turn();
    let sent = crew.sent();
    in_order(&sent);
    assert_eq!(sent.iter().map(Vec::len).sum::<usize>(), 2_000);
    let share = |worker: usize| sent[worker].len();
    assert!(
        share(0) > 400 && share(1) > 400,
        "{} {}",
        share(0),
        share(1)
    );
    let [first, second] = [0, 1].map(|it| crew.workers[it].stats().snapshot());
    assert_eq!(first.handed, share(1) as u64);
    assert_eq!((second.taken, second.packets), (first.handed, first.handed));
    assert_eq!(first.packets, share(0) as u64);
    // It is received where it is handled.
    let received = crew.gateway.tables.verdict_counts(1).received;
    assert_eq!(received, second.taken);
    crew.balances(2_000);
}

/// The same with each worker on a thread of its own: what one cannot take in time is counted, the rest is in
/// order.
#[test]
fn workers_on_threads_account_for_every_packet() {
    const PACKETS: u32 = 20_000;
    let mut crew = Crew::new(true, &[0, 1], PACKETS as usize);
    crew.receive(64, PACKETS);
    let stop = AtomicBool::new(false);
    let tables = crew.gateway.tables.clone();
    std::thread::scope(|scope| {
        for worker in &mut crew.workers {
            let stop = &stop;
            scope.spawn(move || worker.run(stop));
        }
        while tables.verdict_totals().ended() < u64::from(PACKETS) {
            std::thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
    });
    let sent = crew.sent();
    in_order(&sent);
    let forwarded: usize = sent.iter().map(Vec::len).sum();
    let full = crew.count(Verdict::Drop(Drop::HandoffFull));
    assert_eq!(forwarded as u64 + full, u64::from(PACKETS));
    assert!(sent.iter().all(|packets| !packets.is_empty()));
    crew.balances(PACKETS.into());
}

/// A worker that stands still loses what its ring does not hold, and nobody else's packets; afterwards all
/// goes as before.
#[test]
fn a_worker_that_stands_still_costs_its_own_packets_only() {
    let mut crew = Crew::new(true, &[0, 1], 8192);
    crew.receive(50, 4_000);
    crew.dry(0);
    let own = crew.sent()[0].len() as u64;
    let full = crew.count(Verdict::Drop(Drop::HandoffFull));
    assert_eq!(own + full, 4_000 - RING_PACKETS as u64);
    assert!(full > 0 && own > 0);
    assert_eq!(crew.count(Verdict::Forward(Forward::Encapsulated)), own);
    let received = crew.gateway.tables.verdict_totals();
    assert_eq!(
        received.begun(),
        received.ended(),
        "what waits is not received"
    );
    crew.dry(1);
    let late = crew.sent();
    assert_eq!(late[1].len(), RING_PACKETS);
    crew.balances(4_000);
    crew.receive(50, 1_000);
    for worker in [0, 1] {
        crew.dry(worker);
    }
    assert_eq!(crew.sent().iter().map(Vec::len).sum::<usize>(), 1_000);
    assert_eq!(crew.count(Verdict::Drop(Drop::HandoffFull)), full);
    crew.balances(5_000);
}

/// Worker 1 has no queue to send by: worker 0 sends for it, and a port that is full is full for both.
#[test]
fn a_worker_without_a_queue_sends_by_another() {
    let mut crew = Crew::new(true, &[0, 0], 8192);
    crew.receive(50, 1_000);
    crew.in_turn();
    let sent = crew.sent();
    assert_eq!((sent[0].len(), sent[1].len()), (1_000, 0));
    let mut flows: Vec<(u8, u32)> = sent.concat();
    flows.sort_unstable();
    let numbers = flows
        .iter()
        .map(|(flow, _)| *flow)
        .collect::<std::collections::BTreeSet<_>>();
    assert_eq!(numbers.len(), 50);
    in_order(&sent);
    let taken = crew.workers[1].stats().snapshot().taken;
    assert!(taken > 100);
    crew.balances(1_000);

    // Worker 0's queue takes nothing: a ring fills up, and then worker 1 counts what does not fit.
    crew.workers[0].io_mut().set_tx_room(OUT, Some(0));
    for _ in 0..6 {
        crew.receive(50, 1_000);
        crew.dry(0);
        crew.dry(1);
    }
    let encapsulated = crew.count(Verdict::Forward(Forward::Encapsulated));
    assert_eq!(
        encapsulated,
        1_000 + RING_PACKETS as u64,
        "the ring is a queue"
    );
    let full = crew.count(Verdict::Drop(Drop::QueueFull));
    assert_eq!(encapsulated + full, 7_000);
    assert_eq!(crew.pool.in_use(), RING_PACKETS);
    crew.workers[0].io_mut().set_tx_room(OUT, None);
    crew.dry(0);
    assert_eq!(crew.sent()[0].len(), RING_PACKETS);
    crew.balances(7_000);
}

/// A port that goes down takes nothing, from whichever worker; what lies before it goes with it, and when it
/// is up again all is as before.
#[test]
fn a_port_that_is_down_is_down_for_all_workers() {
    let mut crew = Crew::new(true, &[0, 0], 8192);
    let link = |crew: &mut Crew, up: bool| {
        for worker in &mut crew.workers {
            worker.io_mut().set_link(OUT, up);
        }
    };
    link(&mut crew, false);
    crew.receive(50, 1_000);
    crew.in_turn();
    assert_eq!(crew.count(Verdict::Drop(Drop::PortDown)), 1_000);
    crew.balances(1_000);
    link(&mut crew, true);
    crew.receive(50, 500);
    crew.in_turn();
    assert_eq!(crew.sent()[0].len(), 500);
    crew.balances(1_500);

    // It goes down with packets of worker 1's on their way through worker 0.
    crew.receive(50, 500);
    crew.workers[0].io_mut().set_tx_room(OUT, Some(0));
    crew.dry(0);
    crew.dry(1);
    assert!(crew.pool.in_use() > 0);
    link(&mut crew, false);
    crew.workers[0].poll_at(START);
    crew.balances(2_000);
}

/// What lies in a ring when its worker ends is taken before it does.
#[test]
fn a_worker_that_ends_takes_what_was_handed_to_it() {
    let mut crew = Crew::new(true, &[0, 1], 4096);
    crew.receive(50, 500);
    crew.dry(0);
    assert!(crew.pool.in_use() > 0);
    crew.workers[1].drain();
    assert_eq!(crew.sent().iter().map(Vec::len).sum::<usize>(), 500);
    crew.balances(500);
}
