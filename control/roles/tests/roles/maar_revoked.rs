//! What ends without the doing of the MAAR that serves a host: the database tells it, and an anchor tells
//! the database (RFC 5846).

use crate::cmd_scenario::{
    acknowledges, cmd, confirm, hear, indicated, indications, maars, refresh, register, update_to,
    view, MAAR1, MAAR2, MAAR3, PREF1, PREF2, PREF3,
};
use crate::maar_scenario::{
    accepted, anchored, bindings, from, here, maar_address, own_prefix, served, told, update_from,
    update_to_cmd, CMD,
};
use crate::scenario::{
    advertisements, at, fire, ignored_because, ip, message_event, nai, prefix, prefixes_of, sent,
    still_here, tell, timer_after, STRANGER,
};
use roles::cmd::{Cmd, CmdCounter, CmdMode, SessionState};
use roles::effect::Effect;
use roles::event::{Departure, RevocationScope, Timer};
use roles::maar::{Maar, MaarCounter, NodeState};
use roles::store::Record;
use roles::Event;
use wire::mh::*;

/// The host is at the second MAAR, by way of the first.
fn at_the_second(mode: CmdMode) -> Cmd {
    let mut cmd = cmd(mode);
    register(&mut cmd, 1000, MAAR1, "mn", PREF1);
    let effects = register(&mut cmd, 2000, MAAR2, "mn", PREF2);
    confirm(&mut cmd, 2010, MAAR1, &update_to(&effects, MAAR1), &[PREF1]);
    cmd
}

/// The operator ends a session: the MAAR that serves it hears so as its anchors do, and until it has
/// answered the session is not forgotten, nor is a refresh of it taken.
/// Proves S2-19.
#[test]
fn what_the_operator_ends_ends_where_it_is_served() {
    let mut cmd = at_the_second(CmdMode::Relay);
    let mn_identifier = nai("mn");
    let effects = tell(&mut cmd, 5000, Event::Delete { mn_identifier });
    let (trigger, prefixes, indication) = indicated(&effects, MAAR2);
    assert_eq!(trigger, RevocationTrigger::ADMINISTRATIVE);
    assert_eq!(prefixes, [PREF1, PREF2].map(prefix));
    let release = update_to(&effects, MAAR1);
    assert_eq!(release.lifetime, Lifetime::ZERO);
    assert_eq!(view(&cmd, 5000, "mn").state, SessionState::Ending);
    confirm(&mut cmd, 5010, MAAR1, &release, &[]);
    let ignored = refresh(&mut cmd, 5500, MAAR2, "mn", PREF2);
    assert_eq!(ignored_because(&ignored), Some("refresh_of_revoked"));
    let timer = Timer::Revocation {
        sequence: indication.sequence,
    };
    let again = fire(&mut cmd, 6000, timer);
    assert_eq!(indicated(&again, MAAR2).2, indication, "the same again");
    let answer = acknowledges(&indication, RevocationStatus::SUCCESS);
    let strange = hear(&mut cmd, 6010, MAAR3, answer.clone());
    assert_eq!(
        ignored_because(&strange),
        Some("unexpected_revocation_answer")
    );
    hear(&mut cmd, 6020, MAAR2, answer);
    assert_eq!((cmd.sessions(), cmd.prefixes()), (0, 0));
    assert_eq!(cmd.counter(CmdCounter::RevocationsAcknowledged), 1);
}

/// The database has lost touch with a MAAR. When that one hears of it, it registers what it still has,
/// and what others anchored stays ended.
#[test]
fn a_session_that_lapses_begins_anew_where_the_host_is() {
    let mut cmd = at_the_second(CmdMode::Relay);
    let effects = fire(&mut cmd, 400_000, Timer::BindingExpiry { session: 1 });
    let (trigger, prefixes, indication) = indicated(&effects, MAAR2);
    assert_eq!(trigger, RevocationTrigger::OUT_OF_SYNC);
    assert_eq!(prefixes, [PREF1, PREF2].map(prefix));
    let effects = register(&mut cmd, 401_000, MAAR2, "mn", PREF2);
    // From now on it is about the other prefix alone.
    let (_, prefixes, shorter) = indicated(&effects, MAAR2);
    assert_eq!(prefixes, [prefix(PREF1)]);
    assert_eq!(view(&cmd, 401_000, "mn").state, SessionState::Active);
    let late = acknowledges(&indication, RevocationStatus::SUCCESS);
    let late = hear(&mut cmd, 401_010, MAAR2, late);
    assert_eq!(ignored_because(&late), Some("unexpected_revocation_answer"));
    let answer = acknowledges(&shorter, RevocationStatus::NO_BINDING);
    hear(&mut cmd, 401_020, MAAR2, answer);
    assert_eq!(cmd.counter(CmdCounter::RevocationsRefused), 1);
    let view = view(&cmd, 401_020, "mn");
    assert_eq!((view.serving, cmd.sessions()), (Some(ip(MAAR2)), 1));
}

