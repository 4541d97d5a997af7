//! Revocation of bindings (RFC 5846): what an anchor and a gateway tell each other, and each status.

use crate::scenario::*;
use roles::effect::{Effect, Notice, Path};
use roles::event::{RevocationScope, Sign, Timer};
use roles::lma::{Lma, LmaCounter};
use roles::mag::{Mag, MagCounter};
use roles::{BoundPrefix, Event};
use std::time::Duration;
use wire::mh::*;

/// The revocation that effects send, with its destination.
pub fn indication(effects: &[Effect]) -> (std::net::Ipv6Addr, &RevocationIndication) {
    let mut sends = sent(effects).into_iter();
    let found = sends.find_map(|(_, to, message)| match message {
        Message::RevocationIndication(indication) => Some((to, indication)),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no revocation: {effects:?}"))
}

pub fn acknowledgement(effects: &[Effect]) -> &RevocationAcknowledgement {
    match sent(effects).as_slice() {
        [(_, _, Message::RevocationAcknowledgement(answer))] => answer,
        other => panic!("not one acknowledgement of a revocation: {other:?}"),
    }
}

pub fn revoke(trigger: u8, flags: RevocationFlags, options: Vec<MobilityOption>) -> Message {
    Message::RevocationIndication(RevocationIndication {
        trigger: RevocationTrigger(trigger),
        sequence: 700,
        flags,
        options,
    })
}

fn answer_to(sequence: u16, status: RevocationStatus) -> Message {
    Message::RevocationAcknowledgement(RevocationAcknowledgement {
        status,
        sequence,
        flags: RevocationFlags::PROXY,
        options: Vec::new(),
    })
}

pub const SINGLE: RevocationFlags = RevocationFlags::PROXY;
pub const GLOBAL: RevocationFlags = RevocationFlags(0xa000);

pub fn who(name: &str) -> MobilityOption {
    MobilityOption::MnIdentifier(nai(name))
}

/// An anchor whose host has moved from MAG1 to MAG2, and what that made it do.
fn moved() -> (Lma, Vec<Effect>) {
    let mut lma = lma();
    tell(&mut lma, 1000, pbu("mn", 1000).event());
    let effects = tell(&mut lma, 2000, pbu("mn", 2000).from(MAG2).event());
    (lma, effects)
}

/// A gateway with `mn` bound at link (1, 1) since 1000 ms, by an update with that timestamp.
pub fn serving() -> Mag {
    let mut mag = mag();
    attach(&mut mag, 1000, 1, "mn", "2001:db8:1::/64");
    mag
}

pub fn attach(mag: &mut Mag, ms: u64, host: u8, name: &str, prefix: &str) {
    tell(mag, ms, solicits(link(1, host)));
    let effects = tell(mag, ms, admitted(link(1, host), profile(name)));
    let update = pbu_in(&effects).clone();
    tell(
        mag,
        ms,
        answered(answer(&update, Status::ACCEPTED, &[prefix])),
    );
}

/// What a gateway does about a revocation by its anchor.
pub fn revoked(mag: &mut Mag, ms: u64, message: Message) -> Vec<Effect> {
    tell(mag, ms, message_event(LMA, MAG1, message))
}

/// Proves S1-18.
#[test]
fn a_handover_is_revoked_at_the_former_gateway_while_the_new_one_is_answered() {
    let (lma, effects) = moved();
    let at = |is: fn(&Message) -> bool| {
        let sends = |effect: &Effect| matches!(effect, Effect::Send { message, .. } if is(message));
        position(&effects, sends).expect("it is sent")
    };
    let bind = position(&effects, |it| matches!(it, Effect::Bind { .. })).expect("a move");
    let answered = at(|it| matches!(it, Message::BindingAcknowledgement(_)));
    let told = at(|it| matches!(it, Message::RevocationIndication(_)));
    assert!(bind < answered && answered < told);
    let (to, indication) = indication(&effects);
    assert_eq!(to, ip(MAG1));
    assert_eq!(indication.trigger, RevocationTrigger::HANDOVER_SAME_ACCESS);
    assert_eq!(indication.flags, SINGLE);
    assert_eq!(
        options::mn_identifier(&indication.options),
        Some(&nai("mn"))
    );
    assert_eq!(prefixes_of(&indication.options), [given(&effects)]);
    // So that a gateway that the host has come back to since can tell.
    assert_eq!(options::timestamp(&indication.options), Some(stamp(1000)));
    assert_eq!(lma.counter(LmaCounter::RevocationsSent), 1);
}

#[test]
fn the_trigger_tells_another_access_technology() {
    let mut lma = lma();
    tell(&mut lma, 1000, pbu("mn", 1000).event());
    let wireless = MobilityOption::AccessTechnology(AccessTechnology::WIRELESS_LAN);
    let update = pbu("mn", 2000).from(MAG2).with(wireless);
    let update = update.handoff(HandoffIndicator::BETWEEN_INTERFACES);
    let effects = tell(&mut lma, 2000, update.event());
    let trigger = indication(&effects).1.trigger;
    assert_eq!(trigger, RevocationTrigger::HANDOVER_DIFFERENT_ACCESS);
}

#[test]
fn policy_may_leave_a_handover_unrevoked() {
    let mut config = lma_config();
    config.revoke_on_handover = false;
    let mut lma = lma_with(config);
    tell(&mut lma, 1000, pbu("mn", 1000).event());
    let effects = tell(&mut lma, 2000, pbu("mn", 2000).from(MAG2).event());
    assert_eq!(sent(&effects).len(), 1);
    assert_eq!(status(&effects), Status::ACCEPTED);
}

/// Proves S1-19.
#[test]
fn a_revocation_is_sent_again_until_it_is_acknowledged_or_given_up() {
    let (mut lma, effects) = moved();
    let sequence = indication(&effects).1.sequence;
    let timer = Timer::Revocation { sequence };
    assert_eq!(timer_after(&effects, &timer), Some(Duration::from_secs(1)));
    let again = fire(&mut lma, 3000, timer.clone());
    assert_eq!(indication(&again), indication(&effects));
    assert_eq!(timer_after(&again, &timer), Some(Duration::from_secs(2)));
    let mut given_up = lma.clone();

    // Neither another number, nor another sender, nor other flags answer it.
    for (from, sequence, flags) in [
        (MAG1, sequence + 1, SINGLE),
        (MAG2, sequence, SINGLE),
        (MAG1, sequence, RevocationFlags(0)),
    ] {
        let answer = Message::RevocationAcknowledgement(RevocationAcknowledgement {
            status: RevocationStatus::SUCCESS,
            sequence,
            flags,
            options: Vec::new(),
        });
        let effects = tell(&mut lma, 3100, message_event(from, LMA, answer));
        let reason = ignored_because(&effects);
        assert_eq!(reason, Some("unexpected_revocation_answer"));
    }
    let answer = answer_to(sequence, RevocationStatus::SUCCESS);
    let effects = tell(&mut lma, 3200, message_event(MAG1, LMA, answer.clone()));
    let cancelled = Effect::CancelTimer {
        timer: timer.clone(),
    };
    assert!(effects.contains(&cancelled));
    assert_eq!(lma.counter(LmaCounter::RevocationsAcknowledged), 1);
    // It is answered: the same answer again is to nothing.
    let effects = tell(&mut lma, 3300, message_event(MAG1, LMA, answer));
    assert!(ignored_because(&effects).is_some());
    assert_eq!(fire(&mut lma, 5000, timer.clone()), []);

    let effects = fire(&mut given_up, 5000, timer.clone());
    assert_eq!(sent(&effects), []);
    let notice = Notice::RevocationUnanswered { peer: ip(MAG1) };
    assert!(effects.contains(&Effect::Notify { notice }));
    assert_eq!(given_up.counter(LmaCounter::RevocationsGivenUp), 1);
    assert_eq!(given_up.counter(LmaCounter::RevocationsRetransmitted), 1);
    // The binding is where the host is, whatever the former gateway says.
    let binding = given_up.bindings(at(5000)).next().expect("a binding");
    assert_eq!(binding.care_of, ip(MAG2));
}

#[test]
fn a_host_that_comes_back_is_no_longer_revoked_there() {
    let (mut lma, effects) = moved();
    let first = indication(&effects).1.sequence;
    let effects = tell(&mut lma, 2500, pbu("mn", 2500).event());
    let timer = Timer::Revocation { sequence: first };
    assert!(effects.contains(&Effect::CancelTimer {
        timer: timer.clone()
    }));
    assert_eq!(indication(&effects).0, ip(MAG2));
    assert_eq!(fire(&mut lma, 3000, timer), []);
}

#[test]
fn a_move_that_the_table_refuses_revokes_nothing() {
    let (mut lma, effects) = moved();
    let sequence = indication(&effects).1.sequence;
    let prefix = BoundPrefix::V6(given(&effects));
    tell(&mut lma, 2000, Event::Refused { prefix });
    assert_eq!(fire(&mut lma, 3000, Timer::Revocation { sequence }), []);
}

/// Proves S1-20, S1-28.
#[test]
fn a_gateway_has_forgotten_the_host_by_the_time_that_it_answers() {
    let mut mag = serving();
    let options = vec![
        who("mn"),
        MobilityOption::HomeNetworkPrefix(prefix("2001:db8:1::/64")),
        MobilityOption::Timestamp(stamp(1000)),
    ];
    let effects = revoked(&mut mag, 5000, revoke(2, SINGLE, options));
    let unbind = position(&effects, |it| matches!(it, Effect::Unbind { .. }));
    let forget = position(&effects, |it| matches!(it, Effect::Forget { .. }));
    let send = position(&effects, |it| matches!(it, Effect::Send { .. }));
    assert!(unbind.is_some() && unbind < forget && forget < send);
    let answer = acknowledgement(&effects);
    assert_eq!(answer.status, RevocationStatus::SUCCESS);
    assert_eq!((answer.sequence, answer.flags), (700, SINGLE));
    assert_eq!(mag.sessions(), 0);
    // It went elsewhere: nothing is advertised to it here, but it may answer if it did not.
    assert_eq!(advertisements(&effects), []);
    assert!(effects
        .iter()
        .any(|effect| matches!(effect, Effect::Probe { .. })));
    // Should it come back, it is a new visitor.
    let effects = tell(&mut mag, 5100, solicits(link(1, 1)));
    assert!(effects.contains(&Effect::Authenticate { link: link(1, 1) }));
}

#[test]
fn a_host_that_has_come_since_is_attached() {
    let handover = |ms| {
        let options = vec![who("mn"), MobilityOption::Timestamp(stamp(ms))];
        revoke(4, SINGLE, options)
    };
    // Its anchor accepted it here after what the revocation is about.
    let mut mag = serving();
    let effects = revoked(&mut mag, 5000, handover(900));
    assert_eq!(acknowledgement(&effects).status, RevocationStatus::ATTACHED);
    assert_eq!(mag.sessions(), 1);
    // It has come up on its link, and its anchor is being told.
    let sign = Sign::Operator;
    let link = link(1, 1);
    tell(&mut mag, 6000, Event::HostSeen { link, sign });
    let effects = revoked(&mut mag, 6010, handover(1000));
    assert_eq!(acknowledgement(&effects).status, RevocationStatus::ATTACHED);
    // What is not for a handover is done all the same.
    let effects = revoked(&mut mag, 6020, revoke(1, SINGLE, vec![who("mn")]));
    assert_eq!(acknowledgement(&effects).status, RevocationStatus::SUCCESS);
    assert_eq!(mag.sessions(), 0);
    // Told that service has ended, it does not attach again by a mere packet.
    assert_eq!(advertisements(&effects).len(), 1);
    let source = ip("fe80::1");
    let sign = Sign::Packet { source };
    assert_eq!(tell(&mut mag, 6030, Event::HostSeen { link, sign }), []);
}

#[test]
fn a_gateway_answers_each_wrong_revocation_with_its_status() {
    let v = RevocationFlags::IPV4_ONLY;
    let request = MobilityOption::Ipv4HomeAddressRequest(Ipv4HomeAddress {
        address: std::net::Ipv4Addr::new(192, 0, 2, 1),
        prefix_length: 24,
    });
    let other = MobilityOption::HomeNetworkPrefix(prefix("2001:db8:9::/64"));
    let own = MobilityOption::HomeNetworkPrefix(prefix("2001:db8:1::/64"));
    let cases = [
        (128, revoke(1, SINGLE, vec![who("nobody")])),
        (128, revoke(1, SINGLE, vec![who("mn"), other.clone()])),
        (128, revoke(1, SINGLE.with(v), vec![who("mn"), request])),
        (129, revoke(1, SINGLE.with(v), vec![who("mn")])),
        (131, revoke(1, SINGLE, vec![own.clone()])),
        (131, revoke(129, GLOBAL, vec![])),
        (131, revoke(129, GLOBAL, vec![who("nobody")])),
        (133, revoke(8, SINGLE, vec![who("mn")])),
        (133, revoke(130, GLOBAL, vec![])),
        (133, revoke(250, SINGLE, vec![who("mn")])),
        (134, revoke(128, SINGLE, vec![who("mn")])),
        (134, revoke(1, GLOBAL, vec![])),
        (134, revoke(128, GLOBAL, vec![who("mn")])),
        (134, revoke(1, RevocationFlags(0), vec![who("mn")])),
    ];
    let mut mag = serving();
    for (status, message) in &cases {
        let effects = revoked(&mut mag, 5000, message.clone());
        let answer = acknowledgement(&effects);
        assert_eq!(answer.status, RevocationStatus(*status), "{message}");
        assert_eq!(mag.sessions(), 1);
    }
    assert_eq!(
        mag.counter(MagCounter::RevocationsDenied),
        cases.len() as u64
    );
    // Another node is not its anchor, whatever it is.
    let forged = revoke(1, SINGLE, vec![who("mn")]);
    let effects = tell(&mut mag, 5000, message_event(MAG2, MAG1, forged));
    let answer = acknowledgement(&effects);
    assert_eq!(answer.status, RevocationStatus::NO_BINDING);
    assert_eq!(mag.sessions(), 1);
    // Part of what is named is not there.
    let named = vec![who("mn"), own, other.clone()];
    let effects = revoked(&mut mag, 5000, revoke(1, SINGLE, named));
    let answer = acknowledgement(&effects);
    assert_eq!(answer.status, RevocationStatus::PARTIAL_SUCCESS);
    assert_eq!(answer.options, [other]);
    assert_eq!(mag.sessions(), 0);
}

#[test]
fn policy_may_take_no_revocations_or_none_of_everything() {
    for (accept, accept_global, message, status) in [
        (false, true, revoke(1, SINGLE, vec![who("mn")]), 135),
        (true, false, revoke(128, GLOBAL, vec![]), 130),
    ] {
        let mut config = mag_config();
        config.revocation.accept = accept;
        config.revocation.accept_global = accept_global;
        let mut mag = Mag::new(config);
        attach(&mut mag, 1000, 1, "mn", "2001:db8:1::/64");
        let effects = revoked(&mut mag, 2000, message);
        let answer = acknowledgement(&effects);
        assert_eq!(answer.status, RevocationStatus(status));
        assert_eq!(mag.sessions(), 1);
    }
}

#[test]
fn an_anchor_revokes_all_that_a_gateway_has_in_one_message() {
    let (mut lma, mut mag) = (lma(), mag());
    for (host, name) in [(1, "ann"), (2, "ben")] {
        let ms = 1000 * u64::from(host);
        let effects = tell(&mut lma, ms, pbu(name, ms).event());
        let prefix = given(&effects).to_string();
        attach(&mut mag, ms, host, name, &prefix);
    }
    let elsewhere = tell(&mut lma, 3000, pbu("eve", 3000).from(MAG2).event());
    assert_eq!(status(&elsewhere), Status::ACCEPTED);
    let scope = RevocationScope::Peer { address: ip(MAG1) };
    let effects = tell(&mut lma, 4000, Event::Revoke { scope });
    let (to, message) = indication(&effects);
    assert_eq!((to, message.flags), (ip(MAG1), GLOBAL));
    assert_eq!(message.trigger, RevocationTrigger::PER_PEER);
    assert_eq!(message.options, []);
    let unbound = |effect: &&Effect| matches!(effect, Effect::Unbind { .. });
    assert_eq!(effects.iter().filter(unbound).count(), 2);
    assert_eq!(lma.sessions(), 1);

    let message = Message::RevocationIndication(message.clone());
    let effects = revoked(&mut mag, 4010, message.clone());
    let answer = acknowledgement(&effects).clone();
    assert_eq!(answer.status, RevocationStatus::SUCCESS);
    assert_eq!(answer.flags, GLOBAL);
    assert_eq!(mag.sessions(), 0);
    assert_eq!(mag.counter(MagCounter::HostsRevoked), 2);
    // Nothing is left of it: once more, it is about no binding.
    let effects = revoked(&mut mag, 4020, message);
    let status = acknowledgement(&effects).status;
    assert_eq!(status, RevocationStatus::NO_BINDING);
    let answer = Message::RevocationAcknowledgement(answer);
    tell(&mut lma, 4030, message_event(MAG1, LMA, answer));
    assert_eq!(lma.counter(LmaCounter::RevocationsAcknowledged), 1);
}

#[test]
fn a_realm_names_the_hosts_that_share_it() {
    let mut mag = serving();
    let realm = |text: &str| {
        let realm = MobilityOption::MnIdentifier(MnIdentifier::Nai(text.into()));
        revoke(129, GLOBAL, vec![realm])
    };
    for other in ["@other.net", "@le.net"] {
        let effects = revoked(&mut mag, 2000, realm(other));
        let status = acknowledgement(&effects).status;
        assert_eq!(status, RevocationStatus::IDENTITY_REQUIRED, "{other}");
    }
    let effects = revoked(&mut mag, 2000, realm("@example.net"));
    let status = acknowledgement(&effects).status;
    assert_eq!(status, RevocationStatus::SUCCESS);
    assert_eq!(mag.sessions(), 0);
}

#[test]
fn the_operator_revokes_one_host_or_all() {
    let mut lma = lma();
    for (name, ms, from) in [
        ("one", 1000, MAG1),
        ("two", 2000, MAG1),
        ("three", 3000, MAG2),
    ] {
        tell(&mut lma, ms, pbu(name, ms).from(from).event());
    }
    let scope = RevocationScope::host(nai("one"));
    let effects = tell(&mut lma, 4000, Event::Revoke { scope });
    let (to, message) = indication(&effects);
    assert_eq!((to, message.flags), (ip(MAG1), SINGLE));
    assert_eq!(message.trigger, RevocationTrigger::ADMINISTRATIVE);
    assert_eq!(lma.sessions(), 2);
    let scope = RevocationScope::All;
    let effects = tell(&mut lma, 5000, Event::Revoke { scope });
    let peers: Vec<_> = sent(&effects).into_iter().map(|(_, to, _)| to).collect();
    assert_eq!(peers, [ip(MAG1), ip(MAG2)]);
    assert_eq!(lma.sessions(), 0);
    assert_eq!(lma.counter(LmaCounter::BindingsRevoked), 3);
}

#[test]
fn a_gateway_revokes_all_that_it_shares_with_its_anchor() {
    let (mut lma, mut mag) = (lma(), serving());
    let update = pbu("mn", 1000).prefix("2001:db8:1::/64").event();
    let effects = tell(&mut lma, 1000, update);
    assert_eq!(status(&effects), Status::ACCEPTED);
    let effects = tell(
        &mut mag,
        2000,
        Event::Revoke {
            scope: RevocationScope::All,
        },
    );
    let (to, message) = indication(&effects);
    assert_eq!((to, message.flags), (ip(LMA), GLOBAL));
    assert!(options::mn_identifier(&message.options).is_some());
    assert_eq!(mag.sessions(), 0);
    let message = Message::RevocationIndication(message.clone());
    let effects = tell(&mut lma, 2010, message_event(MAG1, LMA, message));
    let answer = acknowledgement(&effects).clone();
    assert_eq!(answer.status, RevocationStatus::SUCCESS);
    assert_eq!(lma.sessions(), 0);
    let answer = Message::RevocationAcknowledgement(answer);
    tell(&mut mag, 2020, message_event(LMA, MAG1, answer));
    assert_eq!(mag.counter(MagCounter::RevocationsAcknowledged), 1);
}

#[test]
fn an_anchor_answers_each_wrong_revocation_with_its_status() {
    let mut lma = lma();
    tell(&mut lma, 1000, pbu("mn", 1000).event());
    let absent = MobilityOption::HomeNetworkPrefix(prefix("2001:db8:9::/64"));
    let care_of = MobilityOption::AlternateCareOfAddress(ip(MAG2));
    for (status, from, message) in [
        (128, MAG1, revoke(1, SINGLE, vec![who("nobody")])),
        (128, MAG2, revoke(1, SINGLE, vec![who("mn")])),
        (128, MAG1, revoke(1, SINGLE, vec![who("mn"), absent])),
        (128, MAG1, revoke(128, GLOBAL, vec![who("mag"), care_of])),
        (130, MAG1, revoke(128, GLOBAL, vec![])),
        (131, MAG1, revoke(1, SINGLE, vec![])),
        (133, MAG1, revoke(77, SINGLE, vec![who("mn")])),
        (134, MAG1, revoke(129, GLOBAL, vec![who("mn")])),
        (134, MAG1, revoke(128, SINGLE, vec![who("mn")])),
    ] {
        let effects = tell(&mut lma, 2000, message_event(from, LMA, message.clone()));
        let answer = acknowledgement(&effects);
        assert_eq!(answer.status, RevocationStatus(status), "{message}");
        assert_eq!(lma.sessions(), 1);
    }
    // A stranger learns nothing.
    let message = revoke(1, SINGLE, vec![who("mn")]);
    let stranger = message_event("2001:db8:ff::99", LMA, message.clone());
    let effects = tell(&mut lma, 2000, stranger);
    assert_eq!(sent(&effects), []);
    assert_eq!(ignored_because(&effects), Some("revocation_by_stranger"));
    let effects = tell(&mut lma, 2000, message_event(MAG1, LMA, message));
    let status = acknowledgement(&effects).status;
    assert_eq!(status, RevocationStatus::SUCCESS);
    assert_eq!(lma.sessions(), 0);
}

#[test]
fn a_refusal_of_a_revocation_is_counted_and_the_binding_stays_where_the_host_is() {
    let (mut lma, effects) = moved();
    let sequence = indication(&effects).1.sequence;
    let answer = answer_to(sequence, RevocationStatus::ATTACHED);
    let effects = tell(&mut lma, 2100, message_event(MAG1, LMA, answer));
    assert!(!effects.iter().any(|effect| matches!(
        effect,
        Effect::Bind {
            path: Path::Pending,
            ..
        }
    )));
    assert_eq!(lma.counter(LmaCounter::RevocationsRefused), 1);
    let binding = lma.bindings(at(2100)).next().expect("a binding");
    assert_eq!(binding.care_of, ip(MAG2));
}

#[test]
fn forged_revocations_are_answered_up_to_a_limit() {
    let mut mag = serving();
    let message = revoke(1, SINGLE, vec![who("nobody")]);
    for _ in 0..1500 {
        tell(&mut mag, 5000, message_event(MAG2, MAG1, message.clone()));
    }
    assert_eq!(mag.counter(MagCounter::RevocationsDenied), 1000);
    assert_eq!(mag.counter(MagCounter::RevocationsUnanswered), 500);
    // An answer to nothing is taken for nothing.
    let answer = answer_to(1, RevocationStatus::SUCCESS);
    let effects = revoked(&mut mag, 5000, answer);
    let reason = ignored_because(&effects);
    assert_eq!(reason, Some("unexpected_revocation_answer"));
    // Nor can one be asked that cannot be answered.
    let message = revoke(1, SINGLE, vec![who("mn")]);
    let effects = tell(&mut mag, 6000, message_event("ff02::1", MAG1, message));
    assert_eq!(ignored_because(&effects), Some("source_not_unicast"));
    assert_eq!(mag.sessions(), 1);
}
