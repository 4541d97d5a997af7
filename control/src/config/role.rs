//! The schema of the roles: `[lma]` and `[mag]`, one struct per table, one field per key.

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use super::address::{Ipv6Prefix, Prefix};
use super::heartbeat::{LmaHeartbeat, MagHeartbeat};
use super::revocation::Revocation;
use roles::domain::DomainName;
use roles::SignallingProfile;

/// `[lma]`: a local mobility anchor (RFC 5213 section 5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lma {
    /// LMAA: where updates arrive and tunnels end; one of our addresses.
    pub address: Ipv6Addr,
    /// IPv4-LMAA: the same for MAGs over IPv4 (RFC 5844 section 4); one of our addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv4_address: Option<Ipv4Addr>,
    /// Whether MAGs over IPv4 may force UDP encapsulation (AcceptForcedIPv4UDPEncapsulationRequest, RFC 5844
    /// section 5.1).
    #[serde(default)]
    pub accept_udp_encapsulation: bool,
    /// What becomes of GRE (RFC 5845).
    #[serde(default)]
    pub gre: Gre,
    /// Policy file; relative to the file's directory.
    pub policy: PathBuf,
    /// Prefixes for hosts whose policy names none.
    #[serde(default)]
    pub pools: Vec<Pool>,
    /// IPv4 home networks: what hosts have IPv4 addresses of. None: no host has IPv4.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ipv4_networks: Vec<Ipv4Network>,
    /// What DHCPv6 servers may delegate prefixes to hosts from: the LMA forwards for those that MAGs tell
    /// it of (RFC 7148). None: no prefix is delegated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delegated_prefixes: Vec<Ipv6Prefix>,
    /// What MAGs are to be to the DHCPv4 clients of hosts (RFC 5844 section 3.3.4).
    #[serde(default)]
    pub dhcpv4: Dhcpv4,
    /// Longest lifetime in seconds that is granted.
    #[serde(default = "defaults::max_lifetime")]
    pub max_lifetime: u32,
    /// MinDelayBeforeBCEDelete in milliseconds (RFC 5213 section 9.1).
    #[serde(default = "defaults::min_delay_before_bce_delete_ms")]
    pub min_delay_before_bce_delete_ms: u32,
    /// MaxDelayBeforeNewBCEAssign in milliseconds: how long an update waits for the de-registration
    /// of the session that is in its way (RFC 5213 section 9.1).
    #[serde(default = "defaults::max_delay_before_new_bce_assign_ms")]
    pub max_delay_before_new_bce_assign_ms: u32,
    /// TimestampValidityWindow in milliseconds (RFC 5213 section 9.1).
    #[serde(default = "defaults::timestamp_window_ms")]
    pub timestamp_window_ms: u32,
    /// Largest packet that a tunnel carries, in octets; filled in from the link's when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel_mtu: Option<u16>,
    /// Hop limit of outer headers.
    #[serde(default = "defaults::tunnel_hop_limit")]
    pub tunnel_hop_limit: u8,
    /// Whether a MAG that a host has left is told so (RFC 5846 section 3.4.1).
    #[serde(default = "defaults::enabled")]
    pub revoke_on_handover: bool,
    /// Which forms of updates are understood: RFC 5213's alone, or the draft's as well (S1-03 to S1-05).
    #[serde(default)]
    pub profile: SignallingProfile,
    /// Type of an option without data that is a Binding Cache Confirmation, too: 250 to 253.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmation_option: Option<u8>,
    /// `[lma.revocation]`.
    #[serde(default)]
    pub revocation: Revocation,
    /// `[lma.heartbeat]`.
    #[serde(default)]
    pub heartbeat: LmaHeartbeat,
    /// `[[lma.domain]]`: networks whose addresses are their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domain: Vec<LmaDomain>,
}

/// `[[lma.domain]]`: a network beside the common one, whose hosts have IPv4 addresses that others may have
/// too. Interfaces with its name are where its packets come from and go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LmaDomain {
    /// Its name, which is the service that its hosts select (RFC 5149).
    pub name: DomainName,
    /// Its IPv4 home networks.
    pub ipv4_networks: Vec<Ipv4Network>,
    /// First and last uplink GRE key of its sessions (RFC 5845).
    pub keys: [u32; 2],
}

/// What an LMA makes of GRE encapsulation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gre {
    /// MAGs that ask for it are told that it is not required.
    #[default]
    NotRequired,
    /// MAGs that ask for it get it.
    Accepted,
    /// MAGs that do not ask for it are refused.
    Required,
}

/// A pool that home network prefixes are allocated from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// All of it.
    pub prefix: Ipv6Prefix,
    /// Length of the prefix that one host gets.
    #[serde(default = "defaults::pool_length")]
    pub length: u8,
}

