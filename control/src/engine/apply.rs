//! What a role wants done, done in order: table, store, send. What comes after a change of the store
//! is sent when the change is kept.
//!
//! When the tables refuse a binding, nothing that rests on it may be claimed: of the effects that
//! are left, those that only take away are still applied ([`Effect::Unbind`], [`Effect::Unwatch`],
//! [`Effect::CancelTimer`], [`Effect::Forget`]), the others are dropped and counted, and [`Event::Refused`] is the next
//! event that the role sees, before any message of the batch has left. It answers with what is true
//! then: no binding, and status 130 to the peer.

use super::hold::Outgoing;
use super::hosts::Look;
use super::tunnels::Released;
use super::{Alarm, Engine, Installed, BUSY, QUESTIONS_AT_ONCE};
use crate::counters::Counter;
use crate::frame;
use crate::neighbour::Neighbour;
use crate::policy::Answer;
use crate::rpc::types::{TimedNotice, Told};
use crate::store::Change;
use dataplane::key::{BindingId, BindingKey, Domain, Forwarding, InterfaceId, TunnelId};
use dataplane::table::Full;
use roles::effect::{Advertisement, LogicalRouter, Notice, Path, TunnelEnds};
use roles::event::{Departure, HostLink};
use roles::{BoundPrefix, Effect, Event, Now, Role};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr};
use wire::ipv6::address::ALL_NODES;
use wire::mh::Message;
use wire::nd::{NdMessage, NdOption, PrefixInformation, RouterAdvertisement, RouterFlags};

/// Hop limit that hosts are told to send with.
const HOST_HOP_LIMIT: u8 = 64;

/// The tunnel that a path leads through.
const fn tunnel_of(path: &Path) -> Option<TunnelEnds> {
    match path {
        Path::Anchor { tunnel } | Path::Access { tunnel, .. } => Some(*tunnel),
        Path::Local { .. } | Path::Pending => None,
    }
}

/// The host that a path leads to on our own link.
const fn host_of(path: &Path) -> Option<HostLink> {
    match path {
        Path::Access { link, .. } | Path::Local { link } => Some(*link),
        Path::Anchor { .. } | Path::Pending => None,
    }
}

impl<R: Role> Engine<R> {
    /// Applies the effects of one event; what follows from them is queued.
    pub(super) fn apply(
        &mut self,
        now: Now,
        effects: &mut Vec<Effect>,
        queue: &mut VecDeque<Event>,
    ) {
        let mut refused = false;
        // The last change of this event.
        let mut kept = None;
        for effect in effects.drain(..) {
            let takes_away = matches!(
                effect,
                Effect::Unbind { .. }
                    | Effect::Unwatch { .. }
                    | Effect::CancelTimer { .. }
                    | Effect::HideRouter { .. }
                    | Effect::Forget { .. }
            );
            if refused && !takes_away {
                self.out.counters.count(Counter::EffectDropped);
                continue;
            }
            match effect {
                Effect::Bind { prefix, path } => {
                    if let Err(full) = self.bind(now, prefix, path) {
                        if self.restoring {
                            self.lacking += 1;
                            refused = true;
                            continue;
                        }
                        tracing::warn!(%prefix, %full, "the tables refuse a binding");
                        self.out.counters.count(Counter::TableFull);
                        queue.push_front(Event::Refused { prefix });
                        refused = true;
                    }
                }
                Effect::Unbind { prefix } => self.unbind(prefix),
                Effect::Store { record } => kept = self.keep(Change::Put(record)),
                Effect::Forget { key } => kept = self.keep(Change::Remove(key)),
                Effect::NoRoom { .. } => self.lacking += 1,
                Effect::Send { from, to, message } => {
                    self.send_when_kept(now, Outgoing::Message { from, to, message }, kept);
                }
                Effect::Advertise {
                    link,
                    to,
                    advertisement,
                } => {
                    let mut gone = advertisement.prefixes.iter();
                    while let Some(it) = gone.find(|it| it.valid == 0) {
                        self.former.withdrawn(link, it.prefix);
                    }
                    let what = Outgoing::Advertisement {
                        link,
                        to,
                        advertisement,
                    };
                    self.send_when_kept(now, what, kept);
                }
                Effect::ShowRouter { interface, router } => self.show_router(interface, router),
                Effect::HideRouter { interface, router } => self.hide_router(interface, router),
                Effect::ServeIpv4 { link, service } => self.serve_ipv4(link, service),
                Effect::Defend { link, target } => self.defend(link, target),
                // Whoever can tell does so of itself.
                Effect::FindAnchors { link, .. } => self.former.want(now.monotonic, link),
                Effect::QueryNode { link, to, query } => self.query_node(link, to, query),
                Effect::Authenticate { link } => self.authenticate(now, link, queue),
                Effect::Watch { link, address } if self.restoring => {
                    self.later.watches.push((link, address));
                }
                Effect::Watch { link, address } => self.watch(now, link, address),
                Effect::Probe { link, address } => {
                    self.hosts.wait_for(link);
                    self.probe(link, address.into());
                }
                Effect::Unwatch { link } => {
                    self.do_later(now);
                    self.hosts.unwatch(link);
                    if let Some(relay) = &mut self.dhcp {
                        relay.forget(link);
                    }
                    self.former.forget(link);
                    self.settle_answer(link);
                    self.sessions.touch(link);
                    self.wheel.cancel(&Alarm::Host(link));
                }
                Effect::SetTimer { timer, after } if self.restoring => {
                    self.later.timers.push((timer, now.monotonic + after));
                }
                Effect::SetTimer { timer, after } => {
                    self.wheel.set(timer.into(), now.monotonic + after);
                }
                Effect::CancelTimer { timer } => {
                    self.do_later(now);
                    self.wheel.cancel(&timer.into());
                }
                Effect::Notify { notice } => self.notify(now, notice),
            }
        }
        self.settle_sessions(now);
    }

