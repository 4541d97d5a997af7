//! Hosts with IPv4: real clients on them (ISC's dhclient), and a real server on the core (Kea).

use crate::host::{Host, INTERFACE};
use crate::network::{cable, End, Namespace};
use crate::process::{Errors, Process};
use crate::topology::{Topology, CORE};
use anyhow::{bail, Context, Result};
use serde_json::{json, Value};
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Address of the DHCPv4 server on the core.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);

/// Time after which a client of that server renews (T1), in seconds.
pub const RENEW: u32 = 3;

/// Longest time that the server may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(20);

/// What the client does with what it gets: addresses and routes as every distribution's script sets them,
/// and a line for each event, with its server.
const SCRIPT: &str = r#"#!/bin/sh
case $reason in
BOUND|RENEW|REBIND|REBOOT)
    ip -4 addr replace "$new_ip_address/$new_subnet_mask" dev "$interface" valid_lft "$new_dhcp_lease_time" preferred_lft "$new_dhcp_lease_time"
    for router in $new_routers; do ip -4 route replace default via "$router" dev "$interface"; done
    ip link set dev "$interface" mtu "${new_interface_mtu:-1500}"
    ;;
EXPIRE|FAIL|RELEASE|STOP)
    ip -4 addr flush dev "$interface"
    ;;
esac
echo "$reason ${new_ip_address:--} ${new_dhcp_server_identifier:--} ${new_interface_mtu:--}" >> "$EVENTS"
"#;

/// A client that runs on a host until it is dropped, and renews what it has leased.
#[derive(Debug)]
pub struct Client {
    process: Process,
    events: PathBuf,
}

impl Client {
    /// Starts the client of a host.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(network: &Topology, host: &Host) -> Result<Self> {
        let directory = network.run.directory();
        let file = |suffix: &str| directory.join(format!("{}.v4.{suffix}", host.namespace.name()));
        let text = |path: &Path| -> Result<String> {
            Ok(path.to_str().context("a path that is not text")?.to_owned())
        };
        let (script, events, log) = (file("sh"), file("events"), file("dhclient.log"));
        fs::write(&script, SCRIPT)?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
        fs::write(&events, "")?;
        let configuration = file("conf");
        let asked = "request subnet-mask, routers, interface-mtu, dhcp-server-identifier, dhcp-lease-time;\n";
        fs::write(&configuration, format!("{asked}initial-interval 1;\n"))?;
        let words = [
            "dhclient",
            "-4",
            "-d",
            "-lf",
            &text(&file("leases"))?,
            "-pf",
            "/dev/null",
            "-cf",
            &text(&configuration)?,
            "-sf",
            &text(&script)?,
            "-e",
            &format!("EVENTS={}", text(&events)?),
            INTERFACE,
        ];
        let process = Process::start(&host.namespace, "dhclient", &words, &Errors::File(&log))?;
        Ok(Self { process, events })
    }

    /// What became of it so far: the reason, its address, the server and the MTU of each event.
    pub fn events(&self) -> Vec<Vec<String>> {
        let text = fs::read_to_string(&self.events).unwrap_or_default();
        let words = |line: &str| line.split(' ').map(str::to_owned).collect();
        text.lines().map(words).collect()
    }

    /// Waits until it has had so many events for one of these reasons; the last of them.
    ///
    /// # Errors
    /// When it has not within `limit`.
    pub fn wait(&self, reasons: &[&str], count: usize, limit: Duration) -> Result<Vec<String>> {
        let end = Instant::now() + limit;
        loop {
            let events = self.events();
            let mut such = events.iter().filter(|event| {
                let reason = event.first().map(String::as_str).unwrap_or_default();
                reasons.contains(&reason)
            });
            if let Some(event) = count.checked_sub(1).and_then(|nth| such.nth(nth)) {
                return Ok(event.clone());
            }
            if Instant::now() > end {
                bail!(
                    "not {count} of {reasons:?}: {events:?}\n{}",
                    self.process.tail()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A DHCPv4 server that runs.
#[derive(Debug)]
pub struct Server {
    process: Process,
    _namespace: Namespace,
}

impl Server {
    /// Starts a server on the core that has one network to lease from, to hosts whose relay agent names it,
    /// and for each of `fixed` the address that it reserves for that link-layer address.
    ///
    /// # Errors
    /// When it does not start; the error carries the end of its log.
    pub fn start(network: &Topology, subnet: &str, fixed: &[(&str, &str)]) -> Result<Self> {
        Self::at(network, ("dhcp4", SERVER), subnet, fixed)
    }

    /// The same with another name and address than the usual, where there are several.
    ///
    /// # Errors
    /// When it does not start; the error carries the end of its log.
    pub fn at(
        network: &Topology,
        (name, address): (&str, Ipv4Addr),
        subnet: &str,
        fixed: &[(&str, &str)],
    ) -> Result<Self> {
        let namespace = Namespace::host(&network.run, name)?;
        let port = format!("core-{name}");
        cable(
            End::of(&namespace, INTERFACE),
            End::of(&network.switch, &port),
        )?;
        network.switch.plug(&port, CORE)?;
        namespace.ip(&format!("addr add {address}/24 dev {INTERFACE}\n"))?;
        let directory = &network.run.directory().join(name);
        fs::create_dir_all(directory)?;
        let place = directory.to_str().context("a path that is not text")?;
        let reservations: Vec<Value> = fixed
            .iter()
            .map(|(mac, address)| json!({ "hw-address": mac, "ip-address": address }))
            .collect();
        let configuration = json!({ "Dhcp4": {
            "interfaces-config": { "interfaces": [INTERFACE], "dhcp-socket-type": "udp" },
            "lease-database": { "type": "memfile", "persist": false },
            "valid-lifetime": 600,
            "renew-timer": RENEW,
            "rebind-timer": 300,
            "subnet4": [{
                "id": 1,
                "subnet": subnet,
                "pools": [{ "pool": subnet }],
                "reservations": reservations,
                // What the gateway knows better, and says.
                "option-data": [{ "name": "routers", "data": "10.1.255.1" }],
            }],
            "loggers": [{
                "name": "kea-dhcp4",
                "severity": "INFO",
                "output_options": [{ "output": "stderr" }],
            }],
        } });
        let file = directory.join("kea-dhcp4.conf");
        fs::write(&file, serde_json::to_string_pretty(&configuration)?)?;
        let log = directory.join("kea-dhcp4.log");
        let words = [
            "env",
            &format!("KEA_PIDFILE_DIR={place}"),
            &format!("KEA_LOCKFILE_DIR={place}"),
            "kea-dhcp4",
            "-c",
            file.to_str().context("a path that is not text")?,
        ];
        let mut process = Process::start(&namespace, "kea-dhcp4", &words, &Errors::File(&log))?;
        let limit = Instant::now() + START_LIMIT;
        while !process.log().contains("DHCP4_STARTED") {
            if let Some(status) = process.ended()? {
                bail!("kea-dhcp4 ended ({status})\n{}", process.tail());
            }
            if Instant::now() > limit {
                bail!("kea-dhcp4 does not start\n{}", process.tail());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self {
            process,
            _namespace: namespace,
        })
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.process.log()
    }
}
