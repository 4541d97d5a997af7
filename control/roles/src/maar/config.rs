//! How a mobility anchor and access router is set up.

use super::discovery::{Discovery, Distributed};
use super::neighbours::{Neighbour, Neighbours};
use crate::advertising::Advertising;
use crate::effect::LogicalRouter;
use crate::mag::AttachOn;
use crate::pool::Pools;
use crate::{HeartbeatConfig, RevocationConfig};
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::{AccessTechnology, HomeNetworkPrefix};

/// Configuration of a mobility anchor and access router (RFC 8885 section 3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MaarConfig {
    /// Its global address: where its messages come from, and its end of every tunnel.
    pub address: Ipv6Addr,
    /// How the anchors that a host has elsewhere are found.
    pub discovery: Discovery,
    /// What it gives hosts prefixes of, and no other gateway does (S2-01).
    pub pools: Pools,
    /// The other gateways of the domain: nobody else is a serving or a previous one.
    pub neighbours: Neighbours,
    /// Prefixes that may be bound at once, and hosts that may be attached at once; below what the
    /// table is guaranteed to hold.
    pub capacity: usize,
    /// Prefixes of previous anchors that one host may have here.
    pub most_previous: usize,
    /// Released prefixes that are kept for their former holders, at most.
    pub remembered_prefixes: usize,
    /// Lifetime that is asked for.
    pub lifetime: Duration,
    /// Refresh after this part of the granted lifetime, in percent.
    pub refresh_percent: u8,
    /// INITIAL_BINDACK_TIMEOUT: wait for an acknowledgement before the first retransmission.
    pub initial_bindack_timeout: Duration,
    /// MAX_BINDACK_TIMEOUT: longest wait between retransmissions.
    pub max_bindack_timeout: Duration,
    /// MAX_UPDATE_RATE: updates per second about one host to the database, or to one anchor.
    pub max_update_rate: u32,
    /// Updates per second to all anchors together, where there is no database, and Binding Revocation
    /// Indications with them; more wait their turn.
    pub pacing_rate: u32,
    /// How many of those may leave at once.
    pub pacing_burst: u32,
    /// How long a registration is tried for before its prefix is free again (S2-07).
    pub registration_timeout: Duration,
    /// How often a de-registration is sent in all when no acknowledgement comes.
    pub deregistration_transmissions: u32,
    /// How long answers to an accepted update may come in pieces (S2-18, S2-24).
    pub late_answers: Duration,
    /// TimestampValidityWindow for updates of the database (RFC 5213 section 5.5).
    pub timestamp_window: Duration,
    /// Longest time that a host which has left its link is kept for its return, if its binding lasts
    /// as long (S2-29).
    pub guard: Duration,
    /// What a previous anchor does when its binding would end.
    pub previous_expiry: PreviousExpiry,
    /// Whether a previous anchor answers the serving one directly too, which a database that is a
    /// locator counts on (S2-22) and the others do not mind.
    pub direct_answers: bool,
    /// How its hosts see it, by access interface, where each anchor is a router of its own to them
    /// (RFC 8885 section 3.7). Empty: all anchors are one router, the interface's own.
    pub routers: BTreeMap<u16, LogicalRouter>,
    /// Access Technology Type of the access links.
    pub access_technology: AccessTechnology,
    /// By which signs a host attaches; the operator can always attach one.
    pub attach_on: AttachOn,
    /// How long a host that was refused is not asked about again.
    pub refusal_hold: Duration,
    /// How many refused hosts are remembered.
    pub remembered_refusals: usize,
    /// What hosts are advertised.
    pub advertising: Advertising,
    /// How the database is watched; nothing ends because it is down.
    pub heartbeat: HeartbeatConfig,
    /// Whether hosts are registered anew when the database has restarted without its sessions, or is back.
    pub renew_when_restarted: bool,
    /// Seed of the jitter and of the first sequence number.
    pub seed: u64,
}

/// What a previous anchor does when its binding would end (RFC 8885 section 3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PreviousExpiry {
    /// Nothing: it ends when the database says so (S2-30).
    Stop,
    /// It asks the database to end it, which answers with a new lifetime while the host is in the
    /// domain (S2-31).
    Ask,
}