/// A MAAR that never answers is given up, and a database that restarts meanwhile asks it on.
#[test]
fn an_end_is_told_across_a_restart_and_not_for_ever() {
    let mut cmd = at_the_second(CmdMode::Proxy);
    let mn_identifier = nai("mn");
    let effects = tell(&mut cmd, 5000, Event::Delete { mn_identifier });
    let stored = effects.iter().rev().find_map(|effect| match effect {
        Effect::Store { record } => Some(record.clone()),
        _ => None,
    });
    let Some(Record::Session(record)) = stored else {
        panic!("nothing is kept");
    };
    let mut cmd = crate::cmd_scenario::cmd(CmdMode::Proxy);
    let record = Record::Session(record);
    let mut effects = tell(&mut cmd, 9000, Event::Restored { record });
    let (trigger, prefixes, indication) = indicated(&effects, MAAR2);
    assert_eq!(trigger, RevocationTrigger::ADMINISTRATIVE);
    assert_eq!(prefixes, [PREF1, PREF2].map(prefix));
    confirm(&mut cmd, 9010, MAAR1, &update_to(&effects, MAAR1), &[]);
    let timer = Timer::Revocation {
        sequence: indication.sequence,
    };
    let mut ms = 9000;
    while let Some(wait) = timer_after(&effects, &timer) {
        assert_eq!(cmd.sessions(), 1);
        ms += u64::try_from(wait.as_millis()).unwrap();
        effects = fire(&mut cmd, ms, timer.clone());
    }
    assert_eq!(
        (cmd.sessions(), cmd.counter(CmdCounter::RevocationsGivenUp)),
        (0, 1)
    );
}

/// A previous MAAR that turns out to anchor nothing: whoever has been told of it hears that it is gone.
#[test]
fn what_an_anchor_no_longer_has_is_taken_back() {
    for (mode, told) in [
        (CmdMode::Relay, false),
        (CmdMode::Locator, false),
        (CmdMode::Proxy, true),
    ] {
        let mut cmd = cmd(mode);
        register(&mut cmd, 1000, MAAR1, "mn", PREF1);
        let effects = register(&mut cmd, 2000, MAAR2, "mn", PREF2);
        let update = update_to(&effects, MAAR1);
        let status = Status::NOT_LMA_FOR_THIS_MOBILE_NODE;
        let refusal = crate::cmd_scenario::acknowledgement(&update, status, &[]);
        let message = Message::BindingAcknowledgement(refusal);
        let effects = hear(&mut cmd, 2010, MAAR1, message);
        if told {
            assert_eq!(indicated(&effects, MAAR2).1, [prefix(PREF1)]);
        } else {
            assert_eq!(indications(&effects), [], "{}", mode.name());
        }
        assert_eq!(cmd.prefixes(), 1);
    }
}

/// A previous MAAR lets go of its prefix by an indication; the one that serves does so by its
/// de-registration alone, and strangers and unknown hosts change nothing.
/// Proves S2-28.
#[test]
fn an_anchor_that_lets_go_says_so() {
    let lets_go = |host: &str, prefixes: &[&str]| {
        let mut options = vec![MobilityOption::MnIdentifier(nai(host))];
        let named = prefixes.iter().map(|it| prefix(it));
        options.extend(named.map(MobilityOption::HomeNetworkPrefix));
        Message::RevocationIndication(RevocationIndication {
            trigger: RevocationTrigger::ADMINISTRATIVE,
            sequence: 7,
            flags: RevocationFlags::PROXY,
            options,
        })
    };
    let status = |effects: &[Effect]| {
        let sent = sent(effects).into_iter();
        let mut answers = sent.filter_map(|(_, _, message)| match message {
            Message::RevocationAcknowledgement(answer) => Some(answer.status),
            _ => None,
        });
        answers.next()
    };
    let mut cmd = at_the_second(CmdMode::Relay);
    let strange = hear(&mut cmd, 3000, STRANGER, lets_go("mn", &[PREF1]));
    assert_eq!(ignored_because(&strange), Some("revocation_by_stranger"));
    for (sender, message, expected) in [
        (MAAR1, lets_go("other", &[PREF1]), 128),
        (MAAR3, lets_go("mn", &[PREF3]), 128),
        (MAAR1, lets_go("mn", &[PREF2]), 128),
        (MAAR2, lets_go("mn", &[PREF2]), 134),
    ] {
        let effects = hear(&mut cmd, 3010, sender, message);
        assert_eq!(status(&effects), Some(RevocationStatus(expected)));
        assert_eq!((indications(&effects), cmd.prefixes()), (vec![], 2));
    }
    let effects = hear(&mut cmd, 3020, MAAR1, lets_go("mn", &[PREF1]));
    assert_eq!(status(&effects), Some(RevocationStatus::SUCCESS));
    assert_eq!(indicated(&effects, MAAR2).1, [prefix(PREF1)]);
    assert_eq!(view(&cmd, 3020, "mn").anchors.len(), 1);
    assert_eq!(cmd.counter(CmdCounter::PrefixesLost), 1);
}

