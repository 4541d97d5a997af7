//! One anchor with bindings of gateways and of hosts themselves: neither is seen as the other.

use crate::revocation::{acknowledgement, revoke, who, GLOBAL, SINGLE};
use crate::scenario::*;
use roles::effect::{Effect, Notice, Path, TunnelEnds};
use roles::event::{RevocationScope, Timer};
use roles::lma::{BindingKind, BindingView, HomeRegistration, Lma, LmaCounter};
use roles::policy::AnchoredHost;
use roles::store::{Key, Record};
use roles::{Event, Now, Role};
use std::time::Duration;
use wire::mh::*;

/// Where hosts are that have left the domain.
pub const AWAY: &str = "2001:db8:f::7";
pub const FARTHER: &str = "2001:db8:f:1::7";

/// In a place of the pool that no host of these tests is given.
const HOME: &str = "2001:db8:1:ffff::7";

pub fn registration(host: &str, home: &str, care_of: &str, sequence: u16) -> HomeRegistration {
    HomeRegistration {
        mn_identifier: nai(host),
        home_address: ip(home),
        care_of: ip(care_of),
        sequence,
        lifetime: Lifetime(100),
    }
}

pub fn event(registration: HomeRegistration) -> Event {
    Event::HomeRegistration { registration }
}

/// Registers `roamer`.
fn roam(lma: &mut Lma, ms: u64, care_of: &str, sequence: u16) -> Vec<Effect> {
    let effects = tell(
        lma,
        ms,
        event(registration("roamer", HOME, care_of, sequence)),
    );
    assert_eq!(answer(&effects), Status::ACCEPTED);
    effects
}

/// How a home registration was answered.
fn answer(effects: &[Effect]) -> Status {
    let answers = effects.iter().filter_map(|effect| match effect {
        Effect::Notify {
            notice: Notice::HomeRegistrationAnswered { status, .. },
        } => Some(*status),
        _ => None,
    });
    match answers.collect::<Vec<_>>()[..] {
        [status] => status,
        ref other => panic!("not one answer: {other:?} in {effects:?}"),
    }
}

pub fn of_kind(lma: &Lma, now: Now, kind: BindingKind) -> Vec<BindingView> {
    let views = lma.bindings(now).filter(|view| view.kind == kind);
    views.collect()
}

fn mobile(lma: &Lma) -> Vec<BindingView> {
    of_kind(lma, at(0), BindingKind::Mobile)
}

fn proxy(lma: &Lma) -> Vec<BindingView> {
    of_kind(lma, at(0), BindingKind::Proxy)
}

fn bound_to(care_of: &str) -> Path {
    let tunnel = TunnelEnds::plain(ip(LMA), ip(care_of));
    Path::Anchor { tunnel }
}

fn bind(prefix: HomeNetworkPrefix, care_of: &str) -> Effect {
    let (prefix, path) = (prefix.into(), bound_to(care_of));
    Effect::Bind { prefix, path }
}

