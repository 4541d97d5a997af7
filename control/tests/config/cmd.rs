//! What is wrong with the configuration of a central mobility database.

use super::{machine, root};
use control::config::Config;

/// The example with `from` in it replaced by `to`: what is said about it.
fn said(from: &str, to: &str) -> String {
    let text = std::fs::read_to_string(root().join("conf/cmd.toml")).expect("the example");
    assert!(text.contains(from), "{from}");
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("cmd.toml");
    std::fs::write(&file, text.replacen(from, to, 1)).expect("a file");
    match Config::load_for(&file, &machine()) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

/// Proves S2-01.
#[test]
fn pools_that_overlap_are_refused_with_their_line() {
    let pool = "pools = [\"2001:db8:a2::/48\"]";
    let text = std::fs::read_to_string(root().join("conf/cmd.toml")).expect("the example");
    let line = text
        .lines()
        .position(|line| line == pool)
        .expect("it is there")
        + 1;
    for other in ["2001:db8:a1::/48", "2001:db8:a1:7::/64", "2001:db8::/32"] {
        let said = said(pool, &format!("pools = [\"{other}\"]"));
        let place =
            format!("cmd.toml:{line}: {other} overlaps 2001:db8:a1::/48 of 2001:db8:ff::21");
        assert!(said.contains(&place), "{said}");
        assert!(said.contains("make one of them smaller"), "{said}");
    }
    let twice = "pools = [\"2001:db8:a2::/48\", \"2001:db8:a2:8000::/49\"]";
    assert!(said(pool, twice).contains("overlaps 2001:db8:a2::/48 of 2001:db8:ff::22"));
}

#[test]
fn what_a_database_cannot_be_is_refused() {
    let address = "address = \"2001:db8:ff::22\"";
    for (from, to, expected) in [
        ("[cmd]", "[workers]\ncores = [0]\n[cmd]", "remove `workers`"),
        (
            "[cmd]",
            "[[route]]\nprefix = \"::/0\"\nblackhole = true\n[cmd]",
            "remove `route`",
        ),
        (address, "address = \"fe80::1\"", "is no MAAR's"),
        (
            address,
            "address = \"2001:db8:ff::21\"",
            "stands here twice",
        ),
        (address, "address = \"2001:db8:ff::c\"", "is no MAAR's"),
        (
            "pools = [\"2001:db8:a2::/48\"]",
            "pools = []",
            "anchors nothing",
        ),
        (
            "mode = \"proxy\"",
            "mode = \"proxi\"",
            "did you mean \"proxy\"?",
        ),
        ("mode = \"proxy\"", "max_previous = 25", "give 1 to 24"),
        (
            "mode = \"proxy\"",
            "max_previos = 3",
            "did you mean \"max_previous\"?",
        ),
    ] {
        let said = said(from, to);
        assert!(said.contains(expected), "{to}: {said}");
    }
}
