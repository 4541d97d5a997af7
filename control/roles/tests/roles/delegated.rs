//! Prefixes that servers delegate to hosts (RFC 7148).

use crate::scenario::*;
use roles::effect::{Effect, Path};
use roles::event::{HostLink, Sign, Timer};
use roles::lma::{Lma, LmaCounter};
use roles::mag::{Mag, MagCounter};
use roles::store::Record;
use roles::{BoundPrefix, Event};
use wire::mh::*;

const GIVEN: &str = "2001:db8:1:5::/64";
const LAN: &str = "2001:db8:d000:100::/56";
const OTHER: &str = "2001:db8:d000:300::/56";

fn option(text: &str) -> MobilityOption {
    MobilityOption::DelegatedPrefix(DelegatedPrefix::V6(prefix(text)))
}

fn told(options: &[MobilityOption]) -> Vec<MobilityOption> {
    let options = options.iter().filter(|option| option.kind() == 55);
    options.cloned().collect()
}

fn anchor() -> Lma {
    let mut config = lma_config();
    config.delegated_prefixes = vec![prefix("2001:db8:d000::/36")];
    let mut lma = Lma::new(config);
    let mut policy = policy();
    policy.hosts[0].delegation = false;
    tell(&mut lma, 0, Event::Policy { policy });
    lma
}

fn is_bound(effects: &[Effect], text: &str) -> bool {
    let bound = BoundPrefix::V6(prefix(text));
    effects.iter().any(
        |it| matches!(it, Effect::Bind { prefix, path: Path::Anchor { .. } } if *prefix == bound),
    )
}

fn is_unbound(effects: &[Effect], text: &str) -> bool {
    let prefix = prefix(text).into();
    effects.contains(&Effect::Unbind { prefix })
}

#[test]
fn what_is_delegated_is_bound_and_moves_with_its_session() {
    let mut lma = anchor();
    let first = tell(&mut lma, 10, pbu("mn", 10).and(option("::/0")).event());
    assert_eq!(
        (status(&first), told(&pba(&first).options)),
        (Status(0), vec![])
    );
    let effects = tell(&mut lma, 20, pbu("mn", 20).and(option(LAN)).event());
    assert!(is_bound(&effects, LAN));
    assert_eq!(told(&pba(&effects).options), [option(LAN)]);
    // The next gateway does not know it, and asks.
    let asks = pbu("mn", 30).from(MAG2).and(option("::/0"));
    let effects = tell(&mut lma, 30, asks.event());
    assert!(is_bound(&effects, LAN));
    assert_eq!(told(&pba(&effects).options), [option(LAN)]);
    let view = lma.bindings(at(30)).next().expect("a binding");
    assert_eq!(view.delegated_prefixes, [prefix(LAN)]);
    // One that knows nothing of delegation ends it.
    let effects = tell(&mut lma, 40, pbu("mn", 40).event());
    assert!(is_unbound(&effects, LAN));
    assert_eq!(told(&pba(&effects).options), []);
    // Another host may have it now.
    let effects = tell(
        &mut lma,
        50,
        pbu("other", 50).interface(2).and(option(LAN)).event(),
    );
    assert_eq!(status(&effects), Status(0));
}

#[test]
fn what_is_delegated_waits_ends_and_comes_back_with_its_session() {
    let mut lma = anchor();
    let effects = tell(&mut lma, 10, pbu("mn", 10).and(option(LAN)).event());
    let record = effects.into_iter().find_map(|effect| match effect {
        Effect::Store { record } => Some(record),
        _ => None,
    });
    let goodbye = pbu("mn", 20).lifetime(0).and(option(LAN));
    let effects = tell(&mut lma, 20, goodbye.event());
    let pending = Effect::Bind {
        prefix: prefix(LAN).into(),
        path: Path::Pending,
    };
    assert!(effects.contains(&pending));
    let effects = fire(&mut lma, 10_020, Timer::BindingExpiry { session: 1 });
    assert!(is_unbound(&effects, LAN));
    let record: Record = record.expect("it is stored");
    let effects = tell(
        &mut lma,
        10_030,
        Event::Restored {
            record: record.clone(),
        },
    );
    assert!(is_bound(&effects, LAN));
    // What somebody else has meanwhile does not come back.
    let mut lma = anchor();
    tell(
        &mut lma,
        10,
        pbu("other", 10)
            .and(option("2001:db8:d000:180::/64"))
            .event(),
    );
    let effects = tell(&mut lma, 20, Event::Restored { record });
    assert!(!is_bound(&effects, LAN));
    assert_eq!(lma.counter(LmaCounter::BindingsNotInstalled), 1);
}

