//! Forged signalling among packets that ride: whatever stands where, every packet meets the end that it meets
//! the general way, and what goes on keeps its order.

use super::frames::packet;
use super::world::{unlimited, Frame, General, Outcome, World, ENDS, IPV4, IPV6};
use dataplane::verdict::{Drop, Forward, Punt, Verdict};
use dataplane::worker::{PuntRate, Rate, Unmetered, WorkerConfig};
use proptest::prelude::*;
use std::net::Ipv6Addr;
use wire::ether::ethertype;
use wire::ipv4;
use wire::ipv6::{next_header, Header};
use zerocopy::IntoBytes;

/// What stands at one place of a burst.
#[derive(Clone, Copy, Debug)]
enum Stands {
    /// A stranger's signalling for us.
    Forged,
    /// A peer's.
    Honest,
    /// Signalling between others.
    Elsewhere,
    /// A packet by one of so many ways.
    Plain(usize),
    /// One out of a tunnel.
    Tunnelled,
    /// One of IPv4, into a tunnel.
    Ipv4,
}

/// Addresses to which packets go by different ways: two tunnels, two neighbours by route, and a VLAN.
const WAYS: [&str; 5] = [IPV6[0], IPV6[7], IPV6[1], IPV6[8], IPV6[12]];

/// The frame that stands at a place, which its last octets tell, and its source where it is made up.
fn frame(stands: Stands, place: u16) -> Frame {
    let number = place.to_be_bytes();
    let ipv6 = |from: &str, to: &str, next, payload: &[u8]| {
        let [from, to] = [from, to].map(|end| end.parse::<Ipv6Addr>().expect("an address"));
        let length = payload.len() as u16;
        let header = Header::new(from.octets(), to.octets(), next, 9, length);
        [header.as_bytes(), payload].concat()
    };
    let stranger = format!("2001:db8:ffff::{place:x}");
    let signalling = |from, to| {
        ipv6(
            from,
            to,
            next_header::MOBILITY,
            &[&[59; 6], &number[..]].concat(),
        )
    };
    let octets = match stands {
        Stands::Forged => signalling(&stranger, ENDS[0]),
        Stands::Honest => signalling(ENDS[1], ENDS[0]),
        Stands::Elsewhere => signalling(&stranger, WAYS[1]),
        Stands::Plain(way) => ipv6(
            &stranger,
            WAYS[way % WAYS.len()],
            next_header::NONE,
            &number,
        ),
        Stands::Tunnelled => {
            let inner = ipv6(IPV6[0], WAYS[1], next_header::NONE, &number);
            ipv6(ENDS[1], ENDS[0], next_header::IPV6, &inner)
        }
        Stands::Ipv4 => {
            let [from, to] = [IPV4[3], IPV4[0]].map(|end| end.parse().expect("an address"));
            let header = ipv4::Header::new(from, to, ipv4::protocol::UDP, 9, 22);
            return packet(0, ethertype::IPV4, [header.as_bytes(), &number].concat());
        }
    };
    packet(0, ethertype::IPV6, octets)
}

fn frames(stands: &[Stands]) -> Vec<Frame> {
    stands
        .iter()
        .zip(0..)
        .map(|(stands, place)| frame(*stands, place))
        .collect()
}

/// Strangers' signalling is limited to so many packets, and nothing else is.
fn limited(strangers: u32) -> WorkerConfig {
    let mut config = unlimited();
    let rate = PuntRate {
        source: Rate::new(1, 1_000),
        total: Rate::new(u32::from(strangers > 0), strangers),
    };
    config.punt_rates.set(Punt::Mobility, rate);
    config
}

/// What came of it, the same with the express as without it.
fn play(stands: &[Stands], burst: usize, strangers: u32) -> Outcome {
    let (frames, config) = (frames(stands), limited(strangers));
    let express = World::with(Unmetered, burst, &config).play_in_order(&frames);
    let general = World::with(General, burst, &config).play_in_order(&frames);
    assert_eq!(express, general, "bursts of {burst}: {stands:?}");
    express
}

/// A row of packets of which no two neighbours go the same way.
fn row(length: usize) -> Vec<Stands> {
    (0..length).map(Stands::Plain).collect()
}

#[test]
fn what_ends_at_any_place_of_a_burst_moves_nothing_else() {
    use Stands::{Elsewhere, Forged, Honest, Tunnelled};
    let patterns: [&[Stands]; 4] = [
        &[Forged],
        &[Forged, Forged, Honest, Forged],
        &[Forged, Tunnelled, Forged, Tunnelled],
        &[Elsewhere, Forged],
    ];
    for place in 0..64 {
        for pattern in patterns {
            let mut stands = row(64);
            for (at, it) in stands.iter_mut().skip(place).zip(pattern) {
                *at = *it;
            }
            let forged = stands.iter().filter(|it| matches!(it, Forged)).count();
            let outcome = play(&stands, 64, 0);
            let limited = Verdict::Drop(Drop::SignallingLimited);
            assert_eq!(outcome.of(limited), forged as u64, "{place}: {pattern:?}");
        }
    }
}

/// With every way out among them, or the comparison above would miss one that is taken for another.
#[test]
fn a_row_of_packets_goes_every_way() {
    use Forward::{Encapsulated, Routed};
    let outcome = play(&row(10), 64, 0);
    let [tunnels, routes] = [Encapsulated, Routed].map(|way| outcome.of(Verdict::Forward(way)));
    assert_eq!((tunnels, routes), (4, 6));
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 200,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_flood_changes_nothing_for_what_is_among_it(
        stands in prop::collection::vec(prop_oneof![
            6 => Just(Stands::Forged),
            6 => (0..WAYS.len()).prop_map(Stands::Plain),
            2 => Just(Stands::Tunnelled),
            1 => Just(Stands::Honest),
            1 => Just(Stands::Elsewhere),
            1 => Just(Stands::Ipv4),
        ], 1..200),
        burst in 1..=64usize,
        strangers in 0..20u32,
    ) {
        let outcome = play(&stands, burst, strangers);
        let count = |what: fn(&Stands) -> bool| stands.iter().filter(|it| what(it)).count() as u64;
        let forged = count(|it| matches!(it, Stands::Forged));
        let honest = count(|it| matches!(it, Stands::Honest));
        let heard = forged.min(strangers.into());
        prop_assert_eq!(outcome.of(Verdict::Drop(Drop::SignallingLimited)), forged - heard);
        prop_assert_eq!(outcome.of(Verdict::Punt(Punt::Mobility)), heard + honest);
    }
}
