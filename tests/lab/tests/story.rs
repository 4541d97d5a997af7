//! The demonstration itself, and what its captures say.

use anyhow::{ensure, Context, Result};
use lab::judge::{count, read};
use lab::process::{Errors, Process};
use lab::run::Run;
use lab::topology::{CN, LMA, MAGS, MN_MAC};
use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

const ROUTER_MAC: &str = "02:00:5e:00:52:13";
const HOME: &str = "2001:db8:1000::/40";

/// Runs `anchorage-demo --json` and returns its last line and where its captures are.
fn demonstrate(run: &Run) -> Result<(Value, PathBuf)> {
    let pcaps = run.directory().join("pcaps");
    let words = [
        env!("CARGO_BIN_EXE_anchorage-demo"),
        "--json",
        "--pcaps",
        pcaps.to_str().context("a path that is not text")?,
    ];
    let log = run.directory().join("demo.log");
    let mut demo = Process::start_here("the demonstration", &words, &Errors::File(&log))?;
    let mut said = String::new();
    demo.stdout()
        .context("no pipe")?
        .read_to_string(&mut said)?;
    let status = demo.wait(Duration::from_secs(5))?;
    ensure!(status.success(), "{status}\n{}", demo.log());
    let last = said.lines().last().context("no output")?;
    Ok((serde_json::from_str(last)?, pcaps))
}

/// The whole story: the TCP session survives, and every capture shows what each link may show. On the
/// core the outer headers name the LMA and the serving MAG, and the inner packet is the host's own; on
/// the access links there is neither tunnel nor mobility header; the correspondent's link never shows
/// a MAG's address; both MAGs advertise the same router, to the host alone.
///
/// Proves S1-15, S1-16, S1-30, S1-31, S1-32, S1-34, S1-41, S1-42, S1-43, S1-44, S1-45.
#[test]
fn a_host_moves_and_its_sessions_go_on() -> Result<()> {
    let run = Run::start()?;
    let (report, pcaps) = demonstrate(&run)?;
    assert_eq!(report["tcp_intact"], true, "{report}");
    assert!(report["tcp_bytes"].as_u64() > Some(1_000_000), "{report}");
    assert!(report["attach_ms"].as_f64() > Some(0.0), "{report}");
    let handovers = report["handovers"].as_array().context("no handovers")?;
    assert_eq!(handovers.len(), 2);
    for (handover, n) in handovers.iter().zip(1..) {
        assert_eq!(handover["n"], n);
        assert!(handover["sent"].as_u64() > Some(100), "{report}");
        assert!(
            handover["lost"].as_u64() < handover["sent"].as_u64(),
            "{report}"
        );
        assert!(handover["longest_gap_ms"].as_f64() > Some(0.0), "{report}");
        assert!(handover["signalling_us"].as_u64() > Some(0), "{report}");
    }
    let named = report["pcaps"].as_array().context("no captures")?;
    assert_eq!(named.len(), 4);
    for path in named {
        let path = Path::new(path.as_str().context("not a path")?);
        let broken = "_ws.malformed && !_ws.short";
        assert_eq!(
            count(path, broken)?,
            0,
            "tshark finds {} malformed",
            path.display()
        );
    }

    core_link(&pcaps.join("core.pcap"))?;
    correspondent_link(&pcaps.join("internet.pcap"))?;
    for access in ["access1.pcap", "access2.pcap"] {
        access_link(&pcaps.join(access))?;
    }
    Ok(())
}

fn core_link(core: &Path) -> Result<()> {
    // Tunnelled packets, up and down, over either MAG: outer pair, then inner pair.
    let frames = read(core, "ipv6.nxt == 41", &["ipv6.src", "ipv6.dst"])?;
    let (lma, cn) = (LMA.to_string(), CN.to_string());
    for mag in MAGS.map(|mag| mag.to_string()) {
        let of = |source: &str, destination: &str| {
            let inner: Vec<_> = frames
                .iter()
                .filter_map(|frame| {
                    let inner = frame[0].strip_prefix(&format!("{source},"))?;
                    Some((inner, frame[1].strip_prefix(&format!("{destination},"))?))
                })
                .collect();
            inner
        };
        let (up, down) = (of(&mag, &lma), of(&lma, &mag));
        assert!(
            up.len() > 100 && down.len() > 100,
            "{} up, {} down",
            up.len(),
            down.len()
        );
        assert!(up.iter().all(|(_, destination)| *destination == cn));
        assert!(down.iter().all(|(source, _)| *source == cn));
    }
    // And no packet of the host crosses the core outside of a tunnel.
    assert_eq!(
        count(core, &format!("ipv6.nxt != 41 && ipv6.addr == {HOME}"))?,
        0
    );
    // Registrations at both, an acknowledgement for each that asked.
    assert!(count(core, "mip6.mhtype == 5")? >= 4);
    assert!(count(core, "mip6.mhtype == 6")? >= 4);
    Ok(())
}

fn correspondent_link(internet: &Path) -> Result<()> {
    for mag in MAGS {
        assert_eq!(
            count(internet, &format!("ipv6.addr == {mag}"))?,
            0,
            "{mag} is seen"
        );
    }
    assert_eq!(count(internet, "ipv6.nxt == 41 || ipv6.nxt == 135")?, 0);
    // One address, from the first packet to the last.
    let sources = read(internet, &format!("ipv6.src == {HOME}"), &["ipv6.src"])?;
    assert!(sources.len() > 100);
    assert!(
        sources.iter().all(|source| source == &sources[0]),
        "the address changed"
    );
    Ok(())
}

fn access_link(access: &Path) -> Result<()> {
    assert_eq!(count(access, "ipv6.nxt == 41 || ipv6.nxt == 135")?, 0);
    assert!(count(access, &format!("ipv6.src == {CN}"))? > 100);
    // Advertisements: the shared router's, to this host alone, for addresses but not on-link.
    let fields = [
        "eth.src",
        "eth.dst",
        "ipv6.src",
        "icmpv6.opt.prefix.flag.l",
        "icmpv6.opt.prefix.flag.a",
    ];
    let advertisements = read(access, "icmpv6.type == 134", &fields)?;
    assert!(
        !advertisements.is_empty(),
        "no advertisement in {}",
        access.display()
    );
    for fields in advertisements {
        assert_eq!(fields[..3], [ROUTER_MAC, MN_MAC, "fe80::1"]);
        assert!(matches!(&*fields[3], "0" | "False"), "on-link: {fields:?}");
        assert!(
            matches!(&*fields[4], "1" | "True"),
            "not for addresses: {fields:?}"
        );
    }
    // No other router speaks to the host.
    let others = format!("icmpv6.type == 134 && eth.src != {ROUTER_MAC}");
    assert_eq!(count(access, &others)?, 0);
    let to_host = format!("eth.dst == {MN_MAC} && eth.src != {ROUTER_MAC}");
    assert_eq!(count(access, &to_host)?, 0);
    Ok(())
}
