//! The way of a burst: stages over arrays, so that the cache misses of many packets overlap.
//!
//! ```text
//!   burst ─> link ─> plan ─> tunnels between the outer pairs ─> decapsulate, plan the inner ones
//!         ─> one lookup of all destinations and sources ─> decide ─> act
//!                                                                     ├─> output, per port
//!        next round <── answers, packets out of a second tunnel ──────┤
//!                                                                     ├─> rings to control
//!                                                                     └─> hold, drop
//! ```
//!
//! An answer made here, or what came out of a tunnel addressed to ourselves, goes round once more,
//! so that bindings, routes, tunnels and neighbours apply to it like to anything else.

mod act;
mod born;
mod decide;
mod express;
mod fragment;
mod local;
mod oversized;
mod pieces;
mod tell;
mod watched;
mod work;

use crate::classify::link::{self, Entry};
use crate::classify::packet::Fields;
use crate::classify::Meta;
use crate::counters::PortDirection;
use crate::hold::Hold;
use crate::key::InterfaceKind;
use crate::limit::{Bucket, Sources};
use crate::police::{self, Police};
use crate::rings::WorkerRings;
use crate::table::Probe;
use crate::verdict::{Born, Drop, Forward, Verdict};
use crate::watch::Came;
use crate::worker::output::{Output, Sent};
use crate::worker::{Meter, Stage, View, WorkerConfig};
use arrayvec::ArrayVec;
use decide::Looked;
use express::Desk;
use fragment::Pieced;
use oversized::TwinOf;
use packet::{Buf, Burst, PortId, RxTx, MAX_BURST};
use std::net::Ipv6Addr;
use wire::ether;
use work::{untunnel, Work};

/// Rounds that one packet may take: out of two tunnels, and an answer to what was inside.
const ROUNDS: usize = 4;

/// Packets that go through the stages together, each with what is known of it.
type Lane<B> = ArrayVec<(B, Meta), MAX_BURST>;

/// One packet in the last stage.
struct Packet<B> {
    buf: B,
    meta: Meta,
    fields: Fields,
}

/// The path of one worker and what it keeps between passes.
pub(crate) struct Path<T: RxTx, M: Meter> {
    rings: WorkerRings,
    limits: Limits,
    hold: Hold<T::Buf>,
    hold_nanos: u64,
    output: Output<T>,
    again: Lane<T::Buf>,
    known: Known,
    /// Is told when a stage ends.
    pub(crate) meter: M,
    pieced: Pieced<T::Buf>,
    desk: Desk,
}

/// Buckets for what this worker sends of its own accord.
struct Limits {
    icmp: Bucket,
    icmp_sources: Sources,
    punts: Police,
}

impl Limits {
    /// Takes the place of one error or echo reply to `source`, or says what is used up (RFC 4443
    /// section 2.4 f). What one source asks for without end leaves the others theirs.
    fn take_icmp(&mut self, meta: &Meta, source: Ipv6Addr, now: u64) -> Result<(), Drop> {
        if !self.icmp_sources.take(police::key(meta, source), now) {
            Err(Drop::IcmpSourceLimited)
        } else if !self.icmp.take(now) {
            Err(Drop::IcmpLimited)
        } else {
            Ok(())
        }
    }
}

/// What follows from the topology.
struct Known {
    generation: Option<u64>,
    /// By port: the port that it is the twin of.
    mains: Vec<Option<TwinOf>>,
    /// Whether hosts are attached here.
    access: bool,
}

impl<T: RxTx, M: Meter> Path<T, M> {
    pub(crate) fn new(
        index: usize,
        ports: u16,
        rings: WorkerRings,
        config: &WorkerConfig,
        meter: M,
    ) -> Self {
        let limits = Limits {
            icmp: Bucket::new(config.icmp_rate),
            icmp_sources: Sources::new(config.icmp_source_rate),
            punts: Police::new(&config.punt_rates),
        };
        let known = Known {
            generation: None,
            mains: vec![None; usize::from(ports)],
            access: false,
        };
        Self {
            rings,
            limits,
            hold: Hold::new(),
            hold_nanos: u64::try_from(config.hold_time.as_nanos()).unwrap_or(u64::MAX),
            output: Output::new(ports),
            again: Lane::new(),
            known,
            meter,
            pieced: Pieced::new(index, config.fragment_seed),
            desk: Desk::new(),
        }
    }

