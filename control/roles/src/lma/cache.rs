//! The binding cache (RFC 5213 section 5.1, RFC 6275 section 9.1).

use super::view::{BindingState, BindingView};
use super::wait::Held;
use crate::domain::DomainName;
use crate::effect::Encapsulation;
use crate::keyed::Index;
use crate::pool::Interface;
use crate::BoundPrefix;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use wire::mh::{AccessTechnology, HandoffIndicator, HomeNetworkPrefix, MnIdentifier, NtpTime};

/// One mobility session.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) session: u64,
    pub(super) mn_identifier: MnIdentifier,
    /// Sorted.
    pub(super) prefixes: Vec<HomeNetworkPrefix>,
    /// Prefixes that are delegated to the host, sorted.
    pub(super) delegated: Vec<HomeNetworkPrefix>,
    /// The host's addresses in its home network prefixes, as far as its gateway has told them (draft section 6.1).
    pub(super) home_addresses: Vec<Ipv6Addr>,
    /// The domain that it is of, if it is of one.
    pub(super) domain: Option<DomainName>,
    /// Its IPv4 home address, if it has one.
    pub(super) ipv4: Option<Ipv4Addr>,
    pub(super) care_of: Ipv6Addr,
    /// How packets go there.
    pub(super) encapsulation: Encapsulation,
    pub(super) link_layer: Option<Vec<u8>>,
    pub(super) access_technology: AccessTechnology,
    pub(super) handoff: HandoffIndicator,
    /// Whether the gateway at the care-of address has said that the host came to it, and not only
    /// refreshed what it had before this anchor knew of it.
    pub(super) attached: bool,
    /// Of the gateway on the access link; unspecified while nobody has asked.
    pub(super) link_local: Ipv6Addr,
    pub(super) sequence: u16,
    /// Of the latest accepted update that had one.
    pub(super) timestamp: Option<NtpTime>,
    pub(super) state: BindingState,
    /// When it ends, on the monotonic clock.
    pub(super) deadline: Duration,
    /// When its gateway last said that it has it.
    pub(super) accepted: Duration,
    /// An update of another interface that waits for the de-registration of this session.
    pub(super) held: Option<Box<Held>>,
    /// Number of the last revocation that told a former gateway of a move.
    pub(super) revoking: Option<u16>,
}

impl Entry {
    /// What is bound for it.
    pub(super) fn bound(&self) -> Vec<BoundPrefix> {
        let prefixes = self.prefixes.iter().chain(&self.delegated);
        let prefixes = prefixes.copied().map(BoundPrefix::V6);
        prefixes.chain(self.bound_ipv4()).collect()
    }

    /// What is bound for its IPv4 home address.
    fn bound_ipv4(&self) -> Option<BoundPrefix> {
        let address = self.ipv4?;
        Some(BoundPrefix::ipv4(self.domain, address))
    }

    /// The interface that it is of, to whoever gives out prefixes.
    pub(super) fn interface(&self) -> Interface {
        Interface::of(self.link_layer.as_deref())
    }

    /// Whether something is bound for it.
    pub(super) fn holds(&self, bound: BoundPrefix) -> bool {
        match bound {
            BoundPrefix::V6(prefix) => self.prefixes.contains(&prefix),
            BoundPrefix::V4(_) | BoundPrefix::V4In(_) => self.bound_ipv4() == Some(bound),
        }
    }

    /// Whether it is the session of an interface: one that is told apart from others by its link-layer
    /// identifier (RFC 5213 section 5.4.1.2).
    pub(super) fn is_of(&self, technology: AccessTechnology, link_layer: &[u8]) -> bool {
        self.access_technology == technology && self.link_layer.as_deref() == Some(link_layer)
    }

    pub(super) fn view(&self, now: Duration, anchor: Ipv6Addr) -> BindingView {
        BindingView {
            session: self.session,
            mn_identifier: self.mn_identifier.clone(),
            prefixes: self.prefixes.clone(),
            delegated_prefixes: self.delegated.clone(),
            ipv4_home_address: self.ipv4,
            domain: self.domain,
            care_of: self.care_of,
            anchor,
            state: self.state,
            lifetime_left: self.deadline.saturating_sub(now),
            sequence: self.sequence,
            timestamp: self.timestamp,
            access_technology: self.access_technology,
            handoff_indicator: self.handoff,
            link_layer_identifier: self.link_layer.clone(),
            link_local: Some(self.link_local).filter(|address| !address.is_unspecified()),
            waited_for: self.held.is_some(),
        }
    }
}

/// The sessions by number, and by host.
#[derive(Clone, Debug, Default)]
pub(super) struct Cache {
    /// In boxes: half of the places of a tree's nodes are empty.
    sessions: BTreeMap<u64, Box<Entry>>,
    /// The identifiers are in the entries.
    by_identifier: Index<u64>,
    last_session: u64,
}

impl Cache {
    /// A number that no session has had.
    pub(super) fn next_session(&mut self) -> u64 {
        self.last_session += 1;
        self.last_session
    }

    pub(super) fn insert(&mut self, entry: Entry) {
        self.last_session = self.last_session.max(entry.session);
        let hash = self.by_identifier.hash(&entry.mn_identifier);
        let session = entry.session;
        if self.sessions.insert(session, Box::new(entry)).is_none() {
            self.by_identifier.insert(hash, session);
        }
    }

    pub(super) fn remove(&mut self, session: u64) -> Option<Entry> {
        let entry = self.sessions.remove(&session)?;
        let hash = self.by_identifier.hash(&entry.mn_identifier);
        self.by_identifier.remove(hash, |its| its == session);
        Some(*entry)
    }

    /// The sessions of a host, by number.
    pub(super) fn of<'a>(&'a self, host: &MnIdentifier) -> impl Iterator<Item = &'a Entry> + 'a {
        let hash = self.by_identifier.hash(host);
        let sessions = self.by_identifier.all(hash);
        let entries = sessions.filter_map(|session| self.get(session));
        let mut its = entries.filter(|it| it.mn_identifier == *host);
        // Most have one, and then no memory is asked for.
        let mut first = its.next();
        let mut others: Vec<_> = its.collect();
        if !others.is_empty() {
            others.extend(first.take());
            others.sort_unstable_by_key(|entry| entry.session);
        }
        first.into_iter().chain(others)
    }

    /// The session of a host that something is bound for.
    pub(super) fn holder(&self, host: &MnIdentifier, bound: BoundPrefix) -> Option<u64> {
        let holder = self.of(host).find(|entry| entry.holds(bound));
        holder.map(|entry| entry.session)
    }

    pub(super) fn get(&self, session: u64) -> Option<&Entry> {
        self.sessions.get(&session).map(Box::as_ref)
    }

    pub(super) fn get_mut(&mut self, session: u64) -> Option<&mut Entry> {
        self.sessions.get_mut(&session).map(Box::as_mut)
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.sessions.values().map(Box::as_ref)
    }
}
