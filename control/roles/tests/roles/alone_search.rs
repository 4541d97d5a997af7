//! The first advertisement of a MAAR without a database: what it waits for, and how long.

use crate::alone_messages::{
    address, advertised, answer, comes, config, here, query, says, told, updates,
};
use crate::alone_scenario::{alone, Known};
use crate::maar_scenario::{anchored, bindings, maar_address, own_prefix, timer};
use crate::scenario::{
    admitted, advertisements, fire, ip, nai, profile, solicits, stamp, tell, timer_after,
    HOST_LINK_LOCAL,
};
use roles::effect::{Effect, Path, TunnelEnds};
use roles::event::{Found, NodeTimer, Sign};
use roles::maar::{Backend, Maar, MaarCounter};
use roles::Event;
use std::time::Duration;
use wire::mh::{MobilityOption, Status};
use wire::niq::Answer;

/// Proves S2-52, S2-53.
#[test]
fn the_advertisement_comes_after_the_answers_of_the_anchors() {
    let mut maar = Maar::new(config());
    let (query, _) = comes(&mut maar, 1_000);
    let reply = told(&query, &[address(2), address(3)]);
    let effects = tell(&mut maar, 1_010, says(here(), HOST_LINK_LOCAL, reply));
    let [(_, second), (_, third)] = updates(&effects).try_into().unwrap();
    let effects = tell(&mut maar, 1_020, answer(2, &second, Status::ACCEPTED));
    let tunnel = TunnelEnds::plain(ip(&maar_address(1)), ip(&maar_address(2)));
    let path = Path::Access {
        tunnel,
        link: here(),
        delegated: false,
    };
    assert_eq!(
        bindings(&effects),
        (vec![(anchored(2).into(), path)], vec![])
    );
    assert!(advertisements(&effects).is_empty());
    let effects = tell(&mut maar, 1_030, answer(3, &third, Status::ACCEPTED));
    let expected = [
        (own_prefix(&maar), true, true),
        (anchored(2), true, false),
        (anchored(3), true, false),
    ];
    assert_eq!(advertised(&effects), expected);
    assert_eq!(maar.learned(), 2);
    assert_eq!(maar.counter(MaarCounter::HostsAttached), 1);
}

/// Proves S2-53.
#[test]
fn a_host_that_never_answers_is_advertised_to_when_its_time_is_over() {
    let mut maar = Maar::new(config());
    let (first, _) = comes(&mut maar, 1_000);
    for (ms, nonce) in [(1_250, first.nonce), (1_500, first.nonce)] {
        let effects = fire(&mut maar, ms, timer(NodeTimer::Query));
        assert_eq!(query(&effects).map(|it| it.nonce), Some(nonce));
        assert!(advertisements(&effects).is_empty());
    }
    let effects = fire(&mut maar, 1_750, timer(NodeTimer::Query));
    assert_eq!(query(&effects), None);
    assert_eq!(advertised(&effects), [(own_prefix(&maar), true, true)]);
    assert_eq!(maar.counter(MaarCounter::SearchesGivenUp), 1);
    // An answer that comes all the same is used.
    let reply = told(&first, &[address(2)]);
    let effects = tell(&mut maar, 2_000, says(here(), HOST_LINK_LOCAL, reply));
    let [(_, update)] = updates(&effects).try_into().unwrap();
    let effects = tell(&mut maar, 2_010, answer(2, &update, Status::ACCEPTED));
    let expected = [(own_prefix(&maar), true, true), (anchored(2), true, false)];
    assert_eq!(advertised(&effects), expected);
    assert_eq!(maar.counter(MaarCounter::AnchorsLate), 1);
}

/// Proves S2-50, S2-53.
#[test]
fn a_host_that_does_not_tell_is_advertised_to_at_once() {
    for refusal in [Answer::Refused, Answer::UnknownQtype] {
        let mut maar = Maar::new(config());
        let (query, _) = comes(&mut maar, 1_000);
        let reply = query.reply(refusal);
        let effects = tell(&mut maar, 1_010, says(here(), HOST_LINK_LOCAL, reply));
        assert_eq!(advertised(&effects), [(own_prefix(&maar), true, true)]);
        assert_eq!(maar.counter(MaarCounter::RepliesRefused), 1);
    }
}

