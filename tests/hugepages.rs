//! `scripts/hugepages` against a sysfs that is made of files.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// A machine with two NUMA nodes, of which the second has ten pages, three of them in use.
fn machine() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for (place, pages, free) in [
        ("kernel/mm/hugepages/hugepages-2048kB", "10", "7"),
        (
            "devices/system/node/node0/hugepages/hugepages-2048kB",
            "0",
            "0",
        ),
        (
            "devices/system/node/node1/hugepages/hugepages-2048kB",
            "10",
            "7",
        ),
    ] {
        let place = directory.path().join(place);
        fs::create_dir_all(&place).expect("a directory");
        fs::write(place.join("nr_hugepages"), pages).expect("a file");
        fs::write(place.join("free_hugepages"), free).expect("a file");
    }
    directory
}

fn hugepages(machine: &Path, words: &[&str]) -> Output {
    Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/hugepages"))
        .args(words)
        .env("ANCHORAGE_SYSFS", machine)
        .output()
        .expect("sh runs")
}

#[test]
fn pages_are_shown_by_node() {
    let machine = machine();
    let shown = hugepages(machine.path(), &[]);
    assert!(shown.status.success());
    assert_eq!(
        String::from_utf8_lossy(&shown.stdout),
        "10 hugepages of 2 MB, 7 free\nnode 0: 0, 0 free\nnode 1: 10, 7 free\n"
    );
}

#[test]
fn pages_are_reserved_on_the_machine_or_on_a_node() {
    let machine = machine();
    let count = |place: &str| {
        let text = fs::read_to_string(machine.path().join(place).join("nr_hugepages"));
        text.expect("a file").trim().to_owned()
    };
    let (all, node) = (
        "kernel/mm/hugepages/hugepages-2048kB",
        "devices/system/node/node0/hugepages/hugepages-2048kB",
    );
    assert!(hugepages(machine.path(), &["512", "0"]).status.success());
    assert_eq!((count(all).as_str(), count(node).as_str()), ("10", "512"));
    assert!(hugepages(machine.path(), &["64"]).status.success());
    assert_eq!((count(all).as_str(), count(node).as_str()), ("64", "512"));
}

#[test]
fn what_cannot_be_reserved_is_told() {
    let machine = machine();
    for (words, code, reason) in [
        (vec!["many"], 2, "say how many"),
        (vec!["-1"], 2, "say how many"),
        (vec!["4", "7"], 1, "no NUMA node 7"),
    ] {
        let refused = hugepages(machine.path(), &words);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(code), "{words:?}: {said}");
        assert!(said.contains(reason), "{words:?}: {said}");
    }
}
