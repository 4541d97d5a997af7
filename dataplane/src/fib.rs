//! The topology as workers use it: interfaces by port and VLAN, routes by longest prefix.
//!
//! ```text
//!   domain -> family -> prefix lengths in use, longest first -> open-addressing hash -> next hop
//! ```
//!
//! A gateway has few prefix lengths (neighbours, links, a handful of aggregates), so a lookup is a
//! few probes, most of them into a table that is in the cache. A [`Fib`] never changes: control
//! compiles a new one from its [`Topology`] and publishes it whole.

mod lpm;

use crate::classify::Family;
use crate::key::{Domain, Interface, InterfaceId, NextHop, Topology};
use crate::table::hash::Seed;
use crate::tunnels::HEADER;
use lpm::{Exact, Lpm};
use packet::PortId;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::ether::{self, ethertype, MacAddr};

/// VLAN identifiers of a port.
const VLANS: usize = 1 << 12;

/// Routes that stay in the first-level cache.
const NEAR: usize = 1 << 9;

/// A compiled [`Topology`].
pub struct Fib {
    generation: u64,
    interfaces: Vec<Interface>,
    /// What of each interface is asked for by every packet that leaves by it.
    exits: Vec<Exit>,
    ports: Vec<PortInterfaces>,
    /// In the order of their domains.
    domains: Vec<(Domain, Routes)>,
    error_sources: Vec<(Domain, Ipv6Addr)>,
    /// In the order of their domains.
    peers: Vec<(Domain, Exact<()>)>,
    ipv4_error_sources: Vec<(Domain, Ipv4Addr)>,
    /// Link-layer addresses of logical routers, sorted.
    router_macs: Vec<(InterfaceId, MacAddr)>,
    /// Their link-local addresses, sorted.
    router_addresses: Vec<(InterfaceId, Ipv6Addr)>,
    anchor_identifier: Option<u64>,
    routes: usize,
}

impl Fib {
    /// Compiles `topology`. Of two interfaces on the same port and VLAN, or two routes of the same
    /// prefix, the first counts; so of an interface whose VLAN is above 4095 only the lower 12 bits.
    pub fn new(topology: Topology, generation: u64, seed: Seed) -> Self {
        let Topology {
            interfaces,
            routes,
            error_sources,
            peers,
            ipv4_error_sources,
            logical_routers,
            anchor_identifier,
        } = topology;
        let routers = || logical_routers.iter();
        let mut router_macs: Vec<_> = routers().map(|it| (it.interface, it.mac)).collect();
        router_macs.sort_unstable();
        let mut router_addresses: Vec<_> =
            routers().map(|it| (it.interface, it.link_local)).collect();
        router_addresses.sort_unstable();
        let mut ports = Vec::new();
        for (interface, id) in interfaces.iter().zip(0..=u16::MAX) {
            let at = usize::from(interface.port.0);
            if ports.len() <= at {
                ports.resize_with(at + 1, PortInterfaces::default);
            }
            if let Some(port) = ports.get_mut(at) {
                port.put(interface.vlan, InterfaceId(id));
            }
        }
        let mut numbers: Vec<Domain> = routes.iter().map(|route| route.domain).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let compile = |domain: Domain| {
            let own = || routes.iter().filter(move |route| route.domain == domain);
            let ipv6 = Lpm::new(own().filter(|route| route.prefix.is_ipv6()), 128, seed);
            let ipv4 = Lpm::new(own().filter(|route| route.prefix.is_ipv4()), 32, seed);
            (domain, Routes { ipv6, ipv4 })
        };
        let domains = numbers.into_iter().map(compile).collect();
        let mut of_peers: Vec<Domain> = peers.iter().map(|(domain, _)| *domain).collect();
        of_peers.sort_unstable();
        of_peers.dedup();
        let gather = |domain: Domain| {
            let own = peers.iter().filter(|(of, _)| *of == domain);
            let own: Vec<_> = own.map(|(_, peer)| (peer.to_bits(), ())).collect();
            (domain, Exact::new(128, &own, seed))
        };
        let peers = of_peers.into_iter().map(gather).collect();
        let routes = routes.len();
        Self {
            generation,
            exits: interfaces
                .iter()
                .take(u16::MAX.into())
                .map(Exit::of)
                .collect(),
            interfaces,
            ports,
            domains,
            error_sources,
            peers,
            ipv4_error_sources,
            router_macs,
            router_addresses,
            anchor_identifier,
            routes,
        }
    }

