//! IPv4 home addresses, on both sides (RFC 5844 section 3).

use crate::scenario::*;
use roles::effect::{Effect, Ipv4Service, Path, TunnelEnds};
use roles::event::{Departure, HostLink, Sign};
use roles::lma::{Ipv4Network, Lma};
use roles::mag::{Mag, MagConfig, VisitorState};
use roles::policy::{AnchoredHost, Ipv4HomeAddress as Wanted, LmaPolicy, Profile};
use roles::{BoundPrefix, Event};
use std::net::Ipv4Addr;
use wire::mh::*;

const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
const FIXED: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 77);

/// Option types.
const HOME_NETWORK_PREFIX: u8 = 22;
const REQUEST: u8 = 36;

fn network(prefix: [u8; 4], length: u8, dynamic: bool) -> Ipv4Network {
    let [a, b, c, d] = prefix;
    Ipv4Network {
        prefix: prefix.into(),
        length,
        router: Ipv4Addr::new(a, b, c, d + 1),
        dynamic,
    }
}

fn anchor_with(networks: Vec<Ipv4Network>) -> Lma {
    let mut config = lma_config();
    config.ipv4_networks = networks;
    let mut lma = Lma::new(config);
    let host = |name, address, ipv4, ipv6| AnchoredHost {
        mn_identifier: nai(name),
        home_network_prefixes: Vec::new(),
        ipv4_home_address: address,
        ipv4,
        ipv6,
        domain: None,
        delegation: true,
        allowance: None,
        proxy_registration: true,
    };
    let policy = LmaPolicy {
        hosts: vec![
            host("fixed", Some(FIXED), true, true),
            host("six", None, false, true),
            host("four", None, true, false),
        ],
        ..policy()
    };
    assert_eq!(tell(&mut lma, 0, Event::Policy { policy }), []);
    lma
}

pub fn anchor() -> Lma {
    anchor_with(vec![network([10, 1, 0, 0], 16, true)])
}

fn home(address: impl Into<Ipv4Addr>, prefix_length: u8) -> Ipv4HomeAddress {
    Ipv4HomeAddress {
        address: address.into(),
        prefix_length,
    }
}

pub fn request(address: impl Into<Ipv4Addr>, prefix_length: u8) -> MobilityOption {
    MobilityOption::Ipv4HomeAddressRequest(home(address, prefix_length))
}

pub fn any() -> MobilityOption {
    request(Ipv4Addr::UNSPECIFIED, 0)
}

/// The reply option of the one acknowledgement, with the status of the whole.
fn reply(effects: &[Effect]) -> (u8, Option<Ipv4HomeAddressAnswer>) {
    let answer = pba(effects);
    let reply = answer.options.iter().find_map(|option| match option {
        MobilityOption::Ipv4HomeAddressReply(reply) => Some(*reply),
        _ => None,
    });
    (answer.status.0, reply)
}

/// Status of the acknowledgement and of its reply option.
fn statuses(effects: &[Effect]) -> (u8, Option<u8>) {
    let (status, reply) = reply(effects);
    (status, reply.map(|reply| reply.status.0))
}

fn given_ipv4(effects: &[Effect]) -> Ipv4Addr {
    let (status, reply) = reply(effects);
    assert_eq!(status, 0);
    reply.expect("a reply").home.address
}

pub fn bound(effects: &[Effect]) -> Vec<BoundPrefix> {
    let binds = effects.iter().filter_map(|effect| match effect {
        Effect::Bind { prefix, .. } => Some(*prefix),
        _ => None,
    });
    binds.collect()
}

pub fn unbound(effects: &[Effect]) -> Vec<BoundPrefix> {
    let unbinds = effects.iter().filter_map(|effect| match effect {
        Effect::Unbind { prefix } => Some(*prefix),
        _ => None,
    });
    unbinds.collect()
}

