//! The policy file of a MAG.

use super::check::{
    anchor, families, family, identifier, ipv4_home_address, prefixes, service, Given,
};
use super::{enabled, in_ipv6_form, AccessPolicy, Answer};
use crate::aaa::Grant;
use crate::config::document::{place, Document};
use crate::config::{Error, Ipv6Prefix};
use hashbrown::HashMap;
use roles::event::HostLink;
use roles::policy::{Ipv4HomeAddress, Profile};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use wire::ether::MacAddr;
use wire::mh::MnIdentifier;

/// What stands for the host's link-layer address in an identifier template.
const MAC_PLACEHOLDER: &str = "{mac}";

/// A MAG's policy file, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilePolicy {
    hosts: HashMap<MacAddr, Profile>,
    default: Option<DefaultHost>,
}

/// The policy file of a MAG.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MagPolicyFile {
    /// `[[host]]`: the hosts that may attach.
    #[serde(default)]
    pub host: Vec<Host>,
    /// `[default]`: what goes for every other; without it they may not attach.
    pub default: Option<DefaultHost>,
}

/// `[[host]]` of a MAG: an interface of a host that may attach. A host with several interfaces has one of
/// these for each, all with its identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Its link-layer address.
    pub mac: MacAddr,
    /// Its identity, a network access identifier.
    pub identifier: String,
    /// The LMA that anchors it; by its IPv4 address, it is reached over IPv4 (RFC 5844 section 4.1.2).
    pub lma: IpAddr,
    /// Its home network prefixes; the LMA chooses when there are none.
    #[serde(default)]
    pub home_network_prefixes: Vec<Ipv6Prefix>,
    /// M flag of its home link: addresses by DHCPv6 (S1-35).
    #[serde(default)]
    pub managed: bool,
    /// O flag of its home link: other configuration by DHCPv6 (S1-35).
    #[serde(default)]
    pub other: bool,
    /// Whether its addresses may be learned from what it sends (S1-36).
    #[serde(default = "enabled")]
    pub learn_addresses: bool,
    /// Whether this interface is attached beside others of the host: it has a session of its own at
    /// once, and its LMA waits for no other to end (RFC 5213 section 5.4.1).
    #[serde(default)]
    pub simultaneous: bool,
    /// Whether it has IPv4, with an address that the LMA chooses (RFC 5844 section 3.2.2).
    #[serde(default)]
    pub ipv4: bool,
    /// Its IPv4 home address, which the LMA is asked for.
    #[serde(default)]
    pub ipv4_home_address: Option<Ipv4Addr>,
    /// The service that it is registered for (RFC 5149): the name of a domain of the LMA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Whether it has IPv6.
    #[serde(default = "enabled")]
    pub ipv6: bool,
    /// Whether it has the mobility service; only a MAAR serves hosts without.
    #[serde(skip, default = "enabled")]
    pub(crate) mobility: bool,
}

/// `[default]` of a MAG: what goes for hosts that are not listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefaultHost {
    /// Identity; `{mac}` becomes the host's link-layer address, written 02-00-00-00-00-01, because
    /// a network access identifier has no colons (RFC 7542 section 2.2).
    pub identifier: String,
    /// The LMA that anchors them, by either address.
    pub lma: IpAddr,
    /// M flag of their home link.
    #[serde(default)]
    pub managed: bool,
    /// O flag of their home link.
    #[serde(default)]
    pub other: bool,
    /// Whether their addresses may be learned from what they send.
    #[serde(default = "enabled")]
    pub learn_addresses: bool,
    /// Whether they have IPv4, with an address that the LMA chooses (RFC 5844 section 3.2.2).
    #[serde(default)]
    pub ipv4: bool,
    /// The service that they are registered for (RFC 5149).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Whether they have IPv6.
    #[serde(default = "enabled")]
    pub ipv6: bool,
    /// Whether they have the mobility service; only a MAAR serves hosts without.
    #[serde(skip, default = "enabled")]
    pub(crate) mobility: bool,
}

impl FilePolicy {
    /// Reads the policy file of a MAG that has an IPv4 care-of address, or has none.
    ///
    /// # Errors
    /// All that is wrong with it, each with file and line.
    pub fn load(file: &Path, over_ipv4: bool) -> Result<Self, Error> {
        let (document, read) = Document::read::<MagPolicyFile>(file)?;
        Self::of(document, read, over_ipv4)
    }