/// Every wrong request gets its status and changes nothing.
#[test]
fn what_cannot_be_delegated_is_refused() {
    let mut lma = anchor();
    tell(&mut lma, 10, pbu("mn", 10).and(option(LAN)).event());
    let other = |ms| pbu("other", ms).interface(2);
    for (why, update, expected) in [
        ("another's", other(20).and(option(LAN)), 178),
        (
            "within another's",
            other(20).and(option("2001:db8:d000:1ff::/64")),
            178,
        ),
        (
            "around another's",
            other(20).and(option("2001:db8:d000::/48")),
            178,
        ),
        (
            "of nowhere",
            other(20).and(option("2001:db8:e000::/56")),
            178,
        ),
        ("around all", other(20).and(option("2001:db8::/32")), 178),
        (
            "twice",
            other(20)
                .and(option("2001:db8:d000:200::/56"))
                .and(option("2001:db8:d000:280::/64")),
            178,
        ),
        (
            "one of two",
            other(20).and(option(OTHER)).and(option(LAN)),
            178,
        ),
        (
            "not for this host",
            pbu("fixed", 20).interface(3).and(option(OTHER)),
            177,
        ),
    ] {
        let effects = tell(&mut lma, 20, update.event());
        assert_eq!(status(&effects), Status(expected), "{why}");
        assert_eq!(lma.sessions(), 1, "{why}");
    }
    // A refresh that is refused leaves what there was.
    let refresh = pbu("mn", 30).and(option("2001:db8:e000::/56"));
    assert_eq!(status(&tell(&mut lma, 30, refresh.event())), Status(178));
    let view = lma.bindings(at(30)).next().expect("a binding");
    assert_eq!(view.delegated_prefixes, [prefix(LAN)]);
    assert_eq!(lma.counter(LmaCounter::StatusDelegatedInUse), 8);
    assert_eq!(lma.counter(LmaCounter::StatusNotDelegated), 1);
}

#[test]
fn an_anchor_that_is_not_set_up_for_it_passes_over_the_option() {
    let mut lma = lma();
    let effects = tell(&mut lma, 10, pbu("mn", 10).and(option(LAN)).event());
    assert_eq!(
        (status(&effects), told(&pba(&effects).options)),
        (Status(0), vec![])
    );
    assert!(!is_bound(&effects, LAN));
}

/// It takes room in the table as others do.
#[test]
fn delegated_prefixes_are_counted() {
    let mut config = lma_config();
    config.capacity = 2;
    config.delegated_prefixes = vec![prefix("2001:db8:d000::/36")];
    let mut lma = lma_with(config);
    let two = pbu("mn", 10).and(option(LAN)).and(option(OTHER));
    assert_eq!(status(&tell(&mut lma, 10, two.event())), Status(130));
    assert_eq!(
        status(&tell(&mut lma, 20, pbu("mn", 20).and(option(LAN)).event())),
        Status(0)
    );
    assert_eq!(
        status(&tell(&mut lma, 30, pbu("a", 30).event())),
        Status(130)
    );
    // The table refuses it: the session ends.
    let effects = tell(
        &mut lma,
        40,
        pbu("mn", 40).from(MAG2).and(option(LAN)).event(),
    );
    assert_eq!(status(&effects), Status(0));
    let effects = tell(
        &mut lma,
        40,
        Event::Refused {
            prefix: prefix(LAN).into(),
        },
    );
    assert_eq!(status(&effects), Status(130));
    assert_eq!(lma.sessions(), 0);
}

