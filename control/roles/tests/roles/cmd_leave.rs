//! The central mobility database: how sessions and single prefixes end.

use crate::cmd_scenario::*;
use crate::scenario::*;
use roles::cmd::{CmdCounter, CmdMode, SessionState};
use roles::effect::Effect;
use roles::event::Timer;
use roles::store::Key;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use wire::mh::*;

/// Proves S2-28, S2-31.
#[test]
fn only_the_serving_maar_ends_a_session() {
    let mut cmd = cmd(CmdMode::Proxy);
    register(&mut cmd, 1000, MAAR1, "mn", PREF1);
    let effects = register(&mut cmd, 2000, MAAR2, "mn", PREF2);
    confirm(&mut cmd, 2010, MAAR1, &update_to(&effects, MAAR1), &[PREF1]);
    // A previous MAAR whose time is up: the session goes on, and so does its part in it.
    let answer = answer_to(&leave(&mut cmd, 30_000, MAAR1, "mn", &[PREF1]), MAAR1);
    assert_eq!(
        (answer.status, answer.lifetime),
        (Status::ACCEPTED, Lifetime(69))
    );
    assert_eq!(cmd.counter(CmdCounter::DeregistrationsDenied), 1);
    assert_eq!(cmd.prefixes(), 2);
    // The serving one: what is left waits for the host, then is let go.
    let effects = leave(&mut cmd, 40_000, MAAR2, "mn", &[PREF2]);
    assert_eq!(answer_to(&effects, MAAR2).lifetime, Lifetime::ZERO);
    assert!(updates(&effects).is_empty());
    assert_eq!(view(&cmd, 40_000, "mn").state, SessionState::Pending);
    let expiry = Timer::BindingExpiry { session: 1 };
    let effects = fire(&mut cmd, 50_000, expiry);
    let release = update_to(&effects, MAAR1);
    assert_eq!(
        (release.lifetime, prefixes_of(&release.options)),
        (Lifetime::ZERO, vec![prefix(PREF1)])
    );
    assert!(serving_in(&release.options).is_empty());
    assert_eq!(view(&cmd, 50_000, "mn").state, SessionState::Ending);
    let effects = confirm(&mut cmd, 50_010, MAAR1, &release, &[]);
    assert!(effects.contains(&Effect::Forget {
        key: Key::Session { session: 1 }
    }));
    assert_eq!((cmd.sessions(), cmd.prefixes()), (0, 0));
    // Nobody knows the host now, and whoever ends it again is told that it is over.
    let answer = answer_to(&leave(&mut cmd, 60_000, MAAR1, "mn", &[PREF1]), MAAR1);
    assert_eq!(
        (answer.status, answer.lifetime),
        (Status::ACCEPTED, Lifetime::ZERO)
    );
}

/// A host that turns up in time keeps its older prefixes.
/// Proves S2-28.
#[test]
fn a_host_that_comes_back_in_time_keeps_its_sessions() {
    let mut cmd = cmd(CmdMode::Proxy);
    register(&mut cmd, 1000, MAAR1, "mn", PREF1);
    register(&mut cmd, 2000, MAAR2, "mn", PREF2);
    leave(&mut cmd, 3000, MAAR2, "mn", &[PREF2]);
    let answer = answer_to(&register(&mut cmd, 8000, MAAR3, "mn", PREF3), MAAR3);
    assert_eq!(previous_in(&answer), [(ip(MAAR1), prefix(PREF1))]);
    assert_eq!(view(&cmd, 8000, "mn").state, SessionState::Active);
}

/// A lifetime that runs out ends the session as a de-registration does, for all anchors.
/// Proves S2-28.
#[test]
fn a_session_that_is_not_refreshed_ends_everywhere() {
    let mut cmd = cmd(CmdMode::Proxy);
    register(&mut cmd, 1000, MAAR1, "mn", PREF1);
    register(&mut cmd, 2000, MAAR2, "mn", PREF2);
    register(&mut cmd, 3000, MAAR3, "mn", PREF3);
    refresh(&mut cmd, 200_000, MAAR3, "mn", PREF3);
    let expiry = || Timer::BindingExpiry { session: 1 };
    let early = fire(&mut cmd, 303_000, expiry());
    assert!(timer_after(&early, &expiry()).is_some(), "it was refreshed");
    let effects = fire(&mut cmd, 500_000, expiry());
    let releases = [update_to(&effects, MAAR1), update_to(&effects, MAAR2)];
    assert!(releases.iter().all(|it| it.lifetime == Lifetime::ZERO));
    confirm(&mut cmd, 500_010, MAAR1, &releases[0], &[]);
    // One that does not know the host has let go of it.
    let refusal = acknowledgement(&releases[1], Status::NOT_LMA_FOR_THIS_MOBILE_NODE, &[]);
    hear(
        &mut cmd,
        500_010,
        MAAR2,
        Message::BindingAcknowledgement(refusal),
    );
    // The one that served it hears of it too.
    let (trigger, _, indication) = indicated(&effects, MAAR3);
    assert_eq!(trigger, RevocationTrigger::OUT_OF_SYNC);
    let answer = acknowledges(&indication, RevocationStatus::SUCCESS);
    hear(&mut cmd, 500_020, MAAR3, answer);
    assert_eq!(cmd.sessions(), 0);
}

