//! The express and the general way are one gateway: whatever comes, in whatever bursts, a worker with the
//! express does what one without it does, octet for octet and count for count.
//!
//! ```text
//!   frames ──┬──> worker ───────────────────┬──> sent, verdicts, bindings, ports, control: equal
//!            └──> worker, general way only ──┘
//! ```

#[path = "express/flood.rs"]
mod flood;
#[path = "express/frames.rs"]
mod frames;
#[path = "express/world.rs"]
mod world;

use dataplane::verdict::{Forward, Verdict};
use dataplane::worker::Unmetered;
use frames::frame;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use world::{own, Frame, General, World, PORTS};

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 120,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_express_does_what_the_general_way_does(
        frames in prop::collection::vec(frame(), 1..130),
        burst in 1..=64usize,
    ) {
        let express = World::new(Unmetered, burst).play(&frames);
        let general = World::new(General, burst).play(&frames);
        prop_assert_eq!(express, general);
    }

    /// Rows of like packets, as flows are, for which the same is found and which ride together.
    #[test]
    fn rows_of_like_packets_go_as_each_would(
        rows in prop::collection::vec((frame(), 1..40usize), 1..6),
        burst in 1..=64usize,
    ) {
        let row = |(frame, count): &(Frame, usize)| vec![frame.clone(); *count];
        let frames: Vec<Frame> = rows.iter().flat_map(row).collect();
        let express = World::new(Unmetered, burst).play(&frames);
        let general = World::new(General, burst).play(&frames);
        prop_assert_eq!(express, general);
    }
}

/// The comparison is worth something only while many of its packets are sent on, in every way that there
/// is, and some meet every other end.
#[test]
fn the_frames_of_the_comparison_meet_every_kind_of_end() {
    use Forward::{Decapsulated, Delivered, Encapsulated, Local, Relayed, Routed};
    let mut runner = TestRunner::deterministic();
    let mut frames = Vec::new();
    while frames.len() < 400 {
        frames.push(frame().new_tree(&mut runner).expect("a frame").current());
    }
    let outcome = World::new(Unmetered, 32).play(&frames);
    let verdicts = &outcome.verdicts;
    assert!(outcome.of_kind("forward") > 80, "{verdicts:?}");
    for kind in ["reply", "punt", "drop", "hold"] {
        assert!(outcome.of_kind(kind) > 0, "{kind}: {verdicts:?}");
    }
    for forward in [
        Routed,
        Encapsulated,
        Decapsulated,
        Relayed,
        Delivered,
        Local,
    ] {
        let met = |(verdict, _): &(Verdict, u64)| *verdict == Verdict::Forward(forward);
        assert!(verdicts.iter().any(met), "{forward:?}: {verdicts:?}");
    }
}

/// A packet that rides in from the core's VLAN of a port, and one behind it that stays, let nobody on the
/// port's access link ride unasked.
#[test]
fn how_one_interface_is_used_says_nothing_of_the_next() {
    let frames: Vec<Frame> = [
        (Some(world::CORE_VLAN), 64),
        (None, 1),
        (None, 64),
        (None, 64),
    ]
    .map(|(vlan, hops)| frames::plain(2, vlan, hops))
    .into();
    let express = World::new(Unmetered, 8).play(&frames);
    assert_eq!(express.of_kind("forward"), 1);
    assert_eq!(express, World::new(General, 8).play(&frames));
}

/// Any octets as frames: no panic, one verdict for each packet and the same with and without the express.
#[test]
fn fuzz_path() {
    bolero::check!()
        .with_iterations(120)
        .with_max_len(2000)
        .for_each(|bytes: &[u8]| {
            let frames = cut(bytes);
            let burst = bytes
                .first()
                .map_or(1, |first| usize::from(*first) % 64 + 1);
            let express = World::new(Unmetered, burst).play(&frames);
            let general = World::new(General, burst).play(&frames);
            assert_eq!(express, general);
        });
}

/// Frames out of octets: a port, what is to be made right about the frame, its length, and itself.
fn cut(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some((&[port, right, length], rest)) = bytes.split_first_chunk() {
        let (octets, rest) = rest.split_at(usize::from(length).min(rest.len()));
        bytes = rest;
        let mut octets = octets.to_vec();
        let port = u16::from(port) % PORTS;
        // So that inputs get behind the link layer.
        if right & 1 == 0 && octets.len() >= 15 {
            octets[..6].copy_from_slice(&own(port).0);
            octets[6] &= 0xfe;
            let ether_type: [u8; 2] = match octets[14] >> 4 {
                4 => [0x08, 0x00],
                _ => [0x86, 0xdd],
            };
            octets[12..14].copy_from_slice(&ether_type);
        }
        // And behind the length of an IPv6 packet.
        if right & 2 == 0 && octets.len() >= 54 {
            let length = (octets.len() - 54) as u16;
            octets[14] = 0x60 | octets[14] & 0x0f;
            octets[18..20].copy_from_slice(&length.to_be_bytes());
        }
        let first = (right & 0xe0 == 0xe0).then_some(octets.len() / 2);
        frames.push(Frame {
            port,
            octets,
            stripped: (right & 0x1c == 0x1c).then_some(u16::from(right)),
            first,
        });
    }
    frames
}
