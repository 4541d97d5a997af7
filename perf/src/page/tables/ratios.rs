//! The budget as ratios: what decides on a machine that is not the one the musts were set on, or is not
//! quiet.
//!
//! A must in cycles was set beside what DPDK's own programs took on the same machine. Their figures
//! there make a ratio of it, which carries to another machine and to a noisy hour:
//!
//! ```text
//!   must 250 cycles, rte_hash 64.5 there   ->   ours at the most 3.88 times rte_hash here, in one run
//! ```

use super::{entries, Results, NONE};
use std::fmt::Write;

/// Cycles of testpmd's macswap on `net_null` with copying, on the machine of the musts. Of testpmd's
/// devices the one that makes the musts hardest.
const TESTPMD: (&str, f64) = ("testpmd macswap null with copy", 55.0);

/// Cycles of a bulk look-up of 32 in rte_hash there, by entries: middles of what was measured; at 10 k
/// between 1 k and 100 k, at 16 M that of 14 M.
const RTE_HASH: [(u64, f64); 3] = [(10_000, 48.0), (1_000_000, 64.5), (16_777_216, 86.0)];

/// A row: path, bindings, must in cycles there.
const MUSTS: [(&str, u64, f64); 8] = [
    ("encap", 1, 121.0),
    ("decap", 1, 101.0),
    ("route", 1, 84.0),
    ("encap", 10_000, 120.0),
    ("encap", 1_000_000, 250.0),
    ("decap", 1_000_000, 250.0),
    ("encap", 16_777_216, 300.0),
    ("decap", 16_777_216, 300.0),
];

/// The table.
pub fn table(results: &Results) -> String {
    let mut out = String::from(
        "| work | entries | to | must | reached: min | median | max | met |\n|---|---|---|---|---|---|---|---|\n",
    );
    for (path, bindings, cycles) in MUSTS {
        let hash = RTE_HASH.iter().find(|(size, _)| *size == bindings);
        let hash = hash.map(|(size, theirs)| (format!("rte_hash bulk {size}"), *theirs));
        let anchors = [(TESTPMD.0.to_owned(), TESTPMD.1)].into_iter().chain(hash);
        for (anchor, theirs) in anchors {
            let must = cycles / theirs;
            let row = results
                .get("compare")
                .map(|rows| &rows[format!("ours {path} {bindings}")]["to"][&anchor]);
            let figures = row.and_then(|row| {
                let [min, median, max] = ["min", "median", "max"].map(|key| row[key].as_f64());
                Some([min?, median?, max?])
            });
            let reached = match figures {
                Some([min, median, max]) => {
                    let met = if median <= must { "yes" } else { "no" };
                    format!("{min:.2} | {median:.2} | {max:.2} | {met}")
                }
                None => format!("{NONE} | | | –"),
            };
            // Writing to a string does not fail.
            let _ = writeln!(
                out,
                "| {path} | {} | {anchor} | <= {must:.2} | {reached} |",
                entries(bindings)
            );
        }
    }
    out.push_str(&counting(results));
    out
}

/// The row of a binding's counters: under 25 cycles at a million, beside the same look-up in rte_hash.
fn counting(results: &Results) -> String {
    let must = 25.0 / 64.5;
    let sizes = results.get("table").and_then(|it| it["sizes"].as_array());
    let size = sizes
        .into_iter()
        .flatten()
        .find(|size| size["bindings"] == 1_000_000);
    let figures = size.and_then(|size| {
        let lookups = &size["lookups"][0];
        let theirs = lookups["rte_hash"]["median"].as_f64()?;
        let [min, median, max] =
            ["min", "median", "max"].map(|key| lookups["counting"][key].as_f64());
        Some([min? / theirs, median? / theirs, max? / theirs])
    });
    let reached = match figures {
        Some([min, median, max]) => {
            let met = if median <= must { "yes" } else { "no" };
            format!("{min:.2} | {median:.2} | {max:.2} | {met}")
        }
        None => format!("{NONE} | | | –"),
    };
    format!("| counting a packet | 1 M | rte_hash bulk 1000000 | <= {must:.2} | {reached} |\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_must_is_met_by_the_median_of_the_ratios_in_one_run() {
        let spread = |median: f64| json!({"min": median - 0.5, "median": median, "max": 9.0});
        let compare = json!({
            "ours encap 1000000": {"to": {
                "rte_hash bulk 1000000": spread(3.5),
                "testpmd macswap null with copy": spread(4.6),
            }},
        });
        let table = table(&Results::of([("compare", compare)]));
        let row = |start: &str| table.lines().find(|line| line.starts_with(start));
        assert_eq!(
            row("| encap | 1 M | rte_hash"),
            Some("| encap | 1 M | rte_hash bulk 1000000 | <= 3.88 | 3.00 | 3.50 | 9.00 | yes |")
        );
        assert_eq!(
            row("| encap | 1 M | testpmd"),
            Some("| encap | 1 M | testpmd macswap null with copy | <= 4.55 | 4.10 | 4.60 | 9.00 | no |")
        );
        assert_eq!(
            row("| route | 1 |"),
            Some("| route | 1 | testpmd macswap null with copy | <= 1.53 | not measured | | | – |")
        );
        assert!(
            table.lines().all(|line| line.matches('|').count() == 9),
            "{table}"
        );
    }
}
