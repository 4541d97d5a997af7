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

mod configuration;
pub mod handover;
pub mod leases;
mod trouble;
mod walk;

pub use walk::{demonstrate, Report, WALK};

use crate::capture::Capture;
use crate::gateway::{Configuration, Gateway, Programs};
use crate::host::{Host, INTERFACE};
use crate::network::{cable, End, Namespace};
use crate::process::{Errors, Process};
use crate::run::Run;
use crate::transfer::Transfer;
use crate::wire::{Impairment, Wire};
use anyhow::{ensure, Context, Result};
use serde::Serialize;
use serde_json::{json, Value};
use std::net::Ipv6Addr;
use std::path::Path;
use std::time::{Duration, Instant};

/// MAARs of the draft's bed.
pub const MAARS: usize = 3;

/// Most MAARs of a bed: their addresses differ in one hexadecimal digit.
pub const MOST_MAARS: usize = 15;

/// The modes of the database.
pub const MODES: [&str; 3] = ["relay", "locator", "proxy"];

/// How the MAARs find a host's anchors that have no database and ask the host itself.
pub const ALONE: &str = "node-information";

/// Address of the correspondent.
pub const CN: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, 0x10);

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

/// What a bed is made of.
#[derive(Clone, Copy, Debug)]
pub struct Layout<'a> {
    /// MAARs, up to [`MOST_MAARS`].
    pub maars: usize,
    /// The mode of the database, or, where there is none, how the MAARs find one another.
    pub mode: &'a str,
    /// What is on the first MAAR's way to the core.
    pub impairment: Option<Impairment>,
}

impl<'a> Layout<'a> {
    /// The draft's bed: three MAARs on good paths.
    pub const fn of_the_draft(mode: &'a str) -> Self {
        Self {
            maars: MAARS,
            mode,
            impairment: None,
        }
    }
}

/// The bed. Dropping it ends the gateways, then takes the network down.
#[derive(Debug)]
pub struct Bed {
    maars: Vec<Option<Gateway>>,
    cmd: Option<Gateway>,
    responder: Option<Process>,
    _wire: Option<Wire>,
    mn: Host,
    cn: Host,
    switch: Namespace,
    machines: Vec<Namespace>,
    /// Of the MAARs, to start them again by.
    configurations: Vec<Configuration>,
    /// Of the database, for the same.
    database: Option<Configuration>,
    programs: Programs,
    run: Run,
}

fn maar_name(index: usize) -> String {
    format!("maar{}", index + 1)
}

/// A MAAR's address on the core.
pub fn address(index: usize) -> String {
    format!("2001:db8:c::2{:x}", index + 1)
}

/// The prefix that all prefixes of a MAAR's hosts are of.
pub fn pool(index: usize) -> String {
    format!("2001:db8:2{:x}00::/40", index + 1)
}

/// The bridge of a MAAR's access link.
fn access(index: usize) -> String {
    format!("access{}", index + 1)
}

