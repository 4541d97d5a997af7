//! How long it takes a host from its first frame on a link until a packet of a correspondent reaches it, by the
//! way in which it gets its address.
//!
//! ```text
//!   plugged in ─► first frame ─► duplicate address detection, solicitation, DHCP … ─► echo request ─► its reply
//!                 │◄─────────────────────────── measured, in the capture of its link ──────────────────►│
//! ```
//!
//! Each host is an ordinary one, with the waits that its own kernel and client make. It is gone from its gateway
//! before it comes again, and its addresses with it.

use crate::capture::Capture;
use crate::domain::Domain;
use crate::gateway::{Configuration, Programs};
use crate::host::{Host, INTERFACE};
use crate::judge::read;
use crate::measure::Spread;
use crate::network::End;
use crate::process::{Errors, Process};
use crate::topology::{Plan, Topology, CN};
use crate::{dhcp, dhcpv4};
use anyhow::{Context, Result};
use serde::Serialize;
use std::fmt;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use toml::Table;

/// Longest time for an attachment or a departure.
const LIMIT: Duration = Duration::from_secs(30);

/// The correspondent's IPv4 address.
const CN4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 20);

/// The prefix that policy fixes for the host that is set up by hand, and for the one that Kea serves: its
/// subnet.
const BY_HAND: &str = "2001:db8:2000:3::";
const LEASED: &str = "2001:db8:2000:2::/64";

/// Ways in which a host gets its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Out of a Router Advertisement.
    Slaac,
    /// From a DHCPv6 server, Kea, by dhclient.
    Dhcpv6,
    /// By hand, before it is plugged in.
    Manual,
    /// From the gateway's DHCPv4 server, by dhclient.
    Dhcpv4,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Slaac, Self::Dhcpv6, Self::Manual, Self::Dhcpv4];

    const fn name(self) -> &'static str {
        match self {
            Self::Slaac => "slaac",
            Self::Dhcpv6 => "dhcpv6",
            Self::Manual => "manual",
            Self::Dhcpv4 => "dhcpv4",
        }
    }

    const fn mac(self) -> &'static str {
        match self {
            Self::Slaac => "02:00:00:00:0a:01",
            Self::Dhcpv6 => "02:00:00:00:0a:02",
            Self::Manual => "02:00:00:00:0a:03",
            Self::Dhcpv4 => "02:00:00:00:0a:04",
        }
    }
}

/// What was measured of a method, in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Attachments {
    /// The method.
    pub method: Method,
    /// From the first frame to the first reply.
    #[serde(flatten)]
    pub spread: Spread,
}

impl fmt::Display for Attachments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} | {} |", self.method.name(), self.spread)
    }
}

/// The demonstration's domain, with a host for each method.
fn adjust(name: &str, configuration: &mut Configuration) {
    for method in Method::ALL {
        let identifier = format!("{}@example.net", method.name());
        let mut host = Table::from_iter([("identifier".into(), identifier.into())]);
        if name == "lma" {
            let fixed = match method {
                Method::Manual => Some(format!("{BY_HAND}/64")),
                Method::Dhcpv6 => Some(LEASED.to_owned()),
                Method::Slaac | Method::Dhcpv4 => None,
            };
            if let Some(prefix) = fixed {
                host.insert("home_network_prefixes".into(), vec![prefix].into());
            }
        } else {
            host.insert("mac".into(), method.mac().into());
            host.insert("lma".into(), "2001:db8:c::1".into());
            host.insert("managed".into(), (method == Method::Dhcpv6).into());
            let ipv4 = method == Method::Dhcpv4;
            host.insert("ipv4".into(), ipv4.into());
            host.insert("ipv6".into(), (!ipv4).into());
        }
        let hosts = configuration.policy().get_mut("host");
        if let Some(hosts) = hosts.and_then(toml::Value::as_array_mut) {
            hosts.push(host.into());
        }
    }
    if name == "lma" {
        configuration.add_address("internet", "198.51.100.1/24");
        let network = Table::from_iter([("prefix".into(), "10.1.0.0/16".into())]);
        configuration.set("lma", "ipv4_networks", vec![toml::Value::Table(network)]);
        return;
    }
    configuration.add_address("access", "169.254.0.1/32");
    let servers = vec![dhcp::SERVER.to_string()];
    let relay = Table::from_iter([("servers".into(), servers.into())]);
    configuration.set("mag", "dhcpv6", relay);
    // A host that has left without a word is missed soon.
    configuration.set("mag", "reachable_time", 1);
    configuration.set("mag", "retrans_timer_ms", 100);
}

