//! Over what a MAG and its anchor tunnel: IPv6 or IPv4, UDP, GRE (RFC 5844 section 4, RFC 5845).

use crate::scenario::*;
use roles::effect::{Effect, Encapsulation, GreKeys, Path, TunnelEnds};
use roles::event::{HostLink, Sign};
use roles::lma::{GrePolicy, Lma, LmaConfig};
use roles::mag::{Mag, MagConfig};
use roles::policy::{LmaPolicy, Profile};
use roles::Event;
use std::net::{Ipv4Addr, Ipv6Addr};
use wire::mh::*;

const LMA4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const MAG4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 11);
const OTHER4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 12);

const GRE_KEY: u8 = 33;

fn mapped(address: Ipv4Addr) -> Ipv6Addr {
    address.to_ipv6_mapped()
}

fn anchor(change: impl FnOnce(&mut LmaConfig)) -> Lma {
    let mut config = lma_config();
    config.ipv4_address = Some(LMA4);
    change(&mut config);
    let mut lma = Lma::new(config);
    let mut policy = policy();
    policy.mags.extend([mapped(MAG4), mapped(OTHER4)]);
    let policy = LmaPolicy { ..policy };
    assert_eq!(tell(&mut lma, 0, Event::Policy { policy }), []);
    lma
}

fn gateway(own: Ipv4Addr, change: impl FnOnce(&mut MagConfig)) -> Mag {
    let mut config = mag_config();
    config.ipv4_address = Some(own);
    change(&mut config);
    Mag::new(config)
}

/// A host of an anchor that is reached over IPv4.
fn over_ipv4(host: &str) -> Profile {
    Profile {
        lma: mapped(LMA4),
        ..profile(host)
    }
}

/// Passes on the one message of the gateway's, and the answer back; what the anchor and then the gateway
/// did.
fn exchange(
    mag: &mut Mag,
    lma: &mut Lma,
    ms: u64,
    effects: &[Effect],
) -> (Vec<Effect>, Vec<Effect>) {
    let [(from, to, message)] = sent(effects)[..] else {
        panic!("not one message: {effects:?}");
    };
    let message = message.clone();
    let there = tell(lma, ms, Event::Message { from, to, message });
    let answers = |message: &Message| matches!(message, Message::BindingAcknowledgement(_));
    let told = sent(&there).into_iter().find(|told| answers(told.2));
    let (back, here, message) = told.expect("an answer");
    assert_eq!((back, here), (to, from));
    let message = message.clone();
    let event = Event::Message {
        from: back,
        to: here,
        message,
    };
    (there, tell(mag, ms, event))
}

fn attach(mag: &mut Mag, ms: u64, link: HostLink, profile: Profile) -> Vec<Effect> {
    let sign = Sign::Operator;
    tell(mag, ms, Event::HostSeen { link, sign });
    tell(mag, ms, admitted(link, profile))
}

fn tunnels(effects: &[Effect]) -> Vec<TunnelEnds> {
    let binds = effects.iter().filter_map(|effect| match effect {
        Effect::Bind {
            path: Path::Anchor { tunnel } | Path::Access { tunnel, .. },
            ..
        } => Some(*tunnel),
        _ => None,
    });
    binds.collect()
}

fn ends(local: Ipv6Addr, remote: Ipv6Addr, encapsulation: Encapsulation) -> TunnelEnds {
    TunnelEnds {
        local,
        remote,
        encapsulation,
    }
}

fn key_in(options: &[MobilityOption]) -> Option<Option<u32>> {
    options.iter().find_map(|option| match option {
        MobilityOption::GreKey(key) => Some(*key),
        _ => None,
    })
}

