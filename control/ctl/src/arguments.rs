//! The command line.

use clap::{ArgGroup, Args, Parser, Subcommand};
use clap_complete::Shell;
use control::rpc::{
    AttachParams, DeleteParams, DetachParams, PageParams, Request, DEFAULT_SOCKET, LONGEST_PAGE,
};
use std::path::PathBuf;
use wire::ether::MacAddr;

/// Lists that can be long are asked for page by page: making a page does not hold the gateway up.
const FIRST_PAGE: PageParams = PageParams {
    skip: Some(0),
    limit: Some(LONGEST_PAGE),
};

/// Ask and tell a running anchord.
#[derive(Debug, Parser)]
#[command(name = "anchorctl", version, max_term_width = 100)]
pub struct Arguments {
    /// Control socket of the gateway.
    #[arg(long, global = true, env = "ANCHORAGE_SOCKET", default_value = DEFAULT_SOCKET, value_name = "PATH")]
    pub socket: PathBuf,
    /// Print what the gateway answers as JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The gateway as a whole: role, version, uptime, tables, trouble.
    Status,
    /// The ports, with what they received and sent.
    Ports,
    /// The workers, with how busy they are.
    Workers,
    /// Our own addresses, on-link prefixes and static routes.
    Routes,
    /// The neighbours and their link-layer addresses.
    Neighbours,
    /// LMA: the binding cache.
    Bindings,
    /// MAG: the hosts that are attached.
    Visitors,
    /// What has been counted: verdicts of each worker, signalling, the control socket.
    Counters {
        /// Also those that are zero.
        #[arg(long)]
        all: bool,
    },
    /// MAG: a host has attached.
    Attach {
        /// Access interface, by its name in the configuration.
        interface: String,
        /// Link-layer address of the host.
        mac: MacAddr,
    },
    /// MAG: a host has left.
    Detach(Host),
    /// Delete the session of a host, whatever its state.
    Delete {
        /// Identifier of the host.
        identifier: String,
    },
    /// Read the policy file and the routes again.
    Reload,
    /// Show what happens, as it happens, until interrupted.
    Subscribe,
    /// Print a completion script: `source <(anchorctl completions bash)`.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// A host by one of its names.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("host").required(true).args(["mac", "identifier"])))]
pub struct Host {
    /// Link-layer address of the host.
    pub mac: Option<MacAddr>,
    /// Identifier of the host.
    #[arg(long)]
    pub identifier: Option<String>,
}

impl Command {
    /// What to ask the gateway, if it is the gateway's business.
    pub fn request(&self) -> Option<Request> {
        Some(match self {
            Self::Status => Request::Status,
            Self::Ports => Request::Ports,
            Self::Workers => Request::Workers,
            Self::Routes => Request::Routes,
            Self::Neighbours => Request::Neighbours(FIRST_PAGE),
            Self::Bindings => Request::Bindings(FIRST_PAGE),
            Self::Visitors => Request::Visitors(FIRST_PAGE),
            Self::Counters { .. } => Request::Counters,
            Self::Attach { interface, mac } => Request::Attach(AttachParams {
                interface: interface.clone(),
                mac: *mac,
            }),
            Self::Detach(host) => Request::Detach(DetachParams {
                mac: host.mac,
                identifier: host.identifier.clone(),
            }),
            Self::Delete { identifier } => Request::Delete(DeleteParams {
                identifier: identifier.clone(),
            }),
            Self::Reload => Request::Reload,
            Self::Subscribe => Request::Subscribe,
            Self::Completions { .. } => return None,
        })
    }
}
