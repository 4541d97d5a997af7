//! `anchord`: the gateway. The front door: it reads the configuration, opens the ports, starts one
//! worker per core and the control plane, and takes all of it down again.
//!
//! ```text
//!   configuration ──► environment ──► ports ──► tables, rings ──► workers (one thread a core)
//!                                                         └─────► control (this thread)
//!   SIGTERM ──► control drains and returns ──► workers stop ──► ports close ──► no mbuf in use
//! ```
#![forbid(unsafe_code)]

mod gateway;
mod ports;
mod workers;

use anyhow::{Context, Result};
use clap::Parser;
use control::config::Config;
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
    if cli.check {
        print!("{}", config.to_toml());
        return Ok(());
    }
    let filter = EnvFilter::try_new(&config.gateway.log)
        .with_context(|| format!("`log = \"{}\"` is no log filter", config.gateway.log))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
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
