//! Hosts that attach at an access gateway and are revoked again, and the anchor that has them: both ends of an
//! access gateway under load, and what either has been told.
//!
//! ```text
//!            Router Solicitation               PBU
//!   away ───────────────────────► coming ─────────────► the anchor accepts, with a prefix that
//!    ▲                              │                   the host has never had before
//!    │ acknowledged by the gateway  │ Router Advertisement with that prefix
//!    │                              ▼
//!   going ◄───────────────────────  here
//!            Binding Revocation
//! ```
//!
//! What a gateway has said must be so after it was killed: a host that was advertised its prefix is served with it, and
//! one whose revocation was acknowledged is not. Of those on their way it may be either.

use super::visitors;
use crate::gateway::configuration::REALM;
use crate::storm::message::write;
use crate::traffic::neighbour;
use crate::traffic::plan::Plan;
use crate::traffic::side::{Side, Take};
use anyhow::{bail, Result};
use packet::{Buf, Burst, RxTx};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::ether::{ethertype, Frame, MacAddr};
use wire::ipv6::address::{link_local, ALL_ROUTERS};
use wire::ipv6::{next_header, Header};
use wire::mh::{
    AcknowledgementFlags, BindingAcknowledgement, BindingUpdate, HomeNetworkPrefix, Message,
    MnIdentifier, MobilityOption, RevocationFlags, RevocationIndication, RevocationTrigger, Status,
};
use wire::nd::{NdMessage, NdOption, RouterSolicitation};

/// Hosts that are on their way at once; and until one has arrived, for a gateway that has started has yet to find
/// its anchor, and lets only so many messages wait for that.
const ON_THEIR_WAY: usize = 256;
const AT_FIRST: usize = 4;

/// Hosts that are looked at in one step.
const LOOKS: usize = 64;

/// Time after which what was not answered is said again. A host may solicit twice a second.
const PATIENCE: Duration = Duration::from_millis(600);

/// Group address of all routers on a link.
const TO_ROUTERS: MacAddr = MacAddr([0x33, 0x33, 0, 0, 0, 2]);

/// Where a host stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Away,
    Coming,
    Here,
    Going,
}

/// A host. Each time that it attaches it is given another prefix: its number counts these.
#[derive(Clone, Copy, Debug, Default)]
struct Host {
    state: State,
    turn: u64,
}

/// All hosts, and their anchor.
pub(super) struct Hosts {
    plan: Arc<Plan>,
    hosts: Vec<Host>,
    gateway: MacAddr,
    /// Those that wait for an answer, with when they did what they wait for.
    waiting: VecDeque<(Instant, usize)>,
    /// Revocations that were sent, by number.
    revoked: HashMap<u16, usize>,
    sequence: u16,
    random: StdRng,
    to_anchors_link: VecDeque<Vec<u8>>,
    to_hosts_link: VecDeque<Vec<u8>>,
    told: u64,
    /// Whether something was said since the gateway has started.
    warm: bool,
    own: MacAddr,
}

/// What comes on the anchor's link.
pub(super) struct AnchorsLink<'a>(pub(super) &'a mut Hosts);

/// What comes on the hosts' link.
pub(super) struct HostsLink<'a>(pub(super) &'a mut Hosts);

impl Take for AnchorsLink<'_> {
    fn take(&mut self, frame: &[u8], _: MacAddr, _: u64) -> bool {
        self.0.hear_gateway(frame).is_some()
    }
}

impl Take for HostsLink<'_> {
    fn take(&mut self, frame: &[u8], _: MacAddr, _: u64) -> bool {
        self.0.hear_router(frame);
        // Whatever it was: on this link nobody but hosts may answer.
        true
    }
}

impl Hosts {
    /// So many hosts, none of which has ever attached. The prefixes of `plan` are all that they may have in turn; `gateway` is
    /// the link-layer address of the access gateway on the anchor's link, `own` the anchor's.
    pub(super) fn new(
        plan: Arc<Plan>,
        hosts: usize,
        (own, gateway): (MacAddr, MacAddr),
        seed: u64,
    ) -> Self {
        Self {
            plan,
            hosts: vec![Host::default(); hosts],
            gateway,
            waiting: VecDeque::new(),
            revoked: HashMap::new(),
            sequence: 0,
            random: StdRng::seed_from_u64(seed),
            to_anchors_link: VecDeque::new(),
            to_hosts_link: VecDeque::new(),
            told: 0,
            warm: false,
            own,
        }
    }

    /// How often the gateway has said that something is so.
    pub(super) fn told(&self) -> u64 {
        self.told
    }

    /// The number among all prefixes of the one that a host has in a turn.
    fn place(&self, host: usize, turn: u64) -> u64 {
        turn * self.hosts.len() as u64 + host as u64
    }

