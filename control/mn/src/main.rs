//! `anchor-mn`: the mobile node's side, on an ordinary Linux host.
//!
//! A host needs nothing of ours to be kept reachable by Proxy Mobile IPv6. This program shows what the
//! host is told: which router and which prefixes its link has, and whether a new Router Advertisement
//! means that it has moved (RFC 6275 section 11.5.1). A well-kept domain looks like one link that never
//! changes, wherever the host is.
#![forbid(unsafe_code)]

mod advertisement;
mod information;
mod link;
mod movement;
mod responder;

use advertisement::Heard;
use anyhow::{bail, Result};
use clap::{Args, Parser, Subcommand};
use information::{Limit, Responder};
use link::Link;
use movement::{Change, Movement};
use responder::{Policy, Scope};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use wire::niq::NiMessage;

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
    /// Answer Node Information Queries (RFC 4620) on a link, by which a gateway finds the host's earlier
    /// anchors
    NiqResponder {
        /// Interface of the link
        #[arg(short, long)]
        interface: String,
        /// From where questions are answered
        #[arg(long, value_enum, default_value = "link")]
        scope: Scope,
        /// Name to tell; without it, questions for the name are refused
        #[arg(long, value_parser = name)]
        name: Option<String>,
        /// Refuse questions for addresses
        #[arg(long)]
        refuse_addresses: bool,
        /// Answers in a second
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        rate: u32,
    },
}

/// A name that can be told.
fn name(text: &str) -> Result<String, String> {
    let told = responder::dns(text).map(|_| text.to_owned());
    told.ok_or_else(|| "is no name: labels of 1 to 63 octets, with dots between".to_owned())
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

fn respond(interface: &str, policy: Policy, rate: u32) -> Result<ExitCode> {
    let mut responder = Responder::open(interface, policy, Limit::new(rate))?;
    println!("answers on {interface}");
    loop {
        if let Some(answered) = responder.serve()? {
            let (from, reply) = (answered.from, NiMessage::Reply(answered.reply));
            println!("{}, from {from}: {reply}", NiMessage::Query(answered.query));
        }
    }
}

fn main() -> ExitCode {
    let outcome = match &Cli::parse().command {
        Command::Watch { on, seconds } => watch(on, *seconds),
        Command::Solicit { on, attempts } => solicit(on, *attempts),
        Command::NiqResponder {
            interface,
            scope,
            name,
            refuse_addresses,
            rate,
        } => {
            let policy = Policy {
                scope: *scope,
                name: name.clone(),
                addresses: !refuse_addresses,
            };
            respond(interface, policy, *rate)
        }
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("anchor-mn: {error:#}");
        ExitCode::FAILURE
    })
}
