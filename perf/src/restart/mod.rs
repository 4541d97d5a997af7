//! A gateway that is killed and started again: how long that takes ([`measure`]), and that nothing which
//! it has acknowledged is lost ([`crash`]).
//!
//! ```text
//!   anchord ◄── memif ── anchor-perf storm, a process of its own, which outlives the anchor
//!      │ kill -9                  └─► journal: who was acknowledged where, and when
//!      ▼
//!   anchord again ──► bindings ──► compared with the journal
//! ```

mod access;
pub mod crash;
mod hosts;
pub mod measure;
mod probe;
mod visitors;

use crate::gateway::{self, Gateway, Kept, Role, Setting};
use crate::traffic::plan::Plan;
use anyhow::{ensure, Context, Result};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Starts a gateway for `plan` that keeps its bindings; all of it on `core`, if one is given.
fn kept(
    role: Role,
    program: Option<&PathBuf>,
    core: Option<usize>,
    store: Kept,
    plan: &Plan,
) -> Result<Gateway> {
    ensure!(
        store != Kept::Off,
        "a gateway that keeps nothing has nothing to restore"
    );
    let setting = Setting {
        role,
        sockets: None,
        program: program.cloned().map_or_else(gateway::beside, Ok)?,
        core,
        share: true,
        hugepages: "never",
        store,
        keys: false,
    };
    Gateway::start(&setting, plan)
}

/// A storm in a process of its own.
struct Storm(Child);

impl Storm {
    /// Starts one on a running anchor, with these arguments beside.
    fn start(gateway: &Gateway, arguments: &[String], journal: &Path) -> Result<Self> {
        let program = std::env::current_exe()?;
        let child = Command::new(program)
            .args(["storm", "--json", "--port", &gateway.core_port()])
            .arg("--journal")
            .arg(journal)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("the storm does not start")?;
        Ok(Self(child))
    }

    /// Waits until it has done all.
    fn wait(mut self) -> Result<()> {
        let mut text = String::new();
        if let Some(errors) = self.0.stderr.take() {
            std::io::read_to_string(errors)?.clone_into(&mut text);
        }
        let status = self.0.wait()?;
        ensure!(status.success(), "the storm failed: {status}\n{text}");
        Ok(())
    }

    /// Ends it. How it ends says nothing: its own end of a memory interface whose peer is gone is no
    /// firm ground, and its journal is whole at every moment.
    fn end(mut self) -> Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}
