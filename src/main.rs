//! `anchord`: the gateway. The front door: it reads the configuration, opens the ports, starts one
//! worker per core and the control plane, and takes all of it down again.
//!
//! ```text
//!   configuration ──► socket ──► environment ──► ports ──► tables, rings
//!                                                            ├──► workers (one thread a core)
//!                                                            └──► control (this thread)
//!   SIGTERM ──► control drains and returns ──► workers stop ──► ports close ──► no mbuf in use
//! ```
#![forbid(unsafe_code)]

mod gateway;
mod plan;
mod ports;
mod workers;

use anyhow::{anyhow, Context, Result};
use clap::Parser;
use control::config::Config;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// A gateway that keeps a moving host's IP sessions alive
#[derive(Parser)]
#[command(name = "anchord", version = VERSION)]
struct Cli {
    /// Configuration file
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// Check the configuration and its policy, print all of it with every default, and exit
    #[arg(long)]
    check: bool,
    /// Control socket, in place of the one that the configuration names
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Record every event of the role to this file, a JSON object a line
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

/// What `--version` says: ours, and that of the libdpdk that it was built against.
const VERSION: &str = concat!(
    env!("ANCHORAGE_VERSION"),
    " (libdpdk ",
    env!("ANCHORAGE_DPDK_VERSION"),
    ")"
);

fn start(cli: Cli) -> Result<()> {
    let mut config = Config::load(&cli.config)?;
    if let Some(socket) = cli.socket {
        config.gateway.socket = std::path::absolute(&socket)
            .with_context(|| format!("the socket's path {} has no meaning", socket.display()))?;
    }
    let filter = EnvFilter::try_new(&config.gateway.log).map_err(|_| {
        anyhow!(
            "{}: `log = \"{}\"` is no log filter; give error, warn, info, debug or trace, or one \
             per module such as \"info,control=debug\"",
            cli.config.display(),
            config.gateway.log
        )
    })?;
    if cli.check {
        print!("{}", config.to_toml());
        return Ok(());
    }
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // Whoever keeps the log does not want colours in it.
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    gateway::serve(config, cli.config, cli.record)
}

fn main() -> ExitCode {
    match start(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("anchord: {error:#}");
            ExitCode::FAILURE
        }
    }
}
