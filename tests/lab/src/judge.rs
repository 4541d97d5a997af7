//! What tshark, which is not ours, reads in a capture.

use crate::command;
use anyhow::{Context, Result};
use std::path::Path;

/// Reads the given fields of every frame that a display filter lets through, all if it is empty. A field that a frame has
/// more than once, such as the addresses of nested headers, is a comma-separated list, outer first.
///
/// # Errors
/// When tshark cannot read the file or does not know a field.
pub fn read(capture: &Path, filter: &str, fields: &[&str]) -> Result<Vec<Vec<String>>> {
    let file = capture.to_str().context("a path that is not text")?;
    let mut words = vec!["tshark", "-n", "-r", file, "-T", "fields"];
    if !filter.is_empty() {
        words.extend(["-Y", filter]);
    }
    for field in fields {
        words.extend(["-e", field]);
    }
    let lines = command::run(&words)?;
    let split = |line: &str| line.split('\t').map(str::to_owned).collect();
    Ok(lines.lines().map(split).collect())
}

/// How many frames a display filter lets through.
///
/// # Errors
/// As [`read`].
pub fn count(capture: &Path, filter: &str) -> Result<usize> {
    read(capture, filter, &["frame.number"]).map(|frames| frames.len())
}
