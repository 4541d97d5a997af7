//! The test bed of the draft's appendix: three MAARs on DPDK ports, their database, a host, and a
//! correspondent behind a router. The host walks 1-2-3-1-2 and begins a TCP session at every stop.
//!
//! ```text
//!                    cn ── router ──┬── core ──┬── cmd
//!                                   │          │
//!                     maar1 ────────┤   maar2 ─┤   maar3
//!                       │           │     │    │     │
//!                    access1        │  access2 │  access3
//!                                   │
//!                       └───────── mn ─────────────┘   in one of them
//! ```

use crate::gateway::{Configuration, Gateway, Programs};
use crate::host::{Host, INTERFACE};
use crate::network::{cable, End, Namespace};
use crate::run::Run;
use crate::transfer::Transfer;
use crate::wire::{Impairment, Wire};
use anyhow::{bail, ensure, Context, Result};
use serde::Serialize;
use serde_json::{json, Value};
use std::net::Ipv6Addr;
use std::path::Path;
use std::time::{Duration, Instant};

/// MAARs of the bed.
pub const MAARS: usize = 3;

/// Where the host goes, by the number of the MAAR from 0 on.
pub const WALK: [usize; 5] = [0, 1, 2, 0, 1];

/// The modes of the database.
pub const MODES: [&str; 3] = ["relay", "locator", "proxy"];

/// Address of the correspondent.
const CN: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, 0x10);

/// Link-layer address of the host.
const MN_MAC: &str = "02:00:00:00:00:01";

/// Longest time for anything that is waited for.
const LIMIT: Duration = Duration::from_secs(40);

/// Octets per second of a session, each way.
const RATE: u64 = 40_000;

/// What is measured of one stop.
#[derive(Clone, Debug, Serialize)]
pub struct Stop {
    /// The MAAR, from 1 on.
    pub maar: usize,
    /// Sessions that were begun at earlier stops.
    pub earlier: usize,
    /// Milliseconds from plugging the host in until it had an address of the MAAR to begin sessions from.
    pub address_ms: f64,
    /// Milliseconds from plugging the host in until the MAAR led all prefixes of other anchors to it.
    pub anchors_ms: f64,
}

/// What a walk came to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The mode of the database.
    pub mode: String,
    /// The stops.
    pub stops: Vec<Stop>,
    /// Sessions, in the order in which they were begun: whether each arrived whole, both ways.
    pub sessions: Vec<bool>,
    /// Octets that arrived and were right, over all sessions and both ways.
    pub bytes: u64,
}

/// The bed. Dropping it ends the gateways, then takes the network down.
#[derive(Debug)]
pub struct Bed {
    maars: Vec<Option<Gateway>>,
    cmd: Gateway,
    _wire: Option<Wire>,
    mn: Host,
    cn: Host,
    switch: Namespace,
    _machines: Vec<Namespace>,
    programs: Programs,
    run: Run,
}

fn maar_name(index: usize) -> String {
    format!("maar{}", index + 1)
}

/// The bridge of a MAAR's access link.
fn access(index: usize) -> String {
    format!("access{}", index + 1)
}

fn plug(switch: &Namespace, cable: &str, bridge: &str) -> Result<()> {
    let lines = format!("link set dev {cable} master {bridge}\nlink set dev {cable} up\n");
    switch.ip(&lines).map(drop)
}

