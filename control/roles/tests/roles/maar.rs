//! A MAAR: a host's first attachment, its handovers in every mode of the database, and what it hears.

use crate::maar_scenario::{
    accepted, anchored, arrives, bindings, config, direct, from, here, led_here, maar,
    maar_address, own_prefix, pool, refused, router, served, timer, told, tunnel, update_from,
    update_to_cmd, CMD,
};
use crate::scenario::{
    advertisements, at, fire, ignored_because, ip, link, nai, position, prefix, prefixes_of,
    refused_because, sent, solicits, status, still_here, tell, timer_after, HOST_LINK_LOCAL,
    STRANGER,
};
use roles::effect::{Effect, Path};
use roles::event::{Departure, NodeTimer};
use roles::maar::{Maar, MaarCounter, NodeState};
use roles::Event;
use wire::mh::{
    AcknowledgementFlags, HandoffIndicator, Lifetime, Message, MobilityOption, Status, UpdateFlags,
};

/// Proves S2-03, S2-04, S2-05, S2-07, S2-08, S2-09, S2-10.
#[test]
fn a_first_attachment_reserves_tells_binds_and_only_then_advertises() {
    let mut maar = maar();
    let (update, effects) = arrives(&mut maar, 1_000, here());
    let flags = UpdateFlags::PROXY.with(UpdateFlags::DISTRIBUTED);
    assert!(update.flags.contains(flags));
    let reserved = own_prefix(&maar);
    assert!(pool(1).contains(reserved.prefix));
    assert_eq!(prefixes_of(&update.options), [reserved]);
    assert!(update
        .options
        .contains(&MobilityOption::MnIdentifier(nai("mn"))));
    assert_eq!(bindings(&effects), (vec![], vec![]));
    assert!(advertisements(&effects).is_empty());
    assert!(position(&effects, |it| matches!(it, Effect::Store { .. })).is_none());

    let effects = tell(&mut maar, 1_010, from(CMD, accepted(&update, &[])));
    let local = Path::Local { link: here() };
    assert_eq!(bindings(&effects).0, [(reserved.into(), local)]);
    let [(to, address, told)] = advertisements(&effects)[..] else {
        panic!("not one advertisement: {effects:?}");
    };
    assert_eq!((to, address), (here(), ip(HOST_LINK_LOCAL)));
    assert_eq!(told.router, None);
    let [advertised] = told.prefixes[..] else {
        panic!("not one prefix: {told:?}");
    };
    assert_eq!(advertised.prefix, reserved);
    assert!(advertised.preferred > 0 && advertised.valid >= advertised.preferred);
    let store = position(&effects, |it| matches!(it, Effect::Store { .. }));
    let advertise = position(&effects, |it| matches!(it, Effect::Advertise { .. }));
    assert!(store < advertise && store.is_some());
    assert_eq!(maar.counter(MaarCounter::HostsAttached), 1);
}

/// Proves S2-04, S2-07.
#[test]
fn a_prefix_is_free_again_when_nobody_accepts_its_host() {
    let mut maar = maar();
    let (update, _) = arrives(&mut maar, 1_000, here());
    let refusal = refused(&update, Status::ADMINISTRATIVELY_PROHIBITED);
    let effects = tell(&mut maar, 1_010, from(CMD, refusal));
    assert!(refused_because(&effects).is_some_and(|why| why.contains("129")));
    assert_eq!(maar.nodes(at(1_010)).count(), 0);
    assert_eq!(maar.counter(MaarCounter::PrefixesFreed), 1);

    let other = link(1, 2);
    tell(&mut maar, 2_000, solicits(other));
    let nobody = Event::Authenticated {
        link: other,
        profile: None,
    };
    let effects = tell(&mut maar, 2_000, nobody);
    assert!(sent(&effects).is_empty());
    assert_eq!(maar.counter(MaarCounter::PrefixesReserved), 1);

    let (_, mut effects) = arrives(&mut maar, 40_000, here());
    let mut ms = 40_000;
    while let Some(after) = timer_after(&effects, &timer(NodeTimer::Retransmit)) {
        assert!(ms < 100_000, "it never gives up");
        ms += u64::try_from(after.as_millis()).unwrap() + 1;
        effects = fire(&mut maar, ms, timer(NodeTimer::Retransmit));
    }
    assert_eq!(maar.counter(MaarCounter::RegistrationsTimedOut), 1);
    assert_eq!(maar.counter(MaarCounter::PrefixesFreed), 2);
    assert_eq!(maar.sessions(), 0);
}