/// Proves S1-46.
#[test]
fn a_dual_stack_host_gets_both_and_keeps_both_through_a_move() {
    let mut lma = anchor();
    let effects = tell(&mut lma, 10, pbu("mn", 10).and(any()).event());
    let (prefix, address) = (given(&effects), given_ipv4(&effects));
    assert!(lma.config().ipv4_networks[0].contains(address));
    let both = [BoundPrefix::V6(prefix), BoundPrefix::V4(address)];
    assert_eq!(bound(&effects), both);
    let options = &pba(&effects).options;
    assert_eq!(reply(&effects).1.unwrap().home.prefix_length, 16);
    assert!(options.contains(&MobilityOption::Ipv4DefaultRouter(ROUTER)));
    assert!(options.contains(&MobilityOption::Ipv4DhcpMode(DhcpMode::Server)));

    let moved = pbu("mn", 20).from(MAG2).and(any());
    let effects = tell(&mut lma, 20, moved.event());
    assert_eq!(given_ipv4(&effects), address);
    assert_eq!(bound(&effects), both);
    let anchored = |mag| Path::Anchor {
        tunnel: TunnelEnds::plain(ip(LMA), ip(mag)),
    };
    assert!(effects.contains(&Effect::Bind {
        prefix: address.into(),
        path: anchored(MAG2),
    }));
    // A refresh names what there is and changes nothing.
    let named = pbu("mn", 30).from(MAG2).and(request(address, 16));
    let effects = tell(&mut lma, 30, named.event());
    assert_eq!((given_ipv4(&effects), bound(&effects)), (address, vec![]));
    assert_eq!(unbound(&effects), []);
    let view = lma.bindings(at(30)).next().unwrap();
    assert_eq!(view.ipv4_home_address, Some(address));
}

/// Proves S1-46.
#[test]
fn a_host_of_ipv4_alone_has_no_prefix_and_one_that_has_gone_gets_its_address_again() {
    let mut lma = anchor();
    let alone = |ms| pbu("four", ms).without(HOME_NETWORK_PREFIX).and(any());
    let effects = tell(&mut lma, 10, alone(10).event());
    let address = given_ipv4(&effects);
    assert_eq!(bound(&effects), [BoundPrefix::V4(address)]);
    assert_eq!(prefixes_of(&pba(&effects).options), []);

    let gone = alone(20).with(request(address, 16)).lifetime(0);
    let effects = tell(&mut lma, 20, gone.event());
    assert_eq!(statuses(&effects), (0, Some(0)));
    let pending = Effect::Bind {
        prefix: address.into(),
        path: Path::Pending,
    };
    assert!(effects.contains(&pending));
    tell(
        &mut lma,
        30,
        Event::Delete {
            mn_identifier: nai("four"),
        },
    );
    assert_eq!(lma.sessions(), 0);
    let effects = tell(&mut lma, 40, alone(40).event());
    assert_eq!(given_ipv4(&effects), address);
}

#[test]
fn policy_fixes_an_address() {
    let mut lma = anchor();
    let effects = tell(&mut lma, 10, pbu("fixed", 10).and(any()).event());
    assert_eq!(given_ipv4(&effects), FIXED);
    let mut lma = anchor();
    let named = pbu("fixed", 10).and(request(FIXED, 16));
    assert_eq!(given_ipv4(&tell(&mut lma, 10, named.event())), FIXED);
    let other = pbu("other", 20).and(request(FIXED, 16));
    assert_eq!(
        statuses(&tell(&mut lma, 20, other.event())),
        (171, Some(129))
    );
}