impl Bed {
    /// Lays the network out and starts the gateways, with the examples of `conf`; `impairment` is on the
    /// first MAAR's way to the core.
    ///
    /// # Errors
    /// When we are not root, or a gateway does not start.
    pub fn lay(
        programs: &Programs,
        conf: &Path,
        mode: &str,
        impairment: Option<Impairment>,
        mut adjust: impl FnMut(&str, &mut Configuration),
    ) -> Result<Self> {
        let run = Run::start()?;
        let switch = Namespace::silent(&run, "switch")?;
        switch.bridge("core")?;
        let mut machines = Vec::new();
        let cn = Host {
            namespace: Namespace::host(&run, "cn")?,
            cable: "inet0".into(),
        };
        let router = Namespace::host(&run, "router")?;
        cable(End::of(&cn.namespace, INTERFACE), End::of(&router, "inet0"))?;
        cn.namespace.ip(&format!(
            "addr add {CN}/64 dev {INTERFACE} nodad\n\
             route add default via 2001:db8:100::1 dev {INTERFACE}\n"
        ))?;
        cable(End::of(&router, "core0"), End::of(&switch, "core-router"))?;
        plug(&switch, "core-router", "core")?;
        router.sysctl(&["net.ipv6.conf.all.forwarding=1"])?;
        router.ip("addr add 2001:db8:100::1/64 dev inet0 nodad\n\
             addr add 2001:db8:c::ffff/64 dev core0 nodad\n")?;
        machines.push(router);
        let database = Namespace::host(&run, "cmd")?;
        cable(End::of(&database, INTERFACE), End::of(&switch, "core-cmd"))?;
        plug(&switch, "core-cmd", "core")?;
        database.ip(&format!(
            "addr add 2001:db8:c::c/64 dev {INTERFACE} nodad\n"
        ))?;
        let mut wire = None;
        for index in 0..MAARS {
            let name = maar_name(index);
            let machine = Namespace::silent(&run, &name)?;
            switch.bridge(&access(index))?;
            let (core, link) = (format!("core-{name}"), format!("acc-{name}"));
            cable(End::of(&machine, "core0"), End::of(&switch, &core))?;
            cable(End::of(&machine, "acc0"), End::of(&switch, &link))?;
            plug(&switch, &link, &access(index))?;
            match impairment.filter(|_| index == 0) {
                None => plug(&switch, &core, "core")?,
                Some(impairment) => {
                    cable(End::of(&switch, "wire-near"), End::of(&switch, "wire-far"))?;
                    plug(&switch, "wire-far", "core")?;
                    let ends = [core.as_str(), "wire-near"];
                    wire = Some(Wire::start(programs, &switch, ends, impairment)?);
                }
            }
            machines[0].ip6(&format!(
                "route add 2001:db8:2{0}00::/40 via 2001:db8:c::2{0} dev core0\n",
                index + 1
            ))?;
            machines.push(machine);
        }
        let mn = Host {
            namespace: Namespace::host(&run, "mn")?,
            cable: "to-mn".into(),
        };
        cable(End::of(&mn.namespace, INTERFACE), End::of(&switch, "to-mn"))?;
        switch.ip("link set dev to-mn down\n")?;
        mn.namespace.ip(&format!(
            "link set dev {INTERFACE} down\n\
             link set dev {INTERFACE} address {MN_MAC}\n\
             link set dev {INTERFACE} up\n"
        ))?;
        let directory = run.directory().to_path_buf();
        let mut configuration = database_of(conf, mode, &directory)?;
        adjust("cmd", &mut configuration);
        let cmd = Gateway::start(programs, &database, &directory, &mut configuration)?;
        machines.push(database);
        let mut maars = Vec::new();
        for index in 0..MAARS {
            let mut configuration = gateway_of(conf, index, &directory)?;
            adjust(&maar_name(index), &mut configuration);
            let machine = machines.get(index + 1).context("a machine")?;
            let gateway = Gateway::start(programs, machine, &directory, &mut configuration)?;
            maars.push(Some(gateway));
        }
        Ok(Self {
            maars,
            cmd,
            _wire: wire,
            mn,
            cn,
            switch,
            _machines: machines,
            programs: programs.clone(),
            run,
        })
    }

    /// A MAAR that runs.
    ///
    /// # Errors
    /// When it was killed.
    pub fn maar(&self, index: usize) -> Result<&Gateway> {
        let maar = self.maars.get(index).and_then(Option::as_ref);
        maar.with_context(|| format!("{} does not run", maar_name(index)))
    }

    /// The database.
    pub const fn cmd(&self) -> &Gateway {
        &self.cmd
    }

    /// The correspondent.
    pub const fn correspondent(&self) -> &Host {
        &self.cn
    }

