//! Bindings that hosts register themselves (RFC 6275 sections 9.5 and 10.3), beside those that gateways
//! register for them (S1-17).
//!
//! ```text
//!   gateway ── Proxy Binding Update ──► lookup by identifier, interface, prefix ──┐
//!                                                                                 ├─► one binding cache,
//!   home agent's signalling, ─ HomeRegistration ─► lookup by home address ────────┘   one table, one store
//!   wherever it runs
//! ```
//!
//! Neither way finds what came by the other. They meet in one thing, the addresses: a home address lies in
//! a prefix of the anchor, and not in one that another host has. It may lie in its own host's prefix: that
//! is how a host goes on with its address outside of the domain (RFC 6612). The longer prefix then leads
//! its packets, as long as it is bound.
//!
//! What is wrong is refused with the status that a Binding Acknowledgement would have, in the order of the
//! RFC: 128 for addresses that cannot be such, 132 and 133 for what is not this anchor's, 134 for an
//! address of somebody else, 135 for a sequence number that is not newer, 174 for a care-of address that
//! leads back here, 130 when there is no room. A refused registration changes nothing.

use super::cache::Entry;
use super::config::over_ipv4;
use super::counters::LmaCounter;
use super::view::{BindingKind, BindingState, BindingView};
use super::Lma;
use crate::effect::{Effect, Encapsulation, Notice, Path, TunnelEnds};
use crate::event::Timer;
use crate::lifetime::granted;
use crate::message::can_answer;
use crate::{sequence, BoundPrefix, Now};
use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::{
    AccessTechnology, HandoffIndicator, HomeNetworkPrefix, Lifetime, MnIdentifier, Status,
};

/// A home registration by a host itself, which a home agent's signalling has authenticated (RFC 6275
/// section 10.3.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HomeRegistration {
    /// The mobile node.
    pub mn_identifier: MnIdentifier,
    /// Its home address, by which the binding is found again.
    pub home_address: Ipv6Addr,
    /// Its care-of address: the far end of the tunnel. The home address itself de-registers.
    pub care_of: Ipv6Addr,
    /// Sequence number of the update.
    pub sequence: u16,
    /// Lifetime that is asked for; zero de-registers.
    pub lifetime: Lifetime,
}

impl HomeRegistration {
    /// Whether the host says that it is at home.
    pub fn is_deregistration(&self) -> bool {
        self.lifetime == Lifetime::ZERO || self.care_of == self.home_address
    }
}

/// A home address as what is bound for it.
const fn alone(address: Ipv6Addr) -> HomeNetworkPrefix {
    HomeNetworkPrefix {
        prefix: address,
        length: 128,
    }
}

impl Lma {
    /// How the last home registration was answered.
    pub const fn last_home_registration(&self) -> Option<Status> {
        self.home_answer
    }

    /// The binding of a home address at `now`, if its host has registered it.
    pub fn home_binding(&self, now: Now, home: Ipv6Addr) -> Option<BindingView> {
        let entry = self.cache.get(self.home_session(alone(home))?)?;
        Some(entry.view(now.monotonic, self.config.local(entry.care_of)))
    }

    /// The session of a home address, if it is registered.
    pub(super) fn home_session(&self, prefix: HomeNetworkPrefix) -> Option<u64> {
        let (_, session) = self.prefixes.home(prefix.prefix)?;
        Some(session).filter(|_| prefix.length == 128)
    }

    pub(super) fn on_home_registration(
        &mut self,
        now: Now,
        registration: &HomeRegistration,
        effects: &mut Vec<Effect>,
    ) {
        match self.check_home(registration) {
            Err(status) => self.answer_home(registration, status, effects),
            Ok(Some(session)) if registration.is_deregistration() => {
                self.remove(now, session, LmaCounter::BindingsDeregistered, effects);
                self.answer_home(registration, Status::ACCEPTED, effects);
            }
            Ok(Some(session)) => {
                let entry = self.cache.get_mut(session);
                let before =
                    entry.map(|it| std::mem::replace(&mut it.care_of, registration.care_of));
                self.install_home(now, registration, session, before, effects);
            }
            Ok(None) => {
                let session = self.next_session();
                let (home, host) = (registration.home_address, &registration.mn_identifier);
                self.prefixes.take_home(home, host, session);
                self.cache.insert(Entry::mobile(now, registration, session));
                self.install_home(now, registration, session, None, effects);
            }
        }
    }

    /// Whether a registration can be followed; the session that it is about, if there is one.
    fn check_home(&self, registration: &HomeRegistration) -> Result<Option<u64>, Status> {
        let (home, host) = (registration.home_address, &registration.mn_identifier);
        if host.as_bytes().is_empty() || !is_ipv6_unicast(home) {
            return Err(Status::UNSPECIFIED);
        }
        self.may_be_home(host, home)?;
        let known = match self.prefixes.home(home) {
            Some((holder, _)) if holder != host => return Err(Status::DAD_FAILED),
            Some((_, session)) => self.cache.get(session),
            None => None,
        };
        match known {
            None if registration.is_deregistration() => return Err(Status::NOT_HOME_AGENT),
            Some(entry) if !sequence::is_newer(registration.sequence, entry.sequence) => {
                return Err(Status::SEQUENCE_OUT_OF_WINDOW);
            }
            _ => {}
        }
        if !registration.is_deregistration() && !self.may_be_away(registration.care_of) {
            return Err(Status::INVALID_CARE_OF_ADDRESS);
        }
        if known.is_none() && !self.has_room_for(1) {
            return Err(Status::INSUFFICIENT_RESOURCES);
        }
        Ok(known.map(|entry| entry.session))
    }

