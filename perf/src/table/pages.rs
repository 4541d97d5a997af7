//! Reserves 2 MB pages for the time of a run, so that both tables lie on the same kind of memory.

use anyhow::{ensure, Context, Result};
use std::path::Path;

/// Where the kernel counts its 2 MB pages.
const DIRECTORY: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB";

/// Pages that were reserved and go back when this drops.
pub struct Reserved {
    before: u64,
}

impl Reserved {
    /// Sees to it that `octets` of 2 MB pages are free.
    ///
    /// # Errors
    /// No permission, or memory that is in pieces or in use.
    pub fn new(octets: u64) -> Result<Self> {
        let needed = octets.div_ceil(2 << 20);
        let free = count("free_hugepages")?.saturating_sub(count("resv_hugepages")?);
        let before = count("nr_hugepages")?;
        let reserved = Self { before };
        let wanted = before + needed.saturating_sub(free);
        set(wanted)?;
        let got = count("nr_hugepages")?;
        ensure!(
            got >= wanted,
            "the kernel found {got} pages of 2 MB where {wanted} are needed; choose smaller --sizes \
             or free memory"
        );
        Ok(reserved)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Err(error) = set(self.before) {
            eprintln!("anchor-perf: the reserved pages stay: {error:#}");
        }
    }
}

fn count(file: &str) -> Result<u64> {
    let path = Path::new(DIRECTORY).join(file);
    let text = std::fs::read_to_string(&path);
    let text = text.with_context(|| format!("{}: no 2 MB pages here", path.display()))?;
    text.trim()
        .parse()
        .with_context(|| format!("{} is no number", path.display()))
}

fn set(pages: u64) -> Result<()> {
    let path = Path::new(DIRECTORY).join("nr_hugepages");
    std::fs::write(&path, pages.to_string())
        .with_context(|| format!("{}: pages are reserved by root", path.display()))
}