/// An IPv4 home network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ipv4Network {
    /// All of it.
    pub prefix: Prefix,
    /// The default router that its hosts are told of: the MAG that serves them answers to it. The
    /// first address when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub router: Option<Ipv4Addr>,
    /// Whether hosts whose policy names no address get one of it.
    #[serde(default = "defaults::enabled")]
    pub dynamic: bool,
}

impl Ipv4Network {
    /// As the role has it; of a prefix of another family, which does not load, nothing.
    pub fn made(&self) -> roles::lma::Ipv4Network {
        let prefix = match self.prefix.prefix {
            IpAddr::V4(prefix) => prefix,
            IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
        };
        let first = Ipv4Addr::from_bits(prefix.to_bits().saturating_add(1));
        roles::lma::Ipv4Network {
            prefix,
            length: self.prefix.length,
            router: self.router.unwrap_or(first),
            dynamic: self.dynamic,
        }
    }
}

/// What a MAG is to a DHCPv4 client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dhcpv4 {
    /// Its server.
    #[default]
    Server,
    /// Its relay agent.
    Relay,
}

/// `[mag]`: a mobile access gateway (RFC 5213 section 6).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mag {
    /// Proxy-CoA: where updates come from and tunnels end; one of our addresses.
    pub address: Ipv6Addr,
    /// IPv4 proxy care-of address: the same towards LMAs that policy names by an IPv4 address (RFC 5844
    /// section 4); one of our addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv4_address: Option<Ipv4Addr>,
    /// Whether UDP encapsulation is forced towards those (ForceIPv4UDPEncapsulationSupport, RFC 5844 section
    /// 5.2).
    #[serde(default)]
    pub udp_encapsulation: bool,
    /// Whether LMAs are asked for GRE encapsulation with keys (RFC 5845).
    #[serde(default)]
    pub gre: bool,
    /// Policy file; relative to the file's directory.
    pub policy: PathBuf,
    /// Lifetime in seconds that is asked for.
    #[serde(default = "defaults::lifetime")]
    pub lifetime: u32,
    /// Fraction of the granted lifetime after which a binding is refreshed.
    #[serde(default = "defaults::refresh_at")]
    pub refresh_at: f64,
    /// What counts as a host's arrival; the operator's word always does.
    #[serde(default = "defaults::attach_on")]
    pub attach_on: Vec<AttachOn>,
    /// What tells the addresses of hosts, where their policy lets it.
    #[serde(default = "defaults::learn_from")]
    pub learn_from: Vec<LearnFrom>,
    /// Whether updates are ordered by timestamp; else by sequence number (RFC 5213 section 5.5).
    #[serde(default = "defaults::enabled")]
    pub timestamps: bool,
    /// Wait in milliseconds before an update is sent again (INITIAL_BINDACK_TIMEOUT, RFC 6275
    /// section 12).
    #[serde(default = "defaults::initial_bindack_timeout_ms")]
    pub initial_bindack_timeout_ms: u32,
    /// What the wait grows to (MAX_BINDACK_TIMEOUT).
    #[serde(default = "defaults::max_bindack_timeout_ms")]
    pub max_bindack_timeout_ms: u32,
    /// Longest time in seconds between unsolicited Router Advertisements to a host
    /// (MaxRtrAdvInterval, RFC 4861 section 6.2.1); 0 sends none.
    #[serde(default = "defaults::ra_interval")]
    pub ra_interval: u32,
    /// Router lifetime in seconds in Router Advertisements.
    #[serde(default = "defaults::router_lifetime")]
    pub router_lifetime: u16,
    /// Whether Router Advertisements tell hosts the tunnel's MTU.
    #[serde(default = "defaults::enabled")]
    pub advertise_mtu: bool,
    /// Seconds of silence after which a host is asked whether it is still there (ReachableTime,
    /// RFC 4861 section 6.3.2); 0 never asks.
    #[serde(default = "defaults::reachable_time")]
    pub reachable_time: u32,
    /// Milliseconds between two such questions (RetransTimer).
    #[serde(default = "defaults::retrans_timer_ms")]
    pub retrans_timer_ms: u32,
    /// Questions without an answer before the host is gone (MAX_UNICAST_SOLICIT).
    #[serde(default = "defaults::max_unicast_solicit")]
    pub max_unicast_solicit: u8,
    /// Whether all hosts are de-registered at shutdown. When they are not, their bindings wait for
    /// the next start, until their lifetime ends.
    #[serde(default)]
    pub deregister_on_shutdown: bool,
    /// Access Technology Type of the access links (RFC 5213 section 8.5); 3 is Ethernet. The same
    /// on all MAGs between which hosts move.
    #[serde(default = "defaults::access_technology")]
    pub access_technology: u8,
    /// Seconds for which a DHCPv4 lease lasts.
    #[serde(default = "defaults::dhcpv4_lease")]
    pub dhcpv4_lease: u32,
    /// Largest packet that a tunnel carries, in octets; filled in from the link's when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel_mtu: Option<u16>,
    /// Hop limit of outer headers.
    #[serde(default = "defaults::tunnel_hop_limit")]
    pub tunnel_hop_limit: u8,
    /// The form of updates: RFC 5213's, or the draft's for an LMA that has `profile = "draft"`.
    #[serde(default)]
    pub profile: SignallingProfile,
    /// Type of an option without data that is a Binding Cache Confirmation, in the place of option 18: 250 to
    /// 253.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmation_option: Option<u8>,
    /// `[mag.dhcpv6]`: hosts are relayed to DHCPv6 servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dhcpv6: Option<Dhcpv6>,
    /// `[mag.dhcpv4]`: hosts whose anchor wants it are relayed to DHCPv4 servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dhcpv4: Option<Dhcpv4Relay>,
    /// `[mag.revocation]`.
    #[serde(default)]
    pub revocation: Revocation,
    /// `[mag.heartbeat]`.
    #[serde(default)]
    pub heartbeat: MagHeartbeat,
}