/// A host's own binding is installed, stored and then answered; it is refreshed, moves and ends, and
/// what a gateway has of another host and of the same stays as it is.
///
/// Proves S1-17.
#[test]
fn a_hosts_own_binding_comes_moves_and_ends_beside_those_of_gateways() {
    let mut lma = lma();
    tell(&mut lma, 500, pbu("mn", 500).event());
    tell(&mut lma, 600, pbu("roamer", 600).interface(7).event());
    let others = proxy(&lma);
    let alone = prefix("2001:db8:1:ffff::7/128");

    let effects = roam(&mut lma, 1_000, AWAY, 40);
    let place = |is: fn(&Effect) -> bool| position(&effects, is).expect("it is there");
    assert_eq!(effects[0], bind(alone, AWAY));
    let stored = place(|it| matches!(it, Effect::Store { .. }));
    let answered = place(|it| matches!(it, Effect::Notify { .. }));
    assert!(stored < answered);
    let Effect::Store {
        record: Record::Binding(record),
    } = &effects[stored]
    else {
        panic!("{effects:?}");
    };
    assert_eq!(
        (record.kind, &record.prefixes[..]),
        (BindingKind::Mobile, &[alone][..])
    );
    let timer = Timer::BindingExpiry {
        session: record.session,
    };
    assert_eq!(
        timer_after(&effects, &timer),
        Some(Duration::from_secs(400))
    );
    assert_eq!(lma.last_home_registration(), Some(Status::ACCEPTED));
    assert_eq!(mobile(&lma), lma.home_binding(at(0), ip(HOME)).as_slice());

    // Nothing about the way of its packets changes by a refresh.
    let effects = roam(&mut lma, 2_000, AWAY, 41);
    let binds = |it: &Effect| matches!(it, Effect::Bind { .. });
    assert_eq!(position(&effects, binds), None);
    assert_eq!(lma.counter(LmaCounter::BindingsRefreshed), 1);
    let effects = roam(&mut lma, 3_000, FARTHER, 42);
    assert_eq!(effects[0], bind(alone, FARTHER));
    let moved = |effect: &Effect| {
        matches!(effect, Effect::Notify { notice: Notice::BindingMoved { from, to, .. } }
            if (*from, *to) == (ip(AWAY), ip(FARTHER)))
    };
    assert!(effects.iter().any(moved));
    assert_eq!(proxy(&lma), others);

    // It says that it is home again: by no lifetime, or by its home address for care-of address.
    let mut home = registration("roamer", HOME, FARTHER, 43);
    home.lifetime = Lifetime::ZERO;
    let effects = tell(&mut lma, 4_000, event(home));
    assert_eq!(answer(&effects), Status::ACCEPTED);
    let unbind = Effect::Unbind {
        prefix: alone.into(),
    };
    assert_eq!(effects[0], unbind);
    let key = Key::Binding {
        session: record.session,
    };
    assert!(effects.contains(&Effect::Forget { key }));
    assert_eq!((mobile(&lma), proxy(&lma)), (vec![], others.clone()));
    roam(&mut lma, 5_000, AWAY, 1);
    let effects = tell(
        &mut lma,
        6_000,
        event(registration("roamer", HOME, HOME, 2)),
    );
    assert_eq!((answer(&effects), &effects[0]), (Status::ACCEPTED, &unbind));

    // Its lifetime ends it, too.
    let effects = roam(&mut lma, 7_000, AWAY, 1);
    let session = mobile(&lma)[0].session;
    let timer = Timer::BindingExpiry { session };
    assert!(timer_after(&effects, &timer).is_some());
    assert_eq!(fire(&mut lma, 407_000, timer)[0], unbind);
    assert_eq!((mobile(&lma), proxy(&lma)), (vec![], others));
}

