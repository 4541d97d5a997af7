//! `anchor-perf`: load, impairment and measurement for Anchorage.
//!
//! `anchor-perf generate` and `receive` play hosts and correspondents and keep the books. See [`traffic`].
//! One module per subcommand; [`eal`] starts DPDK for those that need it.
//!
//! `anchor-perf forward` measures what forwarding costs, in cycles of the gateway's own code. See
//! [`forward`].
//!
//! `anchor-perf ndr` and `latency` load a gateway. See [`load`].
//!
//! `anchor-perf storm` registers many hosts at a real anchor. See [`storm`].
//!
//! `anchor-perf registrations` measures what one takes of the anchor's control thread alone. See [`storm::alone`].
//!
//! `anchor-perf restart` measures how long a gateway takes to come back, and `crash` that it comes back
//! with all it has acknowledged. See [`restart`].
//!
//! `anchor-perf compare` sets ours beside its anchors in one run. See [`compare`].
//! `anchor-perf wakeup` measures how long a packet waits for an idle worker. See [`wakeup`].
//!
//! `anchor-perf wire` is a bad wire on purpose: it joins two interfaces and delays, loses, reorders
//! and doubles what passes, by decisions that a seed fixes. See [`wire`].
//!
//! `anchor-perf domain` simulates a whole mobility domain with the gateway's own roles. See [`domain`].
//!
//! `anchor-perf table` measures the binding table against DPDK's hash table ([`table`]), and
//! `anchor-perf update` how fast bindings change while workers forward ([`update`]).

mod bench;
mod compare;
mod domain;
mod eal;
mod forward;
mod gateway;
mod generate;
mod load;
mod page;
mod receive;
mod restart;
mod storm;
mod table;
mod traffic;
mod update;
mod wakeup;
mod wire;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A simulated domain is many small things that live for long: they lie closer together with this one, and
/// in large pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Load, impairment and measurement for Anchorage.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Play hosts and correspondents, in tunnels and out, and keep the books of what comes back.
    Generate(generate::Arguments),
    /// Keep the books of what a generator in another process sends.
    Receive(receive::Arguments),
    /// Measure what forwarding costs, in cycles of the gateway's own code.
    Forward(forward::Arguments),
    /// Measure the binding table's lookup against DPDK's rte_hash, with a writer running beside.
    Table(table::Arguments),
    /// Compare ours with bare I/O, testpmd, rte_hash and the kernel, taking turns in one run.
    Compare(compare::Arguments),
    /// Measure the loop of a worker with no gateway in it.
    #[command(hide = true)]
    Bare(compare::bare::Arguments),
    /// Write tables and plots of docs/performance.md from the results of scripts/bench.
    #[command(hide = true)]
    Page(page::Arguments),
    /// Print what the machine is.
    #[command(hide = true)]
    Machine(page::machine::Arguments),
    /// Search the no-loss rate of a gateway (RFC 2544).
    Ndr(load::NdrArguments),
    /// Measure latency at parts of the no-loss rate.
    Latency(load::LatencyArguments),
    /// Register many hosts at a real anchor, check every answer, and tell how many a second it does.
    Storm(storm::Arguments),
    /// Measure what a registration takes of an anchor's control thread, and of nothing else.
    Registrations(storm::alone::Arguments),
    /// Measure how long a gateway that was killed takes until it forwards all its bindings again.
    Restart(restart::measure::Arguments),
    /// Kill an anchor at random points under load, and compare what it keeps with what it acknowledged.
    Crash(restart::crash::Arguments),
    /// Measure how fast bindings change while workers forward, and what it costs them.
    Update(update::Arguments),
    /// Measure how long a packet waits for a worker that is idle, by idle mode.
    Wakeup(wakeup::Arguments),
    /// Simulate a whole domain, with the gateway's own roles, on virtual time.
    Domain(domain::Arguments),
    /// Join two interfaces by a wire that delays, loses, reorders and doubles packets.
    Wire(wire::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Receive(arguments) => receive::run(&arguments),
        Command::Forward(arguments) => forward::run(&arguments),
        Command::Table(arguments) => table::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Bare(arguments) => compare::bare::run(&arguments),
        Command::Page(arguments) => page::run(&arguments),
        Command::Machine(arguments) => page::machine::run(&arguments),
        Command::Ndr(arguments) => load::ndr(&arguments),
        Command::Latency(arguments) => load::latency(&arguments),
        Command::Storm(arguments) => storm::run(&arguments),
        Command::Registrations(arguments) => storm::alone::run(&arguments),
        Command::Restart(arguments) => restart::measure::run(&arguments),
        Command::Crash(arguments) => restart::crash::run(&arguments),
        Command::Update(arguments) => update::run(&arguments),
        Command::Wakeup(arguments) => wakeup::run(&arguments),
        Command::Domain(arguments) => domain::run(&arguments),
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