/// Each update with what is wrong with it (sections 3.1.2.1, 3.1.2.2 and 3.3.2).
///
/// Proves S1-46.
#[test]
fn what_is_wrong_is_told_in_both_statuses() {
    let mut lma = anchor();
    let taken = given_ipv4(&tell(&mut lma, 5, pbu("a", 5).and(any()).event()));
    let mine = given_ipv4(&tell(&mut lma, 5, pbu("b", 5).and(any()).event()));
    let neither = pbu("mn", 10).without(HOME_NETWORK_PREFIX);
    let wrong = [
        ("neither family", neither, (158, None)),
        ("no IPv4", pbu("six", 10).and(any()), (170, Some(129))),
        ("no IPv6", pbu("four", 10).and(any()), (172, Some(128))),
        ("two", pbu("mn", 10).and(any()).and(any()), (173, Some(128))),
        (
            "taken",
            pbu("mn", 10).and(request(taken, 16)),
            (171, Some(129)),
        ),
        (
            "not fixed",
            pbu("fixed", 10).and(request([10, 1, 0, 9], 16)),
            (171, Some(129)),
        ),
        (
            "elsewhere",
            pbu("mn", 10).and(request([10, 2, 0, 9], 16)),
            (171, Some(130)),
        ),
        (
            "other length",
            pbu("mn", 10).and(request([10, 1, 0, 9], 24)),
            (171, Some(130)),
        ),
        (
            "a group",
            pbu("mn", 10).and(request([224, 0, 0, 5], 16)),
            (171, Some(131)),
        ),
        (
            "no length",
            pbu("mn", 10).and(request([10, 1, 0, 9], 33)),
            (171, Some(131)),
        ),
        (
            "the router",
            pbu("mn", 10).and(request(ROUTER, 16)),
            (171, Some(131)),
        ),
        (
            "another than its own",
            pbu("b", 10).and(request([10, 1, 9, 9], 16)),
            (159, Some(130)),
        ),
        (
            "no host",
            pbu("barred", 10).and(any()).without(8),
            (160, Some(128)),
        ),
    ];
    for (what, update, expected) in wrong {
        let effects = tell(&mut lma, 10, update.event());
        assert_eq!(statuses(&effects), expected, "{what}");
        assert_eq!((bound(&effects), unbound(&effects)), (vec![], vec![]));
        let told = |option: &MobilityOption| matches!(option, MobilityOption::Ipv4DefaultRouter(_));
        assert!(!pba(&effects).options.iter().any(told), "{what}");
    }
    assert_eq!(lma.sessions(), 2);
    assert_ne!(mine, taken);
}

#[test]
fn where_nothing_is_given_out_and_where_all_is_taken() {
    let mut lma = anchor_with(vec![network([10, 1, 0, 0], 16, false)]);
    let asks = |host, ms| pbu(host, ms).and(any()).event();
    assert_eq!(
        statuses(&tell(&mut lma, 10, asks("mn", 10))),
        (171, Some(132))
    );
    assert_eq!(given_ipv4(&tell(&mut lma, 10, asks("fixed", 10))), FIXED);
    assert_eq!(
        statuses(&tell(&mut lma, 20, asks("mn", 20))),
        (171, Some(132))
    );

    let mut lma = anchor_with(Vec::new());
    assert_eq!(
        statuses(&tell(&mut lma, 10, asks("mn", 10))),
        (170, Some(129))
    );

    // Of four addresses, one is the network's, one the router's and one goes to everyone.
    let mut lma = anchor_with(vec![network([10, 9, 0, 0], 30, true)]);
    let address = given_ipv4(&tell(&mut lma, 10, asks("a", 10)));
    assert_eq!(address, Ipv4Addr::new(10, 9, 0, 2));
    assert_eq!(
        statuses(&tell(&mut lma, 10, asks("b", 10))),
        (130, Some(128))
    );
}

/// Sections 3.1.2.4 and 3.1.2.5.
#[test]
fn each_family_comes_and_goes_alone() {
    let mut lma = anchor();
    let effects = tell(&mut lma, 10, pbu("mn", 10).event());
    let prefix = given(&effects);
    assert_eq!(reply(&effects), (0, None));
    // IPv4 comes in addition.
    let effects = tell(&mut lma, 20, pbu("mn", 20).and(any()).event());
    let address = given_ipv4(&effects);
    assert_eq!(bound(&effects), [BoundPrefix::V4(address)]);
    assert_eq!(given(&effects), prefix);
    // It goes alone.
    let only = pbu("mn", 30)
        .without(HOME_NETWORK_PREFIX)
        .and(request(address, 16));
    let effects = tell(&mut lma, 30, only.lifetime(0).event());
    assert_eq!(statuses(&effects), (0, Some(0)));
    assert_eq!(unbound(&effects), [BoundPrefix::V4(address)]);
    let view = lma.bindings(at(30)).next().unwrap();
    assert_eq!(
        (view.ipv4_home_address, view.prefixes),
        (None, vec![prefix])
    );
    // So does IPv6, when an update is about IPv4 alone.
    tell(&mut lma, 40, pbu("mn", 40).and(any()).event());
    let only = pbu("mn", 50)
        .without(HOME_NETWORK_PREFIX)
        .and(request(address, 16));
    let effects = tell(&mut lma, 50, only.from(MAG2).event());
    assert_eq!(given_ipv4(&effects), address);
    assert_eq!(unbound(&effects), [BoundPrefix::V6(prefix)]);
    assert_eq!(bound(&effects), [BoundPrefix::V4(address)]);
    assert_eq!(prefixes_of(&pba(&effects).options), []);
}

