//! A worker over plain memory: what golden files cannot show (limits, full queues, injection, time)
//! and what holds for any input at all.

#[path = "golden/case.rs"]
mod case;
#[path = "worker/fragments.rs"]
mod fragments;
#[path = "worker/limits.rs"]
mod limits;
#[path = "worker/segments.rs"]
mod segments;
#[path = "worker/watch.rs"]
mod watch;

use case::{all, read_pcap, root, unlimited, Case, Gateway};
use dataplane::key::{
    BindingKey, Domain, Encapsulation, Forwarding, InterfaceId, Topology, TunnelSpec,
};
use dataplane::rings::{self, ControlRings, Inject, Message};
use dataplane::verdict::{Drop, Forward, Hold, Punt, Reply, Verdict};
use dataplane::worker::{Idle, PuntRate, Rate, Worker, WorkerConfig};
use packet::memory::{Pool, Ports};
use packet::PortId;
use proptest::prelude::*;
use std::net::Ipv6Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::LazyLock;
use std::time::Duration;
use wire::checksum;
use wire::ether::MacAddr;
use wire::ipv6::{self, next_header};
use zerocopy::IntoBytes;

const BUFFERS: usize = 512;
const START: Duration = Duration::from_secs(1);

/// A worker, its tables and control's end of its rings.
struct Bench {
    gateway: Gateway,
    control: ControlRings,
    worker: Worker<Ports>,
    pool: Pool,
}

impl Bench {
    fn new(tables: &str, config: &WorkerConfig) -> Self {
        Self::with(tables, config, 64, 4096)
    }

    fn with(tables: &str, config: &WorkerConfig, depth: usize, octets: usize) -> Self {
        let case = cases()
            .iter()
            .find(|case| case.shares(tables))
            .expect("a case");
        let gateway = case.gateway();
        let pool = Pool::new(BUFFERS, octets);
        let io = Ports::new(case.tables.ports, pool.clone());
        let (control, mut ends) = rings::channel_with(1, depth).expect("rings");
        let worker = Worker::new(0, &gateway.tables, ends.remove(0), io, config);
        Self {
            gateway,
            control,
            worker,
            pool,
        }
    }

    fn receive(&mut self, port: u16, frame: &[u8]) {
        assert!(
            self.worker.io_mut().receive(PortId(port), frame),
            "room for the frame"
        );
    }

    fn dry(&mut self, now: Duration) {
        while self.worker.poll_at(now) > 0 {}
    }

    fn sent(&mut self, port: u16) -> Vec<Vec<u8>> {
        self.worker.io_mut().take_sent(PortId(port))
    }

    fn count(&self, verdict: Verdict) -> u64 {
        self.gateway.tables.verdict_totals().of(verdict)
    }

    /// Every packet has met one verdict, but for those that are held, and no buffer is lost.
    fn balances(&self) {
        let totals = self.gateway.tables.verdict_totals();
        assert_eq!(totals.begun(), totals.ended());
        let held = self.worker.stats().snapshot().held as usize;
        assert_eq!(self.pool.in_use(), held, "buffers that are out");
    }
}

/// All cases, read once: to read them takes far longer than what most tests do with a frame of theirs.
fn cases() -> &'static [Case] {
    static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| all(&root()));
    &CASES
}

/// The first frame that a port receives in a case.
fn frame(name: &str, port: u16, at: usize) -> Vec<u8> {
    let case = cases()
        .iter()
        .find(|case| case.name == name)
        .expect("the case");
    read_pcap(&case.input(port)).swap_remove(at)
}

#[test]
fn a_full_queue_loses_packets_and_counts_them() {
    let mut bench = Bench::new("lma", &unlimited());
    let packet = frame("encap", 0, 0);
    for _ in 0..20 {
        bench.receive(0, &packet);
    }
    bench.worker.io_mut().set_tx_room(PortId(1), Some(7));
    bench.dry(START);
    assert_eq!(bench.count(Verdict::Forward(Forward::Encapsulated)), 7);
    assert_eq!(bench.count(Verdict::Drop(Drop::QueueFull)), 13);
    assert_eq!(bench.sent(1).len(), 7);
    bench.balances();
}

#[test]
fn packets_of_one_flow_keep_their_order() {
    let mut bench = Bench::new("lma", &unlimited());
    let packet = frame("encap", 0, 1);
    for number in 0..150 {
        let mut numbered = packet.clone();
        *numbered.last_mut().expect("a payload") = number;
        bench.receive(0, &numbered);
    }
    bench.dry(START);
    let last: Vec<u8> = bench
        .sent(1)
        .iter()
        .filter_map(|frame| frame.last().copied())
        .collect();
    assert_eq!(last, (0..150).collect::<Vec<u8>>());
    bench.balances();
}

