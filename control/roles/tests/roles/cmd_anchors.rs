//! The central mobility database: what is wrong with updates, and what keeps its own updates within
//! bounds.

use crate::cmd_scenario::*;
use crate::scenario::*;
use roles::cmd::{AnchorState, Cmd, CmdCounter, CmdMode, SessionState};
use roles::effect::{Effect, Notice};
use roles::event::Timer;
use roles::store::{Key, Record};
use roles::Event;
use std::time::Duration;
use wire::mh::*;

const PREFIX: u8 = 22;

/// The timer of an update to a MAAR for the first session.
fn asking(maar: &str) -> Timer {
    Timer::AnchorUpdate {
        session: 1,
        maar: ip(maar),
    }
}

/// Each kind of wrong update gets the status of what is wrong with it first, and leaves nothing.
/// Proves S2-01.
#[test]
fn each_wrong_registration_gets_its_status() {
    let without = |kind: u8| {
        let mut update = registration("mn", &[PREF1], 1000);
        update.options.retain(|option| option.kind() != kind);
        update
    };
    let with = |option: MobilityOption| {
        let mut update = registration("mn", &[PREF1], 1000);
        replace(&mut update.options, option);
        update
    };
    let named = |prefixes: &[&str]| registration("mn", prefixes, 1000);
    let mut plain = registration("mn", &[PREF1], 1000);
    plain.flags = UpdateFlags(0x8200);
    let mut twice = registration("mn", &[PREF1], 1000);
    twice
        .options
        .push(MobilityOption::HandoffIndicator(HandoffIndicator::UNKNOWN));
    let late = |ms| with(MobilityOption::Timestamp(stamp(ms)));
    let empty = MobilityOption::MnIdentifier(MnIdentifier::Nai(String::new()));
    let many = [
        "2001:db8:a1:1::/64",
        "2001:db8:a1:2::/64",
        "2001:db8:a1:3::/64",
        "2001:db8:a1:4::/64",
        "2001:db8:a1:5::/64",
    ];
    let cases = [
        (MAAR1, without(8), 160),
        (MAAR1, with(empty), 160),
        (STRANGER, named(&[PREF1]), 154),
        (
            MAAR1,
            with(MobilityOption::AlternateCareOfAddress(ip(STRANGER))),
            154,
        ),
        (MAAR1, plain, 154),
        (MAAR1, twice, 128),
        (MAAR1, late(699), 156),
        (MAAR1, late(1301), 156),
        (MAAR1, without(PREFIX), 158),
        (
            MAAR1,
            with(MobilityOption::HomeNetworkPrefix(
                HomeNetworkPrefix::REQUEST,
            )),
            158,
        ),
        (MAAR1, without(23), 161),
        (MAAR1, without(24), 162),
        // Prefixes of another MAAR's pool, of nobody's, wider than a pool, and one within another.
        (MAAR1, named(&[PREF2]), 155),
        (MAAR1, named(&["2001:db8:9::/64"]), 155),
        (MAAR1, named(&["2001:db8::/32"]), 155),
        (
            MAAR1,
            named(&["2001:db8:a1::/56", "2001:db8:a1:1::/64"]),
            155,
        ),
        (MAAR1, named(&many), 130),
    ];
    for (from, update, expected) in cases {
        let mut cmd = cmd(CmdMode::Relay);
        let about = format!("{:?}", update.options);
        let effects = hear(&mut cmd, 1000, from, Message::BindingUpdate(update));
        let answer = answer_to(&effects, from);
        assert_eq!(answer.status, Status(expected), "{about}");
        assert_eq!(
            (answer.lifetime, cmd.sessions()),
            (Lifetime::ZERO, 0),
            "{about}"
        );
        let timers = |e: &Effect| matches!(e, Effect::SetTimer { .. } | Effect::Store { .. });
        assert_eq!(position(&effects, timers), None, "{about}");
    }
}

/// What another host has nobody else can have, nor a part of it.
/// Proves S2-01.
#[test]
fn a_prefix_that_is_taken_is_refused() {
    let mut cmd = cmd(CmdMode::Proxy);
    register(&mut cmd, 1000, MAAR1, "mn", PREF1);
    for prefix in [PREF1, "2001:db8:a1::/56", "2001:db8:a1:1:8000::/80"] {
        let answer = answer_to(&register(&mut cmd, 1100, MAAR1, "other", prefix), MAAR1);
        let refused = Status::NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX;
        assert_eq!(answer.status, refused, "{prefix}");
    }
    let beside = register(&mut cmd, 1200, MAAR1, "other", "2001:db8:a1:2::/64");
    assert_eq!(answer_to(&beside, MAAR1).status, Status::ACCEPTED);
}