/// Proves S2-53.
#[test]
fn the_advertisement_does_not_wait_for_an_anchor_that_is_late() {
    let mut maar = Maar::new(config());
    let (query, _) = comes(&mut maar, 1_000);
    let reply = told(&query, &[address(2)]);
    let effects = tell(&mut maar, 1_010, says(here(), HOST_LINK_LOCAL, reply));
    let [(_, update)] = updates(&effects).try_into().unwrap();
    let wait = timer_after(&effects, &timer(NodeTimer::Search));
    assert_eq!(wait, Some(Duration::from_millis(100)), "and no longer");
    let effects = fire(&mut maar, 1_110, timer(NodeTimer::Search));
    assert_eq!(advertised(&effects), [(own_prefix(&maar), true, true)]);
    let effects = tell(&mut maar, 3_000, answer(2, &update, Status::ACCEPTED));
    assert_eq!(
        advertised(&effects).last(),
        Some(&(anchored(2), true, false))
    );
}

/// A host that answers late has what is left of the time, and one that has a prefix of an anchor that is
/// gone hears of the others as soon as of its new one.
///
/// Proves S2-53.
#[test]
fn a_stale_prefix_delays_no_other() {
    let mut maar = Maar::new(config());
    let (query, _) = comes(&mut maar, 1_000);
    let reply = told(&query, &[address(2), address(3)]);
    let effects = tell(&mut maar, 1_950, says(here(), HOST_LINK_LOCAL, reply));
    let wait = timer_after(&effects, &timer(NodeTimer::Search));
    assert_eq!(wait, Some(Duration::from_millis(50)));
    let [(_, second), _] = updates(&effects).try_into().unwrap();
    let effects = tell(&mut maar, 1_960, answer(2, &second, Status::ACCEPTED));
    assert_eq!(advertised(&effects), []);
    let effects = fire(&mut maar, 2_000, timer(NodeTimer::Search));
    let expected = [(own_prefix(&maar), true, true), (anchored(2), true, false)];
    assert_eq!(advertised(&effects), expected);
    assert_eq!(maar.counter(MaarCounter::SearchesOverdue), 1);
}

/// Proves S2-43.
#[test]
fn an_anchor_that_never_answers_is_given_up_with_its_prefix() {
    let mut maar = Maar::new(config());
    let (query, _) = comes(&mut maar, 1_000);
    let reply = told(&query, &[address(2)]);
    tell(&mut maar, 1_010, says(here(), HOST_LINK_LOCAL, reply));
    fire(&mut maar, 2_000, timer(NodeTimer::Search));
    let again = timer(NodeTimer::Anchor {
        prefix: anchored(2),
    });
    for ms in [3_000, 6_000, 12_000, 24_000] {
        let [(to, update)] = updates(&fire(&mut maar, ms, again.clone()))
            .try_into()
            .unwrap();
        assert_eq!(to, ip(&maar_address(2)));
        assert!(update
            .options
            .contains(&MobilityOption::Timestamp(stamp(1_000))));
    }
    let effects = fire(&mut maar, 40_000, again);
    assert!(updates(&effects).is_empty());
    assert_eq!(
        advertised(&effects).last(),
        Some(&(anchored(2), false, false))
    );
    assert_eq!(maar.counter(MaarCounter::AnchorsSilent), 1);
}

#[test]
fn an_anchor_that_does_not_know_the_host_is_given_up_at_once() {
    let mut maar = Maar::new(config());
    let (query, _) = comes(&mut maar, 1_000);
    let reply = told(&query, &[address(2)]);
    let effects = tell(&mut maar, 1_010, says(here(), HOST_LINK_LOCAL, reply));
    let [(_, update)] = updates(&effects).try_into().unwrap();
    let refusal = answer(2, &update, Status::NOT_LMA_FOR_THIS_MOBILE_NODE);
    let effects = tell(&mut maar, 1_020, refusal);
    let expected = [(own_prefix(&maar), true, true), (anchored(2), false, false)];
    assert_eq!(advertised(&effects), expected);
    assert_eq!(maar.counter(MaarCounter::AnchorsUnknowing), 1);
}

