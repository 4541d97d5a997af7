//! Other programs, run to their end.

use anyhow::{bail, ensure, Context, Result};
use serde_json::Value;
use std::process::{Command, Output};

/// Runs a program.
///
/// # Errors
/// When it does not start or fails, with the end of what it said.
pub fn run(command: &mut Command) -> Result<Output> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("{name} does not start"))?;
    ensure!(
        output.status.success(),
        "{name} ended with {}: {}",
        output.status,
        tail(&output)
    );
    Ok(output)
}

/// The last of what a program said.
fn tail(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    let said = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = said.lines().chain(errors.lines()).collect();
    let from = lines.len().saturating_sub(4);
    lines.get(from..).unwrap_or_default().join("; ")
}

/// Runs this program with other arguments and reads the JSON object that it prints.
///
/// # Errors
/// When it fails or prints something else.
pub fn ours(arguments: &[&str]) -> Result<Value> {
    let mut command = Command::new(std::env::current_exe()?);
    json(command.args(arguments)).with_context(|| arguments.join(" "))
}

/// Runs a program that prints a JSON object.
///
/// # Errors
/// When it fails or prints something else.
pub fn json(command: &mut Command) -> Result<Value> {
    let output = run(command)?;
    let said = String::from_utf8_lossy(&output.stdout);
    match said.lines().last() {
        Some(line) => serde_json::from_str(line).context("what it printed is not JSON"),
        None => bail!("it printed nothing"),
    }
}

/// The number at a place in a JSON object.
///
/// # Errors
/// When there is none.
pub fn number(value: &Value, place: &str) -> Result<f64> {
    let found = value.pointer(place).and_then(Value::as_f64);
    found.with_context(|| format!("no number at {place}"))
}
