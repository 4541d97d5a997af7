//! A host that walks through a domain of MAARs while its gateways die or are silent, whose sessions end, and that leaves.

use anyhow::{ensure, Context, Result};
use lab::gateway::{Configuration, Programs};
use lab::roam::{Bed, Layout, CN};
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(20);

fn programs() -> Result<Programs> {
    Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))
}

fn conf() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf")
}

fn lay(mode: &str, adjust: impl FnMut(&str, &mut Configuration)) -> Result<Bed> {
    Bed::lay(&programs()?, &conf(), Layout::of_the_draft(mode), adjust)
}

/// The second MAAR dies while the host is at the third: its own sessions are gone, those that were begun at the first
/// and the third live. The database, which waits for all anchors, does not wait for that one for ever.
///
/// Proves S2-18.
#[test]
fn an_anchor_that_dies_takes_its_own_sessions_alone() -> Result<()> {
    let mut bed = lay("relay", |_, _| {})?;
    let report = bed.walk_past_a_death("relay", &mut |line| println!("{line}"));
    let report = report.map_err(|error| error.context(bed.troubles()))?;
    ensure!(
        report.sessions == [true, false, true, true],
        "{report:?}\n{}",
        bed.troubles()
    );
    let cmd = bed.cmd().context("a database")?;
    ensure!(
        cmd.counter("answers_incomplete")? >= 1,
        "{}",
        bed.troubles()
    );
    Ok(())
}

/// The database is stopped while the host moves, until a registration has been given up; then it is killed while the
/// host moves on. Each time the move is completed once it is back, and no session that was begun before ends.
#[test]
fn a_database_that_is_silent_or_dies_costs_no_session() -> Result<()> {
    let mut bed = lay("relay", |name, configuration| {
        if name != "cmd" {
            configuration.set("maar", "registration_timeout", 2);
        }
    })?;
    bed.go(0, 0)?;
    let first = bed.begin()?;

    bed.silence_cmd(true)?;
    let began = bed.plug(1)?;
    bed.until_counted(1, "registrations_timed_out", 1, LIMIT)?;
    bed.silence_cmd(false)?;
    bed.settle(1, 1, began)?;
    let second = bed.begin()?;

    bed.kill_cmd()?;
    std::thread::sleep(Duration::from_millis(300));
    let began = bed.plug(2)?;
    bed.until_counted(2, "updates_sent", 1, LIMIT)?;
    ensure!(bed.led_to(2)?.is_none(), "{}", bed.troubles());
    bed.restart_cmd()?;
    bed.settle(2, 2, began)?;
    let third = bed.begin()?;
    std::thread::sleep(Duration::from_millis(300));
    for session in [first, second, third] {
        let outcome = session.stop()?;
        ensure!(outcome.intact, "{outcome:?}\n{}", bed.troubles());
    }
    bed.stop_well()
}

/// Waits until the host knows these MAARs, and no other, as routers on its link.
fn until_routers(bed: &Bed, maars: &[u16]) -> Result<()> {
    let router = |index: &u16| Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x21 + index);
    let expected: Vec<Ipv6Addr> = maars.iter().map(router).collect();
    let end = Instant::now() + LIMIT;
    loop {
        let routers = bed.host().routers()?;
        if routers == expected {
            return Ok(());
        }
        ensure!(Instant::now() < end, "{routers:?}\n{}", bed.troubles());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// To the host, each MAAR where it has a session is a router of its own on the link that it is on, and it begins sessions
/// from its address of the one that it is at. The session of one of them ends: that one is let go of and is no router to
/// it any more, the others stay.
///
/// Proves S2-11, S2-19.
#[test]
fn each_anchor_is_a_router_until_nobody_uses_it() -> Result<()> {
    let bed = lay("proxy", |name, configuration| {
        if name != "cmd" {
            configuration.set("maar", "unused_after", 3);
        }
    })?;
    let mut sessions = Vec::new();
    for (index, routers) in [(0, &[0][..]), (1, &[0, 1]), (2, &[0, 1, 2])] {
        bed.go(index, index)?;
        until_routers(&bed, routers)?;
        let here = bed.address_of(index)?;
        ensure!(bed.host().source_to(CN)? == here, "{}", bed.troubles());
        sessions.push(bed.begin()?);
    }
    let ended = sessions.remove(1).stop()?;
    ensure!(ended.intact, "{ended:?}\n{}", bed.troubles());
    bed.until_counted(2, "anchors_released", 1, LIMIT)?;
    until_routers(&bed, &[0, 2])?;
    ensure!(bed.counted(2, "anchors_unused")? == 1, "{}", bed.troubles());
    ensure!(bed.led_to(2)? == Some(1), "{}", bed.troubles());
    let kept = bed.remains()?;
    ensure!(kept.iter().all(|it| !it.starts_with("maar2")), "{kept:?}");
    for session in sessions {
        let outcome = session.stop()?;
        ensure!(outcome.intact, "{outcome:?}\n{}", bed.troubles());
    }
    bed.stop_well()
}

/// A host leaves the domain from its third MAAR, of whose two previous anchors the first asks the database for its word
/// whenever its lifetime is over, and the second waits for it. Afterwards nobody knows anything of the host.
///
/// Proves S2-28, S2-29, S2-30, S2-31.
#[test]
fn nothing_is_left_of_a_host_that_leaves() -> Result<()> {
    let bed = lay("proxy", |name, configuration| {
        if name == "cmd" {
            return configuration.set("cmd", "min_delay_before_bce_delete_ms", 200);
        }
        for (key, value) in [("guard", 1), ("reachable_time", 1)] {
            configuration.set("maar", key, value);
        }
        // The third asks for longer than its host takes to be missed: it is to end the session, not its lifetime.
        if name != "maar3" {
            configuration.set("maar", "lifetime", 8);
        }
        let variant = if name == "maar1" { "ask" } else { "stop" };
        configuration.set("maar", "previous_expiry", variant);
    })?;
    bed.go(0, 0)?;
    let first = bed.begin()?;
    bed.go(1, 1)?;
    // Answered that the host is still in the domain.
    bed.until_counted(0, "previous_renewed", 1, LIMIT)?;
    bed.go(2, 2)?;
    let outcome = first.stop()?;
    ensure!(outcome.intact, "{outcome:?}\n{}", bed.troubles());

    bed.leave()?;
    let end = Instant::now() + LIMIT;
    loop {
        let remains = bed.remains()?;
        if remains.is_empty() {
            break;
        }
        ensure!(Instant::now() < end, "{remains:?}\n{}", bed.troubles());
        std::thread::sleep(Duration::from_millis(50));
    }
    let waited = bed.counted(1, "previous_renewed")?;
    ensure!(waited == 0, "{}", bed.troubles());
    for index in [0, 1] {
        let ended = bed.counted(index, "previous_ended")?;
        ensure!(ended == 1, "{}", bed.troubles());
    }
    // Acknowledged a moment after the database has let go.
    bed.until_counted(2, "deregistered", 1, LIMIT)?;
    bed.stop_well()
}
