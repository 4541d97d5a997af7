//! Who may attach, and with what: policy files, and the question that they and other sources of
//! policy answer.
//!
//! A MAG asks an [`AccessPolicy`] about every host that shows itself; a file answers at once. An
//! LMA goes by a whole [`LmaPolicy`], which its role is given at start and at every reload.

mod maar;

pub use maar::{load_maar, MaarPolicyFile, RoamingDefault, RoamingHost};

use crate::aaa::Grant;
use crate::config::document::{place, Document, Step};
use crate::config::{overlap, Error, Ipv6Prefix};
use hashbrown::HashMap;
use roles::domain::DomainName;
use roles::event::HostLink;
use roles::policy::{Allowance, AnchoredHost, Ipv4HomeAddress, LmaPolicy, Profile};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use wire::ether::MacAddr;
use wire::ipv4::address::{is_group, never_a_source};
use wire::mh::MnIdentifier;

/// Longest identifier in octets that fits its option: 255 less the subtype (RFC 4283 section 3).
const MAX_IDENTIFIER: usize = 254;

/// Longest service that fits its option (RFC 5149 section 3).
const MAX_SERVICE: usize = 255;

/// What stands for the host's link-layer address in an identifier template.
const MAC_PLACEHOLDER: &str = "{mac}";

/// Who may attach at a MAG (S1-23, S1-24).
pub trait AccessPolicy {
    /// Asks who the host at `link` is. `known` is what was granted to it when it was asked about
    /// before, if it is attached.
    fn authenticate(&mut self, link: HostLink, known: Option<&Grant>) -> Answer;

    /// What goes for a host about which somebody else was asked who did not answer; `None`: it may not
    /// attach.
    fn unanswered(&mut self, link: HostLink, known: Option<&Grant>) -> Option<Grant> {
        let _ = (link, known);
        None
    }
}

/// An answer to [`AccessPolicy::authenticate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Known at once: its profile, or `None`: it may not attach.
    Now(Option<Profile>),
    /// Somebody else was asked. The answer comes on the channel that the policy was made with, and
    /// then as [`Engine::authorized`](crate::engine::Engine::authorized).
    Later,
    /// Too much is being asked: ask again in a moment.
    Busy,
}

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

    fn of(mut document: Document, read: MagPolicyFile, over_ipv4: bool) -> Result<Self, Error> {
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

/// An address as roles and tables have it.
const fn in_ipv6_form(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V6(address) => address,
        IpAddr::V4(address) => address.to_ipv6_mapped(),
    }
}

/// What is asked for of IPv4.
fn wanted(ipv4: bool, address: Option<Ipv4Addr>) -> Option<Ipv4HomeAddress> {
    (ipv4 || address.is_some()).then_some(Ipv4HomeAddress {
        address: address.unwrap_or(Ipv4Addr::UNSPECIFIED),
        length: 0,
    })
}

/// A host needs one family at least.
fn families(document: &mut Document, way: &[Step], ipv4: bool, ipv6: bool) {
    if !ipv4 && !ipv6 {
        document.problem(way, "without IPv6 it needs IPv4; set ipv4 = true");
    }
}

/// What the hosts before one in a policy file have. Files list many hosts, and a gateway that runs
/// reads them again: none is compared with each other one.
#[derive(Default)]
struct Given<'a> {
    /// Identifiers, by link-layer address.
    macs: HashMap<MacAddr, &'a str>,
    /// Identifiers.
    identifiers: BTreeSet<&'a str>,
    /// Prefixes by their first address. No two overlap, or the file is refused.
    prefixes: BTreeMap<Ipv6Addr, Ipv6Prefix>,
    /// IPv4 home addresses, each with the domain that it is of.
    ipv4: BTreeSet<(&'a str, Ipv4Addr)>,
}

