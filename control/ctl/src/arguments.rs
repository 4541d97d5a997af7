//! The command line.

use clap::{ArgGroup, Args, Parser, Subcommand};
use clap_complete::Shell;
use control::rpc::{
    AttachParams, CaptureParams, DeleteParams, DetachParams, FilterWords, ModeParams, PageParams,
    RegisterParams, Request, RevokeParams, StopParams, TalkersParams, TraceParams, DEFAULT_SOCKET,
    LONGEST_PAGE,
};
use std::net::Ipv6Addr;
use std::path::PathBuf;
use wire::ether::MacAddr;
use wire::mh::HomeNetworkPrefix;

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
    /// The gateways that share sessions with this one, and whether they are there.
    Peers,
    /// LMA: the binding cache.
    Bindings,
    /// MAG: the hosts that are attached.
    Visitors,
    /// MAAR: the hosts that it anchors, where each is, and its other anchors.
    Anchors,
    /// CMD: the hosts, the MAAR that serves each, and those that it came by.
    Sessions,
    /// CMD: how serving MAARs hear of previous ones; given one, change it.
    Mode {
        /// `relay`, `locator` or `proxy`.
        mode: Option<String>,
    },
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
        /// A session comes here from another interface of the host: the one with these home network
        /// prefixes, or the only one that it has.
        #[arg(long, value_name = "PREFIX", num_args = 0..)]
        takes_over: Option<Vec<HomeNetworkPrefix>>,
    },
    /// MAG: a host has left.
    Detach(Host),
    /// Delete the session of a host, whatever its state.
    Delete {
        /// Identifier of the host.
        identifier: String,
    },
    /// End bindings and tell the peers that share them: those of a host, of a realm, of a peer, or all.
    Revoke(Revoke),
    /// LMA: register a host's own binding, beside what gateways register.
    Register {
        /// Identifier of the host.
        identifier: String,
        /// Its home address.
        home_address: Ipv6Addr,
        /// Its care-of address: where its packets go.
        care_of_address: Ipv6Addr,
        /// Seconds that it lasts; 0 ends it.
        #[arg(short, long, value_name = "SECONDS", default_value_t = 300)]
        lifetime: u32,
        /// Sequence number of the host's update; the one behind the last when absent.
        #[arg(short, long)]
        sequence: Option<u16>,
    },
    /// Read the policy file and the routes again.
    Reload,
    /// Show what happens, as it happens, until interrupted.
    Subscribe,
    /// Show the next packets that a filter wants, with what each stage decided about them.
    Trace {
        /// How many packets.
        #[arg(short = 'n', long, default_value_t = 10)]
        packets: u64,
        /// Which packets.
        #[command(flatten)]
        filter: Filter,
    },
    /// Write the packets that a filter wants into a pcapng file, as they came and as they went, until
    /// interrupted.
    Capture {
        /// The file; standard output when absent.
        #[arg(short, long, value_name = "FILE")]
        write: Option<PathBuf>,
        /// End after so many packets.
        #[arg(short = 'n', long)]
        packets: Option<u64>,
        /// Let the gateway keep only the last so many frames, and fetch them at the end.
        #[arg(long, value_name = "FRAMES")]
        ring: Option<usize>,
        /// Octets of every frame that are kept.
        #[arg(short, long, value_name = "OCTETS")]
        snap: Option<usize>,
        /// Which packets.
        #[command(flatten)]
        filter: Filter,
    },
    /// End a trace or a capture, whoever began it.
    Stop {
        /// Its session.
        session: u64,
    },
    /// Show ports, workers, verdicts and bindings live.
    Top {
        /// Print one picture as text; so it is without a terminal.
        #[arg(long)]
        once: bool,
        /// Seconds between two pictures.
        #[arg(short, long, default_value_t = 1.0, value_parser = interval)]
        interval: f64,
    },
    /// The bindings that most goes through.
    Talkers {
        /// How many.
        #[arg(short = 'n', long)]
        limit: Option<usize>,
    },
    /// MAAR: whether the DHCPv6 server leases what this gateway gives hosts prefixes of.
    Dhcp,
    /// MAG: how the RADIUS servers do, and what waits for them.
    Aaa,
    /// All metrics, as the management address serves them.
    Metrics,
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

