//! How a gateway finds the anchors that a host has elsewhere.
//!
//! Either a central database knows them (RFC 8885 section 3), or there is none and the gateway that a
//! host comes to finds out which prefixes the host has, and tells their anchors itself:
//!
//! ```text
//!                       ┌─ Effect::FindAnchors ──► whoever can tell: a relay agent, the link layer …
//!   host comes ─► search┤                                        │
//!                       └─ Effect::QueryNode ──► the host        │
//!                                  │                             ▼
//!            Event::NodeInformation┘         Event::AnchorsFound { prefixes }
//!                                  └──────────────┬──────────────┘
//!                                                 ▼
//!     prefix ─► address of its anchor: learned, configured, or prefix + interface identifier ─► PBU
//! ```
//!
//! What stands behind the two events is all that differs between ways of finding.

use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::HomeNetworkPrefix;

/// How previous anchors are found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Discovery {
    /// The central mobility database at this address knows them.
    Cmd(Ipv6Addr),
    /// There is no database.
    Distributed(Distributed),
}

impl From<Ipv6Addr> for Discovery {
    fn from(cmd: Ipv6Addr) -> Self {
        Self::Cmd(cmd)
    }
}

impl From<Distributed> for Discovery {
    fn from(distributed: Distributed) -> Self {
        Self::Distributed(distributed)
    }
}

/// A domain without a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Distributed {
    /// Who tells which prefixes a host has.
    pub backend: Backend,
    /// Interface identifier of the address that every anchor has in each prefix that it gives: where an
    /// anchor is written to whose own address is not known.
    pub interface_identifier: u64,
    /// How long the first Router Advertisement to a host waits until its anchors are found and have
    /// answered; zero: it does not wait.
    pub wait: Duration,
    /// How much of that goes to anchors once they are found: one that is gone, of which a host kept a
    /// prefix, is not to keep it from the others.
    pub answer_wait: Duration,
    /// What prefixes of hosts are of, beside the pools of neighbours.
    pub domain: Vec<HomeNetworkPrefix>,
    /// What addresses of gateways are of, beside those of neighbours.
    pub gateways: Vec<HomeNetworkPrefix>,
    /// How often an anchor that does not answer is written to before its prefix is given up.
    pub transmissions: u32,
    /// How old an update may be that tells of a host's arrival elsewhere: it is sent again until it is
    /// answered, and says each time when the host came.
    pub update_age: Duration,
    /// Whether the gateway that a host has left is told so by each anchor that led a prefix there; else it
    /// hears of it when it renews that prefix, if the anchor that it is itself did not before.
    pub revoke_on_handover: bool,
    /// Addresses of anchors that are remembered, at most.
    pub learned: usize,
    /// How long one is.
    pub learned_for: Duration,
}

/// Who tells which prefixes a host has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// Whoever answers [`Effect::FindAnchors`](crate::Effect::FindAnchors).
    Asked,
    /// The host itself, by Node Information Queries (RFC 4620).
    NodeInformation(Questions),
}

/// How a host is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Questions {
    /// Time for an answer, after which it is asked again.
    pub interval: Duration,
    /// How often it is asked in all.
    pub most: u32,
    /// Addresses of one answer that are looked at.
    pub addresses: usize,
}

impl Default for Questions {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(250),
            most: 3,
            addresses: 64,
        }
    }
}

impl Distributed {
    /// A domain whose anchors have this interface identifier in each of their prefixes, with our own
    /// choices for everything else, and no message that the draft does not have.
    pub fn new(backend: Backend, interface_identifier: u64) -> Self {
        Self {
            backend,
            interface_identifier,
            wait: match backend {
                // Who is configured by DHCPv6 has to be told so first.
                Backend::Asked => Duration::ZERO,
                Backend::NodeInformation(_) => Duration::from_secs(1),
            },
            answer_wait: Duration::from_millis(100),
            domain: Vec::new(),
            gateways: Vec::new(),
            transmissions: 5,
            update_age: Duration::from_secs(40),
            revoke_on_handover: false,
            learned: 65_536,
            learned_for: Duration::from_secs(3600),
        }
    }

    /// The address that the anchor of a prefix has in it.
    pub(super) fn constructed(&self, prefix: HomeNetworkPrefix) -> Ipv6Addr {
        Ipv6Addr::from_bits(prefix.prefix.to_bits() | u128::from(self.interface_identifier))
    }

    /// The prefix that an address is of if it is one that an anchor has in its prefix.
    pub(super) fn prefix_of(&self, address: Ipv6Addr) -> Option<HomeNetworkPrefix> {
        let ours = address.to_bits() as u64 == self.interface_identifier;
        ours.then(|| HomeNetworkPrefix::new(address, 64)).flatten()
    }
}

/// How the address of an anchor became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FoundBy {
    /// The database, or the anchor because of the database, said so.
    Database,
    /// It answered earlier.
    Learned,
    /// It is configured with the pools that it gives prefixes of.
    Configured,
    /// It was written to at the address that anchors have in their prefixes.
    Constructed,
    /// It was known before the gateway started.
    Kept,
}
