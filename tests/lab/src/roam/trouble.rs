//! What befalls the gateways of a bed: they die, come back, and are silent.

use super::Bed;
use crate::gateway::Gateway;
use anyhow::{Context, Result};
use std::time::{Duration, Instant};

impl Bed {
    /// Kills a MAAR as a crash would.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self, index: usize) -> Result<()> {
        let maar = self.maars.get_mut(index).and_then(Option::take);
        maar.context("a MAAR that runs")?.crash()
    }

    /// Starts a MAAR again that was killed, with what it has stored.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&mut self, index: usize) -> Result<()> {
        let machine = self.machines.get(index + 1).context("a machine")?;
        let configuration = self.configurations.get_mut(index);
        let configuration = configuration.context("a configuration")?;
        let directory = self.run.directory();
        let gateway = Gateway::start(&self.programs, machine, directory, configuration)?;
        if let Some(place) = self.maars.get_mut(index) {
            *place = Some(gateway);
        }
        Ok(())
    }

    /// Kills the database as a crash would.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill_cmd(&mut self) -> Result<()> {
        self.cmd.take().context("a database that runs")?.crash()
    }

    /// Starts the database again, with what it has stored.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart_cmd(&mut self) -> Result<()> {
        let machine = self.machines.last().context("a machine")?;
        let configuration = self.database.as_mut().context("a configuration")?;
        let directory = self.run.directory();
        let cmd = Gateway::start(&self.programs, machine, directory, configuration)?;
        self.cmd = Some(cmd);
        Ok(())
    }

    /// The database does nothing, and keeps what comes for it, until it is told to go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn silence_cmd(&mut self, silent: bool) -> Result<()> {
        let cmd = self.cmd.as_mut().context("a database that runs")?;
        cmd.silence(silent)
    }

    /// Waits until a MAAR has counted something so often.
    ///
    /// # Errors
    /// When it does not within `limit`.
    pub fn until_counted(
        &self,
        index: usize,
        name: &str,
        times: u64,
        limit: Duration,
    ) -> Result<()> {
        let end = Instant::now() + limit;
        while self.counted(index, name)? < times {
            anyhow::ensure!(
                Instant::now() < end,
                "{name}: not {times}\n{}",
                self.troubles()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Unplugs the host: it has left the domain.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn leave(&self) -> Result<()> {
        self.switch.unplug(&self.mn.cable)
    }

    /// What the gateways still know of hosts, by their names; nothing where all have let go of them.
    ///
    /// # Errors
    /// When one does not answer.
    pub fn remains(&self) -> Result<Vec<String>> {
        let mut remains = Vec::new();
        let maars = self.maars.iter().flatten().map(|maar| (maar, "anchors"));
        for (gateway, method) in maars.chain(self.cmd.iter().map(|cmd| (cmd, "sessions"))) {
            let known = gateway.call(method, serde_json::json!({}))?;
            if known.as_array().is_none_or(|known| !known.is_empty()) {
                remains.push(format!("{}: {known}", gateway.name()));
            }
        }
        Ok(remains)
    }
}
