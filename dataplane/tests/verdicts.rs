//! Every verdict that is declared has a packet that ends in it, and the book has the whole list.
//!
//! `GOLDEN_REGENERATE=1` writes docs/verdicts.md anew from the declaration.

use dataplane::verdict::{Born, Verdict};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Ends and births that no golden case can show, and the test of the worker that does.
const BY_WORKER: &[(&str, &str)] = &[
    ("born injected", "a_frame_of_controls_gets_its_vlan_tag"),
    ("drop fragmented", "a_packet_in_pieces_is_dropped"),
    (
        "drop handoff_full",
        "a_worker_that_stands_still_costs_its_own_packets_only",
    ),
    ("drop icmp_limited", "errors_and_echo_replies_are_limited"),
    (
        "drop icmp_source_limited",
        "one_source_does_not_use_up_the_errors_of_all",
    ),
    (
        "drop inject_invalid",
        "a_frame_of_controls_gets_its_vlan_tag",
    ),
    (
        "drop no_buffer",
        "no_buffer_for_an_injected_packet_is_counted",
    ),
    ("drop port_down", "a_port_that_is_not_there_takes_no_packet"),
    ("drop punt_full", "a_full_ring_slows_no_forwarding"),
    (
        "drop punt_limited",
        "punts_are_limited_by_source_and_by_reason",
    ),
    (
        "drop signalling_limited",
        "a_flood_of_forged_signalling_leaves_peers_their_way_to_control",
    ),
    (
        "drop neighbour_limited",
        "a_scan_of_a_link_keeps_no_neighbour_from_being_found",
    ),
    (
        "drop punt_source_limited",
        "solicitations_are_limited_by_host",
    ),
    (
        "drop queue_full",
        "a_full_queue_loses_packets_and_counts_them",
    ),
    (
        "drop reassembled_too_long",
        "what_no_buffer_holds_is_not_put_together",
    ),
    (
        "drop reassembly_full",
        "fragments_that_are_kept_are_so_many_at_most",
    ),
    ("drop tunnels_nested", "tunnels_within_tunnels_have_an_end"),
    ("forward injected", "a_frame_of_controls_gets_its_vlan_tag"),
];

/// What of a case's counts matters here.
#[derive(Deserialize)]
struct Counts {
    born: BTreeMap<String, u64>,
    verdicts: BTreeMap<String, u64>,
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Names of all that the golden cases show.
fn shown_by_cases() -> Vec<String> {
    let cases = std::fs::read_dir(tests().join("golden")).expect("the cases");
    let files = cases.map(|entry| entry.expect("an entry").path().join("counts.json"));
    let mut shown = Vec::new();
    for file in files.filter(|file| file.is_file()) {
        let counts: Counts = serde_json::from_str(&read(&file)).expect("counts");
        shown.extend(counts.born.into_keys().map(|born| format!("born {born}")));
        shown.extend(counts.verdicts.into_keys());
    }
    shown
}

#[test]
fn every_declared_end_is_some_packets_end() {
    let cases = shown_by_cases();
    let worker = [
        "worker.rs",
        "worker/limits.rs",
        "worker/fragments.rs",
        "handoff.rs",
    ]
    .map(|file| read(&tests().join(file)));
    let worker = worker.concat();
    let verdicts = Verdict::all().map(|it| format!("{} {}", it.kind(), it.reason()));
    let births = Born::ALL.iter().map(|it| format!("born {}", it.reason()));
    for name in verdicts.chain(births) {
        let named = BY_WORKER.iter().find(|(of, _)| *of == name);
        assert_ne!(cases.contains(&name), named.is_some(), "{name}");
        if let Some((_, test)) = named {
            assert!(worker.contains(&format!("fn {test}(")), "{name}: {test}");
        }
    }
}

/// The list as the book has it.
fn book() -> String {
    let mut text = String::from(
        "# Verdicts

Every packet that a worker receives, and every one that is born there, ends in one of these; `received + born`
is their sum. `anchorctl counters` shows them by these names. The list is made from its declaration in
`dataplane/src/verdict.rs`: `GOLDEN_REGENERATE=1 cargo test -p dataplane --test verdicts`.
",
    );
    let mut kind = "";
    for verdict in Verdict::all() {
        if verdict.kind() != kind {
            kind = verdict.kind();
            let _ = write!(text, "\n## {kind}\n\n| reason | meaning |\n|---|---|\n");
        }
        let (reason, meaning) = (verdict.reason(), verdict.describe());
        let _ = writeln!(text, "| `{reason}` | {meaning} |");
    }
    let _ = write!(text, "\n## born\n\n| reason | meaning |\n|---|---|\n");
    for born in Born::ALL {
        let (reason, meaning) = (born.reason(), born.describe());
        let _ = writeln!(text, "| `{reason}` | {meaning} |");
    }
    text
}

#[test]
fn the_book_has_every_verdict() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/verdicts.md");
    if std::env::var_os("GOLDEN_REGENERATE").is_some() {
        std::fs::write(&path, book()).expect("the book");
    }
    assert_eq!(
        read(&path),
        book(),
        "{}: GOLDEN_REGENERATE=1 writes it anew",
        path.display()
    );
}
