//! The scripts for Pktgen, against a stub of it.

use std::process::Command;

/// The search finds its rate, ranges reach every host, tunnelled frames are whole: perf/pktgen/test.lua
/// says so for each.
#[test]
fn the_scripts_for_pktgen_do_what_they_say() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/pktgen");
    let output = Command::new("lua5.4")
        .arg("test.lua")
        .current_dir(directory)
        .output()
        .expect("lua5.4 is there: scripts/setup installs it");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    let tests = std::fs::read_to_string(format!("{directory}/test.lua")).expect("test.lua");
    let written = tests.matches("\nfunction tests.").count();
    assert_eq!(
        said.lines().filter(|line| line.starts_with("ok ")).count(),
        written
    );
}
