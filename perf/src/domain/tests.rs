//! Domains of the size that a test can afford.

use super::*;
use clap::Parser;
use roles::effect::{Effect, Path, TunnelEnds};
use roles::BoundPrefix;
use serde_json::Value;

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

/// The sum of a figure over all runs.
fn sum(report: &Value, key: &str) -> f64 {
    let runs = report["runs"].as_array().into_iter().flatten();
    runs.filter_map(|run| run[key].as_f64()).sum()
}

#[test]
fn a_seed_gives_the_same_report_to_the_octet_on_any_number_of_threads() {
    let line = "--gateways 16 --hosts 40 --minutes 8 --residence 120 --lifetime 40 --faults";
    let one = json(&format!("{line} --threads 1"));
    assert_eq!(one, json(&format!("{line} --threads 1")));
    assert_eq!(one, json(&format!("{line} --threads 3")));
    assert_ne!(one, json(&format!("{line} --seed 4")));
}

/// The parts of one run, shared out.
#[test]
fn a_run_is_the_same_to_the_octet_on_any_number_of_threads() {
    let line = "--gateways 12 --hosts 300 --minutes 1 --residence 15 --ramp 1 --lifetime 20 --modes locator";
    let one = json(&format!("{line} --threads 1"));
    assert_eq!(one, json(&format!("{line} --threads 3")));
}

/// Proves S2-13, S2-16, S2-21.
#[test]
fn a_domain_of_a_hundred_gateways_and_ten_thousand_hosts_keeps_the_laws() {
    let line = "--gateways 100 --hosts 10000 --minutes 3 --ramp 20 --lifetime 60 --modes proxy --threads 1";
    let report = simulate(&arguments(line)).expect("every law holds");
    let json = serde_json::to_value(&report).expect("JSON");
    assert!(sum(&json, "handovers") > 2_000.0);
    assert!(sum(&json, "inspections") > 9_000.0);
    assert_eq!(sum(&json, "sessions_broken"), 0.0);
    assert!((0.01..0.5).contains(&sum(&json, "tunnelled_share")));
}

/// Messages of a handover are those of RFC 8885's figures 2 to 4 for any number of previous anchors; a
/// serving MAAR that had its answer from an anchor asks the locator for its lifetime.
///
/// Proves S2-17, S2-22, S2-26.
#[test]
fn modes_differ_in_messages_and_in_time_as_the_figures_have_it() {
    let line = "--gateways 16 --hosts 200 --minutes 10 --residence 100 --lifetime 600 --ramp 30 --leaves 0";
    let report = simulate(&arguments(line)).expect("every law holds");
    let of = |mode| report.runs.iter().find(|run| run.scenario.mode == mode);
    let mut medians = Vec::new();
    for (mode, first, each, slack) in [
        (Mode::Relay, 2.0, 2.0, 0.1),
        (Mode::Locator, 3.0, 3.0, 0.1),
        (Mode::Proxy, 2.0, 2.0, 0.1),
        // One that leads a host on from another gateway tells that one, and so does one that it is back with.
        (Mode::Niq, -2.0, 4.0, 0.2),
        // Eight with the server, and two for each lease that is kept; it is told as in the mode before.
        (Mode::Dhcpv6, 6.0, 6.0, 0.1),
    ] {
        let run = of(mode).expect("a run");
        let enough = run.by_anchors.iter().filter(|with| with.handovers > 100);
        for with in enough {
            let expected = first + each * with.anchors as f64;
            // A host that comes back to an anchor needs fewer, and what is released meanwhile adds some.
            let off = (with.messages - expected).abs() / expected;
            assert!(off < slack, "{mode}: {with:?} is not {expected}");
        }
        medians.push(run.sessions_ms.p50);
    }
    assert!(
        medians[0] > 1.5 * medians[1],
        "a relay is slow: {medians:?}"
    );
    let central = of(Mode::Central).expect("a run");
    assert_eq!(central.tunnelled_share, 1.0);
    assert!(of(Mode::Proxy).expect("a run").tunnelled_share < 0.5);
}

#[test]
fn everything_is_in_order_again_after_trouble() {
    let line = "--gateways 9 --hosts 40 --minutes 30 --residence 60 --lifetime 40 --faults";
    let report = simulate(&arguments(line)).expect("every law holds");
    let json = serde_json::to_value(&report).expect("JSON");
    assert!(sum(&json, "lost_messages") > 1_000.0 && sum(&json, "crashes") > 5.0);
    assert!(sum(&json, "inspections") > 1_000.0);
    assert_eq!(sum(&json, "orphans"), 0.0);
    // In every mode somebody's clock was so far off that an update was refused for it, and yet all came right.
    for run in &report.runs {
        assert!(run.messages.clock_refusals > 0, "{}", run.name());
    }
}

/// A host stays for 26 ms with a gateway whose clock is ahead: it is not taken from where it went next,
/// and what anchors have let go of is led nowhere when the database was cut off.
#[test]
fn a_host_that_was_somewhere_for_a_moment_stays_where_it_is() {
    let line =
        "--gateways 9 --hosts 60 --residence 60 --lifetime 40 --faults --seed 12 --modes relay";
    let report = simulate(&arguments(line)).expect("every law holds");
    let json = serde_json::to_value(&report).expect("JSON");
    assert!(sum(&json, "inspections") > 1_000.0);
    assert_eq!(sum(&json, "orphans"), 0.0);
}

#[test]
fn what_is_against_the_laws_names_seed_mode_time_and_host() {
    let scenario = |line: &str| arguments(line).scenarios().expect("a scenario").remove(0);
    let bind = |world: &mut World, place, remote, prefix: &str| {
        let part = &world.parts[share::part_of_place(place, 4)];
        let mut part = world::locked(part);
        part.about = Some(1);
        let prefix = BoundPrefix::V6(prefix.parse().expect("a prefix"));
        let (local, remote) = (node::address(place), node::address(remote));
        let tunnel = TunnelEnds::plain(local, remote);
        let path = Path::Anchor { tunnel };
        part.apply(place, Effect::Bind { prefix, path }, 0);
        part.about = None;
    };
    let line = "--gateways 4 --hosts 2 --minutes 1 --modes relay --seed 7";
    let mut stolen = World::new(scenario(line)).expect("a world");
    bind(&mut stolen, 2, 3, "2001:db8:1:5::/64");
    let violation = stolen.run(1).err().expect("a violation").to_string();
    let told = "gateway 2 anchors 2001:db8:1:5::/64, which is of gateway 1";
    assert!(violation.starts_with("relay, seed 7, "), "{violation}");
    assert!(violation.ends_with(told), "{violation}");
    let mut round = World::new(scenario(line)).expect("a world");
    bind(&mut round, 1, 2, "2001:db8:1:5::/64");
    bind(&mut round, 2, 1, "2001:db8:1:5::/64");
    let violation = round.run(1).err().expect("a violation").to_string();
    assert!(violation.contains("go round: [2, 1, 2]"), "{violation}");
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
