//! Where a DHCPv6 server's leases tell of previous anchors: the relay agent of a gateway, and the client of
//! a host.
//!
//! The gateway does with its role what `control::engine` does: a host's first message is held until the
//! server has told what the host has leased, which the role hears of; then it goes on. What is led here
//! of other anchors lasts on at the server with each lease that the server has for the host, and what
//! its host is told to have no longer ends there.

use super::ground::Place;
use super::leases::{Answer, Ask, Said};
use super::notes::Note;
use super::part::{Happening, Part, ACCESS_US, SECOND};
use super::routes::{HostNumber, Prefix, Way};
use super::share;
use super::walk::{link, link_local};
use super::Mode;
use hashbrown::HashMap;
use roles::event::{Found, Sign};
use roles::Event;
use wire::mh::HomeNetworkPrefix;

/// How long a host's message waits for what the server has to say of it.
const PATIENCE: u64 = SECOND;
/// SOL_TIMEOUT (RFC 8415 section 7.6); it doubles so often.
const SOLICIT_AGAIN: (u64, u32) = (SECOND, 5);

/// The relay agent of a gateway: the hosts that it knows.
#[derive(Default)]
pub struct Relay {
    hosts: HashMap<HostNumber, Served>,
}

/// A host that is served.
#[derive(Default)]
struct Served {
    /// Its prefix here.
    home: Option<Prefix>,
    /// Prefixes of other anchors that are led here.
    led: Vec<Prefix>,
    /// The role looks for anchors of it.
    wanted: bool,
    client: Option<Client>,
}

/// A host that has sent a message.
struct Client {
    /// Its prefix here then.
    home: Prefix,
    /// Since when the server is being asked, if it is, and whether it has told already.
    asked: Option<(u64, bool)>,
    /// The message that waits for the answer.
    waiting: Option<Said>,
    /// What it has leased elsewhere.
    elsewhere: Vec<Prefix>,
}

impl Relay {
    /// The gateway has crashed.
    pub fn clear(&mut self) {
        self.hosts.clear();
    }

    /// A prefix of a host is in the table.
    pub fn bound(&mut self, host: HostNumber, prefix: Prefix, way: Way) {
        self.unbound(host, prefix);
        match way {
            Way::Local => self.hosts.entry(host).or_default().home = Some(prefix),
            Way::Access(_) => self.hosts.entry(host).or_default().led.push(prefix),
            Way::Anchor(_) | Way::Pending => {}
        }
    }

    /// A prefix of a host is in the table no longer.
    pub fn unbound(&mut self, host: HostNumber, prefix: Prefix) {
        let Some(served) = self.hosts.get_mut(&host) else {
            return;
        };
        served.home = served.home.filter(|home| *home != prefix);
        served.led.retain(|led| *led != prefix);
        self.tidy(host);
    }

    /// A host is looked after no longer.
    pub fn forget(&mut self, host: HostNumber) {
        if let Some(served) = self.hosts.get_mut(&host) {
            served.client = None;
            served.wanted = false;
            self.tidy(host);
        }
    }

    /// Hosts that nothing is known of are forgotten.
    fn tidy(&mut self, host: HostNumber) {
        let idle = |it: &Served| {
            it.home.is_none() && it.led.is_empty() && it.client.is_none() && !it.wanted
        };
        if self.hosts.get(&host).is_some_and(idle) {
            self.hosts.remove(&host);
        }
    }
}

impl Part {
    /// How long a lease lasts, in microseconds.
    fn lease_us(&self) -> u64 {
        4 * u64::from(self.scenario.lifetime_s) * SECOND
    }

    /// The role of a gateway looks for the anchors of a host.
    pub fn want_leases(&mut self, place: Place, host: HostNumber) {
        let served = self.nodes[place].relay.hosts.entry(host).or_default();
        served.wanted = true;
        let known = served.client.as_ref();
        if known.is_some_and(|client| client.asked.is_none()) {
            self.begin_to_ask(place, host);
        }
    }

    /// Asks the server what a client has.
    fn begin_to_ask(&mut self, place: Place, host: HostNumber) {
        let now = self.agenda.now();
        let served = self.nodes[place].relay.hosts.get_mut(&host);
        let Some(client) = served.and_then(|it| it.client.as_mut()) else {
            return;
        };
        client.asked = Some((now, false));
        self.ask_server(place, host, Ask::Find, 0);
        let overdue = Happening::Overdue(place, host, now);
        self.agenda.enter(now + PATIENCE, overdue);
    }

