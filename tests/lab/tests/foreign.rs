//! Our tunnels and our signalling against code that is not ours: the kernel's segment routing, which
//! with one segment is plain IPv6-in-IPv6, at the far end of the tunnel, and a Mobility Header put together
//! by hand whose checksum the kernel makes and checks.

use anyhow::{ensure, Context, Result};
use lab::domain::{default_conf, Domain};
use lab::foreign::{kernel_tunnel, Registration};
use lab::gateway::Programs;
use lab::host::{Host, INTERFACE};
use lab::process::{Errors, Process};
use lab::topology::{Kernel, Plan, Topology, CN, LMA, MAGS, MN_MAC};
use lab::transfer::Transfer;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);
const IDENTIFIER: &str = "mn1@example.net";
/// The tunnel's MTU. Where the kernel encapsulates, it reports a packet too big to the tunnel and not to
/// the sender, so those who send towards it are told beforehand.
const TUNNEL_MTU: &str = "mtu 1460";

fn programs() -> Result<Programs> {
    Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))
}

/// Two seconds of TCP in both directions, at full segment size, arrive byte for byte.
fn carries_tcp(domain: &Domain, mn: &Host) -> Result<()> {
    let log = domain.network.run.directory().join("hosts.log");
    let (from, to) = (&mn.namespace, &domain.network.cn.namespace);
    let transfer = Transfer::start(&domain.programs, from, to, CN, 1_000_000, &log)?;
    std::thread::sleep(Duration::from_secs(2));
    let outcome = transfer.stop()?;
    ensure!(outcome.intact && outcome.bytes > 500_000, "{outcome:?}");
    Ok(())
}

/// The kernel in the place of a MAG: our LMA takes a registration that its own code did not write, and the
/// kernel unpacks what our LMA encapsulates and the other way round, until the registration ends.
///
/// Proves S1-14, S1-15, S1-16.
#[test]
fn our_lma_serves_a_foreign_mag() -> Result<()> {
    let programs = programs()?;
    let network = Topology::lay(Plan {
        mags: [Kernel::Router, Kernel::Silent],
        ..Plan::default()
    })?;
    let mut domain = Domain::start(network, &programs, &default_conf(), |_, _| {})?;
    let mag = &domain.network.mags[0];
    mag.ip(&format!(
        "addr add {}/64 dev core0 nodad\naddr add fe80::1/64 dev acc0 nodad\n",
        MAGS[0]
    ))?;
    kernel_tunnel(mag, "core0", MAGS[0], LMA, "default")?;

    let register = |update: &Registration| -> Result<Registration> {
        let program = domain
            .programs
            .demo
            .to_str()
            .context("a path that is not text")?;
        let (from, lma, update) = (
            MAGS[0].to_string(),
            LMA.to_string(),
            serde_json::to_string(update)?,
        );
        let words = [
            program, "pbu", "--from", &from, "--lma", &lma, "--update", &update,
        ];
        Ok(serde_json::from_str(&mag.run(&words)?)?)
    };
    let update = Registration::attach(IDENTIFIER, 300);
    let answer = register(&update)?;
    assert_eq!(answer.status, 0, "{answer:?}");
    assert_eq!(
        (&*answer.identifier, answer.prefix_length),
        (IDENTIFIER, 64)
    );
    assert_eq!(answer.lifetime, 300);
    assert!(answer.timestamp >= update.timestamp, "{answer:?}");
    assert_eq!(answer.prefix.segments()[..2], [0x2001, 0xdb8]);

    let prefix = format!("{}/64", answer.prefix);
    mag.ip6(&format!("route add {prefix} dev acc0\n"))?;
    let mn = domain.network.mobile_node("mn", MN_MAC)?;
    domain.network.plug(&mn, 0)?;
    mn.namespace.ip(&format!(
        "link set dev {INTERFACE} {TUNNEL_MTU}\n\
         addr add {}5/64 dev {INTERFACE} nodad\n\
         route add default via fe80::1 dev {INTERFACE}\n",
        answer.prefix
    ))?;
    assert!(mn.reaches(CN, LIMIT), "{}", domain.troubles());
    carries_tcp(&domain, &mn)?;

    let goodbye = Registration {
        sequence: 2,
        lifetime: 0,
        prefix: answer.prefix,
        prefix_length: 64,
        ..Registration::attach(IDENTIFIER, 0)
    };
    assert_eq!(register(&goodbye)?.status, 0);
    assert!(
        !mn.reaches(CN, Duration::from_secs(2)),
        "it forwards after the goodbye"
    );
    domain.stop_well()
}

/// The kernel in the place of the LMA: our MAG takes an acknowledgement that its own code did not write,
/// advertises the prefix in it, and the kernel unpacks what our MAG encapsulates and the other way round.
///
/// Proves S1-26, S1-42, S1-43.
#[test]
fn our_mag_serves_behind_a_foreign_lma() -> Result<()> {
    const PREFIX: &str = "2001:db8:1000:77::";
    let programs = programs()?;
    let network = Topology::lay(Plan {
        lma: Kernel::Router,
        ..Plan::default()
    })?;
    network.lma.ip(&format!(
        "addr add {LMA}/64 dev core0 nodad\naddr add 2001:db8:100::1/64 dev inet0 nodad\n"
    ))?;
    kernel_tunnel(&network.lma, "core0", LMA, MAGS[0], &format!("{PREFIX}/64"))?;
    network
        .cn
        .namespace
        .ip(&format!("link set dev {INTERFACE} {TUNNEL_MTU}\n"))?;
    let program = programs.demo.to_str().context("a path that is not text")?;
    let local = LMA.to_string();
    let words = [program, "pba", "--local", &local, "--prefix", PREFIX];
    let log = network.run.directory().join("pba.log");
    let mut anchor = Process::start(&network.lma, "the anchor", &words, &Errors::File(&log))?;
    let mut says = BufReader::new(anchor.stdout().context("no pipe from the anchor")?).lines();
    assert_eq!(says.next().context("the anchor says nothing")??, "ready");

    let mut domain = Domain::start(network, &programs, &default_conf(), |_, _| {})?;
    let mn = domain.network.mobile_node("mn", MN_MAC)?;
    domain.network.plug(&mn, 0)?;
    let update: Registration =
        serde_json::from_str(&says.next().context("the anchor heard nothing")??)?;
    assert_eq!((&*update.identifier, update.prefix_length), (IDENTIFIER, 0));
    assert!(
        update.lifetime > 0 && update.timestamp.is_some(),
        "{update:?}"
    );
    let address = mn.wait_for_address(LIMIT)?.to_string();
    assert!(address.starts_with("2001:db8:1000:77:"), "{address}");
    assert!(mn.reaches(CN, LIMIT), "{}", domain.troubles());
    carries_tcp(&domain, &mn)?;
    let visitors = domain.gateway("mag1")?.call("visitors", Value::Null)?;
    assert_eq!(visitors[0]["state"], "bound", "{visitors}");

    domain.anchorctl("mag1", &["detach", MN_MAC])?;
    let goodbye = says
        .map_while(Result::ok)
        .filter_map(|line| serde_json::from_str::<Registration>(&line).ok())
        .find(|update| update.lifetime == 0);
    assert_eq!(goodbye.context("no goodbye")?.identifier, IDENTIFIER);
    domain.stop_well()
}
