//! What the gateway knows of the network around it: its interfaces and addresses, the prefixes that
//! are on link, and static routes. From this and the neighbours that are resolved comes the
//! [`Topology`] that workers forward by.
//!
//! ```text
//!   /128 or /32 of our own     Local
//!   /128 or /32 of a neighbour Adjacency        while it is resolved
//!   an IPv4 link's own address
//!   and its broadcast address  Blackhole        not forwarded (RFC 2644)
//!   on-link prefix             OnLink           "ask control"
//!   static route               Adjacency | Unresolved | Unreachable | Blackhole
//! ```

use crate::config::{bits, covers, is_link_local, masked, nobodys};
use crate::neighbour::Neighbour;
use dataplane::key::{
    self, AdjacencyId, Domain, Interface, InterfaceId, InterfaceKind, NextHop, Route, Topology,
};
use hashbrown::HashMap;
use roles::domain::DomainName;
use roles::effect::LogicalRouter;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::ether::MacAddr;

/// An interface with its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What the data plane knows of it.
    pub interface: Interface,
    /// Our addresses on it, each with the length of its on-link prefix.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Our link-local address on it; on an access interface the one that every gateway of the
    /// domain shows.
    pub link_local: Ipv6Addr,
    /// Routers that we are here beside that one, to hosts that have come by other anchors.
    pub logical: Vec<LogicalRouter>,
    /// How many of them, from the first on, are shown whether or not a host has come by them.
    pub standing: usize,
}

impl Link {
    /// Our link-layer address, as whoever looks for this address of ours is to know it.
    pub fn mac_of(&self, address: Ipv6Addr) -> MacAddr {
        let mut logical = self.logical.iter();
        let logical = logical.find(|router| router.link_local == address);
        logical.map_or(self.interface.mac, |router| router.mac)
    }

    /// Whether `address` is one of ours here.
    pub fn owns(&self, address: impl Into<IpAddr>) -> bool {
        let address = address.into();
        address == self.link_local
            || self.addresses.iter().any(|(ours, _)| *ours == address)
            || self
                .logical
                .iter()
                .any(|router| address == router.link_local)
    }

    /// Whether `address` is one that a neighbour on this link can have.
    pub fn is_on_link(&self, address: impl Into<IpAddr>) -> bool {
        let address = address.into();
        let mut ours = self.addresses.iter();
        matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
            || ours.any(|(ours, length)| covers(*ours, *length, address))
    }

    /// Our address that a neighbour `towards` is best asked from; none when we have no IPv4 address on
    /// its link.
    pub fn source_for(&self, towards: IpAddr) -> Option<IpAddr> {
        let mut ours = self.addresses.iter();
        let found = ours.find(|(address, length)| covers(*address, *length, towards));
        let otherwise = Some(IpAddr::V6(self.link_local)).filter(|_| towards.is_ipv6());
        found.map(|(address, _)| *address).or(otherwise)
    }
}

/// A route that the configuration states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticRoute {
    /// The domain whose packets it is for.
    pub domain: Domain,
    /// Destination prefix.
    pub prefix: IpAddr,
    /// Its length in bits.
    pub length: u8,
    /// What becomes of packets for it.
    pub target: Target,
}

/// What a static route says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// By way of this router.
    Router(Neighbour),
    /// Answered with Destination Unreachable.
    Unreachable,
    /// Dropped.
    Blackhole,
}

/// Where a packet of our own goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// Nowhere: the address is ours.
    Local,
    /// To this neighbour.
    Neighbour(Neighbour),
    /// Nowhere: there is no route, or one that says so.
    None,
}

