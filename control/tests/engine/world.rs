//! Gateways on a common clock, joined by wires.
//!
//! ```text
//!   node 0 port 0 ──┐
//!   node 1 port 0 ──┼── wire: a frame from one goes to all others, ends included
//!   an end ─────────┘        an end keeps what it hears until the test takes it
//! ```

use crate::bytes::Seen;
use control::engine::Engine;
use control::gateway::{assemble, Applied, Gateway, PortInfo, Room};
use control::rpc::Notices;
use control::store::Keeper;
use dataplane::tables::{Capacity, Options, Tables};
use dataplane::verdict::Verdict;
use dataplane::worker::{Worker, WorkerConfig};
use dataplane::{mem::Storage, rings};
use packet::memory::{Pool, Ports, HEAD_ROOM};
use packet::PortId;
use roles::{Event, Now};
use std::sync::Arc;
use std::time::Duration;
use wire::ether::MacAddr;

/// Rounds in which a world must come to rest.
const ROUNDS: usize = 10_000;

/// A gateway.
pub struct Node {
    /// Its control plane.
    pub engine: Engine<Gateway>,
    /// Its only worker.
    pub worker: Worker<Ports>,
    /// What counts what became of packets.
    pub tables: Arc<Tables>,
    ports: u16,
    pool: Pool,
    _files: testbed::Gateway,
}

/// The link-layer address of a port that has none of its own configured.
pub fn port_mac(node: u8, port: u8) -> MacAddr {
    MacAddr([2, 0xaa, 0, 0, node, port])
}

impl Node {
    /// A gateway with this configuration and policy. `node` tells its link-layer addresses apart.
    pub fn new(node: u8, config: &str, policy: &str, capacity: Capacity, now: Now) -> Self {
        Self::keeping(node, config, policy, capacity, now, None)
    }

    /// The same with a store, whose records it has back.
    pub fn keeping(
        node: u8,
        config: &str,
        policy: &str,
        capacity: Capacity,
        now: Now,
        store: Option<Keeper>,
    ) -> Self {
        Self::prepared(node, config, policy, capacity, now, store, |_| {})
    }

    /// The same, with what is done to its engine before it has back what was kept.
    pub fn prepared(
        node: u8,
        config: &str,
        policy: &str,
        capacity: Capacity,
        now: Now,
        store: Option<Keeper>,
        prepare: impl FnOnce(&mut Engine<Gateway>),
    ) -> Self {
        let mut node = Self::started(node, config, policy, capacity, now, store);
        prepare(&mut node.engine);
        node.engine.restore(|| now).unwrap();
        node
    }

    /// The same, as it is before it has back what was kept.
    pub fn started(
        node: u8,
        config: &str,
        policy: &str,
        capacity: Capacity,
        now: Now,
        store: Option<Keeper>,
    ) -> Self {
        let files = testbed::Gateway::new(config, policy);
        let config = files.load().unwrap_or_else(|error| panic!("{error}"));
        let (writer, tables) = Tables::with(Options {
            capacity,
            workers: 1,
            storage: Storage::Heap,
            seed: Some(7),
        })
        .unwrap();
        let (control, mut workers) = rings::channel(1).unwrap();
        let ports: Vec<_> = (0..)
            .zip(&config.port)
            .map(|(index, port)| PortInfo {
                name: port.name.clone(),
                device: port.device.clone(),
                driver: "memory".to_owned(),
                mac: port_mac(node, index as u8),
                mtu: port.mtu,
                id: PortId(index),
                twin: None,
                queues: Default::default(),
            })
            .collect();
        let count = ports.len() as u16;
        let pool = Pool::new(1024, HEAD_ROOM + 2304);
        let memory = Ports::new(count, pool.clone());
        let rings = workers.remove(0);
        let worker = Worker::new(0, &tables, rings, memory, &WorkerConfig::default());
        let mut applied = Applied::from(config.load_policy().unwrap());
        let anchor = applied.anchor.take();
        let room = Room {
            bindings: writer.bindings_guaranteed(),
            adjacencies: capacity.adjacencies,
        };
        let notices = Notices::new();
        let (role, mut setup) = assemble(&config, &ports, room, applied, notices, None).unwrap();
        setup.store = store;
        let mut engine = Engine::new(setup, role, writer, control, now);
        engine.start(now);
        if let Some(policy) = anchor {
            engine.deliver(now, Event::Policy { policy });
        }
        Self {
            engine,
            worker,
            tables,
            ports: count,
            pool,
            _files: files,
        }
    }

    /// How many packets ended so.
    pub fn verdicts(&self, verdict: Verdict) -> u64 {
        self.tables.verdict_counts(0).of(verdict)
    }

    /// How many the control plane counted under this name.
    pub fn counted(&self, name: &str) -> u64 {
        let counts = self.engine.counters().snapshot();
        let found = counts.iter().find(|(known, ..)| known == name);
        found.unwrap_or_else(|| panic!("no counter {name}")).1
    }

