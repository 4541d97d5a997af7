//! The anchor: what it answers to updates that are right, and to those that are wrong.

use crate::scenario::*;
use roles::effect::{Effect, Path, TunnelEnds};
use roles::event::Timer;
use roles::lma::{BindingState, Lma, LmaCounter};
use roles::policy::LmaPolicy;
use roles::Event;
use std::time::Duration;
use wire::mh::*;

const MN_IDENTIFIER: u8 = 8;
const PREFIX: u8 = 22;
const HANDOFF: u8 = 23;
const TECHNOLOGY: u8 = 24;
const LINK_LAYER: u8 = 25;
const TIMESTAMP: u8 = 27;

fn bindings(lma: &Lma) -> usize {
    lma.bindings(at(0)).count()
}

/// Proves S1-02, S1-06, S1-14.
#[test]
fn a_registration_is_installed_then_answered_with_what_it_said() {
    let mut lma = lma();
    let update = pbu("mn", 1000).and(MobilityOption::LinkLocalAddress(ip("::")));
    let effects = tell(&mut lma, 1000, update.event());
    let prefix = given(&effects);
    assert!(pools()
        .iter()
        .all(|pool| pool.prefix().contains(prefix.prefix)));
    assert_eq!(prefix.length, 64);
    let tunnel = TunnelEnds::plain(ip(LMA), ip(MAG1));
    let path = Path::Anchor { tunnel };
    let bind = position(&effects, |e| {
        *e == Effect::Bind {
            prefix: prefix.into(),
            path,
        }
    })
    .unwrap();
    let send = position(&effects, |e| matches!(e, Effect::Send { .. })).unwrap();
    assert!(bind < send, "the table before the answer");
    assert_eq!(
        (sent(&effects)[0].0, sent(&effects)[0].1),
        (ip(LMA), ip(MAG1))
    );
    let answer = pba(&effects);
    assert_eq!(answer.status, Status::ACCEPTED);
    assert_eq!(answer.flags, AcknowledgementFlags::PROXY);
    assert_eq!(answer.sequence, 1000);
    assert_eq!(answer.lifetime, Lifetime(100));
    let MobilityOption::LinkLocalAddress(generated) = answer.options[6] else {
        panic!("{:?}", answer.options);
    };
    assert!(generated.is_unicast_link_local());
    let echoed = [
        MobilityOption::MnIdentifier(nai("mn")),
        MobilityOption::HomeNetworkPrefix(prefix),
        MobilityOption::HandoffIndicator(HandoffIndicator::UNKNOWN),
        MobilityOption::AccessTechnology(AccessTechnology::ETHERNET),
        MobilityOption::Timestamp(stamp(1000)),
        MobilityOption::MnLinkLayerIdentifier(vec![2, 0, 0, 0, 0, 1]),
    ];
    assert_eq!(answer.options[..6], echoed);
    let view = lma.bindings(at(101_000)).next().unwrap();
    assert_eq!(view.mn_identifier, nai("mn"));
    assert_eq!(view.prefixes, [prefix]);
    assert_eq!(view.care_of, ip(MAG1));
    assert_eq!(view.state, BindingState::Active);
    assert_eq!(view.lifetime_left, Duration::from_secs(300));
    assert_eq!(view.link_local, Some(generated));
    assert_eq!(view.timestamp, Some(stamp(1000)));
}