#[test]
fn there_is_room_for_so_many_prefixes_and_no_more() {
    let mut config = cmd_config(CmdMode::Proxy);
    config.capacity = 2;
    let mut cmd = cmd_with(config);
    register(&mut cmd, 1000, MAAR1, "mn", PREF1);
    register(&mut cmd, 2000, MAAR2, "mn", PREF2);
    let refused = register(&mut cmd, 3000, MAAR1, "other", "2001:db8:a1:2::/64");
    assert_eq!(
        answer_to(&refused, MAAR1).status,
        Status::INSUFFICIENT_RESOURCES
    );
    let moved = register(&mut cmd, 4000, MAAR3, "mn", PREF3);
    assert_eq!(
        answer_to(&moved, MAAR3).status,
        Status::INSUFFICIENT_RESOURCES
    );
    assert_eq!(
        view(&cmd, 4000, "mn").serving,
        Some(ip(MAAR2)),
        "nothing half done"
    );
    let back = register(&mut cmd, 5000, MAAR1, "mn", PREF1);
    assert_eq!(answer_to(&back, MAAR1).status, Status::ACCEPTED);
}

/// Old and repeated updates change nothing, whichever MAAR they seem to come from.
#[test]
fn updates_are_taken_in_their_order() {
    let mut cmd = cmd(CmdMode::Proxy);
    register(&mut cmd, 2000, MAAR1, "mn", PREF1);
    let update = Message::BindingUpdate(registration("mn", &[PREF2], 1900));
    let effects = hear(&mut cmd, 2010, MAAR2, update);
    let lower = Status::TIMESTAMP_LOWER_THAN_PREV_ACCEPTED;
    let answer = answer_to(&effects, MAAR2);
    assert_eq!(answer.status, lower);
    assert!(answer
        .options
        .contains(&MobilityOption::Timestamp(stamp(2010))));
    let mut numbered = registration("mn", &[PREF2], 2100);
    numbered.options.retain(|option| option.kind() != 27);
    numbered.sequence = 2000;
    let effects = hear(
        &mut cmd,
        2100,
        MAAR2,
        Message::BindingUpdate(numbered.clone()),
    );
    let answer = answer_to(&effects, MAAR2);
    assert_eq!(
        (answer.status, answer.sequence),
        (Status::SEQUENCE_OUT_OF_WINDOW, 2000)
    );
    numbered.sequence = 2001;
    let effects = hear(&mut cmd, 2200, MAAR2, Message::BindingUpdate(numbered));
    assert_eq!(answer_to(&effects, MAAR2).status, Status::ACCEPTED);
}

/// Doubled waits up to the longest, then silence; what it anchors stays, and it is asked anew when the
/// host moves again.
/// Proves S2-18.
#[test]
fn a_silent_maar_is_asked_again_and_given_up() {
    let mut config = cmd_config(CmdMode::Relay);
    config.max_retransmissions = 4;
    config.max_bindack_timeout = Duration::from_secs(4);
    let mut cmd = cmd_with(config);
    register(&mut cmd, 1000, MAAR1, "mn", PREF1);
    let mut effects = register(&mut cmd, 2000, MAAR2, "mn", PREF2);
    let mut time = 2000;
    let mut sequences = Vec::new();
    for least in [1000, 2000, 4000, 4000, 4000] {
        sequences.push(update_to(&effects, MAAR1).sequence);
        let wait = timer_after(&effects, &asking(MAAR1)).expect("it is asked again");
        let least = Duration::from_millis(least);
        assert!(wait >= least && wait <= least + least / 8, "{wait:?}");
        time += u64::try_from(wait.as_millis()).unwrap() + 1;
        effects = fire(&mut cmd, time, asking(MAAR1));
    }
    let mut each = sequences.clone();
    each.dedup();
    assert_eq!(each.len(), 5, "each sending has its own number");
    assert!(updates(&effects).is_empty());
    let silent = |e: &Effect| matches!(e, Effect::Notify { notice: Notice::AnchorSilent { maar, .. } } if *maar == ip(MAAR1));
    assert!(position(&effects, silent).is_some());
    assert_eq!(answer_to(&effects, MAAR2).status, Status::ACCEPTED);
    assert_eq!(view(&cmd, time, "mn").anchors[0].state, AnchorState::Silent);
    assert_eq!(cmd.counter(CmdCounter::AnchorRetransmissions), 4);
    let effects = register(&mut cmd, time + 1000, MAAR3, "mn", PREF3);
    update_to(&effects, MAAR1);
    update_to(&effects, MAAR2);
}

