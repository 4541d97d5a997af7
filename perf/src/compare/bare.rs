//! `anchor-perf bare`: the receive and transmit loop of a worker with no gateway between. Packets go
//! round in a ring: what is received is sent again.

use super::program::{number, ours};
use super::Turn;
use crate::eal::{self, EalArguments};
use anyhow::{ensure, Result};
use clap::Args;
use dpdk::{cycles, hz, Mbuf, Port, PortConfig, WorkerIo};
use packet::{Buf, Burst, PortId, RxTx};

/// Octets of a packet.
const FRAME: usize = 64;

/// Packets in the ring.
const PACKETS: usize = 256;

/// What goes round.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Port, as DPDK devargs, that gives back what it is given.
    #[arg(long, default_value = "net_ring0")]
    port: String,
    /// Core of the loop.
    #[arg(long, default_value_t = 1)]
    core: usize,
    /// How long.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// How DPDK starts.
    #[command(flatten)]
    eal: EalArguments,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// One turn, in a process of its own.
///
/// # Errors
/// When the process fails.
pub fn turn(core: usize, seconds: f64) -> Result<Turn> {
    let (core, seconds) = (core.to_string(), seconds.to_string());
    let report = ours(&["bare", "--core", &core, "--seconds", &seconds, "--json"])?;
    Ok(Turn {
        mpps: number(&report, "/mpps")?,
        cycles: number(&report, "/cycles_per_packet")?,
    })
}

/// Measures.
///
/// # Errors
/// When the port fails or does not give back what it is given.
pub fn run(arguments: &Arguments) -> Result<()> {
    let eal = eal::start(&arguments.eal, 64, vec![arguments.port.clone()])?;
    let mut port = Port::attach(&eal, PortConfig::new("bare", &arguments.port))?;
    let io = WorkerIo::new(port.take_queues(), port.pool().clone())?;
    let length = (arguments.seconds * hz() as f64) as u64;
    let thread = eal.spawn_worker("bare", Some(arguments.core), move || circulate(io, length))?;
    let (packets, spent) = thread.join()?;
    eal.shutdown(vec![port], Vec::new())?;
    ensure!(packets > 0, "nothing came back from {}", arguments.port);
    let each = spent as f64 / packets as f64;
    let mpps = hz() as f64 / each / 1e6;
    match arguments.json {
        true => println!(
            "{}",
            serde_json::json!({"port": arguments.port, "packets": packets, "mpps": mpps,
                "cycles_per_packet": each})
        ),
        false => println!("{each:.1} cycles per packet, {mpps:.1} Mpps"),
    }
    Ok(())
}

/// Sends round for `length` cycles; returns packets and cycles.
fn circulate(mut io: WorkerIo, length: u64) -> (u64, u64) {
    let port = PortId(0);
    let mut burst = Burst::<Mbuf>::new();
    for _ in 0..PACKETS {
        if let Some(mut packet) = io.alloc().filter(|_| !burst.is_full()) {
            if packet.set_len(FRAME).is_ok() {
                burst.push(packet);
            }
        }
        if burst.is_full() {
            io.tx(port, &mut burst);
        }
    }
    let start = cycles();
    let mut packets = 0;
    let mut spent = 0;
    while spent < length {
        // A look at the clock every so often, not every time.
        for _ in 0..256 {
            io.rx(port, &mut burst);
            packets += io.tx(port, &mut burst) as u64;
        }
        spent = cycles() - start;
    }
    // What the ring still holds goes back to its pool.
    io.free(&mut burst);
    while io.rx(port, &mut burst) > 0 {
        io.free(&mut burst);
    }
    (packets, spent)
}