/// Proves S2-15, S2-16, S2-20, S2-21, S2-25, S2-34.
#[test]
fn what_the_database_tells_of_other_anchors_is_led_here() {
    let mut maar = maar();
    let (update, _) = arrives(&mut maar, 1_000, here());
    let effects = tell(&mut maar, 1_010, from(CMD, accepted(&update, &[2, 3])));
    let own = own_prefix(&maar);
    let local = (own.into(), Path::Local { link: here() });
    assert_eq!(bindings(&effects).0, [local, led_here(2), led_here(3)]);
    let node = maar.nodes(at(1_010)).next().unwrap();
    assert_eq!(node.state, NodeState::Served);
    let anchors: Vec<_> = node.previous.iter().map(|it| it.prefix).collect();
    assert_eq!(anchors, [anchored(2), anchored(3)]);
}

/// Proves S2-11.
#[test]
fn each_anchor_is_a_router_of_its_own_and_the_old_ones_are_deprecated() {
    let mut maar = maar();
    let (update, _) = arrives(&mut maar, 1_000, here());
    let effects = tell(&mut maar, 1_010, from(CMD, accepted(&update, &[2, 3])));
    let shown: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::ShowRouter { interface, router } => Some((*interface, *router)),
            _ => None,
        })
        .collect();
    assert_eq!(shown, [(1, router(2)), (1, router(3))]);
    let told = advertisements(&effects);
    let routers: Vec<_> = told.iter().map(|(_, _, it)| it.router).collect();
    assert_eq!(routers, [None, Some(router(2)), Some(router(3))]);
    for (n, (_, _, advertisement)) in [(2, told[1]), (3, told[2])] {
        let [advertised] = advertisement.prefixes[..] else {
            panic!("not one prefix: {advertisement:?}");
        };
        assert_eq!(advertised.prefix, anchored(n));
        assert_eq!(advertised.preferred, 0);
        assert!(advertised.valid > 0 && advertisement.router_lifetime > 0);
    }
}

/// Proves S2-11.
#[test]
fn all_anchors_can_be_one_router() {
    let mut config = config(12);
    config.routers.clear();
    let mut maar = Maar::new(config);
    let (update, _) = arrives(&mut maar, 1_000, here());
    let effects = tell(&mut maar, 1_010, from(CMD, accepted(&update, &[2, 3])));
    assert!(position(&effects, |it| matches!(it, Effect::ShowRouter { .. })).is_none());
    let [(_, _, told)] = advertisements(&effects)[..] else {
        panic!("not one advertisement: {effects:?}");
    };
    let preferred: Vec<_> = told.prefixes.iter().map(|it| it.preferred > 0).collect();
    assert_eq!(preferred, [true, false, false]);
    assert!(told.prefixes.iter().all(|it| it.valid > 0));
}

/// Proves S2-17, S2-34.
#[test]
fn a_host_keeps_a_session_at_each_of_ten_anchors() {
    let ten: Vec<u16> = (2..=11).collect();
    let mut maar = maar();
    let (update, _) = arrives(&mut maar, 1_000, here());
    let effects = tell(&mut maar, 1_010, from(CMD, accepted(&update, &ten)));
    let (up, _) = bindings(&effects);
    assert_eq!(up.len(), 11);
    assert!(ten.iter().all(|&n| up.contains(&led_here(n))));
    assert_eq!(advertisements(&effects).len(), 11);

    let mut config = config(12);
    config.most_previous = 4;
    let mut small = Maar::new(config);
    let (update, _) = arrives(&mut small, 1_000, here());
    tell(&mut small, 1_010, from(CMD, accepted(&update, &ten)));
    assert_eq!(small.nodes(at(1_010)).next().unwrap().previous.len(), 4);
    assert_eq!(small.counter(MaarCounter::AnchorsTooMany), 6);
}

/// Proves S2-18.
#[test]
fn answers_that_come_late_are_added() {
    let mut maar = maar();
    let (update, _) = arrives(&mut maar, 1_000, here());
    tell(&mut maar, 1_010, from(CMD, accepted(&update, &[2])));
    let effects = tell(&mut maar, 1_500, from(CMD, accepted(&update, &[3])));
    assert_eq!(bindings(&effects), (vec![led_here(3)], vec![]));
    assert_eq!(maar.counter(MaarCounter::AnchorsLate), 1);
    // Twice the same changes nothing, and what comes too late is not asked for any more.
    let effects = tell(&mut maar, 1_600, from(CMD, accepted(&update, &[3])));
    assert_eq!(bindings(&effects), (vec![], vec![]));
    let effects = tell(&mut maar, 60_000, from(CMD, accepted(&update, &[4])));
    assert_eq!(
        ignored_because(&effects),
        Some("acknowledgement_without_update")
    );
    assert_eq!(bindings(&effects), (vec![], vec![]));
}

