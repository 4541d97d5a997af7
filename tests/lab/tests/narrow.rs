//! A core that carries 1280 octets, the least that IPv6 allows: packets of that size cross it in a tunnel
//! all the same, in fragments (RFC 2473 section 7.1).

use anyhow::{Context, Result};
use lab::capture::Capture;
use lab::domain::{default_conf, Domain};
use lab::gateway::{Configuration, Programs};
use lab::judge::{count, read};
use lab::network::End;
use lab::topology::{Plan, Topology, CN, LMA, MAGS, MN_MAC};
use lab::transfer::Transfer;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(40);
const CORE_MTU: i64 = 1280;

/// Gives a gateway's core port the MTU of the core.
fn narrow(configuration: &mut Configuration) {
    let ports = configuration.table().get_mut("port");
    let ports = ports.and_then(toml::Value::as_array_mut);
    for port in ports.into_iter().flatten() {
        let core = port.get("name").and_then(toml::Value::as_str) == Some("core0");
        if let Some(port) = port.as_table_mut().filter(|_| core) {
            port.insert("mtu".to_owned(), CORE_MTU.into());
        }
    }
}

/// tshark, which puts fragments together itself, finds a whole echo in each pair of them, nothing that
/// overlaps or is missing, and nothing on the link that is longer than it carries.
fn judge(trail: &Path) -> Result<()> {
    assert_eq!(count(trail, "_ws.malformed")?, 0);
    let wrong = "ipv6.fragment.overlap || ipv6.fragment.multipletails || ipv6.fragment.error";
    assert_eq!(count(trail, wrong)?, 0);
    let longest = CORE_MTU + 14;
    assert_eq!(count(trail, &format!("frame.len > {longest}"))?, 0);
    let inner = "ipv6.fragment.count == 2 && icmpv6.type in {128,129}";
    let fields = ["ipv6.src", "ipv6.dst", "ipv6.reassembled.length"];
    let whole = read(trail, inner, &fields)?;
    let (lma, mag) = (LMA.to_string(), MAGS[0].to_string());
    for (from, to) in [(&mag, &lma), (&lma, &mag)] {
        let outer =
            |frame: &&Vec<String>| frame[0].starts_with(&**from) && frame[1].starts_with(&**to);
        let echoes: Vec<_> = whole.iter().filter(outer).collect();
        assert!(echoes.len() >= 10, "{from} to {to}: {whole:?}");
        let length = |frame: &&Vec<String>| frame[2] == CORE_MTU.to_string();
        assert!(echoes.iter().all(length), "{echoes:?}");
    }
    Ok(())
}

/// Pings of 1280 octets, which nobody may fragment on the way, are answered whole, and a TCP session goes
/// through byte for byte.
#[test]
fn packets_of_1280_octets_cross_a_core_that_carries_no_more() -> Result<()> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let network = Topology::lay(Plan::default())?;
    // What is longer is lost there, not passed on by a kernel that is generous.
    let ends = ["core-lma", "core-mag1", "core-mag2"];
    let lines = ends.map(|end| format!("link set dev {end} mtu {CORE_MTU}\n"));
    network.switch.ip(&lines.concat())?;
    let domain = Domain::start(network, &programs, &default_conf(), |_, it| narrow(it))?;
    let mn = domain.network.mobile_node("mn", MN_MAC)?;
    domain.network.plug(&mn, 0)?;
    mn.wait_for_address(LIMIT)?;
    assert!(mn.reaches(CN, LIMIT), "{}", domain.troubles());

    let trail = domain.network.run.directory().join("core.pcap");
    let capture = Capture::start_whole(End::of(&domain.network.switch, "core-lma"), &trail)?;
    let cn = CN.to_string();
    // 40 octets of IPv6 and 8 of ICMPv6 in front.
    let size = (CORE_MTU - 48).to_string();
    let ping = [
        "ping", "-6", "-M", "do", "-c", "10", "-i", "0.1", "-s", &size, &cn,
    ];
    let answered = mn.namespace.run(&ping).with_context(|| domain.troubles())?;
    assert!(answered.contains(" 0% packet loss"), "{answered}");
    judge(&capture.stop()?)?;

    let log = domain.network.run.directory().join("hosts.log");
    let (from, to) = (&mn.namespace, &domain.network.cn.namespace);
    let transfer = Transfer::start(&domain.programs, from, to, CN, 500_000, &log)?;
    std::thread::sleep(Duration::from_secs(3));
    let outcome = transfer.stop()?;
    assert!(outcome.intact, "{outcome:?}\n{}", domain.troubles());
    assert!(
        outcome.bytes > 200_000,
        "{outcome:?}\n{}",
        domain.troubles()
    );

    for gateway in ["lma", "mag1"] {
        let [cut, born, kept, whole] = [
            "forward_fragmented",
            "born_fragment",
            "hold_reassembling",
            "born_reassembled",
        ]
        .map(|name| domain.gateway(gateway)?.counter(name));
        assert!(cut? >= 10, "{}", domain.troubles());
        assert!(born? >= 20 && kept? >= 20, "{}", domain.troubles());
        assert!(whole? >= 10, "{}", domain.troubles());
    }
    Ok(())
}
