//! Ports, interfaces and routes.

use super::{in_range, is_name, is_unicast, name};
use crate::config::address::{bits, is_link_local, nobodys, overlap, Prefix};
use crate::config::document::{advise, place, Document};
use crate::config::schema::{Config, Interface, InterfaceKind, Route};
use crate::config::MIN_MTU;

/// Longest name that Linux gives an interface, in octets.
const MAX_TWIN_NAME: usize = 15;

/// The largest MTU of a port in octets: that of common jumbo frames.
const MAX_MTU: u16 = 9_600;

pub(super) fn ports(document: &mut Document, config: &Config) {
    if config.port.is_empty() && config.cmd.is_none() {
        document.problem(place![], "no port; add at least one [[port]]");
    }
    for (index, port) in config.port.iter().enumerate() {
        let earlier = config.port.get(..index).unwrap_or_default();
        name(document, place!["port", index, "name"], &port.name);
        if earlier.iter().any(|other| other.name == port.name) {
            let text = format!("there is a port `{}` already; names are unique", port.name);
            document.problem(place!["port", index, "name"], text);
        }
        if port.device.is_empty() || port.device.contains(char::is_whitespace) {
            document.problem(
                place!["port", index, "device"],
                "not DPDK devargs; give a PCI address or a virtual device such as net_af_packet0,iface=eth1",
            );
        }
        let device = |devargs: &str| devargs.split(',').next().map(str::to_owned);
        if earlier
            .iter()
            .any(|other| device(&other.device) == device(&port.device))
        {
            let text = format!(
                "`{}` is another port's device already; number virtual devices apart",
                port.device
            );
            document.problem(place!["port", index, "device"], text);
        }
        in_range(
            document,
            place!["port", index, "mtu"],
            port.mtu,
            MIN_MTU..=MAX_MTU,
        );
        if let Some(twin) = &port.twin {
            let way = place!["port", index, "twin"];
            if !is_name(twin) || twin.len() > MAX_TWIN_NAME {
                let text = format!("`{twin}` cannot name a network interface; use up to {MAX_TWIN_NAME} letters and digits");
                document.problem(way, text);
            } else if earlier
                .iter()
                .any(|other| other.twin.as_ref() == Some(twin))
            {
                document.problem(way, format!("`{twin}` is the twin of another port already"));
            }
        }
    }
}

pub(super) fn interfaces(document: &mut Document, config: &Config) {
    if config.interface.is_empty() && config.cmd.is_none() {
        document.problem(place![], "no interface; add at least one [[interface]]");
    }
    for (index, interface) in config.interface.iter().enumerate() {
        let earlier = config.interface.get(..index).unwrap_or_default();
        name(
            document,
            place!["interface", index, "name"],
            &interface.name,
        );
        if earlier.iter().any(|other| other.name == interface.name) {
            let text = format!(
                "there is an interface `{}` already; names are unique",
                interface.name
            );
            document.problem(place!["interface", index, "name"], text);
        }
        if config.port(&interface.port).is_none() {
            let known = config.port.iter().map(|port| port.name.as_str());
            let advice = advise(&interface.port, known, "the ports are");
            let text = format!("there is no port `{}`{advice}", interface.port);
            document.problem(place!["interface", index, "port"], text);
        }
        if let Some(vlan) = interface.vlan {
            in_range(document, place!["interface", index, "vlan"], vlan, 1..=4094);
        }
        let same_link =
            |other: &Interface| other.port == interface.port && other.vlan == interface.vlan;
        if let Some(other) = earlier.iter().find(|other| same_link(other)) {
            let text = format!(
                "interface `{}` has this port and VLAN already; give one of them another `vlan`",
                other.name
            );
            document.problem(place!["interface", index, "port"], text);
        }
        for (which, own) in interface.addresses.iter().enumerate() {
            let way = place!["interface", index, "addresses", which];
            if !is_unicast(own.address) {
                document.problem(way, format!("`{}` is not a unicast address", own.address));
            } else if nobodys(own.address, own.length)
                .is_some_and(|nobody| nobody.contains(&own.address))
            {
                let text = format!(
                    "`{}` stands for everyone on its link, or for the link; give one between them",
                    own.address
                );
                document.problem(way, text);
            }
        }
        match interface.kind {
            InterfaceKind::Core => core_interface(document, index, interface),
            InterfaceKind::Access => access_interface(document, index, interface),
        }
    }
}

fn core_interface(document: &mut Document, index: usize, interface: &Interface) {
    if interface.addresses.is_empty() {
        let text = "a core interface needs at least one of `addresses`, such as \"2001:db8::1/64\"";
        document.problem(place!["interface", index, "addresses"], text);
    }
    for (key, present) in [
        ("router", interface.router.is_some()),
        ("mac", interface.mac.is_some()),
    ] {
        if present {
            let text = format!(
                "`{key}` is what hosts see: it belongs on an interface with kind = \"access\""
            );
            document.problem(place!["interface", index, key], text);
        }
    }
}

