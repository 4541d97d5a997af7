//! What is read again while the gateway runs: policy, keys, routes, the MAARs of a domain and the time to drain. All of it is in
//! force or nothing is, and what takes a restart is named.

use super::Desk;
use crate::config::{Config, Route};
use crate::engine::Engine;
use crate::gateway::{self, Applied, Gateway};
use crate::rpc::{types, RpcError};
use roles::{Event, Now};

/// Nothing was changed, because of this.
fn refused(what: &dyn std::fmt::Display) -> RpcError {
    RpcError::refused(
        format!("nothing was changed: {what}"),
        "mend the file and reload again; `anchord --check` shows all that is wrong",
    )
}

impl Desk {
    /// Reads the policy file and the routes again. Nothing changes when anything is wrong.
    pub(crate) fn reload(
        &mut self,
        engine: &mut Engine<Gateway>,
        now: Now,
    ) -> Result<types::Reloaded, RpcError> {
        let read = Config::reload(&self.config_path).map_err(|error| refused(&error))?;
        if read.role().name() != self.config.role().name() {
            return Err(refused(&"another role takes a restart"));
        }
        let policy = read.load_policy().map_err(|error| refused(&error))?;
        let associations = read.load_associations().map_err(|error| refused(&error))?;
        let config = self.taken_from(&read);
        let lost = |route: &&Route| gateway::target(&config, route).is_none();
        if let Some(route) = config.route.iter().find(lost) {
            let what = format!(
                "the route to {} leads over an interface or a link that only a restart brings",
                route.prefix
            );
            return Err(refused(&what));
        }
        let routing = gateway::routing(&config, &self.ports).map_err(|error| refused(&error))?;
        let applied = Applied::of(policy, self.aaa.as_ref());
        let reloaded = types::Reloaded {
            hosts: applied.hosts,
            routes: config.route.len(),
            ignored: differences(&config, &read),
        };
        engine.set_associations(associations);
        let addresses = gateway::anchors(&config, &applied.peers);
        engine.reroute(now, routing, gateway::peers(&config, applied.peers));
        engine.deliver(
            now,
            match (applied.anchor, applied.maars, &config.maar) {
                (Some(policy), ..) => Event::Policy { policy },
                (None, Some(maars), _) => Event::Maars { maars },
                (None, None, Some(maar)) => Event::Neighbours {
                    neighbours: maar.neighbours(),
                },
                (None, None, None) => Event::Anchors { addresses },
            },
        );
        // What the operator has set stays unless the file says something else than before.
        let modes = [&self.config.cmd, &config.cmd].map(|it| it.as_ref().map(|it| it.mode));
        if let Some(mode) = modes[1].filter(|_| modes[0] != modes[1]) {
            engine.deliver(now, Event::Mode { mode });
        }
        match (applied.access, &self.aaa) {
            // Whoever the servers have let in stays: they say themselves when that is to change.
            (Some(access), Some(_)) => engine.exchange_access_policy(access),
            (Some(access), None) => engine.set_access_policy(now, access),
            (None, _) => {}
        }
        self.config = config;
        self.policy_loaded = now.wall;
        tracing::info!(hosts = reloaded.hosts, routes = reloaded.routes, "reloaded");
        if !reloaded.ignored.is_empty() {
            let ignored = reloaded.ignored.join(", ");
            tracing::warn!(ignored, "changed in the file, but takes a restart");
        }
        Ok(reloaded)
    }

    /// The configuration in force, with what is taken from the one that was read.
    fn taken_from(&self, read: &Config) -> Config {
        let mut config = self.config.clone();
        config.gateway.drain_timeout = read.gateway.drain_timeout;
        config.route.clone_from(&read.route);
        config.authentication.clone_from(&read.authentication);
        if let (Some(cmd), Some(read)) = (&mut config.cmd, &read.cmd) {
            cmd.maar.clone_from(&read.maar);
            cmd.mode = read.mode;
        }
        if let (Some(maar), Some(read)) = (&mut config.maar, &read.maar) {
            maar.policy.clone_from(&read.policy);
            maar.neighbour.clone_from(&read.neighbour);
        }
        match (&mut config.lma, &mut config.mag, &read.lma, &read.mag) {
            (Some(lma), _, Some(read), _) => lma.policy.clone_from(&read.policy),
            (_, Some(mag), _, Some(read)) => mag.policy.clone_from(&read.policy),
            _ => {}
        }
        config
    }
}

/// The keys in which two configurations differ, as `table.key`. The socket is left out: the command
/// line may have named it.
fn differences(ours: &Config, theirs: &Config) -> Vec<String> {
    let tables = |config: &Config| toml::Table::try_from(config).unwrap_or_default();
    let (ours, theirs) = (tables(ours), tables(theirs));
    let mut differences = Vec::new();
    for name in keys(&ours, &theirs) {
        match (ours.get(name), theirs.get(name)) {
            (Some(toml::Value::Table(ours)), Some(toml::Value::Table(theirs))) => {
                let changed = keys(ours, theirs)
                    .filter(|key| ours.get(*key) != theirs.get(*key))
                    .map(|key| format!("{name}.{key}"));
                differences.extend(changed.filter(|key| key != "gateway.socket"));
            }
            (ours, theirs) if ours != theirs => differences.push(name.clone()),
            _ => {}
        }
    }
    differences
}

/// The keys of both tables, each once.
fn keys<'a>(ours: &'a toml::Table, theirs: &'a toml::Table) -> impl Iterator<Item = &'a String> {
    let added = theirs.keys().filter(|key| !ours.contains_key(*key));
    ours.keys().chain(added)
}

/// Says in the log what a reload by signal came to.
pub(crate) fn log_reload(outcome: Result<types::Reloaded, RpcError>) {
    if let Err(error) = outcome {
        let hint = error.hint().unwrap_or_default();
        tracing::error!("reload: {error}; {hint}");
    }
}
