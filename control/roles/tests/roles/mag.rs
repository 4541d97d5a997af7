//! The gateway: hosts that show themselves, are served and leave.

use crate::scenario::*;
use roles::effect::{Effect, Path, TunnelEnds};
use roles::event::{Departure, HostLink, Sign, Timer};
use roles::mag::{Mag, MagCounter, VisitorState, VisitorView};
use roles::policy::Profile;
use roles::Event;
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::*;

pub const GIVEN: &str = "2001:db8:1:5::/64";

/// What a gateway sends for `mn` when it attaches at `ms`.
pub fn attach(mag: &mut Mag, ms: u64, link: HostLink) -> BindingUpdate {
    tell(mag, ms, solicits(link));
    let effects = tell(mag, ms, admitted(link, profile("mn")));
    pbu_in(&effects).clone()
}

/// Makes `mag` serve `mn` with [`GIVEN`]; the effects of the acknowledgement.
pub fn serve(mag: &mut Mag, ms: u64, link: HostLink) -> Vec<Effect> {
    let update = attach(mag, ms, link);
    tell(mag, ms + 5, answered(answer(&update, Status(0), &[GIVEN])))
}

pub fn visitor(mag: &Mag, ms: u64) -> VisitorView {
    mag.visitors(at(ms)).next().expect("a visitor")
}

fn is_forwarding(effect: &Effect) -> bool {
    matches!(effect, Effect::Bind { .. } | Effect::Advertise { .. })
}

fn gone(link: HostLink, why: Departure) -> Event {
    Event::HostGone { link, why }
}

/// Proves S1-01, S1-06, S1-23, S1-25.
#[test]
fn an_update_goes_out_as_soon_as_the_host_is_known() {
    let mut mag = mag();
    let link = link(0, 1);
    let effects = tell(&mut mag, 100, solicits(link));
    assert_eq!(effects, [Effect::Authenticate { link }]);
    assert_eq!(visitor(&mag, 100).state, VisitorState::Authenticating);
    let effects = tell(&mut mag, 110, admitted(link, profile("mn")));
    assert_eq!(
        (sent(&effects)[0].0, sent(&effects)[0].1),
        (ip(MAG1), ip(LMA))
    );
    let update = pbu_in(&effects);
    assert!(update.flags.contains(UpdateFlags::PROXY));
    assert!(update.flags.contains(UpdateFlags::ACKNOWLEDGE));
    assert_eq!(update.lifetime, Lifetime(900));
    let expected = [
        MobilityOption::MnIdentifier(nai("mn")),
        MobilityOption::HomeNetworkPrefix(HomeNetworkPrefix::REQUEST),
        MobilityOption::HandoffIndicator(HandoffIndicator::UNKNOWN),
        MobilityOption::AccessTechnology(AccessTechnology::ETHERNET),
        MobilityOption::Timestamp(stamp(110)),
        MobilityOption::MnLinkLayerIdentifier(vec![2, 0, 0, 0, 0, 1]),
    ];
    assert_eq!(update.options, expected);
    // Nothing is forwarded before the anchor has accepted it.
    assert!(!effects.iter().any(is_forwarding));
    assert_eq!(visitor(&mag, 110).state, VisitorState::Registering);
}

/// Proves S1-23.
#[test]
fn prefixes_of_the_profile_are_asked_for() {
    let mut mag = mag();
    let known = Profile {
        home_network_prefixes: vec![prefix("2001:db8:2:1::/64")],
        ..profile("fixed")
    };
    tell(&mut mag, 0, solicits(link(0, 1)));
    let effects = tell(&mut mag, 0, admitted(link(0, 1), known));
    let asked = prefixes_of(&pbu_in(&effects).options);
    assert_eq!(asked, [prefix("2001:db8:2:1::/64")]);
}