    /// Every packet that came in or was made has met one verdict, and no buffer is lost.
    pub fn check(&self) {
        let counts = self.tables.verdict_counts(0);
        assert_eq!(counts.begun(), counts.ended());
        assert_eq!(
            self.pool.in_use() as u64,
            self.worker.stats().snapshot().held
        );
    }
}

/// What is joined by a wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Member {
    /// A port of a gateway.
    Port(usize, u16),
    /// An end that the test plays.
    End(usize),
}

/// Gateways, wires and time.
pub struct World {
    /// The gateways.
    pub nodes: Vec<Node>,
    /// The wires, each with what it joins.
    pub wires: Vec<Vec<Member>>,
    heard: Vec<Vec<Seen>>,
    others: Vec<Vec<Vec<u8>>>,
    time: Duration,
    /// The gateway whose control plane is busy with something else: only its worker has its turns.
    pub busy: Option<usize>,
}

/// When the world begins.
pub fn begin() -> Now {
    at(Duration::from_secs(1))
}

pub fn at(time: Duration) -> Now {
    Now {
        monotonic: time,
        wall: Duration::from_secs(1_700_000_000) + time,
    }
}

impl World {
    /// These gateways on these wires, at rest.
    pub fn new(nodes: Vec<Node>, wires: Vec<Vec<Member>>, ends: usize) -> Self {
        let mut world = Self {
            nodes,
            wires,
            heard: vec![Vec::new(); ends],
            others: vec![Vec::new(); ends],
            time: begin().monotonic,
            busy: None,
        };
        world.settle();
        world
    }

    /// The time.
    pub fn now(&self) -> Now {
        at(self.time)
    }

    /// An end sends a frame; the world then comes to rest.
    pub fn send(&mut self, end: usize, frame: &[u8]) {
        self.carry(Member::End(end), frame);
        self.settle();
    }

    /// What an end heard since the last call.
    pub fn hear(&mut self, end: usize) -> Vec<Seen> {
        std::mem::take(&mut self.heard[end])
    }

    /// The frames without an IPv6 packet that an end heard since the last call.
    pub fn hear_others(&mut self, end: usize) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.others[end])
    }

    /// Plugs one more member into a wire.
    pub fn add_end(&mut self, wire: usize, member: Member) {
        if let Member::End(end) = member {
            let ends = self.heard.len().max(end + 1);
            self.heard.resize(ends, Vec::new());
            self.others.resize(ends, Vec::new());
        }
        self.wires[wire].push(member);
    }

    /// Unplugs an end from its wire and plugs it into another.
    pub fn replug(&mut self, end: usize, wire: usize) {
        for members in &mut self.wires {
            members.retain(|member| *member != Member::End(end));
        }
        self.wires[wire].push(Member::End(end));
    }

    /// Lets time pass, at rest at every timer.
    pub fn pass(&mut self, time: Duration) {
        let end = self.time + time;
        loop {
            let next = self.nodes.iter().filter_map(|node| node.engine.next_tick());
            let next = next.min().unwrap_or(end).clamp(self.time, end);
            self.time = next.max(self.time + Duration::from_millis(1)).min(end);
            self.settle();
            if self.time >= end {
                return;
            }
        }
    }

    /// Lets everything happen that happens at once.
    pub fn settle(&mut self) {
        let mut quiet = 0;
        for _ in 0..ROUNDS {
            let mut moved = 0;
            for index in 0..self.nodes.len() {
                let now = at(self.time);
                let node = &mut self.nodes[index];
                moved += node.worker.poll_at(now.monotonic);
                if self.busy != Some(index) {
                    moved += node.engine.poll(now) + node.engine.tick(now);
                }
                for port in 0..node.ports {
                    let sent = self.nodes[index].worker.io_mut().take_sent(PortId(port));
                    moved += sent.len();
                    for frame in sent {
                        self.carry(Member::Port(index, port), &frame);
                    }
                }
            }
            // A worker sees a new topology at the end of one pass and goes by it in the next.
            quiet = if moved == 0 { quiet + 1 } else { 0 };
            if quiet == 3 {
                return;
            }
        }
        panic!("the world does not come to rest");
    }

    fn carry(&mut self, from: Member, frame: &[u8]) {
        let Some(wire) = self.wires.iter().position(|wire| wire.contains(&from)) else {
            return;
        };
        for member in self.wires[wire].clone() {
            match member {
                _ if member == from => {}
                Member::Port(node, port) => {
                    let io = self.nodes[node].worker.io_mut();
                    assert!(io.receive(PortId(port), frame), "a pool has run dry");
                }
                Member::End(end) => match Seen::of(frame) {
                    Some(seen) => self.heard[end].push(seen),
                    None => self.others[end].push(frame.to_vec()),
                },
            }
        }
    }
}
