//! DPDK's own forwarder, which swaps link-layer addresses and does nothing else.

use super::Turn;
use anyhow::{ensure, Context, Result};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The program, as Debian's package `dpdk` installs it.
const PROGRAM: &str = "dpdk-testpmd";

/// Devices that it forwards on, by name.
pub const DEVICES: [(&str, &str); 2] = [
    ("null with copy", "net_null0,size=64,copy=1"),
    ("ring", "net_ring0"),
];

/// Whether the program is there.
///
/// # Errors
/// When it is not, with the package that has it.
pub fn installed() -> Result<()> {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|it| it.join(PROGRAM).exists()));
    ensure!(
        found,
        "{PROGRAM} is not installed: it is in Debian's package dpdk"
    );
    Ok(())
}

/// One turn on a device.
///
/// # Errors
/// When the program fails, or does not say how many cycles it took.
pub fn turn(device: &str, core: usize, seconds: f64) -> Result<Turn> {
    // Its main thread sleeps on the first core and its forwarder has the other.
    let main = usize::from(core == 0);
    let cores = format!("--lcores={main},{core}");
    let name = format!("--file-prefix=anchor-perf-{}", std::process::id());
    let line = [
        cores.as_str(),
        &name,
        "--main-lcore",
        &main.to_string(),
        "--no-huge",
        "--no-shconf",
        "--no-pci",
        "--no-telemetry",
        "-m",
        "256",
        "--vdev",
        device,
        "--",
        "--interactive",
        "--forward-mode=macswap",
        "--burst=64",
        "--mbcache=256",
        "--total-num-mbufs=8192",
        "--record-core-cycles",
    ]
    .map(str::to_owned);
    let mut child = Command::new(PROGRAM)
        .args(line)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{PROGRAM} does not start"))?;
    let mut input = child.stdin.take().context("no standard input")?;
    // A ring has nothing to forward unless something is put in.
    writeln!(input, "start tx_first 4")?;
    std::thread::sleep(Duration::from_secs_f64(seconds + 1.0));
    writeln!(input, "stop\nquit")?;
    drop(input);
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let last = errors.lines().last().unwrap_or_default();
    read(&said).with_context(|| format!("{PROGRAM} does not say how many cycles it took: {last}"))
}

/// Finds the figures in what the program says at the end.
fn read(said: &str) -> Option<Turn> {
    let (_, rest) = said.rsplit_once("CPU cycles/packet=")?;
    let cycles: f64 = rest
        .split_whitespace()
        .next()?
        .trim_end_matches(',')
        .parse()
        .ok()?;
    let (_, rest) = rest.split_once(" at ")?;
    let mhz: f64 = rest.split_whitespace().next()?.parse().ok()?;
    Some(Turn {
        mpps: mhz / cycles,
        cycles,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_found() {
        let said =
            "  RX-total: 9\n\n  CPU cycles/packet=55.25 (total cycles=100 / total RX packets=2) \
                    at 2445 MHz Clock\ntestpmd> quit\n";
        let turn = read(said).expect("figures");
        assert_eq!(turn.cycles, 55.25);
        assert!((turn.mpps - 44.25).abs() < 0.01);
        assert_eq!(read("testpmd> "), None);
    }
}