fn access_interface(document: &mut Document, index: usize, interface: &Interface) {
    match interface.router {
        Some(router) if router.is_unicast_link_local() => {}
        Some(router) => {
            let text = format!("`{router}` is not a link-local address; give one such as fe80::1");
            document.problem(place!["interface", index, "router"], text);
        }
        None => document.problem(
            place!["interface", index],
            "an access interface needs `router`, the link-local address that every MAG of the domain shows",
        ),
    }
    match interface.mac {
        Some(mac) if mac.is_group() || mac.0 == [0; 6] => {
            let text = format!("`{mac}` cannot be a gateway's own; give a unicast link-layer address");
            document.problem(place!["interface", index, "mac"], text);
        }
        Some(_) => {}
        None => document.problem(
            place!["interface", index],
            "an access interface needs `mac`, the link-layer address that every MAG of the domain shows",
        ),
    }
}

/// Our on-link prefixes, each with its place.
pub(super) fn links(config: &Config) -> Vec<(usize, usize, Prefix)> {
    let mut links = Vec::new();
    for (index, interface) in config.interface.iter().enumerate() {
        for (which, own) in interface.addresses.iter().enumerate() {
            links.push((index, which, own.on_link()));
        }
    }
    links
}

/// Every link-local prefix is its interface's own; of the others no two interfaces share any.
pub(super) fn on_link_prefixes(document: &mut Document, config: &Config) {
    let links = links(config);
    for (nth, (index, which, prefix)) in links.iter().enumerate() {
        let clash = links.iter().take(nth).find(|(other, _, taken)| {
            other != index
                && config.domain_of(*other) == config.domain_of(*index)
                && !is_link_local(prefix.prefix)
                && overlap(*prefix, *taken)
        });
        if let Some((other, _, taken)) = clash {
            let other = config
                .interface
                .get(*other)
                .map_or("", |it| it.name.as_str());
            let text = format!("{prefix} overlaps {taken} of interface `{other}`; links need prefixes of their own");
            document.problem(place!["interface", *index, "addresses", *which], text);
        }
    }
}

pub(super) fn route(document: &mut Document, config: &Config, index: usize, route: &Route) {
    let earlier = config.route.get(..index).unwrap_or_default();
    let domain = config.domain_of_route(route);
    let same =
        |other: &Route| other.prefix == route.prefix && config.domain_of_route(other) == domain;
    if earlier.iter().any(same) {
        let text = format!("there is a route to {} already", route.prefix);
        document.problem(place!["route", index, "prefix"], text);
    }
    let ways = [route.via.is_some(), route.unreachable, route.blackhole];
    if ways.into_iter().filter(|way| *way).count() != 1 {
        document.problem(
            place!["route", index],
            "a route needs one of `via = ADDRESS`, `unreachable = true` and `blackhole = true`",
        );
    }
    let named = route.interface.as_ref().map(|name| {
        let index = config.interface.iter().position(|it| it.name == *name);
        (name, index)
    });
    if let Some((name, None)) = named {
        let known = config.interface.iter().map(|it| it.name.as_str());
        let advice = advise(name, known, "the interfaces are");
        let text = format!("there is no interface `{name}`{advice}");
        document.problem(place!["route", index, "interface"], text);
        return;
    }
    let known = |it: &Interface| it.domain == domain;
    if domain.is_some() && !config.interface.iter().any(known) {
        let name = domain.map(|it| it.to_string()).unwrap_or_default();
        let text = format!("no interface is of domain `{name}`");
        document.problem(place!["route", index, "domain"], text);
        return;
    }
    if let Some((name, Some(at))) = named.filter(|_| route.domain.is_some()) {
        if config.domain_of(at) != route.domain {
            let text = format!("interface `{name}` is of another domain; remove one of the two");
            document.problem(place!["route", index, "domain"], text);
            return;
        }
    }
    let Some(via) = route.via else {
        if named.is_some() {
            let text = "`interface` goes with `via`; remove it";
            document.problem(place!["route", index, "interface"], text);
        }
        return;
    };
    let way = place!["route", index, "via"];
    if !is_unicast(via) {
        document.problem(way, format!("`{via}` is not the address of a router"));
    } else if config.owner_in(domain, via).is_some() {
        document.problem(
            way,
            format!("`{via}` is our own address; give the next router's"),
        );
    } else if bits(via) != bits(route.prefix.prefix) {
        let text = format!(
            "`{via}` is no router for {}: they are of different families",
            route.prefix
        );
        document.problem(way, text);
    } else if is_link_local(via) {
        if named.is_none() {
            document.problem(
                way,
                format!("`{via}` is link-local; add `interface = NAME`"),
            );
        }
    } else {
        let link = config.on_link(domain, via);
        let on_named = named.is_none_or(|(_, index)| link == index);
        if link.is_none() || !on_named {
            let text = format!("`{via}` is not on link; give a router in a prefix of `addresses` of the interface towards it");
            document.problem(way, text);
        }
    }
}
