//! Domains whose IPv4 addresses are their own, at the anchor and at a gateway (RFC 5845, RFC 5149).

use crate::scenario::*;
use roles::domain::{DomainAddress, DomainName};
use roles::effect::{Effect, Encapsulation, GreKeys, Ipv4Service, Path};
use roles::event::Sign;
use roles::lma::{BindingView, DomainConfig, GrePolicy, Ipv4Network, Lma, LmaConfig, LmaCounter};
use roles::mag::Mag;
use roles::policy::{AnchoredHost, Ipv4HomeAddress as Wanted, LmaPolicy, Profile};
use roles::store::Record;
use roles::{BoundPrefix, Event};
use std::net::Ipv4Addr;
use wire::mh::*;

const FIXED: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 77);

fn name(text: &str) -> DomainName {
    text.parse().unwrap()
}

fn inside(domain: &str, address: Ipv4Addr) -> BoundPrefix {
    let domain = name(domain);
    BoundPrefix::V4In(DomainAddress { domain, address })
}

/// Red and blue, and the common network, all with 10.1.0.0/24; red has two keys.
fn config() -> LmaConfig {
    let network = Ipv4Network {
        prefix: [10, 1, 0, 0].into(),
        length: 24,
        router: [10, 1, 0, 1].into(),
        dynamic: true,
    };
    let domain = |text, keys| DomainConfig {
        name: name(text),
        ipv4_networks: vec![network],
        keys,
    };
    let mut config = lma_config();
    config.gre = GrePolicy::Accepted;
    config.ipv4_networks = vec![network];
    config.domains = vec![domain("red", (2, 3)), domain("blue", (4096, 8191))];
    config
}

fn listed(host: &str, domain: Option<&str>) -> AnchoredHost {
    AnchoredHost {
        mn_identifier: nai(host),
        home_network_prefixes: Vec::new(),
        ipv4_home_address: Some(FIXED),
        ipv4: true,
        ipv6: true,
        domain: domain.map(name),
        delegation: true,
        allowance: None,
        proxy_registration: true,
    }
}

fn admit(lma: &mut Lma, ms: u64, hosts: Vec<AnchoredHost>) -> Vec<Effect> {
    let policy = LmaPolicy { hosts, ..policy() };
    tell(lma, ms, Event::Policy { policy })
}

/// Each of the three networks has one host to which policy gives the same address.
fn anchor() -> Lma {
    let mut lma = Lma::new(config());
    let hosts = vec![
        listed("r", Some("red")),
        listed("b", Some("blue")),
        listed("c", None),
    ];
    assert_eq!(admit(&mut lma, 0, hosts), []);
    lma
}

/// An update for IPv4 alone, with a key.
fn update(host: &str, ms: u64, key: u32) -> Pbu {
    let any = Ipv4HomeAddress {
        address: Ipv4Addr::UNSPECIFIED,
        prefix_length: 0,
    };
    let update = pbu(host, ms).without(22);
    let update = update.and(MobilityOption::Ipv4HomeAddressRequest(any));
    update.and(MobilityOption::GreKey(Some(key)))
}

fn service(text: &str) -> MobilityOption {
    MobilityOption::ServiceSelection(text.to_owned())
}

/// What is bound, with the keys of its tunnel.
fn binds(effects: &[Effect]) -> Vec<(BoundPrefix, GreKeys)> {
    let binds = effects.iter().filter_map(|effect| match effect {
        Effect::Bind {
            prefix,
            path: Path::Anchor { tunnel } | Path::Access { tunnel, .. },
        } => match tunnel.encapsulation {
            Encapsulation::Gre { keys: Some(keys) } => Some((*prefix, keys)),
            _ => None,
        },
        _ => None,
    });
    binds.collect()
}

fn view(lma: &Lma, host: &str) -> BindingView {
    let mut views = lma.bindings(at(1_000_000));
    views.find(|it| it.mn_identifier == nai(host)).unwrap()
}

