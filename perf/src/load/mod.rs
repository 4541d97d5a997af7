//! A gateway under load: `anchor-perf ndr` searches its no-loss rate, `anchor-perf latency` measures
//! latency at parts of it.
//!
//! ```text
//!   to-hosts:    correspondents' port ── plain ──> gateway ── tunnelled ──> access gateways' port
//!   from-hosts:  access gateways' port ── tunnelled ──> gateway ── plain ──> correspondents' port
//! ```
//!
//! Without `--port` the gateway is an `anchord` that is started here, joined by memory interfaces, and
//! all hosts are registered at it first. With ports it is whatever is behind them, and knows the hosts
//! already. Latency counts from the time at which each packet was due, so that a stall of the gateway
//! is not hidden by a generator that waits with it.

mod latency;
mod ndr;
mod search;

pub use latency::{run as latency, Arguments as LatencyArguments};
pub use ndr::{run as ndr, Arguments as NdrArguments};

use crate::bench::ports::{find, PortArguments, Ports};
use crate::bench::trial::Trials;
use crate::eal::EalArguments;
use crate::gateway::{self, Gateway, Kept, Role, Setting, OUTSIDE};
use crate::generate::interruptible;
use crate::storm::{Course, Storm};
use crate::traffic::plan::{Direction, Plan, PlanArguments, Tunnelled};
use crate::traffic::side::Side;
use anyhow::{ensure, Result};
use clap::Args;
use dpdk::{cycles, hz, WorkerIo};
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::sync::Arc;
use wire::ether::MacAddr;

/// The gateway, and what it is loaded with.
#[derive(Args, Debug)]
pub struct SubjectArguments {
    /// Packets. For an anchord that is started here, --tunnelled follows from --direction.
    #[command(flatten)]
    plan: PlanArguments,
    /// Port that traffic leaves by, towards a gateway that runs already, as DPDK devargs.
    #[arg(long, value_name = "DEVARGS")]
    port: Option<String>,
    /// Port that it comes back on.
    #[arg(long, value_name = "DEVARGS", requires = "port")]
    back: Option<String>,
    /// Link-layer address of the gateway on the link of --port.
    #[arg(
        long,
        value_name = "MAC",
        conflicts_with = "gateway",
        requires = "port"
    )]
    gateway_mac: Option<MacAddr>,
    /// Address of the gateway on the link of --port: its link-layer address is asked for.
    #[arg(long, value_name = "ADDRESS", requires = "port")]
    gateway: Option<Ipv6Addr>,
    /// Core of the generator.
    #[arg(long, value_name = "CPU", default_value_t = 0)]
    core: usize,
    /// Core of the receiver, when it has one of its own.
    #[arg(long, value_name = "CPU")]
    back_core: Option<usize>,
    /// The anchord to start [default: the one beside this program].
    #[arg(long, value_name = "PROGRAM", conflicts_with = "port")]
    anchord: Option<PathBuf>,
    /// Core of its worker.
    #[arg(long, default_value_t = 1, conflicts_with = "port")]
    anchord_core: usize,
    /// Check every packet, octet by octet: it has lost this many hops, and its tunnel is as it should.
    #[arg(long, value_name = "HOPS", num_args = 0..=1, default_missing_value = "1")]
    verify: Option<u8>,
    /// Seconds of a trial.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// How DPDK starts.
    #[command(flatten)]
    eal: EalArguments,
}

/// A gateway that is ready for trials.
pub struct Subject {
    /// What is sent.
    pub plan: Arc<Plan>,
    /// How it is sent.
    pub trials: Trials,
    /// Hops to verify.
    pub verify: Option<u8>,
    /// Seconds of a trial.
    pub seconds: f64,
    started: Option<Gateway>,
}

impl Subject {
    /// Starts the gateway if there is none, opens the ports, and registers the hosts.
    ///
    /// # Errors
    /// What does not start, or a host that is refused.
    pub fn prepare(given: &SubjectArguments) -> Result<Self> {
        ensure!(
            given.seconds.is_finite() && given.seconds > 0.0,
            "--seconds is a number above 0"
        );
        let stop = interruptible()?;
        let mut plan = given.plan.clone();
        if given.port.is_none() {
            plan.tunnelled = match plan.direction {
                Direction::ToHosts => Tunnelled::Received,
                Direction::FromHosts => Tunnelled::Sent,
            };
        }
        let plan = Arc::new(Plan::new(&plan)?);
        let (started, ports) = match &given.port {
            Some(port) => (
                None,
                given.ports(port.clone(), given.back.clone(), given.gateway),
            ),
            None => {
                let setting = Setting {
                    role: Role::Lma,
                    sockets: None,
                    program: given.anchord.clone().map_or_else(gateway::beside, Ok)?,
                    core: Some(given.anchord_core),
                    share: false,
                    hugepages: "auto",
                    store: Kept::Off,
                    keys: false,
                };
                let started = Gateway::start(&setting, &plan)?;
                let (outside, core) = (started.outside_port(), started.core_port());
                let anchor = plan.given().anchor;
                let ports = match plan.given().direction {
                    Direction::ToHosts => given.ports(outside, Some(core), Some(OUTSIDE)),
                    Direction::FromHosts => given.ports(core, Some(outside), Some(anchor)),
                };
                (Some(started), ports)
            }
        };
        let mut ports = Ports::open(&ports, plan.given())?;
        if started.is_some() {
            let (mut out, mut back) = ports.take()?;
            match (plan.given().direction, &mut back) {
                (Direction::ToHosts, Some(core)) => register(&plan, core)?,
                _ => register(&plan, &mut out)?,
            }
            ports.give((out, back));
        }
        Ok(Self {
            trials: Trials::new(ports, stop),
            plan,
            verify: given.verify,
            seconds: given.seconds,
            started,
        })
    }

    /// Closes the ports and ends the gateway.
    ///
    /// # Errors
    /// When either does not end well.
    pub fn end(self) -> Result<()> {
        self.trials.into_ports().close()?;
        self.started.map_or(Ok(()), Gateway::stop)
    }
}

impl SubjectArguments {
    fn ports(
        &self,
        port: String,
        back: Option<String>,
        gateway: Option<Ipv6Addr>,
    ) -> PortArguments {
        PortArguments {
            back_core: self.back_core.filter(|_| back.is_some()),
            port,
            back,
            core: Some(self.core),
            gateway_mac: self.gateway_mac,
            gateway,
            // The correspondent or the access gateway: an address that is ours on either link.
            ask_from: gateway.map(|it| match it {
                OUTSIDE => self.plan.peer,
                _ => self.plan.access_gateway,
            }),
            eal: self.eal.clone(),
        }
    }
}

/// Registers every host, by the side of the access gateways.
fn register(plan: &Arc<Plan>, core: &mut Side<WorkerIo>) -> Result<()> {
    let gateway = find(core, plan.access_gateway(0), plan.given().anchor)?;
    let course = Course {
        rounds: 1,
        rate: None,
        outstanding: 128,
        retransmit: hz(),
        lifetime: 3600,
        hz: hz(),
    };
    let mut storm = Storm::new(Arc::clone(plan), course, gateway)?;
    let own = core.own();
    while !storm.is_over() {
        let (link, port) = core.link();
        storm.step(link, port, own, cycles());
        core.receive(&mut storm, cycles);
    }
    let hosts = plan.given().hosts;
    let registered = storm.total_answered();
    ensure!(
        registered == hosts,
        "only {registered} of {hosts} hosts could be registered: {:?}",
        storm.wrong()
    );
    Ok(())
}
