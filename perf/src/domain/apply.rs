//! What a role wants done, done; and what of it is about a host, noted for the part that the host is in.

use super::ground::Place;
use super::lots::{Draw, Lots};
use super::node;
use super::notes::Note;
use super::part::{Happening, Part, ACCESS_US};
use super::routes::{self, Hold, HostNumber, Prefix};
use super::share;
use super::trouble::Fate;
use super::walk::link;
use super::Mode;
use roles::effect::Path;
use roles::event::Timer;
use roles::{BoundPrefix, Effect, Event};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::Message;

/// A message waits on its way for others, for this part of the delay on the average.
const JITTER: f64 = 0.05;

impl Part {
    /// Does one thing that the role of a node wants, `after` so many microseconds.
    pub fn apply(&mut self, place: Place, effect: Effect, after: u64) {
        match effect {
            Effect::Bind { prefix, path } => self.bind(place, prefix, &path, after),
            Effect::Unbind { prefix } => self.unbind(place, prefix),
            Effect::Store { record } if self.scenario.faults => {
                let node = &mut self.nodes[place];
                node.kept.insert(record.key(), record);
            }
            Effect::Forget { key } if self.scenario.faults => {
                self.nodes[place].kept.remove(&key);
            }
            Effect::Send { from, to, message } => self.send(place, from, to, message, after),
            Effect::Advertise {
                link: on,
                advertisement,
                ..
            } => {
                let host = node::host_of(on.mac);
                if on == link(host) {
                    if self.has_leases() {
                        let gone = advertisement.prefixes.iter().filter(|it| it.valid == 0);
                        for one in gone {
                            self.end_lease(place, host, Prefix::of(one.prefix.prefix));
                        }
                    }
                    let note = Note::Advertised {
                        place,
                        host,
                        router: advertisement.router_lifetime > 0,
                        managed: advertisement.managed,
                        prefixes: advertisement.prefixes,
                        after,
                    };
                    self.note(host, note);
                }
            }
            Effect::Authenticate { link } => {
                let host = node::host_of(link.mac);
                let profile = Some(node::profile(&self.scenario, host));
                let event = Event::Authenticated { link, profile };
                self.prompt.push_back((place, event));
            }
            Effect::Watch { link, .. } => {
                let host = node::host_of(link.mac);
                self.note(host, Note::Watched { place, host });
            }
            Effect::Unwatch { link } if self.has_leases() => {
                let host = node::host_of(link.mac);
                self.nodes[place].relay.forget(host);
            }
            Effect::FindAnchors { link, .. } if self.has_leases() => {
                self.want_leases(place, node::host_of(link.mac));
            }
            Effect::QueryNode { link, to, query } => {
                let host = node::host_of(link.mac);
                let when = self.agenda.now() + after + ACCESS_US;
                let question = Happening::Question(place, host, Box::new((to, query)));
                self.post(when, share::part_of_host(host), question);
            }
            Effect::Probe { link, address } => {
                let host = node::host_of(link.mac);
                let note = Note::Probed {
                    place,
                    host,
                    address,
                };
                self.note(host, note);
            }
            Effect::SetTimer { timer, after } => self.set_timer(place, timer, after),
            Effect::CancelTimer { timer } => {
                let timers = &mut self.nodes[place].timers;
                if let Some(entry) = timers.remove(&self.agenda, &timer) {
                    self.agenda.strike(entry);
                }
            }
            // What is for subscribers, for IPv4, and for a store that no crash asks for.
            _ => {}
        }
    }

