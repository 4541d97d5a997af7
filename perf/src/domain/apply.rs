//! What a role wants done, done.

use super::ground::Place;
use super::host::Held;
use super::lots::{Draw, Lots};
use super::node;
use super::routes::{self, Hold, HostNumber, Prefix, Way};
use super::trouble::Fate;
use super::walk::link;
use super::world::{Happening, World, ACCESS_US, SECOND};
use super::Mode;
use roles::effect::{Advertisement, Path};
use roles::event::{Departure, HostLink, Sign, Timer};
use roles::{BoundPrefix, Effect, Event};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::{HomeNetworkPrefix, Message};

/// Neighbour unreachability detection of a host that is not there (RFC 4861 section 10), about.
const UNREACHABLE_AFTER: u64 = 4 * SECOND;
/// A message waits on its way for others, for this part of the delay on the average.
const JITTER: f64 = 0.05;

impl World {
    /// Does one thing that the role of a node wants, `after` so many microseconds.
    pub fn apply(&mut self, place: Place, effect: Effect, after: u64) {
        match effect {
            Effect::Bind { prefix, path } => self.bind(place, prefix, &path, after),
            Effect::Unbind { prefix } => self.unbind(place, prefix),
            Effect::Store { record } if self.scenario.faults => {
                let node = &mut self.nodes[place as usize];
                node.kept.insert(record.key(), record);
            }
            Effect::Forget { key } if self.scenario.faults => {
                self.nodes[place as usize].kept.remove(&key);
            }
            Effect::Send { from, to, message } => self.send(place, from, to, message, after),
            Effect::Advertise {
                link,
                advertisement,
                ..
            } => self.hear(place, link, &advertisement, after),
            Effect::Authenticate { link } => {
                let host = node::host_of(link.mac);
                let profile = Some(node::profile(&self.scenario, host));
                let event = Event::Authenticated { link, profile };
                self.prompt.push_back((place, event));
            }
            Effect::Watch { link, .. } => self.watch(place, link),
            Effect::QueryNode { link, to, query } => {
                let host = node::host_of(link.mac);
                let when = self.agenda.now() + after + ACCESS_US;
                let question = Box::new((to, query));
                self.agenda
                    .enter(when, Happening::Question(place, host, question));
            }
            Effect::Probe { link, address } if self.is_there(place, link) => {
                let sign = Sign::Packet { source: address };
                let event = Event::HostSeen { link, sign };
                self.prompt.push_back((place, event));
            }
            Effect::SetTimer { timer, after } => self.set_timer(place, timer, after),
            Effect::CancelTimer { timer } => {
                let timers = &mut self.nodes[place as usize].timers;
                if let Some(entry) = timers.remove(&self.agenda, &timer) {
                    self.agenda.strike(entry);
                }
            }
            // What is for subscribers, for IPv4, and for a store that no crash asks for.
            _ => {}
        }
    }

    fn is_there(&self, place: Place, link: HostLink) -> bool {
        self.hosts[node::host_of(link.mac) as usize].at == Some(place)
    }

    fn watch(&mut self, place: Place, link: HostLink) {
        if !self.is_there(place, link) {
            let (host, why) = (node::host_of(link.mac), Departure::Unreachable);
            let when = self.agenda.now() + UNREACHABLE_AFTER;
            self.agenda.enter(when, Happening::Notice(place, host, why));
        }
    }

    fn set_timer(&mut self, place: Place, timer: Timer, after: Duration) {
        // One that is not due on the clock of microseconds yet would only be set again.
        let when = self.agenda.now() + after.as_nanos().div_ceil(1000) as u64;
        let timers = &mut self.nodes[place as usize].timers;
        if let Some(old) = timers.remove(&self.agenda, &timer) {
            self.agenda.strike(old);
        }
        let hash = timers.hash(&timer);
        let entry = self.agenda.enter(when, Happening::Timer(place, timer));
        timers.insert(hash, entry);
    }