/// A client that runs while its host is attached.
enum Client {
    None,
    V6(#[allow(dead_code)] dhcp::Client),
    V4(#[allow(dead_code)] dhcpv4::Client),
}

/// Attaches a host by each method `times` times, and tells `progress` of each round.
///
/// # Errors
/// When a host does not attach, or something of the lab fails.
pub fn run(
    programs: &Programs,
    conf: &Path,
    times: usize,
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<Attachments>> {
    let network = Topology::lay(Plan::default())?;
    network.cn.namespace.ip(&format!(
        "addr add {CN4}/24 dev {INTERFACE}\nroute add default via 198.51.100.1 dev {INTERFACE}\n"
    ))?;
    let _server = dhcp::Server::start(&network, &[LEASED])?;
    let mut domain = Domain::start(network, programs, conf, adjust)?;
    let mut measured = Vec::new();
    for method in Method::ALL {
        let host = domain.network.mobile_node(method.name(), method.mac())?;
        if matches!(method, Method::Dhcpv6 | Method::Manual) {
            let setting = format!("net.ipv6.conf.{INTERFACE}.autoconf=0");
            host.namespace.sysctl(&[&setting])?;
        }
        let file = format!("{}.pcap", method.name());
        let file = domain.network.run.directory().join(file);
        // The host's own cable comes and goes.
        let capture = Capture::start(End::of(&domain.network.switch, "acc-mag1"), &file)?;
        let mut begun = Vec::new();
        for round in 1..=times {
            begun.push(since_1970());
            attach(&domain, &host, method)
                .with_context(|| format!("{}, round {round}", method.name()))
                .with_context(|| domain.troubles())?;
            progress(&format!("{}: {round} of {times}", method.name()));
        }
        capture.stop()?;
        let took = took(&file, method, &begun)?;
        let spread = Spread::of(took.into_iter());
        measured.push(Attachments { method, spread });
    }
    domain.stop_well()?;
    Ok(measured)
}

fn since_1970() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

/// Attaches a host and lets it go again.
fn attach(domain: &Domain, host: &Host, method: Method) -> Result<()> {
    let network = &domain.network;
    host.namespace
        .ip(&format!("link set dev {INTERFACE} up\n"))?;
    if method == Method::Manual {
        host.namespace.ip(&format!(
            "addr replace {BY_HAND}7/64 dev {INTERFACE}\nroute replace default via fe80::1 dev {INTERFACE}\n"
        ))?;
    }
    network.plug(host, 0)?;
    let client = match method {
        Method::Slaac | Method::Manual => Client::None,
        Method::Dhcpv4 => Client::V4(dhcpv4::Client::start(network, host)?),
        Method::Dhcpv6 => {
            // The client needs a link-local address that has been tested.
            let end = std::time::Instant::now() + LIMIT;
            while host.link_local()?.is_empty() && std::time::Instant::now() < end {
                std::thread::sleep(Duration::from_millis(5));
            }
            Client::V6(dhcp::Client::start(network, host)?)
        }
    };
    let to = match method {
        Method::Dhcpv4 => CN4.to_string(),
        _ => CN.to_string(),
    };
    // Until there is an address and a route, each fails at once.
    let until =
        format!("until ping -n -q -c 1 -i 0.02 -w 1 {to} >/dev/null 2>&1; do sleep 0.01; done");
    let words = ["timeout", "30", "sh", "-c", until.as_str()];
    let log = network.run.directory().join("ping.log");
    let mut ping = Process::start(&host.namespace, "ping", &words, &Errors::File(&log))?;
    let status = ping.wait(LIMIT + Duration::from_secs(5))?;
    anyhow::ensure!(status.success(), "no reply from {to}");
    drop(client);
    host.namespace.ip(&format!(
        "addr flush dev {INTERFACE} scope global\nlink set dev {INTERFACE} down\n"
    ))?;
    network.unplug(host)?;
    domain.wait_forgotten("mag1", LIMIT)
}

/// From the first frame of the host to the first reply to it, for each round, in milliseconds.
fn took(file: &Path, method: Method, begun: &[f64]) -> Result<Vec<f64>> {
    let fields = ["frame.time_epoch", "eth.src", "icmpv6.type", "icmp.type"];
    let of_host = format!("eth.addr == {}", method.mac());
    let frames = read(file, &of_host, &fields)?;
    let mut took = Vec::new();
    for (round, begin) in begun.iter().enumerate() {
        let end = begun.get(round + 1).copied().unwrap_or(f64::INFINITY);
        let (mut first, mut reply) = (None, None);
        for frame in &frames {
            let [at, from, icmpv6, icmp] = frame.as_slice() else {
                continue;
            };
            let at: f64 = at.parse().context("a time")?;
            if !(*begin..end).contains(&at) {
                continue;
            }
            if from == method.mac() {
                first = first.or(Some(at));
            } else if icmpv6 == "129" || icmp == "0" {
                reply = reply.or(Some(at));
            }
        }
        let (first, reply) = first.zip(reply).context("a round without frames")?;
        took.push((reply - first) * 1e3);
    }
    Ok(took)
}
