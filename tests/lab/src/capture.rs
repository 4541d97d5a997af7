//! Captures of links, by tcpdump.

use crate::network::End;
use crate::process::{Errors, Process};
use anyhow::{bail, Context, Result};
use nix::sys::signal::Signal;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ChildStderr;
use std::time::Duration;

/// Octets of every frame that are kept: all headers and every signalling message, not the payload of
/// a long transfer.
const KEPT: &str = "512";

/// Octets that hold every frame of any link.
const WHOLE: &str = "262144";

/// Longest time that a frame takes from the link into the file.
const LAG: Duration = Duration::from_millis(200);

/// A capture that runs.
#[derive(Debug)]
pub struct Capture {
    process: Process,
    path: PathBuf,
    stderr: BufReader<ChildStderr>,
}

impl Capture {
    /// Starts to capture what passes an interface. Returns when frames are being taken.
    ///
    /// # Errors
    /// When tcpdump does not start.
    pub fn start(at: End<'_>, path: &Path) -> Result<Self> {
        Self::keep(at, path, KEPT, &[])
    }

    /// The same with every frame kept whole, for who puts fragments together.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_whole(at: End<'_>, path: &Path) -> Result<Self> {
        Self::keep(at, path, WHOLE, &[])
    }

    /// The same with those frames alone that an expression of tcpdump lets through.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_matching(at: End<'_>, path: &Path, expression: &[&str]) -> Result<Self> {
        Self::keep(at, path, KEPT, expression)
    }

    fn keep(at: End<'_>, path: &Path, octets: &str, expression: &[&str]) -> Result<Self> {
        let file = path.to_str().context("a path that is not text")?;
        let mut words = vec![
            "tcpdump",
            "-i",
            at.interface,
            "-s",
            octets,
            "-B",
            "16384",
            "-Z",
            "root",
            "--immediate-mode",
            "-w",
            file,
        ];
        words.extend(expression);
        let mut process = Process::start(at.namespace, "tcpdump", &words, &Errors::Pipe)?;
        let stderr = process.stderr().context("no pipe from tcpdump")?;
        let mut stderr = BufReader::new(stderr);
        let mut said = String::new();
        while !said.contains("listening on") {
            if stderr
                .read_line(&mut said)
                .context("tcpdump says nothing")?
                == 0
            {
                bail!("tcpdump on {} ended: {}", at.interface, said.trim());
            }
        }
        Ok(Self {
            process,
            path: path.to_path_buf(),
            stderr,
        })
    }

    /// Ends the capture and returns the file, which is whole then.
    ///
    /// # Errors
    /// When tcpdump does not end well.
    pub fn stop(mut self) -> Result<PathBuf> {
        // What tcpdump has not read yet when it is told to end is lost.
        std::thread::sleep(LAG);
        self.process.signal(Signal::SIGTERM)?;
        let mut said = String::new();
        self.stderr
            .read_to_string(&mut said)
            .context("tcpdump says nothing")?;
        let status = self.process.wait(Duration::from_secs(10))?;
        if !status.success() {
            bail!("tcpdump ended with {status}: {}", said.trim());
        }
        Ok(self.path)
    }
}