#[test]
fn a_frame_of_controls_gets_its_vlan_tag() {
    let mut bench = Bench::new("lma", &unlimited());
    let data: Vec<u8> = (0..60).collect();
    for interface in [0, 2, 9] {
        let what = Inject::Frame {
            interface: InterfaceId(interface),
            data: &data,
        };
        bench.control.inject(0, what).expect("room");
    }
    let short = Inject::Frame {
        interface: InterfaceId(0),
        data: &data[..13],
    };
    bench.control.inject(0, short).expect("room");
    bench.dry(START);
    assert_eq!(bench.sent(0), std::slice::from_ref(&data));
    let tagged = [&data[..12], &[0x81, 0, 0, 100], &data[12..]].concat();
    assert_eq!(bench.sent(1), [tagged]);
    assert_eq!(bench.count(Verdict::Forward(Forward::Injected)), 2);
    assert_eq!(bench.count(Verdict::Drop(Drop::InjectInvalid)), 2);
    bench.balances();
}

/// What control sends right after it has published an interface meets that interface, in a worker that has
/// been polling all along.
#[test]
fn a_frame_of_controls_meets_what_control_has_published() {
    let mut bench = Bench::new("lma", &unlimited());
    let whole = bench.gateway.topology.clone();
    bench.gateway.writer.publish(Topology::default());
    bench.dry(START);
    let data: Vec<u8> = (0..60).collect();
    bench.gateway.writer.publish(whole);
    let what = Inject::Frame {
        interface: InterfaceId(0),
        data: &data,
    };
    bench.control.inject(0, what).expect("room");
    bench.dry(START);
    assert_eq!(bench.sent(0), [data]);
    bench.balances();
}

/// An echo request between two addresses on a link, to this link-layer address.
fn echo_request(mac: MacAddr, source: Ipv6Addr, destination: Ipv6Addr) -> Vec<u8> {
    let mut message = vec![128, 0, 0, 0, 0, 1, 0, 1];
    let (source, destination) = (source.octets(), destination.octets());
    let sum = checksum::pseudo_header_v6(&source, &destination, 8, next_header::ICMPV6);
    let sum = checksum::finish(checksum::add(sum, &message));
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let header = ipv6::Header::new(source, destination, next_header::ICMPV6, 64, 8);
    let ethernet = [&mac.0[..], &[2, 0, 0, 0, 0, 0x99], &[0x86, 0xdd]].concat();
    [&ethernet, header.as_bytes(), &message].concat()
}

/// The router of the access links is nobody on the core, also to whoever sends to it by our link-layer
/// address there.
#[test]
fn a_link_local_address_is_ours_on_its_own_link_only() {
    let mut bench = Bench::new("mag", &unlimited());
    let router = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
    let neighbour = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x99);
    let interfaces = bench.gateway.topology.interfaces.clone();
    let (core, access) = (&interfaces[0], &interfaces[1]);
    bench.receive(core.port.0, &echo_request(core.mac, neighbour, router));
    bench.dry(START);
    assert_eq!(bench.count(Verdict::Drop(Drop::DestinationInvalid)), 1);
    bench.receive(access.port.0, &echo_request(access.mac, neighbour, router));
    bench.dry(START);
    assert_eq!(bench.count(Verdict::Reply(Reply::EchoReply)), 1);
    assert_eq!(bench.sent(access.port.0).len(), 1);
    bench.balances();
}

/// A packet of control's goes by binding, by route, or waits; its hop limit is its own.
#[test]
fn a_packet_of_controls_goes_like_any_other() {
    let mut bench = Bench::new("lma", &unlimited());
    let to_host = frame("encap", 0, 0)[14..].to_vec();
    let by_route = frame("route", 0, 0)[14..].to_vec();
    let unresolved = frame("held", 0, 0)[14..].to_vec();
    let to_us = frame("echo", 0, 0)[14..].to_vec();
    let cut = &to_host[..39];
    for data in [&to_host[..], &by_route, &unresolved, &to_us, cut] {
        let what = Inject::Packet {
            domain: Domain(0),
            data,
        };
        bench.control.inject(0, what).expect("room");
    }
    bench.dry(START);
    let sent = bench.sent(1);
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0][14 + 40..], to_host, "whole inside the tunnel");
    assert_eq!(sent[1][14..], by_route);
    assert_eq!(bench.count(Verdict::Hold(Hold::NeighbourUnresolved)), 1);
    assert_eq!(bench.count(Verdict::Drop(Drop::InjectInvalid)), 2);
    bench.balances();
    bench.worker.drain();
    assert_eq!(bench.count(Verdict::Drop(Drop::NeighbourFailed)), 1);
    bench.balances();
}

