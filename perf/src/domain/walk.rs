//! What hosts do: they come, talk, ask for a router, and go.

use super::ground::Place;
use super::host::Arrival;
use super::lots::{Draw, Lots};
use super::node;
use super::part::{Happening, Part, ACCESS_US, SECOND};
use super::routes::{HostNumber, Prefix};
use super::traffic::overlap;
use roles::event::{Departure, HostLink, Sign};
use roles::Event;
use std::net::Ipv6Addr;
use wire::niq::{Answer, Flags, NiQuery, NiReply};

/// RTR_SOLICITATION_INTERVAL (RFC 4861 section 10).
const SOLICIT_AGAIN: u64 = 4 * SECOND;

impl Part {
    /// A host goes somewhere, or leaves for a while.
    pub fn go(&mut self, host: HostNumber) {
        let now = self.agenda.now();
        if now >= self.scenario.end_of_moves() {
            return;
        }
        let state = &self.hosts[host];
        let mut lots = Lots::of(
            self.scenario.seed,
            Draw::Stay,
            host.into(),
            state.moves.into(),
        );
        let stay = lots.exponential(self.scenario.residence_s as f64 * 1e6) as u64;
        let to = match state.at {
            Some(_) if lots.happens(self.scenario.leaves) => None,
            Some(at) => Some(self.ground.next(at, &mut lots)),
            None => Some(self.ground.anywhere(&mut lots)),
        };
        self.leave_link(host);
        let state = &mut self.hosts[host];
        state.moves += 1;
        state.since = now;
        state.at = to;
        let moves = state.moves;
        self.agenda.enter(now + stay.max(1), Happening::Move(host));
        let mut lots = Lots::of(self.scenario.seed, Draw::Link, host.into(), moves.into());
        if to.is_some() {
            let up = lots.below(20_000);
            self.agenda.enter(now + up, Happening::Solicit(host, moves));
        } else {
            // Whoever switches off has said goodbye.
            state.held.iter_mut().for_each(|held| held.sessions.clear());
            self.figures.departures += 1;
            let linger = self.scenario.mend_us();
            self.agenda
                .enter(now + linger, Happening::Settled(host, moves));
        }
    }

    /// A host is no longer on the link that it was on.
    pub fn leave_link(&mut self, host: HostNumber) {
        let now = self.agenda.now();
        let state = &self.hosts[host];
        let Some(old) = state.at else {
            return;
        };
        let mut lots = Lots::of(
            self.scenario.seed,
            Draw::Link,
            host.into(),
            (u64::from(state.moves) << 1) | 1 << 63,
        );
        let (after, why) = if lots.happens(0.5) {
            (lots.below(SECOND / 2), Departure::LinkDown)
        } else {
            (2 * SECOND + lots.below(3 * SECOND), Departure::Unreachable)
        };
        self.agenda
            .enter(now + after, Happening::Notice(old, host, why));
        self.account(host, old);
        let state = &mut self.hosts[host];
        if state.arrival.take().is_some() {
            self.figures.cut_short += 1;
        }
        state.at = None;
        state.served = false;
    }

    /// A gateway notices that a host is gone, if it has not come back.
    pub fn miss(&mut self, place: Place, host: HostNumber, why: Departure) {
        if self.hosts[host].at != Some(place) {
            let link = link(host);
            let now = self.agenda.now();
            self.frame(now, place, Event::HostGone { link, why });
        }
    }

    /// Enters what the sessions of a host did in the stay that ends now.
    fn account(&mut self, host: HostNumber, at: Place) {
        let now = self.agenda.now();
        let state = &mut self.hosts[host];
        let since = state.since;
        for held in &mut state.held {
            let shared = overlap(&held.sessions, since, now);
            let tunnel = (held.anchor != at).then(|| self.ground.delay(held.anchor, at));
            self.figures.traffic(shared, tunnel);
            held.sessions.retain(|end| *end > now);
        }
        let Some(current) = state.current.filter(|_| state.served) else {
            return;
        };
        let mut lots = Lots::of(
            self.scenario.seed,
            Draw::Sessions,
            host.into(),
            state.moves.into(),
        );
        let begun = self.scenario.habits().draw(since, now, &mut lots);
        if let Some(held) = state.held.iter_mut().find(|held| held.prefix == current) {
            let tunnel = (held.anchor != at).then(|| self.ground.delay(held.anchor, at));
            held.sessions.extend(begun.outlasting);
            self.figures.begun += begun.count;
            self.figures.traffic(begun.within_us, tunnel);
        }
    }

    /// A host that has come up on a link solicits, and again until it is answered.
    pub fn solicit(&mut self, host: HostNumber, moves: u32) {
        let now = self.agenda.now();
        let state = &self.hosts[host];
        let (Some(at), true) = (state.at, state.moves == moves && !state.served) else {
            return;
        };
        if state.arrival.is_none() && now < state.since + SECOND {
            self.arrive(host, at);
        }
        let source = link_local(host);
        let sign = Sign::RouterSolicitation { source };
        let link = link(host);
        self.frame(now, at, Event::HostSeen { link, sign });
        self.agenda
            .enter(now + SOLICIT_AGAIN, Happening::Solicit(host, moves));
    }