/// Proves S1-46.
#[test]
fn an_anchor_with_an_ipv4_address_is_registered_with_over_ipv4() {
    let mut lma = anchor(|_| {});
    let mut mag = gateway(MAG4, |_| {});
    let effects = attach(&mut mag, 10, link(0, 1), over_ipv4("mn"));
    assert_eq!(sent(&effects)[0].0, mapped(MAG4));
    assert!(!pbu_in(&effects).flags.contains(UpdateFlags::FORCE_UDP));
    let (there, here) = exchange(&mut mag, &mut lma, 20, &effects);
    let plain = Encapsulation::Plain;
    assert_eq!(tunnels(&there), [ends(mapped(LMA4), mapped(MAG4), plain)]);
    assert_eq!(tunnels(&here), [ends(mapped(MAG4), mapped(LMA4), plain)]);
    let view = lma.bindings(at(30)).next().unwrap();
    assert_eq!((view.care_of, view.anchor), (mapped(MAG4), mapped(LMA4)));
    let view = mag.visitors(at(30)).next().unwrap();
    assert_eq!(view.care_of, mapped(MAG4));
    // One over IPv6 is beside it, at the same gateways.
    let effects = attach(&mut mag, 40, link(0, 2), profile("six"));
    let (there, _) = exchange(&mut mag, &mut lma, 50, &effects);
    assert_eq!(tunnels(&there), [ends(ip(LMA), ip(MAG1), plain)]);
}

/// Section 4.1.3.1.
///
/// Proves S1-46.
#[test]
fn udp_is_had_where_it_is_forced_and_accepted() {
    let force = |config: &mut MagConfig| config.force_udp = true;
    let mut mag = gateway(MAG4, force);
    let effects = attach(&mut mag, 10, link(0, 1), over_ipv4("mn"));
    assert!(pbu_in(&effects).flags.contains(UpdateFlags::FORCE_UDP));
    let (there, here) = exchange(&mut mag, &mut anchor(|_| {}), 20, &effects);
    assert_eq!(status(&there), Status::ADMINISTRATIVELY_PROHIBITED);
    assert_eq!(tunnels(&here), []);

    let mut lma = anchor(|config| config.accept_forced_udp = true);
    let mut mag = gateway(MAG4, force);
    let effects = attach(&mut mag, 10, link(0, 1), over_ipv4("mn"));
    let (there, here) = exchange(&mut mag, &mut lma, 20, &effects);
    let detection = NatDetection {
        force_udp: true,
        refresh_secs: 0,
    };
    let told = MobilityOption::NatDetection(detection);
    assert!(pba(&there).options.contains(&told));
    let udp = Encapsulation::Udp;
    assert_eq!(tunnels(&there), [ends(mapped(LMA4), mapped(MAG4), udp)]);
    assert_eq!(tunnels(&here), [ends(mapped(MAG4), mapped(LMA4), udp)]);
    // Over IPv6 there is nothing to force.
    let effects = attach(&mut mag, 30, link(0, 2), profile("six"));
    assert!(!pbu_in(&effects).flags.contains(UpdateFlags::FORCE_UDP));
}

#[test]
fn a_tunnel_has_two_ends_of_one_family_and_the_anchor_answers_for_its_own_addresses() {
    let mut lma = anchor(|_| {});
    let six = pbu("mn", 10).and(MobilityOption::AlternateCareOfAddress(mapped(MAG4)));
    let refused = tell(&mut lma, 10, six.event());
    assert_eq!(status(&refused), Status::MAG_NOT_AUTHORIZED_FOR_PROXY_REG);
    let Event::Message { message, .. } = pbu("mn", 20).event() else {
        panic!("no message");
    };
    let stranger = Event::Message {
        from: mapped(Ipv4Addr::new(192, 0, 2, 99)),
        to: mapped(LMA4),
        message: message.clone(),
    };
    let refused = tell(&mut lma, 20, stranger);
    assert_eq!(status(&refused), Status::MAG_NOT_AUTHORIZED_FOR_PROXY_REG);
    let elsewhere = Event::Message {
        from: mapped(MAG4),
        to: mapped(OTHER4),
        message,
    };
    let ignored = tell(&mut lma, 30, elsewhere);
    assert_eq!(ignored_because(&ignored), Some("not_our_address"));
}

