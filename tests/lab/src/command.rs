//! Running the small programs that set a network up.

use crate::undo::{self, Leftover};
use anyhow::{ensure, Context, Result};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

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
    let (child, undo) = undo::make(|| {
        let child = begin(words)?;
        let id = i32::try_from(child.id()).context("a process id beyond i32")?;
        Ok((child, Leftover::Process(id)))
    })?;
    let ended = end(words, child, input);
    undo.forget();
    ended
}

/// Runs a program to its end without entering it in the register, for those who hold that.
pub(crate) fn run_held(words: &[&str]) -> Result<String> {
    end(words, begin(words)?, "")
}

fn begin(words: &[&str]) -> Result<Child> {
    let (program, arguments) = words.split_first().context("no program named")?;
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot run {program}: is it installed? scripts/setup does"))
}

fn end(words: &[&str], mut child: Child, input: &str) -> Result<String> {
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