/// `[mag.dhcpv6]`: the relay agent for hosts that are served (RFC 5213 section 6.11).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dhcpv6 {
    /// The servers, on the core side. Each hears of every message of a host.
    pub servers: Vec<Ipv6Addr>,
    /// What they may delegate prefixes to hosts from; the LMA is told of each (RFC 7148). None: no
    /// prefix is delegated but of a host's own that is shorter than 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delegates: Vec<Ipv6Prefix>,
}

/// `[mag.dhcpv4]`: the DHCPv4 relay agent for hosts that are served (RFC 5844 section 3.4.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dhcpv4Relay {
    /// Our IPv4 address on the core: where servers answer to.
    pub address: Ipv4Addr,
    /// The servers, on the core side. Each hears of every message of a host.
    pub servers: Vec<Ipv4Addr>,
    /// `[[mag.dhcpv4.domain]]`: servers of domains.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domain: Vec<Dhcpv4Domain>,
}

/// `[[mag.dhcpv4.domain]]`: the servers for hosts on access interfaces of a domain, in the place of the common
/// ones; also on the core side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dhcpv4Domain {
    /// The domain's name, as access interfaces have it.
    pub name: DomainName,
    /// Its servers. Each hears of every message of its hosts.
    pub servers: Vec<Ipv4Addr>,
}

/// What counts as a host's arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttachOn {
    /// A Router Solicitation.
    RouterSolicitation,
    /// Any packet.
    Packet,
}

/// What tells the addresses of hosts (S1-36).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LearnFrom {
    /// Duplicate address detection.
    Dad,
    /// Any packet that reaches the control plane.
    Packet,
}

/// Values of keys that the file leaves out.
pub(super) mod defaults {
    use super::{AttachOn, LearnFrom};

    pub(in crate::config) const fn max_lifetime() -> u32 {
        3_600
    }
    pub(in crate::config) const fn min_delay_before_bce_delete_ms() -> u32 {
        10_000
    }
    pub(in crate::config) const fn max_delay_before_new_bce_assign_ms() -> u32 {
        1_500
    }
    pub(in crate::config) const fn timestamp_window_ms() -> u32 {
        300
    }
    pub(in crate::config) const fn tunnel_hop_limit() -> u8 {
        64
    }
    pub(in crate::config) const fn pool_length() -> u8 {
        64
    }
    pub(in crate::config) const fn lifetime() -> u32 {
        300
    }
    pub(in crate::config) const fn refresh_at() -> f64 {
        0.8
    }
    pub(in crate::config) fn attach_on() -> Vec<AttachOn> {
        vec![AttachOn::RouterSolicitation, AttachOn::Packet]
    }
    pub(in crate::config) fn learn_from() -> Vec<LearnFrom> {
        vec![LearnFrom::Dad, LearnFrom::Packet]
    }
    pub(in crate::config) const fn enabled() -> bool {
        true
    }
    pub(in crate::config) const fn initial_bindack_timeout_ms() -> u32 {
        1_000
    }
    pub(in crate::config) const fn max_bindack_timeout_ms() -> u32 {
        32_000
    }
    pub(in crate::config) const fn ra_interval() -> u32 {
        600
    }
    pub(in crate::config) const fn router_lifetime() -> u16 {
        1_800
    }
    pub(in crate::config) const fn reachable_time() -> u32 {
        30
    }
    pub(in crate::config) const fn retrans_timer_ms() -> u32 {
        1_000
    }
    pub(in crate::config) const fn max_unicast_solicit() -> u8 {
        3
    }
    pub(in crate::config) const fn dhcpv4_lease() -> u32 {
        600
    }
    pub(in crate::config) const fn access_technology() -> u8 {
        3
    }
}