/// Sections 3.3.1 and 3.3.2: the uplink key is the session's, the downlink key the gateway's.
///
/// Proves S1-46.
#[test]
fn gre_keys_are_exchanged_and_the_uplink_key_stays_through_a_move() {
    let mut lma = anchor(|config| config.gre = GrePolicy::Accepted);
    let mut uplinks = Vec::new();
    for (own, ms) in [(MAG4, 10), (OTHER4, 2000)] {
        let mut mag = gateway(own, |config| config.gre = true);
        let effects = attach(&mut mag, ms, link(0, 1), over_ipv4("mn"));
        let down = key_in(&pbu_in(&effects).options).flatten();
        let (there, here) = exchange(&mut mag, &mut lma, ms + 10, &effects);
        let up = key_in(&pba(&there).options).flatten();
        let (down, up) = (down.expect("a key"), up.expect("a key"));
        let keys = |send, receive| Encapsulation::Gre {
            keys: Some(GreKeys { send, receive }),
        };
        let at_anchor = ends(mapped(LMA4), mapped(own), keys(down, up));
        assert_eq!(tunnels(&there), [at_anchor]);
        let at_gateway = ends(mapped(own), mapped(LMA4), keys(up, down));
        assert_eq!(tunnels(&here), [at_gateway]);
        uplinks.push(up);
        // Two hosts of one gateway have keys of their own.
        let effects = attach(&mut mag, ms + 20, link(0, 2), over_ipv4("another"));
        let other = key_in(&pbu_in(&effects).options).flatten();
        assert_ne!(other, Some(down));
        let (there, _) = exchange(&mut mag, &mut lma, ms + 30, &effects);
        assert_ne!(key_in(&pba(&there).options), Some(Some(up)));
    }
    assert_eq!(uplinks[0], uplinks[1]);
}

/// Section 5.2: statuses 163 and 2.
///
/// Proves S1-46.
#[test]
fn gre_that_is_required_is_asked_for_and_gre_that_is_not_is_let_go() {
    let mut lma = anchor(|config| config.gre = GrePolicy::Required);
    let mut mag = gateway(MAG4, |_| {});
    let effects = attach(&mut mag, 10, link(0, 1), profile("mn"));
    assert_eq!(key_in(&pbu_in(&effects).options), None);
    let (there, again) = exchange(&mut mag, &mut lma, 20, &effects);
    assert_eq!(status(&there), Status::GRE_KEY_OPTION_REQUIRED);
    assert!(key_in(&pbu_in(&again).options).is_some());
    let (there, here) = exchange(&mut mag, &mut lma, 30, &again);
    assert_eq!(status(&there), Status::ACCEPTED);
    assert!(matches!(
        tunnels(&here)[..],
        [TunnelEnds {
            encapsulation: Encapsulation::Gre { keys: Some(_) },
            ..
        }]
    ));

    let mut lma = anchor(|_| {});
    let mut mag = gateway(MAG4, |config| config.gre = true);
    let effects = attach(&mut mag, 10, link(0, 1), profile("mn"));
    let (there, here) = exchange(&mut mag, &mut lma, 20, &effects);
    assert_eq!(status(&there), Status::GRE_KEY_NOT_REQUIRED);
    assert!(!pba(&there).options.iter().any(|it| it.kind() == GRE_KEY));
    let plain = Encapsulation::Plain;
    assert_eq!(tunnels(&here), [ends(ip(MAG1), ip(LMA), plain)]);
    // GRE alone, without keys, is for whoever asks so.
    let mut lma = anchor(|config| config.gre = GrePolicy::Accepted);
    let alone = pbu("mn", 10).and(MobilityOption::GreKey(None));
    let effects = tell(&mut lma, 10, alone.event());
    let gre = Encapsulation::Gre { keys: None };
    assert_eq!(tunnels(&effects), [ends(ip(LMA), ip(MAG1), gre)]);
    assert_eq!(key_in(&pba(&effects).options), Some(None));
}