    /// Whether a link-layer address is that of a logical router on an interface.
    #[inline(never)]
    pub(crate) fn is_router(&self, interface: InterfaceId, mac: MacAddr) -> bool {
        self.router_macs.binary_search(&(interface, mac)).is_ok()
    }

    /// Whether a link-local address is that of a logical router on an interface.
    pub(crate) fn is_router_address(&self, interface: InterfaceId, address: Ipv6Addr) -> bool {
        let wanted = (interface, address);
        self.router_addresses.binary_search(&wanted).is_ok()
    }

    /// Whether an address is one that we have in its prefix, should that be anchored here.
    #[inline(always)]
    pub(crate) fn is_anchor_address(&self, address: Ipv6Addr) -> bool {
        self.anchor_identifier == Some(address.to_bits() as u64)
    }

    /// Which publication this is: it grows by one with each.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The interface of a packet that came on `port`, untagged or with this VLAN.
    #[inline(always)]
    pub fn interface(&self, port: PortId, vlan: Option<u16>) -> Option<InterfaceId> {
        self.ports.get(usize::from(port.0))?.get(vlan)
    }

    /// The interface with this index.
    #[inline(always)]
    pub fn interface_of(&self, id: InterfaceId) -> Option<&Interface> {
        self.interfaces.get(usize::from(id.0))
    }

    /// The ways out, in the order of their interfaces; none by the last one that an index has.
    #[inline(always)]
    pub(crate) fn exits(&self) -> &[Exit] {
        &self.exits
    }

    /// All interfaces, in the order of their [`InterfaceId`].
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// Number of routes.
    pub fn routes(&self) -> usize {
        self.routes
    }

    /// What the route with the longest prefix that covers `destination` says.
    #[inline]
    pub fn route(&self, domain: Domain, destination: impl Into<IpAddr>) -> Option<NextHop> {
        let routes = self.routes_of(domain)?;
        match destination.into() {
            IpAddr::V6(v6) => routes.ipv6.get(v6.to_bits()).0,
            IpAddr::V4(v4) => routes.ipv4.get(u128::from(v4.to_bits()) << 96).0,
        }
    }

    /// [`Fib::route`], and whether it is the same for all destinations that share the upper 64 bits of
    /// this one.
    #[inline]
    pub(crate) fn route_of_site(
        &self,
        domain: Domain,
        destination: Ipv6Addr,
    ) -> (Option<NextHop>, bool) {
        match self.routes_of(domain) {
            Some(routes) => routes.ipv6.get(destination.to_bits()),
            None => (None, true),
        }
    }

    /// Whether there are so many routes that a look at one may have to wait for memory.
    #[inline(always)]
    pub(crate) fn is_far(&self) -> bool {
        self.routes > NEAR
    }

    /// Hints that the route to a destination will be asked for soon.
    #[inline(always)]
    pub(crate) fn prefetch(&self, domain: Domain, destination: Ipv6Addr) {
        if let Some(routes) = self.routes_of(domain) {
            routes.ipv6.prefetch(destination.to_bits());
        }
    }

    #[inline(always)]
    fn routes_of(&self, domain: Domain) -> Option<&Routes> {
        of(&self.domains, domain)
    }

    /// Whether control expects Mobility Headers from `peer`.
    pub fn expects(&self, domain: Domain, peer: Ipv6Addr) -> bool {
        of(&self.peers, domain).is_some_and(|peers| peers.get(peer.to_bits()).is_some())
    }

