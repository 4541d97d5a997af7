//! The ports of the generator.

use crate::eal::{self, EalArguments};
use crate::traffic::plan::PlanArguments;
use crate::traffic::side::Side;
use anyhow::{bail, ensure, Context, Result};
use clap::Args;
use dpdk::{Eal, Port, PortConfig, WorkerIo};
use packet::PortId;
use std::net::Ipv6Addr;
use std::time::{Duration, Instant};
use wire::ether::{self, MacAddr};

/// Longest wait for a link to come up.
const LINK_LIMIT: Duration = Duration::from_secs(10);

/// Longest wait for the gateway to say its link-layer address, and the time between two questions.
const ASK_LIMIT: Duration = Duration::from_secs(10);
const ASK_INTERVAL: Duration = Duration::from_millis(200);

/// Largest IP packet of an ordinary Ethernet, and of one with jumbo frames.
const ORDINARY: usize = 1500;
const JUMBO: u16 = 9000;

/// Memory for the buffers of one port, in MB.
const MEMORY_MB: u32 = 128;

/// Why there are no ports.
const GONE: &str = "the ports went with a thread that failed";

/// Where traffic leaves and comes back.
#[derive(Args, Clone, Debug)]
pub struct PortArguments {
    /// Port that traffic leaves by, as DPDK devargs: a PCI address, or a virtual device such as
    /// net_memif0,role=client,id=0,socket-abstract=no,socket=PATH
    #[arg(long, value_name = "DEVARGS")]
    pub port: String,
    /// Port that it comes back on, when that is another.
    #[arg(long, value_name = "DEVARGS")]
    pub back: Option<String>,
    /// Core of the thread that sends.
    #[arg(long, value_name = "CPU")]
    pub core: Option<usize>,
    /// Core of the thread that receives on --back; without it, one thread does both.
    #[arg(long, value_name = "CPU", requires = "back")]
    pub back_core: Option<usize>,
    /// Link-layer address that traffic is sent to.
    #[arg(long, value_name = "MAC", conflicts_with = "gateway")]
    pub gateway_mac: Option<MacAddr>,
    /// Address of the gateway on the link of --port: its link-layer address is asked for.
    #[arg(long, value_name = "ADDRESS")]
    pub gateway: Option<Ipv6Addr>,
    /// Address that the question comes from [default: the next one after --gateway].
    #[arg(long, value_name = "ADDRESS", requires = "gateway")]
    pub ask_from: Option<Ipv6Addr>,
    /// How DPDK starts.
    #[command(flatten)]
    pub eal: EalArguments,
}

/// The port that is sent on, and the one that is received on when that is another.
pub type Sides = (Side<WorkerIo>, Option<Side<WorkerIo>>);

/// Open ports, each with its station.
pub struct Ports {
    /// Taken while threads of a trial have them.
    sides: Option<Sides>,
    /// Link-layer address of the gateway.
    pub gateway: MacAddr,
    open: Vec<Port>,
    eal: Eal,
    cores: [Option<usize>; 2],
}

impl Ports {
    /// Starts DPDK, opens the ports, and finds the gateway.
    ///
    /// # Errors
    /// What does not start, and why.
    pub fn open(given: &PortArguments, plan: &PlanArguments) -> Result<Self> {
        let devices: Vec<String> = std::iter::once(&given.port)
            .chain(&given.back)
            .cloned()
            .collect();
        ensure!(
            given.back.as_ref() != Some(&given.port),
            "--back is the same port as --port: leave it out"
        );
        let memory = MEMORY_MB * devices.len() as u32;
        let eal = eal::start(&given.eal, memory, devices.clone())?;
        let mut ports = Self::attach(eal, &devices, plan, [given.core, given.back_core])?;
        ports.wait_for_links()?;
        ports.gateway = match (given.gateway_mac, given.gateway) {
            (Some(mac), _) => mac,
            (None, Some(gateway)) => {
                let next = Ipv6Addr::from_bits(gateway.to_bits().wrapping_add(1));
                let (out, _) = ports.sides.as_mut().context(GONE)?;
                find(out, given.ask_from.unwrap_or(next), gateway)?
            }
            // A ring, a null device or a cable back to ourselves: whoever is there takes it.
            (None, None) => ports.receiving_station(),
        };
        Ok(ports)
    }

    /// Starts DPDK and opens `devices`, one or two, whose other ends are yet to come.
    ///
    /// # Errors
    /// What does not start, and why.
    pub fn listen(
        arguments: &EalArguments,
        devices: &[String],
        plan: &PlanArguments,
    ) -> Result<Self> {
        let memory = MEMORY_MB * devices.len() as u32;
        let eal = eal::start(arguments, memory, devices.to_vec())?;
        Self::attach(eal, devices, plan, [None; 2])
    }