    fn bind(&mut self, place: Place, bound: BoundPrefix, path: &Path, after: u64) {
        let Ok(prefix) = Prefix::try_from(bound) else {
            return self.violate(None, format!("{bound} was bound, which nobody asked for"));
        };
        let (way, host) = routes::way(path, node::place_of);
        let since = self.agenda.now() + after;
        let hold = Hold { place, way, since };
        let (route, old) = self.routes.bind(prefix, hold, host);
        let (host, round) = (route.host, route.loop_from(place));
        if let Some(passed) = round {
            return self.violate(host, format!("packets for {prefix} go round: {passed:?}"));
        }
        if way.anchors() && self.anchor_of(prefix) != place {
            let owner = self.anchor_of(prefix);
            return self.violate(
                host,
                format!("gateway {place} anchors {prefix}, which is of gateway {owner}"),
            );
        }
        if let Some(host) = host {
            self.resume(host, prefix);
            let access = matches!(way, Way::Access(_)) && self.scenario.mode != Mode::Central;
            if access && old != Some(way) {
                self.plan_idle(place, host, prefix);
            }
            let here = self.hosts[host as usize].at == Some(place);
            if here && !way.serves() && old.is_some_and(Way::serves) {
                // It is taken to be elsewhere.
                self.plan_to_speak(host);
            }
        }
    }

    /// Who alone may anchor a prefix.
    pub fn anchor_of(&self, prefix: Prefix) -> Place {
        match self.scenario.mode {
            Mode::Central => self.ground.centre(),
            Mode::Relay | Mode::Locator | Mode::Proxy | Mode::Niq => node::pool_owner(prefix),
        }
    }

    /// Enters when a prefix will have been without packets for long.
    fn plan_idle(&mut self, place: Place, host: HostNumber, prefix: Prefix) {
        let now = self.agenda.now();
        let held = &self.hosts[host as usize].held;
        let held = held.iter().find(|held| held.prefix == prefix);
        let last = held.and_then(|held| held.sessions.iter().max()).copied();
        let when = last.unwrap_or(now).max(now) + self.scenario.idle_s * SECOND;
        self.agenda
            .enter(when, Happening::Idle(place, host, prefix));
    }

    /// A gateway looks whether a prefix of a host is in use; what nobody uses, the role is told of.
    pub fn look_idle(&mut self, place: Place, host: HostNumber, prefix: Prefix) {
        let now = self.agenda.now();
        let hold = self.routes.get(prefix).and_then(|route| route.at(place));
        if !hold.is_some_and(|hold| matches!(hold.way, Way::Access(_))) {
            return;
        }
        let state = &self.hosts[host as usize];
        let used = |held: &Held| held.prefix == prefix && held.is_used(now);
        if !(state.at == Some(place) && state.held.iter().any(used)) {
            let prefix = HomeNetworkPrefix {
                prefix: prefix.address(),
                length: 64,
            };
            let prefix = BoundPrefix::V6(prefix);
            self.tell(place, Event::Unused { prefix }, 0);
        }
        // Again, for as long as it stays in the table.
        self.plan_idle(place, host, prefix);
    }

    fn unbind(&mut self, place: Place, bound: BoundPrefix) {
        let Ok(prefix) = Prefix::try_from(bound) else {
            return;
        };
        let served = self.routes.unbind(prefix, place);
        let here = |host: &HostNumber| self.hosts[*host as usize].at == Some(place);
        if let Some(host) = served.filter(here) {
            self.plan_to_speak(host);
        }
    }

