//! A small gateway with something of everything, and what came out of it.

use dataplane::handoff::Ends;
use dataplane::key::*;
use dataplane::mem::Storage;
use dataplane::rings::{self, ControlRings, Message};
use dataplane::tables::{Capacity, Options, Tables, Writer};
use dataplane::verdict::{Born, Verdict};
use dataplane::worker::{Idle, Meter, PuntRate, PuntRates, Rate, Stage, Worker, WorkerConfig};
use packet::memory::{Pool, Ports};
use packet::PortId;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;
use wire::ether::MacAddr;

/// Ports of the gateway.
pub const PORTS: u16 = 3;

/// The VLAN that a core interface and an access interface have, and one that nobody has.
pub const CORE_VLAN: u16 = 7;
pub const ACCESS_VLAN: u16 = 8;
pub const NO_VLAN: u16 = 9;

/// Our link-layer address on all interfaces of a port.
pub const fn own(port: u16) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, port as u8])
}

/// The link-layer address of a neighbour.
pub const fn neighbour(number: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 1, number])
}

/// Ends of tunnels: ours first, then those that there are, then one that there is not.
pub const ENDS: [&str; 5] = [
    "2001:db8:a::1",
    "2001:db8:b::1",
    "2001:db8:b::2",
    "2001:db8:b::3",
    "2001:db8:b::9",
];

/// Addresses that packets are from and to, of everything that the tables know and of much else.
pub const IPV6: [&str; 20] = [
    "2400:0:0:1::1",      // anchored, through the first tunnel
    "2400:0:0:2::1",      // the second, whose path is narrow
    "2400:0:0:3::1",      // the third, unresolved
    "2400:0:0:4::1",      // a host on the access link, anchored elsewhere
    "2400:0:0:5::1",      // a host on the access link, anchored here
    "2400:0:0:6::1",      // pending
    "2400:0:0:7:8000::1", // anchored by a longer prefix than 64 bits
    "2001:db8:c::1",      // by the route of all
    "2001:db8:c:1::1",    // a neighbour by its own route in a link that is unresolved
    "2001:db8:c:1::2",    // not resolved
    "2001:db8:c:2::1",    // blackhole
    "2001:db8:c:3::1",    // unreachable
    "2001:db8:c:4::1",    // out by a VLAN
    "2001:db8:a::1",      // ours
    "fd00::1",
    "fe80::1",
    "ff02::1",
    "::",
    "::1",
    "::ffff:192.0.2.1",
];

/// The same for IPv4.
pub const IPV4: [&str; 10] = [
    "10.0.0.1",     // anchored
    "10.0.0.2",     // a host on the access link, anchored elsewhere
    "10.0.0.3",     // anchored here
    "198.51.100.1", // by the route of all
    "192.0.2.1",    // ours
    "192.0.2.9",    // a neighbour
    "127.0.0.1",
    "169.254.0.1",
    "224.0.0.1",
    "0.0.0.0",
];

/// A worker whose packets all go the general way.
#[derive(Clone, Copy, Default)]
pub struct General;

impl Meter for General {
    const EXPRESS: bool = false;

    fn lap(&mut self, _: Stage) {}
}

/// One frame as a port brings it.
#[derive(Clone, Debug)]
pub struct Frame {
    pub port: u16,
    pub octets: Vec<u8>,
    /// Tag control information that the port took off.
    pub stripped: Option<u16>,
    /// Octets in its first segment, where it has two.
    pub first: Option<usize>,
}

/// All that can be seen of what a worker did.
#[derive(PartialEq, Eq, Debug)]
pub struct Outcome {
    sent: Vec<Vec<Vec<u8>>>,
    received: u64,
    born: Vec<(Born, u64)>,
    pub verdicts: Vec<(Verdict, u64)>,
    ports: Vec<dataplane::counters::PortCounts>,
    bindings: BTreeMap<u32, dataplane::counters::BindingTotals>,
    control: Vec<String>,
}

/// A gateway with one worker.
pub struct World<M: Meter> {
    writer: Writer,
    tables: Arc<Tables>,
    bindings: Vec<BindingId>,
    control: ControlRings,
    worker: Worker<Ports, M>,
    pool: Pool,
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn end(number: usize) -> Ipv6Addr {
    ENDS[number].parse().expect("an address")
}

fn interface(name: &str, port: u16, vlan: Option<u16>, kind: InterfaceKind) -> Interface {
    Interface {
        name: name.to_owned(),
        port: PortId(port),
        vlan,
        domain: Domain(0),
        kind,
        mac: own(port),
        address: None,
        link_local: Some(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)),
        ipv4: None,
        mtu: 1500,
        twin: None,
    }
}

