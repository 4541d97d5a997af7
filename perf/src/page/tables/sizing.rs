//! What a core and a gigabyte carry, from what was measured: the ground of docs/deployment.md's sizing.

use super::{entries, figure, Results, NONE};
use std::fmt::Write;

/// The table.
pub fn table(results: &Results) -> String {
    let mut out = String::new();
    let mut row = |what: &str, least: Option<f64>, middle: Option<f64>, unit: &str| {
        if out.is_empty() {
            out.push_str("| | in the slowest round | in the middle one |\n|---|---|---|\n");
        }
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "| {what} | {} | {} {unit} |",
            figure(least),
            figure(middle)
        );
    };
    for path in ["encap", "decap", "route", "4in6"] {
        for run in results.plain(path) {
            let ports = run["io_cycles_per_packet"].as_f64().unwrap_or(0.0);
            let rate = |key: &str| {
                let cycles = run["cycles"][key].as_f64()? + ports;
                Some(run["tsc_hz"].as_f64()? / cycles.max(1e-9) / 1e6)
            };
            let size = entries(run["bindings"].as_u64().unwrap_or(0));
            let what = format!("{path}, {size}: packets a core forwards");
            row(&what, rate("max"), rate("median"), "Mpps");
        }
    }
    if let Some(octets) = results.number("storm", "/anchord_octets_per_binding") {
        let hosts = 1e9 / octets.max(1.0) / 1e6;
        row("hosts in a gigabyte of memory", None, Some(hosts), "M");
    }
    if let Some(rate) = results.number("storm", "/registrations_per_s") {
        row(
            "registrations, control and worker on one core",
            None,
            Some(rate / 1e3),
            "k per second",
        );
    }
    if out.is_empty() {
        return NONE.to_owned();
    }
    out.replace(&format!("| {NONE} |"), "| |")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::tables::tests::forward;
    use serde_json::json;

    #[test]
    fn rates_are_of_the_whole_packet_ports_included() {
        let storm = json!({"anchord_octets_per_binding": 1000.0});
        let results = Results::of([
            ("forward-a", forward("encap", 1_000_000, 214.5)),
            ("storm", storm),
        ]);
        // 2445 MHz by 214.5 and 30 cycles, and by nine more in the slowest round.
        let row = "| encap, 1 M: packets a core forwards | 9.6 | 10.0 Mpps |";
        let table = table(&results);
        assert!(table.contains(row), "{table}");
        assert!(
            table.contains("| hosts in a gigabyte of memory | | 1.0 M |"),
            "{table}"
        );
    }
}