/// Answers that nobody asked for, from strangers, for another serving MAAR, or without a prefix.
/// Proves S2-14.
#[test]
fn answers_that_answer_nothing_are_ignored() {
    let mut cmd = cmd(CmdMode::Relay);
    register(&mut cmd, 1000, MAAR1, "mn", PREF1);
    let effects = register(&mut cmd, 2000, MAAR2, "mn", PREF2);
    let update = update_to(&effects, MAAR1);
    let good = acknowledgement(&update, Status::ACCEPTED, &[PREF1]);
    let mut numbered = good.clone();
    numbered.sequence = update.sequence.wrapping_add(7);
    let mut elsewhere = good.clone();
    replace(
        &mut elsewhere.options,
        MobilityOption::ServingMaar(ip(STRANGER)),
    );
    let mut nobody = good.clone();
    nobody.options.retain(|option| option.kind() != 8);
    let bare = acknowledgement(&update, Status::ACCEPTED, &[]);
    let unexpected = "unexpected_acknowledgement";
    for (from, answer, why) in [
        (STRANGER, good.clone(), unexpected),
        (MAAR2, good.clone(), unexpected),
        (MAAR1, numbered, unexpected),
        (MAAR1, nobody, unexpected),
        (MAAR1, elsewhere, "acknowledgement_for_other_serving_maar"),
        (MAAR1, bare, "acknowledgement_without_prefix"),
    ] {
        let effects = hear(
            &mut cmd,
            2010,
            from,
            Message::BindingAcknowledgement(answer),
        );
        assert_eq!((effects.len(), ignored_because(&effects)), (1, Some(why)));
    }
    let effects = hear(
        &mut cmd,
        2020,
        MAAR1,
        Message::BindingAcknowledgement(good.clone()),
    );
    answer_to(&effects, MAAR2);
    let again = hear(&mut cmd, 2030, MAAR1, Message::BindingAcknowledgement(good));
    assert_eq!(ignored_because(&again), Some(unexpected), "a copy");
}

/// What a previous MAAR says it anchors is what it anchors: less than was thought, or more, of its own.
/// Proves S2-14.
#[test]
fn a_maar_knows_best_what_it_anchors() {
    let mut cmd = cmd(CmdMode::Relay);
    let both = [PREF1, "2001:db8:a1:2::/64"];
    let update = registration("mn", &both, 1000);
    hear(&mut cmd, 1000, MAAR1, Message::BindingUpdate(update));
    let effects = register(&mut cmd, 2000, MAAR2, "mn", PREF2);
    let update = update_to(&effects, MAAR1);
    assert_eq!(anchored_in(&update.options), both.map(prefix));
    let said = [PREF1, "2001:db8:a1:9::/64", PREF3, "2001:db8:9::/64"];
    let answer = answer_to(&confirm(&mut cmd, 2010, MAAR1, &update, &said), MAAR2);
    let true_of_it = [PREF1, "2001:db8:a1:9::/64"].map(|it| (ip(MAAR1), prefix(it)));
    assert_eq!(previous_in(&answer), true_of_it);
    assert_eq!(cmd.counter(CmdCounter::PrefixesLost), 1);
    assert_eq!(cmd.counter(CmdCounter::PrefixesFound), 1);
    assert_eq!(cmd.prefixes(), 3);
}

#[test]
fn a_refresh_by_a_maar_that_was_left_is_answered_by_telling_it_again() {
    let mut cmd = cmd(CmdMode::Proxy);
    register(&mut cmd, 1000, MAAR1, "mn", PREF1);
    let effects = register(&mut cmd, 2000, MAAR2, "mn", PREF2);
    confirm(&mut cmd, 2010, MAAR1, &update_to(&effects, MAAR1), &[PREF1]);
    let effects = refresh(&mut cmd, 5000, MAAR1, "mn", PREF1);
    assert_eq!(ignored_because(&effects), Some("refresh_by_former"));
    assert_eq!(serving_in(&update_to(&effects, MAAR1).options), [ip(MAAR2)]);
    assert_eq!(view(&cmd, 5000, "mn").serving, Some(ip(MAAR2)));
}

