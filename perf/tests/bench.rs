//! Each measurement end to end and small: what it prints has what others read, and its books balance.

use serde_json::{json, Value};
use std::process::Command;

/// Runs with `--json`; the object that is printed.
fn measured(line: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_anchor-perf"))
        .args(line.split_whitespace())
        .arg("--json")
        .output()
        .expect("anchor-perf starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {text}{errors}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{line}: {error}\n{text}{errors}"))
}

fn number(value: &Value, name: &str) -> f64 {
    let field = &value[name];
    field
        .as_f64()
        .unwrap_or_else(|| panic!("{name} is {field} in {value}"))
}

#[test]
fn every_path_is_measured_and_verified() {
    for path in ["encap", "decap", "route", "4in6"] {
        let line = format!("forward --path {path} --bindings 100 --rounds 2 --packets 4096");
        let figures = measured(&line);
        assert_eq!(figures["path"], path);
        assert_eq!(figures["bindings"], 100);
        assert_eq!(figures["workers"], 1);
        assert!(number(&figures, "verified") >= 4096.0, "{figures}");
        assert!(number(&figures, "packets") >= 4096.0, "{figures}");
        for name in ["frame", "cycles_per_packet", "io_cycles_per_packet"] {
            assert!(number(&figures, name) > 0.0, "{name}: {figures}");
        }
        // To a decimal: an unoptimized build may have none.
        assert!(number(&figures, "mpps") >= 0.0, "{figures}");
        assert_eq!(number(&figures, "writer_rate"), 0.0);
        let stages = figures["stages"].as_object().expect("stages");
        assert!(stages.values().any(|it| it.as_f64() > Some(0.0)));
    }
}

/// Larger frames, chosen by Zipf's law, while the writer moves bindings; and two workers on one table.
#[test]
fn frames_flows_writer_and_workers_are_as_asked() {
    let figures = measured(
        "forward --path encap --bindings 1000 --frame 1500 --flows zipf --writer 10000 --rounds 1 --packets 1024 --load 256",
    );
    assert_eq!(figures["frame"], 1500);
    assert_eq!(figures["flows"], "zipf");
    assert_eq!(number(&figures, "writer_rate"), 10_000.0);
    assert!(number(&figures, "writer_reached") > 0.0, "{figures}");
    assert!(number(&figures, "verified") >= 256.0, "{figures}");
    let figures =
        measured("forward --path decap --bindings 1000 --workers 2 --rounds 2 --packets 4096");
    assert_eq!(figures["workers"], 2);
    assert!(number(&figures, "verified") >= 2.0 * 4096.0, "{figures}");
}

/// A processor without the instruction says so in the place of figures.
#[test]
fn a_packet_waits_for_a_worker_in_each_idle_mode() {
    let figures = measured("wakeup --samples 50 --hugepages never");
    let modes = figures["modes"].as_array().expect("modes");
    let names: Vec<_> = modes.iter().map(|mode| &mode["mode"]).collect();
    assert_eq!(names, ["busy", "pause", "sleep", "monitor"]);
    for mode in modes.iter().filter(|mode| mode["refused"].is_null()) {
        assert_eq!(mode["samples"], 50, "{mode}");
        assert!(number(mode, "min_us") > 0.0, "{mode}");
        assert!(number(mode, "min_us") <= number(mode, "p50_us"), "{mode}");
        assert!(number(mode, "p50_us") <= number(mode, "max_us"), "{mode}");
    }
}

#[test]
fn updates_are_made_while_packets_are_forwarded() {
    let figures = measured("update --bindings 1000 --rounds 1 --packets 8192");
    assert!(number(&figures, "updates_per_s") > 0.0);
    assert!(number(&figures, "forwarding_loss_percent") <= 100.0);
    assert!(number(&figures, "verified") > 0.0);
    assert_eq!(figures["packets_lost"], 0);
}

#[test]
fn both_tables_are_measured_in_one_run() {
    let figures = measured("table --sizes 1k --bursts 32 --rounds 3 --lookups 4096");
    let text = figures.to_string();
    assert!(text.contains("rte_hash"), "{text}");
}

