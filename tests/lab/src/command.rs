//! Running the small programs that set a network up.

use anyhow::{ensure, Context, Result};
use std::io::Write;
use std::process::{Command, Stdio};

/// Runs a program to its end and returns what it printed.
///
/// # Errors
/// When it is not there or does not succeed; the error carries what it said.
pub fn run(words: &[&str]) -> Result<String> {
    run_with(words, "")
}

/// Runs a program to its end with `input` as its standard input.
///
/// # Errors
/// When it is not there or does not succeed; the error carries what it said.
pub fn run_with(words: &[&str], input: &str) -> Result<String> {
    let (program, arguments) = words.split_first().context("no program named")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {program}: is it installed? scripts/setup does"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends without reading all is judged by its status.
        let _unread = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().context("cannot wait")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "`{}` failed ({}): {}",
        words.join(" "),
        output.status,
        said.trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
