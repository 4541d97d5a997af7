//! Tables as a file writes them, and made real.

use dataplane::key::*;
use dataplane::tables::{Capacity, Tables, Writer};
use packet::PortId;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use wire::ether::MacAddr;

/// Tables as a file writes them.
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub struct TablesFile {
    pub ports: u16,
    error_source: Option<Ipv6Addr>,
    ipv4_error_source: Option<Ipv4Addr>,
    anchor_identifier: Option<u64>,
    interface: Vec<InterfaceLine>,
    #[serde(default)]
    neighbour: Vec<NeighbourLine>,
    #[serde(default)]
    route: Vec<RouteLine>,
    #[serde(default)]
    tunnel: Vec<TunnelLine>,
    #[serde(default)]
    binding: Vec<BindingLine>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct InterfaceLine {
    name: String,
    port: u16,
    vlan: Option<u16>,
    #[serde(default)]
    access: bool,
    mac: MacAddr,
    address: Option<Ipv6Addr>,
    link_local: Option<Ipv6Addr>,
    ipv4: Option<Ipv4Addr>,
    #[serde(default)]
    domain: u16,
    #[serde(default = "ethernet_mtu")]
    mtu: u16,
    twin: Option<u16>,
}

fn ethernet_mtu() -> u16 {
    1500
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct NeighbourLine {
    name: String,
    interface: String,
    mac: MacAddr,
    address: Option<IpAddr>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct RouteLine {
    prefix: String,
    to: RouteTo,
    #[serde(default)]
    domain: u16,
}

#[derive(Deserialize, Clone)]
#[serde(rename_all = "snake_case")]
enum RouteTo {
    Local,
    Neighbour(String),
    Link(String),
    Router(String, IpAddr),
    Unreachable,
    Blackhole,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct TunnelLine {
    name: String,
    local: IpAddr,
    remote: IpAddr,
    mtu: u16,
    via: Option<String>,
    #[serde(default)]
    udp: bool,
    #[serde(default)]
    gre: bool,
    /// GRE keys to send and to receive.
    keys: Option<(u32, u32)>,
    /// Domain of inner packets.
    #[serde(default)]
    domain: u16,
}

impl TunnelLine {
    fn encapsulation(&self) -> Encapsulation {
        let keys = self.keys.map(|(send, receive)| GreKeys { send, receive });
        match self.gre {
            true => Encapsulation::Gre {
                keys,
                inner: Domain(self.domain),
            },
            false if self.udp => Encapsulation::Udp,
            false => Encapsulation::Plain,
        }
    }
}

fn in_ipv6_form(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V6(address) => address,
        IpAddr::V4(address) => address.to_ipv6_mapped(),
    }
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct BindingLine {
    prefix: String,
    tunnel: Option<String>,
    host: Option<String>,
    #[serde(default)]
    domain: u16,
}

/// The tables of a case, made real.
pub struct Gateway {
    pub writer: Writer,
    pub tables: Arc<Tables>,
    pub topology: Topology,
    pub bindings: Vec<(String, BindingId)>,
}

impl TablesFile {
    /// Index of the interface with this name.
    pub fn interface_id(&self, name: &str) -> InterfaceId {
        let at = self.interface.iter().position(|line| line.name == name);
        InterfaceId(at.unwrap_or_else(|| panic!("no interface {name}")) as u16)
    }

    /// Makes the tables for one worker.
    pub fn make(&self) -> Gateway {
        self.make_for(1)
    }

    /// Makes the tables for so many workers.
    pub fn make_for(&self, workers: usize) -> Gateway {
        let capacity = Capacity {
            bindings: 64,
            tunnels: 16,
            adjacencies: 64,
        };
        let (mut writer, tables) = Tables::new(capacity, workers).expect("tables");
        let domain = Domain(0);
        let mut topology = Topology {
            interfaces: self.interface.iter().map(InterfaceLine::make).collect(),
            error_sources: self
                .error_source
                .map(|source| (domain, source))
                .into_iter()
                .collect(),
            peers: self
                .tunnel
                .iter()
                .map(|line| (domain, in_ipv6_form(line.remote)))
                .collect(),
            ipv4_error_sources: self
                .ipv4_error_source
                .map(|source| (domain, source))
                .into_iter()
                .collect(),
            anchor_identifier: self.anchor_identifier,
            ..Topology::default()
        };
        let mut neighbours = BTreeMap::new();
        for line in &self.neighbour {
            let interface = self.interface_id(&line.interface);
            let spec = AdjacencySpec {
                interface,
                mac: line.mac,
            };
            let id = writer.add_adjacency(spec).expect("room");
            neighbours.insert(line.name.as_str(), id);
            topology
                .routes
                .extend(line.address.map(|address| full_route(address, id)));
        }
        for line in &self.route {
            let (prefix, length) = prefix(&line.prefix);
            let next_hop = match &line.to {
                RouteTo::Local => NextHop::Local,
                RouteTo::Neighbour(name) => NextHop::Adjacency(neighbours[name.as_str()]),
                RouteTo::Link(name) => NextHop::OnLink(self.interface_id(name)),
                RouteTo::Router(name, router) => NextHop::Unresolved {
                    interface: self.interface_id(name),
                    router: *router,
                },
                RouteTo::Unreachable => NextHop::Unreachable,
                RouteTo::Blackhole => NextHop::Blackhole,
            };
            topology.routes.push(Route {
                domain: Domain(line.domain),
                prefix,
                length,
                next_hop,
            });
        }
        let mut tunnels = BTreeMap::new();
        for line in &self.tunnel {
            let (local, remote) = (in_ipv6_form(line.local), in_ipv6_form(line.remote));
            let mtu = line.mtu;
            let spec = TunnelSpec {
                domain,
                local,
                remote,
                hop_limit: 64,
                mtu,
                encapsulation: line.encapsulation(),
            };
            let id = writer.add_tunnel(spec).expect("room");
            writer.resolve_tunnel(id, line.via.as_deref().map(|name| neighbours[name]));
            tunnels.insert(line.name.as_str(), id);
        }
        let mut bindings = Vec::new();
        for line in &self.binding {
            let (prefix, length) = prefix(&line.prefix);
            let tunnel = line.tunnel.as_deref().map(|name| tunnels[name]);
            let host = line.host.as_deref().map(|name| neighbours[name]);
            let forwarding = match (tunnel, host) {
                (Some(tunnel), Some(host)) => Forwarding::Access { tunnel, host },
                (Some(tunnel), None) => Forwarding::Anchor { tunnel },
                (None, Some(host)) => Forwarding::Local { host },
                (None, None) => Forwarding::Pending,
            };
            let key = BindingKey {
                domain: Domain(line.domain),
                prefix,
                length,
            };
            let id = writer.bind(key, forwarding).expect("room");
            bindings.push((line.prefix.clone(), id));
        }
        writer.publish(topology.clone());
        Gateway {
            writer,
            tables,
            topology,
            bindings,
        }
    }
}

impl InterfaceLine {
    fn make(&self) -> Interface {
        let kind = if self.access {
            InterfaceKind::Access
        } else {
            InterfaceKind::Core
        };
        Interface {
            name: self.name.clone(),
            port: PortId(self.port),
            vlan: self.vlan,
            domain: Domain(self.domain),
            kind,
            mac: self.mac,
            address: self.address,
            link_local: self.link_local,
            ipv4: self.ipv4,
            mtu: self.mtu,
            twin: self.twin.map(PortId),
        }
    }
}

/// A route to a resolved neighbour.
pub fn full_route(address: IpAddr, neighbour: AdjacencyId) -> Route {
    Route {
        domain: Domain(0),
        prefix: address,
        length: if address.is_ipv4() { 32 } else { 128 },
        next_hop: NextHop::Adjacency(neighbour),
    }
}

fn prefix(text: &str) -> (IpAddr, u8) {
    let (address, length) = text.split_once('/').unwrap_or((text, "128"));
    (
        address.parse().expect("a prefix"),
        length.parse().expect("a length"),
    )
}
