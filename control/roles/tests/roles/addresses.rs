//! The addresses of hosts, as the gateway learns them.

use crate::mag::{attach, serve, visitor, GIVEN};
use crate::scenario::*;
use roles::effect::{Effect, Learned, Notice};
use roles::event::{Departure, HostLink, Sign};
use roles::mag::{LearnFrom, Mag, MagConfig, MagCounter};
use roles::policy::Profile;
use roles::Event;
use std::net::Ipv6Addr;
use wire::mh::{HandoffIndicator, MobilityOption, Status};

const HOME: &str = "2001:db8:1:5::aa";
const FOREIGN: &str = "2001:db8:9:9::aa";

fn probes(link: HostLink, target: &str) -> Event {
    let target = ip(target);
    let sign = Sign::Probe { target };
    Event::HostSeen { link, sign }
}

fn sends(link: HostLink, source: &str) -> Event {
    let source = ip(source);
    let sign = Sign::Packet { source };
    Event::HostSeen { link, sign }
}

fn leased(link: HostLink, granted: &[&str], ended: &[&str]) -> Event {
    Event::Leases {
        link,
        server: Some(ip("2001:db8:ff::53").into()),
        granted: granted.iter().map(|text| ip(text)).collect(),
        ended: ended.iter().map(|text| ip(text)).collect(),
        delegated: Vec::new(),
        withdrawn: Vec::new(),
    }
}

/// The addresses that are known of the first visitor.
fn known(mag: &Mag) -> Vec<(Ipv6Addr, Learned)> {
    let addresses = visitor(mag, 10_000).addresses;
    addresses
        .iter()
        .map(|it| (it.address, it.learned))
        .collect()
}

fn learned(effects: &[Effect]) -> Vec<Ipv6Addr> {
    let notices = effects.iter().filter_map(|effect| match effect {
        Effect::Notify {
            notice: Notice::AddressLearned { address, .. },
        } => Some(*address),
        _ => None,
    });
    notices.collect()
}

fn refused(effects: &[Effect]) -> Vec<Ipv6Addr> {
    let notices = effects.iter().filter_map(|effect| match effect {
        Effect::Notify {
            notice: Notice::AddressRefused { address, .. },
        } => Some(*address),
        _ => None,
    });
    notices.collect()
}

/// Whether the effects tell the anchor, as of a host that has not moved.
fn tells_anchor(effects: &[Effect]) -> bool {
    let updates = effects.iter().filter(|e| matches!(e, Effect::Send { .. }));
    let count = updates.count();
    if count == 1 {
        let update = pbu_in(effects);
        assert_eq!(prefixes_of(&update.options), [prefix(GIVEN)]);
        let handoff = MobilityOption::HandoffIndicator(HandoffIndicator::NOT_CHANGED);
        assert!(update.options.contains(&handoff));
    }
    count == 1
}

/// Proves S1-25, S1-36.
#[test]
fn an_address_under_detection_is_learned_and_the_anchor_is_told() {
    let (mut mag, link) = (mag(), link(0, 1));
    serve(&mut mag, 0, link);
    let effects = tell(&mut mag, 1_000, probes(link, HOME));
    assert_eq!(learned(&effects), [ip(HOME)]);
    assert!(tells_anchor(&effects));
    assert_eq!(known(&mag), [(ip(HOME), Learned::Dad)]);
    // Once: the packets that follow tell nothing new.
    assert_eq!(tell(&mut mag, 2_000, sends(link, HOME)), []);
    assert_eq!(mag.counter(MagCounter::AddressesLearned), 1);
}

/// Proves S1-25, S1-36, S1-37.
#[test]
fn an_address_is_learned_from_a_packet() {
    let (mut mag, link) = (mag(), link(0, 1));
    serve(&mut mag, 0, link);
    let effects = tell(&mut mag, 1_000, sends(link, HOME));
    assert!(tells_anchor(&effects));
    assert_eq!(known(&mag), [(ip(HOME), Learned::Packet)]);
}

