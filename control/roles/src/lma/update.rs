//! The way of a Proxy Binding Update (RFC 5213 section 5.3).

use super::cache::Entry;
use super::counters::LmaCounter;
use super::domains::uplink_key;
use super::lookup::{find, Lookup};
use super::request::{Order, Received, Request};
use super::revoke::Former;
use super::view::{BindingKind, BindingState};
use super::Lma;
use crate::answer;
use crate::effect::{Effect, Notice, Path, TunnelEnds};
use crate::event::Timer;
use crate::lifetime::granted;
use crate::pool::stable_hash;
use crate::{BoundPrefix, Now};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::{BindingUpdate, HomeNetworkPrefix, Lifetime, MnIdentifier, Status, UpdateFlags};

impl Lma {
    pub(super) fn on_update(
        &mut self,
        now: Now,
        from: Ipv6Addr,
        to: Ipv6Addr,
        update: &BindingUpdate,
        effects: &mut Vec<Effect>,
    ) {
        self.counters.add(LmaCounter::UpdatesReceived);
        let received = Received::read(from, to, update, &self.config);
        if update.flags.contains(UpdateFlags::PROXY) {
            self.decide(now, &received, Order::Check, effects);
        } else {
            self.on_plain_update(&received, effects);
        }
    }

    /// A registration by a mobile node itself: this anchor is no home agent for it.
    fn on_plain_update(&mut self, received: &Received<'_>, effects: &mut Vec<Effect>) {
        // Who is registered here is nothing for strangers.
        let host = received.options.mn_identifier;
        let host = host.filter(|_| self.admission.knows_mag(received.from));
        let registered = host.is_some_and(|host| self.cache.of(host).next().is_some());
        match answer::to_mobile_node(received.update, registered) {
            Some((status, message)) => self.send_answer(received, status, message, effects),
            None => {
                let why = LmaCounter::CorrespondentRegistration;
                self.ignore(received.from, why, effects);
            }
        }
    }

    pub(super) fn decide(
        &mut self,
        now: Now,
        received: &Received<'_>,
        order: Order,
        effects: &mut Vec<Effect>,
    ) {
        let request = match self.check(now, received, order) {
            Ok(request) => request,
            Err(status) => return self.refuse(now, received, status, effects),
        };
        match find(&self.cache, &self.prefixes, &self.domains, &request) {
            Lookup::Create => self.create(now, &request, effects),
            Lookup::Update(session) if request.is_deregistration() => {
                self.deregister(now, &request, session, effects);
            }
            Lookup::Update(session) => self.extend(now, &request, session, effects),
            Lookup::Wait(session) if order == Order::Check => {
                self.hold(now, received, session, effects);
            }
            // It has waited in vain.
            Lookup::Wait(_) => self.create(now, &request, effects),
            Lookup::Refuse(status) => self.refuse(now, received, status, effects),
            Lookup::NoSession => {
                self.drop_held(&request, effects);
                self.ignore(received.from, LmaCounter::NoSession, effects);
            }
        }
    }

    /// The tunnel of a session.
    pub(super) fn tunnel(&self, entry: &Entry) -> TunnelEnds {
        TunnelEnds {
            local: self.config.local(entry.care_of),
            remote: entry.care_of,
            encapsulation: entry.encapsulation,
        }
    }

    /// Section 5.3.2: a new session.
    fn create(&mut self, now: Now, request: &Request<'_>, effects: &mut Vec<Effect>) {
        let received = request.received;
        let sessions = self.cache.of(request.mn_identifier).count();
        if sessions >= self.admission.sessions(request.mn_identifier) {
            let status = Status::ADMINISTRATIVELY_PROHIBITED;
            return self.refuse(now, received, status, effects);
        }
        let prefixes = match request.ipv6 {
            true => self.assign(request.mn_identifier, request.interface(), &request.named),
            false => Ok(Vec::new()),
        };
        let delegated = self.delegate(request, None);
        let (prefixes, delegated, ipv4) = match (prefixes, delegated, self.assign_ipv4(request)) {
            (Ok(prefixes), Ok(delegated), Ok(ipv4)) => (prefixes, delegated, ipv4),
            (Err(status), ..) | (_, Err(status), _) => {
                return self.refuse(now, received, status, effects);
            }
            (_, _, Err(refusal)) => return self.refuse(now, received, refusal, effects),
        };
        let more = prefixes.len() + delegated.len() + usize::from(ipv4.is_some());
        if !self.has_room_for(more) {
            return self.refuse(now, received, Status::INSUFFICIENT_RESOURCES, effects);
        }
        let session = self.next_session();
        let key = match request.domain {
            None => Some(session as u32),
            Some(domain) => self.domains.take_key(domain),
        };
        let Some(key) = key else {
            return self.refuse(now, received, Status::INSUFFICIENT_RESOURCES, effects);
        };
        if let Some(address) = ipv4 {
            let addresses = self.domains.addresses_mut(request.domain);
            addresses.take(address, request.mn_identifier);
        }
        for &prefix in &prefixes {
            self.prefixes.take(prefix, request.mn_identifier);
        }
        self.cache.insert(Entry {
            session,
            kind: BindingKind::Proxy,
            mn_identifier: request.mn_identifier.clone(),
            prefixes,
            delegated: Vec::new(),
            home_addresses: Vec::new(),
            domain: request.domain,
            ipv4,
            care_of: request.care_of,
            encapsulation: request.carried.of(key),
            link_layer: None,
            access_technology: request.access_technology,
            handoff: request.handoff,
            attached: false,
            link_local: Ipv6Addr::UNSPECIFIED,
            sequence: received.update.sequence,
            timestamp: None,
            state: BindingState::Active,
            deadline: now.monotonic,
            accepted: now.monotonic,
            held: None,
            revoking: None,
        });
        let heartbeat = self.config.heartbeat;
        self.peers.share(&heartbeat, request.care_of, effects);
        self.hold_delegated(session, delegated, effects);
        self.counters.add(LmaCounter::BindingsCreated);
        self.install(now, request, session, None, effects);
    }