fn gateway() -> Mag {
    let mut config = mag_config();
    config.delegation = true;
    Mag::new(config)
}

fn here() -> HostLink {
    link(0, 1)
}

fn attach(mag: &mut Mag, ms: u64) -> BindingUpdate {
    tell(mag, ms, solicits(here()));
    pbu_in(&tell(mag, ms, admitted(here(), profile("mn")))).clone()
}

fn delegates(delegated: &[&str], withdrawn: &[&str]) -> Event {
    let all = |texts: &[&str]| texts.iter().map(|text| prefix(text)).collect();
    Event::Leases {
        link: here(),
        server: None,
        granted: Vec::new(),
        ended: Vec::new(),
        delegated: all(delegated),
        withdrawn: all(withdrawn),
    }
}

/// The anchor's answer, with what it says of delegated prefixes.
fn answers(update: &BindingUpdate, status: u8, delegated: &[&str]) -> Event {
    let mut answer = answer(update, Status(status), &[GIVEN]);
    answer.options.retain(|option| option.kind() != 55);
    answer.options.extend(delegated.iter().map(|it| option(it)));
    answered(answer)
}

fn bound_to_host(effects: &[Effect]) -> Vec<(BoundPrefix, bool)> {
    let bound = effects.iter().filter_map(|effect| match effect {
        Effect::Bind {
            prefix,
            path: Path::Access { delegated, .. },
        } => Some((*prefix, *delegated)),
        _ => None,
    });
    bound.collect()
}

#[test]
fn a_gateway_tells_its_anchor_what_is_delegated_and_binds_it() {
    let mut mag = gateway();
    let update = attach(&mut mag, 0);
    assert_eq!(told(&update.options), [option("::/0")]);
    tell(&mut mag, 5, answers(&update, 0, &[]));
    let effects = tell(&mut mag, 5000, delegates(&[LAN], &[]));
    let update = pbu_in(&effects).clone();
    assert_eq!(told(&update.options), [option(LAN)]);
    // Nothing is bound before the anchor has said so, and nothing of it advertised.
    assert_eq!(bound_to_host(&effects), []);
    let effects = tell(&mut mag, 5010, answers(&update, 0, &[LAN]));
    assert_eq!(bound_to_host(&effects), [(prefix(LAN).into(), true)]);
    assert_eq!(advertisements(&effects), []);
    // The same again tells nobody anything.
    assert_eq!(tell(&mut mag, 6000, delegates(&[LAN], &[])), []);
    // A host of what is delegated speaks: its addresses are not the gateway's to judge.
    let source = ip("2001:db8:d000:101::7");
    let sign = Sign::Packet { source };
    assert_eq!(
        tell(&mut mag, 7000, Event::HostSeen { link: here(), sign }),
        []
    );
    assert_eq!(mag.counter(MagCounter::AddressesRefused), 0);
    // It ends: the anchor is told of none.
    let effects = tell(&mut mag, 9000, delegates(&[], &[LAN]));
    let update = pbu_in(&effects).clone();
    assert_eq!(told(&update.options), []);
    let effects = tell(&mut mag, 9010, answers(&update, 0, &[]));
    assert!(is_unbound(&effects, LAN));
    assert_eq!(advertisements(&effects), []);
}

