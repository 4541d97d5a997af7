//! IPv4 home addresses (RFC 5844 section 3.1).
//!
//! An anchor has home networks, each with the default router that it tells hosts of. A host has one
//! address of one of them: the one that policy fixes, or one from a network whose addresses are given
//! out.
//!
//! ```text
//!   asked for        policy fixes      answer: status of the update, status of the option
//!   0.0.0.0          an address        that one
//!                    none              one from a network;     171, 132 where none gives any out
//!                                                              130, 128 where all are taken
//!   an address       the same          that one
//!                    another, or none  171, 129; but a free one that is given out, when policy
//!                                      fixes none
//!   of no network    -                 171, 130
//!   of nobody ever   -                 171, 131
//! ```
//!
//! The allocator of prefixes gives addresses out too: to it, an address is the IPv6 form that it has
//! (`::ffff:192.0.2.7`), a prefix of full length. So a host gets the address again that it had, or one
//! that follows from its identifier.
//!
//! One session holds what a host has of both families. An update that names one family alone is about
//! that family: it ends the other when it registers, and ends nothing but that one when it
//! de-registers.

use super::cache::Entry;
use super::config::Ipv4Network;
use super::request::{Received, Request};
use super::Lma;
use crate::effect::Effect;
use crate::pool::{Interface, Pool, Pools, Prefixes};
use crate::BoundPrefix;
use std::net::Ipv4Addr;
use wire::mh::{
    HomeNetworkPrefix, Ipv4AddressStatus, Ipv4HomeAddress, Ipv4HomeAddressAnswer, MnIdentifier,
    MobilityOption, Status,
};

/// Why an update is refused, and what the answer to its request for an IPv4 address says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: Status,
    pub(super) ipv4: Ipv4AddressStatus,
}

impl Refusal {
    const fn address(ipv4: Ipv4AddressStatus) -> Self {
        Self {
            status: Status::NOT_AUTHORIZED_FOR_IPV4_HOME_ADDRESS,
            ipv4,
        }
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        let ipv4 = match status {
            Status::NOT_AUTHORIZED_FOR_IPV4_MOBILITY_SERVICE
            | Status::NOT_AUTHORIZED_FOR_IPV4_HOME_ADDRESS => Ipv4AddressStatus::PROHIBITED,
            Status::BCE_PBU_PREFIX_SET_DO_NOT_MATCH => Ipv4AddressStatus::INCORRECT,
            _ => Ipv4AddressStatus::UNSPECIFIED,
        };
        Self { status, ipv4 }
    }
}

/// The home networks, and who has which address.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    networks: Vec<Ipv4Network>,
    held: Prefixes,
}

/// An address as the allocator of prefixes has it.
fn place(address: Ipv4Addr) -> HomeNetworkPrefix {
    HomeNetworkPrefix {
        prefix: address.to_ipv6_mapped(),
        length: 128,
    }
}

impl Addresses {
    pub(super) fn new(networks: &[Ipv4Network], remember: usize) -> Self {
        let dynamic = networks.iter().filter(|network| network.dynamic);
        let pools = dynamic.filter_map(|network| {
            let prefix = HomeNetworkPrefix::new(
                network.prefix.to_ipv6_mapped(),
                96 + network.length.min(32),
            )?;
            Pool::new(prefix, 128).ok()
        });
        let mut addresses = Self {
            networks: networks.to_vec(),
            held: Prefixes::new(Pools::new(pools).unwrap_or_default(), remember),
        };
        addresses.fix([]);
        addresses
    }

    /// Takes the addresses that policy gives to hosts, and those that no host can have, out of what is
    /// given out.
    pub(super) fn fix(&mut self, addresses: impl IntoIterator<Item = Ipv4Addr>) {
        let reserved: Vec<Ipv4Addr> = self
            .networks
            .iter()
            .flat_map(Ipv4Network::reserved)
            .collect();
        let all = addresses.into_iter().chain(reserved);
        self.held.fix(all.map(place));
    }

    /// The home network of an address.
    pub(super) fn network(&self, address: Ipv4Addr) -> Option<&Ipv4Network> {
        self.networks
            .iter()
            .find(|network| network.contains(address))
    }

    /// Whether there is any home network.
    pub(super) fn are_there(&self) -> bool {
        !self.networks.is_empty()
    }

    pub(super) fn holder(&self, address: Ipv4Addr) -> Option<&MnIdentifier> {
        self.held.holder(place(address))
    }

    /// How many addresses are held.
    pub(super) fn held(&self) -> usize {
        self.held.held()
    }

    pub(super) fn take(&mut self, address: Ipv4Addr, host: &MnIdentifier) {
        self.held.take(place(address), host);
    }