    /// The first frame of a host comes to a gateway.
    fn arrive(&mut self, host: HostNumber, at: Place) {
        let now = self.agenda.now();
        let state = &mut self.hosts[host];
        let mut arrival = Arrival {
            began: now + ACCESS_US,
            ..Arrival::default()
        };
        let mut broken = 0;
        for place in (0..state.held.len()).rev() {
            let held = &state.held[place];
            if state.routes.get(held.prefix).is_none() {
                // The domain has let go of it.
                broken += state.lose(held.prefix, now);
                continue;
            }
            if held.anchor != at {
                arrival.anchors += 1;
            }
            if held.is_used(now) {
                arrival.waiting.push(held.prefix);
            }
        }
        if state.held.is_empty() {
            self.figures.attachments += 1;
        } else {
            self.figures.handovers += 1;
        }
        self.figures.broken += broken;
        state.arrival = Some(Box::new(arrival));
        let settled = now + self.scenario.settle_s * SECOND;
        let moves = state.moves;
        self.agenda.enter(settled, Happening::Settled(host, moves));
    }

    /// A host whose packets find no binding sends one now and then.
    pub fn speak(&mut self, host: HostNumber, moves: u32) {
        let now = self.agenda.now();
        let state = &self.hosts[host];
        let (Some(at), true) = (state.at, state.moves == moves) else {
            return;
        };
        let Some(current) = state.current.filter(|_| state.served) else {
            return;
        };
        let hold = state.routes.get(current).and_then(|route| route.at(at));
        if hold.is_some_and(|hold| hold.way.serves()) {
            return;
        }
        let source = address_in(current);
        let sign = Sign::Packet { source };
        let link = link(host);
        self.frame(now, at, Event::HostSeen { link, sign });
        self.plan_to_speak(now, host);
    }

    /// Enters that a host will send a packet.
    pub fn plan_to_speak(&mut self, now: u64, host: HostNumber) {
        let moves = self.hosts[host].moves;
        let mut lots = Lots::of(self.scenario.seed, Draw::Link, host.into(), now);
        let after = SECOND + lots.below(4 * SECOND);
        self.agenda
            .enter(now + after, Happening::Speak(host, moves));
    }

    /// A host has had its time.
    pub fn settle(&mut self, host: HostNumber, moves: u32) {
        if self.hosts[host].moves != moves {
            return;
        }
        self.inspect(host);
        let state = &mut self.hosts[host];
        if state.at.is_none() {
            state.held.clear();
            state.current = None;
        }
        let Some(arrival) = state.arrival.take() else {
            return;
        };
        if arrival.anchors > 0 {
            let with = self.figures.with_anchors(arrival.anchors);
            with.handovers += 1;
            with.messages += u64::from(arrival.messages);
        }
    }

    /// A host is asked for its addresses, and tells all that it has, the newest first (RFC 4620
    /// section 6.3); in a spell of trouble it may not have heard.
    pub fn question(&mut self, place: Place, number: HostNumber, (to, query): (Ipv6Addr, NiQuery)) {
        let now = self.agenda.now();
        let host = &self.hosts[number];
        let mut lots = Lots::of(self.scenario.seed, Draw::Question, number.into(), now);
        if host.at != Some(place) || to != link_local(number) || self.trouble.loses(now, &mut lots)
        {
            return;
        }
        let held = host.held.iter().rev().map(|held| held.prefix);
        let addresses = host
            .current
            .into_iter()
            .chain(held.filter(|prefix| Some(*prefix) != host.current))
            .map(address_in);
        let reply = NiReply {
            qtype: query.qtype,
            flags: query.flags.and(Flags::ASKED),
            nonce: query.nonce,
            answer: Answer::Addresses(addresses.collect()),
        };
        let (link, from) = (link(number), to);
        self.frame(now, place, Event::NodeInformation { link, from, reply });
    }
}

/// The address that a host has in a prefix.
const fn address_in(prefix: Prefix) -> Ipv6Addr {
    Ipv6Addr::from_bits(prefix.address().to_bits() | 1)
}

/// The access link of a host, wherever it is.
pub const fn link(host: HostNumber) -> HostLink {
    HostLink {
        interface: 0,
        mac: node::mac_of(host),
    }
}

/// The link-local address of a host.
pub const fn link_local(host: HostNumber) -> Ipv6Addr {
    let [a, b, c, d] = host.to_be_bytes();
    let bits = u128::from_be_bytes([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, a, 0xff, 0xfe, b, c, d]);
    Ipv6Addr::from_bits(bits)
}