/// What is wrong with a home registration, in the order of RFC 6275, and nothing comes of it.
///
/// Proves S1-17.
#[test]
fn each_wrong_home_registration_gets_its_status() {
    let mut lma = lma();
    tell(&mut lma, 500, pbu("mn", 500).event());
    let held = proxy(&lma)[0].prefixes[0];
    let within = |last: u16| {
        let address = held.prefix.to_bits() | u128::from(last);
        std::net::Ipv6Addr::from_bits(address).to_string()
    };
    roam(&mut lma, 1_000, AWAY, 40);
    let asks = |home: &str, care_of: &str| registration("other", home, care_of, 1);
    let again = |sequence| registration("roamer", HOME, AWAY, sequence);
    let gone = |host: &str, home: &str| HomeRegistration {
        lifetime: Lifetime::ZERO,
        ..registration(host, home, AWAY, 1)
    };
    let nameless = HomeRegistration {
        mn_identifier: MnIdentifier::Nai(String::new()),
        ..asks("2001:db8:1:fffe::1", AWAY)
    };
    let free = "2001:db8:1:fffe::1";
    for (status, wrong) in [
        (128, nameless),
        (128, asks("ff02::1", AWAY)),
        (128, asks("fe80::1", AWAY)),
        (128, asks("::", AWAY)),
        (128, asks("::ffff:192.0.2.1", AWAY)),
        (132, asks("2001:db8:3::1", AWAY)),
        (132, gone("other", "2001:db8:3::1")),
        (133, gone("other", free)),
        // In what a gateway's host has, in what policy gives to another, and what another has itself.
        (134, asks(&within(0x77), AWAY)),
        (134, asks(&held.prefix.to_string(), AWAY)),
        (132, asks("2001:db8:2:1::7", AWAY)),
        (134, asks(HOME, FARTHER)),
        (134, gone("other", HOME)),
        (135, again(40)),
        (135, again(39)),
        (135, again(40 + 0x8000)),
        (135, gone("roamer", HOME)),
        (174, asks(free, "::")),
        (174, asks(free, "ff0e::7")),
        (174, asks(free, "fe80::7")),
        (174, asks(free, "::ffff:192.0.2.1")),
        (174, asks(free, LMA)),
        (174, asks(free, "2001:db8:1:5::7")),
        (174, asks(free, "2001:db8:2:1::9")),
    ] {
        let before: Vec<_> = lma.bindings(at(2_000)).collect();
        let effects = tell(&mut lma, 2_000, event(wrong.clone()));
        assert_eq!(answer(&effects), Status(status), "{wrong:?}");
        assert_eq!(effects.len(), 1, "{wrong:?}");
        assert!(lma.bindings(at(2_000)).eq(before));
    }
    assert_eq!(lma.counter(LmaCounter::HomeRegistrationsRefused), 24);
    assert_eq!(lma.counter(LmaCounter::HomeRegistrationsAccepted), 1);

    // Policy may know fewer hosts, and does away with the bindings of others.
    let mut few = policy();
    few.serve_unlisted = false;
    few.hosts.push(AnchoredHost {
        mn_identifier: nai("known"),
        ..few.hosts[2].clone()
    });
    let effects = tell(&mut lma, 3_000, Event::Policy { policy: few });
    assert_eq!((mobile(&lma), proxy(&lma)), (vec![], vec![]));
    assert!(position(&effects, |it| matches!(it, Effect::Unbind { .. })).is_some());
    let stranger = tell(&mut lma, 4_000, event(asks(free, AWAY)));
    assert_eq!(answer(&stranger), Status::NOT_HOME_AGENT);
    // That a gateway may not register a host is nothing to its own registrations.
    let known = registration("known", free, AWAY, 1);
    assert_eq!(
        answer(&tell(&mut lma, 5_000, event(known))),
        Status::ACCEPTED
    );
    let own = registration("fixed", "2001:db8:2:1::7", AWAY, 1);
    assert_eq!(answer(&tell(&mut lma, 6_000, event(own))), Status::ACCEPTED);
}

/// The two meet in the addresses alone: nobody is given a prefix in which another host has its home
/// address, and a host's own may lie one in the other, each on its way.
///
/// Proves S1-17.
#[test]
fn addresses_are_of_one_host_whatever_the_kind() {
    let mut lma = lma();
    roam(&mut lma, 1_000, AWAY, 1);
    let around = "2001:db8:1:ffff::/64";
    let theirs = pbu("mn", 2_000).prefix(around);
    assert_eq!(status(&tell(&mut lma, 2_000, theirs.event())), Status(155));
    let alone = pbu("mn", 2_100).prefix("2001:db8:1:ffff::7/128");
    assert_eq!(status(&tell(&mut lma, 2_100, alone.event())), Status(155));
    // An update does not find the host's own binding by its identifier either.
    let ends = pbu("roamer", 2_200).lifetime(0);
    assert_eq!(sent(&tell(&mut lma, 2_200, ends.event())), []);
    let moves = pbu("roamer", 2_300).handoff(HandoffIndicator::BETWEEN_INTERFACES);
    let effects = tell(&mut lma, 2_300, moves.prefix(around).event());
    assert_eq!(given(&effects), prefix(around));
    assert_eq!(lma.sessions(), 2);
    assert_eq!(mobile(&lma)[0].care_of, ip(AWAY));

    // The host goes on from both: its gateway ends the one, and the other stays.
    roam(&mut lma, 3_000, FARTHER, 2);
    assert_eq!(proxy(&lma)[0].care_of, ip(MAG1));
    let ends = pbu("roamer", 3_100).prefix(around).lifetime(0);
    assert_eq!(status(&tell(&mut lma, 3_100, ends.event())), Status(0));
    let session = proxy(&lma)[0].session;
    fire(&mut lma, 60_000, Timer::BindingExpiry { session });
    assert_eq!((proxy(&lma).len(), mobile(&lma).len()), (0, 1));
    // Still nobody else is given what is around it; and anybody is when it has ended and nobody had it.
    let theirs = || pbu("mn", 61_000).prefix("2001:db8:1:fffe::/64").event();
    let elsewhere = registration("roamer", "2001:db8:1:fffe::1", AWAY, 1);
    assert_eq!(
        answer(&tell(&mut lma, 60_500, event(elsewhere.clone()))),
        Status(0)
    );
    assert_eq!(status(&tell(&mut lma, 61_000, theirs())), Status(155));
    let home = HomeRegistration {
        sequence: 2,
        lifetime: Lifetime::ZERO,
        ..elsewhere
    };
    assert_eq!(answer(&tell(&mut lma, 61_000, event(home))), Status(0));
    assert_eq!(status(&tell(&mut lma, 61_000, theirs())), Status(0));
}

