//! The gateway: hosts with several interfaces, and sessions that come from one to another.

use crate::mag::GIVEN;
use crate::scenario::*;
use roles::effect::Effect;
use roles::event::{Departure, HostLink, RevocationScope, Timer};
use roles::mag::{Mag, MagCounter, VisitorState};
use roles::policy::Profile;
use roles::store::Record;
use roles::{BoundPrefix, Event};
use wire::mh::*;

const OTHER: &str = "2001:db8:1:6::/64";
const BETWEEN: HandoffIndicator = HandoffIndicator::BETWEEN_INTERFACES;

fn first() -> HostLink {
    link(0, 1)
}

fn second() -> HostLink {
    link(1, 2)
}

/// Attaches an interface of `mn`; what its anchor is told.
fn attach(mag: &mut Mag, ms: u64, link: HostLink, profile: Profile) -> BindingUpdate {
    tell(mag, ms, solicits(link));
    pbu_in(&tell(mag, ms, admitted(link, profile))).clone()
}

/// A gateway that serves `mn` by two interfaces, since 1000 ms.
fn both() -> Mag {
    let mut mag = mag();
    for (link, given) in [(first(), GIVEN), (second(), OTHER)] {
        let update = attach(&mut mag, 1000, link, profile("mn"));
        tell(
            &mut mag,
            1005,
            answered(answer(&update, Status(0), &[given])),
        );
    }
    mag
}

/// Which links are served, and with what.
fn served(mag: &Mag) -> Vec<(HostLink, Vec<HomeNetworkPrefix>)> {
    let views = mag.visitors(at(2000));
    let bound =
        views.filter(|view| matches!(view.state, VisitorState::Bound | VisitorState::Refreshing));
    bound.map(|view| (view.link, view.prefixes)).collect()
}

fn takes_over(link: HostLink, prefixes: &[&str]) -> Event {
    let prefixes = prefixes.iter().map(|it| prefix(it)).collect();
    Event::TakeOver { link, prefixes }
}

fn gone(link: HostLink) -> Event {
    let why = Departure::LinkDown;
    Event::HostGone { link, why }
}

#[test]
fn each_interface_of_a_host_is_registered_and_served() {
    let mag = both();
    let expected = [
        (first(), vec![prefix(GIVEN)]),
        (second(), vec![prefix(OTHER)]),
    ];
    assert_eq!(served(&mag), expected);
    let mac = |link: HostLink| link.mac.0.to_vec();
    // Whose update is answered, the interface says, or the sequence number.
    for told in [true, false] {
        let mut mag = self::mag();
        let updates = [first(), second()].map(|it| attach(&mut mag, 1000, it, profile("mn")));
        let identifiers = updates.each_ref().map(|it| it.options.last().cloned());
        let expected =
            [first(), second()].map(|it| Some(MobilityOption::MnLinkLayerIdentifier(mac(it))));
        assert_eq!(identifiers, expected);
        let mut late = answer(&updates[1], Status(0), &[OTHER]);
        if !told {
            late.options.retain(|option| option.kind() != 25);
        }
        tell(&mut mag, 1010, answered(late));
        assert_eq!(served(&mag), [(second(), vec![prefix(OTHER)])]);
        tell(
            &mut mag,
            1020,
            answered(answer(&updates[0], Status(0), &[GIVEN])),
        );
        assert_eq!(served(&mag).len(), 2);
    }
}

#[test]
fn an_anchor_hears_of_a_new_interface_where_policy_says_that_it_is_one() {
    let mut mag = mag();
    for (simultaneous, link, handoff) in [
        (false, first(), HandoffIndicator::UNKNOWN),
        (true, second(), HandoffIndicator::NEW_INTERFACE),
    ] {
        let profile = Profile {
            simultaneous,
            ..profile("mn")
        };
        let update = attach(&mut mag, 1000, link, profile);
        assert_eq!(handoff_of(&update.options), Some(handoff));
        tell(
            &mut mag,
            1005,
            answered(answer(&update, Status(0), &[GIVEN])),
        );
    }
}

