//! Nothing is left behind when the demonstration is interrupted.

use anyhow::{ensure, Result};
use lab::process::{Errors, Process};
use lab::run::Run;
use lab::undo::{NAMESPACES, PREFIX, RUNTIME, RUNTIME_PREFIX};
use nix::sys::signal::Signal;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Everything of run `id` that is still on this machine.
fn leftovers(id: u32) -> Vec<String> {
    let name = format!("{PREFIX}{id}-");
    let mut left = Vec::new();
    for directory in [Path::new(NAMESPACES), &std::env::temp_dir()] {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&name) {
                left.push(entry.path().display().to_string());
            }
        }
    }
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    left.extend(
        mounts
            .lines()
            .filter(|line| line.contains(&name))
            .map(String::from),
    );
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        if command.contains(&name) {
            left.push(command);
        }
    }
    // A gateway's directory bears the gateway's process id, not the run's.
    for entry in fs::read_dir(RUNTIME).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let gateway = name.strip_prefix(RUNTIME_PREFIX);
        if gateway.is_some_and(|id| !Path::new("/proc").join(id).exists()) {
            left.push(entry.path().display().to_string());
        }
    }
    left
}

/// Interrupts the demonstration once its directory holds `file`, a little later.
fn interrupt_at(file: &str, signal: Signal) -> Result<()> {
    let run = Run::start()?;
    let pcaps = run.directory().join("pcaps");
    let pcaps = pcaps.to_string_lossy();
    let words = [env!("CARGO_BIN_EXE_anchorage-demo"), "--pcaps", &pcaps];
    let log = run.directory().join("demo.log");
    let mut demo = Process::start_here("the demonstration", &words, &Errors::File(&log))?;
    let id = demo.id();
    let awaited = std::env::temp_dir()
        .join(format!("{PREFIX}{id}-0"))
        .join(file);
    let limit = Instant::now() + Duration::from_secs(60);
    while !awaited.exists() {
        ensure!(
            demo.ended()?.is_none(),
            "it ended before {file}: {}",
            demo.log()
        );
        ensure!(Instant::now() < limit, "{file} never came: {}", demo.log());
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(100));
    assert!(
        !leftovers(id).is_empty(),
        "there is nothing to clean up yet"
    );
    demo.signal(signal)?;
    let status = demo.wait(Duration::from_secs(20))?;
    assert_eq!(status.code(), Some(128 + signal as i32), "{}", demo.log());
    assert_eq!(leftovers(id), Vec::<String>::new());
    Ok(())
}

#[test]
fn ctrl_c_while_the_network_is_laid_out_leaves_nothing() -> Result<()> {
    interrupt_at("", Signal::SIGINT)
}

#[test]
fn ctrl_c_while_gateways_start_leaves_nothing() -> Result<()> {
    interrupt_at("lma.log", Signal::SIGINT)
}

#[test]
fn an_end_in_the_middle_of_the_story_leaves_nothing() -> Result<()> {
    interrupt_at("hosts.log", Signal::SIGTERM)
}

/// A run that is killed outright cannot clean up; the next one does it.
#[test]
fn what_a_killed_run_has_left_goes_with_the_next() -> Result<()> {
    let run = Run::start()?;
    let pcaps = run.directory().join("pcaps");
    let pcaps = pcaps.to_string_lossy();
    let words = [env!("CARGO_BIN_EXE_anchorage-demo"), "--pcaps", &pcaps];
    let log = run.directory().join("demo.log");
    let mut demo = Process::start_here("the demonstration", &words, &Errors::File(&log))?;
    let id = demo.id();
    let awaited = std::env::temp_dir().join(format!("{PREFIX}{id}-0"));
    let limit = Instant::now() + Duration::from_secs(20);
    while !awaited.exists() {
        ensure!(Instant::now() < limit, "it never began: {}", demo.log());
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(200));
    // While it lives nobody else removes what it has made.
    assert!(!leftovers(id).is_empty(), "there is nothing to clean up");
    demo.signal(Signal::SIGKILL)?;
    demo.wait(Duration::from_secs(5))?;
    // Its children end a moment after it, and another run may be sweeping at the same time.
    let limit = Instant::now() + Duration::from_secs(10);
    lab::undo::sweep();
    while !leftovers(id).is_empty() && Instant::now() < limit {
        std::thread::sleep(Duration::from_millis(20));
        lab::undo::sweep();
    }
    assert_eq!(leftovers(id), Vec::<String>::new());
    Ok(())
}