/// Interfaces and routes.
#[derive(Clone, Debug, Default)]
pub struct Routing {
    /// The interfaces in the order of their [`InterfaceId`].
    pub links: Vec<Link>,
    /// The domains that they are of, in order: the first is number 1, for 0 is the common network.
    pub domains: Vec<DomainName>,
    /// The static routes.
    pub routes: Vec<StaticRoute>,
    /// Source of ICMP errors towards any node but a neighbour (S1-45).
    pub error_source: Option<Ipv6Addr>,
    /// Source of ICMP errors about IPv4 packets that came out of tunnels.
    pub ipv4_error_source: Option<Ipv4Addr>,
    /// Interface identifier of the address that we have in each prefix which we anchor.
    pub anchor_identifier: Option<u64>,
}

impl Routing {
    /// The interface with this index.
    pub fn link(&self, interface: InterfaceId) -> Option<&Link> {
        self.links.get(usize::from(interface.0))
    }

    /// The number of a domain; of one that no interface is of, none has.
    pub fn number(&self, name: Option<DomainName>) -> Domain {
        number(&self.domains, name)
    }

    /// The name of a domain; the common network has none.
    pub fn name(&self, domain: Domain) -> Option<DomainName> {
        let index = usize::from(domain.0).checked_sub(1)?;
        self.domains.get(index).copied()
    }

    /// The domain that an interface is of, if it is of one.
    pub fn domain_of(&self, interface: InterfaceId) -> Option<DomainName> {
        self.name(self.link(interface)?.interface.domain)
    }

    /// Whether the address is ours on any interface of the common network, link-local ones left out.
    pub fn owns(&self, address: impl Into<IpAddr>) -> bool {
        self.owns_in(Domain::default(), address)
    }

    fn owns_in(&self, domain: Domain, address: impl Into<IpAddr>) -> bool {
        let address = address.into();
        self.of(domain)
            .any(|(_, link)| link.addresses.iter().any(|(ours, _)| *ours == address))
    }

    /// The interfaces of a domain.
    fn of(&self, domain: Domain) -> impl Iterator<Item = (InterfaceId, &Link)> {
        let links = self.interfaces();
        links.filter(move |(_, link)| link.interface.domain == domain)
    }

    /// Whether an address is one that we have in a prefix, should we anchor that.
    pub fn is_anchor_address(&self, address: Ipv6Addr) -> bool {
        self.anchor_identifier == Some(address.to_bits() as u64)
    }

    /// Every interface with its index.
    pub fn interfaces(&self) -> impl Iterator<Item = (InterfaceId, &Link)> {
        (0..).map(InterfaceId).zip(&self.links)
    }

    /// The next hop towards `to` in the common network, which is that of gateways: the longest of on-link
    /// prefixes and static routes.
    pub fn next_hop(&self, to: impl Into<IpAddr>) -> Hop {
        let to = to.into();
        if self.owns(to) {
            return Hop::Local;
        }
        let mut best: (Option<u8>, Hop) = (None, Hop::None);
        for (interface, link) in self.of(Domain::default()) {
            for (address, length) in &link.addresses {
                if covers(*address, *length, to) && Some(*length) > best.0 {
                    let neighbour = Neighbour {
                        interface,
                        address: to,
                    };
                    best = (Some(*length), Hop::Neighbour(neighbour));
                }
            }
        }
        let common = |route: &&StaticRoute| route.domain == Domain::default();
        for route in self.routes.iter().filter(common) {
            if covers(route.prefix, route.length, to) && Some(route.length) > best.0 {
                let hop = match route.target {
                    Target::Router(router) => Hop::Neighbour(router),
                    Target::Unreachable | Target::Blackhole => Hop::None,
                };
                best = (Some(route.length), hop);
            }
        }
        best.1
    }

    /// The routers that static routes lead through, each once.
    pub fn routers(&self) -> Vec<Neighbour> {
        let mut routers: Vec<_> = self
            .routes
            .iter()
            .filter_map(|route| match route.target {
                Target::Router(router) => Some(router),
                Target::Unreachable | Target::Blackhole => None,
            })
            .collect();
        routers.sort_unstable();
        routers.dedup();
        routers
    }