/// Proves S1-46.
#[test]
fn the_same_address_is_bound_once_in_each_domain_and_told_apart_by_keys() {
    let mut lma = anchor();
    let red = tell(&mut lma, 10, update("r", 10, 71).event());
    let blue = tell(
        &mut lma,
        20,
        update("b", 20, 72).and(service("blue")).event(),
    );
    let common = tell(&mut lma, 30, update("c", 30, 73).event());
    let (send, receive) = (71, 2);
    assert_eq!(
        binds(&red),
        [(inside("red", FIXED), GreKeys { send, receive })]
    );
    let (send, receive) = (72, 4096);
    assert_eq!(
        binds(&blue),
        [(inside("blue", FIXED), GreKeys { send, receive })]
    );
    let [(prefix, keys)] = binds(&common)[..] else {
        panic!("{common:?}");
    };
    // Its key is the number of its session, and of no domain.
    assert_eq!((prefix, keys.send), (BoundPrefix::V4(FIXED), 73));
    assert!(![2, 3].contains(&keys.receive));
    assert_eq!(lma.sessions(), 3);
    assert_eq!(view(&lma, "b").domain, Some(name("blue")));

    // One of them moves; the others do not hear of it, and the key stays.
    let moved = update("r", 40, 81).from(MAG2).event();
    let moved = tell(&mut lma, 40, moved);
    let (send, receive) = (81, 2);
    assert_eq!(
        binds(&moved),
        [(inside("red", FIXED), GreKeys { send, receive })]
    );
    assert_eq!(view(&lma, "r").care_of, ip(MAG2));
    assert_eq!(view(&lma, "b").care_of, ip(MAG1));

    // A de-registration names its service alone, and ends what is there.
    let gone = update("b", 50, 0).without(33).lifetime(0);
    let gone = tell(&mut lma, 50, gone.and(service("blue")).event());
    assert_eq!(status(&gone), Status::ACCEPTED);
    let pending = Effect::Bind {
        prefix: inside("blue", FIXED),
        path: Path::Pending,
    };
    assert!(gone.contains(&pending));
    assert_eq!(view(&lma, "r").ipv4_home_address, Some(FIXED));
}

/// Proves S1-46.
#[test]
fn a_domain_gives_no_address_twice_and_has_as_many_sessions_as_keys() {
    let mut lma = anchor();
    let asks = |host: &str, ms, address: Option<Ipv4Addr>| {
        let asked = Ipv4HomeAddress {
            address: address.unwrap_or(Ipv4Addr::UNSPECIFIED),
            prefix_length: 0,
        };
        let update = update(host, ms, 1).interface(ms as u8).and(service("red"));
        update
            .with(MobilityOption::Ipv4HomeAddressRequest(asked))
            .event()
    };
    let one = tell(&mut lma, 10, asks("one", 10, None));
    let [(BoundPrefix::V4In(first), _)] = binds(&one)[..] else {
        panic!("{one:?}");
    };
    assert_ne!(first.address, FIXED, "it is another's");
    let taken = tell(&mut lma, 20, asks("two", 20, Some(first.address)));
    assert_eq!(status(&taken), Status::NOT_AUTHORIZED_FOR_IPV4_HOME_ADDRESS);
    let two = tell(&mut lma, 30, asks("two", 30, None));
    assert_eq!(binds(&two)[0].1.receive, 3);
    let none = tell(&mut lma, 40, asks("three", 40, None));
    assert_eq!(status(&none), Status::INSUFFICIENT_RESOURCES);
    // The same host with the same address in another domain is nobody's business in this one.
    let blue = update("one", 50, 9).and(service("blue")).event();
    let blue = tell(&mut lma, 50, blue);
    assert_eq!((status(&blue), lma.sessions()), (Status::ACCEPTED, 3));
    // A key is free again when its session has ended.
    tell(
        &mut lma,
        60,
        Event::Delete {
            mn_identifier: nai("two"),
        },
    );
    let three = tell(&mut lma, 70, asks("three", 70, None));
    assert_eq!(binds(&three)[0].1.receive, 3);
}

/// Proves S1-46.
#[test]
fn what_a_domain_does_not_have_is_refused() {
    let mut lma = anchor();
    let mut asked = |update: Pbu, ms| status(&tell(&mut lma, ms, update.event()));
    let failed = Status::SERVICE_AUTHORIZATION_FAILED;
    assert_eq!(asked(update("r", 10, 1).and(service("blue")), 10), failed);
    assert_eq!(asked(update("x", 20, 1).and(service("green")), 20), failed);
    assert_eq!(
        asked(update("x", 30, 1).and(service("No Domain")), 30),
        failed
    );
    let keyless = Status::GRE_KEY_OPTION_REQUIRED;
    assert_eq!(asked(update("r", 40, 1).without(33), 40), keyless);
    let without = update("r", 50, 1).with(MobilityOption::GreKey(None));
    assert_eq!(asked(without, 50), keyless);
    let six = update("r", 60, 1).prefix("::/0");
    assert_eq!(
        asked(six, 60),
        Status::NOT_AUTHORIZED_FOR_IPV6_MOBILITY_SERVICE
    );
    assert_eq!(lma.sessions(), 0);
    assert_eq!(lma.counter(LmaCounter::StatusService), 3);
    // Where there are no domains, services are not looked at.
    let mut plain = config();
    plain.domains.clear();
    let mut plain = lma_with(plain);
    let any = update("x", 70, 1).and(service("internet")).event();
    assert_eq!(status(&tell(&mut plain, 70, any)), Status::ACCEPTED);
}

