//! The TAP twin of a port: what belongs to the host's own stack reaches it, and what is the gateway's does not.

use anyhow::{ensure, Context, Result};
use lab::domain::{default_conf, Domain};
use lab::gateway::Programs;
use lab::host::Host;
use lab::topology::{Plan, Topology, CN, MN_MAC};
use lab::transfer::Transfer;
use serde_json::Value;
use std::net::Ipv6Addr;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

/// The LMA's address towards the correspondent, which its kernel has too.
const OURS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, 1);

/// Name of the twin.
const TWIN: &str = "inet0-host";

fn give_a_twin(configuration: &mut toml::Table) -> Option<()> {
    let ports = configuration.get_mut("port")?.as_array_mut()?;
    let port = ports
        .iter_mut()
        .find(|port| port["name"].as_str() == Some("inet0"))?;
    port.as_table_mut()?.insert("twin".into(), TWIN.into());
    Some(())
}

/// A TCP session of the correspondent with the LMA's own kernel, on the address and port that the gateway
/// uses, while the gateway anchors a host whose packets leave by the same port.
#[test]
fn the_hosts_own_stack_is_reached_through_the_twin() -> Result<()> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let network = Topology::lay(Plan::default())?;
    let mut given = None;
    let mut domain = Domain::start(network, &programs, &default_conf(), |name, it| {
        if name == "lma" {
            given = give_a_twin(it.table());
        }
    })?;
    given.context("the LMA of the demonstration has no port inet0")?;
    let network = &domain.network;
    network
        .lma
        .sysctl(&[&format!("net.ipv6.conf.{TWIN}.disable_ipv6=0")])?;
    network.lma.ip(&format!(
        "link set dev {TWIN} up\naddr add {OURS}/64 dev {TWIN} nodad\n"
    ))?;

    let mn: Host = network.mobile_node("mn", MN_MAC)?;
    network.plug(&mn, 0)?;
    mn.wait_for_address(LIMIT)?;
    ensure!(mn.reaches(CN, LIMIT), "{}", domain.troubles());

    let log = network.run.directory().join("hosts.log");
    let (from, to) = (&network.cn.namespace, &network.lma);
    let transfer = Transfer::start(&programs, from, to, OURS, 500_000, &log)?;
    std::thread::sleep(Duration::from_secs(2));
    ensure!(mn.reaches(CN, LIMIT), "{}", domain.troubles());
    let outcome = transfer.stop()?;
    ensure!(
        outcome.intact && outcome.bytes > 200_000,
        "{outcome:?}\n{}",
        domain.troubles()
    );

    let ports = domain.gateway("lma")?.call("ports", Value::Null)?;
    let text = ports.to_string();
    ensure!(text.contains(TWIN), "the twin is not shown: {text}");
    domain.stop_well()
}
