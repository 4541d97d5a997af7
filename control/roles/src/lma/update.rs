//! The way of a Proxy Binding Update (RFC 5213 section 5.3).

use super::cache::Entry;
use super::config::{over_ipv4, GrePolicy};
use super::counters::LmaCounter;
use super::domains::uplink_key;
use super::lookup::{concerned, find, Lookup};
use super::revoke::Former;
use super::view::BindingState;
use super::Lma;
use crate::domain::DomainName;
use crate::effect::{Effect, Encapsulation, GreKeys, Notice, Path, TunnelEnds};
use crate::event::Timer;
use crate::message::{can_answer, refuse_plain, ProxyOptions};
use crate::pool::{stable_hash, Interface};
use crate::{sequence, timestamp, BoundPrefix, Now, SignallingProfile};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::{
    AccessTechnology, BindingUpdate, HandoffIndicator, HomeNetworkPrefix, Ipv4HomeAddress,
    Lifetime, MnIdentifier, Status, UpdateFlags,
};

/// An update that has all its mandatory options.
pub(super) struct Request<'a> {
    pub(super) mn_identifier: &'a MnIdentifier,
    /// The prefixes that are asked for by value, sorted.
    pub(super) named: Vec<HomeNetworkPrefix>,
    /// Whether it is about home network prefixes at all.
    pub(super) ipv6: bool,
    /// The prefixes that are delegated, by value; none: those that there are. `None`: it is not about
    /// any, or none can be (RFC 7148 section 5.2.2).
    pub(super) delegated: Option<Vec<HomeNetworkPrefix>>,
    /// Whether it only asks for what there is (draft section 9.1).
    pub(super) confirms: bool,
    /// The IPv4 home address that is asked for; unspecified: any.
    pub(super) ipv4: Option<Ipv4HomeAddress>,
    pub(super) handoff: HandoffIndicator,
    pub(super) access_technology: AccessTechnology,
    /// `None` also when it is all zero (RFC 5213 section 5.1).
    pub(super) link_layer: Option<&'a [u8]>,
    pub(super) care_of: Ipv6Addr,
    pub(super) lifetime: Lifetime,
    /// How packets are to go there.
    pub(super) carried: Carried,
    /// The domain that it is about.
    pub(super) domain: Option<DomainName>,
}

/// What an update asks for around inner packets, as far as it gets it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Carried {
    /// Nothing.
    Plain,
    /// UDP.
    Udp,
    /// GRE, with this downlink key or without keys.
    Gre(Option<u32>),
}

impl Carried {
    /// With the uplink key that a session has as long as it lasts, restarts included.
    const fn of(self, key: u32) -> Encapsulation {
        match self {
            Self::Plain => Encapsulation::Plain,
            Self::Udp => Encapsulation::Udp,
            Self::Gre(None) => Encapsulation::Gre { keys: None },
            Self::Gre(Some(send)) => Encapsulation::Gre {
                keys: Some(GreKeys { send, receive: key }),
            },
        }
    }
}

impl Request<'_> {
    /// The interface that it is about, to whoever gives out prefixes.
    pub(super) fn interface(&self) -> Interface {
        Interface::of(self.link_layer)
    }

    pub(super) fn is_deregistration(&self) -> bool {
        self.lifetime == Lifetime::ZERO
    }

    /// Whether the gateway has seen the host come, however: all but a refresh.
    pub(super) fn is_attachment(&self) -> bool {
        self.handoff != HandoffIndicator::NOT_CHANGED
    }
}

/// An update as it came, with what its answer needs.
pub(super) struct Received<'a> {
    pub(super) from: Ipv6Addr,
    pub(super) to: Ipv6Addr,
    pub(super) update: &'a BindingUpdate,
    pub(super) options: ProxyOptions<'a>,
    /// The form that it has.
    pub(super) form: SignallingProfile,
}

impl<'a> Received<'a> {
    /// `understood` is the form that may come besides RFC 5213's.
    pub(super) fn read(
        from: Ipv6Addr,
        to: Ipv6Addr,
        update: &'a BindingUpdate,
        understood: SignallingProfile,
    ) -> Self {
        let mut options = ProxyOptions::read(&update.options);
        let drafted = options.confirms || !options.home_addresses.is_empty();
        let drafted = drafted && options.prefixes.is_empty();
        let form = match understood {
            SignallingProfile::Draft if drafted => SignallingProfile::Draft,
            _ => SignallingProfile::Rfc,
        };
        if form == SignallingProfile::Draft {
            options.understand_draft();
        }
        Self {
            from,
            to,
            update,
            options,
            form,
        }
    }
}