impl MaarConfig {
    /// A gateway at `address` that finds anchors so, has room for `capacity` prefixes, and the RFCs'
    /// values for everything else. An address alone is that of the database.
    pub fn new(
        address: Ipv6Addr,
        discovery: impl Into<Discovery>,
        pools: Pools,
        neighbours: Vec<Neighbour>,
        capacity: usize,
        seed: u64,
    ) -> Self {
        Self {
            address,
            discovery: discovery.into(),
            pools,
            neighbours: neighbours.into(),
            capacity,
            most_previous: 16,
            remembered_prefixes: 65_536,
            lifetime: Duration::from_secs(300),
            refresh_percent: 80,
            initial_bindack_timeout: Duration::from_secs(1),
            max_bindack_timeout: Duration::from_secs(32),
            max_update_rate: 3,
            pacing_rate: 20_000,
            pacing_burst: 64,
            registration_timeout: Duration::from_secs(30),
            deregistration_transmissions: 3,
            late_answers: Duration::from_secs(10),
            timestamp_window: Duration::from_millis(300),
            guard: Duration::from_secs(300),
            previous_expiry: PreviousExpiry::Ask,
            direct_answers: true,
            routers: BTreeMap::new(),
            access_technology: AccessTechnology::ETHERNET,
            attach_on: AttachOn {
                router_solicitation: true,
                packet: true,
            },
            refusal_hold: Duration::from_secs(30),
            remembered_refusals: 4096,
            advertising: Advertising::default(),
            heartbeat: HeartbeatConfig::default(),
            renew_when_restarted: true,
            seed,
        }
    }

    /// How others are told of what we let go of: as often and as patiently as of a de-registration.
    pub(super) const fn revocation(&self) -> RevocationConfig {
        RevocationConfig {
            accept: true,
            accept_global: false,
            max_retries: self.deregistration_transmissions.saturating_sub(1),
            initial_delay: self.initial_bindack_timeout,
            max_delay: self.max_bindack_timeout,
            pacing_rate: self.pacing_rate,
            pacing_burst: self.pacing_burst,
        }
    }

    /// The database, if there is one.
    pub(super) const fn cmd(&self) -> Option<Ipv6Addr> {
        match self.discovery {
            Discovery::Cmd(cmd) => Some(cmd),
            Discovery::Distributed(_) => None,
        }
    }

    /// What goes without a database.
    pub(super) const fn distributed(&self) -> Option<&Distributed> {
        match &self.discovery {
            Discovery::Cmd(_) => None,
            Discovery::Distributed(distributed) => Some(distributed),
        }
    }

    /// Whether an address is that of another gateway of the domain.
    pub(super) fn is_gateway(&self, address: Ipv6Addr) -> bool {
        let mut gateways = self.distributed().into_iter().flat_map(|it| &it.gateways);
        address != self.address
            && (self.neighbour(address).is_some() || gateways.any(|it| it.contains(address)))
    }

    /// Whether a gateway may anchor a prefix.
    pub(super) fn may_anchor(&self, gateway: Ipv6Addr, prefix: HomeNetworkPrefix) -> bool {
        match (self.neighbour(gateway), self.distributed()) {
            (Some(neighbour), None) => neighbour.may_anchor(prefix),
            // One that is configured with its pools gives prefixes of these, and of no others'.
            (Some(neighbour), Some(_)) if !neighbour.pools.is_empty() => {
                neighbour.may_anchor(prefix)
            }
            (_, Some(_)) => self.is_gateway(gateway) && self.is_of_domain(prefix),
            (None, None) => false,
        }
    }

    /// Whether a prefix is of the pools of a neighbour, or of the domain.
    pub(super) fn is_of_domain(&self, prefix: HomeNetworkPrefix) -> bool {
        let holds =
            |of: &HomeNetworkPrefix| of.length <= prefix.length && of.contains(prefix.prefix);
        let mut domain = self.distributed().into_iter().flat_map(|it| &it.domain);
        self.neighbours.with_pool_of(prefix).is_some() || domain.any(holds)
    }

    /// Whether a prefix is of our own pools, or they of it.
    pub(super) fn is_ours(&self, prefix: HomeNetworkPrefix) -> bool {
        let mut pools = self.pools.iter().map(|pool| pool.prefix());
        pools.any(|pool| pool.contains(prefix.prefix) || prefix.contains(pool.prefix))
    }

    /// The gateway that is configured with the pool that a prefix is of.
    pub(super) fn configured(&self, prefix: HomeNetworkPrefix) -> Option<Ipv6Addr> {
        self.neighbours.with_pool_of(prefix)
    }

    /// The other gateway at this address.
    pub(super) fn neighbour(&self, address: Ipv6Addr) -> Option<&Neighbour> {
        self.neighbours.at(address)
    }
}
