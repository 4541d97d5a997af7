//! The lab without `anchord`: the kernel's own routers and tunnels stand in the place of the gateways.
//! What measures and what breaks the network is tried here on foreign code before it judges ours.

use anyhow::{Context, Result};
use lab::foreign::kernel_tunnel;
use lab::gateway::Programs;
use lab::host::{Host, INTERFACE};
use lab::network::Namespace;
use lab::ping::{now_us, Pinger};
use lab::topology::{Kernel, Plan, Topology, CN, LMA, MAGS, MN_MAC};
use lab::transfer::Transfer;
use lab::wire::Impairment;
use std::path::Path;
use std::time::Duration;

const ROUTER_MAC: &str = "02:00:5e:00:52:13";
const PREFIX: &str = "2001:db8:1000:1::/64";

/// Only what this test needs: `anchord` need not be built for it.
fn programs() -> Programs {
    let demo = Path::new(env!("CARGO_BIN_EXE_anchorage-demo"));
    Programs {
        anchord: demo.with_file_name("anchord"),
        anchorctl: demo.with_file_name("anchorctl"),
        perf: demo.with_file_name("anchor-perf"),
        mn: demo.with_file_name("anchor-mn"),
        demo: demo.to_path_buf(),
    }
}

/// A domain of kernel routers, its host at MAG1 with a fixed address.
fn kernel_domain(wire: Option<(&Programs, Impairment)>) -> Result<(Topology, Host)> {
    let lab = Topology::lay(Plan {
        lma: Kernel::Router,
        mags: [Kernel::Router; 2],
        wire,
    })?;
    lab.lma.ip(&format!(
        "addr add {LMA}/64 dev core0 nodad\naddr add 2001:db8:100::1/64 dev inet0 nodad\n"
    ))?;
    kernel_tunnel(&lab.lma, "core0", LMA, MAGS[0], PREFIX)?;
    for (mag, address) in lab.mags.iter().zip(MAGS) {
        mag.ip(&format!(
            "addr add {address}/64 dev core0 nodad\n\
             link set dev acc0 address {ROUTER_MAC}\n\
             addr add fe80::1/64 dev acc0 nodad\n"
        ))?;
        mag.ip6(&format!("route add {PREFIX} dev acc0\n"))?;
        kernel_tunnel(mag, "core0", address, LMA, "default")?;
    }
    // The kernel reports a packet too big for its tunnel to the tunnel, not to the sender, so both
    // hosts are told the tunnel's MTU.
    let cn = &lab.cn.namespace;
    cn.ip(&format!("link set dev {INTERFACE} mtu 1460\n"))?;
    let mn = lab.mobile_node("mn", MN_MAC)?;
    mn.namespace
        .ip(&format!("link set dev {INTERFACE} mtu 1460\n"))?;
    lab.plug(&mn, 0)?;
    mn.namespace.ip(&format!(
        "addr add 2001:db8:1000:1::5/64 dev {INTERFACE} nodad\n\
         route add default via fe80::1 dev {INTERFACE}\n"
    ))?;
    Ok((lab, mn))
}

fn point_to(lma: &Namespace, mag: usize) -> Result<()> {
    let remote = MAGS[mag];
    lma.ip6(&format!(
        "route replace {PREFIX} encap seg6 mode encap.red segs {remote} dev core0\n"
    ))
    .map(drop)
}

/// The measuring ends tell a clean move from a lossy one, and the TCP session that goes through both
/// arrives byte for byte.
#[test]
fn what_measures_measures_right() -> Result<()> {
    let programs = programs();
    let (lab, mn) = kernel_domain(None)?;
    let log = lab.run.directory().join("hosts.log");
    let every = Duration::from_millis(10);
    let pinger = Pinger::start(&programs, &mn, CN, every, &log)?;
    pinger.wait_through(0, Duration::from_secs(10))?;
    let (from, to) = (&mn.namespace, &lab.cn.namespace);
    let transfer = Transfer::start(&programs, from, to, CN, 1_000_000, &log)?;
    let steady_us = now_us();
    std::thread::sleep(Duration::from_millis(500));

    // The host moves; the anchor is told 300 ms later.
    let moved_us = now_us();
    lab.plug(&mn, 1)?;
    let away_us = now_us();
    std::thread::sleep(Duration::from_millis(300));
    let pointed_us = now_us();
    point_to(&lab.lma, 1)?;
    let repaired_us = now_us();
    pinger.wait_through(repaired_us, Duration::from_secs(10))?;
    std::thread::sleep(Duration::from_millis(500));
    let end_us = now_us();

    let outcome = transfer.stop()?;
    assert!(outcome.intact, "{outcome:?}");
    assert!(outcome.bytes > 100_000, "{outcome:?}");
    let books = pinger.stop()?;
    let steady = books.stretch(steady_us, moved_us);
    assert!(steady.sent > 0 && steady.lost == 0, "{steady:?}");
    let moved = books.stretch(moved_us, end_us);
    let outage_ms = (pointed_us - away_us) as f64 / 1e3;
    assert!(moved.lost > 0 && moved.lost < moved.sent, "{moved:?}");
    assert!(
        moved.longest_gap_ms >= outage_ms - 20.0,
        "{moved:?} of {outage_ms} ms"
    );
    Ok(())
}

/// A seeded wire loses, delays and doubles in a link of the lab, and says how much.
#[test]
fn the_wire_impairs_a_link() -> Result<()> {
    let programs = programs();
    if !programs.perf.exists() {
        anyhow::bail!("anchor-perf is not built: run `cargo build -p anchor-perf`");
    }
    let impairment = Impairment {
        delay: 20.0,
        loss: 0.2,
        duplicate: 0.1,
        seed: 1,
        ..Impairment::default()
    };
    let (mut lab, mn) = kernel_domain(Some((&programs, impairment)))?;
    let log = lab.run.directory().join("hosts.log");
    let start_us = now_us();
    let pinger = Pinger::start(&programs, &mn, CN, Duration::from_millis(5), &log)?;
    let first = pinger.wait_through(0, Duration::from_secs(10))?;
    std::thread::sleep(Duration::from_secs(2));
    let books = pinger.stop()?;
    let all = books.stretch(start_us, now_us());
    assert!(all.lost > 0 && all.lost < all.sent, "{all:?}");
    let trip = first.back_us.context("no answer")? - first.sent_us;
    assert!(
        trip >= 40_000,
        "an echo took {trip} us over a wire of 20 ms each way"
    );
    let report = lab.wire.take().context("no wire")?.stop()?;
    for direction in ["a_to_b", "b_to_a"] {
        let count = |name: &str| report[direction][name].as_u64().unwrap_or(0);
        assert!(count("lost") > 0 && count("doubled") > 0, "{report}");
        assert_eq!(
            count("received") + count("doubled"),
            count("sent") + count("lost") + count("refused") + count("overrun"),
            "{report}"
        );
    }
    Ok(())
}
