//! What is wrong with a value in a policy file, whichever it is: identities, addresses and prefixes that no host or
//! gateway can have, or that another has already.

use crate::config::document::{place, Document, Step};
use crate::config::{overlap, Ipv6Prefix};
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::ether::MacAddr;
use wire::ipv4::address::{is_group, never_a_source};

/// Longest identifier in octets that fits its option: 255 less the subtype (RFC 4283 section 3).
const MAX_IDENTIFIER: usize = 254;

/// Longest service that fits its option (RFC 5149 section 3).
const MAX_SERVICE: usize = 255;

/// What the hosts before one in a policy file have. Files list many hosts, and a gateway that runs
/// reads them again: none is compared with each other one.
#[derive(Default)]
pub(super) struct Given<'a> {
    /// Identifiers, by link-layer address.
    pub(super) macs: HashMap<MacAddr, &'a str>,
    /// Identifiers.
    pub(super) identifiers: BTreeSet<&'a str>,
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

/// A host needs one family at least.
pub(super) fn families(document: &mut Document, way: &[Step], ipv4: bool, ipv6: bool) {
    if !ipv4 && !ipv6 {
        document.problem(way, "without IPv6 it needs IPv4; set ipv4 = true");
    }
}

/// The most home network prefixes of a session: their options have to fit into one message.
const MAX_PREFIXES: u8 = 16;

/// How much hosts, or one of them, may have: something, and no more than fits.
pub(super) fn allowance(
    document: &mut Document,
    whose: &[Step],
    sessions: Option<u32>,
    prefixes: Option<u8>,
) {
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
pub(super) fn identifier(document: &mut Document, way: &[Step], text: &str) {
    let invisible = |c: char| c.is_whitespace() || c.is_control();
    if text.is_empty() || text.len() > MAX_IDENTIFIER || text.contains(invisible) {
        let text = format!(
            "not an identifier; give 1 to {MAX_IDENTIFIER} octets without spaces, such as mn1@example.net"
        );
        document.problem(way, text);
    }
}

/// The address of a peer gateway.
pub(super) fn anchor(document: &mut Document, way: &[Step], address: IpAddr) {
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
pub(super) fn family(document: &mut Document, way: &[Step], address: IpAddr, over_ipv4: bool) {
    if address.is_ipv4() && !over_ipv4 {
        let text = format!(
            "`{address}` is reached over IPv4; give our own `ipv4_address` in the configuration"
        );
        document.problem(way, text);
    }
}

/// A service fits its option, and can be seen.
pub(super) fn service(document: &mut Document, way: &[Step], service: Option<&str>) {
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
pub(super) fn ipv4_home_address<'a>(
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
pub(super) fn prefixes(
    document: &mut Document,
    index: usize,
    own: &[Ipv6Prefix],
    given: &mut Given<'_>,
) {
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
