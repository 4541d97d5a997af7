//! Gateways: `anchord` processes with the configurations of conf/demo, each in its namespace.

use crate::network::Namespace;
use crate::process::{Errors, Process};
use crate::rpc::Client;
use anyhow::{bail, ensure, Context, Result};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

/// Longest time that a gateway may take until its control socket answers.
const START_LIMIT: Duration = Duration::from_secs(90);

/// Longest time that a gateway may take to end after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// The programs that the lab runs. They lie beside each other, built in one profile.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The gateway.
    pub anchord: PathBuf,
    /// Its operator's client.
    pub anchorctl: PathBuf,
    /// The seeded wire.
    pub perf: PathBuf,
    /// The mobile node's side.
    pub mn: PathBuf,
    /// Our own program, for the measuring ends that run on hosts.
    pub demo: PathBuf,
}

impl Programs {
    /// The programs beside `demo`, the path of `anchorage-demo`.
    ///
    /// # Errors
    /// When one has not been built, with the command that builds it.
    pub fn beside(demo: &Path) -> Result<Self> {
        let directory = demo.parent().context("a program without a directory")?;
        let program = |name: &str| {
            let path = directory.join(name);
            ensure!(
                path.exists(),
                "{} is not built: run `cargo build --workspace --bins{}`",
                path.display(),
                if directory.ends_with("release") {
                    " --release"
                } else {
                    ""
                }
            );
            Ok(path)
        };
        Ok(Self {
            anchord: program("anchord")?,
            anchorctl: program("anchorctl")?,
            perf: program("anchor-perf")?,
            mn: program("anchor-mn")?,
            demo: demo.to_path_buf(),
        })
    }
}

/// Configuration of one gateway: a file of conf/demo with its policy, moved into the directory of
/// the run, and what a test changes in it.
#[derive(Clone, Debug)]
pub struct Configuration {
    name: String,
    table: toml::Table,
    policy: toml::Table,
    role: &'static str,
}

impl Configuration {
    /// Reads `conf/<name>.toml` and the policy it names.
    ///
    /// # Errors
    /// When a file is missing or is not TOML.
    pub fn load(conf: &Path, name: &str) -> Result<Self> {
        let read = |path: PathBuf| -> Result<toml::Table> {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            text.parse()
                .with_context(|| format!("{} is not TOML", path.display()))
        };
        let table = read(conf.join(format!("{name}.toml")))?;
        let role = ["lma", "mag", "maar", "cmd"]
            .into_iter()
            .find(|role| table.contains_key(*role));
        let role = role.with_context(|| format!("{name}.toml has no role"))?;
        let policy = table[role].get("policy").and_then(toml::Value::as_str);
        let policy = match policy {
            Some(policy) => read(conf.join(policy))?,
            // A database's peers stand in its configuration.
            None => toml::Table::new(),
        };
        Ok(Self {
            name: name.to_owned(),
            table,
            policy,
            role,
        })
    }

    /// Gives the gateway, and its files, another name.
    pub fn rename(&mut self, name: &str) {
        self.name = name.to_owned();
        self.set("gateway", "name", name);
    }

    /// Sets a value of a section.
    pub fn set(&mut self, section: &str, key: &str, value: impl Into<toml::Value>) {
        let section = self
            .table
            .entry(section)
            .or_insert_with(|| toml::Table::new().into());
        if let Some(section) = section.as_table_mut() {
            section.insert(key.to_owned(), value.into());
        }
    }

    /// The configuration, to be changed.
    pub fn table(&mut self) -> &mut toml::Table {
        &mut self.table
    }

    /// Gives one of our interfaces one more address.
    pub fn add_address(&mut self, interface: &str, address: &str) {
        let interfaces = self.table.get_mut("interface");
        let interfaces = interfaces.and_then(toml::Value::as_array_mut);
        for it in interfaces.into_iter().flatten() {
            let named = it.get("name").and_then(toml::Value::as_str) == Some(interface);
            let Some(it) = it.as_table_mut().filter(|_| named) else {
                continue;
            };
            let all = it
                .entry("addresses")
                .or_insert_with(|| toml::Value::Array(Vec::new()));
            if let Some(all) = all.as_array_mut() {
                all.push(address.into());
            }
        }
    }

    /// The first host of the policy, to be changed.
    pub fn first_host(&mut self) -> Option<&mut toml::Table> {
        let hosts = self.policy.get_mut("host")?;
        hosts.get_mut(0)?.as_table_mut()
    }

    /// Adds a host to the policy.
    pub fn add_host(&mut self, host: toml::Table) {
        let hosts = self.policy.entry("host");
        let hosts = hosts.or_insert_with(|| toml::Value::Array(Vec::new()));
        if let Some(hosts) = hosts.as_array_mut() {
            hosts.push(host.into());
        }
    }