    /// The key of a prefix's binding.
    pub(super) fn key(&self, prefix: BoundPrefix) -> BindingKey {
        BindingKey {
            domain: self.routing.number(prefix.domain()),
            prefix: prefix.address(),
            length: prefix.length(),
        }
    }

    /// Installs or moves a binding. What it needs is made first and what it no longer needs is
    /// let go last, so that a refusal changes nothing.
    fn bind(&mut self, now: Now, prefix: BoundPrefix, path: Path) -> Result<(), Full> {
        let key = self.key(prefix);
        let tunnel = match tunnel_of(&path) {
            Some(ends) => Some((ends, self.acquire_tunnel(now, ends, key.domain)?)),
            None => None,
        };
        let bound = self.forwarding(prefix, &path, tunnel.map(|(_, id)| id));
        let bound = bound.and_then(|forwarding| self.writer.bind(key, forwarding));
        match bound {
            Ok(id) => {
                self.led_elsewhere(prefix, &path, id);
                let installed = Installed::new(path, id, now.monotonic);
                if let Some(old) = self.bindings.insert(prefix, installed) {
                    self.let_go(prefix, &old.path, host_of(&path));
                }
                if let Some(link) = host_of(&path) {
                    self.release_answer(link);
                }
                Ok(())
            }
            Err(full) => {
                let still = self
                    .bindings
                    .get(&prefix)
                    .and_then(|old| host_of(&old.path));
                self.let_go(prefix, &path, still);
                Err(full)
            }
        }
    }

    /// The binding of a prefix takes a path: sessions hear of it.
    fn led_elsewhere(&mut self, prefix: BoundPrefix, path: &Path, id: BindingId) {
        if self.sessions.are_none() {
            return;
        }
        let old = self.bindings.get(&prefix);
        let (old, new) = (old.and_then(|old| host_of(&old.path)), host_of(path));
        if old == new {
            return;
        }
        let totals = self.writer.totals(id);
        if let Some(link) = old {
            self.sessions.unbound(link, prefix, totals);
        }
        if let Some(link) = new {
            self.sessions.bound(link, prefix, totals);
        }
    }

    /// What the table is to hold for a path.
    fn forwarding(
        &mut self,
        prefix: BoundPrefix,
        path: &Path,
        tunnel: Option<TunnelId>,
    ) -> Result<Forwarding, Full> {
        Ok(match (path, tunnel) {
            (Path::Anchor { .. }, Some(tunnel)) => Forwarding::Anchor { tunnel },
            (Path::Access { link, .. }, Some(tunnel)) => Forwarding::Access {
                tunnel,
                host: self.hosts.acquire(*link, prefix, &mut self.writer)?,
            },
            (Path::Local { link }, _) => Forwarding::Local {
                host: self.hosts.acquire(*link, prefix, &mut self.writer)?,
            },
            (Path::Pending, _) | (_, None) => Forwarding::Pending,
        })
    }