    pub(super) fn release(&mut self, address: Ipv4Addr, interface: Interface) {
        self.held.release(place(address), interface);
    }

    /// Whether a host may go on having an address; `fixed` is the one that policy fixes for it.
    pub(super) fn may_hold(&self, address: Ipv4Addr, fixed: Option<Ipv4Addr>) -> bool {
        let known = self.network(address).is_some();
        let given_out =
            || self.held.is_pooled(place(address)) && !self.held.is_fixed(place(address));
        known && fixed.map_or_else(given_out, |fixed| fixed == address)
    }

    /// The address that a host is given for what it asks. Takes nothing yet.
    fn choose(
        &mut self,
        host: &MnIdentifier,
        interface: Interface,
        asked: Ipv4HomeAddress,
        fixed: Option<Ipv4Addr>,
    ) -> Result<Ipv4Addr, Refusal> {
        let full = Refusal::from(Status::INSUFFICIENT_RESOURCES);
        let address = asked.address;
        if asked.prefix_length > 32 {
            return Err(Refusal::address(Ipv4AddressStatus::INVALID));
        }
        if address.is_unspecified() {
            let given = match fixed {
                Some(fixed) => Some(fixed),
                None if !self.networks.iter().any(|network| network.dynamic) => {
                    return Err(Refusal::address(Ipv4AddressStatus::DYNAMIC_NOT_AVAILABLE));
                }
                None => self
                    .held
                    .choose(host, interface, 1)
                    .and_then(|places| places.first()?.prefix.to_ipv4_mapped()),
            };
            let free = given.filter(|&given| self.holder(given).is_none());
            return free.ok_or(full);
        }
        let nobodys = address.is_multicast() || address.is_broadcast() || address.is_loopback();
        if nobodys || address.is_link_local() || address.octets()[0] == 0 {
            return Err(Refusal::address(Ipv4AddressStatus::INVALID));
        }
        let Some(network) = self.network(address) else {
            return Err(Refusal::address(Ipv4AddressStatus::INCORRECT));
        };
        if network.reserved().contains(&address) {
            return Err(Refusal::address(Ipv4AddressStatus::INVALID));
        }
        if asked.prefix_length != 0 && asked.prefix_length != network.length {
            return Err(Refusal::address(Ipv4AddressStatus::INCORRECT));
        }
        let allowed = match fixed {
            Some(fixed) => fixed == address && self.holder(address).is_none(),
            None => self.held.is_free_for(place(address), host),
        };
        if allowed {
            Ok(address)
        } else {
            Err(Refusal::address(Ipv4AddressStatus::PROHIBITED))
        }
    }
}

impl Entry {
    /// The families that a de-registration of `request` would leave: IPv6, IPv4.
    fn left_by(&self, request: &Request<'_>) -> (bool, bool) {
        let ipv6 = !request.ipv6 && !self.prefixes.is_empty();
        let ipv4 = request.ipv4.is_none() && self.ipv4.is_some();
        (ipv6, ipv4)
    }

    /// Whether a de-registration is of one family and leaves the other (section 3.1.2.5).
    pub(super) fn is_left_in_part_by(&self, request: &Request<'_>) -> bool {
        let (ipv6, ipv4) = self.left_by(request);
        ipv6 || ipv4
    }
}

impl Lma {
    /// The address for a request of a session that has none.
    pub(super) fn assign_ipv4(
        &mut self,
        request: &Request<'_>,
    ) -> Result<Option<Ipv4Addr>, Refusal> {
        let Some(asked) = request.ipv4 else {
            return Ok(None);
        };
        let host = request.mn_identifier;
        let fixed = self.admission.fixed_ipv4(host, request.domain);
        self.domains
            .addresses_mut(request.domain)
            .choose(host, request.interface(), asked, fixed)
            .map(Some)
    }

    /// Whether so many more bindings have room.
    pub(super) fn has_room_for(&self, more: usize) -> bool {
        let held = self.prefixes.held() + self.domains.held() + self.delegations.held();
        held.saturating_add(more) <= self.config.capacity
    }

