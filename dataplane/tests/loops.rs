//! Two gateways that point at one another: what goes round between them comes to an end by its hop limit,
//! or by its encapsulation limit, and everything is counted.
//!
//! ```text
//!   packet ──> gateway 1 ──── route, or tunnel ───> gateway 2
//!                  ^                                    │
//!                  └──────── route, or tunnel ──────────┘
//! ```

use dataplane::key::*;
use dataplane::mem::Storage;
use dataplane::rings::{self, ControlRings};
use dataplane::tables::{Capacity, Options, Tables, Writer};
use dataplane::verdict::{Drop, Forward, Reply, Verdict};
use dataplane::worker::{Worker, WorkerConfig};
use packet::memory::{Pool, Ports};
use packet::PortId;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;
use wire::ether::MacAddr;
use wire::ipv6::{encapsulation_limit_header, next_header};

/// Hop limit of a packet that begins.
const HOPS: u8 = 64;

/// Addresses that both gateways anchor, each through the tunnel to the other, and two that they route.
const BOUND: [u16; 2] = [1, 2];
const ROUTED: [u16; 2] = [0xa, 0xb];

fn mac(gateway: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, gateway])
}

fn own(gateway: u8) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, gateway.into())
}

fn host(site: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2400, 0, 0, site, 0, 0, 0, 1)
}

/// A gateway with one core link, behind which is the other one.
struct Gateway {
    number: u8,
    _writer: Writer,
    tables: Arc<Tables>,
    _control: ControlRings,
    worker: Worker<Ports>,
    pool: Pool,
}

impl Gateway {
    fn new(number: u8, other: u8) -> Self {
        let (mut writer, tables) = Tables::with(Options {
            capacity: Capacity {
                bindings: 8,
                tunnels: 2,
                adjacencies: 2,
            },
            workers: 1,
            storage: Storage::Heap,
            seed: Some(1),
        })
        .expect("tables");
        let domain = Domain(0);
        let interface = InterfaceId(0);
        let spec = AdjacencySpec {
            interface,
            mac: mac(other),
        };
        let neighbour = writer.add_adjacency(spec).expect("room");
        let spec = TunnelSpec {
            domain,
            local: own(number),
            remote: own(other),
            hop_limit: HOPS,
            mtu: 1460,
            encapsulation: Encapsulation::Plain,
        };
        let tunnel = writer.add_tunnel(spec).expect("room");
        writer.resolve_tunnel(tunnel, Some(neighbour));
        for site in BOUND {
            let prefix = Ipv6Addr::new(0x2400, 0, 0, site, 0, 0, 0, 0).into();
            let key = BindingKey {
                domain,
                prefix,
                length: 64,
            };
            writer
                .bind(key, Forwarding::Anchor { tunnel })
                .expect("room");
        }
        let route = |prefix: Ipv6Addr, length, next_hop| Route {
            domain,
            prefix: prefix.into(),
            length,
            next_hop,
        };
        writer.publish(Topology {
            interfaces: vec![Interface {
                name: "core".to_owned(),
                port: PortId(0),
                vlan: None,
                domain,
                kind: InterfaceKind::Core,
                mac: mac(number),
                address: Some(own(number)),
                link_local: None,
                ipv4: None,
                mtu: 1500,
                twin: None,
            }],
            routes: vec![
                route(Ipv6Addr::UNSPECIFIED, 0, NextHop::Adjacency(neighbour)),
                route(own(number), 128, NextHop::Local),
            ],
            error_sources: vec![(domain, own(number))],
            ..Topology::default()
        });
        let pool = Pool::new(256, 2048);
        let (control, mut ends) = rings::channel(1).expect("rings");
        let io = Ports::new(1, pool.clone());
        let config = WorkerConfig::default();
        let worker = Worker::new(0, &tables, ends.remove(0), io, &config);
        Self {
            number,
            _writer: writer,
            tables,
            _control: control,
            worker,
            pool,
        }
    }

    /// Takes frames, and gives those that it sends.
    fn pass(&mut self, frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
        for frame in frames {
            assert!(self.worker.io_mut().receive(PortId(0), frame));
        }
        while self.worker.poll_at(Duration::from_secs(1)) > 0 {}
        self.worker.io_mut().take_sent(PortId(0))
    }
}

/// The two of them.
struct Pair([Gateway; 2]);

impl Pair {
    fn new() -> Self {
        Self([Gateway::new(1, 2), Gateway::new(2, 1)])
    }

