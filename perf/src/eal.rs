//! DPDK's environment, for the subcommands whose packets are mbufs.

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use dpdk::{Eal, EalConfig};

/// Whether packet memory lies in 2 MB pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Hugepages {
    /// When enough of them are free.
    Auto,
    /// Never.
    Never,
    /// Or not at all.
    Require,
}

/// How the environment starts.
#[derive(Args, Clone, Debug)]
pub struct EalArguments {
    /// Whether packet memory lies in 2 MB pages
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Hugepages::Auto)]
    hugepages: Hugepages,
}

/// Starts the environment with room for `memory_mb` MB of packets. `devices` are the devargs of the
/// ports to come; there may be none. It names itself after the process, so that several can run.
///
/// # Errors
/// What DPDK says, or that the machine has no hugepages where they are required.
pub fn start(arguments: &EalArguments, memory_mb: u32, devices: Vec<String>) -> Result<Eal> {
    Eal::init(EalConfig {
        name: format!("anchor-perf-{}", std::process::id()),
        memory_mb,
        hugepages: match arguments.hugepages {
            Hugepages::Auto => dpdk::Hugepages::Auto,
            Hugepages::Never => dpdk::Hugepages::Never,
            Hugepages::Require => dpdk::Hugepages::Require,
        },
        devices,
        ..EalConfig::default()
    })
    .context("DPDK did not start")
}