/// Each kind of wrong update gets the status of what is wrong with it first, and leaves nothing.
/// Proves S1-06, S1-11.
#[test]
fn each_wrong_update_gets_its_status() {
    let mn = || pbu("mn", 1000);
    let twice = MobilityOption::HandoffIndicator(HandoffIndicator::UNKNOWN);
    let alternate = |text| MobilityOption::AlternateCareOfAddress(ip(text));
    let empty = MobilityOption::MnIdentifier(MnIdentifier::Nai(String::new()));
    let late = |ms| MobilityOption::Timestamp(stamp(ms));
    let cases = [
        (mn().without(MN_IDENTIFIER), 160),
        (mn().with(empty), 160),
        (mn().from(STRANGER), 154),
        (mn().and(alternate(STRANGER)), 154),
        (pbu("barred", 1000), 152),
        (mn().and(twice), 128),
        (mn().with(late(699)), 156),
        (mn().with(late(1301)), 156),
        (mn().without(PREFIX), 158),
        (mn().without(HANDOFF), 161),
        (mn().without(TECHNOLOGY), 162),
        (mn().prefix("2001:db8:9::/64"), 155),
        (mn().prefix("2001:db8:1::/63"), 155),
        (mn().prefix("2001:db8:2:1::/64"), 155),
        (pbu("fixed", 1000).prefix("2001:db8:1:7::/64"), 155),
        // What comes first in RFC 5213 section 5.3.1 decides.
        (mn().from(STRANGER).without(MN_IDENTIFIER), 160),
        (pbu("barred", 1000).from(STRANGER), 154),
        (mn().with(late(0)).without(PREFIX), 156),
        (mn().without(PREFIX).without(HANDOFF), 158),
    ];
    for (update, expected) in cases {
        let mut lma = lma();
        let asked = prefixes_of(&update.options);
        let link_layer = update
            .options
            .iter()
            .find(|o| o.kind() == LINK_LAYER)
            .cloned();
        let effects = tell(&mut lma, 1000, update.clone().event());
        let answer = pba(&effects);
        assert_eq!(answer.status, Status(expected), "{:?}", update.options);
        assert_eq!(bindings(&lma), 0);
        assert_eq!(
            position(&effects, |e| matches!(e, Effect::Bind { .. })),
            None
        );
        assert_eq!(
            position(&effects, |e| matches!(e, Effect::SetTimer { .. })),
            None
        );
        // All that was asked comes back, and what is mandatory is there in any case.
        assert_eq!(answer.lifetime, Lifetime::ZERO);
        let back = prefixes_of(&answer.options);
        if asked.is_empty() {
            assert_eq!(back, [HomeNetworkPrefix::REQUEST]);
        } else {
            assert_eq!(back, asked);
        }
        for kind in [MN_IDENTIFIER, HANDOFF, TECHNOLOGY] {
            assert!(answer.options.iter().any(|o| o.kind() == kind), "{kind}");
        }
        assert!(answer.options.contains(&link_layer.unwrap()));
        // What was sent, or our time where that was wrong: the same moment here.
        let time = stamp(1000);
        assert!(answer.options.contains(&MobilityOption::Timestamp(time)));
    }
}

/// Only listed hosts, when policy says so.
#[test]
fn an_unknown_host_is_not_ours() {
    let mut lma = lma();
    let mut closed = policy();
    closed.serve_unlisted = false;
    tell(&mut lma, 1, Event::Policy { policy: closed });
    assert_eq!(
        status(&tell(&mut lma, 10, pbu("mn", 10).event())),
        Status(153)
    );
    assert_eq!(
        status(&tell(&mut lma, 10, pbu("fixed", 10).event())),
        Status(0)
    );
}

/// Proves S1-11.
#[test]
fn without_policy_nobody_may_register() {
    let mut lma = Lma::new(lma_config());
    assert_eq!(
        status(&tell(&mut lma, 10, pbu("mn", 10).event())),
        Status(154)
    );
}

/// A timestamp at or below the last accepted one is a replay; the answer tells our time.
/// A flood under made-up names is answered a hundred times a second, and known gateways always.
#[test]
fn few_strangers_are_answered() {
    let (mut lma, mn) = (lma(), || pbu("mn", 1000));
    let mut answered = 0;
    for _ in 0..300 {
        let effects = tell(&mut lma, 1000, mn().from(STRANGER).event());
        answered += usize::from(!sent(&effects).is_empty());
    }
    assert_eq!(answered, 100);
    assert_eq!(lma.counter(LmaCounter::StrangersUnanswered), 200);
    assert_eq!(status(&tell(&mut lma, 1000, mn().event())), Status(0));
    let effects = tell(&mut lma, 2000, mn().from(STRANGER).event());
    assert_eq!(status(&effects), Status(154));
}

