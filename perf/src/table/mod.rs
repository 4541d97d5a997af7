//! `anchor-perf table`: the binding table against DPDK's hash table.
//!
//! Both hold the same bindings and answer the same question, what to do with a packet to this address,
//! in bursts, and count the packet. They take turns on one thread, while another moves bindings and
//! makes and removes some in both at a given rate. Every answer is checked, outside of what is timed.
//!
//! ```text
//!   reader   | ours | theirs | theirs | ours | ours | theirs | ...     cycles per lookup of each turn
//!   writer   | move in both, make or remove in both, ... at --writer per second
//! ```
//!
//! Ours is a worker's own reader, with all that it does: quiescent once per burst, tunnels and
//! counters prefetched. Theirs is `rte_hash_lookup_bulk_data` with lock-free readers, and a line of 32
//! octets for each binding, prefetched, for its forwarding and counters. What counting takes of ours is
//! measured too, against the same lookup for whoever counts nothing.

mod measure;
mod ours;
mod pages;
mod report;
mod theirs;
mod workload;

use anyhow::{bail, ensure, Context, Result};
use clap::Args;
use dpdk::{Eal, EalConfig, Hugepages, BULK};
use measure::Plan;
use report::{OnPages, PerBinding, Report, Size};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Instant;
use workload::{Prefixes, CHURN};

/// What `anchor-perf table` takes.
#[derive(Args)]
pub struct Arguments {
    /// Numbers of bindings, such as 1k,100k,16M
    #[arg(long, value_delimiter = ',', value_parser = bindings, default_value = "1k,10k,100k,1M")]
    sizes: Vec<u32>,
    /// Keys looked up in one call
    #[arg(long, value_delimiter = ',', default_value = "32,64")]
    bursts: Vec<usize>,
    /// Prefix length of the bindings: 64 or 128
    #[arg(long, default_value_t = 64)]
    key_length: u8,
    /// Updates per second in each table meanwhile; 0 for no writer
    #[arg(long, value_name = "RATE", default_value_t = 100_000)]
    writer: u64,
    /// Times that each table has its turn
    #[arg(long, default_value_t = 51)]
    rounds: usize,
    /// Lookups in one turn
    #[arg(long, default_value_t = 32_768)]
    lookups: usize,
    /// Core that looks up; the last one by default
    #[arg(long)]
    core: Option<usize>,
    /// What keys are drawn by
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Have the kernel reserve the 2 MB pages that both tables need, and give them back at the end
    /// (root)
    #[arg(long)]
    reserve_hugepages: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The most bindings that a table holds.
const MOST: u32 = 1 << 24;

/// A number with `k` or `M` behind it.
fn bindings(text: &str) -> Result<u32, String> {
    let (digits, factor) = match text.strip_suffix(['k', 'M']) {
        Some(digits) if text.ends_with('k') => (digits, 1_000),
        Some(digits) => (digits, 1_000_000),
        None => (text, 1),
    };
    let number = digits.parse::<u32>().ok();
    let number = number.and_then(|number| number.checked_mul(factor));
    number
        .filter(|number| (1..=MOST).contains(number))
        .ok_or_else(|| format!("a number from 1 to {MOST} is needed"))
}

/// Octets of DPDK's memory for a table of `bindings` and the writer's own: its buckets, keys and free
/// list, each rounded up as it does.
fn hash_octets(bindings: u32) -> u64 {
    let entries = u64::from(theirs::entries(bindings));
    entries * 32 + entries.next_power_of_two() * (8 + 2 * 4)
}

/// Octets of 2 MB pages for our table and for the lines beside theirs.
fn our_octets(bindings: u32) -> u64 {
    u64::from(bindings) * (12 + 36 + 36 + 33) + (16 << 20)
}

/// Runs it.
///
/// # Errors
/// Arguments that make no sense, no memory, and any wrong answer.
pub fn run(arguments: &Arguments) -> Result<()> {
    ensure!(
        [64, 128].contains(&arguments.key_length),
        "--key-length is 64 or 128"
    );
    let bursts = &arguments.bursts;
    ensure!(
        bursts.iter().all(|burst| (1..=BULK).contains(burst)),
        "--bursts go from 1 to {BULK}, the most that rte_hash takes"
    );
    ensure!(
        arguments.rounds > 0 && arguments.lookups > 0,
        "nothing to measure"
    );
    let Some(most) = arguments.sizes.iter().max() else {
        bail!("--sizes names none");
    };
    let memory_mb = (hash_octets(*most) >> 20) + 64;
    let reserved = arguments
        .reserve_hugepages
        .then(|| pages::Reserved::new((memory_mb << 20) + our_octets(*most)));
    let _reserved = reserved.transpose()?;
    let eal = Eal::init(EalConfig {
        name: format!("anchor-perf-{}", std::process::id()),
        memory_mb: u32::try_from(memory_mb)?,
        hugepages: match arguments.reserve_hugepages {
            true => Hugepages::Require,
            false => Hugepages::Auto,
        },
        ..EalConfig::default()
    })?;
    let mut report = Report {
        key_length: arguments.key_length,
        writer_rate: arguments.writer,
        rte_hash_on_hugetlb: eal.hugepages(),
        tsc_hz: dpdk::hz(),
        sizes: Vec::new(),
    };
    if !arguments.json {
        report::head(&report);
    }
    for bindings in &arguments.sizes {
        let size = measure_size(arguments, &eal, *bindings)
            .with_context(|| format!("with {bindings} bindings"))?;
        if !arguments.json {
            report::print(&size);
        }
        report.sizes.push(size);
    }
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    }
    eal.shutdown(Vec::new(), Vec::new())?;
    Ok(())
}

