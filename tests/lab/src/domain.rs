//! A whole domain: the network of the lab with its gateways running.

use crate::command;
use crate::gateway::{Configuration, Gateway, Programs};
use crate::rpc::Notices;
use crate::topology::{Kernel, Topology};
use anyhow::{ensure, Context, Result};
use serde_json::Value;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Names of the gateways, as their files in conf/demo are called.
pub const GATEWAYS: [&str; 3] = ["lma", "mag1", "mag2"];

/// A network and the gateways in it. Dropping it ends them, then takes the network down.
#[derive(Debug)]
pub struct Domain {
    gateways: Vec<(Gateway, Configuration)>,
    /// What the gateways tell their subscribers.
    pub notices: Notices,
    /// The programs that it is made of.
    pub programs: Programs,
    /// The network.
    pub network: Topology,
}

impl Domain {
    /// Starts an `anchord` in every gateway's namespace where the kernel keeps silent, with the
    /// configuration of that name in `conf` as `adjust` changes it.
    ///
    /// # Errors
    /// When a gateway does not start.
    pub fn start(
        network: Topology,
        programs: &Programs,
        conf: &Path,
        mut adjust: impl FnMut(&str, &mut Configuration),
    ) -> Result<Self> {
        let mut domain = Self {
            gateways: Vec::new(),
            notices: Notices::default(),
            programs: programs.clone(),
            network,
        };
        for name in GATEWAYS {
            if domain.network.kernel(name) == Kernel::Silent {
                let mut configuration = Configuration::load(conf, name)?;
                adjust(name, &mut configuration);
                domain.launch(name, configuration)?;
            }
        }
        Ok(domain)
    }

    /// Starts a gateway that does not run.
    ///
    /// # Errors
    /// When it does not start.
    pub fn launch(&mut self, name: &str, mut configuration: Configuration) -> Result<()> {
        let namespace = self.network.gateway(name);
        let directory: PathBuf = self.network.run.directory().into();
        let gateway = Gateway::start(&self.programs, namespace, &directory, &mut configuration)?;
        self.notices.follow(name, gateway.socket())?;
        self.gateways.push((gateway, configuration));
        Ok(())
    }

    /// A gateway, by its name.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn gateway(&self, name: &str) -> Result<&Gateway> {
        let mut gateways = self.gateways.iter().map(|(gateway, _)| gateway);
        gateways
            .find(|gateway| gateway.name() == name)
            .with_context(|| format!("no gateway {name} runs"))
    }

    /// Runs `anchorctl` against a gateway and returns what it printed.
    ///
    /// # Errors
    /// When it fails; the error carries what it said.
    pub fn anchorctl(&self, name: &str, words: &[&str]) -> Result<String> {
        let text = |path: &Path| {
            path.to_str()
                .context("a path that is not text")
                .map(String::from)
        };
        let (program, socket) = (
            text(&self.programs.anchorctl)?,
            text(self.gateway(name)?.socket())?,
        );
        let mut line = vec![program.as_str(), "--socket", &socket];
        line.extend(words);
        command::run(&line)
    }

    /// Waits until nothing of any host is left in the visitor list of a MAG.
    ///
    /// # Errors
    /// When something still is after `limit`.
    pub fn wait_forgotten(&self, name: &str, limit: Duration) -> Result<()> {
        let end = Instant::now() + limit;
        loop {
            let visitors = self.gateway(name)?.call("visitors", Value::Null)?;
            if visitors.as_array().is_some_and(Vec::is_empty) {
                return Ok(());
            }
            ensure!(Instant::now() < end, "{name} still has {visitors}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sees to it that a MAG which a host has left knows that: from the LMA's revocation, or from the
    /// access network should that be lost on its way.
    ///
    /// # Errors
    /// When it still has the host after `limit`.
    pub fn tell_of_departure(&self, name: &str, mac: &str, limit: Duration) -> Result<()> {
        if self
            .wait_forgotten(name, Duration::from_millis(500))
            .is_err()
        {
            // It may have heard in this very moment.
            let _ = self.anchorctl(name, &["detach", mac]);
        }
        self.wait_forgotten(name, limit)
    }

    /// What one looks at first when something went wrong: every gateway's counters and the end of its log.
    pub fn troubles(&self) -> String {
        let mut text = String::new();
        for (gateway, _) in &self.gateways {
            let counters = gateway.call("counters", Value::Null).unwrap_or_default();
            let groups = counters["groups"].as_array().into_iter().flatten();
            let moved = groups
                .flat_map(|group| group["counters"].as_array().into_iter().flatten())
                .filter(|counter| counter["value"] != 0)
                .map(|counter| {
                    format!(
                        "{} {}",
                        counter["name"].as_str().unwrap_or("?"),
                        counter["value"]
                    )
                });
            let moved: Vec<String> = moved.collect();
            let _ = writeln!(text, "{}:\n    {}", gateway.name(), moved.join(", "));
            text.push_str(&gateway.tail());
        }
        text
    }

    /// Kills a gateway as a crash would, and starts it again with the same configuration.
    ///
    /// # Errors
    /// When it does not start again.
    pub fn crash_and_restart(&mut self, name: &str) -> Result<()> {
        let configuration = self.crash(name)?;
        self.launch(name, configuration)
    }

    /// Kills a gateway as a crash would; returns its configuration, to start it again with.
    ///
    /// # Errors
    /// When it does not run.
    pub fn crash(&mut self, name: &str) -> Result<Configuration> {
        let place = self
            .gateways
            .iter()
            .position(|(gateway, _)| gateway.name() == name);
        let (mut gateway, configuration) = self
            .gateways
            .remove(place.with_context(|| format!("no gateway {name} runs"))?);
        gateway.crash()?;
        Ok(configuration)
    }

    /// Ends gateways by SIGTERM in the order named, requires that each exits with 0, and returns what
    /// each logged.
    ///
    /// # Errors
    /// When one does not run or does not end well.
    pub fn end_in_order(&mut self, names: &[&str]) -> Result<Vec<(String, String)>> {
        let mut logs = Vec::new();
        for name in names {
            let place = self
                .gateways
                .iter()
                .position(|(gateway, _)| gateway.name() == *name);
            let place = place.with_context(|| format!("no gateway {name} runs"))?;
            let (mut gateway, _) = self.gateways.remove(place);
            gateway.stop_well()?;
            logs.push(((*name).to_owned(), gateway.log()));
        }
        Ok(logs)
    }

    /// Ends every gateway by SIGTERM and requires that each exits with 0.
    ///
    /// # Errors
    /// When one does not.
    pub fn stop_well(&mut self) -> Result<()> {
        while let Some((mut gateway, _)) = self.gateways.pop() {
            gateway.stop_well()?;
        }
        Ok(())
    }
}

/// The configurations of the demonstration, in the source tree that this was built from.
pub fn default_conf() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf/demo")
}