/// Proves S2-22, S2-23, S2-24.
#[test]
fn anchors_may_answer_in_the_place_of_the_database() {
    let mut maar = maar();
    arrives(&mut maar, 1_000, here());
    let effects = tell(&mut maar, 1_010, from(&maar_address(2), direct(2, 77)));
    let own = own_prefix(&maar);
    let local = (own.into(), Path::Local { link: here() });
    assert_eq!(bindings(&effects).0, [local, led_here(2)]);
    assert_eq!(advertisements(&effects).len(), 2);
    assert_eq!(timer_after(&effects, &timer(NodeTimer::Retransmit)), None);
    let effects = tell(&mut maar, 1_020, from(&maar_address(3), direct(3, 78)));
    assert_eq!(bindings(&effects).0, [led_here(3)]);
    // One of them may have been lost: the database, which knows of all, is asked before long.
    let asked = fire(&mut maar, 2_010, timer(NodeTimer::Refresh));
    let effects = still_here(&mut maar, 2_015, &asked);
    let update = update_to_cmd(&effects);
    let again = MobilityOption::HandoffIndicator(HandoffIndicator::UNKNOWN);
    assert!(update.options.contains(&again));
    let effects = tell(&mut maar, 2_020, from(CMD, accepted(&update, &[2, 3, 4])));
    assert_eq!(bindings(&effects).0, [led_here(4)]);
}

/// Proves S2-24.
#[test]
fn nobody_else_and_at_no_other_time_tells_of_anchors() {
    let mut maar = maar();
    let (update, _) = arrives(&mut maar, 1_000, here());
    let effects = tell(&mut maar, 1_005, from(STRANGER, direct(2, 1)));
    assert_eq!(
        ignored_because(&effects),
        Some("acknowledgement_by_stranger")
    );
    let effects = tell(&mut maar, 1_006, from(STRANGER, accepted(&update, &[2])));
    assert_eq!(
        ignored_because(&effects),
        Some("acknowledgement_by_stranger")
    );
    let mut unasked = accepted(&update, &[2]);
    unasked.sequence = unasked.sequence.wrapping_add(100);
    let effects = tell(&mut maar, 1_007, from(CMD, unasked));
    assert_eq!(
        ignored_because(&effects),
        Some("acknowledgement_without_update")
    );
    assert_eq!(bindings(&effects), (vec![], vec![]));
    let mut plain = accepted(&update, &[]);
    plain.flags = AcknowledgementFlags::PROXY;
    let effects = tell(&mut maar, 1_008, from(CMD, plain));
    assert_eq!(
        ignored_because(&effects),
        Some("acknowledgement_without_flags")
    );
    tell(&mut maar, 1_010, from(CMD, accepted(&update, &[])));
    let effects = tell(&mut maar, 30_000, from(&maar_address(2), direct(2, 1)));
    assert_eq!(
        ignored_because(&effects),
        Some("acknowledgement_without_update")
    );
    let mut unknown = direct(2, 1);
    unknown.options[0] = MobilityOption::MnIdentifier(nai("nobody"));
    let effects = tell(&mut maar, 30_001, from(&maar_address(2), unknown));
    assert_eq!(
        ignored_because(&effects),
        Some("acknowledgement_for_unknown_host")
    );
    assert!(maar.nodes(at(30_001)).all(|node| node.previous.is_empty()));
}

/// An IPv4 address or prefix in its IPv6 form is no anchor's either.
///
/// Proves S2-36.
#[test]
fn anchors_that_cannot_be_are_not_taken() {
    let mut maar = maar();
    let (update, _) = arrives(&mut maar, 1_000, here());
    let own = own_prefix(&maar);
    let mut answer = accepted(&update, &[]);
    for (address, prefix) in [
        (maar_address(2), own),
        (maar_address(2), anchored(3)),
        (STRANGER.to_owned(), anchored(2)),
        (maar_address(1), own),
        ("::ffff:192.0.2.1".to_owned(), anchored(2)),
        (maar_address(2), prefix("::ffff:192.0.2.0/120")),
    ] {
        let address = ip(&address);
        let previous = wire::mh::PreviousMaar { address, prefix };
        answer.options.push(MobilityOption::PreviousMaar(previous));
    }
    let effects = tell(&mut maar, 1_010, from(CMD, answer));
    let local = (own.into(), Path::Local { link: here() });
    assert_eq!(bindings(&effects).0, [local]);
    assert_eq!(maar.counter(MaarCounter::AnchorsRefused), 5);
}