    /// Lets go of the tunnel of a path, and of its host unless that is `still` the prefix's host.
    fn let_go(&mut self, prefix: BoundPrefix, path: &Path, still: Option<HostLink>) {
        if let Some(link) = host_of(path).filter(|link| Some(*link) != still) {
            self.hosts.release(link, prefix, &mut self.writer);
        }
        let Some(ends) = tunnel_of(path) else {
            return;
        };
        if let Released::Gone(hop) = self.tunnels.release(ends, &mut self.writer) {
            self.wheel.cancel(&Alarm::TunnelMtu(Box::new(ends)));
            if let Some(hop) = hop {
                self.neighbours.release(hop);
            }
        }
    }

    /// Removes a binding, if there is one.
    fn unbind(&mut self, prefix: BoundPrefix) {
        if let Some(old) = self.bindings.remove(&prefix) {
            let key = self.key(prefix);
            let totals = self.writer.unbind(&key);
            if let Some(link) = host_of(&old.path) {
                self.sessions
                    .unbound(link, prefix, totals.unwrap_or_default());
            }
            self.let_go(prefix, &old.path, None);
        }
    }

    /// One more use of a tunnel, which is made if need be: packets out of it are of the domain `inner`. Its
    /// next hop is kept resolved.
    fn acquire_tunnel(
        &mut self,
        now: Now,
        ends: TunnelEnds,
        inner: Domain,
    ) -> Result<TunnelId, Full> {
        if let Some(id) = self.tunnels.share(ends) {
            return Ok(id);
        }
        let hop = self.hop_to(ends.remote);
        let adjacency = hop.and_then(|hop| self.resolved.get(&hop).copied());
        let id = self
            .tunnels
            .make((ends, inner), hop, adjacency, &mut self.writer)?;
        if let Some(hop) = hop {
            let mut acts = Vec::new();
            self.neighbours.keep(hop, &mut acts);
            self.act(now, acts);
        }
        Ok(id)
    }

    /// Sends a mobility message.
    pub(super) fn send(&mut self, now: Now, from: Ipv6Addr, to: Ipv6Addr, message: &mut Message) {
        let octets = match self.associations.seal(self.wall, from, to, message) {
            Ok(octets) => octets,
            Err(error) => {
                tracing::error!(%to, %error, "a mobility message cannot be written");
                return self.out.counters.count(Counter::MessageUnsendable);
            }
        };
        if !self.send_octets(now, from, to, octets) {
            return;
        }
        self.out.counters.count(Counter::MessageSent);
        let answers = matches!(message, Message::BindingAcknowledgement(_));
        if let Some(taken_at) = self.taken_at.filter(|_| answers) {
            self.latency.observe(taken_at.elapsed());
        }
    }

    /// Sends a Router Advertisement to one host, from the identity that every gateway shows
    /// (S1-30 to S1-32, S1-34), or from that of one of its anchors.
    pub(super) fn advertise(&mut self, host: HostLink, to: Ipv6Addr, told: &Advertisement) {
        let interface = InterfaceId(host.interface);
        let Some(link) = self.routing.link(interface) else {
            return;
        };
        let flag = |set, flag| if set { flag } else { RouterFlags::default() };
        let own = LogicalRouter {
            link_local: link.link_local,
            mac: link.interface.mac,
        };
        let router = told.router.unwrap_or(own);
        let mut options = vec![NdOption::SourceLinkLayer(router.mac)];
        options.extend(told.mtu.map(NdOption::Mtu));
        options.extend(told.prefixes.iter().map(|advertised| {
            NdOption::PrefixInformation(PrefixInformation {
                prefix: advertised.prefix.prefix,
                length: advertised.prefix.length,
                on_link: false,
                autonomous: true,
                router_address: false,
                valid: advertised.valid,
                preferred: advertised.preferred,
            })
        }));
        let message = NdMessage::RouterAdvertisement(RouterAdvertisement {
            hop_limit: HOST_HOP_LIMIT,
            flags: flag(told.managed, RouterFlags::MANAGED)
                .with(flag(told.other, RouterFlags::OTHER)),
            router_lifetime: told.router_lifetime,
            reachable_time: 0,
            retrans_timer: 0,
            options,
        });
        let destination = if to.is_unspecified() { ALL_NODES } else { to };
        let macs = (router.mac, host.mac);
        let frame = frame::discovery_frame(macs, router.link_local, destination, &message);
        if let Ok(frame) = frame {
            if self.out.frame(interface, &frame) {
                self.out.counters.count(Counter::RouterAdvertisementSent);
            }
        }
    }

