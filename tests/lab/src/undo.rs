//! What has to be undone before we end, however we end.
//!
//! One register for the whole process lists every child process, network namespace and directory
//! that the lab has made. An owner undoes its own when it is dropped; a signal undoes all that is
//! left; and what a run that was killed outright has left is undone by the next one, which knows
//! such leftovers by the dead process id in their names.

use crate::command;
use anyhow::{Context, Result};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What every name that the lab gives begins with; the process id follows.
pub const PREFIX: &str = "anch";

/// Where `ip netns` keeps its names.
pub const NAMESPACES: &str = "/run/netns";

/// Where a DPDK process has a directory of its own while it starts.
pub const RUNTIME: &str = "/run/dpdk";

/// What a gateway's directory there begins with; its process id follows.
pub const RUNTIME_PREFIX: &str = "anchord-";

/// Something of ours that outlives us unless it is undone.
#[derive(Debug)]
pub enum Leftover {
    /// A child process, by its id.
    Process(i32),
    /// A network namespace, by its name.
    Namespace(String),
    /// A directory and all that is in it.
    Directory(PathBuf),
}

impl Leftover {
    fn undo(&self) {
        match self {
            Self::Process(id) => {
                // It may have ended by itself.
                if kill(Pid::from_raw(*id), Signal::SIGKILL).is_ok() {
                    wait_for_end(*id);
                    remove_runtime_directory(&format!("{RUNTIME_PREFIX}{id}"));
                }
            }
            Self::Namespace(name) => {
                if Path::new(NAMESPACES).join(name).exists() {
                    if let Err(error) = command::run_held(&["ip", "netns", "del", name]) {
                        eprintln!("lab: cannot remove namespace {name}: {error:#}");
                    }
                }
            }
            Self::Directory(path) => {
                if let Err(error) = fs::remove_dir_all(path) {
                    if error.kind() != std::io::ErrorKind::NotFound {
                        eprintln!("lab: cannot remove {}: {error}", path.display());
                    }
                }
            }
        }
    }

    /// Processes end first, since they use the rest.
    fn rank(&self) -> u8 {
        match self {
            Self::Process(_) => 0,
            Self::Namespace(_) => 1,
            Self::Directory(_) => 2,
        }
    }
}

/// Removes what a gateway that was killed in the middle of its start has left; a directory that holds
/// anything stays.
fn remove_runtime_directory(name: &str) {
    if fs::remove_dir(Path::new(RUNTIME).join(name)).is_ok() {
        let _ = fs::remove_dir(RUNTIME);
    }
}

/// Waits, for a bounded time, until a killed process has let go of all it had.
fn wait_for_end(id: i32) {
    let limit = Instant::now() + Duration::from_secs(5);
    while Instant::now() < limit {
        let state = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // The state letter follows the command name, which ends at the last parenthesis.
        match state.rsplit_once(") ").map(|(_, rest)| rest.as_bytes()) {
            None | Some([b'Z' | b'X', ..]) => return,
            Some(_) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

struct Register {
    started: bool,
    next: u64,
    entries: BTreeMap<u64, Leftover>,
}

static REGISTER: Mutex<Register> = Mutex::new(Register {
    started: false,
    next: 0,
    entries: BTreeMap::new(),
});

fn register() -> MutexGuard<'static, Register> {
    REGISTER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Holds one entry of the register; dropping it undoes the thing.
#[derive(Debug)]
pub struct Undo(u64);

impl Undo {
    /// Takes the entry out without undoing it, because the thing is already gone.
    pub fn forget(self) {
        register().entries.remove(&self.0);
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        // Under the lock, so that a signal does not end the process half-way.
        let mut register = register();
        if let Some(leftover) = register.entries.remove(&self.0) {
            leftover.undo();
        }
    }
}

/// Makes something and enters it. No signal is served in between, so nothing is made that the
/// register does not know.
///
/// # Errors
/// What `make` fails with, or when signals cannot be caught.
pub fn make<T>(make: impl FnOnce() -> Result<(T, Leftover)>) -> Result<(T, Undo)> {
    let mut register = register();
    if !register.started {
        watch_signals()?;
        sweep();
        register.started = true;
    }
    let (thing, leftover) = make()?;
    let id = register.next;
    register.next += 1;
    register.entries.insert(id, leftover);
    Ok((thing, Undo(id)))
}

/// Undoes everything and ends the process when it is told to end.
fn watch_signals() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot catch signals")?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            if let Some(signal) = signals.forever().next() {
                // The register stays locked: nobody makes anything new any more.
                let register = register();
                eprintln!("\nlab: interrupted, cleaning up");
                let mut left: Vec<_> = register.entries.values().collect();
                left.sort_by_key(|leftover| leftover.rank());
                for leftover in left {
                    leftover.undo();
                }
                std::process::exit(128 + signal);
            }
        })
        .context("no thread for signals")?;
    Ok(())
}

/// Undoes what runs that were killed outright have left. The first thing that a run makes does this.
pub fn sweep() {
    let dead = |id: &str| {
        let id = id.parse::<u32>();
        id.is_ok_and(|id| !Path::new(&format!("/proc/{id}")).exists())
    };
    let names = |directory: &Path| -> Vec<String> {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()
    };
    let ours = |name: &String| {
        let rest = name.strip_prefix(PREFIX);
        rest.and_then(|rest| rest.split_once('-'))
            .is_some_and(|(id, _)| dead(id))
    };
    for name in names(Path::new(NAMESPACES)).into_iter().filter(ours) {
        Leftover::Namespace(name).undo();
    }
    let temporary = std::env::temp_dir();
    for name in names(&temporary).into_iter().filter(ours) {
        Leftover::Directory(temporary.join(name)).undo();
    }
    for name in names(Path::new(RUNTIME)) {
        if name.strip_prefix(RUNTIME_PREFIX).is_some_and(dead) {
            remove_runtime_directory(&name);
        }
    }
}