/// Proves S1-26, S1-27, S1-30, S1-31, S1-32, S1-35.
#[test]
fn an_accepted_host_is_forwarded_for_then_advertised_to() {
    let mut mag = mag();
    let link = link(3, 1);
    let effects = serve(&mut mag, 100, link);
    let tunnel = TunnelEnds::plain(ip(MAG1), ip(LMA));
    let bound = Effect::Bind {
        prefix: prefix(GIVEN).into(),
        path: Path::Access {
            tunnel,
            link,
            delegated: false,
        },
    };
    let bind = position(&effects, |e| *e == bound).expect("a binding");
    let advertise = position(&effects, |e| matches!(e, Effect::Advertise { .. })).unwrap();
    assert!(bind < advertise);
    let (to_link, to, advertisement) = advertisements(&effects)[0];
    assert_eq!((to_link, to), (link, ip(HOST_LINK_LOCAL)));
    assert_eq!(advertisement.prefixes.len(), 1);
    assert_eq!(advertisement.prefixes[0].prefix, prefix(GIVEN));
    assert!(advertisement.prefixes[0].valid >= advertisement.prefixes[0].preferred);
    assert_eq!((advertisement.managed, advertisement.other), (false, true));
    assert_eq!(advertisement.router_lifetime, 1800);
    let view = visitor(&mag, 1100);
    assert_eq!(view.state, VisitorState::Bound);
    assert_eq!(view.mn_identifier, Some(nai("mn")));
    assert_eq!(view.link, link);
    assert_eq!(view.link_local, Some(ip(HOST_LINK_LOCAL)));
    assert_eq!(view.prefixes, [prefix(GIVEN)]);
    assert_eq!((view.care_of, view.lma), (ip(MAG1), Some(ip(LMA))));
    // From the sending of the update on.
    assert_eq!(view.lifetime_left, Some(Duration::from_secs(3599)));
}

/// Proves S1-32.
#[test]
fn a_solicitation_without_a_source_is_answered_to_all_nodes() {
    let mut mag = mag();
    let link = link(0, 1);
    let source = Ipv6Addr::UNSPECIFIED;
    let sign = Sign::RouterSolicitation { source };
    tell(&mut mag, 0, Event::HostSeen { link, sign });
    let update = pbu_in(&tell(&mut mag, 0, admitted(link, profile("mn")))).clone();
    let effects = tell(&mut mag, 5, answered(answer(&update, Status(0), &[GIVEN])));
    assert_eq!(advertisements(&effects)[0].1, Ipv6Addr::UNSPECIFIED);
}

/// Proves S1-30, S1-32.
#[test]
fn solicitations_of_a_served_host_are_answered_at_once_but_not_too_often() {
    let mut mag = mag();
    let link = link(0, 1);
    serve(&mut mag, 0, link);
    let effects = tell(&mut mag, 700, solicits(link));
    assert_eq!(advertisements(&effects)[0].1, ip(HOST_LINK_LOCAL));
    assert_eq!(sent(&effects), []);
    let effects = tell(&mut mag, 800, solicits(link));
    assert!(advertisements(&effects).is_empty());
    let timer = Timer::Advertise { link };
    assert_eq!(
        timer_after(&effects, &timer),
        Some(Duration::from_millis(400))
    );
    assert_eq!(advertisements(&fire(&mut mag, 1200, timer)).len(), 1);
}

/// A host that solicits may have been elsewhere in between: its anchor is told that it is here.
#[test]
fn a_served_host_that_solicits_is_registered_anew() {
    let mut mag = mag();
    let link = link(0, 1);
    serve(&mut mag, 0, link);
    let effects = tell(&mut mag, 60_000, solicits(link));
    assert_eq!(advertisements(&effects).len(), 1);
    let update = pbu_in(&effects);
    assert_eq!(prefixes_of(&update.options), [prefix(GIVEN)]);
    assert_eq!(handoff_of(&update.options), Some(HandoffIndicator::UNKNOWN));
    assert_eq!(visitor(&mag, 60_000).state, VisitorState::Refreshing);
}

/// Proves S1-24.
#[test]
fn a_host_that_may_not_attach_gets_nothing() {
    let mut mag = mag();
    let link = link(0, 1);
    tell(&mut mag, 0, solicits(link));
    let refused = Event::Authenticated {
        link,
        profile: None,
    };
    let effects = tell(&mut mag, 0, refused);
    assert!(refused_because(&effects).is_some());
    assert_eq!(sent(&effects), []);
    assert!(!effects.iter().any(is_forwarding));
    assert_eq!(mag.visitors(at(0)).count(), 0);
    // It is left alone for a while, whatever it sends.
    assert_eq!(tell(&mut mag, 29_000, solicits(link)), []);
    assert_eq!(mag.counter(MagCounter::SignsWhileRefused), 1);
    let asked = [Effect::Authenticate { link }];
    assert_eq!(tell(&mut mag, 30_000, solicits(link)), asked);
}

