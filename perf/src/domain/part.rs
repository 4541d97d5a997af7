//! A part of the domain on virtual time: what happens in it, and what its nodes do about it.
//!
//! ```text
//!           agenda ──► happening ──► Event ──► role ──► Effects ─┐
//!             ▲                                                  │ timers, messages
//!             ├──────────────────────────────────────────────────┤
//!        other parts ◄── parcels: messages, frames, notes ◄──────┘ tables
//! ```
//!
//! A message that comes is handled at once, but what a node says to it leaves when its processor is
//! done with all that came before: a busy node answers late.
//!
//! Nodes do not see hosts, nor hosts nodes: what one does is heard of by the other when a frame has crossed
//! the access link, and what a node does about a host is noted for the part that the host is in.

use super::agenda::Agenda;
use super::figures::Figures;
use super::ground::{Ground, Place};
use super::host::Host;
use super::leases::{Answer, Ask, Said, Server};
use super::lots::{Draw, Lots};
use super::node::{self, Node};
use super::notes::Note;
use super::routes::{HostNumber, Prefix};
use super::share::{self, Share};
use super::trouble::{skew, Trouble};
use super::Scenario;
use anyhow::Result;
use roles::event::{Departure, Timer};
use roles::store::Record;
use roles::{Effect, Event, Now};
use std::collections::VecDeque;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;
use wire::niq::NiQuery;

/// A second, in microseconds.
pub const SECOND: u64 = 1_000_000;
/// A frame on an access link, in microseconds.
pub const ACCESS_US: u64 = 1_000;
/// The wall-clock time at which the domain starts.
const EPOCH: Duration = Duration::from_secs(1_750_000_000);

/// Something that happens, to a node or to a host.
pub enum Happening {
    /// A message comes to a node.
    Message(Place, Box<Event>),
    /// A frame of a host comes to a gateway, or what a gateway learns of its links.
    Frame(Place, Box<Event>),
    /// A timer of a node runs out.
    Timer(Place, Timer),
    /// A node crashes, and starts again then.
    Crash(Place, u64),
    /// A node starts again.
    Start(Place),
    /// The clock of a node goes so far astray, in microseconds; not at all: it is set right.
    Clock(Place, i64),
    /// A host goes somewhere.
    Move(HostNumber),
    /// A host leaves for good.
    Depart(HostNumber),
    /// A host that has come somewhere solicits, if that was its n-th move.
    Solicit(HostNumber, u32),
    /// A host that is not served sends a packet.
    Speak(HostNumber, u32),
    /// A gateway asks a host for its addresses.
    Question(Place, HostNumber, Box<(Ipv6Addr, NiQuery)>),
    /// A message of a host's DHCPv6 client comes to a gateway.
    Said(Place, HostNumber, Said),
    /// What a gateway asks about a host comes to the DHCPv6 server.
    Asked(HostNumber, Place, Ask),
    /// What the server answers comes to a gateway.
    Answered(Place, HostNumber, Answer),
    /// A gateway has asked the server about a host since then, and waits no longer.
    Overdue(Place, HostNumber, u64),
    /// A host that is to have an address of the server asks for it, for the n-th time since its n-th move.
    Client(HostNumber, u32, u32),
    /// A host asks the server that its address lasts on.
    Renew(HostNumber, u32),
    /// A gateway is about to notice that a host is gone.
    Notice(Place, HostNumber, Departure),
    /// A host has had its time to settle, or all trace of one that left to go.
    Settled(HostNumber, u32),
    /// A gateway looks whether a prefix that it reaches through a tunnel is in use.
    Idle(Place, HostNumber, Prefix),
    /// All hosts are held against the laws.
    Inspect,
}

/// What is against the laws.
pub struct Broken {
    pub at: u64,
    pub host: Option<HostNumber>,
    pub what: String,
}

/// What goes to a part: when, to which, and what.
pub struct Parcel<T> {
    pub at: u64,
    pub part: usize,
    pub what: T,
}

/// A part of the domain: some of its gateways and some of its hosts, or the central node.
pub struct Part {
    pub scenario: Arc<Scenario>,
    pub trouble: Arc<Trouble>,
    pub ground: Ground,
    number: usize,
    pub agenda: Agenda<Happening>,
    pub nodes: Share<Node>,
    pub hosts: Share<Host>,
    /// What the DHCPv6 server has leased, in the part that it is in.
    pub server: Server,
    pub figures: Figures,
    /// What nodes are told before anything else happens.
    pub prompt: VecDeque<(Place, Event)>,
    /// Whom the message that is being handled is about.
    pub about: Option<HostNumber>,
    /// The first thing that is against the laws.
    pub broken: Option<Broken>,
    /// What happens in other parts.
    pub parcels: Vec<Parcel<Happening>>,
    /// What nodes did about hosts, in the order of time.
    pub notes: Vec<Parcel<Note>>,
    effects: Vec<Effect>,
}