pub fn gateway(address: &str) -> Mag {
    Mag::new(MagConfig::new(ip(address), 10, 1))
}

pub fn dual(host: &str, wanted: Option<(Ipv4Addr, u8)>) -> Profile {
    let (address, length) = wanted.unwrap_or((Ipv4Addr::UNSPECIFIED, 0));
    Profile {
        ipv4_home_address: Some(Wanted { address, length }),
        ..profile(host)
    }
}

/// Passes the one message that effects send on, and the answer back.
fn exchange(mag: &mut Mag, lma: &mut Lma, ms: u64, effects: &[Effect]) -> Vec<Effect> {
    let [(from, to, message)] = sent(effects)[..] else {
        panic!("not one message: {effects:?}");
    };
    let message = message.clone();
    let answer = tell(lma, ms, Event::Message { from, to, message });
    // After a move, a revocation goes out as well.
    let answers = |message: &Message| matches!(message, Message::BindingAcknowledgement(_));
    let told = sent(&answer).into_iter().find(|told| answers(told.2));
    let (from, to, message) = told.expect("an answer");
    let message = message.clone();
    tell(mag, ms, Event::Message { from, to, message })
}

pub fn attach(
    mag: &mut Mag,
    lma: &mut Lma,
    ms: u64,
    link: HostLink,
    profile: Profile,
) -> Vec<Effect> {
    let sign = Sign::Operator;
    tell(mag, ms, Event::HostSeen { link, sign });
    let effects = tell(mag, ms, admitted(link, profile));
    exchange(mag, lma, ms, &effects)
}

pub fn served(effects: &[Effect]) -> Vec<Option<Ipv4Service>> {
    let serves = effects.iter().filter_map(|effect| match effect {
        Effect::ServeIpv4 { service, .. } => Some(*service),
        _ => None,
    });
    serves.collect()
}

/// Proves S1-46.
#[test]
fn a_gateway_serves_what_its_anchor_gives_and_the_next_gateway_the_same() {
    let mut lma = anchor();
    let (mut first, mut second) = (gateway(MAG1), gateway(MAG2));
    let link = link(0, 1);
    let effects = attach(&mut first, &mut lma, 10, link, dual("mn", None));
    let [Some(service)] = served(&effects)[..] else {
        panic!("not served: {effects:?}");
    };
    assert_eq!((service.prefix_length, service.router), (16, ROUTER));
    assert_eq!(service.dhcp, DhcpMode::Server);
    let [BoundPrefix::V6(_), BoundPrefix::V4(address)] = bound(&effects)[..] else {
        panic!("not bound: {effects:?}");
    };
    assert_eq!(address, service.address);

    // The host moves.
    let effects = attach(&mut second, &mut lma, 2000, link, dual("mn", None));
    assert_eq!(served(&effects), [Some(service)]);
    let why = Departure::Unreachable;
    let effects = tell(&mut first, 2010, Event::HostGone { link, why });
    assert_eq!(served(&effects), [None]);
    assert!(unbound(&effects).contains(&address.into()));
    // What it had stands in the de-registration (section 3.2.3.3).
    let update = pbu_in(&effects);
    assert_eq!(update.lifetime, Lifetime::ZERO);
    assert!(update.options.contains(&request(address, 16)));
}

