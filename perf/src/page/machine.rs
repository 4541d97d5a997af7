//! `anchor-perf machine`: what the figures were measured on.

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use std::fs;

/// What the caller knows.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Commit that was measured.
    #[arg(long)]
    commit: String,
    /// Day.
    #[arg(long)]
    date: String,
    /// `short` or `full`.
    #[arg(long)]
    set: String,
}

/// A machine, and when it was measured.
#[derive(Debug, Serialize)]
struct Machine {
    commit: String,
    date: String,
    set: String,
    cpu: String,
    cores: usize,
    memory_gb: f64,
    kernel: String,
    dpdk: String,
    hugepages_2mb_total: u64,
    hugepages_2mb_free: u64,
    transparent_hugepages: String,
    load_average: String,
}

/// Prints it as JSON.
///
/// # Errors
/// When it cannot be written.
pub fn run(arguments: &Arguments) -> Result<()> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let memory = read("/proc/meminfo");
    let processors = read("/proc/cpuinfo");
    let huge = |what: &str| {
        let path = format!("/sys/kernel/mm/hugepages/hugepages-2048kB/{what}_hugepages");
        read(&path).trim().parse().unwrap_or(0)
    };
    let machine = Machine {
        commit: arguments.commit.clone(),
        date: arguments.date.clone(),
        set: arguments.set.clone(),
        cpu: field(&processors, "model name").unwrap_or_default(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_gb: kilobytes(&memory, "MemTotal") / 1e6,
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        dpdk: dpdk::version(),
        hugepages_2mb_total: huge("nr"),
        hugepages_2mb_free: huge("free"),
        transparent_hugepages: read("/sys/kernel/mm/transparent_hugepage/enabled")
            .trim()
            .to_owned(),
        load_average: read("/proc/loadavg").trim().to_owned(),
    };
    println!("{}", serde_json::to_string(&machine)?);
    Ok(())
}

/// What stands behind the first `name:` of a file of procfs.
fn field(text: &str, name: &str) -> Option<String> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let found = lines.into_iter().find(|(key, _)| key.trim() == name);
    found.map(|(_, value)| value.trim().to_owned())
}

fn kilobytes(text: &str, name: &str) -> f64 {
    let value = field(text, name).unwrap_or_default();
    let number = value.split_whitespace().next().unwrap_or_default();
    number.parse().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_procfs_are_found() {
        let text = "MemTotal:       16000000 kB\nmodel name\t: Some CPU @ 2 GHz\n";
        assert_eq!(
            field(text, "model name").as_deref(),
            Some("Some CPU @ 2 GHz")
        );
        assert_eq!(kilobytes(text, "MemTotal"), 16e6);
        assert_eq!(field(text, "absent"), None);
    }
}