#[test]
fn several_prefixes_are_bound_and_advertised_together() {
    let mut mag = mag();
    let update = attach(&mut mag, 1000, first(), profile("mn"));
    let effects = tell(
        &mut mag,
        1005,
        answered(answer(&update, Status(0), &[GIVEN, OTHER])),
    );
    let (_, _, advertisement) = advertisements(&effects)[0];
    let told: Vec<_> = advertisement.prefixes.iter().map(|it| it.prefix).collect();
    assert_eq!(told, [prefix(GIVEN), prefix(OTHER)]);
    assert_eq!(advertisements(&effects).len(), 1);
    let effects = fire(&mut mag, 2_880_000, Timer::Refresh { link: first() });
    assert_eq!(prefixes_of(&pbu_in(&effects).options), told);
}

#[test]
fn one_interface_leaves_and_the_other_stays() {
    let mut mag = both();
    let effects = tell(&mut mag, 2000, gone(first()));
    let goodbye = pbu_in(&effects).clone();
    assert_eq!(prefixes_of(&goodbye.options), [prefix(GIVEN)]);
    assert_eq!(served(&mag), [(second(), vec![prefix(OTHER)])]);
    // The other leaves before that is answered; each goodbye has its own answer.
    let second_goodbye = pbu_in(&tell(&mut mag, 2010, gone(second()))).clone();
    assert_eq!(mag.visitors(at(2010)).count(), 2);
    tell(
        &mut mag,
        2020,
        answered(answer(&second_goodbye, Status(0), &[OTHER])),
    );
    let left: Vec<_> = mag.visitors(at(2020)).map(|view| view.link).collect();
    assert_eq!(left, [first()]);
    // It comes back and takes up what it left, which is not what the other left.
    let update = attach(&mut mag, 2030, first(), profile("mn"));
    assert_eq!(prefixes_of(&update.options), [prefix(GIVEN)]);
    assert_eq!(mag.visitors(at(2030)).count(), 1);
}

#[test]
fn a_session_comes_to_an_interface_that_has_one() {
    let mut mag = both();
    let effects = tell(&mut mag, 2000, takes_over(second(), &[GIVEN]));
    let update = pbu_in(&effects).clone();
    assert_eq!(handoff_of(&update.options), Some(BETWEEN));
    assert_eq!(prefixes_of(&update.options), [prefix(GIVEN)]);
    let effects = tell(
        &mut mag,
        2010,
        answered(answer(&update, Status(0), &[GIVEN, OTHER])),
    );
    assert_eq!(
        served(&mag),
        [(second(), vec![prefix(GIVEN), prefix(OTHER)])]
    );
    // The first is served no longer, is told so, and nobody is told that it has left.
    assert!(sent(&effects).is_empty());
    assert_eq!(advertisements(&effects).len(), 2);
    assert_eq!(mag.visitors(at(2010)).count(), 1);
    let unbound = position(&effects, |it| matches!(it, Effect::Unbind { .. }));
    let bound = position(
        &effects,
        |it| matches!(it, Effect::Bind { prefix, .. } if *prefix == BoundPrefix::V6(self::prefix(GIVEN))),
    );
    assert!(unbound < bound, "{effects:?}");
}

/// It has not attached yet: it attaches by taking over the host's only session.
#[test]
fn an_interface_attaches_by_taking_over() {
    let mut mag = mag();
    let effects = tell(&mut mag, 1000, takes_over(second(), &[]));
    assert_eq!(effects, [Effect::Authenticate { link: second() }]);
    let effects = tell(&mut mag, 1001, admitted(second(), profile("mn")));
    let update = pbu_in(&effects).clone();
    assert_eq!(handoff_of(&update.options), Some(BETWEEN));
    assert_eq!(prefixes_of(&update.options), [HomeNetworkPrefix::REQUEST]);
    tell(
        &mut mag,
        1010,
        answered(answer(&update, Status(0), &[GIVEN])),
    );
    assert_eq!(served(&mag), [(second(), vec![prefix(GIVEN)])]);
}

