//! The ports of the gateway: those of the configuration, then the TAP twins that some of them have.
//! Each worker has one pool, at the NUMA node of its core, for what it receives on any of them.

use crate::plan::{Plan, Wanted};
use anyhow::{Context, Result};
use control::config::{self, Config};
use control::{PortInfo, PortQueues, PortStats, ReadPort};
use dataplane::handoff::{self, PortPlan};
use dpdk::{Eal, Pool, PoolConfig, Port, PortConfig, PortShare};
use packet::PortId;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use wire::ether::MacAddr;

/// Buffers that another worker's thread may keep for itself of what it was handed: one and a half
/// times the largest cache that DPDK gives a thread.
const CACHED_ELSEWHERE: u32 = 384;

/// All open ports; the index of one is its [`PortId`].
pub struct Ports {
    // Shared with what reads their counters for control.
    open: Arc<Mutex<Vec<Port>>>,
    info: Vec<PortInfo>,
    plans: Vec<Plan>,
    /// By worker.
    pools: Vec<Pool>,
}

impl Ports {
    /// Opens every port and every twin of the configuration, with a queue pair per worker or as many as
    /// the device has.
    ///
    /// # Errors
    /// The first port that does not open, and why; those before it are closed again.
    pub fn open(eal: &Eal, config: &Config, config_path: &Path) -> Result<Self> {
        let configs: Vec<PortConfig> = config.port.iter().map(of_port).collect();
        let twins: Vec<PortConfig> = (0..)
            .zip(&config.port)
            .filter_map(|(number, port)| of_twin(number, port))
            .collect();
        let mut ports = Self {
            open: Arc::default(),
            info: Vec::new(),
            plans: Vec::new(),
            pools: pools(eal, config, &configs, &twins)?,
        };
        let mut first = 0;
        for (port, of_port) in config.port.iter().zip(configs) {
            let wanted = Wanted::of(config, &port.name, first);
            let attached = ports.attach(eal, of_port, &wanted)?;
            for note in attached.notes() {
                tracing::warn!(port = port.name, "{note}");
            }
            let plan = wanted.plan(config, config_path, &attached)?;
            if plan.pollers.len() < ports.pools.len() {
                first += plan.pollers.len();
            }
            explain(config, port, &attached, &plan);
            ports.info.push(PortInfo {
                name: port.name.clone(),
                device: port.device.clone(),
                driver: attached.driver().to_owned(),
                mac: MacAddr(attached.mac()),
                mtu: attached.mtu(),
                id: ports.next()?,
                twin: None,
                queues: PortQueues {
                    pollers: plan.pollers.clone(),
                    tx: plan.tx,
                    rss: attached
                        .rss()
                        .words()
                        .into_iter()
                        .map(str::to_owned)
                        .collect(),
                    handoff: plan.spread,
                    socket: attached.socket(),
                },
            });
            ports.push(attached, plan);
        }
        let mut twins = twins.into_iter();
        for (index, port) in config.port.iter().enumerate() {
            let Some(name) = port.twin.clone() else {
                continue;
            };
            let Some(twin) = twins.next() else {
                continue;
            };
            // The twin has the port's own link-layer address: to the link, both are one station.
            let mac = ports.info.get(index).map(|info| info.mac.0);
            let wanted = Wanted::of(config, "", 0);
            let twin = ports.attach(eal, PortConfig { mac, ..twin }, &wanted)?;
            let plan = Plan {
                // The kernel spreads its own packets by flow.
                spread: false,
                pollers: wanted.pollers(twin.rx_queues().into()),
                tx: twin.tx_queues().into(),
            };
            let id = ports.next()?;
            if let Some(info) = ports.info.get_mut(index) {
                info.twin = Some((name, id));
            }
            ports.push(twin, plan);
        }
        Ok(ports)
    }

    /// Opens a port whose receive queues have the pools of the workers that poll them.
    fn attach(&self, eal: &Eal, config: PortConfig, wanted: &Wanted) -> Result<Port> {
        let config = PortConfig {
            queues: u16::try_from(self.pools.len()).context("too many workers")?,
            rx_queues: Some(u16::try_from(wanted.rx_queues()).context("too many queues")?),
            fewer: true,
            ..config
        };
        let name = config.name.clone();
        let port = Port::attach_with(eal, config, |queues| {
            let pollers = wanted.pollers(queues.into()).into_iter();
            pollers
                .filter_map(|worker| self.pools.get(worker).cloned())
                .collect()
        })?;
        for line in port.startup_log() {
            tracing::debug!(port = name, "{line}");
        }
        Ok(port)
    }

    fn next(&self) -> Result<PortId> {
        let index = u16::try_from(self.plans.len()).context("too many ports")?;
        Ok(PortId(index))
    }

    fn push(&mut self, port: Port, plan: Plan) {
        self.open.lock().push(port);
        self.plans.push(plan);
    }

    /// What control is told of the ports.
    pub fn info(&self) -> Vec<PortInfo> {
        self.info.clone()
    }

    /// What workers hand each other.
    pub fn plans(&self) -> Vec<PortPlan> {
        let plans = self.plans.iter();
        plans.map(|plan| plan.handoff(self.pools.len())).collect()
    }