/// Whose bindings.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["identifier", "realm", "peer", "all"])))]
pub struct Revoke {
    /// Those of the host with this identifier.
    pub identifier: Option<String>,
    /// Of the host: its IPv4 home address alone.
    #[arg(long, requires = "identifier")]
    pub ipv4_only: bool,
    /// Of the host: what the peer is told of why.
    #[arg(long, requires = "identifier", value_parser = ["unspecified", "administrative", "user", "access-network", "out-of-sync"])]
    pub trigger: Option<String>,
    /// Those of the hosts of this realm: what follows the `@` of their identifiers.
    #[arg(long)]
    pub realm: Option<String>,
    /// Those that are shared with the MAG, or at a MAG with the LMA, at this address.
    #[arg(long)]
    pub peer: Option<Ipv6Addr>,
    /// All of them.
    #[arg(long)]
    pub all: bool,
}

/// Which packets: those that meet every condition given.
#[derive(Debug, Args)]
pub struct Filter {
    /// Received on this port or, if made here, sent on it.
    #[arg(short, long)]
    pub port: Option<String>,
    /// An address or prefix in any of its IP headers.
    #[arg(short, long, value_name = "PREFIX")]
    pub address: Option<String>,
    /// An address or prefix in its outermost IP header.
    #[arg(long, value_name = "PREFIX")]
    pub outer: Option<String>,
    /// An address or prefix in an IP header inside another.
    #[arg(long, value_name = "PREFIX")]
    pub inner: Option<String>,
    /// A protocol, by name or number.
    #[arg(long)]
    pub protocol: Option<String>,
    /// What became of it: `drop`, `tunnel_unknown`, `drop_tunnel_unknown`.
    #[arg(long)]
    pub verdict: Option<String>,
    /// The worker that has it.
    #[arg(long)]
    pub worker: Option<usize>,
}

impl Filter {
    fn words(&self) -> FilterWords {
        FilterWords {
            port: self.port.clone(),
            address: self.address.clone(),
            outer: self.outer.clone(),
            inner: self.inner.clone(),
            protocol: self.protocol.clone(),
            verdict: self.verdict.clone(),
            worker: self.worker,
        }
    }
}

/// Seconds between two pictures.
fn interval(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=3_600.0).contains(&seconds) => Ok(seconds),
        _ => Err("give 0.1 to 3600 seconds".to_owned()),
    }
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
            Self::Peers => Request::Peers(FIRST_PAGE),
            Self::Bindings => Request::Bindings(FIRST_PAGE),
            Self::Visitors => Request::Visitors(FIRST_PAGE),
            Self::Anchors => Request::Anchors(FIRST_PAGE),
            Self::Sessions => Request::Sessions(FIRST_PAGE),
            Self::Mode { mode } => Request::Mode(ModeParams { mode: mode.clone() }),
            Self::Counters { .. } => Request::Counters,
            Self::Attach {
                interface,
                mac,
                takes_over,
            } => Request::Attach(AttachParams {
                interface: interface.clone(),
                mac: *mac,
                takes_over: takes_over.clone(),
            }),
            Self::Detach(host) => Request::Detach(DetachParams {
                mac: host.mac,
                identifier: host.identifier.clone(),
            }),
            Self::Delete { identifier } => Request::Delete(DeleteParams {
                identifier: identifier.clone(),
            }),
            Self::Revoke(which) => Request::Revoke(RevokeParams {
                identifier: which.identifier.clone(),
                realm: which.realm.clone(),
                ipv4_only: which.ipv4_only.then_some(true),
                trigger: which.trigger.clone(),
                peer: which.peer,
                all: which.all.then_some(true),
            }),
            Self::Register {
                identifier,
                home_address,
                care_of_address,
                lifetime,
                sequence,
            } => Request::Register(RegisterParams {
                identifier: identifier.clone(),
                home_address: *home_address,
                care_of_address: *care_of_address,
                lifetime_secs: *lifetime,
                sequence: *sequence,
            }),
            Self::Reload => Request::Reload,
            Self::Subscribe => Request::Subscribe,
            Self::Trace { packets, filter } => Request::Trace(
                TraceParams {
                    packets: Some(*packets),
                    ..TraceParams::default()
                }
                .with(filter.words()),
            ),
            Self::Capture {
                packets,
                ring,
                snap,
                filter,
                ..
            } => Request::Capture(
                CaptureParams {
                    packets: *packets,
                    ring: *ring,
                    snap: *snap,
                    ..CaptureParams::default()
                }
                .with(filter.words()),
            ),
            Self::Stop { session } => Request::Stop(StopParams { session: *session }),
            Self::Talkers { limit } => Request::Talkers(TalkersParams { limit: *limit }),
            Self::Dhcp => Request::Dhcp,
            Self::Aaa => Request::Aaa,
            Self::Metrics => Request::Metrics,
            Self::Top { .. } | Self::Completions { .. } => return None,
        })
    }
}
