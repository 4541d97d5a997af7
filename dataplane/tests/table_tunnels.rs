//! Tunnels and adjacencies as control makes them and workers read them.
#![cfg(not(loom))]

use dataplane::key::{
    AdjacencyId, AdjacencySpec, Domain, Encapsulation, GreKeys, Interface, InterfaceId,
    InterfaceKind, NextHop, Route, Topology, TunnelId, TunnelSpec,
};
use dataplane::mem::Storage;
use dataplane::table::Full;
use dataplane::tables::{Capacity, Options, Tables, Writer};
use dataplane::tunnels::OuterPair;
use packet::PortId;
use std::net::Ipv6Addr;
use std::sync::Arc;
use wire::ether::MacAddr;

fn tables(tunnels: usize) -> (Writer, Arc<Tables>) {
    let capacity = Capacity {
        bindings: 8,
        tunnels,
        adjacencies: 8,
    };
    Tables::with(Options {
        capacity,
        workers: 1,
        storage: Storage::Heap,
        seed: Some(1),
    })
    .unwrap()
}

fn address(n: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(n))
}

fn spec(domain: u16, remote: u32) -> TunnelSpec {
    TunnelSpec {
        domain: Domain(domain),
        local: address(0),
        remote: address(remote),
        hop_limit: 64,
        mtu: 1460,
        encapsulation: Encapsulation::Plain,
    }
}

fn pair(spec: &TunnelSpec) -> OuterPair {
    OuterPair {
        domain: spec.domain,
        local: spec.local,
        remote: spec.remote,
    }
}

#[test]
fn a_tunnel_has_its_outer_header_ready() {
    let (mut writer, tables) = tables(4);
    let mut reader = tables.reader(0);
    reader.online();
    let id = writer.add_tunnel(spec(7, 1)).unwrap();
    let tunnel = reader.tunnel(id).unwrap();
    assert_eq!((tunnel.local(), tunnel.remote()), (address(0), address(1)));
    assert_eq!(
        (tunnel.domain, tunnel.mtu, tunnel.hop_limit()),
        (Domain(7), 1460, 64)
    );
    assert_eq!(tunnel.adjacency, None);
    assert_eq!(tunnel.header[..8], [0x60, 0, 0, 0, 0, 0, 41, 64]);
    assert_eq!(tunnel.header[8..24], address(0).octets());
    assert_eq!(tunnel.header[24..], address(1).octets());

    writer.resolve_tunnel(id, Some(AdjacencyId(0)));
    writer.set_tunnel_mtu(id, 1280);
    let tunnel = reader.tunnel(id).unwrap();
    assert_eq!(
        (tunnel.adjacency, tunnel.mtu, tunnel.domain),
        (Some(AdjacencyId(0)), 1280, Domain(7))
    );
    writer.resolve_tunnel(id, None);
    assert_eq!(reader.tunnel(id).unwrap().adjacency, None);
    assert_eq!(reader.tunnel(TunnelId(3)), None);
    assert_eq!(reader.tunnel(TunnelId(u32::MAX)), None);
}

#[test]
fn a_tunnel_is_known_by_its_ends_in_its_domain() {
    let (mut writer, tables) = tables(1000);
    let mut reader = tables.reader(0);
    reader.online();
    let specs: Vec<TunnelSpec> = (0..1000).map(|n| spec((n % 2) as u16, n / 2 + 1)).collect();
    let ids: Vec<TunnelId> = specs
        .iter()
        .map(|s| writer.add_tunnel(*s).unwrap())
        .collect();
    assert_eq!(writer.add_tunnel(spec(2, 1)), Err(Full::Capacity));
    let mut pairs: Vec<OuterPair> = specs.iter().map(pair).collect();
    pairs.push(pair(&spec(2, 1)));
    pairs.push(pair(&spec(0, 9999)));
    pairs.push(OuterPair {
        domain: Domain(0),
        local: address(1),
        remote: address(0),
    });
    let mut found = vec![Some(TunnelId(99)); pairs.len()];
    reader.tunnels_between(&pairs, &mut found);
    for ((pair, found), expected) in pairs
        .iter()
        .zip(found)
        .zip(ids.iter().map(Some).chain([None; 3]))
    {
        assert_eq!(found, expected.copied());
        assert_eq!(
            reader.tunnel_between(pair.domain, pair.local, pair.remote),
            expected.copied()
        );
    }
}

