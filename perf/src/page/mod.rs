//! `anchor-perf page`: the tables and plots of docs/performance.md, from the JSON files of a run of
//! scripts/bench.
//!
//! ```text
//!   results/machine.json  forward-*.json  compare.json ──> text between <!-- bench:NAME --> markers
//!           table.json    update.json     storm*.json  ──> performance/*.svg and *.png beside the page
//!           ndr.json      latency.json
//! ```
//!
//! A file that is not there was not measured: its rows say so, its plot stays as it is.

pub mod machine;
pub mod plots;
mod results;
mod tables;

use anyhow::{ensure, Context, Result};
use clap::Args;
use results::Results;
use std::fs;
use std::path::PathBuf;

/// Where from and where to.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Directory of the JSON files.
    #[arg(long)]
    results: PathBuf,
    /// The page.
    #[arg(long, default_value = "docs/performance.md")]
    into: PathBuf,
}

/// Writes tables and plots.
///
/// # Errors
/// When a file cannot be read or written, is not JSON, or the page lacks a marker.
pub fn run(arguments: &Arguments) -> Result<()> {
    let results = Results::read(&arguments.results)?;
    let page = &arguments.into;
    let mut text =
        fs::read_to_string(page).with_context(|| format!("cannot read {}", page.display()))?;
    for (name, table) in tables::all(&results) {
        text = replace(&text, name, &table)?;
    }
    fs::write(page, text)?;
    let directory = page.with_file_name("performance");
    fs::create_dir_all(&directory)?;
    for plot in plots::all(&results) {
        plot.write(&directory)?;
    }
    Ok(())
}

/// Puts `table` between the markers of `name`.
fn replace(text: &str, name: &str, table: &str) -> Result<String> {
    let (open, close) = (
        format!("<!-- bench:{name} -->"),
        format!("<!-- /bench:{name} -->"),
    );
    let missing = || format!("the page has no markers {open} and {close}");
    let (before, rest) = text.split_once(&open).with_context(missing)?;
    let (old, after) = rest.split_once(&close).with_context(missing)?;
    ensure!(!old.contains("<!-- bench:"), "{open} is not closed");
    Ok(format!(
        "{before}{open}\n{}\n{close}{after}",
        table.trim_end()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let page = "a\n<!-- bench:x -->\nold\n<!-- /bench:x -->\nb\n";
        let new = replace(page, "x", "| new |\n").expect("replaced");
        assert_eq!(new, "a\n<!-- bench:x -->\n| new |\n<!-- /bench:x -->\nb\n");
        assert_eq!(replace(&new, "x", "| new |").expect("again"), new);
        assert!(replace(page, "y", "").is_err());
        let open = "<!-- bench:x -->\n<!-- bench:y -->\n<!-- /bench:x -->";
        assert!(replace(open, "x", "").is_err());
    }
}