    /// Whether workers hand each other anything.
    pub fn hands_on(&self) -> bool {
        let mut plans = self.plans.iter();
        self.pools.len() > 1 && plans.any(|plan| plan.hands_on(self.pools.len()))
    }

    /// Reads the counters and the link of a port, and lets workers know of the link.
    pub fn reader(&self) -> ReadPort {
        let open = Arc::clone(&self.open);
        Box::new(move |PortId(index)| {
            let open = open.lock();
            let Some(port) = open.get(usize::from(index)) else {
                return PortStats::default();
            };
            let stats = port.stats();
            PortStats {
                link_up: port.watch_link(),
                rx_packets: stats.rx_packets,
                rx_bytes: stats.rx_octets,
                rx_missed: stats.rx_missed + stats.rx_no_mbuf,
                rx_errors: stats.rx_errors,
                tx_packets: stats.tx_packets,
                tx_bytes: stats.tx_octets,
                tx_errors: stats.tx_errors,
            }
        })
    }

    /// What each worker has of every port.
    pub fn take_shares(&mut self) -> Vec<Vec<PortShare>> {
        let mut shares: Vec<Vec<_>> = self.pools.iter().map(|_| Vec::new()).collect();
        for (port, plan) in self.open.lock().iter_mut().zip(&self.plans) {
            let (rx, tx) = port.take_ends();
            let mut polled: Vec<Vec<_>> = shares.iter().map(|_| Vec::new()).collect();
            for (queue, worker) in rx.into_iter().zip(&plan.pollers) {
                if let Some(polled) = polled.get_mut(*worker) {
                    polled.push(queue);
                }
            }
            let mut tx = tx.into_iter();
            for (share, rx) in shares.iter_mut().zip(polled) {
                share.push(PortShare::new(rx, tx.next(), port.link()));
            }
        }
        shares
    }

    /// The pool that packets born in worker number `worker` come from.
    pub fn pool(&self, worker: usize) -> Option<Pool> {
        self.pools.get(worker).cloned()
    }

    /// Closes all ports, ends the environment, and says how many packet buffers were still out.
    ///
    /// # Errors
    /// A port that something still holds.
    pub fn close(self, eal: Eal) -> Result<u32> {
        let ports = std::mem::take(&mut *self.open.lock());
        Ok(eal.shutdown(ports, self.pools)?.mbufs_in_use())
    }
}

fn of_port(port: &config::Port) -> PortConfig {
    PortConfig {
        mtu: Some(port.mtu),
        // An access interface shows a link-layer address that is not the port's.
        promiscuous: true,
        ..PortConfig::new(&port.name, &port.device)
    }
}

fn of_twin(number: usize, port: &config::Port) -> Option<PortConfig> {
    let name = port.twin.as_ref()?;
    Some(PortConfig {
        mtu: Some(port.mtu),
        ..PortConfig::new(
            format!("{}'s twin", port.name),
            format!("net_tap{number},iface={name}"),
        )
    })
}

/// One pool for each worker, large enough for all that it polls, and for what it may have lying before
/// other workers.
fn pools(
    eal: &Eal,
    config: &Config,
    ports: &[PortConfig],
    twins: &[PortConfig],
) -> Result<Vec<Pool>> {
    let cores = &config.workers.cores;
    let all = || ports.iter().chain(twins);
    let data_room = all().map(PortConfig::data_room).max();
    let others = u32::try_from(cores.len().saturating_sub(1)).context("too many workers")?;
    let handed = others * (handoff::RING_PACKETS as u32 + CACHED_ELSEWHERE);
    let pool = |(worker, core): (usize, &usize)| {
        let polled = all().map(|port| {
            let queues = Wanted::of(config, &port.name, 0).of_worker(worker);
            port.buffers(u32::try_from(queues).unwrap_or(u32::MAX))
        });
        let mbufs = polled.fold(handed, u32::saturating_add);
        let pool = PoolConfig {
            name: format!("worker-{worker}"),
            mbufs: (mbufs.saturating_add(1)).next_power_of_two() - 1,
            data_room: data_room.unwrap_or_default(),
            socket: dpdk::node_of(*core),
        };
        Ok(Pool::new(eal, pool)?)
    };
    cores.iter().enumerate().map(pool).collect()
}

/// Tells the log what the operator may want otherwise: workers that a port does not feed, and memory that
/// is far away.
fn explain(config: &Config, port: &config::Port, attached: &Port, plan: &Plan) {
    let cores = &config.workers.cores;
    let core = |worker: &usize| cores.get(*worker).copied().unwrap_or_default();
    let fed: Vec<usize> = plan.pollers.iter().map(core).collect();
    let unfed = (0..cores.len()).any(|worker| !plan.pollers.contains(&worker));
    if unfed && !plan.spread {
        tracing::warn!(
            port = port.name,
            "only the workers on cores {fed:?} receive from it: {}, or set handoff = \"auto\"",
            attached.queue_hint(cores.len())
        );
    }
    let Some(node) = attached.socket() else {
        return;
    };
    for core in fed {
        if let Some(other) = dpdk::node_of(core).filter(|other| *other != node) {
            tracing::warn!(
                port = port.name,
                "it is at NUMA node {node} and core {core}, which polls it, at node {other}: packets \
                 cross between them; give it a core of its own node"
            );
        }
    }
}
