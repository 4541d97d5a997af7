//! The binding cache (RFC 5213 section 5.1, RFC 6275 section 9.1).

use super::view::{BindingKind, BindingState, BindingView};
use super::wait::Held;
use crate::domain::DomainName;
use crate::effect::Encapsulation;
use crate::keyed::Index;
use crate::pool::Interface;
use crate::sessions::Sessions;
use crate::BoundPrefix;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use wire::mh::{AccessTechnology, HandoffIndicator, HomeNetworkPrefix, MnIdentifier, NtpTime};

/// One mobility session.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) session: u64,
    pub(super) kind: BindingKind,
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
            kind: self.kind,
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
    sessions: Sessions<Entry>,
    /// The identifiers are in the entries.
    by_identifier: Index<u64>,
}

impl Cache {
    /// A number that no session has had.
    pub(super) fn next_session(&mut self) -> u64 {
        self.sessions.next_number()
    }

    pub(super) fn insert(&mut self, entry: Entry) {
        let hash = self.by_identifier.hash(&entry.mn_identifier);
        let session = entry.session;
        if self.sessions.insert(session, entry) {
            self.by_identifier.insert(hash, session);
        }
    }

    pub(super) fn remove(&mut self, session: u64) -> Option<Entry> {
        let entry = self.sessions.remove(session)?;
        let hash = self.by_identifier.hash(&entry.mn_identifier);
        self.by_identifier.remove(hash, |its| its == session);
        Some(entry)
    }

    /// The sessions that gateways have registered of a host, by number. What the host has registered
    /// itself is none of theirs: nothing that they say touches it.
    pub(super) fn of<'a>(&'a self, host: &MnIdentifier) -> impl Iterator<Item = &'a Entry> + 'a {
        let hash = self.by_identifier.hash(host);
        let sessions = self.by_identifier.all(hash);
        let entries = sessions.filter_map(|session| self.get(session));
        let mut its = entries.filter(|it| it.kind.is_proxy() && it.mn_identifier == *host);
        // Most have one, and then no memory is asked for.
        let mut first = its.next();
        let mut others: Vec<_> = its.collect();
        if !others.is_empty() {
            others.extend(first.take());
            others.sort_unstable_by_key(|entry| entry.session);
        }
        first.into_iter().chain(others)
    }

    /// All sessions of a host, of both kinds, by number.
    pub(super) fn sessions_of(&self, host: &MnIdentifier) -> Vec<u64> {
        let hash = self.by_identifier.hash(host);
        let entries = self.by_identifier.all(hash);
        let entries = entries.filter_map(|session| self.get(session));
        let its = entries.filter(|it| it.mn_identifier == *host);
        let mut its: Vec<u64> = its.map(|it| it.session).collect();
        its.sort_unstable();
        its
    }

    /// The session of a host that something is bound for.
    pub(super) fn holder(&self, host: &MnIdentifier, bound: BoundPrefix) -> Option<u64> {
        let holder = self.of(host).find(|entry| entry.holds(bound));
        holder.map(|entry| entry.session)
    }

    pub(super) fn get(&self, session: u64) -> Option<&Entry> {
        self.sessions.get(session)
    }

    pub(super) fn get_mut(&mut self, session: u64) -> Option<&mut Entry> {
        self.sessions.get_mut(session)
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// All that gateways have registered.
    pub(super) fn proxies(&self) -> impl Iterator<Item = &Entry> {
        self.iter().filter(|entry| entry.kind.is_proxy())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.sessions.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 7);

    fn entry(session: u64, kind: BindingKind, prefix: HomeNetworkPrefix) -> Entry {
        Entry {
            session,
            kind,
            mn_identifier: MnIdentifier::Nai("mn@example.net".to_owned()),
            prefixes: vec![prefix],
            delegated: Vec::new(),
            home_addresses: Vec::new(),
            domain: None,
            ipv4: None,
            care_of: OWN,
            encapsulation: Encapsulation::Plain,
            link_layer: None,
            access_technology: AccessTechnology(4),
            handoff: HandoffIndicator::UNKNOWN,
            attached: true,
            link_local: Ipv6Addr::UNSPECIFIED,
            sequence: 1,
            timestamp: None,
            state: BindingState::Active,
            deadline: Duration::ZERO,
            accepted: Duration::ZERO,
            held: None,
            revoking: None,
        }
    }

    /// A host may be behind a gateway and have registered itself: neither is found as the other.
    ///
    /// Proves S1-17.
    #[test]
    fn bindings_of_both_kinds_stand_side_by_side_and_are_told_apart() {
        let home = |address: Ipv6Addr, length| HomeNetworkPrefix::new(address, length).unwrap();
        let (alone, link) = (
            home(OWN, 128),
            home(Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 0), 64),
        );
        let mut cache = Cache::default();
        cache.insert(entry(1, BindingKind::Mobile, alone));
        cache.insert(entry(2, BindingKind::Proxy, link));
        let host = entry(3, BindingKind::Proxy, link).mn_identifier;
        let sessions = |cache: &Cache| cache.of(&host).map(|it| it.session).collect::<Vec<_>>();
        assert_eq!(sessions(&cache), [2]);
        assert_eq!(
            cache.proxies().map(|it| it.session).collect::<Vec<_>>(),
            [2]
        );
        assert_eq!(cache.holder(&host, BoundPrefix::V6(link)), Some(2));
        assert_eq!(cache.holder(&host, BoundPrefix::V6(alone)), None);
        let views = cache.iter().map(|it| it.view(Duration::ZERO, OWN));
        let kinds: Vec<_> = views.map(|view| (view.session, view.kind)).collect();
        assert_eq!(kinds, [(1, BindingKind::Mobile), (2, BindingKind::Proxy)]);
        // Each ends without the other.
        assert!(cache.remove(2).is_some());
        assert_eq!((sessions(&cache), cache.len()), (vec![], 1));
        assert_eq!(cache.get(1).map(|it| it.kind), Some(BindingKind::Mobile));
    }
}
