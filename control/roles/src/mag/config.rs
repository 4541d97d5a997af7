//! How a mobile access gateway is set up.

use crate::advertising::Advertising;
use crate::heartbeat::HeartbeatConfig;
use crate::revocation::RevocationConfig;
use crate::SignallingProfile;
use serde::Serialize;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use wire::mh::AccessTechnology;

/// Configuration of a mobile access gateway (RFC 5213 sections 6.9.4 and 9.2, RFC 6275 section 12).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MagConfig {
    /// Proxy care-of address: where updates go out from, and our end of every tunnel.
    pub address: Ipv6Addr,
    /// IPv4 proxy care-of address, towards anchors over IPv4 (RFC 5844 section 4).
    pub ipv4_address: Option<Ipv4Addr>,
    /// ForceIPv4UDPEncapsulationSupport (RFC 5844 section 5.2).
    pub force_udp: bool,
    /// Whether GRE with keys is asked for (RFC 5845); an anchor that requires it gets it in any case.
    pub gre: bool,
    /// Prefixes that may be bound at once, and hosts that may be attached at once; below what the
    /// table is guaranteed to hold.
    pub capacity: usize,
    /// Lifetime that is asked for.
    pub lifetime: Duration,
    /// Refresh after this part of the granted lifetime, in percent.
    pub refresh_percent: u8,
    /// INITIAL_BINDACK_TIMEOUT: wait for an acknowledgement before the first retransmission.
    pub initial_bindack_timeout: Duration,
    /// MAX_BINDACK_TIMEOUT: longest wait between retransmissions.
    pub max_bindack_timeout: Duration,
    /// MAX_UPDATE_RATE: updates per second for one host.
    pub max_update_rate: u32,
    /// How often a de-registration is sent in all when no acknowledgement comes.
    pub deregistration_transmissions: u32,
    /// TimestampBasedApproachInUse; else sequence numbers order the updates.
    pub timestamps: bool,
    /// Access Technology Type of the access links. It has to be the same on all gateways between
    /// which hosts move without telling (RFC 5213 section 5.4.1).
    pub access_technology: AccessTechnology,
    /// By which signs a host attaches; the operator can always attach one.
    pub attach_on: AttachOn,
    /// What tells the addresses of hosts, where their profile lets it.
    pub learn_from: LearnFrom,
    /// How long a host that was refused is not asked about again.
    pub refusal_hold: Duration,
    /// How many refused hosts are remembered.
    pub remembered_refusals: usize,
    /// What hosts are advertised.
    pub advertising: Advertising,
    /// De-register every host when the gateway goes down. Off by default: the gateway that starts
    /// again takes its hosts up where they were, and a binding that nobody takes up ends with its
    /// lifetime.
    pub deregister_on_shutdown: bool,
    /// How revocations are sent and taken (RFC 5846).
    pub revocation: RevocationConfig,
    /// Whether servers delegate prefixes to hosts, of which anchors are told (RFC 7148).
    pub delegation: bool,
    /// The form of updates.
    pub profile: SignallingProfile,
    /// Type of an option without data that is a Binding Cache Confirmation in the draft's form; `None`:
    /// option 18 holds it.
    pub confirmation_option: Option<u8>,
    /// How anchors are watched (RFC 5847).
    pub heartbeat: HeartbeatConfig,
    /// Whether the bindings with an anchor that has restarted without its sessions, or that was down,
    /// are registered with it anew at once; else they are by their next refresh.
    pub renew_when_restarted: bool,
    /// Seed of the jitter and of the first sequence number.
    pub seed: u64,
}

/// By which signs a host attaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AttachOn {
    /// A Router Solicitation.
    pub router_solicitation: bool,
    /// Any packet.
    pub packet: bool,
}

/// What tells the addresses of hosts (S1-36).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LearnFrom {
    /// Duplicate address detection.
    pub dad: bool,
    /// Any packet.
    pub packet: bool,
}

impl MagConfig {
    /// A gateway at `address` with room for `capacity` prefixes, and the RFCs' values for
    /// everything else.
    pub fn new(address: Ipv6Addr, capacity: usize, seed: u64) -> Self {
        Self {
            address,
            ipv4_address: None,
            force_udp: false,
            gre: false,
            capacity,
            lifetime: Duration::from_secs(3600),
            refresh_percent: 80,
            initial_bindack_timeout: Duration::from_secs(1),
            max_bindack_timeout: Duration::from_secs(32),
            max_update_rate: 3,
            deregistration_transmissions: 3,
            timestamps: true,
            access_technology: AccessTechnology::ETHERNET,
            attach_on: AttachOn {
                router_solicitation: true,
                packet: true,
            },
            learn_from: LearnFrom {
                dad: true,
                packet: true,
            },
            refusal_hold: Duration::from_secs(30),
            remembered_refusals: 4096,
            advertising: Advertising::default(),
            deregister_on_shutdown: false,
            revocation: RevocationConfig::default(),
            delegation: false,
            profile: SignallingProfile::Rfc,
            confirmation_option: None,
            heartbeat: HeartbeatConfig::default(),
            renew_when_restarted: true,
            seed,
        }
    }
}

impl MagConfig {
    /// Whether messages for this address are the gateway's.
    pub fn owns(&self, address: Ipv6Addr) -> bool {
        let ipv4 = self.ipv4_address.map(|own| own.to_ipv6_mapped());
        address == self.address || Some(address) == ipv4
    }

    /// Our end towards an anchor: of the family that it is reached by.
    pub fn local(&self, lma: Ipv6Addr) -> Ipv6Addr {
        let ipv4 = self.ipv4_address.filter(|_| lma.to_ipv4_mapped().is_some());
        ipv4.map_or(self.address, |own| own.to_ipv6_mapped())
    }
}
