//! What the tables are keyed by and what they hold, as control writes it.

use packet::PortId;
use std::net::IpAddr;
use wire::ether::MacAddr;

/// A routing domain: interfaces of one domain see one another's prefixes, two domains may hold the
/// same addresses. 0 is the default domain.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Domain(pub u16);

/// Key of a binding: a home network prefix (or a home address, as a prefix of full length) in a
/// domain.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct BindingKey {
    /// Routing domain.
    pub domain: Domain,
    /// Prefix, bits past `length` zero; its variant is the key's family.
    pub prefix: IpAddr,
    /// Prefix length in bits.
    pub length: u8,
}

/// Index of a tunnel in the tunnel table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TunnelId(pub u32);

/// Index of an adjacency in the adjacency table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct AdjacencyId(pub u32);

/// Index of a binding's entry, and of its counter slots. Stable while the binding lives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct BindingId(pub u32);

/// What a binding makes of the packets to and from its prefix. It is stored in one atomic word, so
/// a move is one store: a packet sees the old way or the new one.
///
/// | | to the prefix | from the prefix |
/// |---|---|---|
/// | `Anchor` | encapsulated into `tunnel` | accepted out of `tunnel` only, then forwarded |
/// | `Access` | accepted out of `tunnel` only, then delivered to `host` | accepted from `host` only, encapsulated into `tunnel` |
/// | `Local` | delivered to `host` | accepted from `host` only, then forwarded |
/// | `Pending` | dropped and counted | dropped and counted |
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Forwarding {
    /// We anchor the prefix and its host is behind a tunnel (LMA, home agent, previous MAAR).
    Anchor {
        /// Tunnel to the node that serves the host.
        tunnel: TunnelId,
    },
    /// The host is on our access link and its prefix is anchored elsewhere (MAG, serving MAAR).
    Access {
        /// Tunnel to the anchor.
        tunnel: TunnelId,
        /// The host's adjacency: port, VLAN and link-layer address.
        host: AdjacencyId,
    },
    /// The host is on our access link and we anchor its prefix (serving MAAR).
    Local {
        /// The host's adjacency.
        host: AdjacencyId,
    },
    /// The prefix is ours but has no host at present (an LMA that waits out
    /// MinDelayBeforeBCEDelete).
    Pending,
}

/// What stands between the outer IP header and the inner packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Encapsulation {
    /// Nothing (RFC 2473, RFC 2003, RFC 4213).
    #[default]
    Plain,
    /// A UDP header, ports 5437 (RFC 5844 section 4): over IPv4 only, its checksum left out.
    Udp,
    /// A GRE header (RFC 2784), with keys (RFC 2890, RFC 5845) or without.
    Gre {
        /// The keys, if there are.
        keys: Option<GreKeys>,
        /// Routing domain of inner packets; that of outer ones is [`TunnelSpec::domain`].
        inner: Domain,
    },
}

/// The keys of a GRE tunnel. The one that is received tells tunnels between the same ends apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct GreKeys {
    /// What we write into what we send.
    pub send: u32,
    /// What stands in what we accept.
    pub receive: u32,
}

/// A bidirectional IP-in-IP tunnel (RFC 2473). Over IPv4, both ends are in their IPv6 form
/// (`::ffff:192.0.2.1`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TunnelSpec {
    /// Routing domain of the outer packet.
    pub domain: Domain,
    /// Our end: outer source of what we send, outer destination of what we accept.
    pub local: std::net::Ipv6Addr,
    /// The far end.
    pub remote: std::net::Ipv6Addr,
    /// Outer hop limit.
    pub hop_limit: u8,
    /// Octets that the largest inner packet may have. Larger ones are answered with Packet Too Big.
    pub mtu: u16,
    /// What else goes around an inner packet.
    pub encapsulation: Encapsulation,
}

/// Where frames for one neighbour go.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct AdjacencySpec {
    /// Interface that the neighbour is on.
    pub interface: InterfaceId,
    /// The neighbour's link-layer address.
    pub mac: MacAddr,
}