#[test]
fn the_operator_and_a_new_policy_override_a_refusal() {
    let link = link(0, 1);
    let refused = || {
        let mut mag = mag();
        tell(&mut mag, 0, solicits(link));
        let profile = None;
        tell(&mut mag, 0, Event::Authenticated { link, profile });
        mag
    };
    let sign = Sign::Operator;
    let asked = [Effect::Authenticate { link }];
    assert_eq!(
        tell(&mut refused(), 1, Event::HostSeen { link, sign }),
        asked
    );
    assert_eq!(tell(&mut refused(), 1, Event::AccessPolicyChanged), asked);
}

#[test]
fn a_new_policy_ends_what_it_no_longer_allows() {
    let mut mag = mag();
    let link = link(0, 1);
    serve(&mut mag, 0, link);
    let asked = [Effect::Authenticate { link }];
    assert_eq!(tell(&mut mag, 5000, Event::AccessPolicyChanged), asked);
    assert_eq!(visitor(&mag, 5000).state, VisitorState::Bound);
    let profile = None;
    let effects = tell(&mut mag, 5000, Event::Authenticated { link, profile });
    let prefix = prefix(GIVEN);
    assert_eq!(
        effects[0],
        Effect::Unbind {
            prefix: prefix.into()
        }
    );
    assert_eq!(advertisements(&effects)[0].2.router_lifetime, 0);
    assert_eq!(advertisements(&effects)[0].2.prefixes[0].valid, 0);
    assert_eq!(pbu_in(&effects).lifetime, Lifetime::ZERO);
    assert!(refused_because(&effects).is_some());
}

#[test]
fn a_profile_that_changes_flags_is_advertised() {
    let mut mag = mag();
    let link = link(0, 1);
    serve(&mut mag, 0, link);
    tell(&mut mag, 5000, Event::AccessPolicyChanged);
    let managed = Profile {
        managed: true,
        ..profile("mn")
    };
    let effects = tell(&mut mag, 5000, admitted(link, managed));
    assert!(advertisements(&effects)[0].2.managed);
    assert_eq!(sent(&effects), []);
}

/// Only the host that policy has something new about is asked about; what it says of prefixes is taken.
///
/// Proves S1-23.
#[test]
fn one_host_is_asked_about_anew_and_takes_the_prefixes_that_policy_names() {
    let mut mag = mag();
    let (one, other) = (link(0, 1), link(0, 2));
    serve(&mut mag, 0, one);
    let changed = |link| Event::AccessPolicyChangedFor { link };
    assert_eq!(tell(&mut mag, 5000, changed(other)), []);
    let asked = [Effect::Authenticate { link: one }];
    assert_eq!(tell(&mut mag, 5000, changed(one)), asked);
    // The same again changes nothing.
    assert_eq!(tell(&mut mag, 5000, admitted(one, profile("mn"))), []);
    tell(&mut mag, 6000, changed(one));
    let named = Profile {
        home_network_prefixes: vec![prefix("2001:db8:2:7::/64")],
        ..profile("mn")
    };
    let effects = tell(&mut mag, 6000, admitted(one, named));
    let unbound = Effect::Unbind {
        prefix: prefix(GIVEN).into(),
    };
    assert_eq!(effects[0], unbound);
    let last = effects.iter().rev().find_map(|effect| match effect {
        Effect::Send {
            message: Message::BindingUpdate(update),
            ..
        } => Some(update),
        _ => None,
    });
    let last = last.expect("an update");
    assert_ne!(last.lifetime, Lifetime::ZERO);
    assert_eq!(prefixes_of(&last.options), [prefix("2001:db8:2:7::/64")]);
}

#[test]
fn a_host_that_left_is_deregistered_until_that_is_acknowledged() {
    for why in [
        Departure::LinkDown,
        Departure::Unreachable,
        Departure::Operator,
        Departure::Disconnected,
        Departure::SessionTimeout,
        Departure::IdleTimeout,
    ] {
        let mut mag = mag();
        let link = link(0, 1);
        serve(&mut mag, 0, link);
        let effects = tell(&mut mag, 9000, gone(link, why));
        let prefix = prefix(GIVEN);
        assert_eq!(
            effects[0],
            Effect::Unbind {
                prefix: prefix.into()
            }
        );
        assert!(effects.contains(&Effect::Unwatch { link }));
        let update = pbu_in(&effects).clone();
        assert_eq!(update.lifetime, Lifetime::ZERO);
        assert_eq!(prefixes_of(&update.options), [prefix]);
        assert_eq!(handoff_of(&update.options), Some(HandoffIndicator::UNKNOWN));
        // Only a host that is still there hears that the service ends.
        let told = usize::from(why.is_still_there());
        assert_eq!(advertisements(&effects).len(), told);
        assert_eq!(visitor(&mag, 9000).state, VisitorState::Leaving);
        tell(
            &mut mag,
            9010,
            answered(answer(&update, Status(0), &[GIVEN])),
        );
        assert_eq!(mag.visitors(at(9010)).count(), 0);
    }
}