impl Given<'_> {
    /// The prefix that overlaps this one, if one does: it begins last before it, or first in it.
    fn overlapping(&self, prefix: Ipv6Prefix) -> Option<Ipv6Prefix> {
        let before = self.prefixes.range(..=prefix.prefix).next_back();
        let after = self.prefixes.range(prefix.prefix..).next();
        let mut near = before.into_iter().chain(after).map(|(_, near)| *near);
        near.find(|near| overlap(*near, prefix))
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

const fn enabled() -> bool {
    true
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

/// The most home network prefixes of a session: their options have to fit into one message.
const MAX_PREFIXES: u8 = 16;

/// How much hosts, or one of them, may have: something, and no more than fits.
fn allowance(document: &mut Document, whose: &[Step], sessions: Option<u32>, prefixes: Option<u8>) {
    let key = |name: &'static str| [whose, place![name]].concat();
    if sessions == Some(0) {
        let text = "a host needs a session; proxy_registration = false keeps one out";
        document.problem(&key("sessions"), text);
    }
    if prefixes.is_some_and(|many| !(1..=MAX_PREFIXES).contains(&many)) {
        let text = format!("a session has 1 to {MAX_PREFIXES} prefixes");
        document.problem(&key("prefixes_per_session"), text);
    }
}

/// An identity must fit its option and have nothing in it that nobody can see.
fn identifier(document: &mut Document, way: &[Step], text: &str) {
    let invisible = |c: char| c.is_whitespace() || c.is_control();
    if text.is_empty() || text.len() > MAX_IDENTIFIER || text.contains(invisible) {
        let text = format!(
            "not an identifier; give 1 to {MAX_IDENTIFIER} octets without spaces, such as mn1@example.net"
        );
        document.problem(way, text);
    }
}

/// The address of a peer gateway.
fn anchor(document: &mut Document, way: &[crate::config::document::Step], address: IpAddr) {
    let wrong = match address {
        IpAddr::V6(address) => {
            address.is_unspecified()
                || address.is_loopback()
                || address.is_multicast()
                || address.is_unicast_link_local()
                || address.to_ipv4_mapped().is_some()
        }
        IpAddr::V4(address) => {
            never_a_source(address) || is_group(address) || address.is_link_local()
        }
    };
    if wrong {
        document.problem(
            way,
            format!("`{address}` is no gateway's address; give a global one"),
        );
    }
}

/// A peer gateway by its IPv4 address is for gateways that have one too.
fn family(
    document: &mut Document,
    way: &[crate::config::document::Step],
    address: IpAddr,
    over_ipv4: bool,
) {
    if address.is_ipv4() && !over_ipv4 {
        let text = format!(
            "`{address}` is reached over IPv4; give our own `ipv4_address` in the configuration"
        );
        document.problem(way, text);
    }
}

/// A service fits its option, and can be seen.
fn service(document: &mut Document, way: &[Step], service: Option<&str>) {
    let invisible = |c: char| c.is_whitespace() || c.is_control();
    let fits = |it: &str| !it.is_empty() && it.len() <= MAX_SERVICE && !it.contains(invisible);
    if service.is_some_and(|it| !fits(it)) {
        let text =
            format!("no service; give 1 to {MAX_SERVICE} octets without spaces, such as red");
        document.problem(way, text);
    }
}

/// The IPv4 home address of the `index`th host: one that a host can have, and nobody else's
/// in the network that it is of.
fn ipv4_home_address<'a>(
    document: &mut Document,
    index: usize,
    own: Option<Ipv4Addr>,
    network: &'a str,
    given: &mut Given<'a>,
) {
    let Some(address) = own else {
        return;
    };
    let way = place!["host", index, "ipv4_home_address"];
    if never_a_source(address) || is_group(address) || address.is_link_local() {
        document.problem(
            way,
            format!("{address} cannot be a host's address; leave it out and the LMA chooses"),
        );
    } else if !given.ipv4.insert((network, address)) {
        document.problem(way, format!("{address} is given already; it is one host's"));
    }
}

/// Fixed prefixes of the `index`th host: each a prefix that a host can have, and nobody else's.
fn prefixes(document: &mut Document, index: usize, own: &[Ipv6Prefix], given: &mut Given<'_>) {
    for (which, prefix) in own.iter().enumerate() {
        let way = place!["host", index, "home_network_prefixes", which];
        if prefix.is_request() || prefix.prefix.is_multicast() {
            document.problem(
                way,
                format!("{prefix} cannot be a host's prefix; leave it out and the LMA chooses"),
            );
        } else if let Some(other) = given.overlapping(*prefix) {
            document.problem(
                way,
                format!("{prefix} overlaps {other}, which is given already"),
            );
        }
        given.prefixes.insert(prefix.prefix, *prefix);
    }
}