/// A MAAR that is no longer of the domain anchors nothing either.
/// Proves S2-19.
#[test]
fn what_a_former_maar_anchored_is_taken_back() {
    let mut cmd = at_the_second(CmdMode::Relay);
    let mut maars = maars();
    maars.retain(|it| it.address != ip(MAAR1));
    let effects = tell(&mut cmd, 5000, Event::Maars { maars });
    let (trigger, prefixes, _) = indicated(&effects, MAAR2);
    assert_eq!(trigger, RevocationTrigger::ADMINISTRATIVE);
    assert_eq!(prefixes, [prefix(PREF1)]);
}

/// What the database says to a gateway of the host, by number.
fn revoke(trigger: RevocationTrigger, prefixes: &[HomeNetworkPrefix]) -> Event {
    let mut options = vec![MobilityOption::MnIdentifier(nai("mn"))];
    let prefixes = prefixes.iter().copied();
    options.extend(prefixes.map(MobilityOption::HomeNetworkPrefix));
    revocation_from(CMD, trigger, options)
}

fn revocation_from(
    sender: &str,
    trigger: RevocationTrigger,
    options: Vec<MobilityOption>,
) -> Event {
    let indication = RevocationIndication {
        trigger,
        sequence: 11,
        flags: RevocationFlags::PROXY,
        options,
    };
    let message = Message::RevocationIndication(indication);
    message_event(sender, &maar_address(1), message)
}

/// The status of the one acknowledgement that effects send, with the prefixes that it names.
fn outcome(effects: &[Effect]) -> (RevocationStatus, Vec<HomeNetworkPrefix>) {
    match sent(effects).as_slice() {
        [(_, to, Message::RevocationAcknowledgement(answer))] if *to == ip(CMD) => {
            assert_eq!(answer.sequence, 11);
            (answer.status, prefixes_of(&answer.options))
        }
        other => panic!("not one acknowledgement: {other:?}"),
    }
}

fn state(maar: &Maar) -> NodeState {
    maar.nodes(at(0)).next().expect("the host").state
}

/// Proves S2-19.
#[test]
fn a_gateway_ends_what_the_database_says_has_ended() {
    let mut maar = served(&[2, 3]);
    let own = own_prefix(&maar);
    // One anchor's prefix, and another's that it never had.
    let trigger = RevocationTrigger::UNSPECIFIED;
    let effects = tell(
        &mut maar,
        5_000,
        revoke(trigger, &[anchored(2), anchored(9)]),
    );
    let partial = RevocationStatus::PARTIAL_SUCCESS;
    assert_eq!(outcome(&effects), (partial, vec![anchored(9)]));
    assert_eq!(bindings(&effects).1, [anchored(2).into()]);
    assert!(!advertisements(&effects).is_empty(), "the host is told");
    assert_eq!(maar.counter(MaarCounter::AnchorsRevoked), 1);
    // All that there is.
    let trigger = RevocationTrigger::ADMINISTRATIVE;
    let effects = tell(&mut maar, 6_000, revoke(trigger, &[]));
    assert_eq!(outcome(&effects).0, RevocationStatus::SUCCESS);
    assert_eq!(bindings(&effects).1, [anchored(3).into(), own.into()]);
    assert_eq!(maar.sessions(), 0);
    // There is nothing left to end.
    let effects = tell(&mut maar, 7_000, revoke(trigger, &[]));
    assert_eq!(outcome(&effects).0, RevocationStatus::NO_BINDING);
    assert_eq!(maar.counter(MaarCounter::RevocationsDenied), 1);
}