#[test]
fn the_oldest_prefix_of_too_many_goes() {
    let mut config = cmd_config(CmdMode::Proxy);
    config.max_previous = 1;
    let mut cmd = cmd_with(config);
    register(&mut cmd, 1000, MAAR1, "mn", PREF1);
    register(&mut cmd, 2000, MAAR2, "mn", PREF2);
    let effects = register(&mut cmd, 3000, MAAR3, "mn", PREF3);
    assert_eq!(
        previous_in(&answer_to(&effects, MAAR3)),
        [(ip(MAAR2), prefix(PREF2))]
    );
    assert_eq!(update_to(&effects, MAAR1).lifetime, Lifetime::ZERO);
    assert_eq!(cmd.counter(CmdCounter::PrefixesEvicted), 1);
    assert_eq!(cmd.prefixes(), 2);
}

/// Updates leave one after the other, however many a single message causes.
#[test]
fn a_burst_of_moves_is_paced() {
    let mut config = cmd_config(CmdMode::Proxy);
    (config.pacing_rate, config.pacing_burst) = (100, 3);
    let mut cmd = cmd_with(config);
    for host in 1..=20 {
        let (name, one) = (format!("mn{host}"), format!("2001:db8:a1:{host}::/64"));
        register(&mut cmd, 1000, MAAR1, &name, &one);
    }
    let mut sent = 0;
    for host in 1..=20 {
        let (name, two) = (format!("mn{host}"), format!("2001:db8:a2:{host}::/64"));
        sent += updates(&register(&mut cmd, 2000, MAAR2, &name, &two)).len();
    }
    assert_eq!((sent, cmd.paced()), (3, 17));
    let mut time = 2000;
    while cmd.paced() > 0 {
        time += 10;
        let effects = fire(&mut cmd, time, Timer::Pacing);
        assert_eq!(updates(&effects).len(), 1, "one in ten milliseconds");
        assert_eq!(
            timer_after(&effects, &Timer::Pacing).is_some(),
            cmd.paced() > 0
        );
    }
    assert_eq!(cmd.counter(CmdCounter::AnchorUpdates), 20);
}

/// Ten thousand hosts that bounce between two MAARs, which never answer: one update is outstanding for
/// each, no MAAR is sent more than three a second for one host, and what is kept does not grow.
#[test]
fn hosts_that_bounce_are_bounded() {
    const HOSTS: usize = 10_000;
    let mut config = cmd_config(CmdMode::Relay);
    config.capacity = 2 * HOSTS;
    config.pacing_rate = 1_000_000;
    let mut cmd = cmd_with(config);
    let mut sent = vec![0_u32; HOSTS];
    for round in 0..3_u64 {
        let (maar, pool) = match round % 2 {
            0 => (MAAR1, "2001:db8:a1"),
            _ => (MAAR2, "2001:db8:a2"),
        };
        for (host, sent) in sent.iter_mut().enumerate() {
            let (name, prefix) = (format!("mn{host}"), format!("{pool}:{:x}::/64", host + 1));
            let at = 1000 + round * 1000 + host as u64 / 100;
            let effects = register(&mut cmd, at, maar, &name, &prefix);
            *sent += u32::try_from(updates(&effects).len()).unwrap();
        }
        fire(&mut cmd, 1900 + round * 1000, Timer::Pacing);
    }
    assert_eq!((cmd.sessions(), cmd.prefixes()), (HOSTS, 2 * HOSTS));
    assert!(cmd.paced() <= 2 * HOSTS, "one turn for each anchor");
    assert!(
        sent.iter().all(|&sent| sent <= 3),
        "one for each move at most"
    );
    // One that moves faster than is followed stays where it is; it costs no more messages.
    let mut moved = 0;
    for step in 0..40_u64 {
        let (maar, one) =
            [(MAAR1, "2001:db8:a1:1::/64"), (MAAR2, "2001:db8:a2:1::/64")][step as usize % 2];
        let effects = register(&mut cmd, 20_000 + step, maar, "mn0", one);
        moved += u32::from(ignored_because(&effects).is_none());
        let to_one = updates(&effects).len();
        assert!(to_one <= 1);
    }
    assert!(moved <= 25, "{moved} of 40");
    assert!(cmd.counter(CmdCounter::MovesTooOften) > 0);
}

fn stored(effects: &[Effect]) -> Option<Record> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::Store { record } => Some(record.clone()),
        _ => None,
    })
}

fn restored(record: &Record, ms: u64) -> (Cmd, Vec<Effect>) {
    let mut cmd = cmd(CmdMode::Proxy);
    let record = record.clone();
    let effects = tell(&mut cmd, ms, Event::Restored { record });
    (cmd, effects)
}