/// Proves S2-33.
#[test]
fn a_previous_maar_option_of_a_wrong_length_is_skipped_and_the_rest_is_taken() {
    let mut maar = maar();
    let (update, _) = arrives(&mut maar, 1_000, here());
    let mut answer = accepted(&update, &[2]);
    let broken = MobilityOption::Unknown {
        kind: 222,
        data: vec![0; 32],
    };
    answer.options.push(broken);
    let message = Message::BindingAcknowledgement(answer);
    let (cmd, own) = (ip(CMD), ip(&maar_address(1)));
    let mut octets = Vec::new();
    message
        .emit(cmd, own, &mut octets)
        .expect("it can be written");
    let at = octets
        .windows(2)
        .position(|it| it == [222, 32])
        .expect("the option");
    octets[at] = 67;
    wire::mh::set_checksum(cmd, own, &mut octets);
    let message = Message::parse(cmd, own, &octets).expect("it can be read");
    let skipped =
        |option: &MobilityOption| matches!(option, MobilityOption::Skipped { kind: 67, .. });
    assert!(message.options().iter().any(skipped));
    let event = crate::scenario::message_event(CMD, &maar_address(1), message);
    let effects = tell(&mut maar, 1_010, event);
    assert_eq!(bindings(&effects).0.len(), 2);
}

/// Proves S2-13, S2-22, S2-32, S2-35.
#[test]
fn a_previous_anchor_leads_its_prefix_on_and_answers_twice() {
    let mut maar = served(&[2, 3]);
    let own = own_prefix(&maar);
    let update = told(5_000, Some(4));
    let effects = tell(&mut maar, 5_010, update_from(CMD, update.clone()));
    let tunnel = tunnel(4);
    let (up, down) = bindings(&effects);
    assert_eq!(up, [(own.into(), Path::Anchor { tunnel })]);
    assert_eq!(down, [anchored(2).into(), anchored(3).into()]);
    let hidden = |it: &Effect| matches!(it, Effect::HideRouter { .. });
    assert_eq!(effects.iter().filter(|it| hidden(it)).count(), 2);
    let [(_, first, Message::BindingAcknowledgement(answer)), (_, second, Message::BindingAcknowledgement(direct))] =
        sent(&effects)[..]
    else {
        panic!("not two answers: {effects:?}");
    };
    assert_eq!((first, second), (ip(CMD), ip(&maar_address(4))));
    let serving = MobilityOption::ServingMaar(ip(&maar_address(4)));
    assert!(answer.options.contains(&serving));
    assert!(!direct
        .options
        .iter()
        .any(|it| matches!(it, MobilityOption::ServingMaar(_))));
    for answer in [answer, direct] {
        assert_eq!(answer.status, Status::ACCEPTED);
        assert_eq!(answer.sequence, update.sequence);
        assert_eq!(prefixes_of(&answer.options), [own]);
        let seen = MobilityOption::DlifLinkLocalAddress(router(1).link_local);
        assert!(answer.options.contains(&seen));
    }
    let node = maar.nodes(at(5_010)).next().unwrap();
    assert_eq!(node.state, NodeState::Previous);
    assert_eq!(node.serving, Some(ip(&maar_address(4))));
    // The host goes on; the same update again is answered again and changes nothing.
    let effects = tell(&mut maar, 5_020, update_from(CMD, update));
    assert_eq!(
        (status_of_first(&effects), bindings(&effects)),
        (Status::ACCEPTED, (vec![], vec![]))
    );
    let effects = tell(&mut maar, 6_000, update_from(CMD, told(6_000, Some(5))));
    let tunnel = crate::maar_scenario::tunnel(5);
    assert_eq!(
        bindings(&effects).0,
        [(own.into(), Path::Anchor { tunnel })]
    );
}

fn status_of_first(effects: &[Effect]) -> Status {
    match sent(effects)[..] {
        [(_, _, Message::BindingAcknowledgement(answer)), ..] => answer.status,
        ref other => panic!("no answer: {other:?}"),
    }
}

#[test]
fn a_host_that_comes_back_has_its_prefix_again() {
    let mut maar = served(&[]);
    let own = own_prefix(&maar);
    tell(&mut maar, 5_000, update_from(CMD, told(5_000, Some(2))));
    let (update, _) = arrives(&mut maar, 9_000, here());
    assert_eq!(prefixes_of(&update.options), [own]);
    let effects = tell(&mut maar, 9_010, from(CMD, accepted(&update, &[2])));
    let local = (own.into(), Path::Local { link: here() });
    assert_eq!(bindings(&effects).0, [local, led_here(2)]);
    assert_eq!(maar.counter(MaarCounter::HostsReturned), 1);
    assert_eq!(maar.counter(MaarCounter::PrefixesReserved), 1);
}

