//! How a local mobility anchor is set up.

use crate::domain::DomainName;
use crate::heartbeat::HeartbeatConfig;
use crate::pool::Pools;
use crate::revocation::RevocationConfig;
use crate::SignallingProfile;
use serde::Serialize;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use wire::mh::{DhcpMode, HomeNetworkPrefix};

/// Configuration of a local mobility anchor (RFC 5213 section 9.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LmaConfig {
    /// The anchor's address (LMAA): where updates come to, and our end of every tunnel.
    pub address: Ipv6Addr,
    /// The anchor's IPv4 address (IPv4-LMAA), for gateways over IPv4 (RFC 5844 section 4).
    pub ipv4_address: Option<Ipv4Addr>,
    /// AcceptForcedIPv4UDPEncapsulationRequest (RFC 5844 section 5.1).
    pub accept_forced_udp: bool,
    /// What becomes of sessions for which GRE is asked for, and of others (RFC 5845 section 5).
    pub gre: GrePolicy,
    /// Where the prefixes of hosts come from for which policy fixes none.
    pub pools: Pools,
    /// Prefixes that may be bound at once; below what the table is guaranteed to hold.
    pub capacity: usize,
    /// The longest lifetime that is granted.
    pub max_lifetime: Duration,
    /// MinDelayBeforeBCEDelete: how long a de-registered binding waits for its host to come back.
    pub min_delay_before_bce_delete: Duration,
    /// MaxDelayBeforeNewBCEAssign: how long an update waits for the de-registration of the session
    /// that is in its way.
    pub max_delay_before_new_bce_assign: Duration,
    /// TimestampValidityWindow: how far a timestamp may be from our clock.
    pub timestamp_window: Duration,
    /// Binding Refresh Advice to give with a lifetime that is longer (RFC 6275 section 6.2.4); to
    /// be left out where bindings survive a restart (RFC 6275 section 10.3.1).
    pub refresh_advice: Option<Duration>,
    /// IPv4 home networks; none: no host is served with IPv4.
    pub ipv4_networks: Vec<Ipv4Network>,
    /// Networks beside the common one, whose IPv4 addresses are their own.
    pub domains: Vec<DomainConfig>,
    /// What servers delegate prefixes to hosts from; none: no prefix is delegated (RFC 7148).
    pub delegated_prefixes: Vec<HomeNetworkPrefix>,
    /// What gateways are to be to the DHCPv4 clients of hosts (RFC 5844 section 3.3.4).
    pub dhcp_mode: DhcpMode,
    /// How many released prefixes are remembered for their former holders.
    pub remembered_prefixes: usize,
    /// Whether a gateway that a host has left is told so by a revocation (RFC 5846 section 3.4.1).
    pub revoke_on_handover: bool,
    /// How revocations are sent and taken.
    pub revocation: RevocationConfig,
    /// Which forms of updates are understood.
    pub profile: SignallingProfile,
    /// Type of an option without data that is taken for a Binding Cache Confirmation, too, where the
    /// draft's form is understood.
    pub confirmation_option: Option<u8>,
    /// How gateways are watched (RFC 5847).
    pub heartbeat: HeartbeatConfig,
    /// Whether the bindings of a gateway that has restarted without its sessions end; else it finds
    /// them when its hosts show themselves again.
    pub end_when_restarted: bool,
}

impl LmaConfig {
    /// An anchor at `address` with room for `capacity` prefixes out of `pools`, and the RFC's
    /// values for everything else.
    pub fn new(address: Ipv6Addr, pools: Pools, capacity: usize) -> Self {
        Self {
            address,
            ipv4_address: None,
            accept_forced_udp: false,
            gre: GrePolicy::NotRequired,
            pools,
            capacity,
            max_lifetime: Duration::from_secs(3600),
            min_delay_before_bce_delete: Duration::from_millis(10_000),
            max_delay_before_new_bce_assign: Duration::from_millis(1500),
            timestamp_window: Duration::from_millis(300),
            refresh_advice: None,
            ipv4_networks: Vec::new(),
            domains: Vec::new(),
            delegated_prefixes: Vec::new(),
            dhcp_mode: DhcpMode::Server,
            remembered_prefixes: capacity,
            revoke_on_handover: true,
            revocation: RevocationConfig::default(),
            profile: SignallingProfile::Rfc,
            confirmation_option: None,
            heartbeat: HeartbeatConfig::default(),
            end_when_restarted: false,
        }
    }
}

impl LmaConfig {
    /// Whether messages for this address are the anchor's.
    pub fn owns(&self, address: Ipv6Addr) -> bool {
        let ipv4 = self.ipv4_address.map(|own| own.to_ipv6_mapped());
        address == self.address || Some(address) == ipv4
    }

    /// Our end towards a gateway: of the family that it is reached by.
    pub fn local(&self, peer: Ipv6Addr) -> Ipv6Addr {
        let ipv4 = self.ipv4_address.filter(|_| over_ipv4(peer));
        ipv4.map_or(self.address, |own| own.to_ipv6_mapped())
    }
}

/// Whether a gateway is reached over IPv4.
pub(crate) const fn over_ipv4(peer: Ipv6Addr) -> bool {
    peer.to_ipv4_mapped().is_some()
}

/// What an anchor makes of GRE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GrePolicy {
    /// Who asks for it is told that it is not required (status 2).
    #[default]
    NotRequired,
    /// Who asks for it gets it.
    Accepted,
    /// Who does not ask for it is refused (status 163).
    Required,
}

/// A domain: a network whose hosts have IPv4 addresses that others may have too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DomainConfig {
    /// Its name, which is the service that its hosts select (RFC 5149).
    pub name: DomainName,
    /// Its IPv4 home networks.
    pub ipv4_networks: Vec<Ipv4Network>,
    /// First and last uplink GRE key of its sessions; no other domain has any of them.
    pub keys: (u32, u32),
}

/// An IPv4 home network (RFC 5844 section 3.1.3): the addresses of hosts are of it, and packets for
/// them come to the anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ipv4Network {
    /// Its first address; bits past `length` are zero.
    pub prefix: Ipv4Addr,
    /// Length of its prefix in bits, 1 to 30.
    pub length: u8,
    /// The default router that hosts are told of, which is the gateway that serves them.
    pub router: Ipv4Addr,
    /// Whether its addresses are given to hosts for which policy fixes none.
    pub dynamic: bool,
}

impl Ipv4Network {
    /// The bits of an address that are the host's.
    const fn host_bits(&self) -> u32 {
        match u32::MAX.checked_shr(self.length as u32) {
            Some(bits) => bits,
            None => 0,
        }
    }

    /// Whether an address is of this network.
    pub const fn contains(&self, address: Ipv4Addr) -> bool {
        (address.to_bits() ^ self.prefix.to_bits()) & !self.host_bits() == 0
    }

    /// Addresses that no host can have: the network's own, its broadcast address and the router's.
    pub const fn reserved(&self) -> [Ipv4Addr; 3] {
        let first = self.prefix.to_bits();
        let last = Ipv4Addr::from_bits(first | self.host_bits());
        [self.prefix, last, self.router]
    }
}
