//! The policy file of a MAAR: who may attach. Its hosts have no anchor to name, for they are anchored
//! wherever they are, and no prefix, for every gateway gives its own.

use super::{DefaultHost, FilePolicy, Host, MagPolicyFile};
use crate::config::document::Document;
use crate::config::Error;
use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;
use std::path::Path;
use wire::ether::MacAddr;

/// The policy file of a MAAR.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaarPolicyFile {
    /// `[[host]]`: the hosts that may attach.
    #[serde(default)]
    pub host: Vec<RoamingHost>,
    /// `[default]`: what goes for every other; without it they may not attach.
    pub default: Option<RoamingDefault>,
}

/// `[[host]]` of a MAAR: a host that may attach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoamingHost {
    /// Its link-layer address.
    pub mac: MacAddr,
    /// Its identity, a network access identifier; the same at every MAAR.
    pub identifier: String,
    /// M flag of its Router Advertisements: addresses by DHCPv6.
    #[serde(default)]
    pub managed: bool,
    /// O flag of its Router Advertisements: other configuration by DHCPv6.
    #[serde(default)]
    pub other: bool,
    /// Whether its addresses follow it to other MAARs.
    #[serde(default = "super::enabled")]
    pub mobility: bool,
}

/// `[default]` of a MAAR: what goes for hosts that are not listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoamingDefault {
    /// Identity; `{mac}` becomes the host's link-layer address.
    pub identifier: String,
    /// M flag of their Router Advertisements.
    #[serde(default)]
    pub managed: bool,
    /// O flag of their Router Advertisements.
    #[serde(default)]
    pub other: bool,
    /// Whether their addresses follow them to other MAARs.
    #[serde(default = "super::enabled")]
    pub mobility: bool,
}

/// Reads a MAAR's policy file. Hosts are registered with `cmd`.
///
/// # Errors
/// All that is wrong with it, each with file and line.
pub fn load_maar(file: &Path, cmd: Ipv6Addr) -> Result<FilePolicy, Error> {
    let (document, read) = Document::read::<MaarPolicyFile>(file)?;
    let host = |host: RoamingHost| Host {
        mac: host.mac,
        identifier: host.identifier,
        lma: cmd.into(),
        home_network_prefixes: Vec::new(),
        managed: host.managed,
        other: host.other,
        learn_addresses: true,
        simultaneous: false,
        ipv4: false,
        ipv4_home_address: None,
        ipv6: true,
        service: None,
        mobility: host.mobility,
    };
    let default = |default: RoamingDefault| DefaultHost {
        identifier: default.identifier,
        lma: cmd.into(),
        managed: default.managed,
        other: default.other,
        learn_addresses: true,
        ipv4: false,
        ipv6: true,
        service: None,
        mobility: default.mobility,
    };
    let hosts = MagPolicyFile {
        host: read.host.into_iter().map(host).collect(),
        default: read.default.map(default),
    };
    FilePolicy::of(document, hosts, false)
}