    /// Has the first take packets, and both what the other sends until none sends anything; returns
    /// how often frames crossed the link.
    fn play(&mut self, packets: &[Vec<u8>]) -> usize {
        let [first, second] = &mut self.0;
        let link = [
            &mac(first.number).0[..],
            &mac(second.number).0,
            &[0x86, 0xdd],
        ]
        .concat();
        let begun = packets.iter().map(|packet| [&link[..], packet].concat());
        let mut frames: Vec<Vec<u8>> = begun.collect();
        let mut crossed = 0;
        for turn in 0..4 * usize::from(HOPS) {
            frames = self.0[turn % 2].pass(&frames);
            crossed += frames.len();
            if frames.is_empty() {
                return crossed;
            }
        }
        panic!("{} frames still go round", frames.len());
    }

    /// How often both came to a verdict.
    fn of(&self, verdict: Verdict) -> u64 {
        let totals = self.0.iter().map(|it| it.tables.verdict_totals());
        totals.map(|totals| totals.of(verdict)).sum()
    }

    /// Every packet has met one verdict, and every buffer is back.
    fn balances(&self) {
        for gateway in &self.0 {
            let totals = gateway.tables.verdict_totals();
            assert_eq!(totals.begun(), totals.ended());
            assert_eq!(gateway.pool.in_use(), 0);
        }
    }
}

fn packet(from: u16, to: u16, next: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16).to_be_bytes();
    let lead = [&[0x60, 0, 0, 0][..], &length, &[next, HOPS]].concat();
    [&lead[..], &host(from).octets(), &host(to).octets(), payload].concat()
}

/// A route of each to the other: one hop for each crossing, and an error that goes round as well, about
/// which there is none.
#[test]
fn a_loop_of_routes_ends_by_the_hop_limit() {
    let mut pair = Pair::new();
    let [from, to] = ROUTED;
    let crossed = pair.play(&[packet(from, to, 17, &[0; 8])]);
    assert_eq!(pair.of(Verdict::Reply(Reply::TimeExceeded)), 1);
    assert_eq!(pair.of(Verdict::Drop(Drop::HopLimit)), 1);
    assert_eq!(
        crossed as u64,
        pair.of(Verdict::Forward(Forward::Routed)) + 1
    );
    // The packet, and its error, which begins with as many hops.
    assert!(crossed <= 2 * usize::from(HOPS), "{crossed}");
    pair.balances();
}

/// A binding at each that leads to the other: a hop at each gateway, however deep the tunnels.
#[test]
fn a_loop_of_tunnels_ends_by_the_inner_hop_limit() {
    let mut pair = Pair::new();
    let [from, to] = BOUND;
    let crossed = pair.play(&[packet(from, to, 17, &[0; 8])]);
    assert_eq!(pair.of(Verdict::Forward(Forward::Encapsulated)), 1);
    assert!(pair.of(Verdict::Forward(Forward::Relayed)) >= u64::from(HOPS) - 3);
    assert_eq!(pair.of(Verdict::Reply(Reply::TimeExceeded)), 1);
    assert!(crossed <= 2 * usize::from(HOPS), "{crossed}");
    pair.balances();
}

/// What is in a tunnel already says in how many more it may go; of none left its sender is told at the first
/// gateway, and with some left the hop limit bounds it as ever.
#[test]
fn an_encapsulation_limit_of_none_ends_at_the_first_entry() {
    let [from, to] = BOUND;
    let limited = |limit| {
        let option = encapsulation_limit_header(next_header::NONE, limit);
        packet(from, to, next_header::DESTINATION_OPTIONS, &option)
    };
    let mut pair = Pair::new();
    pair.play(&[limited(0)]);
    assert_eq!(pair.of(Verdict::Reply(Reply::EncapsulationLimit)), 1);
    assert_eq!(pair.of(Verdict::Forward(Forward::Encapsulated)), 0);
    assert_eq!(pair.of(Verdict::Forward(Forward::Relayed)), 0);
    pair.balances();

    let mut pair = Pair::new();
    let crossed = pair.play(&[limited(3)]);
    assert_eq!(pair.of(Verdict::Reply(Reply::EncapsulationLimit)), 0);
    assert!(crossed <= 2 * usize::from(HOPS), "{crossed}");
    pair.balances();
}

/// A burst of them takes no more than its own hops, and of the errors no more go out than their rate.
#[test]
fn many_at_once_are_as_bounded_as_one() {
    let mut pair = Pair::new();
    let [from, to] = ROUTED;
    let packets = vec![packet(from, to, 17, &[0; 8]); 64];
    let crossed = pair.play(&packets);
    let told = pair.of(Verdict::Reply(Reply::TimeExceeded));
    let silent =
        [Drop::IcmpLimited, Drop::IcmpSourceLimited].map(|why| pair.of(Verdict::Drop(why)));
    assert_eq!(told + silent.iter().sum::<u64>(), 64);
    assert!(crossed <= 2 * 64 * usize::from(HOPS), "{crossed}");
    pair.balances();
}