impl Bed {
    /// Lays the network out and starts the gateways, with the examples of `conf`.
    ///
    /// # Errors
    /// When we are not root, the layout has too many MAARs, or a gateway does not start.
    pub fn lay(
        programs: &Programs,
        conf: &Path,
        layout: Layout<'_>,
        mut adjust: impl FnMut(&str, &mut Configuration),
    ) -> Result<Self> {
        let Layout {
            maars: count,
            mode,
            impairment,
        } = layout;
        ensure!(
            (1..=MOST_MAARS).contains(&count),
            "a bed has 1 to {MOST_MAARS} MAARs, not {count}"
        );
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
        switch.plug("core-router", "core")?;
        router.sysctl(&["net.ipv6.conf.all.forwarding=1"])?;
        router.ip("addr add 2001:db8:100::1/64 dev inet0 nodad\n\
             addr add 2001:db8:c::ffff/64 dev core0 nodad\n")?;
        machines.push(router);
        let database = Namespace::host(&run, "cmd")?;
        cable(End::of(&database, INTERFACE), End::of(&switch, "core-cmd"))?;
        switch.plug("core-cmd", "core")?;
        database.ip(&format!(
            "addr add 2001:db8:c::c/64 dev {INTERFACE} nodad\n"
        ))?;
        let mut wire = None;
        for index in 0..count {
            let name = maar_name(index);
            let machine = Namespace::silent(&run, &name)?;
            switch.bridge(&access(index))?;
            let (core, link) = (format!("core-{name}"), format!("acc-{name}"));
            cable(End::of(&machine, "core0"), End::of(&switch, &core))?;
            cable(End::of(&machine, "acc0"), End::of(&switch, &link))?;
            switch.plug(&link, &access(index))?;
            match impairment.filter(|_| index == 0) {
                None => switch.plug(&core, "core")?,
                Some(impairment) => {
                    cable(End::of(&switch, "wire-near"), End::of(&switch, "wire-far"))?;
                    switch.plug("wire-far", "core")?;
                    let ends = [core.as_str(), "wire-near"];
                    wire = Some(Wire::start(programs, &switch, ends, impairment)?);
                }
            }
            machines[0].ip6(&format!(
                "route add {} via {} dev core0\n",
                pool(index),
                address(index)
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
        let (mut cmd, mut of_database) = (None, None);
        if MODES.contains(&mode) {
            let mut configuration = configuration::database(conf, mode, count, &directory)?;
            adjust("cmd", &mut configuration);
            cmd = Some(Gateway::start(
                programs,
                &database,
                &directory,
                &mut configuration,
            )?);
            of_database = Some(configuration);
        }
        machines.push(database);
        let (mut maars, mut configurations) = (Vec::new(), Vec::new());
        for index in 0..count {
            let mut configuration = configuration::gateway(conf, index, count, mode, &directory)?;
            adjust(&maar_name(index), &mut configuration);
            let machine = machines.get(index + 1).context("a machine")?;
            let gateway = Gateway::start(programs, machine, &directory, &mut configuration)?;
            maars.push(Some(gateway));
            configurations.push(configuration);
        }
        Ok(Self {
            maars,
            cmd,
            responder: None,
            _wire: wire,
            mn,
            cn,
            switch,
            machines,
            configurations,
            database: of_database,
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

    /// The database, if there is one.
    pub const fn cmd(&self) -> Option<&Gateway> {
        self.cmd.as_ref()
    }

    /// From now on the host answers Node Information Queries.
    ///
    /// # Errors
    /// When the responder does not start.
    pub fn answer_queries(&mut self) -> Result<()> {
        let program = self.programs.mn.to_str();
        let program = program.context("a path that is not text")?;
        let words = [program, "niq-responder", "--interface", INTERFACE];
        let log = self.run.directory().join("responder.log");
        let errors = Errors::File(&log);
        let namespace = &self.mn.namespace;
        let responder = Process::start(namespace, "the responder", &words, &errors)?;
        self.responder = Some(responder);
        Ok(())
    }

    /// Has the host send Node Information Replies to a MAAR that nobody asked for: with made-up nonces, about
    /// made-up prefixes.
    ///
    /// # Errors
    /// When they cannot be sent.
    pub fn forge_replies(&self, index: usize) -> Result<()> {
        let program = self.programs.demo.to_str();
        let program = program.context("a path that is not text")?;
        let router = format!("fe80::2{:x}", index + 1);
        let name = self.mn.namespace.name();
        let words = ["ip", "netns", "exec", name, program, "forge-replies"];
        let told = ["--router", &router, "--interface", INTERFACE];
        crate::command::run(&[&words[..], &told].concat()).map(drop)
    }

    /// What a MAAR has counted under a name.
    ///
    /// # Errors
    /// When it does not answer, or has no such counter.
    pub fn counted(&self, index: usize, name: &str) -> Result<u64> {
        let answer = self.maar(index)?.call("counters", Value::Null)?;
        let groups = answer["groups"].as_array().into_iter().flatten();
        let counters = groups.flat_map(|group| group["counters"].as_array().cloned());
        let mut counters = counters.flatten();
        let counter = counters.find(|counter| counter["name"] == name);
        let value = counter.and_then(|counter| counter["value"].as_u64());
        value.with_context(|| format!("no counter {name}"))
    }

    /// Where cables are plugged; the core is the bridge `core`.
    pub const fn switch(&self) -> &Namespace {
        &self.switch
    }

    /// The run that all belongs to.
    pub const fn run(&self) -> &Run {
        &self.run
    }

    /// The correspondent.
    pub const fn correspondent(&self) -> &Host {
        &self.cn
    }

    /// Starts to capture what a MAAR has on its cable to the core.
    ///
    /// # Errors
    /// When tcpdump does not start.
    pub fn capture_core(&self, index: usize, file: &str) -> Result<Capture> {
        let cable = format!("core-{}", maar_name(index));
        let path = self.run.directory().join(file);
        Capture::start(End::of(&self.switch, &cable), &path)
    }

    /// Starts to capture every message of mobility that one gateway sends to another.
    ///
    /// # Errors
    /// When tcpdump does not start.
    pub fn capture_signalling(&self, file: &str) -> Result<Capture> {
        let path = self.run.directory().join(file);
        // With the hop limit that it was sent with: what is for an anchor's address in its prefix takes the router,
        // and crosses the core twice.
        let mobility = ["ip6 proto 135 and ip6[7] == 64"];
        Capture::start_matching(End::of(&self.switch, "core"), &path, &mobility)
    }

    /// Starts to capture what the host sends and receives, wherever it is.
    ///
    /// # Errors
    /// When tcpdump does not start.
    pub fn capture_host(&self, file: &str) -> Result<Capture> {
        let path = self.run.directory().join(file);
        Capture::start(End::of(&self.mn.namespace, INTERFACE), &path)
    }

    /// The mobile host.
    pub const fn host(&self) -> &Host {
        &self.mn
    }

    /// Ends all gateways in order and requires that each exits with 0.
    ///
    /// # Errors
    /// When one does not.
    pub fn stop_well(mut self) -> Result<()> {
        for maar in self.maars.iter_mut().filter_map(Option::as_mut) {
            maar.stop_well()?;
        }
        match self.cmd.as_mut() {
            Some(cmd) => cmd.stop_well(),
            None => Ok(()),
        }
    }

    /// Has the host go to a MAAR, as one that comes up on another link, and waits until it has an
    /// address there to begin sessions from and its `earlier` prefixes are led there.
    ///
    /// # Errors
    /// When that does not come about.
    pub fn go(&self, index: usize, earlier: usize) -> Result<Stop> {
        let began = self.plug(index)?;
        self.settle(index, earlier, began)
    }

    /// Plugs the host in at a MAAR; when that was.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn plug(&self, index: usize) -> Result<Instant> {
        let cable = &self.mn.cable;
        self.switch.unplug(cable)?;
        let began = Instant::now();
        self.switch.plug(cable, &access(index))?;
        Ok(began)
    }

    /// Waits until the host, which came to a MAAR when it `began`, is served there as [`go`](Self::go)
    /// has it.
    ///
    /// # Errors
    /// When that does not come about.
    pub fn settle(&self, index: usize, earlier: usize, began: Instant) -> Result<Stop> {
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

    /// The address that the host has of a MAAR.
    ///
    /// # Errors
    /// When it has none.
    pub fn address_of(&self, index: usize) -> Result<Ipv6Addr> {
        let of = |it: &&Ipv6Addr| usize::from(it.segments()[2] >> 8) == 0x21 + index;
        let addresses = self.mn.addresses()?;
        let found = addresses.iter().find(of).copied();
        found.with_context(|| format!("no address of {}", maar_name(index)))
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
        let here = format!("2001:db8:2{:x}", index + 1);
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

    /// What one looks at first when something went wrong.
    pub fn troubles(&self) -> String {
        let gateways = self.maars.iter().flatten().chain(&self.cmd);
        let told = gateways.map(|gateway| format!("{}:\n{}", gateway.name(), gateway.tail()));
        told.collect::<Vec<_>>().join("\n")
    }
}
