//! Gateways that are killed under load.

use anyhow::{ensure, Result};
use lab::gateway::Programs;
use std::path::Path;
use std::process::Command;

/// Kills a gateway of this role so many times, at points that a seed chooses, which is printed, while thousands of
/// hosts come and go; each time it has to come back with everything that it has acknowledged.
fn kill(role: &str, rounds: u32) -> Result<()> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let output = Command::new(&programs.perf)
        .args(["crash", "--role", role, "--rounds", &rounds.to_string()])
        .arg("--anchord")
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
    kill("lma", 10)
}

#[test]
fn nothing_acknowledged_is_lost_when_an_access_gateway_is_killed() -> Result<()> {
    kill("mag", 10)
}

#[test]
#[ignore = "long: kills an anchor and an access gateway a hundred times"]
fn nothing_acknowledged_is_lost_in_a_hundred_kills() -> Result<()> {
    kill("lma", 100)?;
    kill("mag", 100)
}
