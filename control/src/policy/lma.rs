//! The policy file of an LMA.

use super::check::{
    allowance, anchor, families, family, identifier, ipv4_home_address, prefixes, Given,
};
use super::{enabled, in_ipv6_form};
use crate::config::document::{place, Document};
use crate::config::{Error, Ipv6Prefix};
use roles::domain::DomainName;
use roles::policy::{Allowance, AnchoredHost, LmaPolicy};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use wire::mh::MnIdentifier;

/// The policy file of an LMA.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LmaPolicyFile {
    /// Addresses of the MAGs that may register hosts (S1-11).
    pub mags: Vec<IpAddr>,
    /// Whether hosts that are not listed are served, with a prefix from the pools.
    #[serde(default)]
    pub serve_unlisted: bool,
    /// Sessions that a host may have at a time, one for each interface; one more gets status 129.
    #[serde(default = "sessions")]
    pub sessions: u32,
    /// Home network prefixes of a session. When it is left out: one from the pools, or all that are
    /// fixed for the host and that no other session of it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefixes_per_session: Option<u8>,
    /// `[[host]]`: the hosts that are known.
    #[serde(default)]
    pub host: Vec<AnchoredHostEntry>,
}

/// `[[host]]` of an LMA: a host that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchoredHostEntry {
    /// Its identity, a network access identifier.
    pub identifier: String,
    /// Prefixes that are always this host's; from the pools when there are none.
    #[serde(default)]
    pub home_network_prefixes: Vec<Ipv6Prefix>,
    /// IPv4 home address that is always this host's; from the home networks when there is none.
    #[serde(default)]
    pub ipv4_home_address: Option<Ipv4Addr>,
    /// The domain that it is of, one of the configuration. When it is left out: the one that it selects as its
    /// service, or the common network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<DomainName>,
    /// Whether it may have IPv4; else its updates for it get status 170.
    #[serde(default = "enabled")]
    pub ipv4: bool,
    /// Whether it may have IPv6; else its updates for it get status 172.
    #[serde(default = "enabled")]
    pub ipv6: bool,
    /// Whether prefixes may be delegated to it; else its updates that name one get status 177.
    #[serde(default = "enabled")]
    pub delegation: bool,
    /// Sessions that it may have at a time; as many as every host when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u32>,
    /// Home network prefixes of its sessions; as many as for every host when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefixes_per_session: Option<u8>,
    /// Whether the proxy mobility service is on for it; else its updates get status 152.
    #[serde(default = "enabled")]
    pub proxy_registration: bool,
}

fn sessions() -> u32 {
    Allowance::default().sessions
}

/// Reads the policy file of an LMA that has an IPv4 address, or has none, and has these domains.
///
/// # Errors
/// All that is wrong with it, each with file and line.
pub fn load_lma(file: &Path, over_ipv4: bool, domains: &[DomainName]) -> Result<LmaPolicy, Error> {
    let (mut document, read) = Document::read::<LmaPolicyFile>(file)?;
    for (index, mag) in read.mags.iter().enumerate() {
        let way = place!["mags", index];
        anchor(&mut document, way, *mag);
        family(&mut document, way, *mag, over_ipv4);
        if read.mags.iter().take(index).any(|earlier| earlier == mag) {
            document.problem(way, format!("`{mag}` stands here twice"));
        }
    }
    allowance(
        &mut document,
        place![],
        Some(read.sessions),
        read.prefixes_per_session,
    );
    let mut given = Given::default();
    for (index, host) in read.host.iter().enumerate() {
        check_identifier(&mut document, index, &host.identifier, &mut given);
        let (sessions, many) = (host.sessions, host.prefixes_per_session);
        allowance(&mut document, place!["host", index], sessions, many);
        families(
            &mut document,
            place!["host", index, "ipv6"],
            host.ipv4,
            host.ipv6,
        );
        let network = host.domain.as_ref().map_or("", DomainName::as_str);
        ipv4_home_address(
            &mut document,
            index,
            host.ipv4_home_address,
            network,
            &mut given,
        );
        if let Some(domain) = host.domain.filter(|it| !domains.contains(it)) {
            let text = format!("there is no [[lma.domain]] `{domain}` in the configuration");
            document.problem(place!["host", index, "domain"], text);
        }
        prefixes(
            &mut document,
            index,
            &host.home_network_prefixes,
            &mut given,
        );
    }
    drop(given);
    document.finish()?;
    let common = Allowance {
        sessions: read.sessions,
        prefixes: read.prefixes_per_session,
    };
    let hosts = read.host.into_iter().map(|host| AnchoredHost {
        delegation: host.delegation,
        allowance: (host.sessions.is_some() || host.prefixes_per_session.is_some()).then(|| {
            Allowance {
                sessions: host.sessions.unwrap_or(common.sessions),
                prefixes: host.prefixes_per_session.or(common.prefixes),
            }
        }),
        mn_identifier: MnIdentifier::Nai(host.identifier),
        home_network_prefixes: host.home_network_prefixes,
        ipv4_home_address: host.ipv4_home_address,
        domain: host.domain,
        ipv4: host.ipv4,
        ipv6: host.ipv6,
        proxy_registration: host.proxy_registration,
    });
    Ok(LmaPolicy {
        mags: read.mags.into_iter().map(in_ipv6_form).collect(),
        hosts: hosts.collect(),
        serve_unlisted: read.serve_unlisted,
        allowance: common,
    })
}

/// The identifier of the `index`th host of an LMA: fit for its option, and nobody else's.
fn check_identifier<'a>(
    document: &mut Document,
    index: usize,
    own: &'a str,
    given: &mut Given<'a>,
) {
    let way = place!["host", index, "identifier"];
    identifier(document, way, own);
    if !given.identifiers.insert(own) {
        let text = format!("`{own}` is listed already; an identifier is one host");
        document.problem(way, text);
    }
}