impl Part {
    /// A part of the domain before anything has happened.
    pub fn new(
        scenario: &Arc<Scenario>,
        trouble: &Arc<Trouble>,
        ground: Ground,
        number: usize,
    ) -> Result<Self> {
        let nodes: Result<Vec<Node>, _> = share::places(number, scenario.gateways)
            .map(|place| Node::new(scenario, place))
            .collect();
        let hosts = share::hosts(number, scenario.hosts).map(|_| Host::default());
        let mut part = Self {
            nodes: Share::of_places(number, scenario.gateways, nodes?),
            hosts: Share::of_hosts(number, hosts.collect()),
            scenario: scenario.clone(),
            trouble: trouble.clone(),
            ground,
            number,
            agenda: Agenda::new(),
            server: Server::default(),
            figures: Figures::new(),
            prompt: VecDeque::new(),
            about: None,
            broken: None,
            parcels: Vec::new(),
            notes: Vec::new(),
            effects: Vec::new(),
        };
        part.plan();
        Ok(part)
    }

    /// Enters what is sure to happen.
    fn plan(&mut self) {
        let scenario = self.scenario.clone();
        for (place, node) in self.nodes.iter_mut() {
            if scenario.faults {
                node.ahead_us = skew(scenario.seed, place);
            }
            let events = node::greeting(&scenario, place, 0);
            self.prompt
                .extend(events.into_iter().map(|event| (place, event)));
        }
        for (host, _) in self.hosts.iter() {
            let mut lots = Lots::of(scenario.seed, Draw::Stay, host.into(), u64::MAX);
            let first = lots.below(scenario.ramp_s * SECOND);
            let last = scenario.end_of_moves() + lots.below(10 * SECOND);
            self.agenda.enter(first, Happening::Move(host));
            self.agenda.enter(last, Happening::Depart(host));
        }
        for crash in self.trouble.crashes() {
            if share::part_of_place(crash.place, scenario.gateways) == self.number {
                self.agenda
                    .enter(crash.at, Happening::Crash(crash.place, crash.back));
            }
        }
        for clock in self.trouble.astray() {
            let (place, ahead) = (clock.place, clock.ahead_us);
            if share::part_of_place(place, scenario.gateways) == self.number {
                self.agenda.enter(clock.at, Happening::Clock(place, ahead));
                self.agenda.enter(clock.back, Happening::Clock(place, 0));
            }
        }
        for time in self.trouble.inspections() {
            self.agenda.enter(time, Happening::Inspect);
        }
        if scenario.faults {
            self.agenda
                .enter(scenario.end_of_moves(), Happening::Inspect);
        }
        self.heed();
    }

    /// Lets everything happen until then, that time left out.
    pub fn advance(&mut self, until: u64) {
        while let Some(what) = self.agenda.next(until - 1) {
            self.figures.events += 1;
            self.happen(what);
            if self.broken.is_some() {
                break;
            }
        }
    }

    /// Enters what happens to a node or a host, here or elsewhere.
    pub fn post(&mut self, at: u64, part: usize, what: Happening) {
        if part == self.number {
            self.agenda.enter(at, what);
        } else {
            self.parcels.push(Parcel { at, part, what });
        }
    }

    /// A frame of a host, or the want of one, comes to a gateway as late as a frame does.
    pub fn frame(&mut self, sent: u64, to: Place, event: Event) {
        let at = sent + ACCESS_US;
        let part = share::part_of_place(to, self.scenario.gateways);
        self.post(at, part, Happening::Frame(to, Box::new(event)));
    }

    /// Notes what a node did about a host.
    pub fn note(&mut self, host: HostNumber, what: Note) {
        let (at, part) = (self.agenda.now(), share::part_of_host(host));
        self.notes.push(Parcel { at, part, what });
    }