/// The anchor has heard of the host's stay from a gateway whose clock is ahead, and that the host was with
/// for a moment before it came here.
///
/// Proves S2-51.
#[test]
fn a_host_that_an_anchor_takes_to_have_gone_on_is_asked_and_believed() {
    let mut maar = Maar::new(config());
    let (first, _) = comes(&mut maar, 1_000);
    let reply = told(&first, &[address(2)]);
    let effects = tell(&mut maar, 1_010, says(here(), HOST_LINK_LOCAL, reply));
    let [(_, update)] = updates(&effects).try_into().unwrap();
    let refusal = answer(2, &update, Status::TIMESTAMP_LOWER_THAN_PREV_ACCEPTED);
    let effects = tell(&mut maar, 1_020, refusal.clone());
    assert_eq!(advertised(&effects), [(own_prefix(&maar), true, true)]);
    assert_eq!(updates(&tell(&mut maar, 1_030, refusal)), []);
    // One that has gone on answers nothing.
    let mut left = maar.clone();
    for ms in [2_020, 2_270, 2_520] {
        assert!(query(&fire(&mut left, ms, timer(NodeTimer::Query))).is_some());
    }
    for ms in [2_770, 3_020] {
        assert_eq!(query(&fire(&mut left, ms, timer(NodeTimer::Query))), None);
    }
    // One that is here says so, and the anchor is told of the time at which it did.
    let again = query(&fire(&mut maar, 2_020, timer(NodeTimer::Query))).expect("a question");
    assert_ne!(again.nonce, first.nonce);
    let reply = told(&again, &[address(2)]);
    let effects = tell(&mut maar, 2_025, says(here(), HOST_LINK_LOCAL, reply));
    let [(_, update)] = updates(&effects).try_into().unwrap();
    let came = MobilityOption::Timestamp(stamp(2_025));
    assert!(update.options.contains(&came), "{update:?}");
    let effects = tell(&mut maar, 2_030, answer(2, &update, Status::ACCEPTED));
    let (bound, _) = bindings(&effects);
    assert_eq!(bound.first().map(|it| it.0), Some(anchored(2).into()));
}

/// The same where others tell which prefixes a host has: it is asked whether it is here, and then they are
/// asked again.
///
/// Proves S2-43.
#[test]
fn a_host_that_an_anchor_takes_to_have_gone_on_shows_itself_and_is_looked_for_anew() {
    let mut maar = Maar::new(alone(1, 12, Backend::Asked, Known::ByPools));
    tell(&mut maar, 1_000, solicits(here()));
    tell(&mut maar, 1_000, admitted(here(), profile("mn")));
    let found = || Event::AnchorsFound {
        link: here(),
        found: Found::Prefixes(vec![anchored(2)]),
    };
    let [(_, update)] = updates(&tell(&mut maar, 1_010, found()))
        .try_into()
        .unwrap();
    let refusal = answer(2, &update, Status::TIMESTAMP_LOWER_THAN_PREV_ACCEPTED);
    tell(&mut maar, 1_020, refusal);
    let address = ip(HOST_LINK_LOCAL);
    let link = here();
    for ms in [2_020, 3_020] {
        let effects = fire(&mut maar, ms, timer(NodeTimer::Query));
        assert!(effects.contains(&Effect::Probe { link, address }));
    }
    // One that has gone on is asked no more once it is missed.
    let mut left = maar.clone();
    let why = roles::event::Departure::Unreachable;
    tell(&mut left, 3_500, Event::HostGone { link, why });
    assert!(fire(&mut left, 4_020, timer(NodeTimer::Query)).is_empty());
    let sign = Sign::Packet { source: address };
    let effects = tell(&mut maar, 3_025, Event::HostSeen { link, sign });
    let mn_identifier = nai("mn");
    assert!(effects.contains(&Effect::FindAnchors {
        link,
        mn_identifier
    }));
    let [(_, update)] = updates(&tell(&mut maar, 3_040, found()))
        .try_into()
        .unwrap();
    let came = MobilityOption::Timestamp(stamp(3_025));
    assert!(update.options.contains(&came), "{update:?}");
    let effects = tell(&mut maar, 3_050, answer(2, &update, Status::ACCEPTED));
    let (bound, _) = bindings(&effects);
    assert_eq!(bound.first().map(|it| it.0), Some(anchored(2).into()));
}