#[test]
fn the_next_gateway_is_told_what_is_delegated() {
    let mut mag = gateway();
    let update = attach(&mut mag, 0);
    let effects = tell(&mut mag, 5, answers(&update, 0, &[LAN]));
    let expected = [(prefix(GIVEN).into(), false), (prefix(LAN).into(), true)];
    assert_eq!(bound_to_host(&effects), expected);
    let (_, _, advertisement) = advertisements(&effects)[0];
    assert_eq!(advertisement.prefixes.len(), 1);
    let view = mag.visitors(at(5)).next().expect("a visitor");
    assert_eq!(view.delegated_prefixes, [prefix(LAN)]);
    // It comes back after a restart.
    let stored = effects.into_iter().find_map(|effect| match effect {
        Effect::Store { record } => Some(record),
        _ => None,
    });
    let record = stored.expect("it is stored");
    let effects = tell(&mut gateway(), 100, Event::Restored { record });
    assert_eq!(bound_to_host(&effects), expected);
    // And is named in the refresh.
    let effects = fire(&mut mag, 2_880_000, Timer::Refresh { link: here() });
    assert_eq!(told(&pbu_in(&effects).options), [option(LAN)]);
}

/// It leased one while an update was on its way.
#[test]
fn a_lease_that_comes_while_an_update_is_answered_is_told_after_it() {
    let mut mag = gateway();
    let update = attach(&mut mag, 0);
    tell(&mut mag, 5, answers(&update, 0, &[]));
    let first = pbu_in(&tell(&mut mag, 5000, delegates(&[LAN], &[]))).clone();
    assert_eq!(tell(&mut mag, 5001, delegates(&[OTHER], &[])), []);
    let effects = tell(&mut mag, 5010, answers(&first, 0, &[LAN]));
    assert_eq!(
        told(&pbu_in(&effects).options),
        [option(LAN), option(OTHER)]
    );
}

/// The anchor's word comes when the host has been told not to have it.
#[test]
fn what_is_withdrawn_before_it_is_acknowledged_is_not_bound() {
    let mut mag = gateway();
    let update = attach(&mut mag, 0);
    tell(&mut mag, 5, answers(&update, 0, &[]));
    let first = pbu_in(&tell(&mut mag, 5000, delegates(&[LAN], &[]))).clone();
    assert_eq!(tell(&mut mag, 7000, delegates(&[], &[LAN])), []);
    let effects = tell(&mut mag, 7010, answers(&first, 0, &[LAN]));
    assert_eq!(bound_to_host(&effects), []);
    let again = pbu_in(&effects).clone();
    assert_eq!(told(&again.options), []);
    tell(&mut mag, 7020, answers(&again, 0, &[]));
    assert_eq!(mag.counter(MagCounter::DelegationsRefused), 0);
    // The next exchange has it again.
    let update = pbu_in(&tell(&mut mag, 9000, delegates(&[LAN], &[]))).clone();
    let effects = tell(&mut mag, 9010, answers(&update, 0, &[LAN]));
    assert_eq!(bound_to_host(&effects), [(prefix(LAN).into(), true)]);
}

#[test]
fn a_host_is_served_on_when_its_anchor_takes_no_delegated_prefix() {
    for status in [177, 178] {
        let mut mag = gateway();
        let update = attach(&mut mag, 0);
        tell(&mut mag, 5, answers(&update, 0, &[]));
        let update = pbu_in(&tell(&mut mag, 5000, delegates(&[LAN], &[]))).clone();
        let effects = tell(&mut mag, 5010, answers(&update, status, &[]));
        let again = pbu_in(&effects).clone();
        assert_eq!(told(&again.options), []);
        assert_eq!(prefixes_of(&again.options), [prefix(GIVEN)]);
        assert!(!is_unbound(&effects, GIVEN));
        tell(&mut mag, 5020, answers(&again, 0, &[]));
        assert_eq!(
            mag.visitors(at(5020)).next().expect("a visitor").prefixes,
            [prefix(GIVEN)]
        );
        assert_eq!(mag.counter(MagCounter::DelegationsRefused), 1);
    }
}

#[test]
fn a_gateway_without_delegation_says_nothing_of_it() {
    let mut mag = mag();
    let update = attach(&mut mag, 0);
    assert_eq!(told(&update.options), []);
    let effects = tell(&mut mag, 5, answers(&update, 0, &[LAN]));
    assert_eq!(bound_to_host(&effects), [(prefix(GIVEN).into(), false)]);
    assert_eq!(tell(&mut mag, 5000, delegates(&[LAN], &[])), []);
}