    fn prefix(&self, host: usize, turn: u64) -> HomeNetworkPrefix {
        HomeNetworkPrefix {
            prefix: self.plan.home_network_prefix(self.place(host, turn)),
            length: self.plan.given().host_length,
        }
    }

    /// Lets hosts come and go, and sends what is to be sent.
    pub(super) fn step<L: RxTx>(&mut self, anchors: &mut Side<L>, hosts: &mut Side<L>) {
        let now = Instant::now();
        while let Some(&(since, host)) = self.waiting.front() {
            let state = self.hosts.get(host).map(|it| it.state);
            let waits = matches!(state, Some(State::Coming | State::Going));
            if waits && now.duration_since(since) < PATIENCE {
                break;
            }
            self.waiting.pop_front();
            if waits {
                self.say(host, now);
            }
        }
        for _ in 0..LOOKS {
            let most = if self.warm { ON_THEIR_WAY } else { AT_FIRST };
            if self.waiting.len() >= most {
                break;
            }
            let host = self.random.random_range(0..self.hosts.len());
            let leaves = self.random.random_bool(0.25);
            let turns = self.plan.given().hosts / self.hosts.len() as u64;
            let Some(it) = self.hosts.get_mut(host) else {
                continue;
            };
            it.state = match it.state {
                State::Away if it.turn < turns => State::Coming,
                State::Here if leaves => State::Going,
                _ => continue,
            };
            self.say(host, now);
        }
        send(anchors, &mut self.to_anchors_link);
        send(hosts, &mut self.to_hosts_link);
    }

    /// Says what a host, or its anchor, has to say.
    fn say(&mut self, host: usize, now: Instant) {
        let state = self.hosts.get(host).map(|it| it.state);
        if state == Some(State::Going) {
            self.revoke(host);
        } else {
            self.solicit(host);
        }
        self.waiting.push_back((now, host));
    }

    fn solicit(&mut self, host: usize) {
        let mac = visitors::mac(host as u64);
        let message = NdMessage::RouterSolicitation(RouterSolicitation {
            options: vec![NdOption::SourceLinkLayer(mac)],
        });
        let ends = (link_local(mac), ALL_ROUTERS);
        self.to_hosts_link
            .extend(neighbour::packet(&message, (mac, TO_ROUTERS), ends));
    }

    fn revoke(&mut self, host: usize) {
        let turn = self.hosts.get(host).map_or(0, |it| it.turn);
        self.sequence = self.sequence.wrapping_add(1);
        self.revoked.insert(self.sequence, host);
        let message = Message::RevocationIndication(RevocationIndication {
            trigger: RevocationTrigger::ADMINISTRATIVE,
            sequence: self.sequence,
            flags: RevocationFlags::PROXY,
            options: vec![
                MobilityOption::MnIdentifier(MnIdentifier::Nai(identifier(host))),
                MobilityOption::HomeNetworkPrefix(self.prefix(host, turn)),
            ],
        });
        self.tell_gateway(message);
    }

    /// Sends the gateway a message of the anchor.
    fn tell_gateway(&mut self, mut message: Message) {
        let ends = (self.plan.given().anchor, self.plan.access_gateway(0));
        let mut frame = Vec::new();
        if write(
            &mut message,
            ends,
            (self.own, self.gateway),
            None,
            &mut frame,
        ) {
            self.to_anchors_link.push_back(frame);
        }
    }

    /// A frame from the gateway on the anchor's link; none: it is no mobility message.
    fn hear_gateway(&mut self, frame: &[u8]) -> Option<()> {
        let frame = Frame::parse(frame).ok()?;
        let (header, payload) = Header::split(frame.payload).ok()?;
        if frame.ethertype != ethertype::IPV6 || header.next_header != next_header::MOBILITY {
            return None;
        }
        let (from, to) = (header.source.into(), header.destination.into());
        match Message::parse(from, to, payload).ok()? {
            Message::BindingUpdate(update) => self.accept(update),
            Message::RevocationAcknowledgement(answer) => {
                let host = self.revoked.remove(&answer.sequence);
                let host = host.and_then(|host| self.hosts.get_mut(host));
                if let Some(host) = host.filter(|it| it.state == State::Going) {
                    host.state = State::Away;
                    host.turn += 1;
                    self.told += 1;
                    self.warm = true;
                }
            }
            _ => {}
        }
        Some(())
    }

    /// The anchor accepts an update: one that asks for any prefix with that of the host's turn.
    fn accept(&mut self, update: BindingUpdate) {
        let named = update.options.iter().find_map(|option| match option {
            MobilityOption::MnIdentifier(MnIdentifier::Nai(name)) => host_of(name),
            _ => None,
        });
        let turn = named.and_then(|host| Some((host, self.hosts.get(host)?.turn)));
        let Some((host, turn)) = turn else {
            return;
        };
        let given = self.prefix(host, turn);
        let mut options = update.options;
        for option in &mut options {
            if let MobilityOption::HomeNetworkPrefix(prefix) = option {
                if prefix.is_request() {
                    *prefix = given;
                }
            }
        }
        self.tell_gateway(Message::BindingAcknowledgement(BindingAcknowledgement {
            status: Status::ACCEPTED,
            flags: AcknowledgementFlags::PROXY,
            sequence: update.sequence,
            lifetime: update.lifetime,
            options,
        }));
    }