    /// Makes a session hold the families that an update registers, and no other; returns what it holds
    /// now that it did not.
    pub(super) fn match_families(
        &mut self,
        request: &Request<'_>,
        session: u64,
        effects: &mut Vec<Effect>,
    ) -> Result<Vec<BoundPrefix>, Refusal> {
        let Some(entry) = self.cache.get(session) else {
            return Ok(Vec::new());
        };
        let (has_ipv6, has_ipv4) = (!entry.prefixes.is_empty(), entry.ipv4.is_some());
        let mut prefixes = Vec::new();
        if request.ipv6 && !has_ipv6 {
            prefixes = self.assign(request.mn_identifier, request.interface(), &request.named)?;
        }
        let address = match has_ipv4 {
            true => None,
            false => self.assign_ipv4(request)?,
        };
        let added: Vec<BoundPrefix> = prefixes
            .iter()
            .map(|&prefix| BoundPrefix::V6(prefix))
            .chain(address.map(|it| BoundPrefix::ipv4(request.domain, it)))
            .collect();
        if !added.is_empty() && !self.has_room_for(added.len()) {
            return Err(Status::INSUFFICIENT_RESOURCES.into());
        }
        for &prefix in &prefixes {
            self.prefixes.take(prefix, request.mn_identifier);
        }
        if let Some(address) = address {
            let addresses = self.domains.addresses_mut(request.domain);
            addresses.take(address, request.mn_identifier);
        }
        if let Some(entry) = self.cache.get_mut(session) {
            if !prefixes.is_empty() {
                entry.prefixes = prefixes;
            }
            entry.ipv4 = entry.ipv4.or(address);
        }
        let (ends_ipv6, ends_ipv4) = (
            has_ipv6 && !request.ipv6,
            has_ipv4 && request.ipv4.is_none(),
        );
        self.end_families(session, ends_ipv6, ends_ipv4, effects);
        Ok(added)
    }

    /// Ends the family of a session that a de-registration names.
    pub(super) fn deregister_in_part(
        &mut self,
        request: &Request<'_>,
        session: u64,
        effects: &mut Vec<Effect>,
    ) {
        let left = self.cache.get(session).map(|entry| entry.left_by(request));
        if let Some((ipv6_stays, ipv4_stays)) = left {
            self.end_families(session, !ipv6_stays, !ipv4_stays, effects);
        }
    }

    /// Ends what a session has of a family.
    pub(super) fn end_families(
        &mut self,
        session: u64,
        ipv6: bool,
        ipv4: bool,
        effects: &mut Vec<Effect>,
    ) {
        let Some(entry) = self.cache.get_mut(session) else {
            return;
        };
        let prefixes = match ipv6 {
            true => std::mem::take(&mut entry.prefixes),
            false => Vec::new(),
        };
        let address = entry.ipv4.take_if(|_| ipv4);
        let (host, interface) = (entry.mn_identifier.clone(), entry.interface());
        let domain = entry.domain;
        for &prefix in &prefixes {
            self.prefixes.release(prefix, interface);
        }
        if let Some(address) = address {
            let addresses = self.domains.addresses_mut(domain);
            addresses.release(address, interface);
        }
        let ended = prefixes.into_iter().map(BoundPrefix::V6);
        let address = address.map(|it| BoundPrefix::ipv4(domain, it));
        let ended: Vec<_> = ended.chain(address).collect();
        effects.extend(ended.iter().map(|&prefix| Effect::Unbind { prefix }));
        effects.extend(ended.into_iter().map(|prefix| Effect::Notify {
            notice: crate::effect::Notice::BindingDown {
                mn_identifier: host.clone(),
                prefix,
            },
        }));
    }

    /// What an answer says about IPv4 to an update that asked for it (section 3.1.2.6). `entry` is the
    /// session when the update was accepted.
    pub(super) fn answer_ipv4(
        &self,
        received: &Received<'_>,
        refused: Option<Ipv4AddressStatus>,
        entry: Option<&Entry>,
    ) -> Vec<MobilityOption> {
        let Some(asked) = received.options.ipv4_request else {
            return Vec::new();
        };
        if let Some(status) = refused {
            let answer = Ipv4HomeAddressAnswer {
                status,
                home: asked,
            };
            return vec![MobilityOption::Ipv4HomeAddressReply(answer)];
        }
        // What was de-registered is told back as it was named.
        let given = entry.and_then(|entry| entry.ipv4);
        let address = given.unwrap_or(asked.address);
        let domain = entry.and_then(|entry| entry.domain);
        let network = self.domains.addresses(domain).network(address);
        let prefix_length = network.map_or(asked.prefix_length, |network| network.length);
        let answer = Ipv4HomeAddressAnswer {
            status: Ipv4AddressStatus::SUCCESS,
            home: Ipv4HomeAddress {
                address,
                prefix_length,
            },
        };
        let mut options = vec![MobilityOption::Ipv4HomeAddressReply(answer)];
        if let Some(network) = network {
            options.push(MobilityOption::Ipv4DefaultRouter(network.router));
            options.push(MobilityOption::Ipv4DhcpMode(self.config.dhcp_mode));
        }
        options
    }
}