/// Interfaces by number: core 0, core 1, access 2, core in a VLAN 3, access in a VLAN 4, core in a VLAN
/// beside hosts 5.
fn interfaces() -> Vec<Interface> {
    use InterfaceKind::{Access, Core};
    let ipv4 = Some("192.0.2.1".parse().expect("an address"));
    vec![
        Interface {
            ipv4,
            ..interface("core-0", 0, None, Core)
        },
        interface("core-1", 1, None, Core),
        Interface {
            ipv4,
            ..interface("access-2", 2, None, Access)
        },
        Interface {
            mtu: 1400,
            ..interface("core-vlan", 1, Some(CORE_VLAN), Core)
        },
        interface("access-vlan", 2, Some(ACCESS_VLAN), Access),
        interface("core-beside", 2, Some(CORE_VLAN), Core),
    ]
}

impl<M: Meter> World<M> {
    /// One in which no rate limit shows.
    pub fn new(meter: M, burst: usize) -> Self {
        Self::with(meter, burst, &unlimited())
    }

    pub fn with(meter: M, burst: usize, config: &WorkerConfig) -> Self {
        let (mut writer, tables) = Tables::with(Options {
            capacity: Capacity {
                bindings: 64,
                tunnels: 8,
                adjacencies: 16,
            },
            workers: 1,
            storage: Storage::Heap,
            seed: Some(1),
        })
        .expect("tables");
        // Neighbours by number, each on the interface of the same number.
        let neighbours: Vec<AdjacencyId> = (0..5)
            .map(|number| {
                let spec = AdjacencySpec {
                    interface: InterfaceId(number.into()),
                    mac: neighbour(number),
                };
                writer.add_adjacency(spec).expect("room")
            })
            .collect();
        let tunnels: Vec<TunnelId> = [(1, 1460, Some(1)), (2, 1300, Some(3)), (3, 1460, None)]
            .into_iter()
            .map(|(remote, mtu, via): (usize, u16, Option<usize>)| {
                let spec = TunnelSpec {
                    domain: Domain(0),
                    local: end(0),
                    remote: end(remote),
                    hop_limit: 64,
                    mtu,
                    encapsulation: Encapsulation::Plain,
                };
                let id = writer.add_tunnel(spec).expect("room");
                writer.resolve_tunnel(id, via.map(|via| neighbours[via]));
                id
            })
            .collect();
        let anchor = |tunnel: usize| Forwarding::Anchor {
            tunnel: tunnels[tunnel],
        };
        let access = |host: usize| Forwarding::Access {
            tunnel: tunnels[0],
            host: neighbours[host],
        };
        let local = |host: usize| Forwarding::Local {
            host: neighbours[host],
        };
        let bindings = [
            (IPV6[0], 64, anchor(0)),
            (IPV6[1], 64, anchor(1)),
            (IPV6[2], 64, anchor(2)),
            (IPV6[3], 64, access(2)),
            (IPV6[4], 64, local(4)),
            (IPV6[5], 64, Forwarding::Pending),
            (IPV6[6], 68, anchor(0)),
            (IPV4[0], 32, anchor(0)),
            (IPV4[1], 32, access(2)),
            (IPV4[2], 32, local(4)),
        ];
        let bindings = bindings.map(|(prefix, length, forwarding)| {
            let key = BindingKey {
                domain: Domain(0),
                prefix: address(prefix),
                length,
            };
            writer.bind(key, forwarding).expect("room")
        });
        let routes = [
            ("::", 0, NextHop::Adjacency(neighbours[1])),
            (IPV6[8], 128, NextHop::Adjacency(neighbours[0])),
            ("2001:db8:c:1::", 64, NextHop::OnLink(InterfaceId(0))),
            ("2001:db8:c:2::", 64, NextHop::Blackhole),
            ("2001:db8:c:3::", 64, NextHop::Unreachable),
            ("2001:db8:c:4::", 64, NextHop::Adjacency(neighbours[3])),
            (ENDS[0], 128, NextHop::Local),
            ("0.0.0.0", 0, NextHop::Adjacency(neighbours[1])),
            (IPV4[5], 32, NextHop::Adjacency(neighbours[0])),
            (IPV4[4], 32, NextHop::Local),
        ];
        let routes = routes.map(|(prefix, length, next_hop)| Route {
            domain: Domain(0),
            prefix: address(prefix),
            length,
            next_hop,
        });
        writer.publish(Topology {
            interfaces: interfaces(),
            routes: routes.to_vec(),
            error_sources: vec![(Domain(0), end(0))],
            peers: vec![(Domain(0), end(1))],
            ..Topology::default()
        });
        let pool = Pool::new(512, 2048);
        let mut io = Ports::new(PORTS, pool.clone());
        io.set_burst(burst);
        let (control, mut ends) = rings::channel(1).expect("rings");
        let worker = Worker::metered(0, &tables, ends.remove(0), io, Ends::alone(), config, meter);
        Self {
            writer,
            tables,
            bindings: bindings.to_vec(),
            control,
            worker,
            pool,
        }
    }