    /// A path of a host that has moved may be whole again.
    fn resume(&mut self, host: HostNumber, prefix: Prefix) {
        let state = &mut self.hosts[host as usize];
        let (Some(at), Some(arrival)) = (state.at, state.arrival.as_mut()) else {
            return;
        };
        let Some(index) = arrival.waiting.iter().position(|it| *it == prefix) else {
            return;
        };
        let ground = &self.ground;
        let delay = |anchor| ground.delay(anchor, at);
        let route = self.routes.get(prefix);
        let Some(first) = route.and_then(|route| route.first_packet(at, delay)) else {
            return;
        };
        arrival.waiting.swap_remove(index);
        arrival.resumed = arrival.resumed.max(first);
        if arrival.waiting.is_empty() {
            let took = arrival.resumed.saturating_sub(arrival.began);
            let anchors = arrival.anchors;
            self.figures.sessions.enter(took);
            self.figures.with_anchors(anchors).sessions.enter(took);
        }
    }

    fn send(&mut self, place: Place, from: Ipv6Addr, to: Ipv6Addr, message: Message, after: u64) {
        self.figures.messages.count(&message);
        let now = self.agenda.now();
        // An answer may name nobody: it is about whom the question was about.
        let host = node::about(&message).or(self.about);
        let arrival = host
            .and_then(|host| self.hosts.get_mut(host as usize))
            .and_then(|host| host.arrival.as_mut());
        match arrival {
            None => self.figures.upkeep_messages += 1,
            Some(arrival) => {
                arrival.messages += 1;
                if arrival.anchors == 0 {
                    self.figures.attachment_messages += 1;
                }
            }
        }
        if place == self.ground.centre() {
            self.figures.centre.sent += 1;
            self.count_at_centre();
        }
        let target = node::place_of(to);
        if target > self.ground.centre() {
            return self.violate(
                host,
                format!("gateway {place} sends to {to}, who is nobody"),
            );
        }
        let node = &mut self.nodes[place as usize];
        node.sent += 1;
        let seed = self.scenario.seed;
        let mut lots = Lots::of(seed, Draw::Message, place.into(), node.sent);
        let Fate::Arrives(copies) = self.trouble.fate(now, place, target, &mut lots) else {
            self.figures.lost += 1;
            return;
        };
        let delay = self.ground.delay(place, target);
        for _ in 1..copies {
            self.deliver(&mut lots, delay, after, target, (from, to, message.clone()));
        }
        self.deliver(&mut lots, delay, after, target, (from, to, message));
    }

    fn deliver(
        &mut self,
        lots: &mut Lots,
        delay: u64,
        after: u64,
        target: Place,
        (from, to, message): (Ipv6Addr, Ipv6Addr, Message),
    ) {
        let jitter = lots.exponential(delay as f64 * JITTER) as u64;
        let when = self.agenda.now() + after + delay + jitter;
        let event = Event::Message { from, to, message };
        self.agenda
            .enter(when, Happening::Message(target, Box::new(event)));
    }

    /// A host hears a Router Advertisement, if it is there.
    fn hear(&mut self, place: Place, on: HostLink, told: &Advertisement, after: u64) {
        let now = self.agenda.now();
        let number = node::host_of(on.mac);
        if self.hosts[number as usize].at != Some(place) || on != link(number) {
            return;
        }
        for advertised in &told.prefixes {
            let prefix = Prefix::of(advertised.prefix.prefix);
            let anchor = self.anchor_of(prefix);
            let host = &mut self.hosts[number as usize];
            if advertised.valid == 0 {
                let broken = host.lose(prefix, now);
                self.figures.broken += broken;
                continue;
            }
            host.hold(prefix, anchor);
            if advertised.preferred == 0 || told.router_lifetime == 0 {
                continue;
            }
            host.served = true;
            host.current = Some(prefix);
            let Some(arrival) = host.arrival.as_mut().filter(|it| !it.addressed) else {
                continue;
            };
            arrival.addressed = true;
            let took = now + after + ACCESS_US - arrival.began;
            if arrival.anchors == 0 {
                self.figures.first_address.enter(took);
            } else {
                self.figures.address.enter(took);
            }
        }
        let host = &self.hosts[number as usize];
        if !host.served {
            let (moves, when) = (host.moves, now + SECOND);
            self.agenda.enter(when, Happening::Solicit(number, moves));
        }
    }
}