/// Proves S1-46.
#[test]
fn a_gateway_asks_for_ipv4_alone_where_the_profile_says_so() {
    let mut lma = anchor();
    let mut mag = gateway(MAG1);
    let link = link(0, 1);
    let profile = Profile {
        ipv6: false,
        ..dual("four", None)
    };
    let effects = attach(&mut mag, &mut lma, 10, link, profile);
    assert!(matches!(bound(&effects)[..], [BoundPrefix::V4(_)]));
    assert_eq!(advertisements(&effects), []);
    let watched = |effect: &Effect| matches!(effect, Effect::Watch { address: Some(address), .. } if address.is_ipv4());
    assert!(effects.iter().any(watched));
    // No Router Advertisement answers a solicitation either.
    let effects = tell(&mut mag, 5000, solicits(link));
    assert_eq!(advertisements(&effects), []);
}

/// RADIUS servers write an address as a prefix of 32 bits, which is no host's network.
#[test]
fn an_address_alone_leaves_its_network_to_the_anchor() {
    let mut mag = gateway(MAG1);
    for (host, length, asked) in [(1, 32, 0), (2, 16, 16)] {
        let address = Ipv4Addr::new(10, 1, 0, 77);
        let link = link(0, host);
        tell(&mut mag, 10, solicits(link));
        let profile = dual(&format!("mn{host}"), Some((address, length)));
        let effects = tell(&mut mag, 10, admitted(link, profile));
        assert!(pbu_in(&effects).options.contains(&request(address, asked)));
    }
}

/// Section 3.2.3.2.
#[test]
fn a_gateway_settles_for_what_its_anchor_allows() {
    let mut lma = anchor();
    let mut mag = gateway(MAG1);
    // 170: IPv6 alone.
    let refused = attach(&mut mag, &mut lma, 10, link(0, 1), dual("six", None));
    let update = pbu_in(&refused);
    assert!(!update.options.iter().any(|option| option.kind() == REQUEST));
    let effects = exchange(&mut mag, &mut lma, 20, &refused);
    assert!(matches!(bound(&effects)[..], [BoundPrefix::V6(_)]));
    assert_eq!(served(&effects), []);
    // 171: another address.
    let wanted = dual("mn", Some((FIXED, 16)));
    let refused = attach(&mut mag, &mut lma, 30, link(0, 2), wanted);
    assert!(pbu_in(&refused).options.contains(&any()));
    let effects = exchange(&mut mag, &mut lma, 40, &refused);
    assert!(matches!(served(&effects)[..], [Some(service)] if service.address != FIXED));
    // 172: IPv4 alone.
    let refused = attach(&mut mag, &mut lma, 50, link(0, 3), dual("four", None));
    assert_eq!(prefixes_of(&pbu_in(&refused).options), []);
    let effects = exchange(&mut mag, &mut lma, 60, &refused);
    assert!(matches!(bound(&effects)[..], [BoundPrefix::V4(_)]));
    let bound = mag.visitors(at(60));
    assert!(bound.into_iter().all(|it| it.state == VisitorState::Bound));
}

#[test]
fn an_answer_without_a_router_or_with_a_refusal_gives_no_ipv4() {
    let host = link(0, 1);
    for garble in [0, 1] {
        let mut mag = gateway(MAG1);
        tell(
            &mut mag,
            10,
            Event::HostSeen {
                link: host,
                sign: Sign::Operator,
            },
        );
        let effects = tell(&mut mag, 10, admitted(host, dual("mn", None)));
        let mut told = answer(pbu_in(&effects), Status(0), &["2001:db8:1:5::/64"]);
        told.options.retain(|option| option.kind() != REQUEST);
        let status = Ipv4AddressStatus([0, 129][garble]);
        let reply = Ipv4HomeAddressAnswer {
            status,
            home: home([10, 1, 0, 5], 16),
        };
        told.options
            .push(MobilityOption::Ipv4HomeAddressReply(reply));
        if garble == 1 {
            told.options.push(MobilityOption::Ipv4DefaultRouter(ROUTER));
        }
        let effects = tell(&mut mag, 20, answered(told));
        assert!(matches!(bound(&effects)[..], [BoundPrefix::V6(_)]));
        assert_eq!(served(&effects), []);
    }
}