/// A database that was killed comes back with every host, long after their lifetimes; anchors that had
/// not answered are asked again.
/// Proves S2-12.
#[test]
fn sessions_survive_the_database() {
    let mut cmd = cmd(CmdMode::Proxy);
    register(&mut cmd, 1000, MAAR1, "mn", PREF1);
    let effects = register(&mut cmd, 2000, MAAR2, "mn", PREF2);
    let record = stored(&effects).expect("a record");
    let (mut back, effects) = restored(&record, 9_000_000);
    assert_eq!(serving_in(&update_to(&effects, MAAR1).options), [ip(MAAR2)]);
    let view_of = view(&back, 9_000_000, "mn");
    assert_eq!(
        (view_of.serving, view_of.state),
        (Some(ip(MAAR2)), SessionState::Active)
    );
    assert_eq!(view_of.lifetime_left, Duration::from_secs(300));
    let answer = answer_to(&register(&mut back, 9_001_000, MAAR3, "mn", PREF3), MAAR3);
    assert_eq!(previous_in(&answer).len(), 2);
    assert_eq!(back.counter(CmdCounter::SessionsRestored), 1);
    // A session that was ending goes on ending.
    leave(&mut cmd, 3000, MAAR2, "mn", &[PREF2]);
    let effects = fire(&mut cmd, 13_000, Timer::BindingExpiry { session: 1 });
    let (ending, effects) = restored(&stored(&effects).expect("a record"), 20_000);
    assert_eq!(update_to(&effects, MAAR1).lifetime, Lifetime::ZERO);
    assert_eq!((ending.sessions(), ending.prefixes()), (1, 0));
}

#[test]
fn what_is_no_longer_of_the_domain_ends() {
    let mut cmd = cmd(CmdMode::Proxy);
    register(&mut cmd, 1000, MAAR1, "mn", PREF1);
    let effects = register(&mut cmd, 2000, MAAR2, "mn", PREF2);
    let record = stored(&effects).expect("a record");
    let without = |gone: &str| {
        let mut maars = maars();
        maars.retain(|it| it.address != ip(gone));
        Event::Maars { maars }
    };
    tell(&mut cmd, 3000, without(MAAR1));
    assert_eq!(view(&cmd, 3000, "mn").anchors.len(), 1);
    let effects = tell(&mut cmd, 4000, without(MAAR2));
    assert_eq!(cmd.sessions(), 0);
    let forgotten = Effect::Forget {
        key: Key::Session { session: 1 },
    };
    assert!(effects.contains(&forgotten));
    let mut bare = Cmd::new(cmd_config(CmdMode::Proxy));
    let effects = tell(&mut bare, 5000, Event::Restored { record });
    assert_eq!(effects, [forgotten]);
}

#[test]
fn what_has_no_business_here_is_ignored_and_counted() {
    let mut cmd = cmd(CmdMode::Proxy);
    let elsewhere = Event::Message {
        from: ip(MAAR1),
        to: ip(STRANGER),
        message: Message::BindingUpdate(registration("mn", &[PREF1], 1000)),
    };
    assert_eq!(
        ignored_because(&tell(&mut cmd, 1000, elsewhere)),
        Some("not_our_address")
    );
    let local = hear(
        &mut cmd,
        1000,
        "fe80::1",
        Message::BindingUpdate(registration("mn", &[PREF1], 1000)),
    );
    assert_eq!(ignored_because(&local), Some("source_not_unicast"));
    let mut plain = registration("mn", &[PREF1], 1000);
    plain.flags = UpdateFlags(0xc000);
    let home = hear(&mut cmd, 1000, MAAR1, Message::BindingUpdate(plain.clone()));
    assert_eq!(
        answer_to(&home, MAAR1).status,
        Status::HOME_REGISTRATION_NOT_SUPPORTED
    );
    plain.flags = UpdateFlags(0x8000);
    let none = hear(&mut cmd, 1000, MAAR1, Message::BindingUpdate(plain));
    assert_eq!(ignored_because(&none), Some("correspondent_registration"));
    let update = registration("mn", &[PREF1], 1000);
    let forged = Event::Unauthenticated {
        from: ip(MAAR1),
        to: ip(CMD),
        update,
        status: Status::AUTH_FAIL,
    };
    assert_eq!(
        answer_to(&tell(&mut cmd, 1000, forged), MAAR1).status,
        Status::AUTH_FAIL
    );
    let strangers = (0..200).map(|_| register(&mut cmd, 5000, STRANGER, "mn", PREF1));
    let answered = strangers
        .filter(|effects| !answers(effects).is_empty())
        .count();
    assert_eq!((answered, cmd.sessions()), (100, 0));
}