    /// What workers are to go by while exactly `resolved` can be reached and `peers` are the gateways
    /// that signalling is expected from.
    pub fn topology(
        &self,
        resolved: &HashMap<Neighbour, AdjacencyId>,
        peers: &[Ipv6Addr],
    ) -> Topology {
        let common = Domain::default();
        let host = |domain, address: IpAddr, next_hop| Route {
            domain,
            prefix: address,
            length: bits(address),
            next_hop,
        };
        let mut routes = Vec::new();
        for (interface, link) in self.interfaces() {
            let domain = link.interface.domain;
            routes.push(host(domain, link.link_local.into(), NextHop::Local));
            for (address, length) in &link.addresses {
                routes.push(host(domain, *address, NextHop::Local));
                if *length < bits(*address) {
                    routes.push(Route {
                        domain,
                        prefix: masked(*address, *length),
                        length: *length,
                        next_hop: NextHop::OnLink(interface),
                    });
                }
                let nobody = nobodys(*address, *length).into_iter().flatten();
                routes.extend(nobody.map(|address| host(domain, address, NextHop::Blackhole)));
            }
        }
        for (neighbour, adjacency) in resolved {
            let link = self.link(neighbour.interface);
            let domain = link.map_or(common, |link| link.interface.domain);
            if is_link_local(neighbour.address) || self.owns_in(domain, neighbour.address) {
                continue;
            }
            let next_hop = NextHop::Adjacency(*adjacency);
            routes.push(host(domain, neighbour.address, next_hop));
        }
        for route in &self.routes {
            let next_hop = match route.target {
                Target::Router(router) => match resolved.get(&router) {
                    Some(adjacency) => NextHop::Adjacency(*adjacency),
                    None => NextHop::Unresolved {
                        interface: router.interface,
                        router: router.address,
                    },
                },
                Target::Unreachable => NextHop::Unreachable,
                Target::Blackhole => NextHop::Blackhole,
            };
            routes.push(Route {
                domain: route.domain,
                prefix: masked(route.prefix, route.length),
                length: route.length,
                next_hop,
            });
        }
        // A prefix that two interfaces hold, or a link-local address that both show, stands once.
        // Of a broadcast address that is also ours, ours came first.
        let key = |route: &Route| (route.domain, route.prefix, route.length);
        routes.sort_by_key(key);
        routes.dedup_by_key(|route| key(route));
        Topology {
            interfaces: self
                .links
                .iter()
                .map(|link| link.interface.clone())
                .collect(),
            routes,
            error_sources: self
                .error_source
                .map(|address| (common, address))
                .into_iter()
                .collect(),
            peers: peers.iter().map(|peer| (common, *peer)).collect(),
            logical_routers: self
                .interfaces()
                .flat_map(|(interface, link)| {
                    link.logical.iter().map(move |router| key::LogicalRouter {
                        interface,
                        mac: router.mac,
                        link_local: router.link_local,
                    })
                })
                .collect(),
            ipv4_error_sources: self.ipv4_error_sources(),
            anchor_identifier: self.anchor_identifier,
        }
    }
}

impl Routing {
    /// The common source of ICMP errors about IPv4 packets out of tunnels, and for each domain our own first
    /// address towards its core, which tells its correspondents nothing that they do not know.
    fn ipv4_error_sources(&self) -> Vec<(Domain, Ipv4Addr)> {
        let common = self.ipv4_error_source;
        let common = common.map(|address| (Domain::default(), address));
        let named = self.domains.iter().filter_map(|name| {
            let domain = self.number(Some(*name));
            let mut links = self.of(domain).filter(|(_, link)| !is_access(link));
            let address = links.find_map(|(_, link)| link.interface.ipv4)?;
            Some((domain, address))
        });
        common.into_iter().chain(named).collect()
    }
}