    /// Whether a host may have a home address: it is of this anchor, policy knows the host, and no other
    /// host has a prefix around it.
    pub(super) fn may_be_home(&self, host: &MnIdentifier, home: Ipv6Addr) -> Result<(), Status> {
        let own = self.admission.fixed(host).iter();
        let own = own.copied().find(|prefix| prefix.contains(home));
        let place = own.or_else(|| self.prefixes.place_of(home));
        let place = place.ok_or(Status::NOT_HOME_SUBNET)?;
        if !self.admission.knows(host) {
            return Err(Status::NOT_HOME_AGENT);
        }
        let others = own.is_none() && self.prefixes.is_fixed(alone(home));
        let held = self.prefixes.holder(alone(home)).is_some();
        match others || held || !self.prefixes.is_open_to(place, host) {
            true => Err(Status::DAD_FAILED),
            false => Ok(()),
        }
    }

    /// Whether a host can be at a care-of address: a tunnel to one of ours would lead into itself.
    pub(super) fn may_be_away(&self, care_of: Ipv6Addr) -> bool {
        let mut delegated = self.config.delegated_prefixes.iter();
        is_ipv6_unicast(care_of)
            && !self.config.owns(care_of)
            && self.prefixes.place_of(care_of).is_none()
            && !self.prefixes.is_fixed(alone(care_of))
            && !delegated.any(|prefix| prefix.contains(care_of))
    }

    /// Writes a registration into its entry, makes the host's packets go there, and says so. `before` is
    /// where the host was, if it was registered.
    fn install_home(
        &mut self,
        now: Now,
        registration: &HomeRegistration,
        session: u64,
        before: Option<Ipv6Addr>,
        effects: &mut Vec<Effect>,
    ) {
        let granted = granted(registration.lifetime, self.config.max_lifetime);
        let lifetime = Duration::from_secs(granted.as_secs().into());
        let Some(entry) = self.cache.get_mut(session) else {
            return;
        };
        entry.sequence = registration.sequence;
        entry.deadline = now.monotonic + lifetime;
        entry.accepted = now.monotonic;
        let (to, mn_identifier) = (entry.care_of, entry.mn_identifier.clone());
        let tunnel = TunnelEnds::plain(self.config.local(to), to);
        let prefix = BoundPrefix::V6(alone(registration.home_address));
        if before != Some(to) {
            let path = Path::Anchor { tunnel };
            effects.push(Effect::Bind { prefix, path });
            self.installing = Some(session);
        }
        effects.push(Effect::SetTimer {
            timer: Timer::BindingExpiry { session },
            after: lifetime,
        });
        self.store(now, session, effects);
        self.answer_home(registration, Status::ACCEPTED, effects);
        self.counters.add(match before {
            None => LmaCounter::BindingsCreated,
            Some(from) if from == to => LmaCounter::BindingsRefreshed,
            Some(_) => LmaCounter::BindingsMoved,
        });
        let notice = match before {
            None => Notice::BindingUp {
                mn_identifier,
                prefix,
                tunnel,
            },
            Some(from) if from == to => return,
            Some(from) => Notice::BindingMoved {
                mn_identifier,
                prefix,
                from,
                to,
            },
        };
        effects.push(Effect::Notify { notice });
    }

    fn answer_home(
        &mut self,
        registration: &HomeRegistration,
        status: Status,
        effects: &mut Vec<Effect>,
    ) {
        self.home_answer = Some(status);
        self.counters.add(match status.is_accepted() {
            true => LmaCounter::HomeRegistrationsAccepted,
            false => LmaCounter::HomeRegistrationsRefused,
        });
        effects.push(Effect::Notify {
            notice: Notice::HomeRegistrationAnswered {
                mn_identifier: registration.mn_identifier.clone(),
                home_address: registration.home_address,
                from: registration.care_of,
                status,
            },
        });
    }

    /// The table has refused what was accepted.
    pub(super) fn home_not_installed(&mut self, entry: Entry, effects: &mut Vec<Effect>) {
        let home = entry.prefixes.first();
        let registration = HomeRegistration {
            home_address: home.map_or(Ipv6Addr::UNSPECIFIED, |home| home.prefix),
            mn_identifier: entry.mn_identifier,
            care_of: entry.care_of,
            sequence: entry.sequence,
            lifetime: Lifetime::ZERO,
        };
        self.answer_home(&registration, Status::INSUFFICIENT_RESOURCES, effects);
    }
}

impl Entry {
    /// A binding that its host has registered, yet to be installed.
    fn mobile(now: Now, registration: &HomeRegistration, session: u64) -> Self {
        Self {
            session,
            kind: BindingKind::Mobile,
            mn_identifier: registration.mn_identifier.clone(),
            prefixes: vec![alone(registration.home_address)],
            delegated: Vec::new(),
            home_addresses: Vec::new(),
            domain: None,
            ipv4: None,
            care_of: registration.care_of,
            encapsulation: Encapsulation::Plain,
            link_layer: None,
            access_technology: AccessTechnology(0),
            handoff: HandoffIndicator(0),
            attached: false,
            link_local: Ipv6Addr::UNSPECIFIED,
            sequence: registration.sequence,
            timestamp: None,
            state: BindingState::Active,
            deadline: now.monotonic,
            accepted: now.monotonic,
            held: None,
            revoking: None,
        }
    }
}

/// Whether a host can have this address, and be reached by it from elsewhere.
fn is_ipv6_unicast(address: Ipv6Addr) -> bool {
    can_answer(address) && !over_ipv4(address)
}
