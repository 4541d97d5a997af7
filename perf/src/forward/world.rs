//! The gateway that is measured: an anchor between two core interfaces.
//!
//! ```text
//!   correspondents ──> core-in │ anchor: N bindings, T tunnels │ core-out ──> tunnels' far ends
//!   tunnels        ──>         │         N routes              │          ──> correspondents
//! ```
//!
//! Everything about an entry follows from its number, so that packets are made without touching the
//! memory that is measured.

use super::PathKind;
use anyhow::{Context, Result};
use dataplane::key::{
    AdjacencySpec, BindingKey, Domain, Encapsulation, Forwarding, Interface, InterfaceId,
    InterfaceKind, NextHop, Route, Topology, TunnelId, TunnelSpec,
};
use dataplane::mem::Storage;
use dataplane::tables::{Capacity, Options, Tables, Writer};
use packet::PortId;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use wire::ether::MacAddr;

/// Number of a binding or route, and how many tunnels there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its number.
    pub number: u32,
    /// How many tunnels share the bindings.
    pub tunnels: u32,
}

/// One of the gateway's two interfaces.
pub struct Core {
    /// Its name.
    pub name: &'static str,
    /// Its port.
    pub port: PortId,
    /// Its address.
    pub mac: [u8; 6],
}

/// Where packets come in.
pub const CORE_IN: Core = Core {
    name: "core-in",
    port: PortId(0),
    mac: [2, 0, 0, 0, 0, 1],
};

/// Where they go out.
pub const CORE_OUT: Core = Core {
    name: "core-out",
    port: PortId(1),
    mac: [2, 0, 0, 0, 0, 2],
};

/// Link-layer address of the router that packets come from.
pub const UPSTREAM: [u8; 6] = [2, 0, 0, 0, 1, 0];

/// Our end of every tunnel.
pub const LOCAL: u128 = 0x2001_0db8_000a << 80 | 1;

/// Neighbours on the far side that tunnels and routes share.
const NEIGHBOURS: u32 = 4;

/// The link-layer address of the neighbour that tunnel or route `number` leads to.
pub fn neighbour(number: u32) -> [u8; 6] {
    [2, 0, 0, 0, 2, (number % NEIGHBOURS) as u8]
}

/// The far end of a tunnel.
pub fn tunnel_remote(tunnel: u32) -> u128 {
    0x2001_0db8_000b << 80 | u128::from(tunnel) << 16 | 1
}

/// The tunnel that a binding starts with. Neighbouring bindings have different ones.
pub fn from_tunnel(entry: Entry) -> u32 {
    entry.number % entry.tunnels
}

/// The tunnel that a binding moves to and back from.
pub fn other_tunnel(entry: Entry) -> u32 {
    (entry.number + 1) % entry.tunnels
}

/// The neighbour number of a route.
pub fn route(entry: Entry) -> u32 {
    entry.number
}

/// The home network prefix with this number.
fn prefix(number: u32) -> u128 {
    0x2400_0000 << 96 | u128::from(number) << 64
}

/// An address of the prefix of `entry`.
pub fn home(entry: Entry, host: u64) -> u128 {
    prefix(entry.number) | u128::from(host)
}

/// An address beyond the gateway.
pub fn correspondent(host: u64) -> u128 {
    0x2001_0db8_000c << 80 | u128::from(host)
}

/// An address of nobody that the gateway knows.
pub fn stranger(host: u64) -> u128 {
    0x2001_0db8_ffff << 80 | u128::from(host)
}

/// The home address of `entry` where hosts have IPv4: one of 10.0.0.0/8.
pub fn ipv4_home(entry: Entry) -> u32 {
    10 << 24 | entry.number
}

/// An IPv4 address beyond the gateway: one of 198.18.0.0/15.
pub fn ipv4_correspondent(host: u64) -> u32 {
    198 << 24 | 18 << 16 | host as u32 & 0x1_ffff
}

/// The key of a binding, as `path` has them.
pub fn key(path: PathKind, number: u32) -> BindingKey {
    let (prefix, length) = match path {
        PathKind::Ipv4 => {
            let entry = Entry { number, tunnels: 1 };
            (IpAddr::V4(Ipv4Addr::from_bits(ipv4_home(entry))), 32)
        }
        _ => (IpAddr::V6(Ipv6Addr::from_bits(prefix(number))), 64),
    };
    BindingKey {
        domain: Domain(0),
        prefix,
        length,
    }
}