    /// Source of ICMP errors towards any node but a neighbour.
    #[inline]
    pub fn error_source(&self, domain: Domain) -> Option<Ipv6Addr> {
        self.error_sources
            .iter()
            .find(|(of, _)| *of == domain)
            .map(|(_, source)| *source)
    }

    /// Source of ICMP errors about IPv4 packets that no interface with an address took in.
    #[inline]
    pub fn ipv4_error_source(&self, domain: Domain) -> Option<Ipv4Addr> {
        self.ipv4_error_sources
            .iter()
            .find(|(of, _)| *of == domain)
            .map(|(_, source)| *source)
    }
}

/// What belongs to a domain of those that stand in the order of their domains.
#[inline(always)]
fn of<T>(domains: &[(Domain, T)], domain: Domain) -> Option<&T> {
    match domains {
        [(only, its)] if *only == domain => Some(its),
        many => {
            let at = many
                .binary_search_by_key(&domain, |(domain, _)| *domain)
                .ok()?;
            Some(&many.get(at)?.1)
        }
    }
}

/// An [`Interface`] as packets leave by it, as small as can be.
#[derive(Clone, Copy)]
#[repr(align(32))]
pub(crate) struct Exit {
    /// The last eight octets of the Ethernet header as they stand in a frame, our link-layer address and
    /// what follows: of IPv6, then of IPv4; a tag follows both where there is one.
    from: [[u8; 8]; 2],
    /// Port that carries it.
    pub(crate) port: PortId,
    /// Octets of the link-layer header.
    pub(crate) front: u8,
    /// 802.1Q VLAN identifier, where `front` has room for one.
    pub(crate) vlan: u16,
    /// Largest IP packet in octets.
    pub(crate) mtu: u16,
    /// The same inside a tunnel.
    pub(crate) mtu_inside: u16,
}

impl Exit {
    fn of(interface: &Interface) -> Self {
        let [a, b, c, d, e, f] = interface.mac.0;
        let from = |family: Family| {
            let ether_type = match interface.vlan {
                None => family.ethertype(),
                Some(_) => ethertype::VLAN,
            };
            let [g, h] = ether_type.to_be_bytes();
            [a, b, c, d, e, f, g, h]
        };
        Self {
            from: [from(Family::V6), from(Family::V4)],
            port: interface.port,
            front: match interface.vlan {
                None => ether::HEADER_LEN as u8,
                Some(_) => (ether::HEADER_LEN + ether::TAG_LEN) as u8,
            },
            vlan: interface.vlan.unwrap_or(0),
            mtu: interface.mtu,
            mtu_inside: interface.mtu.saturating_sub(HEADER as u16),
        }
    }

    /// The last eight octets of the Ethernet header of a packet of `family`.
    #[inline(always)]
    pub(crate) fn from(&self, family: Family) -> [u8; 8] {
        let [ipv6, ipv4] = self.from;
        match family {
            Family::V6 => ipv6,
            Family::V4 => ipv4,
        }
    }
}

/// The interfaces of one port.
#[derive(Default)]
struct PortInterfaces {
    untagged: Option<InterfaceId>,
    /// Empty when there is none with a tag, else one for every VLAN identifier.
    tagged: Vec<Option<InterfaceId>>,
}

impl PortInterfaces {
    fn put(&mut self, vlan: Option<u16>, id: InterfaceId) {
        let slot = match vlan {
            None => Some(&mut self.untagged),
            Some(vlan) => {
                self.tagged.resize(VLANS, None);
                self.tagged.get_mut(usize::from(vlan) % VLANS)
            }
        };
        if let Some(slot) = slot {
            slot.get_or_insert(id);
        }
    }

    #[inline(always)]
    fn get(&self, vlan: Option<u16>) -> Option<InterfaceId> {
        match vlan {
            None => self.untagged,
            Some(vlan) => self
                .tagged
                .get(usize::from(vlan) % VLANS)
                .copied()
                .flatten(),
        }
    }
}

/// The routes of one domain.
struct Routes {
    ipv6: Lpm,
    ipv4: Lpm,
}