/// One old prefix ends, and the host stays reachable on the others.
/// Proves S2-19.
#[test]
fn prefixes_end_one_by_one() {
    let mut cmd = cmd(CmdMode::Proxy);
    register(&mut cmd, 1000, MAAR1, "mn", PREF1);
    register(&mut cmd, 2000, MAAR2, "mn", PREF2);
    let effects = register(&mut cmd, 3000, MAAR3, "mn", PREF3);
    confirm(&mut cmd, 3010, MAAR1, &update_to(&effects, MAAR1), &[PREF1]);
    let effects = leave(&mut cmd, 4000, MAAR3, "mn", &[PREF1]);
    assert_eq!(answer_to(&effects, MAAR3).status, Status::ACCEPTED);
    let release = update_to(&effects, MAAR1);
    assert_eq!(
        (release.lifetime, prefixes_of(&release.options)),
        (Lifetime::ZERO, vec![prefix(PREF1)])
    );
    assert_eq!(serving_in(&release.options), [ip(MAAR3)]);
    confirm(&mut cmd, 4010, MAAR1, &release, &[]);
    let view = view(&cmd, 4010, "mn");
    assert_eq!(
        (view.state, view.serving),
        (SessionState::Active, Some(ip(MAAR3)))
    );
    assert_eq!(view.anchors.len(), 2);
    let answer = answer_to(&register(&mut cmd, 5000, MAAR1, "mn", PREF1), MAAR1);
    assert_eq!(previous_in(&answer).len(), 2, "it may have it again");
}

/// The timers that run, and when each is due, in milliseconds.
#[derive(Default)]
struct Timers {
    due: BTreeMap<u64, BTreeSet<Timer>>,
    at: BTreeMap<Timer, u64>,
}

impl Timers {
    fn set(&mut self, timer: Timer, due: u64) {
        self.cancel(&timer);
        self.due.entry(due).or_default().insert(timer.clone());
        self.at.insert(timer, due);
    }

    fn cancel(&mut self, timer: &Timer) {
        let due = self.at.remove(timer);
        if let Some(others) = due.and_then(|due| self.due.get_mut(&due)) {
            others.remove(timer);
        }
    }
}

