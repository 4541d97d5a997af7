//! Domains: networks whose IPv4 addresses are their own, and may be those of others too (RFC 5845 section 1).
//!
//! ```text
//!   update: service "red" (RFC 5149), or policy's domain of the host
//!      └──► domain red: home networks, who has which address, keys ──► 10.1.0.7%red, uplink key 4096
//!   update without service ──► the common network:                 ──► 10.1.0.7,     key of its session
//! ```
//!
//! What tells packets of two domains apart between the same gateways is the key of GRE, so a session of a
//! domain has one, out of the range that is the domain's alone. A host of a domain has IPv4 there, and
//! nothing else by this session: prefixes of IPv6 are nobody else's anyway.

use super::config::DomainConfig;
use super::ipv4::Addresses;
use super::request::Received;
use super::Lma;
use crate::domain::DomainName;
use crate::effect::{Encapsulation, GreKeys};
use crate::BoundPrefix;
use hashbrown::HashSet;
use std::net::Ipv4Addr;
use wire::mh::{MnIdentifier, Status};

/// The common network and the domains, each with who has which address in it.
#[derive(Clone, Debug)]
pub(super) struct Domains {
    common: Addresses,
    named: Vec<Named>,
    /// Of domains that there are not.
    none: Addresses,
}

#[derive(Clone, Debug)]
struct Named {
    name: DomainName,
    addresses: Addresses,
    keys: Keys,
}

/// Uplink keys of the sessions of a domain.
#[derive(Clone, Debug)]
struct Keys {
    first: u32,
    last: u32,
    /// Where to look for a free one.
    next: u32,
    taken: HashSet<u32>,
}

impl Keys {
    fn new((first, last): (u32, u32)) -> Self {
        Self {
            first,
            last,
            next: first,
            taken: HashSet::new(),
        }
    }

    /// A key that no session has, and that was not a session's for as long as can be.
    fn take(&mut self) -> Option<u32> {
        for _ in 0..=self.taken.len() {
            let key = self.next;
            self.next = match key >= self.last {
                true => self.first,
                false => key + 1,
            };
            if self.taken.insert(key) {
                return Some(key);
            }
        }
        None
    }

    /// Whether a key is of the range and nobody's, and so is taken.
    fn take_this(&mut self, key: u32) -> bool {
        let takes = (self.first..=self.last).contains(&key) && self.taken.insert(key);
        if takes && self.next == key {
            self.next = key
                .checked_add(1)
                .filter(|next| *next <= self.last)
                .unwrap_or(self.first);
        }
        takes
    }
}

impl Domains {
    pub(super) fn new(common: Addresses, domains: &[DomainConfig], remember: usize) -> Self {
        let named = domains.iter().map(|it| Named {
            name: it.name,
            addresses: Addresses::new(&it.ipv4_networks, remember),
            keys: Keys::new(it.keys),
        });
        Self {
            common,
            named: named.collect(),
            none: Addresses::new(&[], 0),
        }
    }

    fn named(&self, domain: DomainName) -> Option<&Named> {
        self.named.iter().find(|it| it.name == domain)
    }

    fn named_mut(&mut self, domain: DomainName) -> Option<&mut Named> {
        self.named.iter_mut().find(|it| it.name == domain)
    }

    /// Whether there is this domain.
    pub(super) fn has(&self, domain: DomainName) -> bool {
        self.named(domain).is_some()
    }

    /// The addresses of a domain, or the common ones; none are of a domain that there is not.
    pub(super) fn addresses(&self, domain: Option<DomainName>) -> &Addresses {
        match domain {
            None => &self.common,
            Some(domain) => self.named(domain).map_or(&self.none, |it| &it.addresses),
        }
    }

    /// The same, to be changed.
    pub(super) fn addresses_mut(&mut self, domain: Option<DomainName>) -> &mut Addresses {
        let Some(domain) = domain else {
            return &mut self.common;
        };
        let Self { named, none, .. } = self;
        let named = named.iter_mut().find(|it| it.name == domain);
        named.map_or(none, |it| &mut it.addresses)
    }

