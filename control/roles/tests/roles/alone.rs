//! A MAAR without a database, message by message: what it believes of hosts and of other gateways, and
//! what it does when nobody answers.

use crate::alone_messages::{
    address, advertised, answer, comes, config, from_gateway, here, query, says, served, straight,
    told, updates,
};
use crate::alone_scenario::{alone, Known};
use crate::maar_scenario::{anchored, bindings, maar_address, own_prefix, pool};
use crate::scenario::{
    admitted, advertisements, at, ignored_because, ip, link, message_event, nai, pba, profile,
    sent, solicits, stamp, status, tell, HOST_LINK_LOCAL,
};
use roles::counters::Counter;
use roles::effect::{Effect, Path, TunnelEnds};
use roles::event::Found;
use roles::maar::{Backend, Maar, MaarCounter, NodeState};
use roles::Event;
use std::net::Ipv6Addr;
use wire::mh::{
    BindingUpdate, HandoffIndicator, HomeNetworkPrefix, Lifetime, Message, MobilityOption, Status,
    UpdateFlags,
};
use wire::niq::{Flags, Qtype, Subject};

/// Proves S2-40, S2-49.
#[test]
fn a_host_that_comes_is_served_and_asked_for_its_addresses() {
    let mut maar = Maar::new(config());
    let (query, effects) = comes(&mut maar, 1_000);
    let own = own_prefix(&maar);
    assert!(pool(1).contains(own.prefix));
    let at_once = (vec![(own.into(), Path::Local { link: here() })], vec![]);
    assert_eq!(bindings(&effects), at_once);
    assert!(
        advertisements(&effects).is_empty(),
        "it waits for the anchors"
    );
    assert_eq!(query.qtype, Qtype::NODE_ADDRESSES);
    assert!(query.flags.contains(Flags::GLOBAL));
    assert_eq!(query.subject, Subject::Ipv6(ip(HOST_LINK_LOCAL)));
    let to = effects.iter().find_map(|effect| match effect {
        Effect::QueryNode { to, link, .. } => Some((*to, *link)),
        _ => None,
    });
    assert_eq!(to, Some((ip(HOST_LINK_LOCAL), here())));
    // Another host is asked with another nonce.
    let other = link(1, 2);
    tell(&mut maar, 1_000, solicits(other));
    let effects = tell(&mut maar, 1_000, admitted(other, profile("other")));
    assert_ne!(self::query(&effects).unwrap().nonce, query.nonce);
}

/// Proves S2-50, S2-51.
#[test]
fn prefixes_of_the_domain_are_sought_and_nothing_else() {
    let mut maar = Maar::new(config());
    let (query, _) = comes(&mut maar, 1_000);
    let own = own_prefix(&maar);
    let ours = |host| Ipv6Addr::from_bits(own.prefix.to_bits() | host);
    let addresses = [
        ip(HOST_LINK_LOCAL),
        ip("2001:db8:bad::1"),
        ip("ff0e::1"),
        ip("::1"),
        address(2),
        ours(5),
        // Another address of a prefix makes no other anchor.
        Ipv6Addr::from_bits(address(2).to_bits() + 1),
        address(3),
    ];
    let mut reply = told(&query, &addresses);
    reply.flags = reply.flags.with(Flags::TRUNCATED);
    let effects = tell(&mut maar, 1_010, says(here(), HOST_LINK_LOCAL, reply));
    let to: Vec<Ipv6Addr> = updates(&effects).iter().map(|(to, _)| *to).collect();
    assert_eq!(to, [ip(&maar_address(2)), ip(&maar_address(3))]);
    for (update, n) in updates(&effects).iter().map(|(_, it)| it).zip([2, 3]) {
        let flags = UpdateFlags::PROXY.with(UpdateFlags::DISTRIBUTED);
        assert!(update.flags.contains(flags));
        let named = MobilityOption::HomeNetworkPrefix(anchored(n));
        assert!(update.options.contains(&named));
        // It says when the host came, not when it was sent.
        assert!(update
            .options
            .contains(&MobilityOption::Timestamp(stamp(1_000))));
    }
    assert_eq!(maar.counter(MaarCounter::AddressesIgnored), 3);
    assert_eq!(maar.counter(MaarCounter::PrefixesForeign), 1);
    assert_eq!(maar.counter(MaarCounter::RepliesTruncated), 1);
}