/// Ten thousand hosts whose lifetimes end in one moment, served by a MAAR that answers only what it is told
/// twice: indications leave at the pace that is configured, first and again, none is lost, and once all are
/// answered nothing is left.
/// Proves S2-28.
#[test]
fn what_ends_at_once_is_told_at_the_pace() {
    const HOSTS: u64 = 10_000;
    const A_MILLISECOND: usize = 10;
    const BURST: usize = 64;
    let mut config = cmd_config(CmdMode::Proxy);
    config.capacity = usize::try_from(HOSTS).unwrap();
    config.pacing_rate = u32::try_from(A_MILLISECOND * 1000).unwrap();
    config.pacing_burst = u32::try_from(BURST).unwrap();
    let mut cmd = cmd_with(config);
    let mut timers = Timers::default();
    for host in 1..=HOSTS {
        let (name, one) = (format!("mn{host}"), format!("2001:db8:a1:{host:x}::/64"));
        register(&mut cmd, 1000, MAAR1, &name, &one);
        timers.set(Timer::BindingExpiry { session: host }, 400_000);
    }
    let mut told = BTreeMap::new();
    let mut sent = Vec::new();
    while let Some((now, due)) = timers.due.pop_first() {
        let mut at_once = 0;
        for timer in due {
            timers.at.remove(&timer);
            for effect in fire(&mut cmd, now, timer) {
                match effect {
                    Effect::SetTimer { timer, after } => {
                        let after = u64::try_from(after.as_millis()).unwrap();
                        timers.set(timer, now + after.max(1));
                    }
                    Effect::CancelTimer { timer } => timers.cancel(&timer),
                    Effect::Send {
                        message: Message::RevocationIndication(indication),
                        ..
                    } => {
                        at_once += 1;
                        let times = told.entry(indication.sequence).or_insert((0, indication));
                        times.0 += 1;
                    }
                    _ => {}
                }
            }
        }
        sent.push((now, at_once));
        let twice = |_: &u16, (times, _): &mut (u32, RevocationIndication)| *times == 2;
        for (sequence, (_, indication)) in told.extract_if(.., twice).collect::<Vec<_>>() {
            timers.cancel(&Timer::Revocation { sequence });
            let answer = acknowledges(&indication, RevocationStatus::SUCCESS);
            hear(&mut cmd, now, MAAR1, answer);
        }
    }
    assert!(sent.iter().all(|(_, at_once)| *at_once <= BURST));
    for (at, _) in &sent {
        let within = sent.iter().filter(|(it, _)| (*at..at + 100).contains(it));
        let within: usize = within.map(|(_, at_once)| at_once).sum();
        assert!(within <= BURST + 100 * A_MILLISECOND, "{within} at {at}");
    }
    let total: usize = sent.iter().map(|(_, at_once)| at_once).sum();
    assert_eq!((total as u64, told.len()), (2 * HOSTS, 0));
    assert_eq!(cmd.counter(CmdCounter::RevocationsSent), HOSTS);
    assert_eq!(cmd.counter(CmdCounter::RevocationsRetransmitted), HOSTS);
    assert_eq!(cmd.counter(CmdCounter::RevocationsGivenUp), 0);
    assert_eq!((cmd.sessions(), cmd.prefixes(), cmd.paced()), (0, 0, 0));
}

/// One host about whose old prefixes there is news after news: its MAAR is told three times in a second at
/// most, of all that has ended by then.
#[test]
fn what_ends_piece_by_piece_is_told_as_often_as_of_anything() {
    let mut config = cmd_config(CmdMode::Proxy);
    config.max_previous = 8;
    let mut cmd = cmd_with(config);
    let old: Vec<String> = (1..=4).map(|n| format!("2001:db8:a1:{n}::/64")).collect();
    let old: Vec<&str> = old.iter().map(String::as_str).collect();
    let update = registration("mn", &old, 1000);
    hear(&mut cmd, 1000, MAAR1, Message::BindingUpdate(update));
    let effects = register(&mut cmd, 2000, MAAR2, "mn", PREF2);
    confirm(&mut cmd, 2010, MAAR1, &update_to(&effects, MAAR1), &old);
    let mut told = Vec::new();
    let mut waits = None;
    for (step, gone) in (0..).zip(&old) {
        let indication = RevocationIndication {
            trigger: RevocationTrigger::UNSPECIFIED,
            sequence: step,
            flags: RevocationFlags::PROXY,
            options: vec![
                MobilityOption::MnIdentifier(nai("mn")),
                MobilityOption::HomeNetworkPrefix(prefix(gone)),
            ],
        };
        let message = Message::RevocationIndication(indication);
        let at = 3000 + u64::from(step) * 10;
        let effects = hear(&mut cmd, at, MAAR1, message);
        told.extend(indications(&effects));
        let timer = Timer::AnchorIndication {
            session: 1,
            maar: ip(MAAR2),
        };
        waits = timer_after(&effects, &timer).or(waits);
    }
    assert_eq!(told.len(), 3, "three in a second");
    let waits = waits.expect("the fourth waits");
    assert!(waits <= Duration::from_secs(1));
    let timer = Timer::AnchorIndication {
        session: 1,
        maar: ip(MAAR2),
    };
    let (_, prefixes, indication) = indicated(&fire(&mut cmd, 4100, timer), MAAR2);
    assert_eq!(prefixes.len(), 4, "all that has ended");
    // Those before say less: an answer to them is none to this.
    let answer = acknowledges(&told[2].1, RevocationStatus::SUCCESS);
    hear(&mut cmd, 4110, MAAR2, answer);
    assert_eq!(cmd.counter(CmdCounter::UnexpectedRevocationAnswer), 1);
    let answer = acknowledges(&indication, RevocationStatus::SUCCESS);
    hear(&mut cmd, 4120, MAAR2, answer);
    assert_eq!(cmd.counter(CmdCounter::RevocationsAcknowledged), 1);
}
