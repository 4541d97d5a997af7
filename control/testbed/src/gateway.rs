//! A gateway's files, and the parts that its control thread is run with.

use control::config::{Config, Error, Machine};
use control::{ControlSocket, Params, PortInfo, PortStats};
use dataplane::rings::{self, WorkerRings};
use dataplane::tables::{Capacity, Tables};
use packet::PortId;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use wire::ether::MacAddr;

/// What a control thread is run with, and a worker's ends of it.
pub struct Parts {
    /// For [`control::run`].
    pub params: Params,
    /// The tables that it writes.
    pub tables: Arc<Tables>,
    /// A worker's ends of its rings.
    pub ends: WorkerRings,
}

/// A machine with the cores 0 to 3, whatever the one that runs the tests has.
pub fn machine() -> Machine {
    Machine {
        cores: vec![0, 1, 2, 3],
    }
}

/// A gateway's files, in a directory of their own that goes with it.
#[derive(Debug)]
pub struct Gateway {
    directory: TempDir,
}

impl Gateway {
    /// Writes a configuration and its policy.
    pub fn new(configuration: &str, policy: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the files");
        let gateway = Self { directory };
        gateway.configure(configuration);
        gateway.govern(policy);
        gateway
    }

    /// A file of its directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Where its configuration is.
    pub fn configuration(&self) -> PathBuf {
        self.file("test.toml")
    }

    /// Where its control socket is.
    pub fn socket(&self) -> PathBuf {
        self.file("control.sock")
    }

    /// Writes another configuration.
    pub fn configure(&self, configuration: &str) {
        std::fs::write(self.configuration(), configuration).expect("configuration written");
    }

    /// Writes another policy.
    pub fn govern(&self, policy: &str) {
        std::fs::write(self.file("policy.toml"), policy).expect("policy written");
    }

    /// Reads the configuration, for [`machine`].
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn load(&self) -> Result<Config, Error> {
        Config::load_for(&self.configuration(), &machine())
    }

    /// Everything that its control thread needs, with a port for each name and one worker. The control
    /// socket is listened at from now on.
    pub fn parts(&self, ports: &[&str]) -> Parts {
        let capacity = Capacity {
            bindings: 64,
            tunnels: 16,
            adjacencies: 64,
        };
        let (writer, tables) = Tables::new(capacity, 1).expect("tables");
        let (rings, mut ends) = rings::channel(1).expect("rings");
        let ports = ports.iter().zip(0..).map(port);
        let params = Params {
            config: self.load().unwrap_or_else(|error| panic!("{error}")),
            config_path: self.configuration(),
            socket: ControlSocket::claim(&self.socket(), None).expect("a control socket"),
            ports: ports.collect(),
            read_port: Box::new(|_| PortStats::default()),
            workers: Vec::new(),
            dpdk_version: "none".to_owned(),
            cycles_per_second: None,
            record: None,
            writer,
            rings,
            store: None,
            kernel: None,
            ready: None,
        };
        Parts {
            params,
            tables,
            ends: ends.remove(0),
        }
    }
}

fn port((name, id): (&&str, u16)) -> PortInfo {
    PortInfo {
        name: (*name).to_owned(),
        device: format!("net_null{id}"),
        driver: "memory".to_owned(),
        mac: MacAddr([2, 0xaa, 0, 0, 0, id as u8]),
        mtu: 1500,
        id: PortId(id),
        twin: None,
        queues: Default::default(),
    }
}