/// An update about a move that the host has come back from comes after it has.
#[test]
fn an_update_that_the_host_has_overtaken_does_not_send_it_away() {
    let mut maar = served(&[]);
    let own = own_prefix(&maar);
    tell(&mut maar, 5_000, update_from(CMD, told(5_000, Some(2))));
    let (update, _) = arrives(&mut maar, 5_200, here());
    let effects = tell(&mut maar, 5_210, update_from(CMD, told(5_100, Some(3))));
    let tunnel = tunnel(3);
    assert_eq!(
        bindings(&effects).0,
        [(own.into(), Path::Anchor { tunnel })]
    );
    assert_eq!(status(&effects), Status::ACCEPTED);
    let effects = tell(&mut maar, 5_220, from(CMD, accepted(&update, &[2, 3])));
    assert_eq!(
        bindings(&effects).0[0],
        (own.into(), Path::Local { link: here() })
    );
    assert_eq!(maar.counter(MaarCounter::UpdatesOvertaken), 1);
}

#[test]
fn strangers_and_broken_updates_are_refused_and_bounded() {
    let mut maar = served(&[]);
    let effects = tell(
        &mut maar,
        5_000,
        update_from(STRANGER, told(5_000, Some(2))),
    );
    assert_eq!(status(&effects), Status::MAG_NOT_AUTHORIZED_FOR_PROXY_REG);
    assert_eq!(bindings(&effects), (vec![], vec![]));
    for n in 0..500 {
        tell(
            &mut maar,
            5_001,
            update_from(&maar_address(2), told(5_000 + n, Some(2))),
        );
    }
    assert_eq!(maar.counter(MaarCounter::StrangersUnanswered), 401);
    let effects = tell(&mut maar, 6_000, update_from(CMD, told(6_000, Some(99))));
    assert_eq!(status(&effects), Status::ADMINISTRATIVELY_PROHIBITED);
    let mut anonymous = told(6_001, Some(2));
    anonymous.options.remove(0);
    let effects = tell(&mut maar, 6_001, update_from(CMD, anonymous));
    assert_eq!(status(&effects), Status::MISSING_MN_IDENTIFIER_OPTION);
    let effects = tell(&mut maar, 7_000, update_from(CMD, told(6_500, Some(2))));
    assert_eq!(status(&effects), Status::TIMESTAMP_MISMATCH);
    let mut nobody = told(7_000, Some(2));
    nobody.options[0] = MobilityOption::MnIdentifier(nai("nobody"));
    let effects = tell(&mut maar, 7_000, update_from(CMD, nobody.clone()));
    assert_eq!(status(&effects), Status::NOT_LMA_FOR_THIS_MOBILE_NODE);
    nobody.lifetime = Lifetime::ZERO;
    let effects = tell(&mut maar, 7_001, update_from(CMD, nobody));
    assert_eq!(status(&effects), Status::ACCEPTED);
    assert_eq!(
        maar.nodes(at(7_001)).next().unwrap().state,
        NodeState::Served
    );
}

/// Ten thousand times to and fro take no more prefixes, bindings or timers than once.
#[test]
fn a_host_that_bounces_leaves_nothing_behind() {
    let mut maar = served(&[]);
    let mut ms = 2_000;
    for _ in 0..10_000 {
        tell(&mut maar, ms, update_from(CMD, told(ms, Some(2))));
        let link = link(1, 1);
        tell(&mut maar, ms + 100, solicits(link));
        let effects = tell(
            &mut maar,
            ms + 100,
            crate::scenario::admitted(link, crate::scenario::profile("mn")),
        );
        if let [(_, _, Message::BindingUpdate(update))] = sent(&effects)[..] {
            tell(&mut maar, ms + 110, from(CMD, accepted(update, &[2])));
        }
        ms += 200;
    }
    assert_eq!(maar.sessions(), 1);
    assert_eq!(maar.counter(MaarCounter::PrefixesReserved), 1);
    assert!(maar.counter(MaarCounter::UpdatesDelayed) > 1_000);
    let gone = Event::HostGone {
        link: here(),
        why: Departure::Operator,
    };
    tell(&mut maar, ms, gone);
    assert_eq!(maar.counter(MaarCounter::PrefixesFreed), 1);
}