#[test]
fn replayed_and_old_timestamps() {
    let mut lma = lma();
    tell(&mut lma, 1000, pbu("mn", 1000).event());
    for old in [1000, 999, 1] {
        let effects = tell(&mut lma, 1100, pbu("mn", old).event());
        assert_eq!(status(&effects), Status(157), "{old}");
        let ours = MobilityOption::Timestamp(stamp(1100));
        assert!(pba(&effects).options.contains(&ours));
    }
    let view = lma.bindings(at(1100)).next().unwrap();
    assert_eq!(view.timestamp, Some(stamp(1000)));
    assert_eq!(
        status(&tell(&mut lma, 1100, pbu("mn", 1001).event())),
        Status(0)
    );
}

/// Without timestamps the sequence number orders; 135 tells the last accepted one.
#[test]
fn sequence_numbers_order_updates_without_timestamps() {
    let mut lma = lma();
    let update = |sequence| pbu("mn", 0).without(TIMESTAMP).sequence(sequence).event();
    assert_eq!(status(&tell(&mut lma, 0, update(65_530))), Status(0));
    for old in [65_530, 65_529, 40_000] {
        let effects = tell(&mut lma, 10, update(old));
        assert_eq!(status(&effects), Status(135), "{old}");
        assert_eq!(pba(&effects).sequence, 65_530);
        assert!(!pba(&effects).options.iter().any(|o| o.kind() == TIMESTAMP));
    }
    assert_eq!(status(&tell(&mut lma, 20, update(3))), Status(0));
}

/// Proves S1-10.
#[test]
fn the_tunnel_ends_at_the_alternate_care_of_address() {
    let mut lma = lma();
    let alternate = MobilityOption::AlternateCareOfAddress(ip(MAG2));
    let effects = tell(&mut lma, 10, pbu("mn", 10).and(alternate).event());
    let view = lma.bindings(at(10)).next().unwrap();
    assert_eq!(view.care_of, ip(MAG2));
    // The answer goes to where the update came from.
    assert_eq!(sent(&effects)[0].1, ip(MAG1));
    let effects = tell(&mut lma, 20, pbu("other", 20).event());
    assert_eq!(status(&effects), Status(0));
    assert_eq!(lma.bindings(at(20)).nth(1).unwrap().care_of, ip(MAG1));
}

#[test]
fn prefixes_that_policy_fixes() {
    let mut lma = lma();
    let effects = tell(&mut lma, 10, pbu("fixed", 10).event());
    assert_eq!(given(&effects), prefix("2001:db8:2:1::/64"));
    let effects = tell(&mut lma, 10, pbu("two", 10).event());
    let both = [prefix("2001:db8:2:2::/64"), prefix("2001:db8:2:3::/64")];
    assert_eq!(prefixes_of(&pba(&effects).options), both);
    // One of two is not the set of the binding.
    let one = pbu("two", 20).prefix("2001:db8:2:2::/64");
    assert_eq!(status(&tell(&mut lma, 20, one.event())), Status(159));
    // Another host may not ask for it.
    let theft = pbu("mn", 20).prefix("2001:db8:2:2::/64");
    assert_eq!(status(&tell(&mut lma, 20, theft.event())), Status(155));
    assert_eq!(bindings(&lma), 2);
}

#[test]
fn a_lifetime_is_granted_up_to_the_most_and_then_ends() {
    let mut lma = lma();
    let effects = tell(&mut lma, 10, pbu("mn", 10).lifetime(0xffff).event());
    assert_eq!(pba(&effects).lifetime, Lifetime(900));
    let timer = Timer::BindingExpiry { session: 1 };
    let hour = Duration::from_secs(3600);
    assert_eq!(timer_after(&effects, &timer), Some(hour));
    let prefix = given(&effects);
    // A timer that comes early ends nothing.
    let early = fire(&mut lma, 3_600_000, timer.clone());
    assert_eq!(timer_after(&early, &timer), Some(Duration::from_millis(10)));
    let effects = fire(&mut lma, 3_600_010, timer);
    assert_eq!(
        effects[0],
        Effect::Unbind {
            prefix: prefix.into()
        }
    );
    assert_eq!(bindings(&lma), 0);
    assert_eq!(lma.counter(LmaCounter::BindingsExpired), 1);
}

