//! A real FreeRADIUS beside a gateway: in a namespace of its own, on a cable to the gateway's kernel, for
//! the management side is the kernel's. Its configuration is all of our making.

use crate::gateway::Configuration;
use crate::network::{cable, End, Namespace};
use crate::process::{Errors, Process};
use crate::topology::Topology;
use anyhow::{bail, Context, Result};
use std::fmt::Write;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The server's address.
pub const SERVER: &str = "10.99.0.1";

/// The gateway's address on the same cable.
pub const GATEWAY: &str = "10.99.0.2";

/// What both know.
pub const SECRET: &str = "quite a secret";

/// Interface of the server on the cable.
pub const CABLE: &str = "aaa0";

/// The same on the cable to a second gateway.
const SECOND: &str = "aaa1";

/// Longest time that a server may take to start, or a record to come.
const LIMIT: Duration = Duration::from_secs(20);

/// A machine for AAA: a server, a client that gives orders, or someone who plays them.
#[derive(Debug)]
pub struct Radius {
    /// Where it runs.
    pub namespace: Namespace,
    directory: PathBuf,
    server: Option<Process>,
}

impl Radius {
    /// A machine on a cable to the gateway of that name.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn beside(network: &Topology, gateway: &str) -> Result<Self> {
        let namespace = Namespace::host(&network.run, "aaa")?;
        let gateway = network.gateway(gateway);
        cable(End::of(&namespace, CABLE), End::of(gateway, CABLE))?;
        namespace.ip(&format!("addr add {SERVER}/24 dev {CABLE}\n"))?;
        gateway.ip(&format!("addr add {GATEWAY}/24 dev {CABLE}\n"))?;
        let directory = network.run.directory().join("aaa");
        fs::create_dir_all(&directory)?;
        // Written before the gateway reads it.
        let secret = network.run.directory().join("radius.secret");
        fs::write(&secret, SECRET)?;
        fs::set_permissions(&secret, Permissions::from_mode(0o600))?;
        Ok(Self {
            namespace,
            directory,
            server: None,
        })
    }

    /// Lays a cable to one more gateway, which has the server behind it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn also_beside(&self, network: &Topology, gateway: &str) -> Result<()> {
        let gateway = network.gateway(gateway);
        cable(End::of(&self.namespace, SECOND), End::of(gateway, CABLE))?;
        self.namespace
            .ip(&format!("addr add 10.99.1.1/24 dev {SECOND}\n"))?;
        gateway.ip(&format!(
            "addr add 10.99.1.2/24 dev {CABLE}\nroute add {SERVER} via 10.99.1.1\n"
        ))?;
        Ok(())
    }

    /// What the configuration of the gateway has to say about it.
    pub fn configure(configuration: &mut Configuration) {
        let text = format!(
            "timeout_ms = 200\ntransmissions = 3\ndead_time = 2\nlma = \"2001:db8:c::1\"\n\
             [[server]]\naddress = \"{SERVER}:1812\"\nsecret_file = \"radius.secret\"\n\
             [dynamic]\nlisten = \"0.0.0.0:3799\"\n\
             [[dynamic.client]]\naddress = \"{SERVER}\"\nsecret_file = \"radius.secret\"\n"
        );
        let table: toml::Table = text.parse().unwrap_or_default();
        configuration.table().insert("aaa".into(), table.into());
    }

    /// Starts the server with these users, in the words of its `users` file, and waits until it serves.
    ///
    /// # Errors
    /// When it does not start; the error carries what it said.
    pub fn serve(&mut self, users: &str) -> Result<()> {
        let text = self.directory.to_str().context("a path that is not text")?;
        fs::write(self.directory.join("users"), users)?;
        fs::write(self.directory.join("radiusd.conf"), configuration(text))?;
        let log = self.directory.join("radius.log");
        let log_text = log.to_str().context("a path that is not text")?;
        let words = [
            "freeradius",
            "-f",
            "-l",
            log_text,
            "-n",
            "radiusd",
            "-D",
            "/usr/share/freeradius",
            "-d",
            text,
        ];
        let _ = fs::remove_file(&log);
        let errors = self.directory.join("radius.errors");
        let errors = Errors::File(&errors);
        let server = Process::start(&self.namespace, "freeradius", &words, &errors)?;
        let server = self.server.insert(server);
        let limit = Instant::now() + LIMIT;
        let said = || fs::read_to_string(&log).unwrap_or_default();
        while !said().contains("Ready to process requests") {
            if server.ended()?.is_some() || Instant::now() > limit {
                bail!("freeradius does not start\n{}{}", said(), server.tail());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Kills the server.
    pub fn silence(&mut self) {
        self.server = None;
    }

    /// What the server has noted of accounting so far: one map of attributes per record.
    pub fn records(&self) -> Vec<Vec<(String, String)>> {
        let text = fs::read_to_string(self.directory.join("detail")).unwrap_or_default();
        let records = text
            .split("\n\n")
            .filter(|record| !record.trim().is_empty());
        let attributes = records.map(|record| {
            let pairs = record.lines().filter_map(|line| line.split_once(" = "));
            let clean = |text: &str| text.trim().trim_matches('"').to_owned();
            pairs
                .map(|(name, value)| (clean(name), clean(value)))
                .collect()
        });
        attributes.collect()
    }

    /// Waits for a record of that kind and returns its attributes.
    ///
    /// # Errors
    /// When none comes.
    pub fn record(&self, kind: &str) -> Result<Vec<(String, String)>> {
        let limit = Instant::now() + LIMIT;
        let wanted = ("Acct-Status-Type".to_owned(), kind.to_owned());
        loop {
            let found = self.records().into_iter().rev();
            if let Some(record) = found.into_iter().find(|record| record.contains(&wanted)) {
                return Ok(record);
            }
            if Instant::now() > limit {
                bail!("no record {kind}; there are {:?}", self.records());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Gives the gateway an order, `coa` or `disconnect`, and returns what radclient shows of the answer.
    ///
    /// # Errors
    /// When radclient cannot be run.
    pub fn order(&self, kind: &str, attributes: &str) -> Result<String> {
        self.order_as(SECRET, kind, attributes)
    }

    /// The same with another secret.
    ///
    /// # Errors
    /// When radclient cannot be run.
    pub fn order_as(&self, secret: &str, kind: &str, attributes: &str) -> Result<String> {
        let mut script = String::new();
        // An order that is refused, or not answered, is an answer of radclient's by its exit code.
        let _ = write!(
            script,
            "echo \"{attributes},Event-Timestamp=$(date +%s)\" | radclient -x -r 1 -t 2 -D /usr/share/freeradius {GATEWAY}:3799 {kind} '{secret}' 2>&1 || true"
        );
        self.namespace.run(&["sh", "-c", &script])
    }

    /// Starts a Python program on this machine, with its standard error in a file.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn play(&self, program: &str) -> Result<Process> {
        let path = self.directory.join("player.py");
        fs::write(&path, program)?;
        let path = path.to_str().context("a path that is not text")?;
        let log = self.directory.join("player.log");
        let errors = Errors::File(&log);
        Process::start(&self.namespace, "the player", &["python3", path], &errors)
    }

    /// Its files.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

/// The server's configuration: one secret for all clients, users in a file, records in another.
fn configuration(directory: &str) -> String {
    format!(
        "prefix = /usr\nlibdir = /usr/lib/freeradius\n\
         logdir = {directory}\nrun_dir = {directory}\nraddbdir = {directory}\n\
         pidfile = {directory}/pid\ncleanup_delay = 0\n\
         security {{\n allow_vulnerable_openssl = yes\n status_server = yes\n}}\n\
         thread pool {{\n start_servers = 1\n max_servers = 2\n min_spare_servers = 1\n max_spare_servers = 1\n}}\n\
         client gateway {{\n ipaddr = 10.99.0.0/16\n secret = \"{SECRET}\"\n}}\n\
         modules {{\n pap {{\n }}\n files {{\n usersfile = {directory}/users\n }}\n\
         detail {{\n filename = {directory}/detail\n permissions = 0600\n }}\n}}\n\
         server default {{\n\
         listen {{\n type = auth\n ipaddr = {SERVER}\n port = 1812\n }}\n\
         listen {{\n type = acct\n ipaddr = {SERVER}\n port = 1813\n }}\n\
         authorize {{\n files\n pap\n }}\n\
         authenticate {{\n Auth-Type PAP {{\n pap\n }}\n }}\n\
         post-auth {{\n update reply {{\n Message-Authenticator := 0x00\n }}\n\
         Post-Auth-Type REJECT {{\n update reply {{\n Message-Authenticator := 0x00\n }}\n }}\n }}\n\
         accounting {{\n detail\n }}\n}}\n"
    )
}
