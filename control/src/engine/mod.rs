//! The engine: the life of a message from a punted frame to what is done about it. It has no clock
//! and never waits; [`run`](crate::run()) gives it time, and tests step it by hand.
//!
//! ```text
//!  rings ──► signal ──────► Event ──► role ──► Effect ──► apply ──► tables, then rings
//!    │   └─► discovery ──┐    ▲                              │
//!    │                   ▼    │                              ├──► wheel ──► Event::Timer
//!    └─ wanted ──► neighbours │                              ├──► policy ─► Event::Authenticated
//!                     │  hosts┘                              └──► notices
//!                     ▼
//!                 topology, tunnels' adjacencies
//! ```
//!
//! Where there is a store, what is sent because of a change waits until the change is kept: see `hold`.
//!
//! [`Engine::poll`] takes what workers have told, [`Engine::tick`] lets timers run out, and both end
//! by publishing the topology if neighbours changed. Everything that happens to the role goes
//! through [`Engine::deliver`], which records it.

mod alarm;
mod apply;
mod arp;
mod defence;
mod dhcp;
mod discovery;
mod domains;
mod former;
mod hold;
mod hosts;
mod housekeeping;
mod icmp;
mod information;
mod ipv4;
mod lease;
pub(crate) mod limit;
mod outlet;
mod relay;
mod resolve;
mod routers;
mod sessions;
mod signal;
mod tunnels;
mod unsent;
mod unused;
mod view;

pub use hosts::Reachability;
pub use outlet::Outlet;

use crate::authentication::Associations;
use crate::frame;
use crate::kernel::Kernel;
use crate::latency::Latency;
use crate::neighbour::{Neighbour, Neighbours};
use crate::policy::AccessPolicy;
use crate::record::Recorder;
use crate::routing::Routing;
use crate::rpc::Notices;
use crate::store::Keeper;
use crate::talkers::Talkers;
use crate::wheel::Wheel;
use alarm::Alarm;
use dataplane::key::{AdjacencyId, InterfaceId};
use dataplane::rings::{ControlRings, Message};
use dataplane::tables::Writer;
use dataplane::verdict::Punt;
use hashbrown::HashMap;
use hosts::Hosts;
use housekeeping::HOUSEKEEPING;
use roles::event::{HostLink, Timer};
use roles::keyed::Keyed;
use roles::{BoundPrefix, Effect, Event, Now, Role};
use sessions::Sessions;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tunnels::Tunnels;

/// Timers that may run out in one call of [`Engine::tick`], so that punted packets have their turn.
const TIMERS_PER_TICK: usize = 1_024;

/// Events that one event may lead to at once: a role whose answer to a refusal is refused again
/// must not hold the engine.
const FOLLOW_UPS: usize = 64;

/// Places for effects that are kept: most events have fewer, few have a hundred thousand.
const EFFECTS_KEPT: usize = 64;

/// Hosts that policy is asked about at once: when it changes, it is asked about all there are.
const QUESTIONS_AT_ONCE: usize = 32;

/// Hosts that policy is asked about later in one call of [`Engine::tick`].
const QUESTIONS_PER_TICK: usize = 256;

/// Hosts that are looked after again in one call of [`Engine::tick`].
const RESUMED_PER_TICK: usize = 256;

/// Time after which those who were asked too much are asked again.
const BUSY: Duration = Duration::from_millis(50);

/// Messages that are taken from the kernel before timers and requests have their turn.
const KERNEL_PER_POLL: usize = 256;

/// What the gateway does with packets and messages, apart from the role itself.
pub struct Setup {
    /// Interfaces and routes.
    pub routing: Routing,
    /// Who may attach; `None` on a gateway without access links.
    pub access: Option<Box<dyn AccessPolicy>>,
    /// Peer gateways whose next hops are resolved before the first message.
    pub peers: Vec<std::net::Ipv6Addr>,
    /// Hop limit of outer headers.
    pub tunnel_hop_limit: u8,
    /// Largest packet in octets that a tunnel carries.
    pub tunnel_mtu: u16,
    /// How long DHCPv4 leases to hosts last.
    pub dhcpv4_lease: Duration,
    /// The DHCPv4 relay agent, if there is one.
    pub dhcpv4_relay: Option<crate::dhcp::v4::relay::Settings>,
    /// How hosts on access links are watched.
    pub reachability: Reachability,
    /// The DHCPv6 relay agent, if there is one.
    pub dhcp: Option<crate::dhcp::v6::Settings>,
    /// How long nobody has to use a prefix that is reached through a tunnel for the role to be told;
    /// zero: it is not told.
    pub unused_after: Duration,
    /// Neighbours that the cache may hold.
    pub neighbours: usize,
    /// Seed of what is left to chance.
    pub seed: u64,
    /// Where notices are published.
    pub notices: Notices,
    /// Where events are recorded, if they are.
    pub recorder: Option<Recorder>,
    /// What is kept across a restart, if anything is.
    pub store: Option<Keeper>,
    /// The way of messages through the kernel, for a role that carries no data.
    pub kernel: Option<Kernel>,
}