/// Index of an interface in [`Topology::interfaces`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct InterfaceId(pub u16);

/// What an interface is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum InterfaceKind {
    /// Towards other routers: any source is forwarded.
    Core,
    /// Towards mobile hosts: a packet must come from a bound host.
    Access,
}

/// A port, or one VLAN of a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interface {
    /// Its name in the configuration.
    pub name: String,
    /// Port that carries it.
    pub port: PortId,
    /// 802.1Q VLAN identifier, or untagged.
    pub vlan: Option<u16>,
    /// Routing domain.
    pub domain: Domain,
    /// What it is for.
    pub kind: InterfaceKind,
    /// Our link-layer address on it (on an access interface the one that every gateway of the
    /// domain shows).
    pub mac: MacAddr,
    /// Our own address on it: the source of ICMP errors towards the hosts and neighbours on this
    /// link. Without one, [`Topology::error_sources`] serves them too.
    pub address: Option<std::net::Ipv6Addr>,
    /// Our link-local address on it. Link-local addresses that we have on other links are nobody's
    /// here.
    pub link_local: Option<std::net::Ipv6Addr>,
    /// Our IPv4 address on it: the source of ICMP errors about what came in here. Without one, IPv4 and
    /// ARP on this link are the host's own stack's.
    pub ipv4: Option<std::net::Ipv4Addr>,
    /// Largest IP packet in octets.
    pub mtu: u16,
    /// The port that leads to the host's own stack, if it has a TAP twin.
    pub twin: Option<PortId>,
}

/// A route of the gateway (longest prefix wins).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// Routing domain.
    pub domain: Domain,
    /// Destination prefix, bits past `length` zero.
    pub prefix: IpAddr,
    /// Prefix length in bits.
    pub length: u8,
    /// What happens to a packet that it matches.
    pub next_hop: NextHop,
}

/// What a route says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NextHop {
    /// One of our own addresses: the packet is for the gateway.
    Local,
    /// A resolved neighbour.
    Adjacency(AdjacencyId),
    /// On link on this interface, but that neighbour is not resolved: hold the packet and ask
    /// control. Neighbours that are resolved stand as full-length routes of their own.
    OnLink(InterfaceId),
    /// Through a router that is not resolved yet: hold and ask control.
    Unresolved {
        /// Interface towards the router.
        interface: InterfaceId,
        /// The router's address.
        router: IpAddr,
    },
    /// Answer with Destination Unreachable (no route).
    Unreachable,
    /// Drop.
    Blackhole,
}

/// All that changes seldom, published whole: workers take one reference per burst.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Topology {
    /// Interfaces, in the order of their [`InterfaceId`].
    pub interfaces: Vec<Interface>,
    /// Routes in any order, local addresses and resolved neighbours included.
    pub routes: Vec<Route>,
    /// Source of ICMP errors towards any node but a neighbour, by domain: an address that never
    /// shows where a host is (S1-45). The first match counts.
    pub error_sources: Vec<(Domain, std::net::Ipv6Addr)>,
    /// Gateways that control expects Mobility Headers from, by domain and in any order.
    pub peers: Vec<(Domain, std::net::Ipv6Addr)>,
    /// Source of ICMP errors about IPv4 packets that came out of tunnels or on interfaces without an
    /// IPv4 address, by domain. The first match counts.
    pub ipv4_error_sources: Vec<(Domain, std::net::Ipv4Addr)>,
    /// Routers that we are to hosts beside the interface's own one, in any order.
    pub logical_routers: Vec<LogicalRouter>,
    /// Interface identifier of the address that we have in each prefix which is bound and anchored here:
    /// Mobility Headers to it are for us.
    pub anchor_identifier: Option<u64>,
}

/// A router that we are to the hosts on an access interface beside the interface's own one: an anchor
/// that they came by (RFC 8885 section 3.7).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct LogicalRouter {
    /// The interface.
    pub interface: InterfaceId,
    /// Its link-layer address: frames to it are for us.
    pub mac: MacAddr,
    /// Its link-local address, which is ours there too.
    pub link_local: std::net::Ipv6Addr,
}