    /// Packets that are held, and fragments.
    pub(crate) fn held(&self) -> usize {
        self.hold.len() + self.pieced.kept()
    }

    /// Begins a pass: takes note of a new topology, lets held packets go on or gives them up, and
    /// sends what control wants sent. Returns how many packets there were.
    pub(crate) fn prepare(&mut self, injected: usize, view: &View<'_>, io: &mut T) -> usize {
        let mut count = 0;
        if self.known.generation != Some(view.fib.generation()) {
            self.known.learn(view);
            count += self.retry(view, io);
        }
        if self.hold.is_due(view.now) {
            count += self.give_up(view, io);
        }
        if self.pieced.any() {
            count += self.expire(view, io);
        }
        count + self.inject(injected, view, io)
    }

    /// How many packets of control wait to be sent.
    pub(crate) fn injected(&self) -> usize {
        self.rings.waiting()
    }

    /// Takes one burst from `port` to its end. Returns how many packets there were.
    pub(crate) fn receive(&mut self, port: PortId, view: &View<'_>, io: &mut T) -> usize {
        let mut burst = Burst::new();
        let count = io.rx(port, &mut burst);
        if count == 0 {
            self.meter.lap(Stage::Receive);
            return 0;
        }
        // The express asks for the others as it comes to those before them.
        let first = match M::EXPRESS && !view.watch.is_on() {
            true => express::AHEAD,
            false => burst.len(),
        };
        burst.iter().take(first).for_each(Buf::prefetch);
        let octets = burst.iter().map(|buf| buf.octets() as u64).sum();
        let way = PortDirection::Rx;
        view.reader
            .count_port(port, way, burst.len() as u64, octets);
        self.meter.lap(Stage::Receive);
        match self.known.twin(port) {
            Some(main) => self.forward_host_stack(main, burst, view, io),
            None => {
                view.reader.count_received(burst.len() as u64);
                if view.watch.is_on() {
                    self.receive_watched(burst, port, view, io);
                } else {
                    if M::EXPRESS {
                        self.express(&mut burst, port, view, io);
                    }
                    if !burst.is_empty() {
                        let mut lane = Lane::new();
                        for buf in burst {
                            self.enter(buf, port, &mut lane, view, io);
                        }
                        self.meter.lap(Stage::Link);
                        self.run(lane, view, io);
                    }
                }
                if self.pieced.is_out() {
                    self.bring_out(view, io);
                }
            }
        }
        self.output.flush(view, io);
        self.meter.lap(Stage::Output);
        count
    }

    /// Ends a pass.
    pub(crate) fn finish(&mut self, view: &View<'_>, io: &mut T) {
        self.output.flush(view, io);
        self.rings.flush();
    }

    /// Sends what control still wants sent, and drops all that is held or in pieces.
    pub(crate) fn drain(&mut self, view: &View<'_>, io: &mut T) {
        while self.inject(usize::MAX, view, io) > 0 {
            self.output.flush(view, io);
        }
        while let Some(held) = self.hold.take(|_| true) {
            view.reader.count_born(Born::Released);
            let failed = Verdict::Drop(Drop::NeighbourFailed);
            self.output.end(held.buf, failed, view, io);
        }
        self.abandon(view, io);
        self.output.flush(view, io);
    }

    /// The frames of the host's own stack go out as they are.
    fn forward_host_stack(
        &mut self,
        main: TwinOf,
        burst: Burst<T::Buf>,
        view: &View<'_>,
        io: &mut T,
    ) {
        for buf in burst {
            view.reader.count_born(Born::FromHostStack);
            let came = Came::Born(Born::FromHostStack);
            let watched = view.watch.is_on() && self.watch(came, buf.data(), view, io);
            let Some(buf) = self.in_one(buf, view, io) else {
                continue;
            };
            if !main.carries(&buf) {
                self.drop(buf, Drop::Oversized, view, io);
            } else if buf.data().len() < ether::HEADER_LEN {
                self.output.end(buf, Verdict::Drop(Drop::Runt), view, io);
            } else {
                let sent = Sent::plain(Verdict::Forward(Forward::FromHostStack));
                self.output.send(main.main, buf, sent, view, io);
            }
            if watched {
                self.unwatch(view, io);
            }
        }
    }

