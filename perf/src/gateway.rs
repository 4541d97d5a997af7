//! A real `anchord` to measure: an anchor, or an access gateway, with two memory interfaces, started and ended
//! by us.
//!
//! ```text
//!   correspondents' port ── inet.sock ── anchord ── core.sock ── access gateways' port
//!   2001:db8:100::/64                 (LMA)                   2001:db8:c::/64
//!
//!   hosts' port ── inet.sock ── anchord ── core.sock ── anchor's port
//!                                (MAG)                  2001:db8:c::/64
//! ```

pub mod configuration;

use crate::traffic::plan::Plan;
use anyhow::{bail, ensure, Context, Result};
use clap::ValueEnum;
use control::authentication::{Algorithm, Association, Associations, Key, Kind};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use serde::Serialize;
use serde_json::{json, Value};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write as _};
use std::net::Ipv6Addr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest time that a gateway may take to start, and to end.
const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// The gateway's own address on the correspondents' link.
pub const OUTSIDE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, 1);

/// What the gateway is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// An anchor.
    #[default]
    Lma,
    /// An access gateway.
    Mag,
}

/// How the gateway is started.
#[derive(Clone, Debug)]
pub struct Setting {
    /// What it is.
    pub role: Role,
    /// Where we listen for its memory interfaces; none: it listens for ours, in its own directory.
    pub sockets: Option<PathBuf>,
    /// The program.
    pub program: PathBuf,
    /// Core that its worker, and with it all of the gateway, runs on; none: where it likes.
    pub core: Option<usize>,
    /// Whether its worker gives the core away when it has nothing to do.
    pub share: bool,
    /// Hugepages as DPDK is told: auto, never or require.
    pub hugepages: &'static str,
    /// Whether it keeps its bindings.
    pub store: Kept,
    /// Whether signalling is authenticated, by the key of [`keys`].
    pub keys: bool,
}

/// Whether a gateway keeps its bindings across a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kept {
    /// It does not.
    #[default]
    Off,
    /// Against the end of its process.
    Process,
    /// Against a loss of power.
    PowerLoss,
}

/// A running gateway. Dropping it ends it.
pub struct Gateway {
    process: Child,
    directory: TempDir,
    setting: Setting,
}

/// `anchord` beside our own program.
///
/// # Errors
/// When it is not there, with the command that builds it.
pub fn beside() -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("anchord");
    ensure!(
        program.exists(),
        "{} is not there: build it with `cargo build --release -p anchorage`, or name one with --anchord",
        program.display()
    );
    Ok(program)
}

