//! What a packet waits for a worker that has nothing else to do, by idle mode.

use super::{figure, Results, NONE};
use std::fmt::Write;

/// The table.
pub fn table(results: &Results) -> String {
    let modes = results.get("wakeup").and_then(|it| it["modes"].as_array());
    let Some(modes) = modes else {
        return NONE.to_owned();
    };
    let mut out = String::from(
        "| idle | packets | min us | p50 us | p99 us | max us |\n|---|---|---|---|---|---|\n",
    );
    for mode in modes {
        let name = mode["mode"].as_str().unwrap_or("");
        // Writing to a string does not fail.
        let _ = match mode["refused"].as_str() {
            Some(why) => writeln!(out, "| {name} | {why} | | | | |"),
            None => {
                let figures = ["min_us", "p50_us", "p99_us", "max_us"];
                let figures = figures.map(|key| figure(mode[key].as_f64()));
                writeln!(
                    out,
                    "| {name} | {} | {} |",
                    mode["samples"],
                    figures.join(" | ")
                )
            }
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_mode_that_cannot_be_had_says_why() {
        let modes = json!({"modes": [
            {"mode": "busy", "samples": 9, "min_us": 1.0, "p50_us": 2.0, "p99_us": 3.0, "max_us": 4.0, "refused": null},
            {"mode": "monitor", "samples": 0, "refused": "this processor has no umwait"},
        ]});
        let table = table(&Results::of([("wakeup", modes)]));
        assert!(
            table.contains("| busy | 9 | 1.0 | 2.0 | 3.0 | 4.0 |\n"),
            "{table}"
        );
        assert!(table.contains("| monitor | this processor has no umwait | | | | |\n"));
    }
}