#[test]
fn no_buffer_for_an_injected_packet_is_counted() {
    let mut bench = Bench::new("lma", &unlimited());
    let all: Vec<_> = std::iter::from_fn(|| bench.pool.alloc()).collect();
    let data = [0; 60];
    let what = Inject::Frame {
        interface: InterfaceId(0),
        data: &data,
    };
    bench.control.inject(0, what).expect("room");
    bench.dry(START);
    assert_eq!(bench.count(Verdict::Drop(Drop::NoBuffer)), 1);
    drop(all);
    bench.balances();
}

/// The tag that a port stripped counts like one in the frame, and the twin gets it back.
#[test]
fn a_stripped_tag_is_a_tag() {
    let mut bench = Bench::new("lma", &unlimited());
    let tagged = frame("vlan", 1, 0);
    let bare = [&tagged[..12], &tagged[16..]].concat();
    let mut buffer = bench.pool.alloc().expect("a buffer");
    buffer.fill(&bare).expect("room");
    buffer.set_stripped_vlan(Some(0x6064));
    assert!(bench.worker.io_mut().receive_buffer(PortId(1), buffer));
    bench.dry(START);
    let forwarded = bench.sent(0);
    bench.receive(1, &tagged);
    bench.dry(START);
    assert_eq!(forwarded, bench.sent(0));
    assert_eq!(forwarded.len(), 1);
    bench.balances();

    let mut bench = Bench::new("mag", &unlimited());
    let arp = frame("twin", 0, 4);
    let mut buffer = bench.pool.alloc().expect("a buffer");
    buffer.fill(&arp).expect("room");
    // A tag for priority only: the same interface.
    buffer.set_stripped_vlan(Some(0x6000));
    assert!(bench.worker.io_mut().receive_buffer(PortId(0), buffer));
    bench.dry(START);
    let restored = [&arp[..12], &[0x81, 0, 0x60, 0], &arp[12..]].concat();
    assert_eq!(bench.sent(2), [restored]);
    bench.balances();
}

/// What control sent last of all, its goodbye, goes out before the worker ends.
#[test]
fn a_worker_that_ends_sends_what_control_left() {
    let mut bench = Bench::new("lma", &unlimited());
    let to_host = frame("encap", 0, 0)[14..].to_vec();
    let unresolved = frame("held", 0, 0)[14..].to_vec();
    for data in [&to_host[..], &unresolved] {
        let domain = Domain(0);
        let what = Inject::Packet { domain, data };
        bench.control.inject(0, what).expect("room");
    }
    bench.worker.drain();
    assert_eq!(bench.sent(1).len(), 1);
    assert_eq!(bench.count(Verdict::Forward(Forward::Injected)), 1);
    assert_eq!(bench.count(Verdict::Drop(Drop::NeighbourFailed)), 1);
    bench.balances();
}

#[test]
fn a_port_that_is_not_there_takes_no_packet() {
    let mut bench = Bench::new("lma", &unlimited());
    let mut topology = bench.gateway.topology.clone();
    topology.interfaces[1].port = PortId(9);
    bench.gateway.writer.publish(topology);
    bench.dry(START);
    bench.receive(0, &frame("encap", 0, 0));
    bench.dry(START);
    assert_eq!(bench.count(Verdict::Drop(Drop::PortDown)), 1);
    bench.balances();
}

/// Tunnels whose far ends are hosts of one another: four are taken apart, not five.
#[test]
fn tunnels_within_tunnels_have_an_end() {
    let mut bench = Bench::new("lma", &unlimited());
    let ours: Ipv6Addr = "2001:db8:2::1".parse().expect("an address");
    let end = |depth: u16| Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0x50 + depth, 0, 0, 0, 1);
    let mut packet = frame("route", 0, 0)[14..].to_vec();
    packet[8..24].copy_from_slice(&end(4).octets());
    for depth in (0..=4).rev() {
        let remote = match depth {
            0 => "2001:db8:2::11".parse().expect("an address"),
            _ => end(depth - 1),
        };
        let (local, domain) = (ours, Domain(0));
        let spec = TunnelSpec {
            domain,
            local,
            remote,
            hop_limit: 64,
            mtu: 1460,
            encapsulation: Encapsulation::Plain,
        };
        let tunnel = bench.gateway.writer.add_tunnel(spec).expect("room");
        let key = BindingKey {
            domain,
            prefix: end(depth).into(),
            length: 64,
        };
        let forwarding = Forwarding::Anchor { tunnel };
        bench.gateway.writer.bind(key, forwarding).expect("room");
        let length = u16::try_from(packet.len()).expect("a short packet");
        let lead = [&[0x60, 0, 0, 0][..], &length.to_be_bytes(), &[41, 64]].concat();
        packet = [&lead[..], &remote.octets(), &ours.octets(), &packet].concat();
        let ethernet = &frame("decap", 1, 0)[..14];
        bench.receive(1, &[ethernet, &packet].concat());
    }
    bench.dry(START);
    assert_eq!(bench.count(Verdict::Forward(Forward::Decapsulated)), 4);
    assert_eq!(bench.count(Verdict::Drop(Drop::TunnelsNested)), 1);
    bench.balances();
}

