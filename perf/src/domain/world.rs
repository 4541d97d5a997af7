//! The domain on virtual time: what happens, and what the nodes do about it.
//!
//! ```text
//!           agenda ──► happening ──► Event ──► role ──► Effects ─┐
//!             ▲                                                  │ tables, timers, messages
//!             └──────────────────────────────────────────────────┘
//! ```
//!
//! A message that comes is handled at once, but what a node says to it leaves when its processor is
//! done with all that came before: a busy node answers late.

use super::agenda::Agenda;
use super::figures::{Figures, Sample};
use super::ground::{Ground, Place};
use super::host::Host;
use super::lots::{Draw, Lots};
use super::node::{self, Node};
use super::routes::{HostNumber, Prefix, Routes};
use super::trouble::{skew, Trouble};
use super::walk::link;
use super::{Scenario, Violation};
use anyhow::Result;
use roles::event::{Departure, Timer};
use roles::{Effect, Event, Now};
use std::collections::VecDeque;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::niq::NiQuery;

/// A second, in microseconds.
pub const SECOND: u64 = 1_000_000;
/// A frame on an access link, in microseconds.
pub const ACCESS_US: u64 = 1_000;
/// The wall-clock time at which the domain starts.
const EPOCH: Duration = Duration::from_secs(1_750_000_000);

/// Something that happens.
pub enum Happening {
    /// A message comes to a node.
    Message(Place, Box<Event>),
    /// A timer of a node runs out.
    Timer(Place, Timer),
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
    /// What a host has to say comes to a gateway.
    Answer(Place, HostNumber, Box<Event>),
    /// A gateway notices that a host is gone.
    Notice(Place, HostNumber, Departure),
    /// A host has had its time to settle, or all trace of one that left to go.
    Settled(HostNumber, u32),
    /// A gateway looks whether a prefix that it reaches through a tunnel is in use.
    Idle(Place, HostNumber, Prefix),
    /// All hosts are held against the laws.
    Inspect,
    /// A node crashes, and starts again then.
    Crash(Place, u64),
    /// A node starts again.
    Start(Place),
    /// The tables are looked at.
    Sample,
}

/// The domain.
pub struct World {
    pub scenario: Scenario,
    pub ground: Ground,
    pub agenda: Agenda<Happening>,
    pub nodes: Vec<Node>,
    pub hosts: Vec<Host>,
    pub routes: Routes,
    pub trouble: Trouble,
    pub figures: Figures,
    /// What nodes are told before anything else happens.
    pub prompt: VecDeque<(Place, Event)>,
    /// Whom the message that is being handled is about.
    pub about: Option<HostNumber>,
    /// What is against the laws.
    pub broken: Option<(Option<HostNumber>, String)>,
    effects: Vec<Effect>,
}

impl World {
    /// The domain before anything has happened.
    pub fn new(scenario: Scenario) -> Result<Self> {
        let ground = Ground::new(scenario.measures());
        let count = scenario.gateways + 1;
        let nodes: Result<Vec<Node>, _> = (0..count)
            .map(|place| Node::new(&scenario, place))
            .collect();
        let trouble = if scenario.faults {
            let from = (scenario.ramp_s + scenario.settle_s) * SECOND;
            let mend = scenario.mend_us();
            Trouble::draw(scenario.seed, count, from, scenario.end_of_moves(), mend)
        } else {
            Trouble::default()
        };
        let mut world = Self {
            ground,
            agenda: Agenda::new(),
            nodes: nodes?,
            hosts: vec![Host::default(); scenario.hosts as usize],
            routes: Routes::new(count as usize),
            trouble,
            figures: Figures::new(),
            prompt: VecDeque::new(),
            about: None,
            broken: None,
            effects: Vec::new(),
            scenario,
        };
        world.plan();
        Ok(world)
    }

    /// Enters what is sure to happen.
    fn plan(&mut self) {
        let scenario = &self.scenario;
        for place in 0..=scenario.gateways {
            if scenario.faults {
                self.nodes[place as usize].ahead_us = skew(scenario.seed, place);
            }
            let events = node::greeting(scenario, place, 0);
            self.prompt
                .extend(events.into_iter().map(|event| (place, event)));
        }
        for host in 0..scenario.hosts {
            let mut lots = Lots::of(scenario.seed, Draw::Stay, host.into(), u64::MAX);
            let first = lots.below(scenario.ramp_s * SECOND);
            let last = scenario.end_of_moves() + lots.below(10 * SECOND);
            self.agenda.enter(first, Happening::Move(host));
            self.agenda.enter(last, Happening::Depart(host));
        }
        for crash in self.trouble.crashes() {
            self.agenda
                .enter(crash.at, Happening::Crash(crash.place, crash.back));
        }
        for time in self.trouble.inspections() {
            self.agenda.enter(time, Happening::Inspect);
        }
        if scenario.faults {
            self.agenda
                .enter(scenario.end_of_moves(), Happening::Inspect);
        }
        for minute in 1..=scenario.minutes {
            self.agenda.enter(minute * 60 * SECOND, Happening::Sample);
        }
        self.heed();
    }

    /// Lets everything happen.
    ///
    /// # Errors
    /// When something happens that is against the laws.
    pub fn run(mut self) -> Result<Figures, Violation> {
        let end = self.scenario.end();
        while let Some(what) = self.agenda.next(end) {
            self.figures.events += 1;
            self.happen(what);
            if self.broken.is_some() {
                break;
            }
        }
        if self.broken.is_none() {
            self.inspect_end();
        }
        match self.broken.take() {
            None => Ok(self.figures),
            Some((host, what)) => Err(Violation {
                seed: self.scenario.seed,
                mode: self.scenario.mode,
                at_us: self.agenda.now(),
                host,
                what,
            }),
        }
    }

