//! The triggers of RFC 5846 section 5.1: each is accepted, and those that are sent.

use crate::revocation::{
    acknowledgement, attach, indication, revoke, revoked, serving, who, GLOBAL, SINGLE,
};
use crate::scenario::*;
use roles::event::RevocationScope;
use roles::lma::LmaCounter;
use roles::Event;
use wire::mh::*;

#[test]
fn a_gateway_accepts_every_trigger() {
    for trigger in 0..=7 {
        let mut mag = serving();
        let options = vec![who("mn"), MobilityOption::Timestamp(stamp(1000))];
        let effects = revoked(&mut mag, 5000, revoke(trigger, SINGLE, options));
        let answer = acknowledgement(&effects);
        assert_eq!(answer.status, RevocationStatus::SUCCESS, "{trigger}");
        assert_eq!(mag.sessions(), 0);
    }
    let realm = MobilityOption::MnIdentifier(MnIdentifier::Nai("@example.net".into()));
    for (trigger, options) in [(128, vec![]), (129, vec![realm])] {
        let mut mag = serving();
        let effects = revoked(&mut mag, 5000, revoke(trigger, GLOBAL, options));
        let answer = acknowledgement(&effects);
        assert_eq!(answer.status, RevocationStatus::SUCCESS, "{trigger}");
        assert_eq!(mag.sessions(), 0);
    }
}

#[test]
fn an_anchor_accepts_every_trigger_that_gateways_may_send() {
    for trigger in (0..=7).chain([128]) {
        let mut lma = lma();
        tell(&mut lma, 1000, pbu("mn", 1000).event());
        let flags = if trigger == 128 { GLOBAL } else { SINGLE };
        let message = revoke(trigger, flags, vec![who("mn")]);
        let effects = tell(&mut lma, 2000, message_event(MAG1, LMA, message));
        let answer = acknowledgement(&effects);
        assert_eq!(answer.status, RevocationStatus::SUCCESS, "{trigger}");
        assert_eq!(lma.sessions(), 0);
    }
}

#[test]
fn the_operator_chooses_what_the_peer_is_told_of_why() {
    for trigger in [0, 1, 5, 6, 7].map(RevocationTrigger) {
        let scope = RevocationScope::Host {
            mn_identifier: nai("mn"),
            ipv4_only: false,
            trigger: Some(trigger),
        };
        let mut lma = lma();
        let bound = given(&tell(&mut lma, 1000, pbu("mn", 1000).event()));
        let effects = tell(
            &mut lma,
            2000,
            Event::Revoke {
                scope: scope.clone(),
            },
        );
        let (to, told) = indication(&effects);
        assert_eq!((to, told.trigger, told.flags), (ip(MAG1), trigger, SINGLE));
        assert_eq!(prefixes_of(&told.options), [bound]);
        // A gateway that is to say why revokes, and does not de-register.
        let mut mag = serving();
        let effects = tell(&mut mag, 2000, Event::Revoke { scope });
        assert_eq!(sent(&effects).len(), 1);
        let (to, told) = indication(&effects);
        assert_eq!((to, told.trigger, told.flags), (ip(LMA), trigger, SINGLE));
        assert_eq!(prefixes_of(&told.options), [prefix("2001:db8:1::/64")]);
        assert_eq!(mag.sessions(), 0);
    }
}

/// A host that is not bound yet has nothing that could be revoked: what was asked for is taken back.
#[test]
fn a_gateway_de_registers_what_is_not_bound_yet() {
    let mut mag = mag();
    tell(&mut mag, 1000, solicits(link(1, 1)));
    tell(&mut mag, 1000, admitted(link(1, 1), profile("mn")));
    let scope = RevocationScope::Host {
        mn_identifier: nai("mn"),
        ipv4_only: false,
        trigger: Some(RevocationTrigger::USER_TERMINATION),
    };
    let effects = tell(&mut mag, 2000, Event::Revoke { scope });
    assert_eq!(pbu_in(&effects).lifetime, Lifetime::ZERO);
}

/// Section 8.1: one message a gateway, by what the identifiers share.
#[test]
fn a_realm_is_revoked_at_each_gateway_that_has_hosts_of_it() {
    let mut lma = lma();
    let other = MobilityOption::MnIdentifier(MnIdentifier::Nai("mn@other.example".into()));
    for (name, ms, from) in [
        ("one", 1000, MAG1),
        ("two", 2000, MAG1),
        ("three", 3000, MAG2),
    ] {
        tell(&mut lma, ms, pbu(name, ms).from(from).event());
    }
    tell(&mut lma, 4000, pbu("x", 4000).with(other).event());
    let mut mag = mag();
    for (host, name) in [(1, "one"), (2, "two")] {
        attach(
            &mut mag,
            1000,
            host,
            name,
            &format!("2001:db8:1:{host}::/64"),
        );
    }
    let scope = RevocationScope::Realm {
        realm: "example.net".to_owned(),
    };
    let effects = tell(
        &mut lma,
        5000,
        Event::Revoke {
            scope: scope.clone(),
        },
    );
    let told: Vec<_> = sent(&effects)
        .into_iter()
        .map(|(_, to, message)| (to, message.clone()))
        .collect();
    assert_eq!(
        told.iter().map(|(to, _)| *to).collect::<Vec<_>>(),
        [ip(MAG1), ip(MAG2)]
    );
    let (_, message) = indication(&effects);
    assert_eq!(
        (message.trigger, message.flags),
        (RevocationTrigger::LOCAL_POLICY, GLOBAL)
    );
    let realm = MnIdentifier::Nai("@example.net".into());
    assert_eq!(message.options, [MobilityOption::MnIdentifier(realm)]);
    assert_eq!(lma.sessions(), 1);
    assert_eq!(lma.counter(LmaCounter::BindingsRevoked), 3);
    let effects = revoked(&mut mag, 5010, told[0].1.clone());
    assert_eq!(acknowledgement(&effects).status, RevocationStatus::SUCCESS);
    assert_eq!(mag.sessions(), 0);
    // At a gateway, those of a realm are de-registered: there is no such message from there.
    let mut mag = serving();
    let effects = tell(&mut mag, 6000, Event::Revoke { scope });
    assert_eq!(pbu_in(&effects).lifetime, Lifetime::ZERO);
    let none = RevocationScope::Realm {
        realm: "ample.net".to_owned(),
    };
    assert_eq!(tell(&mut lma, 6000, Event::Revoke { scope: none }), []);
}

/// Section 8.1: the gateways' access technologies tell which of the three it is.
#[test]
fn a_move_that_does_not_say_by_what_access_is_told_as_unknown() {
    let mut lma = lma();
    tell(&mut lma, 1000, pbu("mn", 1000).event());
    let unsaid = MobilityOption::AccessTechnology(AccessTechnology(0));
    let update = pbu("mn", 2000).from(MAG2).with(unsaid);
    let update = update.handoff(HandoffIndicator::BETWEEN_INTERFACES);
    let effects = tell(&mut lma, 2000, update.event());
    assert_eq!(status(&effects), Status::ACCEPTED);
    assert_eq!(
        indication(&effects).1.trigger,
        RevocationTrigger::HANDOVER_UNKNOWN
    );
}