    fn set_timer(&mut self, place: Place, timer: Timer, after: Duration) {
        // One that is not due on the clock of microseconds yet would only be set again.
        let when = self.agenda.now() + after.as_nanos().div_ceil(1000) as u64;
        let timers = &mut self.nodes[place].timers;
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
        let table = &mut self.nodes[place].table;
        let host = host.or_else(|| table.owner(prefix)).or(self.about);
        let Some(host) = host else {
            return self.violate(None, format!("{bound} was bound, and is nobody's"));
        };
        table.bind(prefix, host, way);
        if self.has_leases() {
            self.nodes[place].relay.bound(host, prefix, way);
        }
        let since = self.agenda.now() + after;
        let hold = Hold { place, way, since };
        self.note(host, Note::Bound { host, prefix, hold });
        let owner = self.anchor_of(prefix);
        if way.anchors() && owner != place {
            self.violate(
                Some(host),
                format!("gateway {place} anchors {prefix}, which is of gateway {owner}"),
            );
        }
    }

    /// Who alone may anchor a prefix.
    pub fn anchor_of(&self, prefix: Prefix) -> Place {
        match self.scenario.mode {
            Mode::Central => self.ground.centre(),
            Mode::Relay | Mode::Locator | Mode::Proxy | Mode::Niq | Mode::Dhcpv6 => {
                node::pool_owner(prefix)
            }
        }
    }

    fn unbind(&mut self, place: Place, bound: BoundPrefix) {
        let Ok(prefix) = Prefix::try_from(bound) else {
            return;
        };
        if let Some(host) = self.nodes[place].table.unbind(prefix) {
            if self.has_leases() {
                self.nodes[place].relay.unbound(host, prefix);
            }
            let note = Note::Unbound {
                host,
                prefix,
                place,
            };
            self.note(host, note);
        }
    }

    fn send(&mut self, place: Place, from: Ipv6Addr, to: Ipv6Addr, message: Message, after: u64) {
        self.figures.messages.count(&message);
        // An answer may name nobody: it is about whom the question was about.
        let host = node::about(&message).or(self.about);
        let target = node::place_of(to);
        if target > self.ground.centre() {
            return self.violate(
                host,
                format!("gateway {place} sends to {to}, who is nobody"),
            );
        }
        let [first, again] = self.arrivals(place, host, target, after);
        let part = share::part_of_place(target, self.scenario.gateways);
        if let Some(when) = again {
            let message = message.clone();
            let event = Event::Message { from, to, message };
            self.post(when, part, Happening::Message(target, Box::new(event)));
        }
        if let Some(when) = first {
            let event = Event::Message { from, to, message };
            self.post(when, part, Happening::Message(target, Box::new(event)));
        }
    }

    /// Something that a node sends another about a host, so many microseconds later, goes its way.
    pub fn carry(
        &mut self,
        place: Place,
        host: HostNumber,
        target: Place,
        after: u64,
        what: impl Fn() -> Happening,
    ) {
        self.figures.messages.leases += 1;
        let part = share::part_of_place(target, self.scenario.gateways);
        let arrivals = self.arrivals(place, Some(host), target, after);
        for when in arrivals.into_iter().flatten() {
            self.post(when, part, what());
        }
    }

    /// When a message arrives that a node sends another now, or so many microseconds later: once, not at
    /// all, or twice. It is counted.
    fn arrivals(
        &mut self,
        place: Place,
        host: Option<HostNumber>,
        target: Place,
        after: u64,
    ) -> [Option<u64>; 2] {
        match host {
            None => self.figures.upkeep_messages += 1,
            Some(host) => self.note(host, Note::Sent { host }),
        }
        if place == self.ground.centre() {
            self.figures.centre.sent += 1;
            self.count_at_centre();
        }
        let now = self.agenda.now();
        let node = &mut self.nodes[place];
        node.sent += 1;
        let seed = self.scenario.seed;
        let mut lots = Lots::of(seed, Draw::Message, place.into(), node.sent);
        let Fate::Arrives(copies) = self.trouble.fate(now, place, target, &mut lots) else {
            self.figures.lost += 1;
            return [None, None];
        };
        let delay = self.ground.delay(place, target);
        let mut when = || now + after + delay + lots.exponential(delay as f64 * JITTER) as u64;
        let again = (copies > 1).then(&mut when);
        [Some(when()), again]
    }
}