#[test]
fn what_is_bound_stays_when_nothing_is_handed_over() {
    for status in [128, 129, 130, 153, 155, 159] {
        let mut mag = both();
        let effects = tell(&mut mag, 2000, takes_over(second(), &["2001:db8:1:7::/64"]));
        let update = pbu_in(&effects).clone();
        let effects = tell(
            &mut mag,
            2010,
            answered(answer(&update, Status(status), &[])),
        );
        // It goes on with what it has.
        let refresh = pbu_in(&effects);
        assert_eq!(
            handoff_of(&refresh.options),
            Some(HandoffIndicator::NOT_CHANGED)
        );
        assert_eq!(prefixes_of(&refresh.options), [prefix(OTHER)]);
        assert_eq!(served(&mag).len(), 2, "{status}");
        assert_eq!(mag.counter(MagCounter::TakeOversRefused), 1);
    }
    // One that has nothing is attached as if nothing had been said.
    let mut mag = mag();
    tell(&mut mag, 1000, takes_over(second(), &[GIVEN]));
    let update = pbu_in(&tell(&mut mag, 1001, admitted(second(), profile("mn")))).clone();
    let effects = tell(&mut mag, 1010, answered(answer(&update, Status(155), &[])));
    let again = pbu_in(&effects);
    assert_eq!(handoff_of(&again.options), Some(HandoffIndicator::UNKNOWN));
    assert_eq!(prefixes_of(&again.options), [HomeNetworkPrefix::REQUEST]);
}

#[test]
fn a_revocation_ends_the_session_that_it_names() {
    let revoke = |options: Vec<MobilityOption>| {
        let message = Message::RevocationIndication(RevocationIndication {
            trigger: RevocationTrigger(1),
            sequence: 7,
            flags: RevocationFlags::PROXY,
            options,
        });
        message_event(LMA, MAG1, message)
    };
    let who = || MobilityOption::MnIdentifier(nai("mn"));
    let mut mag = both();
    let named = MobilityOption::HomeNetworkPrefix(prefix(OTHER));
    tell(&mut mag, 2000, revoke(vec![who(), named]));
    assert_eq!(served(&mag), [(first(), vec![prefix(GIVEN)])]);
    let mut mag = both();
    tell(&mut mag, 2000, revoke(vec![who()]));
    assert_eq!(served(&mag), []);
    // So does the operator, of all of them.
    for event in [
        Event::Delete {
            mn_identifier: nai("mn"),
        },
        Event::Revoke {
            scope: RevocationScope::host(nai("mn")),
        },
    ] {
        let mut mag = both();
        let effects = tell(&mut mag, 2000, event);
        assert_eq!(sent(&effects).len(), 2);
        assert_eq!(served(&mag), []);
    }
}

#[test]
fn a_refresh_request_is_for_all_sessions_or_the_one_that_it_names() {
    let asked = |options: Vec<MobilityOption>| {
        let message = Message::BindingRefreshRequest(BindingRefreshRequest { options });
        message_event(LMA, MAG1, message)
    };
    let who = || MobilityOption::MnIdentifier(nai("mn"));
    let which = MobilityOption::MnLinkLayerIdentifier(second().mac.0.to_vec());
    assert_eq!(sent(&tell(&mut both(), 2000, asked(vec![who()]))).len(), 2);
    let effects = tell(&mut both(), 2000, asked(vec![who(), which]));
    assert_eq!(prefixes_of(&pbu_in(&effects).options), [prefix(OTHER)]);
}

#[test]
fn both_sessions_come_back_after_a_restart() {
    let mut before = mag();
    let mut after = mag();
    for (link, given) in [(first(), GIVEN), (second(), OTHER)] {
        let update = attach(&mut before, 1000, link, profile("mn"));
        let effects = tell(
            &mut before,
            1005,
            answered(answer(&update, Status(0), &[given])),
        );
        for effect in effects {
            if let Effect::Store {
                record: record @ Record::Visitor(_),
            } = effect
            {
                tell(&mut after, 1100, Event::Restored { record });
            }
        }
    }
    assert_eq!(served(&after), served(&before));
    assert_eq!(served(&after).len(), 2);
}