/// All hosts register with a gateway of the run's own, then all of them move while packets for them are sent.
#[test]
fn a_storm_registers_and_moves_every_host() {
    let figures = measured(
        "storm --hosts 100 --rounds 2 --access-gateways 2 --traffic 500 --hugepages never",
    );
    let rounds = figures["rounds"].as_array().expect("rounds");
    let told: Vec<_> = rounds
        .iter()
        .map(|round| (&round["kind"], &round["registered"], &round["abandoned"]))
        .collect();
    let (none, all) = (json!(0), json!(100));
    assert_eq!(
        told,
        [
            (&json!("register"), &all, &none),
            (&json!("move"), &all, &none)
        ]
    );
    assert_eq!(figures["wrong"], json!({}));
    // Each gateway that a host left is told so.
    assert_eq!(figures["revocations"], 100);
    assert!(number(&figures, "registrations_per_s") > 0.0);
    let timeline = figures["traffic"]["timeline"]
        .as_array()
        .expect("a timeline");
    assert_eq!(
        timeline.last().map(|it| &it["registered"]),
        Some(&json!(200))
    );
}

/// With keys, every update and every answer bears an authenticator that the other side accepts.
#[test]
fn a_storm_with_keys_is_accepted() {
    let figures = measured("storm --hosts 50 --rounds 1 --keys --hugepages never");
    assert_eq!(figures["keys"], true);
    assert_eq!(figures["rounds"][0]["registered"], 50);
    assert_eq!(figures["wrong"], json!({}));
}

/// Every trial of the search accounts for each packet, and has looked at those that came.
#[test]
fn the_search_for_the_no_loss_rate_keeps_its_books() {
    let figures = measured(
        "ndr --hosts 50 --seconds 0.3 --trials 2 --max-rate 500 --verify --hugepages never",
    );
    assert!(number(&figures, "ndr_pps") <= 500.0);
    let trials = figures["trials"].as_array().expect("trials");
    assert!(!trials.is_empty());
    for trial in trials {
        let received = &trial["received"];
        // On a machine that is held up, some are not sent, and the next trial is slower.
        let sent = number(&trial["sent"], "packets");
        let due = number(trial, "offered_pps") * 0.3;
        assert!(
            (sent + number(trial, "unsent") - due).abs() <= 1.0,
            "{trial}"
        );
        let came = number(received, "unique");
        assert_eq!(came + number(trial, "lost"), sent, "{trial}");
        assert_eq!(received["verified"]["checked"], received["packets"]);
        assert_eq!(received["verified"]["wrong"], json!({}));
    }
}

#[test]
fn latency_is_told_for_each_load() {
    let figures =
        measured("latency --hosts 50 --seconds 0.3 --ndr 1k --loads 10,50 --hugepages never");
    let points = figures["points"].as_array().expect("points");
    let percents: Vec<_> = points.iter().map(|it| number(it, "percent")).collect();
    assert_eq!(percents, [10.0, 50.0]);
    for point in points {
        assert!(point["holds"].is_boolean(), "{point}");
        let latency = &point["outcome"]["received"]["latency_us"];
        assert!(number(latency, "p50") > 0.0, "{point}");
        assert!(number(latency, "p50") <= number(latency, "max"), "{point}");
    }
}

/// Ours and what it is held against, in one run; ratios are theirs to ours of the same size.
#[test]
fn ours_and_theirs_are_compared_in_one_run() {
    let figures = measured(
        "compare --bindings 1000 --rounds 1 --seconds 0.5 --packets 4096 --without kernel",
    );
    let rows = figures.as_object().expect("rows");
    for name in [
        "ours encap 1000",
        "ours decap 1000",
        "bare I/O",
        "rte_hash bulk 1000",
        "testpmd macswap ring",
    ] {
        let row = rows
            .get(name)
            .unwrap_or_else(|| panic!("{name}: {figures}"));
        let ours = &rows[row["against"].as_str().expect("a row of ours")];
        let ratio = number(row, "cycles_per_packet") / number(ours, "cycles_per_packet");
        assert!(ratio > 0.0, "{row}");
        assert!((ratio - number(row, "ratio_to_ours")).abs() < 0.01, "{row}");
    }
    assert!(!rows.keys().any(|name| name.starts_with("kernel")));
}