/// A pool of two places: one with a home address of somebody is given to nobody else, until it is free.
#[test]
fn a_place_with_a_home_address_is_given_to_nobody_else() {
    let pool = roles::pool::Pool::new(prefix("2001:db8:1::/63"), 64).unwrap();
    let mut config = lma_config();
    config.pools = roles::pool::Pools::new([pool]).unwrap();
    let mut lma = lma_with(config);
    let register = registration("roamer", "2001:db8:1::7", AWAY, 1);
    assert_eq!(
        answer(&tell(&mut lma, 1, event(register.clone()))),
        Status(0)
    );
    let given_to = |effects: &[Effect]| prefixes_of(&pba(effects).options);
    let first = tell(&mut lma, 1_000, pbu("first", 1_000).event());
    assert_eq!(given_to(&first), [prefix("2001:db8:1:1::/64")]);
    let second = || pbu("second", 2_000).event();
    assert_eq!(status(&tell(&mut lma, 2_000, second())), Status(130));
    let home = HomeRegistration {
        sequence: 2,
        lifetime: Lifetime::ZERO,
        ..register
    };
    tell(&mut lma, 2_000, event(home));
    let effects = tell(&mut lma, 2_000, second());
    assert_eq!(given_to(&effects), [prefix("2001:db8:1::/64")]);
}

/// Revocations of every scope, heartbeats of a gateway that has restarted, and the word of the operator.
///
/// Proves S1-17.
#[test]
fn what_ends_bindings_of_gateways_leaves_those_of_hosts() {
    let scopes = [
        Event::Revoke {
            scope: RevocationScope::host(nai("roamer")),
        },
        Event::Revoke {
            scope: RevocationScope::Realm {
                realm: "example.net".to_owned(),
            },
        },
        Event::Revoke {
            scope: RevocationScope::Peer { address: ip(MAG1) },
        },
        Event::Revoke {
            scope: RevocationScope::All,
        },
        message_event(MAG1, LMA, revoke(1, SINGLE, vec![who("roamer")])),
        message_event(MAG1, LMA, revoke(128, GLOBAL, vec![who("")])),
    ];
    for scope in scopes {
        let mut lma = lma();
        tell(&mut lma, 500, pbu("roamer", 500).event());
        // Even at the address of a gateway.
        let at_mag = registration("roamer", HOME, MAG1, 1);
        assert_eq!(answer(&tell(&mut lma, 1_000, event(at_mag))), Status(0));
        let own = mobile(&lma);
        let effects = tell(&mut lma, 2_000, scope.clone());
        assert_eq!(proxy(&lma), [], "{scope:?}");
        assert_eq!(mobile(&lma), own, "{scope:?}");
        if matches!(scope, Event::Message { .. }) {
            assert_eq!(acknowledgement(&effects).status, RevocationStatus::SUCCESS);
        }
        // Now there is nothing of the gateway's; an indication finds nothing.
        let again = message_event(MAG1, LMA, revoke(1, SINGLE, vec![who("roamer")]));
        let effects = tell(&mut lma, 3_000, again);
        let status = acknowledgement(&effects).status;
        assert_eq!(status, RevocationStatus::NO_BINDING);
        assert_eq!(mobile(&lma), own);
        // The operator deletes the host, and means all of it.
        tell(&mut lma, 4_000, pbu("roamer", 4_000).event());
        let mn_identifier = nai("roamer");
        tell(&mut lma, 5_000, Event::Delete { mn_identifier });
        assert_eq!(lma.sessions(), 0);
    }
}

