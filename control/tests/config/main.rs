//! Configuration and policy files: what is wrong with one is said with its line and a remedy, and
//! every file in `conf/` loads.

mod cmd;
mod domains;
mod examples;
mod files;
mod links;
mod maar;
mod machine;
mod policy;
mod protocol;
mod servers;

use control::config::{Config, Error};
use std::path::Path;
use testbed::configuration::{LMA, LMA_POLICY, MAAR, MAG};
use testbed::{machine, Gateway};

/// `good` with `from` replaced by `to` is refused, and that `expected` is said, is all that is said.
#[track_caller]
fn refused(good: &str, from: &str, to: &str, expected: &str) {
    assert!(good.contains(from), "`{from}` is not there to be spoiled");
    let policy = if good == LMA { LMA_POLICY } else { "" };
    let error = load(&good.replacen(from, to, 1), policy).expect_err("it should be refused");
    assert_eq!(said(&error), [expected]);
}

/// Loads a configuration and a policy file out of a directory of their own.
fn load(config: &str, policy: &str) -> Result<Config, Error> {
    Gateway::new(config, policy).load()
}

/// What is said about a file, each with its line, the directory left out.
fn said(error: &Error) -> Vec<String> {
    let said = error.problems.iter().map(|problem| {
        let file = problem
            .file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let line = problem.line.map_or(String::new(), |line| line.to_string());
        format!("{file}:{line}: {}", problem.message)
    });
    said.collect()
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