    /// Kills a MAAR as a crash would.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self, index: usize) -> Result<()> {
        let maar = self.maars.get_mut(index).and_then(Option::take);
        maar.context("a MAAR that runs")?.crash()
    }

    /// Ends all gateways in order and requires that each exits with 0.
    ///
    /// # Errors
    /// When one does not.
    pub fn stop_well(mut self) -> Result<()> {
        for maar in self.maars.iter_mut().filter_map(Option::as_mut) {
            maar.stop_well()?;
        }
        self.cmd.stop_well()
    }

    /// Has the host go to a MAAR, as one that comes up on another link, and waits until it has an
    /// address there to begin sessions from and its `earlier` prefixes are led there.
    ///
    /// # Errors
    /// When that does not come about.
    pub fn go(&self, index: usize, earlier: usize) -> Result<Stop> {
        let cable = &self.mn.cable;
        self.switch.ip(&format!(
            "link set dev {cable} nomaster\nlink set dev {cable} down\n"
        ))?;
        let began = Instant::now();
        plug(&self.switch, cable, &access(index))?;
        let elapsed = || began.elapsed().as_secs_f64() * 1e3;
        let (mut address_ms, mut anchors_ms) = (None, None);
        while address_ms.is_none() || anchors_ms.is_none() {
            if anchors_ms.is_none() && self.led_to(index)? == Some(earlier) {
                anchors_ms = Some(elapsed());
            }
            if address_ms.is_none() && self.has_address_of(index)? {
                address_ms = Some(elapsed());
            }
            ensure!(
                began.elapsed() < LIMIT,
                "the host is not served by {}: {}\n{}",
                maar_name(index),
                self.maar(index)?.call("anchors", json!({}))?,
                self.maar(index)?.tail()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(Stop {
            maar: index + 1,
            earlier,
            address_ms: address_ms.unwrap_or_default(),
            anchors_ms: anchors_ms.unwrap_or_default(),
        })
    }

    /// How many prefixes of other anchors a MAAR leads to the host, if it serves it.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn led_to(&self, index: usize) -> Result<Option<usize>> {
        let hosts = self.maar(index)?.call("anchors", json!({}))?;
        let served = hosts[0]["state"] == "served";
        Ok(hosts[0]["previous"]
            .as_array()
            .map(Vec::len)
            .filter(|_| served))
    }

    /// Whether the host would begin a session from an address of this MAAR: it has one, tested, and
    /// none of another that is preferred.
    fn has_address_of(&self, index: usize) -> Result<bool> {
        let name = self.mn.namespace.name();
        let shown = crate::command::run(&[
            "ip",
            "-n",
            name,
            "-j",
            "-6",
            "addr",
            "show",
            "dev",
            INTERFACE,
            "scope",
            "global",
            "-tentative",
            "-deprecated",
        ])?;
        let shown: Value = serde_json::from_str(&shown)?;
        let interfaces = shown.as_array().into_iter().flatten();
        let addresses = interfaces.flat_map(|it| it["addr_info"].as_array().cloned());
        let addresses = addresses.flatten();
        let preferred = addresses.filter_map(|it| it["local"].as_str().map(str::to_owned));
        let preferred: Vec<String> = preferred.collect();
        let here = format!("2001:db8:2{}", index + 1);
        Ok(!preferred.is_empty() && preferred.iter().all(|it| it.starts_with(&here)))
    }

    /// Begins a TCP session from the host to the correspondent.
    ///
    /// # Errors
    /// When it does not come about.
    pub fn begin(&self) -> Result<Transfer> {
        let log = self.run.directory().join("hosts.log");
        let (from, to) = (&self.mn.namespace, &self.cn.namespace);
        Transfer::start(&self.programs, from, to, CN, RATE, &log)
    }

    /// The walk: a session at every stop, all of them whole at the end.
    ///
    /// # Errors
    /// When a stop or a session does not come about.
    pub fn walk(&self, mode: &str, tell: &mut dyn FnMut(&str)) -> Result<Report> {
        let (mut stops, mut sessions) = (Vec::new(), Vec::new());
        let mut visited: Vec<usize> = Vec::new();
        for index in WALK {
            if !visited.contains(&index) {
                visited.push(index);
            }
            let stop = self.go(index, visited.len() - 1)?;
            tell(&format!(
                "{mode}: at MAAR {}, an address after {:.0} ms, {} other anchors after {:.0} ms",
                stop.maar, stop.address_ms, stop.earlier, stop.anchors_ms
            ));
            stops.push(stop);
            sessions.push(self.begin()?);
            std::thread::sleep(Duration::from_millis(300));
        }
        let (mut whole, mut bytes) = (Vec::new(), 0);
        for session in sessions {
            let outcome = session.stop()?;
            if !outcome.intact {
                tell(&format!(
                    "{mode}: {:?}, {:?}",
                    outcome.connector, outcome.listener
                ));
            }
            whole.push(outcome.intact);
            bytes += outcome.bytes;
        }
        tell(&format!(
            "{mode}: {} sessions, {bytes} octets, intact: {whole:?}",
            whole.len()
        ));
        Ok(Report {
            mode: mode.to_owned(),
            stops,
            sessions: whole,
            bytes,
        })
    }

    /// What one looks at first when something went wrong.
    pub fn troubles(&self) -> String {
        let gateways = self.maars.iter().flatten().chain([&self.cmd]);
        let told = gateways.map(|gateway| format!("{}:\n{}", gateway.name(), gateway.tail()));
        told.collect::<Vec<_>>().join("\n")
    }
}

