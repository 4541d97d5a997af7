//! A host that gets its address from a real DHCPv6 server, through the gateway that serves it.

use anyhow::{ensure, Context, Result};
use lab::capture::Capture;
use lab::dhcp::{Client, Server, RENEW, SERVER};
use lab::domain::{default_conf, Domain};
use lab::gateway::{Configuration, Programs};
use lab::host::Host;
use lab::judge::{count, read};
use lab::network::End;
use lab::ping::{now_us, Pinger};
use lab::topology::{Plan, Topology, CN, CORE, MN_MAC};
use lab::transfer::Transfer;
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use serde_json::{json, Value};
use std::net::Ipv6Addr;
use std::path::Path;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);

/// The host's home network prefix.
const HOME: &str = "2001:db8:1000:1::/64";

/// The prefix is the host's by policy, its home link is managed, and the gateways relay.
fn adjust(name: &str, configuration: &mut Configuration) {
    let host = configuration.policy().get_mut("host");
    let host = host.and_then(|hosts| hosts.get_mut(0));
    let Some(host) = host.and_then(toml::Value::as_table_mut) else {
        return;
    };
    if name == "lma" {
        host.insert("home_network_prefixes".into(), vec![HOME].into());
        return;
    }
    host.insert("managed".into(), true.into());
    let mut dhcp = toml::Table::new();
    dhcp.insert("servers".into(), vec![SERVER.to_string()].into());
    configuration.set("mag", "dhcpv6", dhcp);
}

