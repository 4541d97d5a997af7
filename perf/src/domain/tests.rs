//! Domains of the size that a test can afford.

use super::*;
use clap::Parser;

/// The arguments of a line.
fn arguments(line: &str) -> Arguments {
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }
    let words = std::iter::once("domain").chain(line.split_whitespace());
    Line::try_parse_from(words).expect("a line").arguments
}

fn json(line: &str) -> String {
    let report = simulate(&arguments(line)).expect("every law holds");
    serde_json::to_string(&report).expect("JSON")
}

#[test]
fn a_seed_gives_the_same_report_to_the_octet_on_any_number_of_threads() {
    let line = "--gateways 16 --hosts 100 --minutes 10 --residence 120 --lifetime 60 --seeds 2";
    let one = json(&format!("{line} --threads 1"));
    assert_eq!(one, json(&format!("{line} --threads 1")));
    assert_eq!(one, json(&format!("{line} --threads 3")));
    assert_ne!(one, json(&format!("{line} --seed 4")));
}

#[test]
fn a_domain_of_a_hundred_gateways_and_ten_thousand_hosts_keeps_the_laws() {
    let line = "--gateways 100 --hosts 10000 --minutes 5 --ramp 30 --lifetime 120";
    let report = simulate(&arguments(line)).expect("every law holds");
    let json = serde_json::to_value(&report.runs[0]).expect("JSON");
    let number = |key: &str| {
        json[key]
            .as_f64()
            .unwrap_or_else(|| panic!("{key}: {json}"))
    };
    assert!(number("handovers") > 3_000.0, "{json}");
    assert!(number("inspections") > 10_000.0, "{json}");
    assert_eq!(number("sessions_broken"), 0.0);
    assert_eq!(
        number("tunnelled_share"),
        1.0,
        "all goes through the anchor"
    );
}

#[test]
fn everything_is_in_order_again_after_trouble() {
    let line =
        "--gateways 9 --hosts 60 --minutes 60 --residence 60 --lifetime 40 --faults --seeds 4";
    let report = simulate(&arguments(line)).expect("every law holds");
    let json = serde_json::to_value(&report).expect("JSON");
    let sum = |key: &str| {
        let runs = json["runs"].as_array().expect("runs");
        runs.iter().filter_map(|run| run[key].as_u64()).sum::<u64>()
    };
    assert!(sum("lost_messages") > 1_000 && sum("crashes") > 5);
    assert!(sum("inspections") > 2_000);
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    for (line, what) in [
        ("--jumps 1.5", "--jumps 1.5 is not a share"),
        ("--session-exponent 1", "not above 1"),
        ("--sessions 0", "--sessions 0 is not above 0"),
    ] {
        let error = arguments(line).scenarios().expect_err(line);
        assert!(error.to_string().contains(what), "{error}");
    }
}
