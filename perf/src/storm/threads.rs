//! Processor time of another process's threads.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;

/// Clock ticks per second of the times in procfs.
fn ticks() -> f64 {
    let ticks = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK);
    ticks.ok().flatten().unwrap_or(100) as f64
}

/// Seconds that each thread of a process has run, by its name; threads of one name are summed.
///
/// # Errors
/// When there is no such process.
pub fn seconds(process: u32) -> Result<BTreeMap<String, f64>> {
    let mut found = BTreeMap::new();
    let tasks = fs::read_dir(format!("/proc/{process}/task")).context("the gateway is gone")?;
    for task in tasks.flatten() {
        let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        if let Some((name, spent)) = read(&stat) {
            *found.entry(name).or_default() += spent / ticks();
        }
    }
    Ok(found)
}

/// Octets of a process that are in memory.
///
/// # Errors
/// When there is no such process.
pub fn resident(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|it| it.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kilobytes.context("no VmRSS in procfs")? * 1024)
}

/// Name and ticks of a line as in `/proc/PID/stat`.
fn read(stat: &str) -> Option<(String, f64)> {
    // The name is in parentheses and may have some of its own.
    let (_, rest) = stat.split_once('(')?;
    let (name, rest) = rest.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((name.to_owned(), user + system))
}

/// What was spent in between, but for threads that did nothing.
pub fn difference(
    before: &BTreeMap<String, f64>,
    after: &BTreeMap<String, f64>,
) -> BTreeMap<String, f64> {
    let spent = after.iter().map(|(name, seconds)| {
        let earlier = before.get(name).copied().unwrap_or(0.0);
        (name.clone(), seconds - earlier)
    });
    spent.filter(|(_, seconds)| *seconds > 0.0).collect()
}

/// Seconds of all but the workers.
pub fn control(spent: &BTreeMap<String, f64>) -> f64 {
    let others = spent
        .iter()
        .filter(|(name, _)| !name.starts_with("worker-"));
    others.map(|(_, seconds)| seconds).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_procfs_is_read_whatever_the_name_is() {
        let line = "7 (odd) name) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 1 0 9 1 1";
        assert_eq!(read(line), Some(("odd) name".to_owned(), 300.0)));
        assert_eq!(read("7 (x) S"), None);
    }

    #[test]
    fn our_own_threads_are_there() {
        let found = seconds(std::process::id()).expect("we are there");
        assert!(!found.is_empty());
        assert!(resident(std::process::id()).expect("we are there") > 100_000);
        let before = BTreeMap::from([("a".to_owned(), 1.0), ("worker-0".to_owned(), 1.0)]);
        let after = BTreeMap::from([
            ("a".to_owned(), 3.0),
            ("b".to_owned(), 1.5),
            ("idle".to_owned(), 0.0),
            ("worker-0".to_owned(), 9.0),
        ]);
        let spent = difference(&before, &after);
        assert_eq!(spent.len(), 3);
        assert_eq!(control(&spent), 3.5);
    }
}
