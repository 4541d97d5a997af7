//! Child processes that cannot outlive us.

use crate::network::Namespace;
use crate::undo::{self, Leftover, Undo};
use anyhow::{bail, Context, Result};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Where the standard error of a process goes.
#[derive(Debug)]
pub enum Errors<'a> {
    /// To this file, from which [`Process::log`] reads.
    File(&'a Path),
    /// To us, by [`Process::stderr`].
    Pipe,
}

/// A running program in a namespace. The kernel kills it when the thread that started it dies, the
/// register when we end, and dropping it at the latest. It has a process group of its own, so that
/// Ctrl-C on a terminal reaches us alone and we end it in order.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: Option<PathBuf>,
    undo: Option<Undo>,
}

impl Process {
    /// Starts a program in a namespace, with pipes for standard input and output.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(
        namespace: &Namespace,
        name: &str,
        words: &[&str],
        errors: &Errors<'_>,
    ) -> Result<Self> {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace.name(), "setpriv"]);
        Self::begin(command, name, words, errors)
    }

    /// Starts a program where we are, with pipes for standard input and output.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_here(name: &str, words: &[&str], errors: &Errors<'_>) -> Result<Self> {
        Self::begin(Command::new("setpriv"), name, words, errors)
    }

    fn begin(
        mut command: Command,
        name: &str,
        words: &[&str],
        errors: &Errors<'_>,
    ) -> Result<Self> {
        let (stderr, log) = match errors {
            Errors::Pipe => (Stdio::piped(), None),
            Errors::File(path) => {
                let file = File::options().create(true).append(true).open(path);
                let file = file.with_context(|| format!("cannot write {}", path.display()))?;
                (Stdio::from(file), Some(path.to_path_buf()))
            }
        };
        command
            .args(["--pdeathsig", "KILL", "--"])
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .process_group(0);
        let (child, undo) = undo::make(|| {
            let child = command
                .spawn()
                .with_context(|| format!("cannot start {name}"))?;
            let id = i32::try_from(child.id()).context("a process id beyond i32")?;
            Ok((child, Leftover::Process(id)))
        })?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
            undo: Some(undo),
        })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its standard input, once; dropping that closes it.
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Its standard output, once.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Its standard error, once, if it was asked for as a pipe.
    pub fn stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// What it has written to its standard error so far, if that is a file.
    pub fn log(&self) -> String {
        let text = self.log.as_ref().and_then(|path| fs::read(path).ok());
        String::from_utf8_lossy(&text.unwrap_or_default()).into_owned()
    }

    /// Whether it has ended, and how.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let status = self.child.try_wait().context("cannot wait")?;
        if status.is_some() {
            if let Some(undo) = self.undo.take() {
                undo.forget();
            }
        }
        Ok(status)
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it is already gone.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if let Some(status) = self.ended()? {
            bail!(
                "{} has already ended ({status})\n{}",
                self.name,
                self.tail()
            );
        }
        let id = i32::try_from(self.child.id()).context("a process id beyond i32")?;
        kill(Pid::from_raw(id), signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// Waits until it ends.
    ///
    /// # Errors
    /// When it does not end within `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let limit = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if Instant::now() > limit {
                bail!("{} does not end\n{}", self.name, self.tail());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The last lines of its log, for an error message.
    pub fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let from = lines.len().saturating_sub(15);
        let mut text = String::new();
        for line in lines.iter().skip(from) {
            text.push_str("    ");
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.ended() {
            // Killed and reaped here: the register then finds it gone.
            if self.child.kill().is_ok() && self.child.wait().is_ok() {
                if let Some(undo) = self.undo.take() {
                    undo.forget();
                }
            }
        }
    }
}
