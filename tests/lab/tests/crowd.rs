//! Many hosts at once.

use anyhow::{ensure, Context, Result};
use lab::domain::{default_conf, Domain};
use lab::gateway::Programs;
use lab::host::Host;
use lab::topology::{Plan, Topology, CN, LMA};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

const HOSTS: u8 = 200;
const LIMIT: Duration = Duration::from_secs(60);

fn mac(number: u8) -> String {
    format!("02:00:00:00:01:{number:02x}")
}

/// MAGs know every host by its link-layer address; the LMA serves whomever they name.
fn name_everybody(gateway: &str, policy: &mut toml::Table) {
    if gateway == "lma" {
        policy.insert("serve_unlisted".into(), true.into());
        return;
    }
    let hosts = (0..HOSTS).map(|number| {
        let host = [
            ("mac", mac(number)),
            ("identifier", format!("mn{number}@example.net")),
            ("lma", LMA.to_string()),
        ];
        let host = host.map(|(key, value)| (key.to_owned(), toml::Value::from(value)));
        toml::Value::from(toml::Table::from_iter(host))
    });
    policy.insert("host".into(), toml::Value::Array(hosts.collect()));
}

/// Two hundred Linux hosts, half on either access link, all of whose links come up at once: each gets a
/// prefix that nobody else has, configures its address and reaches the correspondent.
///
/// Proves S1-14, S1-25, S1-26.
#[test]
fn two_hundred_hosts_attach_at_once() -> Result<()> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let network = Topology::lay(Plan::default())?;
    let mut domain = Domain::start(
        network,
        &programs,
        &default_conf(),
        |name, configuration| {
            name_everybody(name, configuration.policy());
        },
    )?;
    let network = &domain.network;
    let hosts = (0..HOSTS).map(|number| network.mobile_node(&format!("mn{number}"), &mac(number)));
    let hosts = hosts.collect::<Result<Vec<Host>>>()?;
    network.plug_all(hosts.iter().zip([0, 1].into_iter().cycle()))?;

    let mut prefixes = BTreeSet::new();
    for host in &hosts {
        let address = host.wait_for_address(LIMIT)?;
        prefixes.insert(address.segments().map(u64::from)[..4].to_vec());
    }
    assert_eq!(prefixes.len(), hosts.len(), "two hosts share a prefix");
    for host in &hosts {
        ensure!(
            host.reaches(CN, LIMIT),
            "{} does not reach the correspondent",
            host.cable
        );
    }
    let count = |gateway: &str, method: &str| -> Result<usize> {
        let list = domain.gateway(gateway)?.call(method, Value::Null)?;
        Ok(list.as_array().context("not a list")?.len())
    };
    assert_eq!(count("lma", "bindings")?, hosts.len());
    assert_eq!(
        count("mag1", "visitors")? + count("mag2", "visitors")?,
        hosts.len()
    );
    domain.stop_well()
}