#[test]
fn a_deregistration_is_given_up_in_the_end() {
    let mut mag = mag();
    let link = link(0, 1);
    serve(&mut mag, 0, link);
    tell(&mut mag, 9000, gone(link, Departure::LinkDown));
    let timer = Timer::Deregistration {
        mn_identifier: nai("mn"),
        mac: link.mac,
    };
    for ms in [10_000, 12_000] {
        let effects = fire(&mut mag, ms, timer.clone());
        let latest = MobilityOption::Timestamp(stamp(ms));
        assert!(pbu_in(&effects).options.contains(&latest));
    }
    assert_eq!(fire(&mut mag, 16_000, timer), []);
    assert_eq!(mag.visitors(at(16_000)).count(), 0);
    assert_eq!(mag.counter(MagCounter::DeregistrationsGivenUp), 1);
}

#[test]
fn a_host_that_left_before_the_answer_is_deregistered() {
    let mut mag = mag();
    let link = link(0, 1);
    let update = attach(&mut mag, 0, link);
    let effects = tell(&mut mag, 10, gone(link, Departure::LinkDown));
    assert_eq!(pbu_in(&effects).lifetime, Lifetime::ZERO);
    // The answer to the registration is no answer to that.
    let late = answered(answer(&update, Status(0), &[GIVEN]));
    let effects = tell(&mut mag, 20, late);
    assert_eq!(
        ignored_because(&effects),
        Some("acknowledgement_without_update")
    );
    assert!(!effects.iter().any(is_forwarding));
    // And one that left before it was known has left nothing.
    let mut mag = self::mag();
    tell(&mut mag, 0, solicits(link));
    assert_eq!(tell(&mut mag, 1, gone(link, Departure::LinkDown)), []);
    assert_eq!(tell(&mut mag, 2, admitted(link, profile("mn"))), []);
    assert_eq!(mag.visitors(at(2)).count(), 0);
}

/// A move in the middle of a move: it is back before its goodbye is acknowledged.
#[test]
fn a_host_that_comes_back_takes_over_what_it_left() {
    let mut mag = mag();
    let link = link(0, 1);
    serve(&mut mag, 0, link);
    let goodbye = tell(&mut mag, 9000, gone(link, Departure::LinkDown));
    let goodbye = pbu_in(&goodbye).clone();
    tell(&mut mag, 9100, solicits(link));
    let effects = tell(&mut mag, 9100, admitted(link, profile("mn")));
    let timer = Timer::Deregistration {
        mn_identifier: nai("mn"),
        mac: link.mac,
    };
    assert!(effects.contains(&Effect::CancelTimer { timer }));
    let update = pbu_in(&effects).clone();
    assert_eq!(prefixes_of(&update.options), [prefix(GIVEN)]);
    assert_ne!(update.lifetime, Lifetime::ZERO);
    let stale = answered(answer(&goodbye, Status(0), &[GIVEN]));
    let effects = tell(&mut mag, 9110, stale);
    assert_eq!(
        ignored_because(&effects),
        Some("acknowledgement_without_update")
    );
    tell(
        &mut mag,
        9120,
        answered(answer(&update, Status(0), &[GIVEN])),
    );
    assert_eq!(visitor(&mag, 9120).state, VisitorState::Bound);
    assert_eq!(mag.visitors(at(9120)).count(), 1);
}

#[test]
fn a_host_moves_between_two_links_of_the_gateway() {
    let mut mag = mag();
    serve(&mut mag, 0, link(0, 1));
    tell(&mut mag, 5000, solicits(link(1, 1)));
    let effects = tell(&mut mag, 5000, admitted(link(1, 1), profile("mn")));
    let Effect::Bind {
        path: Path::Access { link: to, .. },
        ..
    } = &effects[0]
    else {
        panic!("{effects:?}");
    };
    assert_eq!(*to, link(1, 1));
    assert_eq!(sent(&effects), [], "the anchor sees no difference");
    assert!(effects.contains(&Effect::Unwatch { link: link(0, 1) }));
    assert_eq!(advertisements(&effects)[0].0, link(1, 1));
    assert_eq!(mag.visitors(at(5000)).count(), 1);
    assert_eq!(
        visitor(&mag, 5000).lifetime_left,
        Some(Duration::from_secs(3595))
    );
    // The old link going down says nothing about it.
    assert_eq!(
        tell(&mut mag, 5001, gone(link(0, 1), Departure::LinkDown)),
        []
    );
}

