//! A real DHCPv6 server on the core, Kea, and real clients on hosts, ISC's dhclient.
//!
//! The server stands where the domain's servers stand: beside the anchor, with a route to nothing but the
//! core. A host's client runs in the host's namespace and speaks to whoever answers on its link.

use crate::host::{Host, INTERFACE};
use crate::network::{cable, End, Namespace};
use crate::process::{Errors, Process};
use crate::run::Run;
use crate::topology::{Topology, CORE};
use anyhow::{bail, Context, Result};
use serde_json::{json, Value};
use std::fs;
use std::net::Ipv6Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Address of the DHCPv6 server on the core.
pub const SERVER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 0x53);

/// Time after which a client renews (T1).
pub const RENEW: Duration = Duration::from_secs(4);

/// What lets gateways work in its lease database.
const LEASE_COMMANDS: &str = "/usr/lib/x86_64-linux-gnu/kea/hooks/libdhcp_lease_cmds.so";

/// Longest time that the server may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(20);

/// A DHCPv6 server that runs.
#[derive(Debug)]
pub struct Server {
    _process: Process,
    _namespace: Namespace,
    log: PathBuf,
}

impl Server {
    /// Starts a server that leases addresses of these subnets, each to hosts whose relay agent names a
    /// link address of it.
    ///
    /// # Errors
    /// When it does not start; the error carries the end of its log.
    pub fn start(network: &Topology, subnets: &[&str]) -> Result<Self> {
        Self::delegating(network, subnets, &json!([]))
    }

    /// The same, and it delegates prefixes of these pools, as Kea has them under `pd-pools`.
    ///
    /// # Errors
    /// When it does not start; the error carries the end of its log.
    pub fn delegating(network: &Topology, subnets: &[&str], pools: &Value) -> Result<Self> {
        Self::at(&network.run, &network.switch, subnets, pools, None)
    }

    /// The same on the core link of any network; where gateways work in its lease database, `control` is
    /// its socket.
    ///
    /// # Errors
    /// When it does not start; the error carries the end of its log.
    pub fn at(
        run: &Run,
        switch: &Namespace,
        subnets: &[&str],
        pools: &Value,
        control: Option<&Path>,
    ) -> Result<Self> {
        let namespace = Namespace::host(run, "dhcp")?;
        // It needs a link-local address that is no longer tested.
        namespace.sysctl(&["net.ipv6.conf.default.accept_dad=0"])?;
        cable(End::of(&namespace, INTERFACE), End::of(switch, "core-dhcp"))?;
        switch.plug("core-dhcp", CORE)?;
        namespace.ip(&format!("addr add {SERVER}/64 dev {INTERFACE} nodad\n"))?;
        let directory = run.directory();
        let text = |name: &str| -> Result<String> {
            let path = directory.join(name);
            Ok(path.to_str().context("a path that is not text")?.to_owned())
        };
        let subnets: Vec<Value> = (1..)
            .zip(subnets)
            .map(|(id, subnet): (u32, _)| {
                json!({
                    "id": id,
                    "subnet": subnet,
                    "pools": [{ "pool": subnet }],
                    "pd-pools": pools,
                })
            })
            .collect();
        let place = directory.to_str().context("a path that is not text")?;
        let mut configuration = json!({ "Dhcp6": {
            "interfaces-config": { "interfaces": [format!("{INTERFACE}/{SERVER}")] },
            "lease-database": { "type": "memfile", "persist": false },
            "data-directory": place,
            "preferred-lifetime": 300,
            "valid-lifetime": 600,
            "renew-timer": RENEW.as_secs(),
            "rebind-timer": 200,
            "subnet6": subnets,
            "loggers": [{
                "name": "kea-dhcp6",
                "severity": "INFO",
                "output_options": [{ "output": "stderr" }],
            }],
        } });
        if let Some(control) = control {
            let server = &mut configuration["Dhcp6"];
            server["control-socket"] = json!({ "socket-type": "unix", "socket-name": control });
            server["hooks-libraries"] = json!([{ "library": LEASE_COMMANDS }]);
        }
        let file = text("kea-dhcp6.conf")?;
        fs::write(&file, serde_json::to_string_pretty(&configuration)?)?;
        let log = directory.join("kea-dhcp6.log");
        // Its own directories for what it writes, so that it needs none of the system's.
        let words = [
            "env",
            &format!("KEA_PIDFILE_DIR={place}"),
            &format!("KEA_LOCKFILE_DIR={place}"),
            "kea-dhcp6",
            "-c",
            &file,
        ];
        let mut process = Process::start(&namespace, "kea-dhcp6", &words, &Errors::File(&log))?;
        let limit = Instant::now() + START_LIMIT;
        while !process.log().contains("DHCP6_STARTED") {
            if let Some(status) = process.ended()? {
                bail!("kea-dhcp6 ended ({status})\n{}", process.tail());
            }
            if Instant::now() > limit {
                bail!("kea-dhcp6 does not start\n{}", process.tail());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self {
            _process: process,
            _namespace: namespace,
            log,
        })
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// A client that runs on a host until it is dropped, and renews what it has leased.
#[derive(Debug)]
pub struct Client {
    process: Process,
}

impl Client {
    /// Starts the client of a host. It puts what it gets on the host's interface, where the kernel tests
    /// it before it is used.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(network: &Topology, host: &Host) -> Result<Self> {
        Self::asking(&network.run, host, &["-N"])
    }

    /// The client of a host that is a router: it asks for a prefix of its own too.
    ///
    /// # Errors
    /// When it does not start.
    pub fn router(network: &Topology, host: &Host) -> Result<Self> {
        Self::asking(&network.run, host, &["-N", "-P"])
    }

    /// The client of a host on a link that it has come to: it begins with what it has leased before, on
    /// other links.
    ///
    /// # Errors
    /// When it does not start.
    pub fn anew(run: &Run, host: &Host) -> Result<Self> {
        Self::asking(run, host, &["-N"])
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    fn asking(run: &Run, host: &Host, what: &[&str]) -> Result<Self> {
        let directory = run.directory();
        let name = |suffix: &str| -> Result<String> {
            let path = directory.join(format!("{}.{suffix}", host.namespace.name()));
            Ok(path.to_str().context("a path that is not text")?.to_owned())
        };
        let (leases, script, log) = (name("leases")?, name("sh")?, name("dhclient.log")?);
        let text = "#!/bin/sh\n\
            case $reason in\n\
            BOUND6|REBIND6|RENEW6)\n\
            [ -z \"$new_ip6_address\" ] || ip -6 addr replace \"$new_ip6_address/128\" dev \"$interface\" \
            valid_lft \"$new_max_life\" preferred_lft \"$new_preferred_life\" ;;\n\
            esac\n";
        fs::write(&script, text)?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
        let mut words = vec!["dhclient", "-6", "-d"];
        words.extend(what);
        words.extend(["-lf", &leases, "-pf", "/dev/null", "-cf", "/dev/null"]);
        words.extend(["-sf", &script, INTERFACE]);
        let log = Errors::File(Path::new(&log));
        let process = Process::start(&host.namespace, "dhclient", &words, &log)?;
        Ok(Self { process })
    }
}
