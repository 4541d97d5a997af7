//! The seeded wire of `anchor-perf`, laid into a link of the lab.

use crate::gateway::Programs;
use crate::network::Namespace;
use crate::process::{Errors, Process};
use anyhow::{bail, Context, Result};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::ChildStderr;
use std::time::Duration;

/// What the wire does to packets. Times are milliseconds, shares 0 to 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct Impairment {
    /// Delay in each direction.
    pub delay: f64,
    /// Further, random delay.
    pub jitter: f64,
    /// Share lost.
    pub loss: f64,
    /// Share overtaken by later packets.
    pub reorder: f64,
    /// Share doubled.
    pub duplicate: f64,
    /// Seed of it all.
    pub seed: u64,
}

/// A running wire.
#[derive(Debug)]
pub struct Wire {
    process: Process,
    errors: BufReader<ChildStderr>,
}

impl Wire {
    /// Joins two interfaces of a namespace. Returns when packets pass.
    ///
    /// # Errors
    /// When `anchor-perf` does not start.
    pub fn start(
        programs: &Programs,
        namespace: &Namespace,
        ends: [&str; 2],
        impairment: Impairment,
    ) -> Result<Self> {
        let Impairment {
            delay,
            jitter,
            loss,
            reorder,
            duplicate,
            seed,
        } = impairment;
        let program = programs.perf.to_str().context("a path that is not text")?;
        let values = [delay, jitter, loss, reorder, duplicate].map(|value| value.to_string());
        let seed = seed.to_string();
        let [a, b] = ends;
        let [delay, jitter, loss, reorder, duplicate] = values.each_ref().map(String::as_str);
        let words = [
            program,
            "wire",
            "--a",
            a,
            "--b",
            b,
            "--delay",
            delay,
            "--jitter",
            jitter,
            "--loss",
            loss,
            "--reorder",
            reorder,
            "--duplicate",
            duplicate,
            "--seed",
            &seed,
        ];
        let mut process = Process::start(namespace, "the wire", &words, &Errors::Pipe)?;
        let errors = BufReader::new(process.stderr().context("no pipe from the wire")?);
        let mut wire = Self { process, errors };
        wire.hear("is up")?;
        Ok(wire)
    }

    /// Waits until it says this.
    fn hear(&mut self, words: &str) -> Result<()> {
        let mut said = String::new();
        while !said.contains(words) {
            if self.errors.read_line(&mut said)? == 0 {
                bail!("the wire ended: {}", said.trim());
            }
        }
        Ok(())
    }

    /// Keeps what comes from the first end for the second, until it is [opened](Self::open) again.
    /// Returns when nothing passes any more.
    ///
    /// # Errors
    /// When it ended before.
    pub fn close(&mut self) -> Result<()> {
        self.process.signal(Signal::SIGUSR1)?;
        self.hear("is closed")
    }

    /// Lets go of what was kept, in its order.
    ///
    /// # Errors
    /// When it ended before.
    pub fn open(&mut self) -> Result<()> {
        self.process.signal(Signal::SIGUSR2)?;
        self.hear("is open")
    }

    /// Takes the wire out and returns what it did, as `anchor-perf` reports it.
    ///
    /// # Errors
    /// When it ended before.
    pub fn stop(mut self) -> Result<Value> {
        self.process.signal(Signal::SIGTERM)?;
        let mut said = String::new();
        let stdout = self.process.stdout().context("no pipe from the wire")?;
        BufReader::new(stdout).read_to_string(&mut said)?;
        self.process.wait(Duration::from_secs(5))?;
        serde_json::from_str(&said).context("the wire's report is not JSON")
    }
}