    /// Asks policy who a host is: now, or when the hosts before it have been asked about.
    fn authenticate(&mut self, now: Now, link: HostLink, queue: &mut VecDeque<Event>) {
        if queue.len() < QUESTIONS_AT_ONCE && !self.restoring {
            queue.extend(self.ask_policy(now, link));
        } else {
            self.unasked.push_back(link);
        }
    }

    /// What policy answers at once about a host.
    pub(super) fn ask_policy(&mut self, now: Now, link: HostLink) -> Option<Event> {
        if let Some(grant) = self.sessions.take_pushed(link) {
            let profile = Some(self.granted(now, link, grant));
            let profile = self.in_domain(link, profile);
            return Some(Event::Authenticated { link, profile });
        }
        let answer = match &mut self.access {
            Some(access) => access.authenticate(link, self.sessions.grant(link)),
            None => Answer::Now(None),
        };
        match answer {
            Answer::Now(profile) => {
                let profile = self.in_domain(link, profile);
                Some(Event::Authenticated { link, profile })
            }
            Answer::Later => None,
            Answer::Busy => {
                self.unasked.push_back(link);
                self.ask_after = now.monotonic + BUSY;
                None
            }
        }
    }

    /// Begins to watch a host.
    pub(super) fn watch(&mut self, now: Now, link: HostLink, address: Option<IpAddr>) {
        let packets = self.packets_from(link);
        if let Some(after) = self.hosts.watch(link, address, packets) {
            self.wheel.set(Alarm::Host(link), now.monotonic + after);
        }
    }

    /// Looks at a host that is watched.
    pub(super) fn host_alarm(&mut self, now: Now, link: HostLink) {
        let packets = self.packets_from(link);
        let after = match self.hosts.look(link, packets) {
            Look::NotWatched => return,
            Look::Again(after) => after,
            Look::Ask(address, after) => {
                self.probe(link, address);
                after
            }
            Look::Gone => {
                self.out.counters.count(Counter::HostUnreachable);
                let why = Departure::Unreachable;
                return self.deliver(now, Event::HostGone { link, why });
            }
        };
        self.wheel.set(Alarm::Host(link), now.monotonic + after);
    }

    /// Asks a host whether it is there.
    fn probe(&mut self, link: HostLink, address: IpAddr) {
        let interface = InterfaceId(link.interface);
        self.solicit(Neighbour { interface, address }, Some(link.mac));
    }

    /// How many packets a host has sent from the prefixes that lead to it.
    fn packets_from(&mut self, link: HostLink) -> u64 {
        let prefixes = self.hosts.prefixes(link).iter();
        prefixes
            .filter_map(|prefix| self.bindings.get(prefix).map(|installed| installed.id))
            .map(|id| self.writer.totals(id).up.packets)
            .fold(0, u64::wrapping_add)
    }

    /// Tells subscribers and the log.
    fn notify(&mut self, now: Now, notice: Notice) {
        let link = match &notice {
            Notice::Attached { link, .. }
            | Notice::AttachRefused { link, .. }
            | Notice::Detached { link, .. }
            | Notice::AddressLearned { link, .. }
            | Notice::DelegationRefused { link, .. }
            | Notice::AddressRefused { link, .. } => self.routing.link(InterfaceId(link.interface)),
            _ => None,
        };
        let interface = link.map(|link| link.interface.name.clone());
        match &notice {
            Notice::AttachRefused { link, why } => self.refused = Some((*link, why.clone())),
            Notice::DelegationRefused { link, .. } => self.settle_answer(*link),
            _ => {}
        }
        let notice = TimedNotice::new(now, notice, interface);
        match &notice.notice {
            Told::Role(Notice::MessageIgnored { .. }) => tracing::debug!("{}", notice.words()),
            _ if !tracing::enabled!(tracing::Level::INFO) => {}
            _ if !self.log.take(now.monotonic, &mut self.out.counters) => {}
            _ => tracing::info!("{}", notice.words()),
        }
        self.notices.publish(&notice);
    }
}
