//! `anchor-perf`: load, impairment and measurement for Anchorage.
//!
//! `anchor-perf wire` is a bad wire on purpose: it joins two interfaces and delays, loses, reorders
//! and doubles what passes, by decisions that a seed fixes. See [`wire`].

mod wire;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Load, impairment and measurement for Anchorage.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Join two interfaces by a wire that delays, loses, reorders and doubles packets.
    Wire(wire::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Wire(arguments) => wire::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("anchor-perf: {error:#}");
            ExitCode::FAILURE
        }
    }
}