/// Proves S1-25.
#[test]
fn an_address_learned_while_an_update_is_under_way_is_told_after_its_answer() {
    let (mut mag, link) = (mag(), link(0, 1));
    serve(&mut mag, 0, link);
    let first = tell(&mut mag, 1_000, sends(link, HOME));
    let second = tell(&mut mag, 1_001, sends(link, "2001:db8:1:5::bb"));
    assert!(tells_anchor(&first) && !tells_anchor(&second));
    let accepted = answered(answer(pbu_in(&first), Status(0), &[GIVEN]));
    assert!(tells_anchor(&tell(&mut mag, 1_010, accepted)));
    assert_eq!(known(&mag).len(), 2);
}

/// Proves S1-36.
#[test]
fn configuration_and_profile_can_forbid_learning() {
    let link = link(0, 1);
    let from = |dad, packet| {
        Mag::new(MagConfig {
            learn_from: LearnFrom { dad, packet },
            ..mag_config()
        })
    };
    let mut by_dad = from(true, false);
    serve(&mut by_dad, 0, link);
    assert_eq!(tell(&mut by_dad, 1_000, sends(link, HOME)), []);
    assert!(tells_anchor(&tell(&mut by_dad, 1_001, probes(link, HOME))));

    let mut by_profile = mag();
    tell(&mut by_profile, 0, solicits(link));
    let silent = Profile {
        learn_addresses: false,
        ..profile("mn")
    };
    let effects = tell(&mut by_profile, 0, admitted(link, silent));
    // Noted before it was known that it must not be.
    tell(&mut by_profile, 1, sends(link, HOME));
    let accepted = answered(answer(pbu_in(&effects), Status(0), &[GIVEN]));
    tell(&mut by_profile, 5, accepted);
    assert_eq!(known(&by_profile), []);
    assert_eq!(tell(&mut by_profile, 9, probes(link, HOME)), []);
    // A lease is no guess.
    let effects = tell(&mut by_profile, 5_000, leased(link, &[HOME], &[]));
    assert!(tells_anchor(&effects));
}

/// Proves S1-37.
#[test]
fn a_manual_address_that_is_not_of_the_profile_is_refused() {
    let (mut mag, link) = (mag(), link(0, 1));
    serve(&mut mag, 0, link);
    let effects = tell(&mut mag, 1_000, probes(link, FOREIGN));
    assert_eq!(refused(&effects), [ip(FOREIGN)]);
    assert!(!tells_anchor(&effects));
    // It is counted each time and said once.
    assert_eq!(tell(&mut mag, 1_100, sends(link, FOREIGN)), []);
    assert_eq!(mag.counter(MagCounter::AddressesRefused), 2);
    assert_eq!(known(&mag), []);
}

/// Proves S1-37.
#[test]
fn an_address_shown_before_the_binding_is_judged_by_it() {
    let (mut mag, link) = (mag(), link(0, 1));
    tell(&mut mag, 0, sends(link, FOREIGN));
    let effects = tell(&mut mag, 0, admitted(link, profile("mn")));
    tell(&mut mag, 1, probes(link, HOME));
    let accepted = answered(answer(pbu_in(&effects), Status(0), &[GIVEN]));
    let effects = tell(&mut mag, 5, accepted);
    assert_eq!(refused(&effects), [ip(FOREIGN)]);
    assert_eq!(learned(&effects), [ip(HOME)]);
    assert_eq!(known(&mag), [(ip(HOME), Learned::Dad)]);
}

/// Proves S1-25, S1-27, S1-39.
#[test]
fn a_lease_is_learned_with_its_server_and_forgotten_when_it_ends() {
    let (mut mag, link) = (mag(), link(0, 1));
    tell(&mut mag, 0, leased(link, &[HOME], &[]));
    assert_eq!(mag.counter(MagCounter::LeasesUnexpected), 1);
    serve(&mut mag, 10, link);
    assert!(tells_anchor(&tell(
        &mut mag,
        1_000,
        leased(link, &[HOME], &[])
    )));
    assert_eq!(known(&mag), [(ip(HOME), Learned::Dhcp)]);
    let server = visitor(&mag, 1_000).dhcp_server;
    assert_eq!(server, Some(ip("2001:db8:ff::53").into()));
    // It renews, and detects that nobody else has it: no news.
    assert_eq!(tell(&mut mag, 2_000, leased(link, &[HOME], &[])), []);
    assert_eq!(tell(&mut mag, 2_001, probes(link, HOME)), []);
    tell(&mut mag, 3_000, leased(link, &[], &[HOME]));
    assert_eq!(known(&mag), []);
}