/// What is stored brings both back with their kind, each where it was; what fits no more ends.
///
/// Proves S1-17.
#[test]
fn both_kinds_come_back_after_a_restart() {
    let mut lma = lma();
    let mut effects = tell(&mut lma, 500, pbu("mn", 500).event());
    effects.extend(roam(&mut lma, 1_000, AWAY, 40));
    let records: Vec<Record> = effects
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::Store { record } => Some(record),
            _ => None,
        })
        .collect();
    let now = Now {
        monotonic: Duration::from_secs(1),
        wall: at(2_000).wall,
    };
    let back = |lma: &mut Lma| {
        let mut effects = Vec::new();
        for record in records.clone() {
            lma.on(now, &Event::Restored { record }, &mut effects);
        }
        effects
    };
    let before: Vec<_> = lma.bindings(at(2_000)).collect();
    let mut anew = crate::scenario::lma();
    let effects = back(&mut anew);
    assert!(anew.bindings(now).eq(before));
    assert!(effects.contains(&bind(prefix("2001:db8:1:ffff::7/128"), AWAY)));
    let asks = |it: &Effect| matches!(it, Effect::SetTimer { timer: Timer::Heartbeat { peer }, .. } if *peer == ip(AWAY));
    assert_eq!(position(&effects, asks), None);
    // It goes on from its sequence number, and is looked up by its home address.
    let old = tell(
        &mut anew,
        3_000,
        event(registration("roamer", HOME, AWAY, 40)),
    );
    assert_eq!(answer(&old), Status::SEQUENCE_OUT_OF_WINDOW);
    roam(&mut anew, 3_000, FARTHER, 41);
    // Twice is once.
    assert!(back(&mut anew)
        .iter()
        .all(|effect| matches!(effect, Effect::Forget { .. })));

    // The home address is another's by now.
    let mut changed = policy();
    changed.hosts[0].home_network_prefixes = vec![prefix("2001:db8:1:ffff::/64")];
    let mut anew = crate::scenario::lma();
    tell(&mut anew, 0, Event::Policy { policy: changed });
    back(&mut anew);
    assert_eq!((proxy(&anew).len(), mobile(&anew).len()), (1, 0));
    assert_eq!(anew.counter(LmaCounter::BindingsWithdrawn), 1);
}

#[test]
fn the_table_refusing_a_hosts_own_binding_ends_it() {
    let mut lma = lma();
    roam(&mut lma, 1_000, AWAY, 1);
    let alone = prefix("2001:db8:1:ffff::7/128");
    let refused = Event::Refused {
        prefix: alone.into(),
    };
    let effects = tell(&mut lma, 1_000, refused.clone());
    assert_eq!(answer(&effects), Status::INSUFFICIENT_RESOURCES);
    assert_eq!(lma.last_home_registration(), Some(Status(130)));
    assert_eq!(lma.sessions(), 0);
    assert_eq!(tell(&mut lma, 1_000, refused), []);
    // Admission counts both kinds together.
    let mut config = lma_config();
    config.capacity = 2;
    let mut lma = lma_with(config);
    roam(&mut lma, 1_000, AWAY, 1);
    tell(&mut lma, 2_000, pbu("mn", 2_000).event());
    assert_eq!(
        status(&tell(&mut lma, 3_000, pbu("more", 3_000).event())),
        Status(130)
    );
    let more = registration("more", "2001:db8:1:fffe::1", AWAY, 1);
    assert_eq!(answer(&tell(&mut lma, 3_000, event(more))), Status(130));
    roam(&mut lma, 4_000, FARTHER, 2);
}