/// A binding as it stands in the table.
struct Installed {
    path: roles::effect::Path,
    id: dataplane::key::BindingId,
    used: unused::Used,
}

impl Installed {
    const fn new(path: roles::effect::Path, id: dataplane::key::BindingId, now: Duration) -> Self {
        let used = unused::Used::since(now);
        Self { path, id, used }
    }
}

/// A packet that was taken from a ring.
struct Taken {
    reason: Punt,
    interface: InterfaceId,
    frame: Vec<u8>,
}

/// What was taken from the rings, each with its worker.
enum Told {
    Punted(Taken),
    Wanted(InterfaceId, std::net::IpAddr),
}

/// The control plane of one gateway.
pub struct Engine<R> {
    role: R,
    routing: Routing,
    access: Option<Box<dyn AccessPolicy>>,
    writer: Writer,
    out: Outlet,
    wheel: Wheel<Alarm>,
    neighbours: Neighbours,
    /// Neighbours with an adjacency.
    resolved: HashMap<Neighbour, AdjacencyId>,
    /// Adjacencies that the published topology may still name.
    retired: Vec<AdjacencyId>,
    /// When the topology was published last, and whether it has changed since.
    published: Option<Duration>,
    stale: bool,
    /// Next hops of peers, kept resolved.
    kept: Vec<Neighbour>,
    peers: Vec<std::net::Ipv6Addr>,
    tunnels: Tunnels,
    bindings: Keyed<BoundPrefix, Installed>,
    unused: unused::Unused,
    hosts: Hosts,
    dhcp: Option<crate::dhcp::v6::Relay>,
    former: crate::dhcp::former::FormerLeases,
    held_answers: lease::Held,
    sessions: Sessions,
    ipv4: ipv4::Ipv4Hosts,
    notices: Notices,
    unsent: unsent::Unsent,
    talkers: Talkers,
    recorder: Option<Recorder>,
    store: Option<Keeper>,
    line: hold::Line,
    /// Records that were there at start, and those of them that found no room.
    restored: u64,
    lacking: u64,
    /// Whether records are being given back, and what can wait until all are.
    restoring: bool,
    later: hold::Later,
    latency: Latency,
    /// When the message that is being worked on was taken from its ring.
    taken_at: Option<Instant>,
    answers: limit::Limit,
    ports: signal::Ports,
    log: limit::Log,
    /// Keys that we share with other gateways.
    associations: Associations,
    /// Wall-clock time of what is being worked on.
    wall: Duration,
    /// Hosts that are served again, and have yet to be looked after.
    unresumed: VecDeque<HostLink>,
    /// Hosts that policy has yet to be asked about.
    unasked: VecDeque<HostLink>,
    /// Not to be done before this.
    ask_after: Duration,
    /// The host that was refused last, and why.
    refused: Option<(HostLink, String)>,
    /// Whether a neighbour is known that found no room among the adjacencies.
    homeless: bool,
    draining: bool,
    /// The worker that held reclamation back when it was looked at last, and the one that has
    /// done so for a whole round.
    suspect: Option<usize>,
    stalled: Option<usize>,
    /// Room for events and effects, kept from one event to the next.
    room: (VecDeque<Event>, Vec<Effect>),
    batch: Vec<(usize, Told)>,
    spare: Vec<Vec<u8>>,
}