    /// A frame on the hosts' link.
    fn hear_router(&mut self, frame: &[u8]) -> Option<()> {
        let frame = Frame::parse(frame).ok()?;
        let (header, payload) = Header::split(frame.payload).ok()?;
        if frame.ethertype != ethertype::IPV6 || header.next_header != next_header::ICMPV6 {
            return None;
        }
        let (from, to) = (header.source.into(), header.destination.into());
        let message = NdMessage::parse(from, to, header.hop_limit, payload).ok()?;
        let NdMessage::RouterAdvertisement(told) = message else {
            return None;
        };
        let host = usize::try_from(visitors::number(frame.header.destination)?).ok()?;
        let its = *self.hosts.get(host)?;
        let given = self.prefix(host, its.turn);
        let has = told.options.iter().any(|option| match option {
            NdOption::PrefixInformation(it) => {
                (it.prefix, it.length) == (given.prefix, given.length) && it.valid > 0
            }
            _ => false,
        });
        if has && told.router_lifetime > 0 && its.state == State::Coming {
            self.hosts.get_mut(host)?.state = State::Here;
            self.told += 1;
            self.warm = true;
        }
        Some(())
    }

    /// Compares what a gateway that was started again serves, each host with its prefix, with what it has said before, and
    /// takes it for what is so from now on. How many hosts are served that had not been told yet.
    ///
    /// # Errors
    /// What it has lost, or brought back.
    pub(super) fn compare(&mut self, served: &HashMap<usize, HomeNetworkPrefix>) -> Result<usize> {
        self.warm = false;
        self.waiting.clear();
        self.revoked.clear();
        self.to_anchors_link.clear();
        self.to_hosts_link.clear();
        let mut newer = 0;
        for number in 0..self.hosts.len() {
            let Some(mut host) = self.hosts.get(number).copied() else {
                continue;
            };
            let given = self.prefix(number, host.turn);
            let has = served.get(&number);
            host.state = match (host.state, has) {
                (State::Here, None) => bail!("host {number} was told of {given} and is lost"),
                (State::Away, Some(has)) => {
                    bail!("host {number} was acknowledged to be gone and is back with {has}")
                }
                (_, Some(has)) if *has != given => {
                    bail!("host {number} was given {given} and is back with {has}")
                }
                (State::Coming, Some(_)) => {
                    newer += 1;
                    State::Here
                }
                (State::Here | State::Going, Some(_)) => State::Here,
                (State::Going, None) => {
                    host.turn += 1;
                    State::Away
                }
                (State::Away | State::Coming, None) => State::Away,
            };
            if let Some(place) = self.hosts.get_mut(number) {
                *place = host;
            }
        }
        Ok(newer)
    }

    /// The numbers among all prefixes of those that hosts have, sorted.
    pub(super) fn bound(&self) -> Vec<u64> {
        let hosts = self.hosts.iter().enumerate();
        let here = hosts.filter(|(_, host)| host.state == State::Here);
        let mut bound: Vec<u64> = here
            .map(|(number, host)| self.place(number, host.turn))
            .collect();
        bound.sort_unstable();
        bound
    }
}

/// What an access gateway calls a host.
fn identifier(host: usize) -> String {
    let mac = visitors::mac(host as u64).to_string().replace(':', "-");
    format!("{mac}{REALM}")
}

/// The host that is called so.
pub(super) fn host_of(identifier: &str) -> Option<usize> {
    let mac = identifier.strip_suffix(REALM)?.replace('-', ":");
    usize::try_from(visitors::number(mac.parse().ok()?)?).ok()
}

/// Sends what there is, as much as one burst takes and the port has room for.
fn send<L: RxTx>(side: &mut Side<L>, frames: &mut VecDeque<Vec<u8>>) {
    let (link, port) = side.link();
    let mut burst = Burst::<L::Buf>::new();
    while let Some(frame) = frames.front().filter(|_| !burst.is_full()) {
        let Some(mut packet) = link.alloc() else {
            break;
        };
        if packet.set_len(frame.len()).is_ok() {
            packet.data_mut().copy_from_slice(frame);
            burst.push(packet);
        }
        frames.pop_front();
    }
    link.tx(port, &mut burst);
    // What the port does not take is lost, as on any link, and said again in time.
    link.free(&mut burst);
}

#[cfg(test)]
mod tests;