    /// How many addresses are held, of all.
    pub(super) fn held(&self) -> usize {
        let named = self.named.iter().map(|it| it.addresses.held());
        self.common.held() + named.sum::<usize>()
    }

    /// Who holds what is bound.
    pub(super) fn holder(&self, bound: BoundPrefix) -> Option<&MnIdentifier> {
        match bound {
            BoundPrefix::V6(_) => None,
            BoundPrefix::V4(address) => self.common.holder(address),
            BoundPrefix::V4In(it) => self.addresses(Some(it.domain)).holder(it.address),
        }
    }

    /// Takes what policy fixes out of what is given out: `fixed` tells it by domain.
    pub(super) fn fix(&mut self, fixed: impl Fn(Option<DomainName>) -> Vec<Ipv4Addr>) {
        self.common.fix(fixed(None));
        for it in &mut self.named {
            it.addresses.fix(fixed(Some(it.name)));
        }
    }

    /// Whether a key is of a domain, and so of no session outside it.
    pub(super) fn owns_key(&self, key: u32) -> bool {
        let mut keys = self.named.iter().map(|it| &it.keys);
        keys.any(|keys| (keys.first..=keys.last).contains(&key))
    }

    /// An uplink key for a session of a domain; `None`: it has no more.
    pub(super) fn take_key(&mut self, domain: DomainName) -> Option<u32> {
        self.named_mut(domain)?.keys.take()
    }

    /// The same for a session that had one; whether it has it again.
    pub(super) fn take_this_key(&mut self, domain: DomainName, key: u32) -> bool {
        self.named_mut(domain)
            .is_some_and(|it| it.keys.take_this(key))
    }

    /// The key of a session of a domain is free.
    pub(super) fn release_key(&mut self, domain: DomainName, encapsulation: Encapsulation) {
        if let (Some(it), Some(key)) = (self.named_mut(domain), uplink_key(encapsulation)) {
            it.keys.taken.remove(&key);
        }
    }
}

/// The uplink key of a session that has one.
pub(super) const fn uplink_key(encapsulation: Encapsulation) -> Option<u32> {
    match encapsulation {
        Encapsulation::Gre {
            keys: Some(GreKeys { receive, .. }),
        } => Some(receive),
        Encapsulation::Gre { keys: None } | Encapsulation::Plain | Encapsulation::Udp => None,
    }
}

impl Lma {
    /// The domain that an update is about: the one that its host is of, or that it selects as its service.
    /// An anchor without domains knows no services, and goes by none (RFC 5149 section 3).
    pub(super) fn domain_of(
        &self,
        host: &MnIdentifier,
        received: &Received<'_>,
    ) -> Result<Option<DomainName>, Status> {
        let refused = Status::SERVICE_AUTHORIZATION_FAILED;
        let service = received.options.service;
        let own = self.admission.domain(host);
        let selected = match service.filter(|_| !self.config.domains.is_empty()) {
            Some(service) => Some(service.parse().map_err(|_| refused)?),
            None => None,
        };
        match (own, selected) {
            (Some(own), Some(selected)) if own != selected => Err(refused),
            (own, selected) => match own.or(selected) {
                Some(domain) if !self.domains.has(domain) => Err(refused),
                domain => Ok(domain),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_of_their_range_and_one_sessions_each() {
        let mut keys = Keys::new((7, 9));
        assert!(keys.take_this(8) && !keys.take_this(8) && !keys.take_this(10));
        assert_eq!(
            [keys.take(), keys.take(), keys.take()],
            [Some(7), Some(9), None]
        );
        keys.taken.remove(&7);
        assert_eq!(keys.take(), Some(7));
        let mut last = Keys::new((u32::MAX, u32::MAX));
        assert_eq!([last.take(), last.take()], [Some(u32::MAX), None]);
    }
}