/// The number of a domain among `domains`; of one that is not there, the last that there can be.
pub(crate) fn number(domains: &[DomainName], name: Option<DomainName>) -> Domain {
    let Some(name) = name else {
        return Domain::default();
    };
    let place = domains.iter().position(|it| *it == name);
    let number = place.and_then(|place| u16::try_from(place + 1).ok());
    Domain(number.unwrap_or(u16::MAX))
}

/// Whether hosts attach on this interface.
pub fn is_access(link: &Link) -> bool {
    link.interface.kind == InterfaceKind::Access
}

#[cfg(test)]
mod tests {
    use super::*;
    use packet::PortId;
    use wire::ether::MacAddr;
    use wire::ipv6::address::link_local;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn routing() -> Routing {
        let mac = MacAddr([2, 0, 0x5e, 0, 0x52, 0x13]);
        let link = |name: &str, port, ours: &str| Link {
            interface: Interface {
                name: name.to_owned(),
                port: PortId(port),
                vlan: None,
                domain: Domain::default(),
                kind: InterfaceKind::Core,
                mac,
                address: None,
                link_local: Some(link_local(mac)),
                ipv4: None,
                mtu: 1500,
                twin: None,
            },
            addresses: vec![(address(ours), 64)],
            link_local: link_local(mac),
            logical: Vec::new(),
            standing: 0,
        };
        Routing {
            domains: Vec::new(),
            links: vec![
                link("core", 0, "2001:db8:c::1"),
                link("internet", 1, "2001:db8:100::1"),
            ],
            routes: vec![
                StaticRoute {
                    domain: Domain::default(),
                    prefix: Ipv6Addr::UNSPECIFIED.into(),
                    length: 0,
                    target: Target::Router(router()),
                },
                StaticRoute {
                    domain: Domain::default(),
                    prefix: address("2001:db8:dead::"),
                    length: 48,
                    target: Target::Unreachable,
                },
            ],
            error_source: Some("2001:db8:c::1".parse().unwrap()),
            ipv4_error_source: None,
            anchor_identifier: None,
        }
    }

    fn router() -> Neighbour {
        Neighbour {
            interface: InterfaceId(1),
            address: address("2001:db8:100::10"),
        }
    }

    #[test]
    fn the_longest_match_is_the_next_hop() {
        let routing = routing();
        assert_eq!(routing.next_hop(address("2001:db8:c::1")), Hop::Local);
        let peer = Neighbour {
            interface: InterfaceId(0),
            address: address("2001:db8:c::11"),
        };
        assert_eq!(routing.next_hop(peer.address), Hop::Neighbour(peer));
        assert_eq!(
            routing.next_hop(address("2400::1")),
            Hop::Neighbour(router())
        );
        assert_eq!(routing.next_hop(address("2001:db8:dead::1")), Hop::None);
    }

    #[test]
    fn a_resolved_router_turns_its_routes_into_adjacencies() {
        let routing = routing();
        let default = |topology: &Topology| {
            topology
                .routes
                .iter()
                .find(|route| route.length == 0)
                .map(|route| route.next_hop)
        };
        let unresolved = NextHop::Unresolved {
            interface: InterfaceId(1),
            router: router().address,
        };
        assert_eq!(
            default(&routing.topology(&HashMap::new(), &[])),
            Some(unresolved)
        );
        let resolved = HashMap::from_iter([(router(), AdjacencyId(7))]);
        let topology = routing.topology(&resolved, &[]);
        let adjacency = NextHop::Adjacency(AdjacencyId(7));
        assert_eq!(default(&topology), Some(adjacency));
        assert!(topology
            .routes
            .iter()
            .any(|route| route.prefix == router().address
                && route.length == 128
                && route.next_hop == adjacency));
        // Both interfaces show the same link-local address: one route.
        let mut keys: Vec<_> = topology
            .routes
            .iter()
            .map(|route| (route.prefix, route.length))
            .collect();
        keys.dedup();
        assert_eq!(keys.len(), topology.routes.len());
    }
}