    /// Lets the worker take `frames` and everything that follows from them to the end. Packets of different
    /// flows may overtake one another, so nothing that came of it is in an order.
    pub fn play(self, frames: &[Frame]) -> Outcome {
        let mut outcome = self.play_in_order(frames);
        outcome.sent.iter_mut().for_each(|sent| sent.sort());
        outcome.control.sort();
        outcome
    }

    /// The same with what came of it in order: of riders, which do not overtake.
    pub fn play_in_order(mut self, frames: &[Frame]) -> Outcome {
        let mut control = Vec::new();
        for frame in frames {
            let mut buffer = self.pool.alloc().expect("a buffer");
            // What is longer than a buffer does not come.
            let first = frame.first.unwrap_or(frame.octets.len());
            let (here, rest) = frame.octets.split_at(first);
            if buffer.fill(here).is_ok() {
                buffer.set_rest(rest);
                buffer.set_stripped_vlan(frame.stripped);
                let io = self.worker.io_mut();
                assert!(io.receive_buffer(PortId(frame.port), buffer));
            }
        }
        // Those that wait give up in the end, fragments last.
        for seconds in [1, 10, 20, 90, 100] {
            while self.worker.poll_at(Duration::from_secs(seconds)) > 0 {
                collect(&mut self.control, &mut control);
            }
            let totals = self.tables.verdict_totals();
            assert_eq!(
                totals.begun(),
                totals.ended(),
                "every packet has one verdict"
            );
        }
        self.worker.drain();
        collect(&mut self.control, &mut control);
        assert_eq!(self.pool.in_use(), 0, "every buffer is given back");
        let totals = self.tables.verdict_totals();
        let ids = self.bindings.iter();
        Outcome {
            sent: (0..PORTS)
                .map(|port| self.worker.io_mut().take_sent(PortId(port)))
                .collect(),
            received: totals.received,
            born: totals.born().filter(|(_, count)| *count > 0).collect(),
            verdicts: totals.iter().filter(|(_, count)| *count > 0).collect(),
            ports: (0..PORTS)
                .map(|port| self.tables.port_totals(PortId(port)))
                .collect(),
            bindings: ids.map(|id| (id.0, self.writer.totals(*id))).collect(),
            control,
        }
    }
}

impl Outcome {
    /// How many packets met this verdict.
    pub fn of(&self, verdict: Verdict) -> u64 {
        let those = self.verdicts.iter().filter(|(it, _)| *it == verdict);
        those.map(|(_, count)| count).sum()
    }

    /// How many packets met a verdict of this kind.
    pub fn of_kind(&self, kind: &str) -> u64 {
        let those = self.verdicts.iter().filter(|(it, _)| it.kind() == kind);
        those.map(|(_, count)| count).sum()
    }
}

fn collect(control: &mut ControlRings, into: &mut Vec<String>) {
    control.poll(|_, message| match message {
        Message::Punted(punted) => into.push(format!(
            "{} {:?} {:02x?}",
            punted.reason.name(),
            punted.interface,
            punted.frame
        )),
        Message::NeighbourWanted { interface, address } => {
            into.push(format!("wanted {interface:?} {address}"));
        }
    });
}

/// A configuration under which no rate limit shows.
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
