//! What a run found, for people and for programs.

use super::measure::{Measured, Round};
use dataplane::tables::Memory;
use serde::Serialize;

/// Least, middle and most of some figures.
#[derive(Clone, Copy, Serialize)]
pub struct Spread {
    pub min: f64,
    pub median: f64,
    pub max: f64,
}

impl Spread {
    fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.collect();
        figures.sort_by(f64::total_cmp);
        let at = |at: usize| {
            figures
                .get(at)
                .map_or(0.0, |figure| (figure * 1000.0).round() / 1000.0)
        };
        Self {
            min: at(0),
            median: at(figures.len() / 2),
            max: at(figures.len().saturating_sub(1)),
        }
    }
}

/// One size with one burst.
#[derive(Serialize)]
pub struct Lookups {
    pub burst: usize,
    /// Cycles per lookup of the binding table.
    pub ours: Spread,
    /// What of these the binding's counters take, their slots being asked for included: the difference
    /// to a lookup that counts nothing, round by round.
    pub counting: Spread,
    /// Cycles per lookup of rte_hash with a line for each binding.
    pub rte_hash: Spread,
    /// Ours to theirs, round by round.
    pub ratio: Spread,
    /// Ours to theirs, the least of each.
    pub ratio_of_min: f64,
}

impl From<Measured> for Lookups {
    fn from(measured: Measured) -> Self {
        let spread = |figure: fn(&Round) -> f64| Spread::of(measured.rounds.iter().map(figure));
        let (ours, rte_hash) = (spread(|round| round.ours), spread(|round| round.theirs));
        Self {
            burst: measured.burst,
            ours,
            rte_hash,
            counting: spread(|round| round.ours - round.uncounted),
            ratio: spread(|round| round.ours / round.theirs),
            ratio_of_min: (ours.min / rte_hash.min * 1000.0).round() / 1000.0,
        }
    }
}

/// Octets for one binding in the data plane.
#[derive(Serialize)]
pub struct PerBinding {
    pub index: f64,
    pub entry: f64,
    pub counters_per_worker: f64,
    pub total: f64,
}

/// Megabytes of our table on each kind of page.
#[derive(Serialize)]
pub struct OnPages {
    pub hugetlb_mb: u64,
    pub transparent_mb: u64,
    pub small_mb: u64,
}

/// One size.
#[derive(Serialize)]
pub struct Size {
    pub bindings: u32,
    pub lookups: Vec<Lookups>,
    /// Updates that the writer made in each table meanwhile.
    pub updates: u64,
    /// The same by second.
    pub updates_per_s: f64,
    /// Answers that were checked.
    pub verified: u64,
    pub octets_per_binding: PerBinding,
    pub pages: OnPages,
    /// Entries that rte_hash had to be made for to take all.
    pub rte_hash_entries: u32,
}

impl PerBinding {
    pub fn new(memory: &Memory, bindings: u32) -> Self {
        let of = |octets: u64| (octets as f64 / f64::from(bindings) * 10.0).round() / 10.0;
        Self {
            index: of(memory.index),
            entry: of(memory.entries),
            counters_per_worker: of(memory.counters),
            total: of(memory.index + memory.entries + memory.counters),
        }
    }
}

impl OnPages {
    pub fn new(memory: &Memory) -> Self {
        Self {
            hugetlb_mb: memory.pages.hugetlb >> 20,
            transparent_mb: memory.pages.transparent >> 20,
            small_mb: memory.pages.small >> 20,
        }
    }
}

/// The run.
#[derive(Serialize)]
pub struct Report {
    /// Prefix length of all bindings.
    pub key_length: u8,
    /// Updates per second asked of the writer, for each table.
    pub writer_rate: u64,
    /// Whether DPDK's memory lies on hugetlb pages.
    pub rte_hash_on_hugetlb: bool,
    /// Ticks of the time stamp counter in a second: the cycles below.
    pub tsc_hz: u64,
    pub sizes: Vec<Size>,
}

/// The head of the table that [`print()`] fills.
pub fn head(report: &Report) {
    println!(
        "/{} bindings, uniformly random, {} updates/s beside; rte_hash on {}",
        report.key_length,
        report.writer_rate,
        match report.rte_hash_on_hugetlb {
            true => "hugetlb pages",
            false => "4 KB pages (reserve 2 MB pages for a fair comparison: --reserve-hugepages)",
        }
    );
    println!("cycles per lookup, forwarding and counters included, min / median / max:");
    println!(
        "{:>10} {:>5}  {:>22}  {:>8}  {:>22}  {:>20}  {:>7}  ours on",
        "bindings", "burst", "ours", "counting", "rte_hash", "ratio", "octets"
    );
}

/// The lines of one size.
pub fn print(size: &Size) {
    let spread = |spread: &Spread| {
        format!(
            "{:.1} / {:.1} / {:.1}",
            spread.min, spread.median, spread.max
        )
    };
    for lookups in &size.lookups {
        let ratio = &lookups.ratio;
        println!(
            "{:>10} {:>5}  {:>22}  {:>8.1}  {:>22}  {:>20}  {:>7.1}  {}",
            size.bindings,
            lookups.burst,
            spread(&lookups.ours),
            lookups.counting.median,
            spread(&lookups.rte_hash),
            format!("{:.2} / {:.2} / {:.2}", ratio.min, ratio.median, ratio.max),
            size.octets_per_binding.total,
            size.pages
        );
    }
}

impl std::fmt::Display for OnPages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kinds = [
            (self.hugetlb_mb, "hugetlb"),
            (self.transparent_mb, "THP"),
            (self.small_mb, "4 KB"),
        ];
        let mut between = "";
        for (mb, kind) in kinds.into_iter().filter(|(mb, _)| *mb > 0) {
            write!(f, "{between}{mb} MB {kind}")?;
            between = ", ";
        }
        if between.is_empty() {
            f.write_str("the heap")?;
        }
        Ok(())
    }
}