    /// Sections 5.3.3 and 5.3.4: the session goes on, here or behind another gateway.
    fn extend(&mut self, now: Now, request: &Request<'_>, session: u64, effects: &mut Vec<Effect>) {
        let received = request.received;
        let Some(entry) = self.cache.get(session) else {
            return;
        };
        let moves = entry.care_of != request.care_of;
        let mut before = Former {
            prefixes: match moves {
                true => entry.prefixes.clone(),
                false => Vec::new(),
            },
            ipv4: entry.ipv4,
            care_of: entry.care_of,
            state: entry.state,
            access_technology: entry.access_technology,
            timestamp: entry.timestamp,
            absorbed: Vec::new(),
        };
        let delegated = match self.delegate(request, Some(session)) {
            Ok(delegated) => delegated,
            Err(status) => return self.refuse(now, received, status, effects),
        };
        self.bring_address(request, session);
        let mut added = match self.match_families(request, session, effects) {
            Ok(added) => added,
            Err(refusal) => return self.refuse(now, received, refusal, effects),
        };
        self.counters.add(if before.care_of == request.care_of {
            LmaCounter::BindingsRefreshed
        } else {
            LmaCounter::BindingsMoved
        });
        added.extend(self.hold_delegated(session, delegated, effects));
        let absorbed = self.absorb(request, session, effects);
        before.absorbed = absorbed
            .iter()
            .map(|entry| (entry.care_of, entry.bound()))
            .collect();
        // What has moved is bound anew whole.
        if !before.is_changed_by(request) {
            self.bind_added(received, session, added, effects);
        }
        self.install(now, request, session, Some(before), effects);
        for entry in absorbed {
            self.resume(now, entry, effects);
        }
    }

    /// Binds what a session that stays where it is has got in addition.
    fn bind_added(
        &mut self,
        received: &Received<'_>,
        session: u64,
        added: Vec<BoundPrefix>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(entry) = self.cache.get(session).filter(|_| !added.is_empty()) else {
            return;
        };
        let tunnel = self.tunnel(entry);
        let path = Path::Anchor { tunnel };
        let mn_identifier = entry.mn_identifier.clone();
        effects.extend(added.iter().map(|&prefix| Effect::Bind { prefix, path }));
        self.accepting(received, session);
        effects.extend(added.into_iter().map(|prefix| Effect::Notify {
            notice: Notice::BindingUp {
                mn_identifier: mn_identifier.clone(),
                prefix,
                tunnel,
            },
        }));
    }

    /// Writes an accepted registration into the entry, makes its packets go there, and says so.
    fn install(
        &mut self,
        now: Now,
        request: &Request<'_>,
        session: u64,
        before: Option<Former>,
        effects: &mut Vec<Effect>,
    ) {
        let received = request.received;
        let granted = granted(request.lifetime, self.config.max_lifetime);
        let lifetime = Duration::from_secs(granted.as_secs().into());
        let Some(entry) = self.cache.get_mut(session) else {
            return;
        };
        entry.accept(request);
        entry.state = BindingState::Active;
        entry.deadline = now.monotonic + lifetime;
        entry.accepted = now.monotonic;
        let key = uplink_key(entry.encapsulation).unwrap_or(session as u32);
        let encapsulation = request.carried.of(key);
        let carried = std::mem::replace(&mut entry.encapsulation, encapsulation);
        // An update that waits goes on waiting, but for one that this update repeats.
        let repeated = entry.held.take_if(|held| received.is_about(held));
        let tunnel = TunnelEnds {
            local: self.config.local(request.care_of),
            remote: request.care_of,
            encapsulation,
        };
        let (host, bound) = (entry.mn_identifier.clone(), entry.bound());
        let before = before.as_ref();
        let recarried = carried != encapsulation;
        let changed = recarried || before.is_none_or(|before| before.is_changed_by(request));
        if changed {
            let path = Path::Anchor { tunnel };
            effects.extend(bound.iter().map(|&prefix| Effect::Bind { prefix, path }));
            self.accepting(received, session);
        }
        effects.push(Effect::SetTimer {
            timer: Timer::BindingExpiry { session },
            after: lifetime,
        });
        if repeated.is_some() {
            effects.push(Effect::CancelTimer {
                timer: Timer::AssignWait { session },
            });
        }
        self.store(now, session, effects);
        self.accept(received, session, granted, effects);
        if let Some(former) = before {
            self.revoke_former(now, session, former, effects);
            if former.care_of != request.care_of {
                let heartbeat = self.config.heartbeat;
                self.peers.unshare(former.care_of, effects);
                self.peers.share(&heartbeat, request.care_of, effects);
            }
        }
        for prefix in bound.into_iter().filter(|_| changed) {
            let mn_identifier = host.clone();
            let notice = match before.map(|former| former.care_of_of(prefix)) {
                Some(from) if from != request.care_of => Notice::BindingMoved {
                    mn_identifier,
                    prefix,
                    from,
                    to: request.care_of,
                },
                _ => Notice::BindingUp {
                    mn_identifier,
                    prefix,
                    tunnel,
                },
            };
            effects.push(Effect::Notify { notice });
        }
    }

