//! One gateway from start to end.

use crate::ports::Ports;
use crate::workers::Workers;
use anyhow::{bail, Context, Result};
use control::config::{Config, Hugepages, Machine, Role};
use control::kernel::Kernel;
use control::store::{Keeper, Opening};
use control::{ControlSocket, Params, PortStats};
use dataplane::rings;
use dataplane::tables::{Capacity, Tables};
use dpdk::{Eal, EalConfig};
use std::path::PathBuf;
use std::time::Instant;

/// The tables of a role that installs nothing in them.
const NOTHING: Capacity = Capacity {
    bindings: 1,
    tunnels: 1,
    adjacencies: 1,
};

/// Runs the gateway until SIGTERM or SIGINT.
///
/// # Errors
/// What it cannot start with, or what it could not give back at its end.
pub fn serve(config: Config, config_path: PathBuf, record: Option<PathBuf>) -> Result<()> {
    let started = Instant::now();
    control::hold_signals()?;
    let group = config.gateway.socket_group.as_deref();
    let socket = ControlSocket::claim(&config.gateway.socket, group)?;
    let housekeeping = housekeeping(&config);
    let control_core = housekeeping.first().copied();
    // It is opened and read while DPDK starts.
    let opening = Keeper::open(&config, housekeeping.last().copied())?;
    let opened = || opening.map(Opening::wait).transpose();
    if matches!(config.role(), Role::Cmd(_)) {
        let store = opened()?;
        let start = Start {
            config,
            config_path,
            record,
            socket,
            store,
            started,
        };
        return answer(start);
    }
    let eal = Eal::init(environment(&config, housekeeping))?;
    let store = opened()?;
    if let Some(id) = control_core {
        core_affinity::set_for_current(core_affinity::CoreId { id });
    }
    let mut ports = Ports::open(&eal, &config, &config_path)?;
    let start = Start {
        config,
        config_path,
        record,
        socket,
        store,
        started,
    };
    let outcome = forward(&eal, &mut ports, start);
    let closed = ports.close(eal);
    let leaks = both(outcome, closed)?;
    if leaks > 0 {
        bail!("{leaks} packet buffers were still in use at the end");
    }
    tracing::info!("all ports closed, no packet buffer in use");
    Ok(())
}

/// Answers mobility messages by way of the kernel until control returns: a role that carries no data
/// has neither ports nor workers, and DPDK is not started for it.
fn answer(start: Start) -> Result<()> {
    let Start {
        config,
        config_path,
        record,
        socket,
        store,
        started,
    } = start;
    let address = config.role().address();
    let kernel = Kernel::open(address).with_context(|| {
        format!(
            "mobility messages for {address} cannot be had from the kernel; give it the address, and \
             this process CAP_NET_RAW"
        )
    })?;
    let (writer, _) = Tables::new(NOTHING, 0).context("the tables do not fit into memory")?;
    let (rings, _) = rings::channel(0).context("the rings cannot be made")?;
    control::run(Params {
        config,
        config_path,
        socket,
        record,
        store,
        writer,
        rings,
        kernel: Some(kernel),
        ports: Vec::new(),
        read_port: Box::new(|_| PortStats::default()),
        workers: Vec::new(),
        dpdk_version: dpdk::version().trim_start_matches("DPDK ").to_owned(),
        cycles_per_second: None,
        ready: Some(Box::new(move || {
            tracing::info!(milliseconds = started.elapsed().as_millis(), "ready");
        })),
    })
    .map_err(Into::into)
}

/// The cores that no worker has: DPDK's own threads and control keep to them. Empty when the workers
/// have all.
fn housekeeping(config: &Config) -> Vec<usize> {
    let mut cores = Machine::this().cores;
    cores.retain(|core| !config.workers.cores.contains(core));
    cores
}

/// What DPDK's environment is started with.
fn environment(config: &Config, housekeeping: Vec<usize>) -> EalConfig {
    EalConfig {
        name: format!("anchord-{}", std::process::id()),
        housekeeping,
        memory_mb: config.eal.memory,
        hugepages: match config.eal.hugepages {
            Hugepages::Auto => dpdk::Hugepages::Auto,
            Hugepages::Never => dpdk::Hugepages::Never,
            Hugepages::Require => dpdk::Hugepages::Require,
        },
        devices: config.port.iter().map(|it| it.device.clone()).collect(),
        ..EalConfig::default()
    }
}

/// What a gateway starts with.
struct Start {
    config: Config,
    config_path: PathBuf,
    record: Option<PathBuf>,
    socket: ControlSocket,
    store: Option<Keeper>,
    started: Instant,
}

/// What came second, if what came first went well. When neither did, the first is the cause and the
/// second goes into the log.
fn both<T>(first: Result<()>, second: Result<T>) -> Result<T> {
    if let (Err(_), Err(error)) = (&first, &second) {
        tracing::error!("{error:#}");
    }
    first.and(second)
}

/// Forwards until control returns. Workers have ended when this does, whatever it returns.
fn forward(eal: &Eal, ports: &mut Ports, start: Start) -> Result<()> {
    let Start {
        config,
        config_path,
        record,
        socket,
        store,
        started,
    } = start;
    let capacity = Capacity {
        bindings: config.tables.bindings,
        tunnels: config.tables.tunnels,
        adjacencies: config.tables.adjacencies(),
    };
    let count = config.workers.cores.len();
    let (writer, tables) =
        Tables::new(capacity, count).context("the tables do not fit into memory")?;
    let (rings, worker_rings) = rings::channel(count).context("the rings cannot be made")?;
    let workers = Workers::start(eal, ports, &tables, worker_rings, &config.workers)?;
    let outcome = control::run(Params {
        config,
        config_path,
        socket,
        record,
        store,
        writer,
        rings,
        kernel: None,
        ports: ports.info(),
        read_port: ports.reader(),
        workers: workers.info(),
        dpdk_version: dpdk::version().trim_start_matches("DPDK ").to_owned(),
        cycles_per_second: Some(dpdk::hz() as f64),
        ready: Some(Box::new(move || {
            tracing::info!(milliseconds = started.elapsed().as_millis(), "ready");
        })),
    });
    both(outcome.map_err(Into::into), workers.stop())
}
