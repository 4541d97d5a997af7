//! IPv4 through one gateway: two Linux hosts on two links of it, and the narrower one is found out.
//!
//! ```text
//!   left 192.0.2.10 ── left0 anchord right0 ── 198.51.100.20 right
//!                       1500          1400       and 203.0.113.1 behind it
//! ```

use anyhow::{ensure, Context, Result};
use lab::gateway::{Configuration, Gateway, Programs};
use lab::host::INTERFACE;
use lab::network::{cable, End, Namespace};
use lab::run::Run;
use lab::transfer::Transfer;
use serde_json::Value;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

const CONFIG: &str = r#"
[gateway]
name = "router"
[workers]
cores = [0]
idle = "sleep"
[[port]]
name = "left0"
device = "net_af_packet0,iface=left0"
[[port]]
name = "right0"
device = "net_af_packet1,iface=right0"
mtu = 1400
[[interface]]
name = "left"
port = "left0"
kind = "core"
addresses = ["2001:db8:c::1/64", "192.0.2.1/24"]
[[interface]]
name = "right"
port = "right0"
kind = "core"
addresses = ["198.51.100.1/24"]
[[route]]
prefix = "203.0.113.0/24"
via = "198.51.100.20"
[lma]
address = "2001:db8:c::1"
policy = "policy.toml"
"#;

/// The right host.
const RIGHT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 20);

/// An address of the right host that only the gateway's static route leads to.
const BEHIND: &str = "203.0.113.1";

struct Network {
    gateway: Gateway,
    left: Namespace,
    right: Namespace,
    run: Run,
}

fn start(programs: &Programs) -> Result<Network> {
    let run = Run::start()?;
    let router = Namespace::silent(&run, "router")?;
    let left = Namespace::host(&run, "left")?;
    let right = Namespace::host(&run, "right")?;
    cable(End::of(&left, INTERFACE), End::of(&router, "left0"))?;
    cable(End::of(&right, INTERFACE), End::of(&router, "right0"))?;
    left.ip(&format!(
        "addr add 192.0.2.10/24 dev {INTERFACE}\n\
         route add default via 192.0.2.1 dev {INTERFACE}\n"
    ))?;
    // It sends what its link carries and lets others send more, so that they have to find out.
    right.ip(&format!(
        "link set dev {INTERFACE} mtu 1400\n\
         addr add {RIGHT}/24 dev {INTERFACE}\n\
         addr add {BEHIND}/32 dev lo\n\
         route add default via 198.51.100.1 dev {INTERFACE} advmss 1460\n"
    ))?;
    let conf = run.directory().join("conf");
    fs::create_dir(&conf)?;
    fs::write(conf.join("router.toml"), CONFIG)?;
    fs::write(conf.join("policy.toml"), "mags = []\n")?;
    let mut configuration = Configuration::load(&conf, "router")?;
    let gateway = Gateway::start(programs, &router, run.directory(), &mut configuration)?;
    Ok(Network {
        gateway,
        left,
        right,
        run,
    })
}

fn ping(from: &Namespace, more: &[&str]) -> Result<String> {
    let mut words = vec!["ping", "-4", "-n", "-i", "0.2", "-c", "3", "-w", "10"];
    words.extend(more);
    from.run(&words)
}

#[test]
fn two_hosts_talk_over_ipv4_and_find_the_narrow_link_out() -> Result<()> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let mut network = start(&programs)?;
    let (left, right) = (&network.left, &network.right);
    let to = RIGHT.to_string();

    for (from, to) in [
        (left, "192.0.2.1"),
        (left, "198.51.100.1"),
        (left, &to),
        (left, BEHIND),
        (right, "192.0.2.10"),
    ] {
        ping(from, &[to]).with_context(|| network.gateway.tail())?;
    }

    // One hop is one too few.
    let expired = left.run(&["ping", "-4", "-n", "-c", "1", "-w", "5", "-t", "1", &to]);
    let said = format!(
        "{:?}",
        expired.err().context("a hop limit of one is enough")?
    );
    let counted = |name: &str| -> Result<u64> {
        let counters = network.gateway.call("counters", Value::Null)?;
        let groups = counters["groups"].as_array().into_iter().flatten();
        let mut all = groups.flat_map(|group| group["counters"].as_array().into_iter().flatten());
        let found = all.find(|counter| counter["name"] == name);
        Ok(found.and_then(|it| it["value"].as_u64()).unwrap_or(0))
    };
    ensure!(counted("reply_time_exceeded")? > 0, "{said}");

    // What may be cut goes in pieces, what may not does not pass.
    ping(left, &["-M", "dont", "-s", "1400", BEHIND]).with_context(|| network.gateway.tail())?;
    ensure!(counted("forward_fragmented")? > 0);
    ensure!(ping(left, &["-M", "do", "-s", "1400", BEHIND]).is_err());

    // TCP in both directions, until the left end knows what the right link carries.
    let log = network.run.directory().join("hosts.log");
    let transfer = Transfer::start(&programs, left, right, RIGHT, 500_000, &log)?;
    std::thread::sleep(std::time::Duration::from_secs(2));
    let outcome = transfer.stop()?;
    ensure!(
        outcome.intact && outcome.bytes > 200_000,
        "{outcome:?}\n{}",
        network.gateway.tail()
    );
    let route = left.run(&["ip", "-4", "route", "get", &to])?;
    ensure!(
        route.contains("mtu 1400"),
        "the left host learned no MTU: {route}"
    );
    ensure!(counted("reply_packet_too_big")? > 0);

    // A host that nobody has.
    let nobody = ping(left, &["198.51.100.77"]);
    ensure!(nobody.is_err(), "an answer from nobody");
    ensure!(counted("reply_address_unreachable")? > 0);

    let neighbours = network.gateway.call("neighbours", Value::Null)?.to_string();
    ensure!(
        neighbours.contains("192.0.2.10") && neighbours.contains(&to),
        "{neighbours}"
    );
    let routes = network.gateway.call("routes", Value::Null)?.to_string();
    ensure!(routes.contains("203.0.113.0/24"), "{routes}");
    network.gateway.stop_well()
}
