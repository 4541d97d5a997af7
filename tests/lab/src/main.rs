//! `anchorage-demo`: the story of a host that moves while its sessions go on.
//!
//! Without a command it lays out the lab and runs the story. The commands are the ends that measure
//! or play a foreign peer; the lab starts them in the namespaces of its hosts.

use anyhow::Result;
use clap::{Parser, Subcommand};
use lab::attach;
use lab::domain::default_conf;
use lab::foreign::{acknowledge, register, register_many, Registration};
use lab::forge::{forge, forge_replies};
use lab::gateway::Programs;
use lab::measure;
use lab::ping;
use lab::roam;
use lab::roam::handover::{self, ANCHORS, WAYS};
use lab::story::{self, Setting};
use lab::transfer::{self, Side};
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Shows a Linux host that keeps its sessions while it moves between two access routers.
#[derive(Parser)]
#[command(name = "anchorage-demo", version)]
struct Arguments {
    /// Print one JSON object with the figures as the last line; progress goes to standard error.
    #[arg(long)]
    json: bool,
    /// Directory for the captures of every link [default: demo-pcaps beside the program].
    #[arg(long, value_name = "DIR")]
    pcaps: Option<PathBuf>,
    /// Directory of the configurations lma.toml, mag1.toml and mag2.toml [default: conf/demo].
    #[arg(long, value_name = "DIR")]
    conf: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Measure what docs/measurements.md tells, and print it as Markdown (or, with --json, as JSON)
    Measure {
        /// How often the story is run.
        #[arg(long, default_value_t = 5)]
        runs: usize,
        /// Proxy Binding Updates that the LMA's control thread is timed with.
        #[arg(long, default_value_t = 10_000)]
        updates: u32,
    },
    /// Walk a host through three MAARs, with a session begun at every stop, in each mode of their database and
    /// without one, and past a MAAR that is killed.
    Maar,
    /// Measure how long handovers take and how many messages each costs, by the mode of the database, or without
    /// one, and the number of anchors that a host has, and print it as Markdown (or, with --json, as JSON)
    Handovers {
        /// Handovers of each kind.
        #[arg(long, default_value_t = 20)]
        times: usize,
        /// Numbers of previous anchors, separated by commas.
        #[arg(long, value_delimiter = ',', default_values_t = ANCHORS)]
        anchors: Vec<usize>,
        /// Modes of the database, and `node-information` for none, separated by commas.
        #[arg(long, value_delimiter = ',', default_values_t = WAYS.map(String::from), value_parser = WAYS)]
        modes: Vec<String>,
    },
    /// Measure how long attachments take from a host's first frame to its first packet from a correspondent, by
    /// the way in which it gets its address, and print it as Markdown (or, with --json, as JSON)
    Attach {
        /// Attachments by each method.
        #[arg(long, default_value_t = 20)]
        times: usize,
    },
    /// Ping and keep books, until standard input is closed.
    #[command(hide = true)]
    Ping {
        /// Whom.
        #[arg(long)]
        to: Ipv6Addr,
        /// How often, in microseconds.
        #[arg(long)]
        interval_us: u64,
    },
    /// One end of a checked TCP session.
    #[command(hide = true)]
    Tcp {
        /// Wait for the session here.
        #[arg(long, required_unless_present = "connect", conflicts_with = "connect")]
        listen: Option<SocketAddr>,
        /// Open it to there.
        #[arg(long)]
        connect: Option<SocketAddr>,
        /// Octets per second.
        #[arg(long)]
        rate: u64,
    },
    /// Play a MAG's signalling: send one Proxy Binding Update and print its acknowledgement.
    #[command(hide = true)]
    Pbu {
        /// Proxy-CoA.
        #[arg(long)]
        from: Ipv6Addr,
        /// The LMA.
        #[arg(long)]
        lma: Ipv6Addr,
        /// The update, as JSON.
        #[arg(long)]
        update: String,
    },
    /// Play a MAG's signalling: register many hosts, one after another.
    #[command(hide = true)]
    Storm {
        /// Proxy-CoA.
        #[arg(long)]
        from: Ipv6Addr,
        /// The LMA.
        #[arg(long)]
        lma: Ipv6Addr,
        /// How many hosts.
        #[arg(long)]
        hosts: u32,
    },
    /// Send updates under made-up names as fast as may be, until standard input is closed.
    #[command(hide = true)]
    Forge {
        /// The LMA.
        #[arg(long)]
        lma: Ipv6Addr,
    },
    /// Send Node Information Replies that nobody asked for.
    #[command(hide = true)]
    ForgeReplies {
        /// Link-local address of the router that they go to.
        #[arg(long)]
        router: Ipv6Addr,
        /// The interface of its link.
        #[arg(long)]
        interface: String,
    },
    /// Play an LMA's signalling: acknowledge every Proxy Binding Update.
    #[command(hide = true)]
    Pba {
        /// LMA address.
        #[arg(long)]
        local: Ipv6Addr,
        /// Prefix for who asks for one.
        #[arg(long)]
        prefix: Ipv6Addr,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("anchorage-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    let (json, pcaps, conf) = (arguments.json, arguments.pcaps, arguments.conf);
    match arguments.command {
        None => tell_story(json, pcaps, conf),
        Some(Command::Measure { runs, updates }) => measure(json, pcaps, conf, runs, updates),
        Some(Command::Maar) => walk(json, conf),
        Some(Command::Handovers {
            times,
            anchors,
            modes,
        }) => handovers(json, conf, times, &anchors, &modes),
        Some(Command::Attach { times }) => attachments(json, conf, times),
        Some(Command::Ping { to, interval_us }) => {
            ping::send(to, Duration::from_micros(interval_us))
        }
        Some(Command::Tcp {
            listen,
            connect,
            rate,
        }) => match (listen, connect) {
            (Some(address), _) => transfer::run(Side::Listen, address, rate),
            (None, Some(address)) => transfer::run(Side::Connect, address, rate),
            (None, None) => anyhow::bail!("neither --listen nor --connect"),
        },
        Some(Command::Pbu { from, lma, update }) => {
            let update: Registration = serde_json::from_str(&update)?;
            let answer = register(from, lma, &update)?;
            println!("{}", serde_json::to_string(&answer)?);
            Ok(())
        }
        Some(Command::Storm { from, lma, hosts }) => register_many(from, lma, hosts),
        Some(Command::Forge { lma }) => forge(lma),
        Some(Command::ForgeReplies { router, interface }) => forge_replies(router, &interface),
        Some(Command::Pba { local, prefix }) => acknowledge(local, prefix),
    }
}

fn setting(pcaps: Option<PathBuf>, conf: Option<PathBuf>) -> Result<Setting> {
    anyhow::ensure!(
        nix::unistd::geteuid().is_root(),
        "the demonstration makes network namespaces, which needs root: run it again with sudo"
    );
    let program = std::env::current_exe()?;
    Ok(Setting {
        programs: Programs::beside(&program)?,
        conf: conf.unwrap_or_else(default_conf),
        pcaps: pcaps.unwrap_or_else(|| program.with_file_name("demo-pcaps")),
    })
}

fn measure(
    json: bool,
    pcaps: Option<PathBuf>,
    conf: Option<PathBuf>,
    runs: usize,
    updates: u32,
) -> Result<()> {
    let setting = setting(pcaps, conf)?;
    let measured = measure::run(&setting, runs, updates, &mut |line| eprintln!("{line}"))?;
    if json {
        println!("{}", serde_json::to_string(&measured)?);
    } else {
        println!("{measured}");
    }
    Ok(())
}

fn walk(json: bool, conf: Option<PathBuf>) -> Result<()> {
    let conf = conf.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf"));
    let setting = setting(None, Some(conf))?;
    let reports = roam::demonstrate(&setting.programs, &setting.conf, &mut |line| {
        if json {
            eprintln!("{line}");
        } else {
            println!("{line}");
        }
    })?;
    if json {
        println!("{}", serde_json::to_string(&reports)?);
    }
    Ok(())
}

fn attachments(json: bool, conf: Option<PathBuf>, times: usize) -> Result<()> {
    let Setting { programs, conf, .. } = setting(None, conf)?;
    let tell = &mut |line: &str| eprintln!("{line}");
    let measured = attach::run(&programs, &conf, times, tell)?;
    if json {
        println!("{}", serde_json::to_string(&measured)?);
        return Ok(());
    }
    println!("| {times} attachments each | min (ms) | median (ms) | max (ms) |\n|---|---|---|---|");
    for method in measured {
        println!("{method}");
    }
    Ok(())
}

fn handovers(
    json: bool,
    conf: Option<PathBuf>,
    times: usize,
    anchors: &[usize],
    ways: &[String],
) -> Result<()> {
    let ways: Vec<&str> = ways.iter().map(String::as_str).collect();
    let conf = conf.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf"));
    let Setting { programs, conf, .. } = setting(None, Some(conf))?;
    let tell = &mut |line: &str| eprintln!("{line}");
    let measured = handover::measure(&programs, &conf, &ways, anchors, times, tell)?;
    if json {
        println!("{}", serde_json::to_string(&measured)?);
    } else {
        println!("{measured}");
    }
    Ok(())
}

fn tell_story(json: bool, pcaps: Option<PathBuf>, conf: Option<PathBuf>) -> Result<()> {
    let setting = setting(pcaps, conf)?;
    let report = story::run(&setting, &mut |line| {
        if json {
            eprintln!("{line}");
        } else {
            println!("{line}");
        }
    })?;
    if json {
        println!("{}", serde_json::to_string(&report)?);
    }
    story::require_success(&report)
}