/// One size: makes both tables, measures them with the writer beside, and takes them down.
fn measure_size(arguments: &Arguments, eal: &Eal, bindings: u32) -> Result<Size> {
    // In the largest table the writer's own are some of those that it holds.
    let bindings = bindings.min(MOST - CHURN);
    let prefixes = Prefixes {
        length: arguments.key_length,
    };
    let plan = Plan {
        bindings,
        bursts: arguments.bursts.clone(),
        rounds: arguments.rounds,
        lookups: arguments.lookups,
        seed: arguments.seed,
    };
    let (mut our_writer, mut our_reader) = ours::make(bindings, prefixes, measure::MOST)?;
    let (mut their_writer, mut their_reader) =
        theirs::make(eal, bindings, prefixes, measure::MOST)?;
    let memory = our_writer.memory();
    let entries = their_writer.entries;

    let cores = eal.cores();
    let core = arguments.core.or(cores.last().copied());
    let other = cores.iter().copied().find(|other| Some(*other) != core);
    let stop = Arc::new(AtomicBool::new(false));
    let rate = arguments.writer;
    let start = Instant::now();
    let writer = eal.spawn_worker("writer", other, {
        let stop = Arc::clone(&stop);
        move || measure::write(bindings, rate, &mut our_writer, &mut their_writer, &stop)
    })?;
    let reader = eal.spawn_worker("reader", core, move || {
        measure::measure(&plan, &mut our_reader, &mut their_reader)
    });
    let measured = reader
        .map_err(anyhow::Error::from)
        .and_then(|r| Ok(r.join()?));
    stop.store(true, Ordering::Relaxed);
    let updates = writer.join()??;
    let seconds = start.elapsed().as_secs_f64();
    let (measured, verified) = measured??;
    Ok(Size {
        bindings,
        lookups: measured.into_iter().map(Into::into).collect(),
        updates,
        updates_per_s: (updates as f64 / seconds).round(),
        verified,
        octets_per_binding: PerBinding::new(&memory, bindings),
        pages: OnPages::new(&memory),
        rte_hash_entries: entries,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_go_up_to_what_a_table_holds() {
        for (text, number) in [
            ("1", 1),
            ("10k", 10_000),
            ("16M", 16_000_000),
            ("16777216", MOST),
        ] {
            assert_eq!(bindings(text), Ok(number), "{text}");
        }
        for text in ["0", "16777217", "17M", "9999999M", "k", "1.5k", "-1", ""] {
            assert!(bindings(text).is_err(), "{text}");
        }
    }
}