    pub(super) fn of(
        mut document: Document,
        read: MagPolicyFile,
        over_ipv4: bool,
    ) -> Result<Self, Error> {
        let mut given = Given::default();
        for (index, host) in read.host.iter().enumerate() {
            check_host(&mut document, index, host, &mut given);
            let way = place!["host", index, "lma"];
            family(&mut document, way, host.lma, over_ipv4);
        }
        if let Some(default) = &read.default {
            let way = place!["default", "identifier"];
            if default.identifier.contains(MAC_PLACEHOLDER) {
                let longest = default.identifier_of(MacAddr::BROADCAST);
                identifier(&mut document, way, &longest);
            } else {
                let text = "must contain {mac}, or all these hosts would have one identity; \
                            write \"{mac}@example.net\"";
                document.problem(way, text);
            }
            anchor(&mut document, place!["default", "lma"], default.lma);
            family(
                &mut document,
                place!["default", "lma"],
                default.lma,
                over_ipv4,
            );
            service(
                &mut document,
                place!["default", "service"],
                default.service.as_deref(),
            );
            families(
                &mut document,
                place!["default", "ipv6"],
                default.ipv4,
                default.ipv6,
            );
        }
        drop(given);
        document.finish()?;
        let hosts = read.host.into_iter().map(|host| {
            let profile = Profile {
                mn_identifier: MnIdentifier::Nai(host.identifier),
                lma: in_ipv6_form(host.lma),
                home_network_prefixes: host.home_network_prefixes,
                managed: host.managed,
                other: host.other,
                ipv4_home_address: wanted(host.ipv4, host.ipv4_home_address),
                ipv6: host.ipv6,
                service_selection: host.service,
                domain: None,
                learn_addresses: host.learn_addresses,
                simultaneous: host.simultaneous,
                mobility: host.mobility,
            };
            (host.mac, profile)
        });
        Ok(Self {
            hosts: hosts.collect(),
            default: read.default,
        })
    }

    /// How many hosts are listed.
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Whether no host is listed.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// The LMAs that the policy names, each once.
    pub fn anchors(&self) -> Vec<Ipv6Addr> {
        let listed = self.hosts.values().map(|profile| profile.lma);
        let default = self.default.iter();
        let default = default.map(|default| in_ipv6_form(default.lma));
        let mut anchors: Vec<_> = listed.chain(default).collect();
        anchors.sort_unstable();
        anchors.dedup();
        anchors
    }

    /// What is known of the host with that link-layer address; `None`: it may not attach.
    pub fn profile(&self, mac: MacAddr) -> Option<Profile> {
        let listed = self.hosts.get(&mac).cloned();
        listed.or_else(|| self.default.as_ref().map(|default| default.profile(mac)))
    }
}

impl AccessPolicy for FilePolicy {
    fn authenticate(&mut self, link: HostLink, _: Option<&Grant>) -> Answer {
        Answer::Now(self.profile(link.mac))
    }
}

impl DefaultHost {
    fn identifier_of(&self, mac: MacAddr) -> String {
        let mac = mac.to_string().replace(':', "-");
        self.identifier.replace(MAC_PLACEHOLDER, &mac)
    }

    fn profile(&self, mac: MacAddr) -> Profile {
        Profile {
            mn_identifier: MnIdentifier::Nai(self.identifier_of(mac)),
            lma: in_ipv6_form(self.lma),
            home_network_prefixes: Vec::new(),
            managed: self.managed,
            other: self.other,
            ipv4_home_address: wanted(self.ipv4, None),
            ipv6: self.ipv6,
            service_selection: self.service.clone(),
            domain: None,
            learn_addresses: self.learn_addresses,
            simultaneous: false,
            mobility: self.mobility,
        }
    }
}

fn check_host<'a>(document: &mut Document, index: usize, host: &'a Host, given: &mut Given<'a>) {
    if host.mac.is_group() || host.mac.0 == [0; 6] {
        let text = format!(
            "`{}` cannot be a host's own; give a unicast link-layer address",
            host.mac
        );
        document.problem(place!["host", index, "mac"], text);
    } else if let Some(other) = given.macs.insert(host.mac, &host.identifier) {
        let text = format!(
            "{} is {other} already; a link-layer address is one host",
            host.mac
        );
        document.problem(place!["host", index, "mac"], text);
    }
    identifier(
        document,
        place!["host", index, "identifier"],
        &host.identifier,
    );
    anchor(document, place!["host", index, "lma"], host.lma);
    let ipv4 = host.ipv4 || host.ipv4_home_address.is_some();
    families(document, place!["host", index, "ipv6"], ipv4, host.ipv6);
    let network = host.service.as_deref().unwrap_or_default();
    ipv4_home_address(document, index, host.ipv4_home_address, network, given);
    service(
        document,
        place!["host", index, "service"],
        host.service.as_deref(),
    );
    prefixes(document, index, &host.home_network_prefixes, given);
}

/// What is asked for of IPv4.
fn wanted(ipv4: bool, address: Option<Ipv4Addr>) -> Option<Ipv4HomeAddress> {
    (ipv4 || address.is_some()).then_some(Ipv4HomeAddress {
        address: address.unwrap_or(Ipv4Addr::UNSPECIFIED),
        length: 0,
    })
}