    /// The policy, to be changed.
    pub fn policy(&mut self) -> &mut toml::Table {
        &mut self.policy
    }

    /// Writes configuration and policy into `directory`, with the control socket there too.
    /// Returns the configuration file and the socket.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn write(&mut self, directory: &Path) -> Result<(PathBuf, PathBuf)> {
        let file = |suffix: &str| directory.join(format!("{}{suffix}", self.name));
        let (config, policy, socket) = (file(".toml"), file("-policy.toml"), file(".sock"));
        let text = |path: &Path| {
            path.to_str()
                .context("a path that is not text")
                .map(String::from)
        };
        let (policy_text, socket_text) = (text(&policy)?, text(&socket)?);
        self.set("gateway", "socket", socket_text);
        if self.role != "cmd" {
            self.set(self.role, "policy", policy_text);
            fs::write(&policy, toml::to_string(&self.policy)?)?;
        }
        fs::write(&config, toml::to_string(&self.table)?)?;
        Ok((config, socket))
    }
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    name: String,
    process: Process,
    socket: PathBuf,
}

impl Gateway {
    /// Starts a gateway and waits until its control socket answers.
    ///
    /// # Errors
    /// When it ends instead, or does not answer; the error carries the end of its log.
    pub fn start(
        programs: &Programs,
        namespace: &Namespace,
        directory: &Path,
        configuration: &mut Configuration,
    ) -> Result<Self> {
        let (config, socket) = configuration.write(directory)?;
        let path = |path: &Path| {
            path.to_str()
                .context("a path that is not text")
                .map(String::from)
        };
        let (anchord, config) = (path(&programs.anchord)?, path(&config)?);
        let name = configuration.name.clone();
        let log = directory.join(format!("{name}.log"));
        let words = [anchord.as_str(), "--config", &config];
        let process = Process::start(namespace, &name, &words, &Errors::File(&log))?;
        let mut gateway = Self {
            name,
            process,
            socket,
        };
        let limit = Instant::now() + START_LIMIT;
        loop {
            if let Some(status) = gateway.process.ended()? {
                bail!(
                    "{} ended at start ({status})\n{}",
                    gateway.name,
                    gateway.process.tail()
                );
            }
            if Client::connect(&gateway.socket)
                .and_then(|mut client| client.call("status", Value::Null))
                .is_ok()
            {
                return Ok(gateway);
            }
            if Instant::now() > limit {
                bail!(
                    "{} does not answer\n{}",
                    gateway.name,
                    gateway.process.tail()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its control socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Calls a method of its control socket.
    ///
    /// # Errors
    /// When it answers with an error; the error carries the end of its log.
    pub fn call(&self, method: &str, parameters: Value) -> Result<Value> {
        Client::connect(&self.socket)
            .and_then(|mut client| client.call(method, parameters))
            .with_context(|| format!("{}\n{}", self.name, self.process.tail()))
    }

    /// A counter of it by its name, the sum over all workers.
    ///
    /// # Errors
    /// When it does not answer, or has no such counter.
    pub fn counter(&self, name: &str) -> Result<u64> {
        let counters = self.call("counters", Value::Null)?;
        let groups = counters["groups"].as_array().context("no groups")?;
        let all = groups
            .iter()
            .flat_map(|group| group["counters"].as_array().into_iter().flatten());
        let values: Vec<u64> = all
            .filter(|counter| counter["name"] == name)
            .filter_map(|counter| counter["value"].as_u64())
            .collect();
        ensure!(!values.is_empty(), "{} has no counter {name}", self.name);
        Ok(values.iter().sum())
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The end of its log.
    pub fn tail(&self) -> String {
        self.process.tail()
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// When it is gone before, or does not end.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.process.signal(Signal::SIGTERM)?;
        self.process.wait(STOP_LIMIT)
    }

    /// Asks it to end and requires that it ends well.
    ///
    /// # Errors
    /// When it does not exit with 0.
    pub fn stop_well(&mut self) -> Result<()> {
        let status = self.stop()?;
        ensure!(
            status.success(),
            "{} ended with {status}\n{}",
            self.name,
            self.process.tail()
        );
        Ok(())
    }

    /// Stops it where it is (SIGSTOP), or has it go on (SIGCONT).
    ///
    /// # Errors
    /// When it is gone.
    pub fn silence(&mut self, silent: bool) -> Result<()> {
        self.process.signal(match silent {
            true => Signal::SIGSTOP,
            false => Signal::SIGCONT,
        })
    }

    /// Kills it (SIGKILL), as a crash would.
    ///
    /// # Errors
    /// When it is already gone.
    pub fn crash(&mut self) -> Result<()> {
        self.process.signal(Signal::SIGKILL)?;
        self.process.wait(STOP_LIMIT).map(drop)
    }
}
