//! One run of the lab: its unique name and its directory.

use crate::undo::{self, Leftover, Undo};
use anyhow::{ensure, Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A run of the lab. Everything it makes bears its name; its directory goes when it is dropped.
#[derive(Debug)]
pub struct Run {
    name: String,
    directory: PathBuf,
    _undo: Undo,
}

impl Run {
    /// Starts a run: checks that this machine can hold one, and makes its directory.
    ///
    /// # Errors
    /// When we are not root, with one sentence that says what to do.
    pub fn start() -> Result<Self> {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        ensure!(
            nix::unistd::geteuid().is_root(),
            "the lab makes network namespaces, which needs root: run it again with sudo"
        );
        let number = RUNS.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}{}-{number}", undo::PREFIX, std::process::id());
        let directory = std::env::temp_dir().join(&name);
        let ((), undo) = undo::make(|| {
            fs::create_dir(&directory)
                .with_context(|| format!("cannot make {}", directory.display()))?;
            Ok(((), Leftover::Directory(directory.clone())))
        })?;
        Ok(Self {
            name,
            directory,
            _undo: undo,
        })
    }

    /// Name of the run, which is what all its namespaces begin with.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Directory of the run: configurations, sockets, logs.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}
