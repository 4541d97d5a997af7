//! The demonstration itself, and what its captures say.

use anyhow::{anyhow, ensure, Context, Result};
use lab::judge::read;
use lab::process::{Errors, Process};
use lab::run::Run;
use lab::topology::{CN, LMA, MAGS, MN_MAC};
use serde_json::Value;
use std::io::Read;
use std::net::Ipv6Addr;
use std::path::Path;
use std::time::Duration;

const ROUTER_MAC: &str = "02:00:5e:00:52:13";
/// Whether an address is out of the demonstration's pool, 2001:db8:1000::/40.
fn is_home(address: &str) -> bool {
    let address = address.parse().map(|address: Ipv6Addr| address.octets());
    address.is_ok_and(|octets| octets.starts_with(&[0x20, 0x01, 0x0d, 0xb8, 0x10]))
}

/// Runs `anchorage-demo --json` and returns its last line.
fn demonstrate(run: &Run) -> Result<Value> {
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
    Ok(serde_json::from_str(last)?)
}

/// The whole story: the TCP session survives, and every capture shows what each link may show. On the
/// core the outer headers name the LMA and the serving MAG, and the inner packet is the host's own; on
/// the access links there is neither tunnel nor mobility header; the correspondent's link never shows
/// a MAG's address; both MAGs advertise the same router, to the host alone.
///
/// Proves S1-15, S1-16, S1-18, S1-20, S1-30, S1-31, S1-32, S1-34, S1-41, S1-42, S1-43, S1-44, S1-45.
#[test]
fn a_host_moves_and_its_sessions_go_on() -> Result<()> {
    let run = Run::start()?;
    let report = demonstrate(&run)?;
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
    let captures = named
        .iter()
        .map(|path| frames(path.as_str().context("not a path")?));
    let captures = captures.collect::<Result<Vec<_>>>()?;
    for (frames, path) in captures.iter().zip(named) {
        let broken: Vec<_> = frames
            .iter()
            .filter(|frame| !frame.malformed.is_empty())
            .collect();
        assert!(
            broken.is_empty(),
            "tshark finds malformed frames in {path}: {broken:?}"
        );
    }
    let [internet, core, access1, access2] = &captures[..] else {
        panic!("{} captures", captures.len());
    };
    core_link(core);
    let core = named[1].as_str().context("not a path")?;
    revocations(Path::new(core))?;
    correspondent_link(internet);
    access_link(access1);
    access_link(access2);
    Ok(())
}

/// What tshark reads in a frame. Addresses are those of all IPv6 headers, outer first.
#[derive(Debug)]
struct Frame {
    from: String,
    to: String,
    next_headers: Vec<String>,
    sources: Vec<String>,
    destinations: Vec<String>,
    mobility: String,
    icmp: Vec<String>,
    on_link: String,
    autonomous: String,
    malformed: String,
}

impl Frame {
    fn tunnelled(&self) -> bool {
        self.next_headers.iter().any(|next| next == "41")
    }

    fn signalling(&self) -> bool {
        !self.mobility.is_empty()
    }

    fn addresses(&self) -> impl Iterator<Item = &String> {
        self.sources.iter().chain(&self.destinations)
    }
}

fn frames(capture: &str) -> Result<Vec<Frame>> {
    let fields = [
        "eth.src",
        "eth.dst",
        "ipv6.nxt",
        "ipv6.src",
        "ipv6.dst",
        "mip6.mhtype",
        "icmpv6.type",
        "icmpv6.opt.prefix.flag.l",
        "icmpv6.opt.prefix.flag.a",
        "_ws.malformed",
    ];
    let read = read(Path::new(capture), "", &fields)?;
    let list = |text: &str| text.split(',').map(String::from).collect();
    read.into_iter()
        .map(|frame| {
            let [from, to, next, sources, destinations, mobility, icmp, on_link, autonomous, malformed] =
                <[String; 10]>::try_from(frame).map_err(|frame| anyhow!("fields: {frame:?}"))?;
            Ok(Frame {
                from,
                to,
                next_headers: list(&next),
                sources: list(&sources),
                destinations: list(&destinations),
                mobility,
                icmp: list(&icmp),
                on_link,
                autonomous,
                malformed,
            })
        })
        .collect()
}