    /// Section 5.3.5: the gateway says that the host has left.
    fn deregister(
        &mut self,
        now: Now,
        request: &Request<'_>,
        session: u64,
        effects: &mut Vec<Effect>,
    ) {
        let received = request.received;
        let Some(entry) = self.cache.get_mut(session) else {
            return;
        };
        if entry.care_of != request.care_of {
            return self.ignore(received.from, LmaCounter::NotTheCareOfAddress, effects);
        }
        if entry.state == BindingState::Active && entry.is_left_in_part_by(request) {
            entry.sequence = received.update.sequence;
            entry.timestamp = entry.timestamp.max(received.options.timestamp);
            self.deregister_in_part(request, session, effects);
            self.store(now, session, effects);
            return self.accept(received, session, Lifetime::ZERO, effects);
        }
        let repeated = entry.state == BindingState::Pending;
        entry.accept(request);
        entry.state = BindingState::Pending;
        let held = entry.held.take();
        if !repeated {
            // A repeated de-registration does not start the wait anew.
            let wait = self.config.min_delay_before_bce_delete;
            entry.deadline = now.monotonic + wait;
            let path = Path::Pending;
            let bound = entry.bound().into_iter();
            effects.extend(bound.map(|prefix| Effect::Bind { prefix, path }));
            effects.push(Effect::SetTimer {
                timer: Timer::BindingExpiry { session },
                after: wait,
            });
            self.counters.add(LmaCounter::BindingsDeregistered);
        }
        self.store(now, session, effects);
        self.accept(received, session, Lifetime::ZERO, effects);
        if let Some(held) = held {
            effects.push(Effect::CancelTimer {
                timer: Timer::AssignWait { session },
            });
            self.decide_held(now, &held, effects);
        }
    }
}

impl Lma {
    /// A number for a session, which is its key where it is of no domain, and so none of a domain's.
    pub(super) fn next_session(&mut self) -> u64 {
        loop {
            let session = self.cache.next_session();
            if !self.domains.owns_key(session as u32) {
                return session;
            }
        }
    }
}

impl Entry {
    /// Takes over what an accepted update says. The time of the latest update stays when an older
    /// one is accepted that had waited.
    fn accept(&mut self, request: &Request<'_>) {
        let received = request.received;
        let options = &received.options;
        if !request.is_deregistration() {
            let stays = self.care_of == request.care_of;
            self.attached = request.is_attachment() || stays && self.attached;
            self.care_of = request.care_of;
            self.link_layer = request.link_layer.map(<[u8]>::to_vec);
            self.access_technology = request.access_technology;
        }
        self.handoff = request.handoff;
        self.sequence = received.update.sequence;
        self.timestamp = self.timestamp.max(options.timestamp);
        for home in &options.home_addresses {
            let told = HomeNetworkPrefix::new(home.address, home.prefix_length);
            if let Some(prefix) = told.filter(|prefix| prefix.prefix != home.address) {
                self.home_addresses.retain(|known| !prefix.contains(*known));
                self.home_addresses.push(home.address);
            }
        }
        match options.link_local {
            Some(asked) if !asked.is_unspecified() => self.link_local = asked,
            Some(_) if self.link_local.is_unspecified() => {
                self.link_local = generate_link_local(&self.mn_identifier);
            }
            _ => {}
        }
    }
}

/// The link-local address of the gateway on the link to a host that has not been told one. It
/// follows from the host's identifier, so it is the same after a restart.
fn generate_link_local(host: &MnIdentifier) -> Ipv6Addr {
    /// In an interface identifier: made up locally, not from a link-layer address.
    const UNIVERSAL: u64 = 1 << 57;
    let interface = stable_hash(host) & !UNIVERSAL;
    Ipv6Addr::from_bits((0xfe80 << 112) | u128::from(interface))
}
