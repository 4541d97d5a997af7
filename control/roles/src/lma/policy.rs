//! Who may be served: the anchor's policy, and what a change of it does to bindings.

use super::cache::Entry;
use super::counters::LmaCounter;
use super::view::BindingKind;
use super::Lma;
use crate::domain::DomainName;
use crate::effect::Effect;
use crate::policy::{Allowance, AnchoredHost, LmaPolicy};
use crate::pool::Interface;
use crate::Now;
use hashbrown::{HashMap, HashSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use wire::mh::{HomeNetworkPrefix, MnIdentifier, Status};

/// The policy, made to be asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Admission {
    mags: HashSet<Ipv6Addr>,
    hosts: HashMap<MnIdentifier, AnchoredHost>,
    serve_unlisted: bool,
    allowance: Allowance,
}

impl Admission {
    fn new(policy: &LmaPolicy) -> Self {
        let hosts = policy.hosts.iter().cloned();
        Self {
            mags: policy.mags.iter().copied().collect(),
            hosts: hosts
                .map(|host| (host.mn_identifier.clone(), host))
                .collect(),
            serve_unlisted: policy.serve_unlisted,
            allowance: policy.allowance,
        }
    }

    /// Whether a gateway with this address may register hosts.
    pub(super) fn knows_mag(&self, address: Ipv6Addr) -> bool {
        self.mags.contains(&address)
    }

    /// Whether this is a host of ours at all.
    pub(super) fn knows(&self, host: &MnIdentifier) -> bool {
        self.serve_unlisted || self.hosts.contains_key(host)
    }

    /// Whether this host may be served; its gateway is known.
    pub(super) fn admits(&self, host: &MnIdentifier) -> Result<(), Status> {
        match self.hosts.get(host) {
            Some(listed) if !listed.proxy_registration => Err(Status::PROXY_REG_NOT_ENABLED),
            Some(_) => Ok(()),
            None if self.serve_unlisted => Ok(()),
            None => Err(Status::NOT_LMA_FOR_THIS_MOBILE_NODE),
        }
    }

    /// How much a host may have.
    fn allowance(&self, host: &MnIdentifier) -> Allowance {
        let own = self.hosts.get(host).and_then(|listed| listed.allowance);
        own.unwrap_or(self.allowance)
    }

    /// Whether prefixes may be delegated to a host.
    pub(super) fn may_delegate(&self, host: &MnIdentifier) -> bool {
        self.hosts.get(host).is_none_or(|listed| listed.delegation)
    }

    /// How many sessions a host may have at a time.
    pub(super) fn sessions(&self, host: &MnIdentifier) -> usize {
        usize::try_from(self.allowance(host).sessions).unwrap_or(usize::MAX)
    }

    /// The prefixes that are fixed for a host; none: they come from the pools.
    pub(super) fn fixed(&self, host: &MnIdentifier) -> &[HomeNetworkPrefix] {
        self.hosts
            .get(host)
            .map_or(&[], |listed| listed.home_network_prefixes.as_slice())
    }
}

impl Admission {
    /// Whether a host may have what it asks for: IPv6, IPv4 (RFC 5844 section 3.1.2.1).
    pub(super) fn admits_families(
        &self,
        host: &MnIdentifier,
        ipv6: bool,
        ipv4: bool,
    ) -> Result<(), Status> {
        let listed = self.hosts.get(host);
        if ipv6 && listed.is_some_and(|listed| !listed.ipv6) {
            return Err(Status::NOT_AUTHORIZED_FOR_IPV6_MOBILITY_SERVICE);
        }
        if ipv4 && listed.is_some_and(|listed| !listed.ipv4) {
            return Err(Status::NOT_AUTHORIZED_FOR_IPV4_MOBILITY_SERVICE);
        }
        Ok(())
    }

    /// The IPv4 home address that is fixed for a host in a domain.
    pub(super) fn fixed_ipv4(
        &self,
        host: &MnIdentifier,
        domain: Option<DomainName>,
    ) -> Option<Ipv4Addr> {
        let listed = self.hosts.get(host)?;
        listed.ipv4_home_address.filter(|_| listed.domain == domain)
    }

    /// The domain that policy says a host is of.
    pub(super) fn domain(&self, host: &MnIdentifier) -> Option<DomainName> {
        self.hosts.get(host)?.domain
    }
}