fn core_link(core: &[Frame]) {
    // Tunnelled packets, up and down, over either MAG: outer pair, then inner pair.
    let (lma, cn) = (LMA.to_string(), CN.to_string());
    let tunnelled: Vec<_> = core.iter().filter(|frame| frame.tunnelled()).collect();
    for mag in MAGS.map(|mag| mag.to_string()) {
        let of = |source: &str, destination: &str| {
            let outer = |frame: &&&Frame| {
                frame.sources[0] == source && frame.destinations[0] == destination
            };
            tunnelled.iter().filter(outer).copied().collect::<Vec<_>>()
        };
        let (up, down) = (of(&mag, &lma), of(&lma, &mag));
        assert!(
            up.len() > 100 && down.len() > 100,
            "{} up, {} down",
            up.len(),
            down.len()
        );
        assert!(up.iter().all(|frame| is_home(&frame.sources[1])));
        assert!(up.iter().all(|frame| frame.destinations[1] == cn));
        assert!(down.iter().all(|frame| is_home(&frame.destinations[1])));
    }
    // And no packet of the host crosses the core outside of a tunnel.
    let bare = core
        .iter()
        .find(|frame| !frame.tunnelled() && frame.addresses().any(|shown| is_home(shown)));
    assert!(bare.is_none(), "{bare:?}");
    // Registration at both, de-registration at both, and answers.
    let messages = |kind: &str| core.iter().filter(|frame| frame.mobility == kind).count();
    assert!(messages("5") >= 4 && messages("6") >= 4);
}

/// The first handover is revoked at the MAG that the host has left, which acknowledges that: as tshark
/// reads it.
fn revocations(core: &Path) -> Result<()> {
    let [lma, old] = [LMA.to_string(), MAGS[0].to_string()];
    let fields = ["ipv6.src", "ipv6.dst", "mip6.bri_seqnr"];
    let indications = read(core, "mip6.bri_br.type == 1 && mip6.bri_ip == 1", &fields)?;
    let told: Vec<_> = indications
        .iter()
        .filter(|told| told[0] == lma && told[1] == old)
        .collect();
    assert!(!told.is_empty(), "{indications:?}");
    let accepted = "mip6.bri_br.type == 2 && mip6.bri_ap == 1 && mip6.bri_status == 0";
    let answers = read(core, accepted, &fields)?;
    let answered = |answer: &&Vec<String>| {
        answer[0] == old && answer[1] == lma && told.iter().any(|told| told[2] == answer[2])
    };
    assert_eq!(answers.iter().filter(answered).count(), 1, "{answers:?}");
    Ok(())
}

fn correspondent_link(internet: &[Frame]) {
    for frame in internet {
        assert!(!frame.tunnelled() && !frame.signalling(), "{frame:?}");
        for mag in MAGS {
            assert!(
                frame.addresses().all(|shown| *shown != mag.to_string()),
                "{mag} is seen: {frame:?}"
            );
        }
    }
    // One address of the host, from the first packet to the last.
    let mut hosts: Vec<_> = internet.iter().flat_map(|frame| &frame.sources).collect();
    hosts.retain(|source| is_home(source));
    assert!(hosts.len() > 100);
    let other = internet.iter().position(|frame| {
        let mut sources = frame.sources.iter().filter(|source| is_home(source));
        sources.any(|source| source != hosts[0])
    });
    assert!(
        other.is_none(),
        "the address was {}; then came frame {} of {}: {:?}",
        hosts[0],
        other.unwrap_or_default() + 1,
        internet.len(),
        other.and_then(|at| internet.get(at)),
    );
}

fn access_link(access: &[Frame]) {
    let from_cn = access
        .iter()
        .filter(|frame| frame.sources[0] == CN.to_string());
    assert!(from_cn.count() > 100);
    for frame in access {
        assert!(!frame.tunnelled() && !frame.signalling(), "{frame:?}");
        // Whoever speaks to the host is the shared router.
        assert!(frame.to != MN_MAC || frame.from == ROUTER_MAC, "{frame:?}");
    }
    // Advertisements: to this host alone, for addresses but not on-link.
    let advertisements: Vec<_> = access
        .iter()
        .filter(|frame| frame.icmp[0] == "134")
        .collect();
    assert!(!advertisements.is_empty(), "no advertisement");
    for frame in advertisements {
        let Frame {
            from,
            to,
            sources,
            on_link,
            autonomous,
            ..
        } = frame;
        assert_eq!(
            (&**from, &**to, &*sources[0]),
            (ROUTER_MAC, MN_MAC, "fe80::1")
        );
        assert!(matches!(&**on_link, "0" | "False"), "{frame:?}");
        assert!(matches!(&**autonomous, "1" | "True"), "{frame:?}");
    }
}
