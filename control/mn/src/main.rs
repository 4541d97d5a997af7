//! `anchor-mn`: the mobile node's side, on an ordinary Linux host.
//!
//! A host needs nothing of ours to be kept reachable by Proxy Mobile IPv6. This program shows what the
//! host is told: which router and which prefixes its link has, and whether a new Router Advertisement
//! means that it has moved (RFC 6275 section 11.5.1). A well-kept domain looks like one link that never
//! changes, wherever the host is.
#![forbid(unsafe_code)]

mod advertisement;
mod link;
mod movement;

use advertisement::Heard;
use anyhow::{bail, Result};
use clap::{Args, Parser, Subcommand};
use link::Link;
use movement::{Change, Movement};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Time between Router Solicitations (RFC 4861 section 10, RTR_SOLICITATION_INTERVAL).
const SOLICITATION_INTERVAL: Duration = Duration::from_secs(4);

/// What a watch without an end waits for at a time.
const AN_HOUR: Duration = Duration::from_secs(3600);

/// The mobile node's view of its link.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print every Router Advertisement on a link, and what it means for the host
    Watch {
        #[command(flatten)]
        on: On,
        /// Stop after this many seconds
        #[arg(long, value_name = "SECONDS")]
        seconds: Option<u64>,
    },
    /// Ask for a Router Advertisement and print the answer; exit 1 when none comes
    Solicit {
        #[command(flatten)]
        on: On,
        /// Solicitations to send, four seconds apart
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
        attempts: u32,
    },
}

#[derive(Args)]
struct On {
    /// Interface of the link
    #[arg(short, long)]
    interface: String,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl On {
    fn show(&self, heard: &Heard, change: Change) -> Result<()> {
        if self.json {
            println!("{}", serde_json::to_string(&(heard, change))?);
        } else {
            println!("{heard}: {change}");
        }
        Ok(())
    }
}

fn watch(on: &On, seconds: Option<u64>) -> Result<ExitCode> {
    let link = Link::open(&on.interface)?;
    let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut movement = Movement::default();
    loop {
        match link.hear_until(end.unwrap_or_else(|| Instant::now() + AN_HOUR))? {
            Some(heard) => on.show(&heard, movement.on(&heard))?,
            None if end.is_some() => return Ok(ExitCode::SUCCESS),
            None => {}
        }
    }
}

fn solicit(on: &On, attempts: u32) -> Result<ExitCode> {
    let link = Link::open(&on.interface)?;
    for _ in 0..attempts {
        link.solicit()?;
        if let Some(heard) = link.hear_until(Instant::now() + SOLICITATION_INTERVAL)? {
            on.show(&heard, Movement::default().on(&heard))?;
            return Ok(ExitCode::SUCCESS);
        }
    }
    bail!(
        "no router answered {attempts} solicitations on {}; is the host known to the access policy?",
        on.interface
    )
}

fn main() -> ExitCode {
    let outcome = match &Cli::parse().command {
        Command::Watch { on, seconds } => watch(on, *seconds),
        Command::Solicit { on, attempts } => solicit(on, *attempts),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("anchor-mn: {error:#}");
        ExitCode::FAILURE
    })
}
