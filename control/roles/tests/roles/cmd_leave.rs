//! The central mobility database: how sessions and single prefixes end.

use crate::cmd_scenario::*;
use crate::scenario::*;
use roles::cmd::{CmdCounter, CmdMode, SessionState};
use roles::effect::Effect;
use roles::event::Timer;
use roles::store::Key;
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
