//! Without a database, the gateway that a host has left hears so from the anchors whose prefixes it had there.

use crate::alone_messages::{from_gateway, here, served, straight};
use crate::alone_scenario::{Domain, Known, ASKS};
use crate::cmd_scenario::{acknowledges, indications};
use crate::maar_scenario::{anchored, bindings, maar_address, own_prefix, pool};
use crate::scenario::*;
use roles::effect::Effect;
use roles::event::Timer;
use roles::maar::{Maar, MaarCounter};
use roles::Event;
use std::net::Ipv6Addr;
use wire::mh::*;

/// The one indication that effects send, and to whom.
fn indication(effects: &[Effect]) -> (Ipv6Addr, RevocationIndication) {
    let [one] = indications(effects).try_into().unwrap();
    one
}

/// A host leaves a gateway whose own prefix it never used, and so tells the next one of none: what that
/// gateway has of the other anchor goes all the same.
///
/// Proves S2-48.
#[test]
fn a_gateway_hears_of_a_host_that_left_it_for_one_that_does_not_know_it() {
    let mut domain = Domain::new(3, ASKS, Known::ByPrefix, 1, 0.0);
    domain.walk_to(1);
    domain.walk_to(2);
    domain.check(2, &[1], "at 2");
    domain
        .prefixes
        .retain(|prefix| !pool(2).contains(prefix.prefix));
    domain.walk_to(3);
    domain.check(3, &[1], "at 3");
    let left: Vec<_> = domain.maar(2).nodes(at(domain.now)).collect();
    assert!(left[0].previous.is_empty());
    assert_eq!(domain.nodes[1].table.len(), 1, "its own prefix is left");
    assert_eq!(domain.count(1, MaarCounter::RevocationsAcknowledged), 1);
    assert_eq!(domain.count(2, MaarCounter::RevocationsAccepted), 1);
    assert_eq!(domain.count(2, MaarCounter::AnchorsElsewhere), 1);
    // It is back at its first anchor: the third hears so.
    domain
        .prefixes
        .retain(|prefix| !pool(3).contains(prefix.prefix));
    domain.walk_to(1);
    domain.check(1, &[], "at 1");
    assert_eq!(domain.count(3, MaarCounter::RevocationsAccepted), 1);
    assert_eq!(domain.nodes[2].table.len(), 1);
}

/// However often it has to be said, a host that goes back and forth has its prefixes where it is.
///
/// Proves S2-48.
#[test]
fn a_host_that_goes_back_and_forth_has_its_prefixes_where_it_is() {
    for seed in 0..6 {
        let mut domain = Domain::new(3, ASKS, Known::ByPrefix, seed, 0.2);
        domain.walk_to(1);
        for place in [2, 3, 2, 3, 2] {
            domain.walk_to(place);
        }
        domain.run(domain.now + 60_000);
        domain.check(2, &[1, 3], &format!("seed {seed}"));
    }
}

/// What tells of a stay before the present one is refused; what tells of the present one takes the prefix from
/// the tables, and the host is not told that it has it no longer.
#[test]
fn what_was_overtaken_by_the_host_is_refused() {
    let mut maar = served();
    let about = |came| {
        let message = Message::RevocationIndication(RevocationIndication {
            trigger: RevocationTrigger::HANDOVER_UNKNOWN,
            sequence: 7,
            flags: RevocationFlags::PROXY,
            options: vec![
                MobilityOption::MnIdentifier(nai("mn")),
                MobilityOption::HomeNetworkPrefix(anchored(2)),
                MobilityOption::Timestamp(stamp(came)),
            ],
        });
        move |n| message_event(&maar_address(n), &maar_address(1), message.clone())
    };
    let status = |effects: &[Effect]| {
        let answers = sent(effects).into_iter();
        let mut answers = answers.filter_map(|(_, _, message)| match message {
            Message::RevocationAcknowledgement(answer) => Some(answer.status),
            _ => None,
        });
        answers.next()
    };
    let effects = tell(&mut maar, 2_000, about(900)(2));
    assert_eq!(status(&effects), Some(RevocationStatus::ATTACHED));
    assert_eq!(bindings(&effects), (vec![], vec![]));
    // Each anchor speaks for itself, and nobody for those that are none.
    let effects = tell(&mut maar, 2_010, about(1_000)(3));
    assert_eq!(status(&effects), Some(RevocationStatus::NO_BINDING));
    let effects = tell(&mut maar, 2_010, about(1_000)(99));
    assert_eq!(status(&effects), None);
    assert_eq!(maar.counter(MaarCounter::RevocationByStranger), 1);
    let effects = tell(&mut maar, 2_020, about(1_000)(2));
    assert_eq!(status(&effects), Some(RevocationStatus::SUCCESS));
    assert_eq!(bindings(&effects), (vec![], vec![anchored(2).into()]));
    assert_eq!(advertisements(&effects).len(), 0);
}

/// A host that is with the third gateway, of which the fourth says that it came there later, and the third
/// again: whoever has it is not told that it has not.
#[test]
fn who_has_the_host_again_is_not_told_that_it_has_not() {
    let mut maar = served();
    let comes_to = |maar: &mut Maar, n: u16, came: u64| {
        let update = straight(maar, came, |_| {});
        tell(maar, came + 10, from_gateway(n, update))
    };
    assert_eq!(indications(&comes_to(&mut maar, 3, 2_000)), []);
    let effects = comes_to(&mut maar, 4, 3_000);
    let (to, first) = indication(&effects);
    assert_eq!(to, ip(&maar_address(3)));
    let expected = [
        MobilityOption::MnIdentifier(nai("mn")),
        MobilityOption::HomeNetworkPrefix(own_prefix(&maar)),
        MobilityOption::Timestamp(stamp(2_000)),
    ];
    assert_eq!(first.options, expected);
    let sequence = first.sequence;
    let timer = Timer::Revocation { sequence };
    assert_eq!(
        indication(&fire(&mut maar, 4_100, timer.clone())),
        (to, first.clone())
    );
    // Back at the third.
    let effects = comes_to(&mut maar, 3, 5_000);
    assert!(effects.contains(&Effect::CancelTimer { timer }));
    let (to, second) = indication(&effects);
    assert_eq!(to, ip(&maar_address(4)));
    // And here: the third is told.
    tell(&mut maar, 6_000, solicits(here()));
    let effects = tell(&mut maar, 6_000, admitted(here(), profile("mn")));
    let (to, third) = indication(&effects);
    assert_eq!(to, ip(&maar_address(3)));
    for (n, it) in [(4, &second), (3, &third)] {
        let answer = acknowledges(it, RevocationStatus::SUCCESS);
        let event: Event = message_event(&maar_address(n), &maar_address(1), answer);
        tell(&mut maar, 6_010, event);
    }
    assert_eq!(maar.counter(MaarCounter::RevocationsAcknowledged), 2);
    assert_eq!(maar.counter(MaarCounter::RevocationsSent), 3);
}
