//! Anchors that are killed under load.

use anyhow::{ensure, Result};
use lab::gateway::Programs;
use std::path::Path;
use std::process::Command;

/// Kills an anchor so many times, at points that a seed chooses, which is printed, while thousands of
/// hosts register and move; each time it has to come back with everything that it has acknowledged.
fn kill(rounds: u32) -> Result<()> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let output = Command::new(&programs.perf)
        .args(["crash", "--rounds", &rounds.to_string(), "--anchord"])
        .arg(&programs.anchord)
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}\n{errors}");
    let compared = said.lines().filter(|line| line.starts_with("round "));
    ensure!(compared.count() == rounds as usize, "{said}");
    Ok(())
}

/// Proves S1-14.
#[test]
fn nothing_acknowledged_is_lost_when_an_anchor_is_killed() -> Result<()> {
    kill(10)
}

#[test]
#[ignore = "long: kills an anchor a hundred times"]
fn nothing_acknowledged_is_lost_in_a_hundred_kills() -> Result<()> {
    kill(100)
}