/// Waits until the host has no link-local address that is still tested.
fn wait_for_link_local(host: &Host) -> Result<Ipv6Addr> {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(address) = host.link_local()?.first() {
            return Ok(*address);
        }
        ensure!(Instant::now() < end, "the host has no link-local address");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until a gateway's only visitor has this address by DHCP; the visitor.
fn wait_for_lease(domain: &Domain, gateway: &str, address: Ipv6Addr) -> Result<Value> {
    let end = Instant::now() + LIMIT;
    loop {
        let visitors = domain.gateway(gateway)?.call("visitors", Value::Null)?;
        let leased = |visitor: &Value| {
            let known = visitor["addresses"].as_array().into_iter().flatten();
            let text = address.to_string();
            let mut leased = known.filter(|it| it["learned"] == "dhcp");
            leased.any(|it| it["address"] == text.as_str())
        };
        if let Some(visitor) = visitors
            .as_array()
            .into_iter()
            .flatten()
            .find(|it| leased(it))
        {
            return Ok(visitor.clone());
        }
        ensure!(Instant::now() < end, "no lease of {address}: {visitors}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The host's client finds the server through the first gateway, and gets an address of its prefix; the
/// anchor is told. Then the host moves with a session open; its client renews through the second
/// gateway, and the address stays what it was. tshark reads the relay agent's messages.
///
/// Proves S1-25, S1-27, S1-35, S1-38, S1-39, S1-41.
#[test]
fn a_lease_follows_its_host() -> Result<()> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let network = Topology::lay(Plan::default())?;
    let _server = Server::start(&network, &[HOME])?;
    let mut domain = Domain::start(network, &programs, &default_conf(), adjust)?;
    let directory = domain.network.run.directory().to_path_buf();
    let core = directory.join("core.pcap");
    let capture = Capture::start(End::of(&domain.network.switch, CORE), &core)?;
    let mn = domain.network.mobile_node("mn", MN_MAC)?;
    // It gets its address from the server alone.
    mn.namespace.sysctl(&["net.ipv6.conf.eth0.autoconf=0"])?;
    domain.network.plug(&mn, 0)?;
    wait_for_link_local(&mn)?;
    let client = Client::start(&domain.network, &mn)?;
    let address = mn.wait_for_address(LIMIT)?;
    ensure!(
        address.segments()[..4] == [0x2001, 0xdb8, 0x1000, 1],
        "{address} is not of {HOME}"
    );
    let visitor = wait_for_lease(&domain, "mag1", address)?;
    assert_eq!(visitor["dhcp_server"], SERVER.to_string().as_str());
    assert_eq!(visitor["router"], "fe80::1");
    assert_eq!(visitor["router_mac"], "02:00:5e:00:52:13");
    assert!(mn.reaches(CN, LIMIT));

    let session = Transfer::start(
        &programs,
        &mn.namespace,
        &domain.network.cn.namespace,
        CN,
        200_000,
        &directory.join("tcp.log"),
    )?;
    std::thread::sleep(Duration::from_millis(500));
    domain.network.plug(&mn, 1)?;
    wait_for_lease(&domain, "mag2", address)?;
    assert_eq!(mn.addresses()?, [address]);
    let outcome = session.stop()?;
    ensure!(outcome.intact && outcome.bytes > 0, "{outcome:?}");
    drop(client);
    domain.stop_well()?;
    capture.stop()?;

    let relayed = read(
        &core,
        "dhcpv6.msgtype == 12",
        &[
            "ipv6.src",
            "ipv6.dst",
            "dhcpv6.hopcount",
            "dhcpv6.linkaddr",
            "dhcpv6.option.type",
            "udp.checksum.status",
        ],
    )?;
    ensure!(!relayed.is_empty(), "nothing was relayed");
    let first = relayed.first().context("nothing was relayed")?;
    let link: Ipv6Addr = first[3].parse()?;
    ensure!(
        link.segments()[..4] == [0x2001, 0xdb8, 0x1000, 1],
        "{link} is not of {HOME}"
    );
    for message in &relayed {
        assert_eq!(
            message[1..4],
            [SERVER.to_string(), "0".into(), first[3].clone()]
        );
        let options: Vec<&str> = message[4].split(',').collect();
        for option in ["9", "18", "79"] {
            ensure!(options.contains(&option), "no option {option}: {message:?}");
        }
    }
    assert_eq!(first[0], "2001:db8:c::11");
    let renewed = "dhcpv6.msgtype == 5 && ipv6.src == 2001:db8:c::12";
    ensure!(
        count(&core, renewed)? > 0,
        "not renewed through the second gateway within {RENEW:?}"
    );
    ensure!(count(&core, "dhcpv6 && _ws.malformed")? == 0, "malformed");
    Ok(())
}

/// What the server delegates from, and the gateways let it.
const DELEGATED: &str = "2001:db8:d000::/36";

/// Kea's pool of it.
fn delegating() -> Value {
    json!([{ "prefix": "2001:db8:d000::", "prefix-len": 36, "delegated-len": 56 }])
}

/// The same, and the server delegates from what the anchor takes for it.
fn delegate(name: &str, configuration: &mut Configuration) {
    adjust(name, configuration);
    let ranges: toml::Value = vec![DELEGATED].into();
    if name == "lma" {
        configuration.set("lma", "delegated_prefixes", ranges);
        return;
    }
    let mut dhcp = toml::Table::new();
    dhcp.insert("servers".into(), vec![SERVER.to_string()].into());
    dhcp.insert("delegates".into(), ranges);
    configuration.set("mag", "dhcpv6", dhcp);
}

/// Waits until what is delegated to the only host behind a gateway is bound there.
fn wait_for_delegation(domain: &Domain, gateway: &str, method: &str) -> Result<String> {
    let end = Instant::now() + LIMIT;
    loop {
        let list = domain.gateway(gateway)?.call(method, Value::Null)?;
        if let Some(prefix) = list[0]["delegated_prefixes"][0].as_str() {
            return Ok(prefix.to_owned());
        }
        ensure!(
            Instant::now() < end,
            "nothing is delegated: {list}\n{}",
            domain.troubles()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A host that is a router asks for a prefix. The server delegates one, the gateway tells the anchor of it, and
/// the correspondent reaches an address in it, which is on no link of the gateway's. The host moves: the
/// next gateway learns from the anchor what is delegated, and the address is reached on.
///
/// Proves S1-38, S1-41.
#[test]
fn a_delegated_prefix_follows_its_host() -> Result<()> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let network = Topology::lay(Plan::default())?;
    let _server = Server::delegating(&network, &[HOME], &delegating())?;
    let mut domain = Domain::start(network, &programs, &default_conf(), delegate)?;
    let mn = domain.network.mobile_node("mn", MN_MAC)?;
    mn.namespace.sysctl(&["net.ipv6.conf.eth0.autoconf=0"])?;
    domain.network.plug(&mn, 0)?;
    wait_for_link_local(&mn)?;
    let client = Client::router(&domain.network, &mn)?;
    let prefix = wait_for_delegation(&domain, "mag1", "visitors")?;
    assert_eq!(wait_for_delegation(&domain, "lma", "bindings")?, prefix);
    let (first, length) = prefix.split_once('/').context("not a prefix")?;
    assert_eq!(length, "56");
    let first: Ipv6Addr = first.parse()?;
    ensure!(
        first.segments()[..2] == [0x2001, 0xdb8] && first.segments()[2] >> 12 == 0xd,
        "{first}"
    );
    // An address of a network behind the host.
    let inside = Ipv6Addr::from_bits(first.to_bits() | 0x17 << 64 | 0x7);
    mn.namespace
        .ip(&format!("addr add {inside}/128 dev lo nodad\n"))?;
    let log = domain.network.run.directory().join("hosts.log");
    let every = Duration::from_millis(20);
    let pinger = Pinger::start(&programs, &domain.network.cn, inside, every, &log)?;
    pinger
        .wait_through(0, LIMIT)
        .with_context(|| domain.troubles())?;

    domain.network.plug(&mn, 1)?;
    assert_eq!(wait_for_delegation(&domain, "mag2", "visitors")?, prefix);
    pinger
        .wait_through(now_us(), LIMIT)
        .with_context(|| domain.troubles())?;
    domain.wait_forgotten("mag1", LIMIT)?;
    pinger.stop()?;
    drop(client);
    domain.stop_well()?;
    Ok(())
}

/// Waits until the host behind a gateway is bound and nothing that is said of it is on its way.
fn wait_settled(domain: &Domain, gateway: &str) -> Result<()> {
    let end = Instant::now() + LIMIT;
    loop {
        let visitors = domain.gateway(gateway)?.call("visitors", Value::Null)?;
        if visitors[0]["state"] == "bound" {
            return Ok(());
        }
        ensure!(Instant::now() < end, "not settled: {visitors}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The anchor is stopped while the server delegates a prefix: the answer is held, and then goes to the host
/// without it. The anchor goes on, and nobody has the prefix, until the host asks again: then it gets the
/// one that the server has had for it all the time.
///
/// Proves S1-38.
#[test]
fn an_answer_is_held_until_the_anchor_has_acknowledged_it() -> Result<()> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let network = Topology::lay(Plan::default())?;
    let server = Server::delegating(&network, &[HOME], &delegating())?;
    let mut domain = Domain::start(network, &programs, &default_conf(), delegate)?;
    let mn = domain.network.mobile_node("mn", MN_MAC)?;
    mn.namespace.sysctl(&["net.ipv6.conf.eth0.autoconf=0"])?;
    domain.network.plug(&mn, 0)?;
    wait_for_link_local(&mn)?;
    wait_settled(&domain, "mag1")?;

    let anchor = Pid::from_raw(domain.gateway("lma")?.id().try_into()?);
    kill(anchor, Signal::SIGSTOP)?;
    let client = Client::router(&domain.network, &mn)?;
    let end = Instant::now() + LIMIT;
    while domain.gateway("mag1")?.counter("dhcp_prefixes_refused")? == 0 {
        ensure!(Instant::now() < end, "{}", domain.troubles());
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(client);
    kill(anchor, Signal::SIGCONT)?;
    wait_settled(&domain, "mag1")?;
    for (gateway, method) in [("mag1", "visitors"), ("lma", "bindings")] {
        let list = domain.gateway(gateway)?.call(method, Value::Null)?;
        assert_eq!(list[0]["delegated_prefixes"], json!([]), "{gateway}");
    }

    let client = Client::router(&domain.network, &mn)?;
    let prefix = wait_for_delegation(&domain, "mag1", "visitors")?;
    assert_eq!(wait_for_delegation(&domain, "lma", "bindings")?, prefix);
    let leased = prefix.split('/').next().context("not a prefix")?;
    let log = server.log();
    let given = |line: &&str| line.contains("PD_LEASE_ALLOC") && line.contains(leased);
    ensure!(log.lines().filter(given).count() > 0, "{log}");
    drop(client);
    domain.stop_well()?;
    Ok(())
}
