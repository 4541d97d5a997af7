//! A wire that misbehaves on purpose, in user space.
//!
//! The kernel of a test machine may have no `netem`, and `netem` draws its lots from a state that no
//! test can set. This wire takes its decisions from a seed: the n-th packet of a direction meets the
//! same fate in every run, so a failure can be run again.
//!
//! ```text
//!               ┌──────────── direction a → b ────────────┐
//!  --a IFACE ──►│ rate ─► loss ─► duplicate ─► delay line │──► --b IFACE
//!               └─────────────────────────────────────────┘
//!            ◄── and the same from b to a, with lots of its own
//! ```
//!
//! One thread waits on both interfaces, the next due packet and the signals. SIGUSR1 closes the
//! direction from a to b: what comes is kept, until SIGUSR2 opens it again. So a test can have an
//! answer be on its way for as long as something else takes. At the end (SIGINT or SIGTERM) it prints
//! one JSON object with what happened in either direction.

mod fate;
mod line;
mod port;

use anyhow::{ensure, Context, Result};
use fate::Impairment;
use line::{Line, Statistics};
use nix::poll::{ppoll, PollFd, PollFlags};
use nix::sys::time::TimeSpec;
use port::Port;
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Packets that one direction may hold at a time; more are lost and counted as overrun.
const CAPACITY: usize = 65_536;

/// Arguments of `anchor-perf wire`.
#[derive(clap::Args)]
pub struct Arguments {
    /// One end of the wire: an interface of this network namespace.
    #[arg(long, value_name = "IFACE")]
    a: String,
    /// The other end.
    #[arg(long, value_name = "IFACE")]
    b: String,
    /// Delay of every packet, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0.0)]
    delay: f64,
    /// Further delay, drawn evenly from 0 to this many milliseconds. Order is kept.
    #[arg(long, value_name = "MS", default_value_t = 0.0)]
    jitter: f64,
    /// Share of packets that are lost, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    loss: f64,
    /// Share of packets that are held back, so that later ones overtake them, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    reorder: f64,
    /// How long a packet is held back to be reordered, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 5.0)]
    reorder_by: f64,
    /// Share of packets that arrive twice, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    duplicate: f64,
    /// Capacity of each direction in Mb/s; 0 is without limit.
    #[arg(long, value_name = "MBPS", default_value_t = 0.0)]
    rate: f64,
    /// Seed of every decision.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Arguments {
    fn impairment(&self) -> Result<Impairment> {
        for (name, share) in [
            ("loss", self.loss),
            ("reorder", self.reorder),
            ("duplicate", self.duplicate),
        ] {
            ensure!(
                (0.0..=1.0).contains(&share),
                "--{name} {share} is not a share between 0 and 1"
            );
        }
        let time = |name: &str, ms: f64| {
            Duration::try_from_secs_f64(ms / 1e3)
                .with_context(|| format!("--{name} {ms} is not a time in milliseconds"))
        };
        ensure!(
            self.rate.is_finite() && self.rate >= 0.0,
            "--rate {} is not a rate in Mb/s",
            self.rate
        );
        Ok(Impairment {
            delay: time("delay", self.delay)?,
            jitter: time("jitter", self.jitter)?,
            loss: self.loss,
            reorder: self.reorder,
            reorder_by: time("reorder-by", self.reorder_by)?,
            duplicate: self.duplicate,
            bits_per_second: self.rate * 1e6,
        })
    }
}

/// What is printed at the end.
#[derive(Serialize)]
struct Report<'a> {
    seed: u64,
    a_to_b: &'a Statistics,
    b_to_a: &'a Statistics,
}

/// A stream that has something to read once one of `signals` has come.
fn caught(signals: &[i32]) -> Result<UnixStream> {
    let (told, wake) = UnixStream::pair().context("no socket pair for signals")?;
    for &signal in signals {
        signal_hook::low_level::pipe::register(signal, wake.try_clone()?)
            .context("cannot catch signals")?;
    }
    Ok(told)
}

/// Runs the wire until SIGINT or SIGTERM, then prints what happened as one JSON object.
///
/// # Errors
/// When an argument is out of range, an interface does not exist or a socket is refused.
pub fn run(arguments: &Arguments) -> Result<()> {
    let impairment = arguments.impairment()?;
    let stop = caught(&[SIGINT, SIGTERM])?;
    let (mut close, mut open) = (caught(&[SIGUSR1])?, caught(&[SIGUSR2])?);
    let mut closed = false;
    let a = Port::open(&arguments.a)?;
    let b = Port::open(&arguments.b)?;
    let start = Instant::now();
    let mut a_to_b = Line::new(impairment, arguments.seed, 0, CAPACITY);
    let mut b_to_a = Line::new(impairment, arguments.seed, 1, CAPACITY);
    eprintln!(
        "anchor-perf: wire between {} and {} is up",
        arguments.a, arguments.b
    );

    loop {
        let now = start.elapsed();
        let passing = a_to_b.next_due().filter(|_| !closed);
        let due = [passing, b_to_a.next_due()];
        let timeout = due
            .iter()
            .flatten()
            .min()
            .map(|due| TimeSpec::from(due.saturating_sub(now)));
        let mut wait = [
            PollFd::new(stop.as_fd(), PollFlags::POLLIN),
            PollFd::new(a.as_fd(), PollFlags::POLLIN),
            PollFd::new(b.as_fd(), PollFlags::POLLIN),
            PollFd::new(close.as_fd(), PollFlags::POLLIN),
            PollFd::new(open.as_fd(), PollFlags::POLLIN),
        ];
        match ppoll(&mut wait, timeout, None) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error).context("cannot wait for packets"),
        }
        let [ended, _, _, closes, opens] = wait.map(|one| one.any().unwrap_or(false));
        for (told, shut) in [
            (closes.then_some(&mut close), true),
            (opens.then_some(&mut open), false),
        ] {
            let Some(told) = told else { continue };
            // One octet a signal; what it says is that it came.
            let _one = told.read(&mut [0]).context("cannot read a signal")?;
            closed = shut;
            let state = if shut { "closed" } else { "open" };
            eprintln!(
                "anchor-perf: from {} to {} is {state}",
                arguments.a, arguments.b
            );
        }
        a.receive(|packet| a_to_b.enter(start.elapsed(), packet))?;
        b.receive(|packet| b_to_a.enter(start.elapsed(), packet))?;
        let now = start.elapsed();
        if !closed {
            a_to_b.leave(now, |packet| b.send(packet))?;
        }
        b_to_a.leave(now, |packet| a.send(packet))?;
        if ended {
            break;
        }
    }
    let report = Report {
        seed: arguments.seed,
        a_to_b: a_to_b.statistics(),
        b_to_a: b_to_a.statistics(),
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}