impl<R: Role> Engine<R> {
    /// An engine that has published its topology and begun to resolve its routers and peers.
    pub fn new(setup: Setup, role: R, writer: Writer, rings: ControlRings, now: Now) -> Self {
        let mut engine = Self {
            role,
            routing: setup.routing,
            access: setup.access,
            writer,
            out: Outlet::new(rings, setup.kernel),
            wheel: Wheel::new(),
            neighbours: Neighbours::new(setup.neighbours, setup.seed),
            resolved: HashMap::new(),
            retired: Vec::new(),
            published: None,
            stale: true,
            kept: Vec::new(),
            peers: setup.peers,
            tunnels: Tunnels::new(setup.tunnel_hop_limit, setup.tunnel_mtu),
            bindings: Keyed::default(),
            unused: unused::Unused::new(setup.unused_after),
            hosts: Hosts::new(setup.reachability),
            dhcp: setup.dhcp.map(crate::dhcp::v6::Relay::new),
            former: crate::dhcp::former::FormerLeases::default(),
            held_answers: lease::Held::default(),
            sessions: Sessions::default(),
            ipv4: ipv4::Ipv4Hosts::new(setup.dhcpv4_lease, setup.tunnel_mtu, setup.dhcpv4_relay),
            notices: setup.notices,
            unsent: unsent::Unsent::default(),
            talkers: Talkers::default(),
            recorder: setup.recorder,
            store: setup.store,
            line: hold::Line::default(),
            restored: 0,
            lacking: 0,
            restoring: false,
            later: hold::Later::default(),
            latency: Latency::default(),
            taken_at: None,
            answers: limit::Limit::of_answers(),
            ports: signal::Ports::default(),
            log: limit::Log::default(),
            associations: Associations::default(),
            wall: now.wall,
            unresumed: VecDeque::new(),
            unasked: VecDeque::new(),
            ask_after: Duration::ZERO,
            refused: None,
            homeless: false,
            draining: false,
            suspect: None,
            stalled: None,
            room: Default::default(),
            batch: Vec::new(),
            spare: Vec::new(),
        };
        let housekeeping = now.monotonic + HOUSEKEEPING;
        engine.wheel.set(Alarm::Housekeeping, housekeeping);
        // Workers run already. Without a topology they cannot send what comes next.
        engine.publish(now);
        engine.keep_next_hops(now);
        engine.detect_duplicates();
        engine.probe_own_ipv4();
        engine
    }

    /// Takes what the workers have told since the last call and does what follows from it; returns
    /// how much there was.
    pub fn poll(&mut self, now: Now) -> usize {
        let settled = self.settle(now);
        self.take_told();
        let mut batch = std::mem::take(&mut self.batch);
        let count = batch.len();
        let taken_at = (count > 0).then(Instant::now);
        for (worker, told) in batch.drain(..) {
            self.out.prefer(worker);
            match told {
                Told::Punted(taken) => {
                    self.taken_at = taken_at;
                    self.punted(now, taken.reason, taken.interface, &taken.frame);
                    self.taken_at = None;
                    self.spare.push(taken.frame);
                }
                Told::Wanted(interface, address) => self.wanted(now, interface, address),
            }
        }
        self.spare.truncate(dataplane::rings::DEPTH);
        self.batch = batch;
        let count = count + self.hear_kernel(now);
        self.flush();
        self.publish(now);
        settled + count
    }

    /// Takes what the workers have told since the last call, behind what was taken before and is not looked at.
    fn take_told(&mut self) {
        let (batch, spare) = (&mut self.batch, &mut self.spare);
        self.out.rings().poll(|worker, message| {
            let told = match message {
                Message::Punted(punted) => {
                    let mut frame = spare.pop().unwrap_or_default();
                    frame.clear();
                    frame.extend_from_slice(&punted.frame);
                    Told::Punted(Taken {
                        reason: punted.reason,
                        interface: punted.interface,
                        frame,
                    })
                }
                Message::NeighbourWanted { interface, address } => {
                    Told::Wanted(*interface, *address)
                }
            };
            batch.push((worker, told));
        });
    }

    /// Lets timers run out that are due; returns how many did. When as many as fit into one call
    /// did, more may be due.
    pub fn tick(&mut self, now: Now) -> usize {
        let mut count = self.resume(now) + self.catch_up(now);
        while count < TIMERS_PER_TICK {
            let Some(alarm) = self.wheel.expire(now.monotonic) else {
                break;
            };
            count += 1;
            match alarm {
                Alarm::Lifetime(session) => {
                    let timer = Timer::BindingExpiry { session };
                    self.deliver(now, Event::Timer { timer });
                }
                Alarm::Visitor(visit, link) => {
                    let timer = visit.timer(link);
                    self.deliver(now, Event::Timer { timer });
                }
                Alarm::Role(timer) => self.deliver(now, Event::Timer { timer: *timer }),
                Alarm::Neighbour(neighbour) => self.neighbour_alarm(now, *neighbour),
                Alarm::Host(link) => self.host_alarm(now, link),
                Alarm::Session(link) => self.session_alarm(now, link),
                Alarm::HeldAnswer(link) => self.give_up_answer(now, link),
                Alarm::TunnelMtu(ends) => self.tunnels.restore_mtu(*ends, &mut self.writer),
                Alarm::Publish => {}
                Alarm::Housekeeping => self.housekeeping(now),
            }
        }
        self.flush();
        self.publish(now);
        count
    }

    /// When [`Engine::tick`] is to be called next, on the monotonic clock.
    pub fn next_tick(&self) -> Option<Duration> {
        let resumes = (!self.unresumed.is_empty()).then_some(Duration::ZERO);
        let asks = (!self.unasked.is_empty()).then_some(self.ask_after);
        let all = [self.wheel.next(), resumes, asks];
        all.into_iter().flatten().min()
    }