/// Proves S1-46.
#[test]
fn a_domain_outlives_the_process_and_ends_with_its_policy() {
    let mut lma = anchor();
    let red = tell(&mut lma, 10, update("r", 10, 71).event());
    let record = red.iter().find_map(|effect| match effect {
        Effect::Store { record } => Some(record.clone()),
        _ => None,
    });
    let record = record.expect("a record");
    let json = serde_json::to_string(&record).unwrap();
    let record: Record = serde_json::from_str(&json).unwrap();

    let mut again = anchor();
    let restored = tell(
        &mut again,
        20,
        Event::Restored {
            record: record.clone(),
        },
    );
    assert_eq!(binds(&restored), binds(&red));
    // Its key is taken: the next session of the domain has the other one.
    let next = update("n", 30, 5).interface(9).and(service("red")).event();
    assert_eq!(binds(&tell(&mut again, 30, next))[0].1.receive, 3);
    let ended = admit(&mut again, 40, vec![listed("r", Some("blue"))]);
    let prefix = inside("red", FIXED);
    assert!(ended.contains(&Effect::Unbind { prefix }));

    let mut without = config();
    without.domains.remove(0);
    let mut without = lma_with(without);
    let restored = tell(&mut without, 20, Event::Restored { record });
    assert_eq!((binds(&restored), without.sessions()), (Vec::new(), 0));
}

fn of_domain(host: &str, domain: &str) -> Profile {
    Profile {
        ipv4_home_address: Some(Wanted {
            address: Ipv4Addr::UNSPECIFIED,
            length: 0,
        }),
        ipv6: false,
        service_selection: Some(domain.to_owned()),
        domain: Some(name(domain)),
        ..profile(host)
    }
}

/// Proves S1-46.
#[test]
fn a_gateway_has_the_same_address_on_links_of_two_domains() {
    let mut lma = anchor();
    let mut mag = Mag::new(mag_config());
    for (host, domain, interface) in [("r", "red", 1), ("b", "blue", 2)] {
        let link = link(interface, interface as u8);
        let ms = u64::from(interface) * 100;
        let sign = Sign::Operator;
        tell(&mut mag, ms, Event::HostSeen { link, sign });
        let sent = tell(&mut mag, ms, admitted(link, of_domain(host, domain)));
        let update = pbu_in(&sent).clone();
        assert!(update.options.contains(&service(domain)), "{update:?}");
        let message = Message::BindingUpdate(update);
        let there = tell(&mut lma, ms, message_event(MAG1, LMA, message));
        let message = Message::BindingAcknowledgement(pba(&there).clone());
        let here = tell(&mut mag, ms + 1, message_event(LMA, MAG1, message));
        let (there, here) = (binds(&there), binds(&here));
        assert_eq!(here[0].0, inside(domain, FIXED));
        assert_eq!(
            (here[0].0, here[0].1.send),
            (there[0].0, there[0].1.receive)
        );
        assert_eq!(here[0].1.receive, there[0].1.send);
    }
    let views: Vec<_> = mag.visitors(at(500)).collect();
    let has = |service: Option<Ipv4Service>| service.map(|it| it.address) == Some(FIXED);
    assert!(views.len() == 2 && views.iter().all(|view| has(view.ipv4)));
    // The host of red goes to a link of blue: it is registered there, and its red session is left.
    let there = link(2, 1);
    let sign = Sign::Operator;
    tell(&mut mag, 600, Event::HostSeen { link: there, sign });
    let effects = tell(&mut mag, 600, admitted(there, of_domain("r", "blue")));
    let prefix = inside("red", FIXED);
    assert!(effects.contains(&Effect::Unbind { prefix }), "{effects:?}");
    let asks = sent(&effects)
        .into_iter()
        .any(|(_, _, message)| match message {
            Message::BindingUpdate(update) => update.options.contains(&service("blue")),
            _ => false,
        });
    assert!(asks, "{effects:?}");
}