/// Tunnels between the same ends are told apart by what stands behind the outer header, and by the key that
/// they receive; none is taken for another.
#[test]
fn one_pair_of_ends_has_a_tunnel_of_each_kind_and_key() {
    let (mut writer, tables) = tables(16);
    let gre = |keys, inner| Encapsulation::Gre {
        keys,
        inner: Domain(inner),
    };
    let keyed = |send, receive| Some(GreKeys { send, receive });
    let kinds = [
        Encapsulation::Plain,
        Encapsulation::Udp,
        gre(None, 0),
        gre(keyed(1, 0), 0),
        gre(keyed(1, 2), 7),
        gre(keyed(u32::MAX, u32::MAX), u16::MAX),
    ];
    let of = |encapsulation| TunnelSpec {
        encapsulation,
        ..spec(3, 1)
    };
    let ids = kinds.map(|kind| writer.add_tunnel(of(kind)).unwrap());
    for (id, kind) in ids.into_iter().zip(kinds) {
        let tunnel = tables.tunnel(id).unwrap();
        assert_eq!(tunnel.encapsulation, kind);
        let inner = match kind {
            Encapsulation::Gre { inner, .. } => inner,
            _ => Domain(3),
        };
        assert_eq!((tunnel.domain, tunnel.inner_domain()), (Domain(3), inner));
        assert_eq!(writer.add_tunnel(of(kind)), Ok(id));
        writer.set_tunnel_mtu(id, 1400);
        let after = tables.tunnel(id).unwrap();
        assert_eq!((after.mtu, after.encapsulation), (1400, kind));
    }
    assert_eq!(writer.tunnels_len(), kinds.len());
    let OuterPair {
        domain,
        local,
        remote,
    } = pair(&spec(3, 1));
    let reader = tables.reader(0);
    assert_eq!(reader.tunnel_between(domain, local, remote), Some(ids[0]));
    // Without the plain one, nothing plain comes out of the others.
    writer.remove_tunnel(ids[0]);
    assert_eq!(reader.tunnel_between(domain, local, remote), None);
    // The same key to receive is the same tunnel, whatever is sent.
    assert_eq!(writer.add_tunnel(of(gre(keyed(9, 2), 8))), Ok(ids[4]));
    let changed = tables.tunnel(ids[4]).unwrap().encapsulation;
    assert_eq!(changed, gre(keyed(9, 2), 8));
}

#[test]
fn adding_a_tunnel_again_changes_its_parameters_and_not_its_index() {
    let (mut writer, tables) = tables(4);
    let id = writer.add_tunnel(spec(0, 1)).unwrap();
    writer.resolve_tunnel(id, Some(AdjacencyId(5)));
    let again = TunnelSpec {
        hop_limit: 9,
        mtu: 1300,
        ..spec(0, 1)
    };
    assert_eq!(writer.add_tunnel(again), Ok(id));
    assert_eq!(writer.tunnels_len(), 1);
    let tunnel = tables.tunnel(id).unwrap();
    assert_eq!((tunnel.hop_limit(), tunnel.mtu), (9, 1300));
    assert_eq!(tunnel.adjacency, Some(AdjacencyId(5)));
}

#[test]
fn a_removed_tunnel_is_gone_at_once_and_its_index_waits() {
    let (mut writer, tables) = tables(1);
    let mut reader = tables.reader(0);
    reader.online();
    let id = writer.add_tunnel(spec(0, 1)).unwrap();
    writer.remove_tunnel(id);
    writer.remove_tunnel(id);
    writer.resolve_tunnel(id, Some(AdjacencyId(1)));
    writer.set_tunnel_mtu(id, 1);
    assert_eq!(reader.tunnel(id), None);
    assert_eq!(
        reader.tunnel_between(Domain(0), address(0), address(1)),
        None
    );
    assert_eq!(writer.tunnels_len(), 0);
    assert_eq!(writer.add_tunnel(spec(0, 2)), Err(Full::Reclaiming));
    assert_eq!(writer.stalled(), Some(0));
    reader.quiescent();
    assert_eq!(writer.add_tunnel(spec(0, 2)), Ok(id));
    let tunnel = reader.tunnel(id).unwrap();
    assert_eq!((tunnel.remote(), tunnel.adjacency), (address(2), None));
}

#[test]
fn adjacencies_change_in_place() {
    let (mut writer, tables) = tables(1);
    let reader = tables.reader(0);
    let spec = |last| AdjacencySpec {
        interface: InterfaceId(3),
        mac: MacAddr([2, 0, 0, 0, 0, last]),
    };
    let id = writer.add_adjacency(spec(1)).unwrap();
    assert_eq!(reader.adjacency(id), Some(spec(1)));
    writer.set_adjacency(id, spec(2));
    assert_eq!(reader.adjacency(id), Some(spec(2)));
    writer.remove_adjacency(id);
    assert_eq!(reader.adjacency(id), None);
}

#[test]
fn a_worker_has_a_new_topology_from_its_next_burst_on() {
    let (mut writer, tables) = tables(1);
    let mut reader = tables.reader(0);
    reader.online();
    assert_eq!(reader.fib().generation(), 0);
    for n in 1..=5 {
        let route = Route {
            domain: Domain(0),
            prefix: address(0).into(),
            length: 32,
            next_hop: NextHop::Adjacency(AdjacencyId(n)),
        };
        let interface = Interface {
            name: format!("core{n}"),
            port: PortId(0),
            vlan: None,
            domain: Domain(0),
            kind: InterfaceKind::Core,
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            mtu: 1500,
            address: None,
            link_local: None,
            ipv4: None,
            twin: None,
        };
        writer.publish(Topology {
            interfaces: vec![interface],
            routes: vec![route],
            ..Topology::default()
        });
        let before = reader.fib().generation();
        assert_eq!(before, u64::from(n) - 1);
        reader.quiescent();
        assert_eq!(reader.fib().generation(), u64::from(n));
        let next_hop = reader.fib().route(Domain(0), address(77));
        assert_eq!(next_hop, Some(NextHop::Adjacency(AdjacencyId(n))));
        let name = &reader.fib().interface_of(InterfaceId(0)).unwrap().name;
        assert_eq!(*name, format!("core{n}"));
    }
}

#[test]
#[should_panic(expected = "has its reader already")]
fn a_worker_has_one_reader() {
    let (_writer, tables) = tables(1);
    drop(tables.reader(0));
    let _first = tables.reader(0);
    let _second = tables.reader(0);
}