/// The database of the bed.
fn database_of(conf: &Path, mode: &str, directory: &Path) -> Result<Configuration> {
    let mut configuration = Configuration::load(conf, "cmd")?;
    configuration.set("cmd", "address", "2001:db8:c::c");
    configuration.set("cmd", "mode", mode);
    let maars = (0..MAARS).map(|index| {
        let mut maar = toml::Table::new();
        let address = format!("2001:db8:c::2{}", index + 1);
        maar.insert("address".into(), address.into());
        let pool: toml::Value = format!("2001:db8:2{}00::/40", index + 1).into();
        maar.insert("pools".into(), vec![pool].into());
        toml::Value::from(maar)
    });
    configuration.set("cmd", "maar", maars.collect::<Vec<_>>());
    store(&mut configuration, directory, "cmd")?;
    Ok(configuration)
}

fn store(configuration: &mut Configuration, directory: &Path, name: &str) -> Result<()> {
    let path = directory.join(format!("state/{name}.redb"));
    let path = path.to_str().context("a path that is not text")?.to_owned();
    configuration.set("store", "path", path);
    Ok(())
}

/// A MAAR of the bed: the example of `conf`, which is the first of them, with other numbers.
fn gateway_of(conf: &Path, index: usize, directory: &Path) -> Result<Configuration> {
    let mut configuration = Configuration::load(conf, "maar")?;
    let name = maar_name(index);
    configuration.rename(&name);
    store(&mut configuration, directory, &name)?;
    let others = (0..MAARS).filter(|other| *other != index);
    let others = others.map(|other| {
        let mut neighbour = toml::Table::new();
        let number = other + 1;
        for (key, value) in [
            ("address", format!("2001:db8:c::2{number}")),
            ("router", format!("fe80::2{number}")),
            ("mac", format!("02:00:5e:00:52:2{number}")),
        ] {
            neighbour.insert(key.into(), value.into());
        }
        let pool: toml::Value = format!("2001:db8:2{number}00::/40").into();
        neighbour.insert("pools".into(), vec![pool].into());
        toml::Value::from(neighbour)
    });
    configuration.set("maar", "neighbour", others.collect::<Vec<_>>());
    let text = toml::to_string(configuration.table())?;
    let number = index + 1;
    // What the example says of the first MAAR itself stands outside of its neighbours.
    let mut table: toml::Table = text.parse()?;
    let own = |value: &mut toml::Value| replace(value, number);
    for (key, value) in &mut table {
        match (key.as_str(), value) {
            ("maar", toml::Value::Table(maar)) => {
                maar.iter_mut()
                    .filter(|(key, _)| key.as_str() != "neighbour")
                    .for_each(|(_, value)| own(value));
            }
            (_, value) => own(value),
        }
    }
    *configuration.table() = table;
    Ok(configuration)
}

/// Makes what is said of the first MAAR true of another.
fn replace(value: &mut toml::Value, number: usize) {
    match value {
        toml::Value::String(text) => {
            for (first, other) in [
                ("2001:db8:c::21", format!("2001:db8:c::2{number}")),
                ("fe80::21", format!("fe80::2{number}")),
                ("02:00:5e:00:52:21", format!("02:00:5e:00:52:2{number}")),
                ("2001:db8:2100::", format!("2001:db8:2{number}00::")),
            ] {
                *text = text.replace(first, &other);
            }
        }
        toml::Value::Array(values) => values.iter_mut().for_each(|it| replace(it, number)),
        toml::Value::Table(table) => table.iter_mut().for_each(|(_, it)| replace(it, number)),
        _ => {}
    }
}

/// Walks through a fresh bed in each mode.
///
/// # Errors
/// When a bed cannot be laid, or a session does not live.
pub fn demonstrate(
    programs: &Programs,
    conf: &Path,
    tell: &mut dyn FnMut(&str),
) -> Result<Vec<Report>> {
    let mut reports = Vec::new();
    for mode in MODES {
        let bed = Bed::lay(programs, conf, mode, None, |_, _| {})?;
        let report = bed
            .walk(mode, tell)
            .map_err(|error| error.context(bed.troubles()))?;
        if report.sessions.contains(&false) {
            bail!("{mode}: a session did not live\n{}", bed.troubles());
        }
        bed.stop_well()?;
        reports.push(report);
    }
    Ok(reports)
}