    /// A message of a host's client comes to its gateway.
    pub fn configure(&mut self, place: Place, host: HostNumber, said: Said) {
        let node = &mut self.nodes[place];
        if node.down_until > self.agenda.now() {
            return;
        }
        let served = node.relay.hosts.get_mut(&host);
        let Some((served, home)) = served.and_then(|it| it.home.map(|home| (it, home))) else {
            let sign = Sign::Packet {
                source: link_local(host),
            };
            let link = link(host);
            return self.tell(place, Event::HostSeen { link, sign }, 0);
        };
        match served.client.as_mut().filter(|client| client.home == home) {
            Some(client) if client.asked.is_some() => client.waiting = Some(said),
            Some(_) => self.ask_server(place, host, Ask::Relay(home, said), 0),
            None => {
                served.client = Some(Client {
                    home,
                    asked: None,
                    waiting: Some(said),
                    elsewhere: Vec::new(),
                });
                self.begin_to_ask(place, host);
            }
        }
    }

    /// The server has been asked for as long as a host's message may wait. The next message asks anew.
    pub fn give_up_asking(&mut self, place: Place, host: HostNumber, since: u64) {
        let served = self.nodes[place].relay.hosts.get_mut(&host);
        let late = |client: &Client| client.asked.is_some_and(|(asked, _)| asked == since);
        let Some(served) = served.filter(|it| it.client.as_ref().is_some_and(late)) else {
            return;
        };
        let (client, home) = (served.client.take(), served.home);
        let waiting = client.and_then(|client| client.waiting);
        if let Some((said, home)) = waiting.zip(home) {
            self.ask_server(place, host, Ask::Relay(home, said), 0);
        }
    }

    /// A gateway asks something of the server.
    fn ask_server(&mut self, place: Place, host: HostNumber, ask: Ask, after: u64) {
        let to = self.ground.centre();
        let what = || Happening::Asked(host, place, ask);
        self.carry(place, host, to, after, what);
    }

    /// A question of a gateway comes to the server.
    pub fn serve(&mut self, host: HostNumber, from: Place, ask: Ask) {
        let centre = self.ground.centre();
        let Some(after) = self.takes(centre) else {
            return;
        };
        let (now, lasts) = (self.agenda.now(), self.lease_us());
        let answer = self.server.answer(now, lasts, host, ask);
        let what = || Happening::Answered(from, host, answer.clone());
        self.carry(centre, host, from, after, what);
    }

    /// An answer of the server comes to a gateway.
    pub fn answered(&mut self, place: Place, host: HostNumber, answer: Answer) {
        let Some(after) = self.takes(place) else {
            return;
        };
        let Some(served) = self.nodes[place].relay.hosts.get_mut(&host) else {
            return;
        };
        let home = served.home;
        match (answer, served.client.as_mut()) {
            (Answer::Found(leases), Some(client)) => {
                let Some((since, false)) = client.asked else {
                    return;
                };
                client.asked = Some((since, true));
                let is_there = leases.contains(&client.home);
                client.elsewhere = leases;
                client.elsewhere.retain(|it| *it != client.home);
                let here = client.home;
                match is_there {
                    true => self.found(place, host, after),
                    false => self.ask_server(place, host, Ask::Place(here), after),
                }
            }
            (Answer::Placed, Some(client)) if client.asked.is_some_and(|(_, told)| told) => {
                self.found(place, host, after);
            }
            (Answer::Relayed(said), _) => {
                let Some(prefix) = home else {
                    return;
                };
                if said == Said::Reply {
                    self.keep_led(place, host, after);
                }
                let note = Note::Configured {
                    place,
                    host,
                    said,
                    prefix,
                    after,
                };
                self.note(host, note);
            }
            (Answer::Found(_) | Answer::Placed | Answer::Done, _) => {}
        }
    }