/// Proves S2-50.
#[test]
fn replies_that_are_not_the_hosts_own_are_not_believed() {
    let mut maar = Maar::new(config());
    let (query, _) = comes(&mut maar, 1_000);
    let good = told(&query, &[address(2)]);
    let mut guessed = good.clone();
    guessed.nonce[7] ^= 1;
    let mut other_question = good.clone();
    other_question.qtype = Qtype::NODE_NAME;
    let forged = MaarCounter::RepliesForged.name();
    let unasked = MaarCounter::RepliesUnasked.name();
    for (event, why) in [
        (says(here(), HOST_LINK_LOCAL, guessed), forged),
        (says(here(), HOST_LINK_LOCAL, other_question), forged),
        (says(here(), "fe80::bad", good.clone()), forged),
        // From the link of another host, whatever it says.
        (says(link(1, 2), HOST_LINK_LOCAL, good.clone()), unasked),
        (says(link(2, 1), HOST_LINK_LOCAL, good.clone()), unasked),
    ] {
        let effects = tell(&mut maar, 1_010, event);
        assert_eq!(ignored_because(&effects), Some(why));
        assert!(updates(&effects).is_empty());
    }
    let effects = tell(
        &mut maar,
        1_020,
        says(here(), HOST_LINK_LOCAL, good.clone()),
    );
    assert_eq!(updates(&effects).len(), 1);
    // Once.
    let effects = tell(&mut maar, 1_030, says(here(), HOST_LINK_LOCAL, good));
    assert_eq!(ignored_because(&effects), Some(unasked));
}

/// Proves S2-45.
#[test]
fn only_a_gateway_of_the_domain_answers_for_a_prefix() {
    let mut maar = Maar::new(config());
    let (query, _) = comes(&mut maar, 1_000);
    let reply = told(&query, &[address(2)]);
    let effects = tell(&mut maar, 1_010, says(here(), HOST_LINK_LOCAL, reply));
    let [(_, update)] = updates(&effects).try_into().unwrap();
    // One that was not asked, and one that nobody knows.
    let effects = tell(&mut maar, 1_020, answer(3, &update, Status::ACCEPTED));
    assert_eq!(
        ignored_because(&effects),
        Some(MaarCounter::NoMatchingUpdate.name())
    );
    let effects = tell(&mut maar, 1_020, answer(99, &update, Status::ACCEPTED));
    assert_eq!(
        ignored_because(&effects),
        Some(MaarCounter::AcknowledgementByStranger.name())
    );
    let mut stale = update.clone();
    stale
        .options
        .retain(|it| !matches!(it, MobilityOption::Timestamp(_)));
    let effects = tell(&mut maar, 1_020, answer(2, &stale, Status::ACCEPTED));
    assert_eq!(
        ignored_because(&effects),
        Some(MaarCounter::WrongTimestamp.name())
    );
    let effects = tell(&mut maar, 1_030, answer(2, &update, Status::ACCEPTED));
    assert_eq!(bindings(&effects).0.len(), 1);
}

fn still_there(update: &mut BindingUpdate) {
    update
        .options
        .retain(|it| !matches!(it, MobilityOption::HandoffIndicator(_)));
    let unchanged = MobilityOption::HandoffIndicator(HandoffIndicator::NOT_CHANGED);
    update.options.push(unchanged);
}