impl Lma {
    /// The policy was read. What it no longer allows ends now.
    pub(super) fn on_policy(&mut self, now: Now, policy: &LmaPolicy, effects: &mut Vec<Effect>) {
        self.admission = Admission::new(policy);
        self.peers.name(&policy.mags, effects);
        let hosts = policy.hosts.iter();
        self.prefixes
            .fix(hosts.flat_map(|host| host.home_network_prefixes.iter().copied()));
        self.domains.fix(|domain| {
            let hosts = policy.hosts.iter().filter(|host| host.domain == domain);
            hosts.filter_map(|host| host.ipv4_home_address).collect()
        });
        let ended: Vec<u64> = self
            .cache
            .iter()
            .filter(|entry| !self.may_be_bound(entry))
            .map(|entry| entry.session)
            .collect();
        for session in ended {
            self.remove(now, session, LmaCounter::BindingsWithdrawn, effects);
        }
    }

    /// Whether policy allows a binding as it stands.
    pub(super) fn may_be_bound(&self, entry: &Entry) -> bool {
        match entry.kind {
            BindingKind::Proxy => self.may_be_served(entry),
            BindingKind::Mobile => {
                let host = &entry.mn_identifier;
                let mut homes = entry.prefixes.iter();
                let may_be_home = homes.all(|home| self.may_be_home(host, home.prefix).is_ok());
                may_be_home && self.may_be_away(entry.care_of)
            }
        }
    }

    /// Whether policy allows what a gateway has registered.
    fn may_be_served(&self, entry: &Entry) -> bool {
        self.admission.knows_mag(entry.care_of)
            && self.admission.admits(&entry.mn_identifier).is_ok()
            && self.may_hold(&entry.mn_identifier, &entry.prefixes)
            && self.may_have_families(entry)
            && (entry.delegated.is_empty() || self.admission.may_delegate(&entry.mn_identifier))
    }

    fn may_have_families(&self, entry: &Entry) -> bool {
        let host = &entry.mn_identifier;
        let (ipv6, ipv4) = (!entry.prefixes.is_empty(), entry.ipv4);
        let fixed = self.admission.fixed_ipv4(host, entry.domain);
        let admitted = self.admission.admits_families(host, ipv6, ipv4.is_some());
        let addresses = self.domains.addresses(entry.domain);
        let own = self.admission.domain(host);
        let may_be_there = match entry.domain {
            Some(domain) => self.domains.has(domain) && own.is_none_or(|own| own == domain),
            None => own.is_none(),
        };
        admitted.is_ok()
            && may_be_there
            && ipv4.is_none_or(|address| addresses.may_hold(address, fixed))
    }

    /// Whether `prefixes` are the ones that policy fixes for `host`, or some of them; or from the
    /// pools when it fixes none.
    fn may_hold(&self, host: &MnIdentifier, prefixes: &[HomeNetworkPrefix]) -> bool {
        let fixed = self.admission.fixed(host);
        prefixes.iter().all(|&prefix| {
            if fixed.is_empty() {
                self.prefixes.is_pooled(prefix) && !self.prefixes.is_fixed(prefix)
            } else {
                fixed.contains(&prefix)
            }
        })
    }

    /// The prefixes of a new session: those that are named, if the host may have them, or those
    /// that policy fixes for it and no other session of it has, or as many as it may have from the
    /// pools. Takes nothing yet.
    pub(super) fn assign(
        &mut self,
        host: &MnIdentifier,
        interface: Interface,
        named: &[HomeNetworkPrefix],
    ) -> Result<Vec<HomeNetworkPrefix>, Status> {
        let fixed = self.admission.fixed(host);
        let most = self.admission.allowance(host).prefixes.map(usize::from);
        let is_free = |prefix: &HomeNetworkPrefix| {
            self.prefixes.holder(*prefix).is_none() && !self.prefixes.lodges_another(*prefix, host)
        };
        let assigned = match (named, fixed) {
            ([], []) => {
                let chosen = self.prefixes.choose(host, interface, most.unwrap_or(1));
                chosen.ok_or(Status::INSUFFICIENT_RESOURCES)?
            }
            ([], fixed) => {
                let mut free: Vec<_> = fixed.iter().copied().filter(is_free).collect();
                free.sort_unstable();
                free.dedup();
                free.truncate(most.unwrap_or(free.len()));
                if free.is_empty() || most.is_some_and(|most| most > free.len()) {
                    return Err(Status::INSUFFICIENT_RESOURCES);
                }
                free
            }
            (named, [])
                if named.len() <= most.unwrap_or(1)
                    && named.iter().all(|&it| self.prefixes.is_free_for(it, host)) =>
            {
                named.to_vec()
            }
            (named, fixed) if named.iter().all(|it| fixed.contains(it) && is_free(it)) => {
                named.to_vec()
            }
            _ => return Err(Status::NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX),
        };
        if !self.has_room_for(assigned.len()) {
            return Err(Status::INSUFFICIENT_RESOURCES);
        }
        Ok(assigned)
    }
}
