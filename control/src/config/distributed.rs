//! The schema of a MAAR in a domain without a central mobility database: `[maar.distributed]`.

use super::address::Ipv6Prefix;
use super::check::in_range;
use super::document::{place, Document};
use super::role::defaults;
use roles::maar::{Backend, Discovery, Distributed, Questions};
use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;
use std::time::Duration;

/// How the anchors that a host has elsewhere are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindBy {
    /// The central mobility database knows them (RFC 8885).
    #[default]
    Cmd,
    /// A DHCPv6 server's replies tell which prefixes the host has.
    Dhcpv6,
    /// The host is asked which addresses it has (RFC 4620).
    NodeInformation,
}

/// `[maar.distributed]`: what goes where `discovery` is not `cmd`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaarDistributed {
    /// Interface identifier of the address that every MAAR has in each prefix that it gives, as an IPv6
    /// address with zeros in front; the same in the whole domain.
    #[serde(default = "own::interface_identifier")]
    pub interface_identifier: Ipv6Addr,
    /// What prefixes of hosts are of, beside the pools of `[[maar.neighbour]]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domain: Vec<Ipv6Prefix>,
    /// What addresses of MAARs are of, beside those of `[[maar.neighbour]]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<Ipv6Prefix>,
    /// Milliseconds for which the first Router Advertisement waits until anchors are found and have
    /// answered; with `dhcpv6` it does not wait.
    #[serde(default = "own::wait_ms")]
    pub wait_ms: u32,
    /// Milliseconds of that in which the anchors have to answer that a host was found to have.
    #[serde(default = "own::answer_wait_ms")]
    pub answer_wait_ms: u32,
    /// Milliseconds between two questions to a host.
    #[serde(default = "own::query_interval_ms")]
    pub query_interval_ms: u32,
    /// Questions to a host that does not answer.
    #[serde(default = "own::queries")]
    pub queries: u32,
    /// How often an anchor that does not answer is written to before its prefix is given up.
    #[serde(default = "own::transmissions")]
    pub transmissions: u32,
    /// Seconds that an update may be old which tells when a host came elsewhere.
    #[serde(default = "own::update_age")]
    pub update_age: u32,
    /// Whether the MAAR that a host has left is told so by the anchors of the host's other prefixes.
    #[serde(default = "defaults::enabled")]
    pub revoke_on_handover: bool,
    /// Addresses of anchors that are remembered.
    #[serde(default = "own::learned")]
    pub learned: usize,
    /// Seconds for which one is.
    #[serde(default = "own::learned_for")]
    pub learned_for: u32,
}

impl Default for MaarDistributed {
    fn default() -> Self {
        Self {
            interface_identifier: own::interface_identifier(),
            domain: Vec::new(),
            gateways: Vec::new(),
            wait_ms: own::wait_ms(),
            answer_wait_ms: own::answer_wait_ms(),
            query_interval_ms: own::query_interval_ms(),
            queries: own::queries(),
            transmissions: own::transmissions(),
            update_age: own::update_age(),
            revoke_on_handover: defaults::enabled(),
            learned: own::learned(),
            learned_for: own::learned_for(),
        }
    }
}

impl MaarDistributed {
    /// The interface identifier as a number.
    pub fn identifier(&self) -> u64 {
        self.interface_identifier.to_bits() as u64
    }

    /// As the role has it.
    pub(crate) fn made(&self, find_by: FindBy, cmd: Ipv6Addr) -> Discovery {
        let millis = |ms: u32| Duration::from_millis(ms.into());
        let secs = |secs: u32| Duration::from_secs(secs.into());
        let backend = match find_by {
            FindBy::Cmd => return Discovery::Cmd(cmd),
            FindBy::Dhcpv6 => Backend::Asked,
            FindBy::NodeInformation => Backend::NodeInformation(Questions {
                interval: millis(self.query_interval_ms),
                most: self.queries,
                ..Questions::default()
            }),
        };
        let mut made = Distributed::new(backend, self.identifier());
        if find_by == FindBy::NodeInformation {
            made.wait = millis(self.wait_ms);
        }
        made.answer_wait = millis(self.answer_wait_ms);
        made.domain.clone_from(&self.domain);
        made.gateways.clone_from(&self.gateways);
        made.transmissions = self.transmissions;
        made.update_age = secs(self.update_age);
        made.revoke_on_handover = self.revoke_on_handover;
        made.learned = self.learned;
        made.learned_for = secs(self.learned_for);
        Discovery::Distributed(made)
    }

    /// Notes all that is wrong with it.
    pub(super) fn check(&self, document: &mut Document) {
        let bits = self.interface_identifier.to_bits();
        if bits == 0 || bits >> 64 != 0 {
            let text = format!(
                "`{}` is no interface identifier; give its last 64 bits, as ::200:5eff:fe00:5213",
                self.interface_identifier
            );
            document.problem(place!["maar", "distributed", "interface_identifier"], text);
        }
        for (key, prefixes) in [("domain", &self.domain), ("gateways", &self.gateways)] {
            for (index, prefix) in prefixes.iter().enumerate() {
                if prefix.length == 0 || prefix.prefix.is_multicast() {
                    let text = format!("{prefix} is no prefix of a domain; name its own");
                    document.problem(place!["maar", "distributed", key, index], text);
                }
            }
        }
        for (key, value, range) in [
            ("wait_ms", self.wait_ms, 0..=30_000),
            ("answer_wait_ms", self.answer_wait_ms, 0..=30_000),
            ("query_interval_ms", self.query_interval_ms, 10..=10_000),
            ("queries", self.queries, 1..=10),
            ("transmissions", self.transmissions, 1..=20),
            ("update_age", self.update_age, 1..=600),
            ("learned_for", self.learned_for, 1..=86_400),
        ] {
            in_range(document, place!["maar", "distributed", key], value, range);
        }
        in_range(
            document,
            place!["maar", "distributed", "learned"],
            self.learned,
            1..=16_777_216,
        );
    }
}

/// Values of keys that the file leaves out.
mod own {
    use std::net::Ipv6Addr;

    /// The one that is reserved for Proxy Mobile IPv6 (RFC 6543): no host forms an address with it.
    pub(super) const fn interface_identifier() -> Ipv6Addr {
        Ipv6Addr::new(0, 0, 0, 0, 0x200, 0x5eff, 0xfe00, 0x5213)
    }
    pub(super) const fn wait_ms() -> u32 {
        1_000
    }
    pub(super) const fn answer_wait_ms() -> u32 {
        100
    }
    pub(super) const fn query_interval_ms() -> u32 {
        250
    }
    pub(super) const fn queries() -> u32 {
        3
    }
    pub(super) const fn transmissions() -> u32 {
        5
    }
    pub(super) const fn update_age() -> u32 {
        40
    }
    pub(super) const fn learned() -> usize {
        65_536
    }
    pub(super) const fn learned_for() -> u32 {
        3_600
    }
}