    fn happen(&mut self, what: Happening) {
        let now = self.agenda.now();
        match what {
            Happening::Message(to, event) => self.receive(to, *event),
            Happening::Timer(place, timer) => {
                let timers = &mut self.nodes[place as usize].timers;
                timers.expired(self.agenda.last(), &timer);
                self.tell(place, Event::Timer { timer }, 0);
            }
            Happening::Move(host) => self.go(host),
            Happening::Depart(host) => {
                self.leave_link(host);
                self.hosts[host as usize].moves += 1;
            }
            Happening::Solicit(host, moves) => self.solicit(host, moves),
            Happening::Speak(host, moves) => self.speak(host, moves),
            Happening::Question(place, host, question) => self.question(place, host, *question),
            Happening::Answer(place, host, event) => {
                if self.hosts[host as usize].at == Some(place) {
                    self.tell(place, *event, 0);
                }
            }
            Happening::Notice(place, host, why) => {
                if self.hosts[host as usize].at != Some(place) {
                    let link = link(host);
                    self.tell(place, Event::HostGone { link, why }, 0);
                }
            }
            Happening::Settled(host, moves) => self.settle(host, moves),
            Happening::Idle(place, host, prefix) => self.look_idle(place, host, prefix),
            Happening::Inspect => {
                (0..self.scenario.hosts).for_each(|host| self.inspect(host));
            }
            Happening::Crash(place, back) => {
                let node = &mut self.nodes[place as usize];
                node.down_until = back;
                for entry in node.timers.drain() {
                    self.agenda.strike(entry);
                }
                self.figures.crashes += 1;
                self.routes.clear(place);
                self.agenda.enter(back, Happening::Start(place));
            }
            Happening::Start(place) => self.start(place),
            Happening::Sample => self.sample(now),
        }
    }

    /// A node starts again, with what it kept.
    fn start(&mut self, place: Place) {
        let node = &mut self.nodes[place as usize];
        node.restarts += 1;
        match node::process(&self.scenario, place, node.restarts) {
            Ok(process) => node.process = process,
            Err(error) => return self.violate(None, error.to_string()),
        }
        let greeting = node::greeting(&self.scenario, place, node.restarts);
        let kept: Vec<_> = node.kept.values().cloned().collect();
        let restored = kept.into_iter().map(|record| Event::Restored { record });
        self.prompt.extend(
            greeting
                .into_iter()
                .chain(restored)
                .map(|event| (place, event)),
        );
        self.heed();
        // What its hosts send finds no binding, if theirs was lost.
        for host in 0..self.scenario.hosts {
            if self.hosts[host as usize].at == Some(place) {
                self.plan_to_speak(host);
            }
        }
    }

    fn now_at(&self, place: Place) -> Now {
        let since = Duration::from_micros(self.agenda.now());
        let ahead = Duration::from_micros(self.nodes[place as usize].ahead_us);
        Now {
            monotonic: since,
            wall: EPOCH + since + ahead,
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
        let node = &mut self.nodes[place as usize];
        if node.down_until > self.agenda.now() {
            return;
        }
        self.trace_event(place, event);
        let node = &mut self.nodes[place as usize];
        let mut effects = std::mem::take(&mut self.effects);
        node.process.on(now, event, &mut effects);
        for effect in effects.drain(..) {
            self.trace_effect(place, &effect);
            self.apply(place, effect, after);
        }
        self.effects = effects;
    }

    /// A message comes.
    fn receive(&mut self, to: Place, event: Event) {
        let now = self.agenda.now();
        let node = &mut self.nodes[to as usize];
        if node.down_until > now {
            self.figures.lost += 1;
            return;
        }
        let waited = node.busy_until.saturating_sub(now);
        node.busy_until = now + waited + self.scenario.service_us;
        if to == self.ground.centre() {
            self.figures.centre.received += 1;
            self.figures.centre.waited.enter(waited);
            self.count_at_centre();
        }
        if let Event::Message { message, .. } = &event {
            self.about = node::about(message);
        }
        self.tell(to, event, waited + self.scenario.service_us);
        self.about = None;
    }

    /// Counts a message for the load on the central node, once all hosts have come.
    pub fn count_at_centre(&mut self) {
        let now = self.agenda.now();
        if now > self.scenario.ramp_s * SECOND && now < self.scenario.end_of_moves() {
            self.figures.centre.count(now);
        }
    }

    /// Looks at the tables.
    fn sample(&mut self, now: u64) {
        let mut tunnels: Vec<usize> = self.routes.tunnels().collect();
        let centre = tunnels.pop().unwrap_or(0);
        tunnels.sort_unstable();
        let at = |part: f64| {
            let last = tunnels.len().saturating_sub(1);
            let place = (part * last as f64).round() as usize;
            tunnels.get(place).copied().unwrap_or(0)
        };
        let here = self.hosts.iter().filter(|host| host.at.is_some()).count();
        let round = super::figures::round;
        let sample = Sample {
            minute: now / (60 * SECOND),
            mean: round(tunnels.iter().sum::<usize>() as f64 / tunnels.len().max(1) as f64),
            p50: at(0.5),
            p99: at(0.99),
            max: at(1.0),
            centre,
            prefixes_per_host: round(self.routes.len() as f64 / here.max(1) as f64),
        };
        self.figures.samples.push(sample);
    }

    /// Enters that something is against the laws; what was first is told.
    pub fn violate(&mut self, host: Option<HostNumber>, what: String) {
        self.broken.get_or_insert((host, what));
    }
}
