//! Who may attach, and with what: the data that policy files, and later AAA, give to roles.

use crate::domain::DomainName;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, Ipv6Addr};
use wire::mh::{HomeNetworkPrefix, MnIdentifier};

/// What a MAG knows of a host that may attach (RFC 5213 section 6.2, S1-23).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The host's identity.
    pub mn_identifier: MnIdentifier,
    /// The LMA that anchors it.
    pub lma: Ipv6Addr,
    /// Its home network prefixes, when policy knows them; else the LMA chooses.
    #[serde(default)]
    pub home_network_prefixes: Vec<HomeNetworkPrefix>,
    /// M flag of its home link (S1-35).
    #[serde(default)]
    pub managed: bool,
    /// O flag of its home link (S1-35).
    #[serde(default)]
    pub other: bool,
    /// The IPv4 home address that is asked for; unspecified: the LMA chooses; `None`: the host has no
    /// IPv4 (RFC 5844 section 3.2.2).
    #[serde(default)]
    pub ipv4_home_address: Option<Ipv4HomeAddress>,
    /// Whether the host has IPv6.
    #[serde(default = "enabled")]
    pub ipv6: bool,
    /// The service that it is to be registered for (RFC 5149).
    #[serde(default)]
    pub service_selection: Option<String>,
    /// The domain of the link that it is on, if that is of one: its IPv4 home address is an address there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<DomainName>,
    /// Whether its addresses may be learned from what it sends (S1-36); those that DHCP leases always
    /// are.
    #[serde(default = "enabled")]
    pub learn_addresses: bool,
    /// Whether this interface of the host is attached beside others: it then has a session of its own
    /// at once (handoff indicator 1, RFC 5213 section 6.9.1.1).
    #[serde(default)]
    pub simultaneous: bool,
    /// MAAR: whether it has the mobility service. Without it, it has a prefix where it is, and nobody is
    /// told (S2-47).
    #[serde(default = "enabled")]
    pub mobility: bool,
}

/// An IPv4 home address (RFC 5844 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipv4HomeAddress {
    /// The address.
    pub address: Ipv4Addr,
    /// Length of the prefix of its home link, 1 to 32; 0 when it is not known.
    pub length: u8,
}

/// What an LMA goes by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LmaPolicy {
    /// Addresses of the MAGs that may register hosts (S1-11).
    pub mags: Vec<Ipv6Addr>,
    /// The hosts that are known, each with its prefixes if they are fixed.
    pub hosts: Vec<AnchoredHost>,
    /// Whether hosts that are not listed are served, with a prefix from the pools.
    pub serve_unlisted: bool,
    /// What hosts may have that are not listed, or are listed without an allowance of their own.
    #[serde(default)]
    pub allowance: Allowance,
}

/// How much of something a host may have (RFC 5213 sections 5.3.2 and 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    /// Sessions at a time, one for each interface; one more gets status 129.
    pub sessions: u32,
    /// Home network prefixes of a session. `None`: one from the pools, or all that are fixed for the
    /// host and free.
    pub prefixes: Option<u8>,
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            sessions: 4,
            prefixes: None,
        }
    }
}

/// A host as an LMA's policy lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnchoredHost {
    /// The host's identity.
    pub mn_identifier: MnIdentifier,
    /// Prefixes that are always this host's; empty: from the pools.
    #[serde(default)]
    pub home_network_prefixes: Vec<HomeNetworkPrefix>,
    /// IPv4 home address that is always this host's; from the home networks when there is none.
    #[serde(default)]
    pub ipv4_home_address: Option<Ipv4Addr>,
    /// The domain that it is of: its addresses and packets are there. `None`: the one that it selects as its
    /// service, or the common network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<DomainName>,
    /// Whether it may have IPv4; else status 170.
    #[serde(default = "enabled")]
    pub ipv4: bool,
    /// Whether it may have IPv6; else status 172.
    #[serde(default = "enabled")]
    pub ipv6: bool,
    /// Whether prefixes may be delegated to it; else status 177.
    #[serde(default = "enabled")]
    pub delegation: bool,
    /// What it may have; `None`: what every host may.
    #[serde(default)]
    pub allowance: Option<Allowance>,
    /// Whether the proxy mobility service is on for it; else status 152.
    #[serde(default = "enabled")]
    pub proxy_registration: bool,
}

const fn enabled() -> bool {
    true
}
