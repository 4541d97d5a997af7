//! The generator on real DPDK ports, each run a process of its own.

use serde_json::Value;
use std::process::{Command, Output};

fn run(line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_anchor-perf"))
        .args(line.split_whitespace())
        .output()
        .expect("anchor-perf starts")
}

/// Runs with `--json`; returns the object and whether the run succeeded.
fn json(line: &str) -> (Value, bool) {
    let output = run(&format!("{line} --json"));
    let text = String::from_utf8_lossy(&output.stdout);
    let value = serde_json::from_str(&text);
    let errors = String::from_utf8_lossy(&output.stderr);
    (
        value.unwrap_or_else(|error| panic!("{line}: {error}\n{text}{errors}")),
        output.status.success(),
    )
}

/// A ring gives everything back in order and unchanged: nothing is lost, every octet is right.
#[test]
fn a_ring_gives_back_what_was_sent() {
    let (outcome, success) = json(
        "generate --port net_ring0 --receive --verify 0 --rate 5k --seconds 0.4 --frame imix \
         --hosts 1000000 --flows zipf",
    );
    assert!(success, "{outcome}");
    assert_eq!(outcome["offered_pps"], 5_000.0);
    // What a stalled machine left no time for is told, not sent in a burst.
    let packets = outcome["sent"]["packets"].as_u64().expect("a number");
    let unsent = outcome["unsent"].as_u64().expect("a number");
    assert!(packets > 0 && packets + unsent == 2_000, "{outcome}");
    assert_eq!(outcome["lost"], 0, "{outcome}");
    let received = &outcome["received"];
    assert_eq!(received["unique"], packets);
    assert_eq!(received["reordered"], 0);
    assert_eq!(received["duplicated"], 0);
    assert_eq!(received["verified"]["checked"], packets);
    assert_eq!(received["verified"]["wrong"], serde_json::json!({}));
    assert!(received["latency_us"]["p50"].as_f64() > Some(0.0));
    assert_eq!(outcome["sent"]["octets"], received["octets"]);
}

/// Tunnelled frames are ours on both ways; a hop that nobody took off is a fault that fails the run.
#[test]
fn a_wrong_packet_fails_the_run() {
    let (outcome, success) = json(
        "generate --port net_ring0 --receive --verify --rate 1k --seconds 0.1 --frame 114 \
         --tunnelled both --direction from-hosts",
    );
    assert!(!success);
    let verified = &outcome["received"]["verified"];
    let packets = &outcome["sent"]["packets"];
    assert!(packets.as_u64() > Some(0), "{outcome}");
    assert_eq!(
        verified["wrong"],
        serde_json::json!({"hop_limit": packets}),
        "{outcome}"
    );
    assert!(verified["example"]
        .as_str()
        .is_some_and(|it| it.starts_with("HopLimit: ")));
}

/// What a null device swallows is lost, every packet of it; without a rate it takes all it can.
#[test]
fn a_null_device_loses_everything() {
    let (outcome, success) =
        json("generate --port net_null0,no-rx=1 --receive --rate max --seconds 0.1");
    assert!(success, "{outcome}");
    assert_eq!(outcome["offered_pps"], Value::Null);
    assert_eq!(outcome["lost"], outcome["sent"]["packets"]);
    assert_eq!(outcome["received"]["unique"], 0);
    assert!(outcome["sent"]["packets"].as_u64() > Some(0), "{outcome}");
}

/// A receiver by itself ends after its time and says what came: nothing of ours from a null device.
#[test]
fn a_receiver_takes_only_stamped_packets() {
    let (report, success) = json("receive --port net_null0 --seconds 0.1 --verify");
    assert!(success, "{report}");
    assert_eq!(
        (&report["packets"], &report["lost"]),
        (&0.into(), &0.into())
    );
    assert_eq!(report["verified"]["checked"], 0);
}

#[test]
fn what_cannot_be_is_said_before_anything_starts() {
    for (line, word) in [
        ("generate --port net_ring0 --frame 60", "at least 74"),
        ("generate --port net_ring0 --rate fast", "250k"),
        ("generate --port net_ring0 --back net_ring0", "leave it out"),
        ("generate --port net_nosuch0 --seconds 1", "net_nosuch0"),
        ("generate --port net_ring0 --hosts 0", "--hosts 0"),
    ] {
        let output = run(line);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{line}");
        assert!(errors.contains(word), "{line}: {errors}");
    }
}
