//! The no-loss rate, and latency at parts of it.

use super::{figure, Results, NONE};
use std::fmt::Write;

/// The lines and the table.
pub fn table(results: &Results) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    match results.get("ndr") {
        Some(ndr) => {
            let rate = ndr["ndr_pps"].as_f64();
            let _ = writeln!(
                out,
                "No-loss rate (RFC 2544, {} hosts, frames of {} octets): {} Mpps.\n",
                ndr["hosts"],
                ndr["mean_frame"].as_f64().unwrap_or(0.0).round(),
                rate.map_or(NONE.to_owned(), |rate| format!("{:.3}", rate / 1e6)),
            );
        }
        None => out.push_str("No-loss rate: not measured.\n\n"),
    }
    let latency = results.get("latency");
    let Some(points) = latency.and_then(|it| it["points"].as_array()) else {
        out.push_str("Latency: not measured.\n");
        return out;
    };
    let lowered = results.number("latency", "/lowered").unwrap_or(0.0);
    if lowered > 0.0 {
        let rate = results.number("latency", "/ndr_pps").unwrap_or(0.0) / 1e6;
        let _ = writeln!(
            out,
            "Parts of that rate did not hold a moment later; loads are of {rate:.3} Mpps, lowered {lowered:.0} times.\n"
        );
    }
    out.push_str("| load | Mpps | p50 us | p90 us | p99 us | p99.9 us | max us | lost | held |\n|---|---|---|---|---|---|---|---|---|\n");
    for point in points {
        let us = &point["outcome"]["received"]["latency_us"];
        let quantiles = ["p50", "p90", "p99", "p999", "max"].map(|key| figure(us[key].as_f64()));
        let held = match point["holds"].as_bool() {
            Some(true) => "yes",
            _ => "no",
        };
        let _ = writeln!(
            out,
            "| {} % | {:.3} | {} | {} | {held} |",
            point["percent"],
            point["outcome"]["sent_pps"].as_f64().unwrap_or(0.0) / 1e6,
            quantiles.join(" | "),
            point["outcome"]["lost"],
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_rate_that_did_not_hold_is_told() {
        let latency = json!({"ndr_pps": 850_000.0, "lowered": 1, "points": [
            {"percent": 90.0, "holds": true, "outcome": {"sent_pps": 765_000.0, "lost": 0,
                "received": {"latency_us": {"p50": 2.0, "p90": 3.0, "p99": 4.0, "p999": 5.0, "max": 6.0}}}}]});
        let ndr = json!({"ndr_pps": 1_000_000.0, "hosts": 10, "mean_frame": 74.0});
        let table = table(&Results::of([("ndr", ndr), ("latency", latency)]));
        assert!(table.contains("74 octets): 1.000 Mpps"), "{table}");
        assert!(table.contains("loads are of 0.850 Mpps, lowered 1 times"));
        assert!(table.contains("| 90.0 % | 0.765 | 2.0 | 3.0 | 4.0 | 5.0 | 6.0 | 0 | yes |"));
    }
}
