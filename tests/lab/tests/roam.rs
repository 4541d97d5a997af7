//! A host that walks through a domain of three MAARs, in every mode of the database, over a bad path,
//! and past a MAAR that dies.

use anyhow::{ensure, Result};
use lab::gateway::Programs;
use lab::roam::{Bed, Report};
use lab::wire::Impairment;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn programs() -> Result<Programs> {
    Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))
}

fn conf() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf")
}

fn walk(mode: &str, impairment: Option<Impairment>) -> Result<Report> {
    let bed = Bed::lay(&programs()?, &conf(), mode, impairment, |_, _| {})?;
    let mut said = |line: &str| println!("{line}");
    let report = bed.walk(mode, &mut said);
    let report = report.map_err(|error| error.context(bed.troubles()))?;
    ensure!(
        report.sessions == [true; 5],
        "{report:?}\n{}",
        bed.troubles()
    );
    bed.stop_well()?;
    Ok(report)
}

/// Proves S2-13, S2-16, S2-20.
#[test]
fn a_session_begun_at_each_stop_lives_in_relay_mode() -> Result<()> {
    walk("relay", None).map(drop)
}

#[test]
fn a_session_begun_at_each_stop_lives_in_locator_mode() -> Result<()> {
    walk("locator", None).map(drop)
}

/// Proves S2-27.
#[test]
fn a_session_begun_at_each_stop_lives_in_proxy_mode() -> Result<()> {
    walk("proxy", None).map(drop)
}

/// The first anchor is far away and loses packets.
#[test]
fn a_walk_over_a_bad_path() -> Result<()> {
    let impairment = Impairment {
        delay: 50.0,
        loss: 0.01,
        seed: 5,
        ..Impairment::default()
    };
    walk("relay", Some(impairment)).map(drop)
}

/// The second MAAR dies while the host is at the third: what was begun at the first and the third lives.
#[test]
fn an_anchor_that_dies_takes_its_own_sessions_alone() -> Result<()> {
    let mut bed = Bed::lay(&programs()?, &conf(), "proxy", None, |_, _| {})?;
    bed.go(0, 0)?;
    let first = bed.begin()?;
    bed.go(1, 1)?;
    bed.go(2, 2)?;
    let third = bed.begin()?;
    bed.kill(1)?;
    std::thread::sleep(Duration::from_millis(500));
    // Back to the first, without the second, which nobody can ask any more.
    bed.go(0, 2)?;
    let last = bed.begin()?;
    std::thread::sleep(Duration::from_millis(500));
    for session in [first, third, last] {
        let outcome = session.stop()?;
        ensure!(outcome.intact, "{outcome:?}\n{}", bed.troubles());
    }
    Ok(())
}