    /// What a host has leased is known: the role hears of it, and the message that waited goes on.
    fn found(&mut self, place: Place, host: HostNumber, after: u64) {
        let Some(served) = self.nodes[place].relay.hosts.get_mut(&host) else {
            return;
        };
        let Some(client) = served.client.as_mut() else {
            return;
        };
        client.asked = None;
        let waiting = client.waiting.take();
        let wanted = served.wanted;
        let elsewhere = client.elsewhere.iter().map(|prefix| HomeNetworkPrefix {
            prefix: prefix.address(),
            length: 64,
        });
        let found = Found::Prefixes(elsewhere.collect());
        if wanted {
            let link = link(host);
            self.tell(place, Event::AnchorsFound { link, found }, after);
        }
        let served = self.nodes[place].relay.hosts.get(&host);
        let home = served.and_then(|served| served.home);
        if let Some((said, home)) = waiting.zip(home) {
            self.ask_server(place, host, Ask::Relay(home, said), after);
        }
    }

    /// Leases of other anchors that are led to a host last on.
    fn keep_led(&mut self, place: Place, host: HostNumber, after: u64) {
        let Some(served) = self.nodes[place].relay.hosts.get(&host) else {
            return;
        };
        let elsewhere = served.client.iter().flat_map(|client| &client.elsewhere);
        let led = elsewhere.filter(|prefix| served.led.contains(prefix));
        for prefix in led.copied().collect::<Vec<_>>() {
            self.ask_server(place, host, Ask::Keep(prefix), after);
        }
    }

    /// A host is told that it has a prefix no longer: what it leased of it ends.
    pub fn end_lease(&mut self, place: Place, host: HostNumber, prefix: Prefix) {
        let served = self.nodes[place].relay.hosts.get_mut(&host);
        let Some(client) = served.and_then(|served| served.client.as_mut()) else {
            return;
        };
        if client.home == prefix || client.elsewhere.contains(&prefix) {
            client.elsewhere.retain(|it| *it != prefix);
            self.ask_server(place, host, Ask::End(prefix), 0);
        }
    }

    /// A host that has been told to ask the server for an address does so, until it has one.
    pub fn ask_for_address(&mut self, host: HostNumber, moves: u32, times: u32) {
        let now = self.agenda.now();
        let state = &self.hosts[host];
        let (Some(at), true) = (state.at, state.moves == moves && !state.served) else {
            return;
        };
        self.say(now, host, at, Said::Solicit);
        let (first, doubles) = SOLICIT_AGAIN;
        let again = now + (first << times.min(doubles));
        let what = Happening::Client(host, moves, times + 1);
        self.agenda.enter(again, what);
    }

    /// A host asks that its address lasts on, as long as it is there.
    pub fn renew_address(&mut self, host: HostNumber, moves: u32) {
        let now = self.agenda.now();
        let state = &self.hosts[host];
        let (Some(at), true) = (state.at, state.moves == moves && state.served) else {
            return;
        };
        self.say(now, host, at, Said::Renew);
        self.plan_to_renew(now, host, moves);
    }

    fn plan_to_renew(&mut self, now: u64, host: HostNumber, moves: u32) {
        let when = now + u64::from(self.scenario.lifetime_s) * SECOND;
        self.agenda.enter(when, Happening::Renew(host, moves));
    }

    fn say(&mut self, sent: u64, host: HostNumber, to: Place, said: Said) {
        let part = share::part_of_place(to, self.scenario.gateways);
        self.post(sent + ACCESS_US, part, Happening::Said(to, host, said));
    }

    /// A host hears that it gets its addresses by DHCPv6.
    pub fn hear_managed(&mut self, heard: u64, host: HostNumber) {
        let state = &mut self.hosts[host];
        if state.served || state.asking == Some(state.moves) {
            return;
        }
        state.asking = Some(state.moves);
        let what = Happening::Client(host, state.moves, 0);
        self.agenda.enter(heard, what);
    }

    /// A host is told something by the server, through its gateway.
    pub fn hear_server(&mut self, heard: u64, host: HostNumber, at: Place, of: (Said, Prefix)) {
        let (said, prefix) = of;
        if said == Said::Advertise {
            return self.say(heard, host, at, Said::Request);
        }
        let anchor = self.anchor_of(prefix);
        let state = &mut self.hosts[host];
        let moves = state.moves;
        let first = !std::mem::replace(&mut state.served, true);
        state.asking = None;
        state.hold(prefix, anchor);
        state.current = Some(prefix);
        self.addressed(heard, host);
        if first {
            self.plan_to_renew(heard, host, moves);
        }
    }

    /// Whether hosts are configured by DHCPv6.
    pub fn has_leases(&self) -> bool {
        self.scenario.mode == Mode::Dhcpv6
    }
}