/// Whether an update has to be newer than the last accepted one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// It has just come.
    Check,
    /// It was checked when it came, and waited since.
    Checked,
}

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
        let received = Received::read(from, to, update, self.config.profile);
        if update.flags.contains(UpdateFlags::PROXY) {
            self.decide(now, &received, Order::Check, effects);
        } else {
            self.on_plain_update(&received, effects);
        }
    }

    /// A registration by a mobile node itself: this anchor is no home agent for it.
    fn on_plain_update(&mut self, received: &Received<'_>, effects: &mut Vec<Effect>) {
        let home = UpdateFlags::HOME_REGISTRATION;
        if !received.update.flags.contains(home) {
            return self.ignore(
                received.from,
                LmaCounter::CorrespondentRegistration,
                effects,
            );
        }
        // Who is registered here is nothing for strangers.
        let host = received.options.mn_identifier;
        let host = host.filter(|_| self.admission.knows_mag(received.from));
        let status = match host.and_then(|host| self.cache.of(host).next()) {
            Some(_) => Status::TYPE_CHANGE_DISALLOWED,
            None => Status::HOME_REGISTRATION_NOT_SUPPORTED,
        };
        let message = refuse_plain(received.update, status);
        self.send_answer(received, status, message, effects);
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
            Lookup::Create => self.create(now, received, &request, effects),
            Lookup::Update(session) if request.is_deregistration() => {
                self.deregister(now, received, &request, session, effects);
            }
            Lookup::Update(session) => self.extend(now, received, &request, session, effects),
            Lookup::Wait(session) if order == Order::Check => {
                self.hold(now, received, session, effects);
            }
            // It has waited in vain.
            Lookup::Wait(_) => self.create(now, received, &request, effects),
            Lookup::Refuse(status) => self.refuse(now, received, status, effects),
            Lookup::NoSession => {
                self.drop_held(received, &request, effects);
                self.ignore(received.from, LmaCounter::NoSession, effects);
            }
        }
    }

    /// The checks of section 5.3.1, in its order.
    fn check<'a>(
        &self,
        now: Now,
        received: &Received<'a>,
        order: Order,
    ) -> Result<Request<'a>, Status> {
        let options = &received.options;
        let mn_identifier = options
            .mn_identifier
            .filter(|id| !id.as_bytes().is_empty())
            .ok_or(Status::MISSING_MN_IDENTIFIER_OPTION)?;
        let care_of = options.alternate_care_of.unwrap_or(received.from);
        let known = |address| self.admission.knows_mag(address);
        if !known(received.from) || !known(care_of) || !can_answer(care_of) {
            return Err(Status::MAG_NOT_AUTHORIZED_FOR_PROXY_REG);
        }
        // A tunnel has two ends of one family.
        if over_ipv4(care_of) != over_ipv4(received.to) {
            return Err(Status::MAG_NOT_AUTHORIZED_FOR_PROXY_REG);
        }
        self.admission.admits(mn_identifier)?;
        if options.repeated {
            return Err(Status::UNSPECIFIED);
        }
        let domain = self.domain_of(mn_identifier, received)?;
        if order == Order::Check {
            self.check_order(now, received, (mn_identifier, domain), care_of)?;
        }
        let ipv6 = !options.prefixes.is_empty() || options.confirms;
        let ipv4 = options.ipv4_request;
        if !ipv6 && ipv4.is_none() {
            return Err(Status::MISSING_HOME_NETWORK_PREFIX_OPTION);
        }
        self.admission
            .admits_families(mn_identifier, ipv6, ipv4.is_some())?;
        if ipv6 && domain.is_some() {
            return Err(Status::NOT_AUTHORIZED_FOR_IPV6_MOBILITY_SERVICE);
        }
        if ipv4.is_some() && !self.domains.addresses(domain).are_there() {
            return Err(Status::NOT_AUTHORIZED_FOR_IPV4_MOBILITY_SERVICE);
        }
        if options.many_ipv4_requests {
            return Err(Status::MULTIPLE_IPV4_HOME_ADDRESSES_NOT_SUPPORTED);
        }
        // The draft has neither of the two.
        let drafted = received.form == SignallingProfile::Draft;
        let handoff = Some(HandoffIndicator::UNKNOWN).filter(|_| drafted);
        let access_technology = Some(AccessTechnology(0)).filter(|_| drafted);
        let carried = self.carried(received, domain)?;
        Ok(Request {
            mn_identifier,
            carried,
            domain,
            named: options.named_prefixes(),
            ipv6,
            delegated: options
                .delegated
                .clone()
                .filter(|_| self.delegations.are_there() && domain.is_none()),
            confirms: options.confirms,
            ipv4,
            handoff: options
                .handoff
                .or(handoff)
                .ok_or(Status::MISSING_HANDOFF_INDICATOR_OPTION)?,
            access_technology: options
                .access_technology
                .or(access_technology)
                .ok_or(Status::MISSING_ACCESS_TECH_TYPE_OPTION)?,
            link_layer: options.told_link_layer(),
            care_of,
            lifetime: received.update.lifetime,
        })
    }

    /// What goes around inner packets (RFC 5844 section 4.1.3.1, RFC 5845 section 5.2).
    fn carried(
        &self,
        received: &Received<'_>,
        domain: Option<DomainName>,
    ) -> Result<Carried, Status> {
        let update = received.update;
        let ends = update.lifetime == Lifetime::ZERO;
        // A domain's packets are told from others' by their key alone.
        if domain.is_some() && !ends && !matches!(received.options.gre, Some(Some(_))) {
            return Err(Status::GRE_KEY_OPTION_REQUIRED);
        }
        let forced = update.flags.contains(UpdateFlags::FORCE_UDP) && over_ipv4(received.to);
        match (received.options.gre, self.config.gre) {
            (None, GrePolicy::Required) if !ends => Err(Status::GRE_KEY_OPTION_REQUIRED),
            (Some(key), GrePolicy::Accepted | GrePolicy::Required) => Ok(Carried::Gre(key)),
            _ if forced && !self.config.accept_forced_udp => {
                Err(Status::ADMINISTRATIVELY_PROHIBITED)
            }
            _ if forced => Ok(Carried::Udp),
            _ => Ok(Carried::Plain),
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

    /// Whether the update is newer than what was accepted before (section 5.5).
    fn check_order(
        &self,
        now: Now,
        received: &Received<'_>,
        host: (&MnIdentifier, Option<DomainName>),
        care_of: Ipv6Addr,
    ) -> Result<(), Status> {
        let entry = concerned(&self.cache, host, care_of, &received.options);
        if let Some(stamp) = received.options.timestamp {
            let last = entry.and_then(|entry| entry.timestamp);
            return timestamp::check(now, self.config.timestamp_window, last, stamp);
        }
        let old = entry.is_some_and(|e| !sequence::is_newer(received.update.sequence, e.sequence));
        if old {
            return Err(Status::SEQUENCE_OUT_OF_WINDOW);
        }
        Ok(())
    }

    /// Section 5.3.2: a new session.
    fn create(
        &mut self,
        now: Now,
        received: &Received<'_>,
        request: &Request<'_>,
        effects: &mut Vec<Effect>,
    ) {
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
        self.install(now, received, request, session, None, effects);
    }

    /// Sections 5.3.3 and 5.3.4: the session goes on, here or behind another gateway.
    fn extend(
        &mut self,
        now: Now,
        received: &Received<'_>,
        request: &Request<'_>,
        session: u64,
        effects: &mut Vec<Effect>,
    ) {
        let Some(entry) = self.cache.get(session) else {
            return;
        };
        let mut before = Former {
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
        self.install(now, received, request, session, Some(before), effects);
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
        received: &Received<'_>,
        request: &Request<'_>,
        session: u64,
        before: Option<Former>,
        effects: &mut Vec<Effect>,
    ) {
        let most = u32::try_from(self.config.max_lifetime.as_secs()).unwrap_or(u32::MAX);
        let granted = request.lifetime.min(Lifetime::from_secs_floor(most.max(4)));
        let lifetime = Duration::from_secs(granted.as_secs().into());
        let Some(entry) = self.cache.get_mut(session) else {
            return;
        };
        entry.accept(received, request);
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
            self.revoke_former(session, former, effects);
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
        received: &Received<'_>,
        request: &Request<'_>,
        session: u64,
        effects: &mut Vec<Effect>,
    ) {
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
        entry.accept(received, request);
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
    fn next_session(&mut self) -> u64 {
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
    fn accept(&mut self, received: &Received<'_>, request: &Request<'_>) {
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