/// Proves S2-48.
#[test]
fn the_gateway_that_a_host_came_to_last_has_it_whatever_comes_late() {
    let mut maar = served();
    let own = own_prefix(&maar);
    let leads = |n: u16| {
        let tunnel = TunnelEnds::plain(ip(&maar_address(1)), ip(&maar_address(n)));
        vec![(own.into(), Path::Anchor { tunnel })]
    };
    let (to_third, to_fourth) = (
        straight(&maar, 2_000, |_| {}),
        straight(&maar, 3_000, |_| {}),
    );
    let effects = tell(&mut maar, 3_010, from_gateway(4, to_fourth.clone()));
    assert_eq!(bindings(&effects).0, leads(4));
    assert_eq!(bindings(&effects).1, [anchored(2).into()]);
    assert_eq!(status(&effects), Status::ACCEPTED);
    // The answer is ours, from our own address, and names our prefix.
    let (from, to, _) = sent(&effects)[0];
    assert_eq!((from, to), (ip(&maar_address(1)), ip(&maar_address(4))));
    let named = MobilityOption::HomeNetworkPrefix(own);
    assert!(pba(&effects).options.contains(&named));
    // The third had it before, and says so late.
    let effects = tell(&mut maar, 3_020, from_gateway(3, to_third));
    assert_eq!(status(&effects), Status::TIMESTAMP_LOWER_THAN_PREV_ACCEPTED);
    assert_eq!(bindings(&effects), (vec![], vec![]));
    // Nor does it renew, or end, what it does not have.
    for change in [still_there, |it: &mut BindingUpdate| {
        it.lifetime = Lifetime::ZERO
    }] {
        let update = straight(&maar, 3_100, change);
        let effects = tell(&mut maar, 3_100, from_gateway(3, update));
        assert_eq!(status(&effects), Status::ADMINISTRATIVELY_PROHIBITED);
        assert_eq!(bindings(&effects), (vec![], vec![]));
    }
    // The same again is answered again, however old.
    let effects = tell(&mut maar, 20_000, from_gateway(4, to_fourth));
    assert_eq!(status(&effects), Status::ACCEPTED);
    let update = straight(&maar, 20_100, still_there);
    let effects = tell(&mut maar, 20_100, from_gateway(4, update));
    assert_eq!(status(&effects), Status::ACCEPTED);
    let update = straight(&maar, 20_200, |it| it.lifetime = Lifetime::ZERO);
    let effects = tell(&mut maar, 20_200, from_gateway(4, update));
    assert_eq!(bindings(&effects), (vec![], vec![own.into()]));
    assert_eq!(maar.sessions(), 0);
}

/// Proves S2-48.
#[test]
fn a_host_that_came_back_is_not_pulled_away_by_those_it_left() {
    let mut maar = served();
    let update = straight(&maar, 2_000, |_| {});
    tell(&mut maar, 2_010, from_gateway(3, update));
    assert_eq!(
        maar.nodes(at(2_010)).next().unwrap().state,
        NodeState::Previous
    );
    tell(&mut maar, 5_000, solicits(here()));
    let effects = tell(&mut maar, 5_000, admitted(here(), profile("mn")));
    let local = Path::Local { link: here() };
    assert_eq!(bindings(&effects).0, [(own_prefix(&maar).into(), local)]);
    let late = straight(&maar, 4_000, |_| {});
    let effects = tell(&mut maar, 5_100, from_gateway(3, late));
    assert_eq!(status(&effects), Status::TIMESTAMP_LOWER_THAN_PREV_ACCEPTED);
    assert_eq!(
        maar.nodes(at(5_100)).next().unwrap().state,
        NodeState::Served
    );
}