/// What a binding makes of packets.
pub fn through(tunnel: u32) -> Forwarding {
    // Tunnels are made first and in order, so their numbers are their indices.
    Forwarding::Anchor {
        tunnel: TunnelId(tunnel),
    }
}

/// How large the tables are.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Bindings, or routes on the path that forwards by route.
    pub entries: u32,
    /// Tunnels.
    pub tunnels: u32,
    /// Bindings that come and go beside those that have traffic.
    pub spare: u32,
    /// Workers.
    pub workers: usize,
    /// Largest frame that goes out, in octets.
    pub frame: usize,
}

/// Makes the tables and fills them.
///
/// On the path that forwards by route there is one binding that no packet meets: a gateway without
/// any would not even look.
///
/// # Errors
/// When memory is short.
pub fn build(path: PathKind, size: Size, seed: u64) -> Result<(Writer, Arc<Tables>)> {
    let bindings = match path {
        PathKind::Route => 1,
        _ => size.entries,
    };
    let (mut writer, tables) = Tables::with(Options {
        capacity: Capacity {
            bindings: (bindings + size.spare) as usize,
            tunnels: size.tunnels as usize,
            adjacencies: NEIGHBOURS as usize,
        },
        workers: size.workers,
        storage: Storage::Mapping,
        seed: Some(seed),
    })?;
    let mut neighbours = Vec::new();
    for number in 0..NEIGHBOURS {
        let spec = AdjacencySpec {
            interface: InterfaceId(CORE_OUT.port.0),
            mac: MacAddr(neighbour(number)),
        };
        neighbours.push(writer.add_adjacency(spec).ok().context("adjacencies")?);
    }
    let mtu = u16::try_from(size.frame.max(1500)).context("a frame is too long")?;
    let towards = |number: u32| neighbours[(number % NEIGHBOURS) as usize];
    for number in 0..size.tunnels {
        let spec = TunnelSpec {
            domain: Domain(0),
            local: Ipv6Addr::from_bits(LOCAL),
            remote: Ipv6Addr::from_bits(tunnel_remote(number)),
            hop_limit: super::packets::OUTER_HOP_LIMIT,
            mtu: mtu - super::packets::OVERHEAD as u16,
            encapsulation: Encapsulation::Plain,
        };
        let tunnel = writer.add_tunnel(spec).ok().context("tunnels")?;
        writer.resolve_tunnel(tunnel, Some(towards(number)));
    }
    for number in 0..bindings {
        // The one that no packet meets has the number after the routes'.
        let number = match path {
            PathKind::Route => size.entries,
            _ => number,
        };
        let to = through(number % size.tunnels);
        writer
            .bind(key(path, number), to)
            .ok()
            .context("bindings")?;
    }
    let interface = |core: Core| Interface {
        name: core.name.to_owned(),
        port: core.port,
        vlan: None,
        domain: Domain(0),
        kind: InterfaceKind::Core,
        mac: MacAddr(core.mac),
        address: None,
        link_local: None,
        ipv4: (path == PathKind::Ipv4).then_some(Ipv4Addr::new(192, 0, 2, 1)),
        mtu,
        twin: None,
    };
    let line = |prefix: u128, length: u8, next_hop| Route {
        domain: Domain(0),
        prefix: IpAddr::V6(Ipv6Addr::from_bits(prefix)),
        length,
        next_hop,
    };
    let mut routes = vec![
        line(LOCAL, 128, NextHop::Local),
        line(0, 0, NextHop::Adjacency(towards(0))),
    ];
    if path == PathKind::Route {
        let all = 0..size.entries;
        routes.extend(all.map(|n| line(prefix(n), 64, NextHop::Adjacency(towards(n)))));
    }
    // Gateways at the far ends of tunnels signal: what strangers send has to be told from that.
    let remotes = (0..size.tunnels).map(tunnel_remote);
    let peers = remotes.map(|remote| (Domain(0), Ipv6Addr::from_bits(remote)));
    writer.publish(Topology {
        interfaces: vec![interface(CORE_IN), interface(CORE_OUT)],
        routes,
        error_sources: vec![(Domain(0), Ipv6Addr::from_bits(LOCAL))],
        peers: peers.collect(),
        ..Topology::default()
    });
    Ok((writer, tables))
}