/// What a host has of its own gateway goes on while the database has lost it, and is known again as
/// soon as the host has shown that it is here.
#[test]
fn a_gateway_that_the_database_lost_registers_anew() {
    let mut maar = served(&[2, 3]);
    let own = own_prefix(&maar);
    let trigger = RevocationTrigger::OUT_OF_SYNC;
    let all = [own, anchored(2), anchored(3)];
    let effects = tell(&mut maar, 5_000, revoke(trigger, &all));
    let partial = RevocationStatus::PARTIAL_SUCCESS;
    assert_eq!(outcome(&effects), (partial, vec![own]));
    assert_eq!(
        bindings(&effects).1,
        [anchored(2).into(), anchored(3).into()]
    );
    let asked: Vec<Effect> = effects
        .into_iter()
        .filter(|effect| matches!(effect, Effect::Probe { .. }))
        .collect();
    let effects = still_here(&mut maar, 5_100, &asked);
    let update = update_to_cmd(&effects);
    assert_eq!(prefixes_of(&update.options), [own]);
    tell(&mut maar, 5_110, from(CMD, accepted(&update, &[])));
    assert_eq!(state(&maar), NodeState::Served);
    // One that has left its link meanwhile is not.
    let link = here();
    let why = Departure::LinkDown;
    tell(&mut maar, 6_000, Event::HostGone { link, why });
    let effects = tell(&mut maar, 6_100, revoke(trigger, &[own]));
    assert_eq!(outcome(&effects).0, RevocationStatus::SUCCESS);
    assert_eq!(maar.sessions(), 0);
}

/// Nobody but the database ends anything here, and what it says has to be whole.
#[test]
fn indications_that_end_nothing() {
    let mut maar = served(&[2]);
    let host = vec![MobilityOption::MnIdentifier(nai("mn"))];
    let trigger = RevocationTrigger::ADMINISTRATIVE;
    for stranger in [STRANGER, &maar_address(2)] {
        let event = revocation_from(stranger, trigger, host.clone());
        let effects = tell(&mut maar, 5_000, event);
        assert_eq!(ignored_because(&effects), Some("revocation_by_stranger"));
    }
    let nobody = revocation_from(CMD, trigger, Vec::new());
    let identity = RevocationStatus::IDENTITY_REQUIRED;
    assert_eq!(outcome(&tell(&mut maar, 5_100, nobody)).0, identity);
    let other = vec![MobilityOption::MnIdentifier(nai("other"))];
    let other = revocation_from(CMD, trigger, other);
    let none = RevocationStatus::NO_BINDING;
    assert_eq!(outcome(&tell(&mut maar, 5_200, other)).0, none);
    let foreign = revoke(trigger, &[anchored(9)]);
    assert_eq!(outcome(&tell(&mut maar, 5_300, foreign)).0, none);
    assert_eq!((state(&maar), maar.sessions()), (NodeState::Served, 1));
}

/// The operator of a previous anchor ends what it has: the database hears of it until it answers.
#[test]
fn an_anchor_whose_operator_ends_a_prefix_tells_the_database() {
    let mut maar = served(&[]);
    let own = own_prefix(&maar);
    tell(&mut maar, 5_000, update_from(CMD, told(5_000, Some(2))));
    let mn_identifier = nai("mn");
    let scope = RevocationScope::host(mn_identifier);
    let mut effects = tell(&mut maar, 6_000, Event::Revoke { scope });
    let (trigger, prefixes, indication) = indicated(&effects, CMD);
    assert_eq!(trigger, RevocationTrigger::ADMINISTRATIVE);
    assert_eq!(prefixes, [own]);
    assert_eq!(
        (bindings(&effects).1, maar.sessions()),
        (vec![own.into()], 0)
    );
    let timer = Timer::Revocation {
        sequence: indication.sequence,
    };
    let wait = timer_after(&effects, &timer).expect("it is said again");
    let ms = 6_000 + u64::try_from(wait.as_millis()).unwrap();
    effects = fire(&mut maar, ms, timer.clone());
    assert_eq!(indicated(&effects, CMD).2, indication);
    let answer = acknowledges(&indication, RevocationStatus::SUCCESS);
    let event = message_event(CMD, &maar_address(1), answer);
    let effects = tell(&mut maar, ms + 10, event);
    assert!(effects.contains(&Effect::CancelTimer { timer }));
    assert_eq!(maar.counter(MaarCounter::RevocationsAcknowledged), 1);
}