    /// How many links are up.
    pub fn links_up(&self) -> usize {
        self.open.iter().filter(|port| port.link_up()).count()
    }

    /// Opens `devices`, one or two.
    fn attach(
        eal: Eal,
        devices: &[String],
        plan: &PlanArguments,
        cores: [Option<usize>; 2],
    ) -> Result<Self> {
        let longest = plan.frame.lengths().max().unwrap_or(0);
        let jumbo = longest > ORDINARY + ether::HEADER_LEN;
        let mut open = Vec::new();
        for (device, name) in devices.iter().zip(["port", "back"]) {
            let port = Port::attach(
                &eal,
                PortConfig {
                    mtu: jumbo.then_some(JUMBO),
                    promiscuous: true,
                    descriptors: 1024,
                    mbufs: Some(8191),
                    ..PortConfig::new(name, device)
                },
            )?;
            for note in port.notes() {
                eprintln!("{name}: {note}");
            }
            open.push(port);
        }
        let mut sides = Vec::new();
        for (port, number) in open.iter_mut().zip(1..) {
            let own = match port.mac() {
                [0, 0, 0, 0, 0, 0] => MacAddr([2, 0, 0, 0, 0xa9, number]),
                mac => MacAddr(mac),
            };
            let pool = port.pool().clone();
            let queues = port.take_queues();
            sides.push(Side::new(WorkerIo::new(queues, pool)?, PortId(0), own));
        }
        let mut sides = sides.into_iter();
        let out = sides.next().context("a generator needs a port")?;
        Ok(Self {
            gateway: out.own(),
            sides: Some((out, sides.next())),
            open,
            eal,
            cores,
        })
    }

    /// A memory interface is up when the other process has taken its end.
    fn wait_for_links(&self) -> Result<()> {
        let start = Instant::now();
        while let Some(down) = self.open.iter().find(|port| !port.link_up()) {
            // Drivers that do not tell are taken to be up.
            let tells = ["net_memif", "net_virtio", "net_vhost"];
            let tells = tells.iter().any(|name| down.driver().contains(name));
            if start.elapsed() > LINK_LIMIT {
                ensure!(
                    !tells,
                    "the link of {} ({}) does not come up: is the gateway running?",
                    down.name(),
                    down.driver()
                );
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// DPDK, to start threads with.
    pub fn eal(&self) -> &Eal {
        &self.eal
    }

    /// The ports themselves, for a thread that gives them back with [`Ports::give`].
    ///
    /// # Errors
    /// When they were taken and never came back.
    pub fn take(&mut self) -> Result<Sides> {
        self.sides.take().context(GONE)
    }

    /// Gives back what was taken.
    pub fn give(&mut self, sides: Sides) {
        self.sides = Some(sides);
    }

    /// Link-layer address of the station that receives.
    fn receiving_station(&self) -> MacAddr {
        let sides = self.sides.as_ref();
        sides.map_or(self.gateway, |(out, back)| {
            back.as_ref().unwrap_or(out).own()
        })
    }

    /// Cores of the sending and the receiving thread, where they were given.
    pub fn cores(&self) -> [Option<usize>; 2] {
        self.cores
    }

    /// Closes everything.
    ///
    /// # Errors
    /// Packet buffers that were not given back.
    pub fn close(self) -> Result<()> {
        drop(self.sides);
        let leaks = self.eal.shutdown(self.open, Vec::new())?;
        let lost = leaks.mbufs_in_use();
        ensure!(lost == 0, "{lost} packet buffers were not given back");
        Ok(())
    }
}

/// Asks for the link-layer address of `gateway` in the name of `from`.
///
/// # Errors
/// When nobody answers.
pub fn find(side: &mut Side<WorkerIo>, from: Ipv6Addr, gateway: Ipv6Addr) -> Result<MacAddr> {
    let start = Instant::now();
    let mut asked = None::<Instant>;
    while start.elapsed() < ASK_LIMIT {
        if asked.is_none_or(|at| at.elapsed() > ASK_INTERVAL) {
            side.ask(from, gateway);
            asked = Some(Instant::now());
        }
        side.receive(&mut (), dpdk::cycles);
        if let Some(mac) = side.found() {
            return Ok(mac);
        }
        std::thread::yield_now();
    }
    bail!("nobody on the link says to be {gateway}: is it the gateway's address there?")
}
