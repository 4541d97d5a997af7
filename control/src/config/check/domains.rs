//! Domains: networks whose IPv4 addresses are their own.

use super::links::links;
use super::role::ipv4_networks;
use crate::config::document::{advise, place, Document, Step};
use crate::config::role::LmaDomain;
use crate::config::schema::{Config, Interface, InterfaceKind};
use crate::config::{Gre, Lma, Prefix};
use roles::domain::DomainName;

/// The most domains of one gateway.
const MOST: usize = 1_000;

/// An interface is of a domain where a role has domains, and on the side of it that they are on.
pub(super) fn interfaces(document: &mut Document, config: &Config) {
    for (index, interface) in config.interface.iter().enumerate() {
        let Some(domain) = interface.domain else {
            continue;
        };
        let text = match (&config.lma, &config.mag) {
            (Some(lma), _) => unknown(lma, domain),
            (None, Some(_)) if interface.kind == InterfaceKind::Core => Some(
                "the core of a MAG is of no domain: sessions are told apart there by GRE keys; remove it, \
                 or write it to an access interface"
                    .to_owned(),
            ),
            (None, Some(mag)) if !mag.gre => {
                Some("needs `gre = true` in [mag]: keys tell sessions of domains apart".to_owned())
            }
            (None, Some(_)) => None,
            (None, None) => Some("only LMAs and MAGs have domains; remove it".to_owned()),
        };
        if let Some(text) = text {
            document.problem(place!["interface", index, "domain"], text);
        }
    }
}

/// What to say of a domain that an LMA has not.
fn unknown(lma: &Lma, domain: DomainName) -> Option<String> {
    let known = || lma.domain.iter().map(|it| it.name);
    if known().any(|it| it == domain) {
        return None;
    }
    let names: Vec<_> = known().map(|it| it.to_string()).collect();
    let advice = advise(
        domain.as_str(),
        names.iter().map(String::as_str),
        "the domains are",
    );
    Some(format!("there is no [[lma.domain]] `{domain}`{advice}"))
}

/// The domains of an LMA: each with an interface, networks that do not overlap in it, and keys of its own.
pub(super) fn lma(document: &mut Document, config: &Config, lma: &Lma) {
    if lma.domain.is_empty() {
        return;
    }
    if lma.gre == Gre::NotRequired {
        let text = "sessions of [[lma.domain]] are told apart by GRE keys; set it to \"accepted\" or \"required\"";
        document.problem(place!["lma", "gre"], text);
    }
    if lma.domain.len() > MOST {
        let text = format!("a gateway has {MOST} domains at most");
        document.problem(place!["lma", "domain", MOST], text);
    }
    for (index, domain) in lma.domain.iter().enumerate() {
        let earlier = lma.domain.get(..index).unwrap_or_default();
        if earlier.iter().any(|it| it.name == domain.name) {
            let text = format!("there is a domain `{}` already", domain.name);
            document.problem(place!["lma", "domain", index, "name"], text);
        }
        let is_its = |it: &Interface| it.domain == Some(domain.name);
        if !config.interface.iter().any(is_its) {
            let text = format!(
                "no interface has domain = \"{}\": its packets come from one and go to it",
                domain.name
            );
            document.problem(place!["lma", "domain", index, "name"], text);
        }
        keys(document, index, domain, earlier);
        networks(document, config, index, domain);
    }
}

/// The keys of a domain are some, and no other domain's.
fn keys(document: &mut Document, index: usize, domain: &LmaDomain, earlier: &[LmaDomain]) {
    let way = place!["lma", "domain", index, "keys"];
    let [first, last] = domain.keys;
    if first > last {
        let text = format!("{last} is before {first}; give the first key and the last one");
        return document.problem(way, text);
    }
    let mut earlier = earlier.iter();
    if let Some(other) = earlier.find(|it| it.keys[0] <= last && first <= it.keys[1]) {
        let text = format!(
            "some of them are keys of domain `{}`, {} to {}; give others",
            other.name, other.keys[0], other.keys[1]
        );
        document.problem(way, text);
    }
}

fn networks(document: &mut Document, config: &Config, index: usize, domain: &LmaDomain) {
    let way: Vec<Step> = place!["lma", "domain", index, "ipv4_networks"].to_vec();
    if domain.ipv4_networks.is_empty() {
        document.problem(
            &way,
            "hosts of a domain have IPv4 addresses; give what they are of",
        );
    }
    let links = links(config).into_iter();
    let links = links.filter(|(at, ..)| config.domain_of(*at) == Some(domain.name));
    let taken: Vec<Prefix> = links.map(|(_, _, taken)| taken).collect();
    ipv4_networks(document, &way, &domain.ipv4_networks, &taken);
}