    /// Has some of the hosts that are served again looked after; returns how many.
    fn resume(&mut self, now: Now) -> usize {
        let count = self.unresumed.len().min(RESUMED_PER_TICK);
        for _ in 0..count {
            if let Some(link) = self.unresumed.pop_front() {
                self.deliver(now, Event::Resumed { link });
            }
        }
        if self.unresumed.is_empty() {
            self.unresumed.shrink_to_fit();
        }
        count
    }

    /// Asks policy about some of the hosts that it has yet to be asked about; returns how many.
    fn catch_up(&mut self, now: Now) -> usize {
        let count = self.unasked.len().min(QUESTIONS_PER_TICK);
        for asked in 0..count {
            if self.ask_after > now.monotonic {
                return asked;
            }
            if let Some(link) = self.unasked.pop_front() {
                if let Some(event) = self.ask_policy(now, link) {
                    self.deliver(now, event);
                }
            }
        }
        count
    }

    /// Tells the role that something happened, and applies what it wants done. Events that follow
    /// (a refusal, the answer of policy) are delivered at once, refusals first.
    pub fn deliver(&mut self, now: Now, event: Event) {
        self.wall = now.wall;
        // An event within an event, should there be one, finds no room and makes its own.
        let (mut queue, mut effects) = std::mem::take(&mut self.room);
        self.step(now, &event, &mut effects, &mut queue);
        for _ in 1..FOLLOW_UPS {
            let Some(event) = queue.pop_front() else {
                break;
            };
            self.step(now, &event, &mut effects, &mut queue);
        }
        if !queue.is_empty() {
            tracing::error!(
                left = queue.len(),
                "one event led to too many; the rest is dropped"
            );
            queue.clear();
        }
        effects.shrink_to(EFFECTS_KEPT);
        self.room = (queue, effects);
    }

    /// One event: what the role makes of it.
    fn step(
        &mut self,
        now: Now,
        event: &Event,
        effects: &mut Vec<Effect>,
        queue: &mut VecDeque<Event>,
    ) {
        if let Some(recorder) = &mut self.recorder {
            recorder.record(now, event);
        }
        self.sessions.because_of(event);
        self.role.on(now, event, effects);
        self.apply(now, effects, queue);
    }

    /// From now on no mobility message is taken; the role says goodbye. Packets are still forwarded.
    pub fn drain(&mut self, now: Now) {
        self.draining = true;
        self.deliver(now, Event::Shutdown);
    }

    /// Lets the store keep what it has yet to, and ends the recording, if there are such.
    pub fn finish(&mut self) {
        self.store = None;
        if let Some(recorder) = self.recorder.take() {
            match recorder.finish() {
                Ok(0) => {}
                Ok(left_out) => tracing::warn!(left_out, "the recording is not complete"),
                Err(error) => tracing::error!(%error, "the recording could not be written"),
            }
        }
    }

    /// Sorts a punted packet to those who deal with it.
    fn punted(&mut self, now: Now, reason: Punt, interface: InterfaceId, frame: &[u8]) {
        let gateways = matches!(reason, Punt::Mobility | Punt::IcmpError);
        if gateways && self.routing.domain_of(interface).is_some() {
            // Gateways are in the common network, whatever addresses a domain has.
            return self
                .out
                .counters
                .count(crate::counters::Counter::PacketForeign);
        }
        match reason {
            Punt::Mobility => self.mobility(now, frame),
            Punt::RouterSolicitation | Punt::NeighbourDiscovery | Punt::RouterAdvertisement => {
                self.discovery(now, interface, frame);
            }
            Punt::UnknownHost => self.unknown_host(now, interface, frame),
            Punt::IcmpError if frame::is_ipv4(frame) => self.icmpv4_error(now, frame),
            Punt::IcmpError => self.icmp_error(now, frame),
            Punt::DhcpServer if frame::is_ipv4(frame) => self.dhcpv4_server(now, frame),
            Punt::Dhcp | Punt::DhcpServer => self.dhcp(now, interface, frame),
            Punt::NodeInformation => self.node_information(now, interface, frame),
            Punt::Arp => self.arp(now, interface, frame),
            Punt::Dhcpv4 => self.dhcpv4(now, interface, frame),
        }
    }

    /// Lets another policy say who may attach, and has the role ask it about every host anew.
    pub fn set_access_policy(&mut self, now: Now, access: Box<dyn AccessPolicy>) {
        self.access = Some(access);
        self.unasked.clear();
        self.deliver(now, Event::AccessPolicyChanged);
    }

    /// From now on messages are authenticated by these keys. What is known of the timestamps of peers that
    /// stay is kept.
    pub fn set_associations(&mut self, associations: Associations) {
        let earlier = std::mem::replace(&mut self.associations, associations);
        self.associations.replace(earlier);
    }
}