#[test]
fn each_bad_update_has_its_answer() {
    let mut maar = served();
    let another = MobilityOption::HomeNetworkPrefix(anchored(2));
    let without = |kind: fn(&MobilityOption) -> bool| {
        move |it: &mut BindingUpdate| it.options.retain(|option| !kind(option))
    };
    let prefix_gone = without(|it| matches!(it, MobilityOption::HomeNetworkPrefix(_)));
    let time_gone = without(|it| matches!(it, MobilityOption::Timestamp(_)));
    let host_gone = without(|it| matches!(it, MobilityOption::MnIdentifier(_)));
    let elsewhere = |it: &mut BindingUpdate| {
        let serving = ip(&maar_address(4));
        it.options.push(MobilityOption::ServingMaar(serving));
    };
    let cases = [
        (
            straight(&maar, 2_000, prefix_gone),
            Status::MISSING_HOME_NETWORK_PREFIX_OPTION,
        ),
        (
            straight(&maar, 2_000, |it| it.options.push(another)),
            Status::NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX,
        ),
        (
            straight(&maar, 2_000, time_gone),
            Status::TIMESTAMP_MISMATCH,
        ),
        (
            straight(&maar, 2_000, host_gone),
            Status::MISSING_MN_IDENTIFIER_OPTION,
        ),
        (
            straight(&maar, 2_000, elsewhere),
            Status::ADMINISTRATIVELY_PROHIBITED,
        ),
        (straight(&maar, 9_000, |_| {}), Status::TIMESTAMP_MISMATCH),
    ];
    for (update, expected) in cases {
        let effects = tell(&mut maar, 2_010, from_gateway(3, update));
        assert_eq!(status(&effects), expected);
        assert_eq!(bindings(&effects), (vec![], vec![]));
    }
    let update = straight(&maar, 2_000, |_| {});
    let effects = tell(&mut maar, 2_010, from_gateway(99, update));
    assert_eq!(status(&effects), Status::MAG_NOT_AUTHORIZED_FOR_PROXY_REG);
    // For the address that we have in the prefix of nobody.
    let update = Message::BindingUpdate(straight(&maar, 2_000, |_| {}));
    let to = "2001:db8:a01:ffff:200:5eff:fe00:5213";
    let effects = tell(
        &mut maar,
        2_010,
        message_event(&maar_address(3), to, update),
    );
    assert_eq!(
        ignored_because(&effects),
        Some(MaarCounter::NotOurAddress.name())
    );
}

/// Proves S2-40, S2-43, S2-54.
#[test]
fn whoever_can_tell_may_tell_at_any_time() {
    let mut maar = Maar::new(alone(1, 12, Backend::Asked, Known::ByPools));
    tell(&mut maar, 1_000, solicits(here()));
    let effects = tell(&mut maar, 1_000, admitted(here(), profile("mn")));
    let mn_identifier = nai("mn");
    let asked = Effect::FindAnchors {
        link: here(),
        mn_identifier,
    };
    assert!(effects.contains(&asked));
    // A host that is configured by DHCPv6 has to hear so first.
    let own = own_prefix(&maar);
    assert_eq!(advertised(&effects), [(own, true, true)]);
    let found = |prefixes: Vec<HomeNetworkPrefix>| Event::AnchorsFound {
        link: here(),
        found: Found::Prefixes(prefixes),
    };
    let effects = tell(&mut maar, 1_010, found(vec![own]));
    assert!(updates(&effects).is_empty(), "a new registration");
    let effects = tell(&mut maar, 1_020, found(vec![own, anchored(2)]));
    let [(_, update)] = updates(&effects).try_into().unwrap();
    tell(&mut maar, 1_030, answer(2, &update, Status::ACCEPTED));
    // The same again changes nothing.
    let effects = tell(&mut maar, 1_040, found(vec![own, anchored(2)]));
    assert!(updates(&effects).is_empty());
    let nobody = Event::AnchorsFound {
        link: link(1, 9),
        found: Found::GaveUp,
    };
    assert!(tell(&mut maar, 1_050, nobody).is_empty());
    assert_eq!(maar.counter(MaarCounter::FindingsUnasked), 1);
}

#[test]
fn what_a_host_claims_is_bounded() {
    let mut config = config();
    config.most_previous = 2;
    let mut maar = Maar::new(config);
    let (query, _) = comes(&mut maar, 1_000);
    let all: Vec<Ipv6Addr> = (2..=12).map(address).collect();
    let effects = tell(
        &mut maar,
        1_010,
        says(here(), HOST_LINK_LOCAL, told(&query, &all)),
    );
    assert_eq!(updates(&effects).len(), 2);
    assert_eq!(maar.counter(MaarCounter::AnchorsTooMany), 9);
    // A prefix that another host has here is not sought for this one.
    let mut maar = served();
    let other = link(1, 2);
    tell(&mut maar, 2_000, solicits(other));
    let effects = tell(&mut maar, 2_000, admitted(other, profile("other")));
    let query = self::query(&effects).unwrap();
    let reply = told(&query, &[address(2)]);
    let effects = tell(&mut maar, 2_010, says(other, HOST_LINK_LOCAL, reply));
    assert!(updates(&effects).is_empty());
    assert_eq!(maar.counter(MaarCounter::AnchorsRefused), 1);
}