impl Gateway {
    /// Starts an anchor for the access gateways and hosts of `plan`.
    ///
    /// # Errors
    /// When it does not come up; the error has the end of its log.
    pub fn start(setting: &Setting, plan: &Plan) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("anchor-perf-")
            .tempdir()
            .context("no directory for the gateway's files")?;
        configuration::write(setting, plan, directory.path())?;
        let process = launch(setting, directory.path())?;
        let setting = setting.clone();
        let mut gateway = Self {
            process,
            directory,
            setting,
        };
        gateway.wait()?;
        Ok(gateway)
    }

    /// Kills it (SIGKILL).
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn crash(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Starts it again after a crash, over what that has left; how long that took, from the start of the
    /// process until it answers, which it does when all that it kept is in its tables.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn again(&mut self) -> Result<Duration> {
        let begun = self.launch_again()?;
        self.wait()?;
        Ok(begun.elapsed())
    }

    /// Starts it again and does not wait; when that was.
    ///
    /// # Errors
    /// When there can be no such process.
    pub fn launch_again(&mut self) -> Result<Instant> {
        if self.setting.sockets.is_none() {
            for socket in ["core.sock", "inet.sock"] {
                // The other end's to be missed, should it be gone.
                let _ = fs::remove_file(self.directory.path().join(socket));
            }
        }
        let begun = Instant::now();
        self.process = launch(&self.setting, self.directory.path())?;
        Ok(begun)
    }

    /// From its next start on it connects to our end of its memory interfaces, in the directory `sockets`.
    ///
    /// # Errors
    /// When its configuration cannot be written.
    pub fn connect_to(&mut self, sockets: &Path, plan: &Plan) -> Result<()> {
        self.setting.sockets = Some(sockets.to_owned());
        configuration::write(&self.setting, plan, self.directory.path())
    }

    /// The file that it keeps its bindings in.
    pub fn store(&self) -> PathBuf {
        self.directory.path().join(configuration::STORE)
    }

    /// Waits until it answers.
    ///
    /// # Errors
    /// When it does not; the error has the end of its log.
    pub fn wait(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait()? {
                bail!("the gateway ended at start ({status})\n{}", self.tail());
            }
            if self.call("status").is_ok() {
                return Ok(());
            }
            ensure!(
                start.elapsed() < START_LIMIT,
                "the gateway does not answer\n{}",
                self.tail()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The port on the access gateways' side, as devargs of our end.
    pub fn core_port(&self) -> String {
        devargs(0, "client", &self.directory.path().join("core.sock"))
    }

    /// The port on the correspondents' side.
    pub fn outside_port(&self) -> String {
        devargs(1, "client", &self.directory.path().join("inet.sock"))
    }

    /// Calls a method of its control socket that has no parameters.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn call(&self, method: &str) -> Result<Value> {
        self.ask(method, &json!({}))
    }

    /// Calls a method of its control socket.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn ask(&self, method: &str, params: &Value) -> Result<Value> {
        let stream = UnixStream::connect(self.directory.path().join("gateway.sock"))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        (&stream).write_all(format!("{request}\n").as_bytes())?;
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line)?;
        let mut reply: Value = serde_json::from_str(&line)?;
        ensure!(reply["error"].is_null(), "{method}: {}", reply["error"]);
        Ok(reply["result"].take())
    }

    /// Process identifier.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The end of its log.
    pub fn tail(&self) -> String {
        let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let from = lines.len().saturating_sub(15);
        lines.get(from..).unwrap_or_default().join("\n")
    }

    /// Ends it by SIGTERM.
    ///
    /// # Errors
    /// When it does not end, or not well.
    pub fn stop(mut self) -> Result<()> {
        self.terminate();
        let start = Instant::now();
        while start.elapsed() < STOP_LIMIT {
            if let Some(status) = self.process.try_wait()? {
                ensure!(
                    status.success(),
                    "the gateway ended with {status}\n{}",
                    self.tail()
                );
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the gateway does not end\n{}", self.tail())
    }

    fn terminate(&self) {
        if let Ok(id) = i32::try_from(self.process.id()) {
            // It is our own child, which was not waited for yet: the number is still its.
            let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Ok(None) = self.process.try_wait() {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

/// Starts the process in the directory that has its files.
fn launch(setting: &Setting, directory: &Path) -> Result<Child> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(directory.join("log"))?;
    // Control and DPDK's threads keep to the cores of the process: with one core, all do.
    let mut command = match setting.core {
        Some(core) => {
            let mut command = Command::new("taskset");
            command
                .args(["-c", &core.to_string()])
                .arg(&setting.program);
            command
        }
        None => Command::new(&setting.program),
    };
    command
        .arg("--config")
        .arg(directory.join(configuration::FILE))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("{} does not start", setting.program.display()))
}

/// A memory interface of ours, as DPDK devargs.
pub fn devargs(number: u8, role: &str, socket: &Path) -> String {
    format!(
        "net_memif{number},role={role},id=0,socket-abstract=no,socket={}",
        socket.display()
    )
}

/// Number and octets of the key that the anchor shares with every access gateway.
const SPI: u32 = 256;
const KEY: [u8; 20] = *b"anchor-perf measures";

/// How far a message's time may be from the anchor's: nobody is to be refused for a busy machine.
const CLOSE_ENOUGH: Duration = Duration::from_secs(60);

/// The keys of the access gateways' side.
pub fn keys(plan: &Plan) -> Associations {
    let key = Key::new(Kind::MnHa, SPI, Algorithm::HmacSha1, KEY.to_vec());
    let association = Association::new(vec![key], Some(CLOSE_ENOUGH));
    Associations::new([(plan.given().anchor, association)], true)
}

/// The anchor's file of keys.
fn peers(plan: &Plan) -> String {
    let key: String = KEY.iter().map(|octet| format!("{octet:02x}")).collect();
    let peer = |number| {
        format!(
            "[[peer]]\naddress = \"{}\"\nclose_enough_ms = {}\n\
             [[peer.key]]\nspi = {SPI}\nkey = \"{key}\"\n\n",
            plan.access_gateway(number),
            CLOSE_ENOUGH.as_millis()
        )
    };
    let gateways = u64::from(plan.given().access_gateways);
    (0..gateways).map(peer).collect()
}