#[test]
fn refresh_advice_is_given_below_the_lifetime() {
    let mut config = lma_config();
    config.refresh_advice = Some(Duration::from_secs(100));
    let mut lma = lma_with(config);
    let advice = MobilityOption::BindingRefreshAdvice(Lifetime(25));
    let effects = tell(&mut lma, 10, pbu("mn", 10).lifetime(26).event());
    assert!(pba(&effects).options.contains(&advice));
    let effects = tell(&mut lma, 20, pbu("mn", 20).lifetime(25).event());
    assert!(!pba(&effects).options.contains(&advice));
}

/// Proves S1-40.
#[test]
fn a_host_gets_the_prefix_again_that_it_had() {
    let mut first = lma();
    let had = given(&tell(&mut first, 10, pbu("mn", 10).event()));
    let delete = Event::Delete {
        mn_identifier: nai("mn"),
    };
    tell(&mut first, 20, delete);
    assert_eq!(bindings(&first), 0);
    let again = given(&tell(&mut first, 30, pbu("mn", 30).interface(9).event()));
    assert_eq!(again, had);
    // Also from an anchor that has lost everything, whoever came before.
    let mut second = lma();
    tell(&mut second, 10, pbu("another", 10).event());
    assert_eq!(given(&tell(&mut second, 10, pbu("mn", 10).event())), had);
}

/// An anchor that starts again honours the prefix that a gateway asks for.
#[test]
fn a_refresh_recreates_what_a_restart_lost() {
    let mut lma = lma();
    let asked = pbu("mn", 10).prefix("2001:db8:1:77::/64");
    let refresh = asked.handoff(HandoffIndicator::NOT_CHANGED);
    let effects = tell(&mut lma, 10, refresh.event());
    assert_eq!(given(&effects), prefix("2001:db8:1:77::/64"));
    // To nobody else then.
    let theft = pbu("other", 10).prefix("2001:db8:1:77::/64");
    assert_eq!(status(&tell(&mut lma, 10, theft.event())), Status(155));
}

