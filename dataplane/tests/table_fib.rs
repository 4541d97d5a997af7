//! Routes against a linear search, and interfaces by port and VLAN.
#![cfg(not(loom))]

use dataplane::fib::Fib;
use dataplane::key::{
    AdjacencyId, Domain, Interface, InterfaceId, InterfaceKind, NextHop, Route, Topology,
};
use dataplane::table::hash::Seed;
use packet::PortId;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::ether::MacAddr;

fn mask(length: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
}

/// An address as bits, an IPv4 one in the upper 32.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V6(v6) => v6.to_bits(),
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
    }
}

/// Addresses that share many leading bits with one another.
fn address() -> impl Strategy<Value = IpAddr> {
    let ipv6 = (0u32..128, 0u32..128, any::<bool>()).prop_map(|(a, b, top)| {
        let base = if top {
            0x2001_0db8 << 96
        } else {
            0xfd00 << 112
        };
        IpAddr::V6(Ipv6Addr::from_bits(base ^ 1 << a ^ 1 << b))
    });
    let ipv4 = (0u32..32, 0u32..32)
        .prop_map(|(a, b)| IpAddr::V4(Ipv4Addr::from_bits(0xc000_0200 ^ 1 << a ^ 1 << b)));
    prop_oneof![3 => ipv6, 1 => ipv4]
}

fn route() -> impl Strategy<Value = Route> {
    (address(), 0u8..=128, 0u16..3, 0u32..1 << 28).prop_map(|(address, length, domain, hop)| {
        let length = if address.is_ipv4() {
            length % 33
        } else {
            length
        };
        let cut = bits(address) & mask(length);
        let prefix = match address {
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(cut)),
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits((cut >> 96) as u32)),
        };
        let next_hop = NextHop::Adjacency(AdjacencyId(hop));
        Route {
            domain: Domain(domain),
            prefix,
            length,
            next_hop,
        }
    })
}

fn linear(routes: &[Route], domain: Domain, address: IpAddr) -> Option<NextHop> {
    let covers = |route: &&Route| {
        route.domain == domain
            && route.prefix.is_ipv4() == address.is_ipv4()
            && bits(route.prefix) == bits(address) & mask(route.length)
    };
    // `max_by_key` takes the last of equals; the first is to count.
    routes
        .iter()
        .rev()
        .filter(covers)
        .max_by_key(|route| route.length)
        .map(|route| route.next_hop)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_longest_prefix_wins(
        routes in prop::collection::vec(route(), 0..60),
        probes in prop::collection::vec((address(), 0u16..4), 1..60),
        seed: u64,
    ) {
        let topology = Topology { routes: routes.clone(), ..Topology::default() };
        let fib = Fib::new(topology, 3, Seed::new(seed));
        let prefixes = routes.iter().map(|route| (route.prefix, route.domain.0));
        for (address, domain) in prefixes.chain(probes) {
            let domain = Domain(domain);
            prop_assert_eq!(fib.route(domain, address), linear(&routes, domain, address));
        }
        prop_assert_eq!((fib.generation(), fib.routes()), (3, routes.len()));
    }
}

#[test]
fn many_neighbours_of_one_link_are_each_found() {
    let neighbour = |n: u32| Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(n) << 32);
    let to = |n| NextHop::Adjacency(AdjacencyId(n));
    let mut routes: Vec<Route> = (0..50_000)
        .map(|n| Route {
            domain: Domain(0),
            prefix: neighbour(n).into(),
            length: 128,
            next_hop: to(n),
        })
        .collect();
    routes.push(Route {
        domain: Domain(0),
        prefix: Ipv6Addr::UNSPECIFIED.into(),
        length: 0,
        next_hop: NextHop::Unreachable,
    });
    let fib = Fib::new(
        Topology {
            routes,
            ..Topology::default()
        },
        1,
        Seed::new(1),
    );
    for n in 0..50_000 {
        assert_eq!(fib.route(Domain(0), neighbour(n)), Some(to(n)));
    }
    assert_eq!(
        fib.route(Domain(0), neighbour(50_000)),
        Some(NextHop::Unreachable)
    );
    assert_eq!(fib.route(Domain(0), Ipv4Addr::LOCALHOST), None);
    assert_eq!(fib.route(Domain(1), neighbour(0)), None);
}

#[test]
fn interfaces_are_known_by_port_and_vlan() {
    let interface = |port, vlan| Interface {
        name: format!("p{port}"),
        port: PortId(port),
        vlan,
        domain: Domain(0),
        kind: InterfaceKind::Core,
        mac: MacAddr([2, 0, 0, 0, 0, 1]),
        mtu: 1500,
        address: None,
        link_local: None,
        ipv4: None,
        twin: None,
    };
    let interfaces = vec![
        interface(0, None),
        interface(2, Some(100)),
        interface(2, Some(4094)),
        interface(2, None),
        interface(2, Some(100)),
    ];
    let error_sources = vec![
        (Domain(1), Ipv6Addr::LOCALHOST),
        (Domain(1), Ipv6Addr::UNSPECIFIED),
    ];
    let topology = Topology {
        interfaces,
        error_sources,
        ipv4_error_sources: vec![(Domain(1), Ipv4Addr::LOCALHOST)],
        ..Topology::default()
    };
    let fib = Fib::new(topology, 1, Seed::new(1));
    for (port, vlan, expected) in [
        (0, None, Some(0)),
        (0, Some(100), None),
        (1, None, None),
        (2, None, Some(3)),
        (2, Some(100), Some(1)),
        (2, Some(4094), Some(2)),
        (2, Some(101), None),
        (2, Some(0), None),
        (3, None, None),
        (u16::MAX, Some(u16::MAX), None),
    ] {
        assert_eq!(fib.interface(PortId(port), vlan), expected.map(InterfaceId));
    }
    assert_eq!(fib.interface_of(InterfaceId(4)), fib.interfaces().last());
    assert_eq!(fib.interface_of(InterfaceId(5)), None);
    assert_eq!(fib.error_source(Domain(1)), Some(Ipv6Addr::LOCALHOST));
    assert_eq!(fib.error_source(Domain(0)), None);
    let ipv4 = fib.ipv4_error_source(Domain(1));
    assert_eq!(ipv4, Some(Ipv4Addr::LOCALHOST));
    assert_eq!(fib.ipv4_error_source(Domain(0)), None);
}