/// Two hosts on one access link, of which only the first is served.
fn neighbours(mag: &mut Mag) -> (HostLink, HostLink) {
    let (owner, other) = (link(0, 1), link(0, 2));
    serve(mag, 0, owner);
    (owner, other)
}

/// Proves S1-29.
#[test]
fn the_address_of_a_served_host_is_defended() {
    let mut mag = mag();
    let (owner, other) = neighbours(&mut mag);
    tell(&mut mag, 500, probes(owner, HOME));
    for target in [HOST_LINK_LOCAL, HOME] {
        let effects = tell(&mut mag, 1_000, probes(other, target));
        let defend = Effect::Defend {
            link: other,
            target: ip(target),
        };
        assert!(effects.contains(&defend), "{target}: {effects:?}");
        // It does not become the other's, nor does its owner defend against itself.
        assert!(!tell(&mut mag, 1_001, probes(owner, target)).contains(&defend));
    }
    assert_eq!(mag.counter(MagCounter::AddressesDefended), 2);
    // A link-local address is its owner's on its own link only.
    let elsewhere = link(1, 3);
    let effects = tell(&mut mag, 2_000, probes(elsewhere, HOST_LINK_LOCAL));
    assert!(!effects.iter().any(|e| matches!(e, Effect::Defend { .. })));
    // Once the owner has left, it is free.
    let why = Departure::Unreachable;
    tell(&mut mag, 3_000, Event::HostGone { link: owner, why });
    let effects = tell(&mut mag, 3_001, probes(other, HOST_LINK_LOCAL));
    assert!(!effects.iter().any(|e| matches!(e, Effect::Defend { .. })));
}

/// Proves S1-24, S1-29.
#[test]
fn a_host_that_is_not_served_is_not_spoken_for() {
    let mut mag = mag();
    let (owner, other) = (link(0, 1), link(0, 2));
    attach(&mut mag, 0, owner);
    // Its anchor has not answered.
    let effects = tell(&mut mag, 10, probes(other, HOST_LINK_LOCAL));
    assert!(!effects.iter().any(|e| matches!(e, Effect::Defend { .. })));
}

#[test]
fn another_hosts_address_cannot_be_claimed() {
    let mut mag = mag();
    let (_, other) = neighbours(&mut mag);
    tell(&mut mag, 100, solicits(other));
    let effects = tell(&mut mag, 100, admitted(other, profile("mn2")));
    let accepted = answered(answer(pbu_in(&effects), Status(0), &["2001:db8:1:6::/64"]));
    tell(&mut mag, 105, accepted);
    let before = mag.counter(MagCounter::AddressesContested);
    assert_eq!(tell(&mut mag, 200, sends(other, HOST_LINK_LOCAL)), []);
    assert_eq!(mag.counter(MagCounter::AddressesContested), before + 1);
    let second = mag.visitors(at(300)).nth(1).expect("the other");
    assert_eq!(second.link_local, None, "it solicited from its neighbour's");
}

#[test]
fn a_host_with_endless_addresses_is_remembered_with_a_few_of_them() {
    let (mut mag, link) = (mag(), link(0, 1));
    serve(&mut mag, 0, link);
    let mut told = 0;
    for last in 1..200_u64 {
        let address = format!("2001:db8:1:5::{last:x}");
        let effects = tell(&mut mag, last * 1_000, sends(link, &address));
        if tells_anchor(&effects) {
            told += 1;
            let accepted = answered(answer(pbu_in(&effects), Status(0), &[GIVEN]));
            tell(&mut mag, last * 1_000 + 1, accepted);
        }
    }
    assert_eq!((told, known(&mag).len()), (8, 8));
}