#[test]
fn the_table_refusing_a_binding_ends_it() {
    let mut lma = lma();
    let effects = tell(&mut lma, 10, pbu("mn", 10).event());
    let prefix = given(&effects);
    let effects = tell(
        &mut lma,
        10,
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
    assert_eq!(status(&effects), Status(130));
    assert_eq!(pba(&effects).sequence, 10);
    assert_eq!(bindings(&lma), 0);
    assert_eq!(
        tell(
            &mut lma,
            10,
            Event::Refused {
                prefix: prefix.into()
            }
        ),
        []
    );
    // An update that was answered before is not answered again.
    tell(&mut lma, 20, pbu("mn", 20).event());
    tell(&mut lma, 30, pbu("mn", 30).lifetime(0).event());
    let effects = tell(
        &mut lma,
        30,
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
    assert_eq!(sent(&effects), []);
}

#[test]
fn a_change_of_policy_ends_what_it_no_longer_allows() {
    let mut lma = lma();
    for host in ["mn", "fixed", "two"] {
        tell(&mut lma, 10, pbu(host, 10).event());
    }
    let mut changed = policy();
    changed.hosts[0].proxy_registration = false;
    changed.hosts[1].home_network_prefixes.pop();
    tell(&mut lma, 20, Event::Policy { policy: changed });
    let left: Vec<_> = lma.bindings(at(20)).map(|b| b.mn_identifier).collect();
    assert_eq!(left, [nai("mn")]);
    assert_eq!(
        status(&tell(&mut lma, 30, pbu("fixed", 30).event())),
        Status(152)
    );
    let nobody = LmaPolicy::default();
    tell(&mut lma, 40, Event::Policy { policy: nobody });
    assert_eq!(bindings(&lma), 0);
    assert_eq!(
        status(&tell(&mut lma, 50, pbu("mn", 50).event())),
        Status(154)
    );
}

#[test]
fn registrations_by_mobile_nodes_themselves() {
    let mut lma = lma();
    let plain = |flags| {
        let mut update = pbu("mn", 10);
        update.flags = flags;
        update.event()
    };
    let effects = tell(&mut lma, 10, plain(0xc000));
    assert_eq!(status(&effects), Status(131));
    assert_eq!(pba(&effects).flags, AcknowledgementFlags(0));
    let effects = tell(&mut lma, 10, plain(0x8000));
    assert_eq!(sent(&effects), []);
    assert_eq!(
        ignored_because(&effects),
        Some("correspondent_registration")
    );
    tell(&mut lma, 10, pbu("mn", 10).event());
    assert_eq!(status(&tell(&mut lma, 10, plain(0xc000))), Status(139));
    assert_eq!(lma.bindings(at(10)).next().unwrap().care_of, ip(MAG1));
    // A stranger cannot tell from the answer whether a host is here.
    let mut asks = pbu("mn", 10).from(STRANGER);
    asks.flags = 0xc000;
    assert_eq!(status(&tell(&mut lma, 10, asks.event())), Status(131));
}

#[test]
fn messages_that_are_not_for_an_anchor() {
    let mut lma = lma();
    let unknown = Message::Other {
        mh_type: 99,
        data: vec![0; 2],
    };
    let effects = tell(&mut lma, 10, message_event(MAG1, LMA, unknown.clone()));
    let [(from, to, Message::BindingError(error))] = sent(&effects)[..] else {
        panic!("{effects:?}");
    };
    assert_eq!((from, to, error.status), (ip(LMA), ip(MAG1), 2));
    assert_eq!(ignored_because(&effects), Some("unknown_type"));
    // Errors are limited, and a multicast source gets none.
    for _ in 0..20 {
        tell(&mut lma, 20, message_event(MAG1, LMA, unknown.clone()));
    }
    let effects = tell(&mut lma, 30, message_event(MAG1, LMA, unknown));
    assert_eq!(sent(&effects), []);
    for source in ["ff02::1", "::", "::1", "fe80::1"] {
        let effects = tell(&mut lma, 30, pbu("mn", 30).from(source).event());
        assert_eq!(ignored_because(&effects), Some("source_not_unicast"));
        assert_eq!(sent(&effects), []);
    }
    let elsewhere = message_event(
        MAG1,
        MAG2,
        Message::BindingRefreshRequest(Default::default()),
    );
    let effects = tell(&mut lma, 30, elsewhere);
    assert_eq!(ignored_because(&effects), Some("not_our_address"));
}

/// Every counter has a name of its own and says what it counts.
#[test]
fn counters_are_declared_once() {
    let lma = lma();
    let mag = mag();
    for views in [lma.counters().collect::<Vec<_>>(), mag.counters().collect()] {
        let mut names: Vec<_> = views.iter().map(|view| view.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(views.iter().all(|view| !view.description.ends_with('.')));
    }
}

/// A mobile node's own registration, from a known gateway's address or from elsewhere, for the prefix
/// and identifier of a proxy binding: refused, and the proxy binding does not notice.
///
/// Proves S1-17.
#[test]
fn a_plain_registration_touches_no_proxy_binding() {
    let mut lma = lma();
    let effects = tell(&mut lma, 1000, pbu("mn", 1000).event());
    let prefix = given(&effects);
    let before: Vec<_> = lma.bindings(at(2000)).collect();
    for (from, lifetime) in [(MAG1, 75), (MAG1, 0), (MAG2, 75), (STRANGER, 0)] {
        let plain = Message::BindingUpdate(BindingUpdate {
            sequence: 40_000,
            flags: UpdateFlags::ACKNOWLEDGE.with(UpdateFlags::HOME_REGISTRATION),
            lifetime: Lifetime(lifetime),
            options: vec![
                MobilityOption::MnIdentifier(nai("mn")),
                MobilityOption::HomeNetworkPrefix(prefix),
                MobilityOption::AlternateCareOfAddress(ip(STRANGER)),
            ],
        });
        let effects = tell(&mut lma, 2000, message_event(from, LMA, plain));
        let answer = pba(&effects);
        assert!(!answer.status.is_accepted());
        assert!(!answer.flags.contains(AcknowledgementFlags::PROXY));
        let acts = |effect: &Effect| !matches!(effect, Effect::Send { .. } | Effect::Notify { .. });
        assert_eq!(position(&effects, acts), None);
        assert!(lma.bindings(at(2000)).eq(before.iter().cloned()));
    }
    // And its gateway goes on with it as before.
    let effects = tell(&mut lma, 3000, pbu("mn", 3000).event());
    assert_eq!(
        (status(&effects), given(&effects)),
        (Status::ACCEPTED, prefix)
    );
}