#[test]
fn a_host_moves_between_two_links_before_it_is_registered() {
    let mut mag = mag();
    let first = attach(&mut mag, 0, link(0, 1));
    tell(&mut mag, 2000, solicits(link(1, 1)));
    let effects = tell(&mut mag, 2000, admitted(link(1, 1), profile("mn")));
    let again = pbu_in(&effects).clone();
    assert_ne!(again.sequence, first.sequence);
    let effects = tell(
        &mut mag,
        2005,
        answered(answer(&first, Status(0), &[GIVEN])),
    );
    assert_eq!(advertisements(&effects)[0].0, link(1, 1));
    assert_eq!(visitor(&mag, 2005).link, link(1, 1));
}

#[test]
fn a_full_gateway_refuses() {
    let mut config = mag_config();
    config.capacity = 1;
    let mut mag = Mag::new(config);
    serve(&mut mag, 0, link(0, 1));
    let effects = tell(&mut mag, 10, solicits(link(0, 2)));
    assert!(refused_because(&effects).is_some());
    assert_eq!(mag.visitors(at(10)).count(), 1);
    // Two prefixes do not fit where there is room for one.
    let two = [GIVEN, "2001:db8:1:6::/64"];
    let mut config = mag_config();
    config.capacity = 1;
    let mut mag = Mag::new(config);
    let update = attach(&mut mag, 0, link(0, 1));
    let effects = tell(&mut mag, 5, answered(answer(&update, Status(0), &two)));
    assert!(refused_because(&effects).is_some());
    assert!(!effects.iter().any(is_forwarding));
    assert_eq!(pbu_in(&effects).lifetime, Lifetime::ZERO);
}

#[test]
fn the_table_refusing_a_binding_ends_the_service() {
    let mut mag = mag();
    serve(&mut mag, 0, link(0, 1));
    let prefix = prefix(GIVEN);
    let effects = tell(
        &mut mag,
        5,
        Event::Refused {
            prefix: prefix.into(),
        },
    );
    assert_eq!(
        effects[0],
        Effect::Unbind {
            prefix: prefix.into()
        }
    );
    assert_eq!(pbu_in(&effects).lifetime, Lifetime::ZERO);
    assert!(refused_because(&effects).is_some());
}

#[test]
fn a_detached_host_does_not_come_back_by_mere_packets() {
    let mut mag = mag();
    let link = link(0, 1);
    serve(&mut mag, 0, link);
    let delete = Event::Delete {
        mn_identifier: nai("mn"),
    };
    assert_eq!(
        pbu_in(&tell(&mut mag, 1000, delete)).lifetime,
        Lifetime::ZERO
    );
    let source = ip("2001:db8:1:5::1");
    let sign = Sign::Packet { source };
    assert_eq!(tell(&mut mag, 1001, Event::HostSeen { link, sign }), []);
    let asked = [Effect::Authenticate { link }];
    assert_eq!(tell(&mut mag, 1002, solicits(link)), asked);
}

#[test]
fn signs_by_which_hosts_do_not_attach() {
    let mut config = mag_config();
    config.attach_on.packet = false;
    let mut mag = Mag::new(config);
    let (link, source) = (link(0, 1), ip("2001:db8::1"));
    let sign = Sign::Packet { source };
    assert_eq!(tell(&mut mag, 0, Event::HostSeen { link, sign }), []);
    let sign = Sign::Operator;
    let asked = [Effect::Authenticate { link }];
    assert_eq!(tell(&mut mag, 0, Event::HostSeen { link, sign }), asked);
}

#[test]
fn going_down_says_goodbye_only_if_so_configured() {
    let mut quiet = mag();
    serve(&mut quiet, 0, link(0, 1));
    assert_eq!(tell(&mut quiet, 5000, Event::Shutdown), []);
    let mut config = mag_config();
    config.deregister_on_shutdown = true;
    let mut mag = Mag::new(config);
    serve(&mut mag, 0, link(0, 1));
    let effects = tell(&mut mag, 5000, Event::Shutdown);
    assert_eq!(pbu_in(&effects).lifetime, Lifetime::ZERO);
    assert_eq!(advertisements(&effects)[0].2.router_lifetime, 0);
}
