//! Linux hosts: the correspondent node and the mobile nodes. They run nothing of ours but the
//! programs that measure.

use crate::network::Namespace;
use anyhow::{bail, Context, Result};
use serde_json::Value;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// The only interface of a host.
pub const INTERFACE: &str = "eth0";

/// A host.
#[derive(Debug)]
pub struct Host {
    /// Its namespace.
    pub namespace: Namespace,
    /// Name of the far end of its cable, in the switch.
    pub cable: String,
}

impl Host {
    /// Its global addresses that have passed duplicate address detection.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn addresses(&self) -> Result<Vec<Ipv6Addr>> {
        self.list(&["scope", "global", "-tentative"])
    }

    /// Its link-local addresses that have passed duplicate address detection.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn link_local(&self) -> Result<Vec<Ipv6Addr>> {
        self.list(&["scope", "link", "-tentative"])
    }

    fn list(&self, filter: &[&str]) -> Result<Vec<Ipv6Addr>> {
        let name = self.namespace.name();
        let mut words = vec![
            "ip", "-n", name, "-j", "-6", "addr", "show", "dev", INTERFACE,
        ];
        words.extend(filter);
        let shown: Value = serde_json::from_str(&crate::command::run(&words)?)?;
        let interfaces = shown.as_array().into_iter().flatten();
        let addresses = interfaces.flat_map(|interface| interface["addr_info"].as_array().cloned());
        addresses
            .flatten()
            .filter_map(|address| address["local"].as_str().map(str::to_owned))
            .map(|address| address.parse().context("not an address"))
            .collect()
    }

    /// The routers that it knows on its link.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn routers(&self) -> Result<Vec<Ipv6Addr>> {
        let name = self.namespace.name();
        let words = ["ip", "-n", name, "-j", "-6", "route", "show", "default"];
        let shown: Value = serde_json::from_str(&crate::command::run(&words)?)?;
        let mut routers = Vec::new();
        for route in shown.as_array().into_iter().flatten() {
            let hops = route["nexthops"].as_array().into_iter().flatten();
            for hop in hops.chain([route]) {
                if let Some(gateway) = hop["gateway"].as_str() {
                    routers.push(gateway.parse().context("not an address")?);
                }
            }
        }
        routers.sort_unstable();
        routers.dedup();
        Ok(routers)
    }

    /// The address from which it would begin a session with another host.
    ///
    /// # Errors
    /// When it has no way there.
    pub fn source_to(&self, other: Ipv6Addr) -> Result<Ipv6Addr> {
        let (name, other) = (self.namespace.name(), other.to_string());
        let words = ["ip", "-n", name, "-j", "-6", "route", "get", &other];
        let shown: Value = serde_json::from_str(&crate::command::run(&words)?)?;
        let source = shown[0]["prefsrc"].as_str().context("no source")?;
        source.parse().context("not an address")
    }

    /// Waits until it has configured a global address for itself.
    ///
    /// # Errors
    /// When it has none within `limit`.
    pub fn wait_for_address(&self, limit: Duration) -> Result<Ipv6Addr> {
        let limit = Instant::now() + limit;
        loop {
            if let Some(address) = self.addresses()?.first() {
                return Ok(*address);
            }
            if Instant::now() > limit {
                let name = self.namespace.name();
                bail!("{name} got no global address: no Router Advertisement reached it");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether one of the echo requests that it sends within `limit` is answered. An error message is no answer: the
    /// way may not be open yet.
    pub fn reaches(&self, address: impl Into<IpAddr>, limit: Duration) -> bool {
        let address = address.into();
        let family = if address.is_ipv4() { "-4" } else { "-6" };
        let (end, address) = (Instant::now() + limit, address.to_string());
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let left = left.as_secs().max(1).to_string();
            // It ends with the first answer or error message, and fails when no answer came in time.
            let words = [
                "ping", family, "-q", "-i", "0.2", "-c", "1", "-w", &left, &address,
            ];
            if self.namespace.run(&words).is_ok() {
                return true;
            }
            if Instant::now() >= end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