#[test]
fn a_running_worker_sleeps_when_idle_and_stops_when_told() {
    let idle = Idle::Sleep {
        after_empty_polls: 2,
        shortest: Duration::from_micros(10),
        longest: Duration::from_millis(1),
    };
    let mut bench = Bench::new(
        "lma",
        &WorkerConfig {
            idle,
            ..unlimited()
        },
    );
    for _ in 0..100 {
        bench.receive(0, &frame("encap", 0, 0));
    }
    bench.receive(0, &frame("held", 0, 0));
    let stats = bench.worker.stats();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| bench.worker.run(&stop));
        while stats.snapshot().sleeps < 3 {
            std::thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
    });
    let end = stats.snapshot();
    assert_eq!((end.packets, end.held), (101, 0));
    assert!(end.polls > end.empty_polls && end.empty_polls >= 3);
    assert_eq!(bench.sent(1).len(), 100);
    assert_eq!(bench.count(Verdict::Drop(Drop::NeighbourFailed)), 1);
    assert!(bench.gateway.writer.stalled().is_none(), "it holds nothing");
    bench.balances();
}

/// Makes the checksum of an IPv4 header right, bare or in a tunnel packet, so that what was changed in
/// it gets behind that check.
fn repair_ipv4(frame: &mut [u8]) {
    let at = match frame.get(12..14) {
        Some([0x08, 0x00]) => 14,
        _ => 14 + ipv6::HEADER_LEN,
    };
    let length = frame
        .get(at)
        .map_or(0, |first| usize::from(first & 0xf) * 4);
    let version = frame.get(at).map_or(0, |first| first >> 4);
    if let Some(header) = frame.get_mut(at..at + length) {
        if version == 4 && length >= 20 {
            header[10..12].fill(0);
            let sum = checksum::finish(checksum::add(0, header));
            header[10..12].copy_from_slice(&sum.to_be_bytes());
        }
    }
}

/// A frame that is one of the cases' inputs with some octets changed and its end moved, or noise.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<Vec<u8>> = cases()
        .iter()
        .flat_map(|case| (0..3).flat_map(|port| read_pcap(&case.input(port))))
        .collect();
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    let mutated = (
        prop::sample::select(known),
        changes,
        any::<prop::sample::Index>(),
        0..8u8,
    )
        .prop_map(|(mut frame, changes, cut, what)| {
            for (at, octet) in changes {
                // Mostly among the headers.
                let most = frame.len().min(120);
                if most > 0 {
                    frame[at.index(most)] = octet;
                }
            }
            match what {
                0 => frame.truncate(cut.index(frame.len() + 1)),
                1 => frame.extend(vec![0xee; cut.index(64)]),
                2..=5 => repair_ipv4(&mut frame),
                _ => {}
            }
            frame
        });
    let noise = prop::collection::vec(any::<u8>(), 0..200);
    prop_oneof![9 => mutated, 1 => noise]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes: no panic, one verdict per packet, no buffer lost.
    #[test]
    fn every_packet_has_one_end(
        tables in prop::sample::select(vec!["lma", "mag", "maar", "narrow"]),
        frames in prop::collection::vec((0..3u16, any_frame()), 1..80),
        injected in prop::collection::vec((any::<bool>(), 0..4u16, any_frame()), 0..8),
        burst in 1..64usize,
        room in prop::option::of(0..20usize),
        // From hardly any room for more headers to plenty.
        octets in 1700..2200usize,
    ) {
        let mut config = unlimited();
        config.icmp_rate = Rate::new(100, 20);
        let mut bench = Bench::with(tables, &config, 16, octets);
        bench.worker.io_mut().set_burst(burst);
        bench.worker.io_mut().set_tx_room(PortId(0), room);
        for (port, frame) in &frames {
            // What is longer than a buffer or for no port does not get in.
            let _ = bench.worker.io_mut().receive(PortId(*port), frame);
        }
        for (whole, at, data) in &injected {
            let what = match whole {
                true => Inject::Frame { interface: InterfaceId(*at), data },
                false => Inject::Packet {
                    domain: Domain(*at % 2),
                    data: data.get(14..).unwrap_or_default(),
                },
            };
            let _ = bench.control.inject(0, what);
        }
        bench.dry(START);
        bench.balances();
        // Those that wait give up, fragments last; an error to the sender of one may have to wait in its turn.
        for seconds in [10, 20, 90, 100] {
            bench.dry(START + Duration::from_secs(seconds));
            bench.balances();
        }
        prop_assert_eq!(bench.worker.stats().snapshot().held, 0);
        prop_assert_eq!(bench.pool.in_use(), 0);
    }
}