    /// Notes what became of a node, for all parts that have hosts.
    fn note_to_all(&mut self, what: impl Fn() -> Note) {
        let at = self.agenda.now();
        let parts = share::parts_with_hosts();
        let all = parts.map(|part| Parcel {
            at,
            part,
            what: what(),
        });
        self.notes.extend(all);
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Message(to, event) => self.receive(to, *event),
            Happening::Frame(place, event) => self.tell(place, *event, 0),
            Happening::Timer(place, timer) => {
                let timers = &mut self.nodes[place].timers;
                timers.expired(self.agenda.last(), &timer);
                self.tell(place, Event::Timer { timer }, 0);
            }
            Happening::Crash(place, back) => {
                let node = &mut self.nodes[place];
                node.down_until = back;
                for entry in node.timers.drain() {
                    self.agenda.strike(entry);
                }
                node.table.clear();
                node.relay.clear();
                self.figures.crashes += 1;
                self.note_to_all(|| Note::Crashed { place });
                self.agenda.enter(back, Happening::Start(place));
            }
            Happening::Start(place) => self.start(place),
            Happening::Clock(place, ahead) => self.nodes[place].astray_us = ahead,
            Happening::Move(host) => self.go(host),
            Happening::Depart(host) => {
                self.leave_link(host);
                self.hosts[host].moves += 1;
            }
            Happening::Solicit(host, moves) => self.solicit(host, moves),
            Happening::Speak(host, moves) => self.speak(host, moves),
            Happening::Question(place, host, question) => self.question(place, host, *question),
            Happening::Said(place, host, said) => self.configure(place, host, said),
            Happening::Asked(host, from, ask) => self.serve(host, from, ask),
            Happening::Answered(place, host, answer) => self.answered(place, host, answer),
            Happening::Overdue(place, host, since) => self.give_up_asking(place, host, since),
            Happening::Client(host, moves, times) => self.ask_for_address(host, moves, times),
            Happening::Renew(host, moves) => self.renew_address(host, moves),
            Happening::Notice(place, host, why) => self.miss(place, host, why),
            Happening::Settled(host, moves) => self.settle(host, moves),
            Happening::Idle(place, host, prefix) => self.look_idle(place, host, prefix),
            Happening::Inspect => {
                let all: Vec<HostNumber> = self.hosts.iter().map(|(host, _)| host).collect();
                all.into_iter().for_each(|host| self.inspect(host));
            }
        }
    }

    /// A node starts again, with what it kept.
    fn start(&mut self, place: Place) {
        let node = &mut self.nodes[place];
        node.restarts += 1;
        match node::process(&self.scenario, place, node.restarts) {
            Ok(process) => node.process = process,
            Err(error) => return self.violate(None, error.to_string()),
        }
        let greeting = node::greeting(&self.scenario, place, node.restarts);
        let kept: Vec<_> = node.kept.values().cloned().collect();
        let visitors = kept.iter().filter_map(|record| match record {
            Record::Visitor(visitor) => Some(Event::Resumed { link: visitor.link }),
            _ => None,
        });
        let resumed: Vec<_> = visitors.collect();
        let restored = kept.into_iter().map(|record| Event::Restored { record });
        self.prompt.extend(
            greeting
                .into_iter()
                .chain(restored)
                .chain(resumed)
                .map(|event| (place, event)),
        );
        self.heed();
        // What its hosts send finds no binding, if theirs was lost.
        self.note_to_all(|| Note::Started { place });
    }

    fn now_at(&self, place: Place) -> Now {
        let since = Duration::from_micros(self.agenda.now());
        let node = &self.nodes[place];
        let (ahead, astray) = (Duration::from_micros(node.ahead_us), node.astray_us);
        let right = EPOCH + since + ahead;
        let off = Duration::from_micros(astray.unsigned_abs());
        Now {
            monotonic: since,
            wall: if astray < 0 { right - off } else { right + off },
        }
    }

    /// Tells a node what happened to it. What it sends leaves so many microseconds later.
    pub fn tell(&mut self, place: Place, event: Event, after: u64) {
        self.put(place, &event, after);
        self.heed();
    }

    /// Tells nodes what is to be told at once.
    fn heed(&mut self) {
        while let Some((place, event)) = self.prompt.pop_front() {
            self.put(place, &event, 0);
        }
    }

    fn put(&mut self, place: Place, event: &Event, after: u64) {
        let now = self.now_at(place);
        let node = &mut self.nodes[place];
        if node.down_until > self.agenda.now() {
            return;
        }
        self.trace_event(place, event);
        let node = &mut self.nodes[place];
        let mut effects = std::mem::take(&mut self.effects);
        node.process.on(now, event, &mut effects);
        for effect in effects.drain(..) {
            self.trace_effect(place, &effect);
            self.apply(place, effect, after);
        }
        self.effects = effects;
    }

    /// A message comes to a node. After how long the node is done with it, unless it is down.
    pub fn takes(&mut self, to: Place) -> Option<u64> {
        let now = self.agenda.now();
        let node = &mut self.nodes[to];
        if node.down_until > now {
            self.figures.lost += 1;
            return None;
        }
        let waited = node.busy_until.saturating_sub(now);
        node.busy_until = now + waited + self.scenario.service_us;
        if to == self.ground.centre() {
            self.figures.centre.received += 1;
            self.figures.centre.waited.enter(waited);
            self.count_at_centre();
        }
        Some(waited + self.scenario.service_us)
    }

    /// A signalling message comes.
    fn receive(&mut self, to: Place, event: Event) {
        let Some(after) = self.takes(to) else {
            return;
        };
        if let Event::Message { message, .. } = &event {
            self.about = node::about(message);
        }
        self.tell(to, event, after);
        self.about = None;
    }

    /// Counts a message for the load on the central node, once all hosts have come.
    pub fn count_at_centre(&mut self) {
        let now = self.agenda.now();
        if now > self.scenario.ramp_s * SECOND && now < self.scenario.end_of_moves() {
            self.figures.centre.count(now);
        }
    }

    /// Enters that something is against the laws; what was first is told.
    pub fn violate(&mut self, host: Option<HostNumber>, what: String) {
        self.violate_at(self.agenda.now(), host, what);
    }

    /// The same, of what was noted then.
    pub fn violate_at(&mut self, at: u64, host: Option<HostNumber>, what: String) {
        self.broken.get_or_insert(Broken { at, host, what });
    }
}