    /// The packet in one buffer, if there was one for it.
    #[inline]
    fn in_one(&mut self, buf: T::Buf, view: &View<'_>, io: &mut T) -> Option<T::Buf> {
        match buf.is_contiguous() {
            true => Some(buf),
            false => self.gather(buf, view, io),
        }
    }

    /// The link layer of one frame.
    #[inline]
    fn enter(
        &mut self,
        buf: T::Buf,
        port: PortId,
        lane: &mut Lane<T::Buf>,
        view: &View<'_>,
        io: &mut T,
    ) {
        let Some(buf) = self.in_one(buf, view, io) else {
            return;
        };
        match link::link(&buf, port, view.fib) {
            // A lane has as many places as a burst has packets.
            Entry::Packet(meta) => lane.push((buf, meta)),
            Entry::Arp(meta) => self.arp(buf, meta, view, io),
            Entry::HostStack(twin) => self.host_stack(buf, twin, view, io),
            Entry::Drop(reason) => self.drop(buf, reason, view, io),
        }
    }

    /// All rounds of a lane.
    fn run(&mut self, mut lane: Lane<T::Buf>, view: &View<'_>, io: &mut T) {
        if lane.is_empty() {
            return;
        }
        for _ in 0..ROUNDS {
            self.round(&mut lane, view, io);
            if self.again.is_empty() {
                return;
            }
            std::mem::swap(&mut lane, &mut self.again);
        }
        for (buf, _) in lane {
            self.drop(buf, Drop::TunnelsNested, view, io);
        }
    }

    /// The stages, for all packets of a lane. What needs another round is in `again` afterwards.
    fn round(&mut self, lane: &mut Lane<T::Buf>, view: &View<'_>, io: &mut T) {
        let mut works = ArrayVec::<Work, MAX_BURST>::new();
        for (buf, meta) in lane.iter_mut() {
            works.push(Work::begin(buf, meta));
        }
        self.meter.lap(Stage::Plan);
        untunnel(lane, &mut works, view);
        self.meter.lap(Stage::Tunnels);

        let mut probes = ArrayVec::<Probe, { 2 * MAX_BURST }>::new();
        for ((_, meta), work) in lane.iter().zip(&mut works) {
            work.ask(meta, &mut probes);
        }
        let mut found: ArrayVec<_, { 2 * MAX_BURST }> = probes.iter().map(|_| None).collect();
        view.reader.lookup(&probes, &mut found);
        self.meter.lap(Stage::Lookup);
        if view.watch.is_on() {
            self.note(lane, &works, &found, view);
        }

        for ((buf, meta), work) in lane.drain(..).zip(works) {
            let at = |place: Option<u8>| *found.get(usize::from(place?))?;
            let looked = Looked {
                source: at(work.source),
                destination: at(work.destination),
            };
            let Work { fields, plan, .. } = work;
            self.act(Packet { buf, meta, fields }, plan, looked, view, io);
        }
        self.meter.lap(Stage::Act);
    }
}

impl Known {
    /// What this port is the twin of, if it is one.
    fn twin(&self, port: PortId) -> Option<TwinOf> {
        self.mains.get(usize::from(port.0)).copied().flatten()
    }

    fn learn(&mut self, view: &View<'_>) {
        let interfaces = view.fib.interfaces();
        self.generation = Some(view.fib.generation());
        self.access = interfaces
            .iter()
            .any(|interface| interface.kind == InterfaceKind::Access);
        for (port, main) in (0..).zip(&mut self.mains) {
            let twin = Some(PortId(port));
            let of = interfaces.iter().find(|interface| interface.twin == twin);
            *main = of.map(|interface| TwinOf {
                main: interface.port,
                mtu: interface.mtu,
            });
        }
    }
}
