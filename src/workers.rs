//! The workers: one pinned thread per configured core.

use crate::ports::Ports;
use anyhow::{anyhow, Context, Result};
use control::config::{self, Idle};
use control::WorkerInfo;
use dataplane::handoff;
use dataplane::rings::WorkerRings;
use dataplane::tables::Tables;
use dataplane::verdict::Punt;
use dataplane::worker::{self, PuntRate, PuntRates, Rate, Worker, WorkerConfig};
use dpdk::{Eal, WorkerIo, WorkerThread};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

/// Running workers. They run until [`Workers::stop`].
pub struct Workers {
    threads: Vec<WorkerThread<()>>,
    info: Vec<WorkerInfo>,
    stop: Arc<AtomicBool>,
}

impl Workers {
    /// Starts a worker on every configured core, each with its queues of every port.
    ///
    /// # Errors
    /// The first that does not start; the others have ended when this returns.
    pub fn start(
        eal: &Eal,
        ports: &mut Ports,
        tables: &Arc<Tables>,
        rings: Vec<WorkerRings>,
        config: &config::Workers,
    ) -> Result<Self> {
        let mut workers = Self {
            threads: Vec::new(),
            info: Vec::new(),
            stop: Arc::default(),
        };
        let shares = ports.take_shares();
        let ends = handoff::channel(shares.len(), &ports.plans());
        let waits = config.idle == Idle::Monitor;
        let settings = settings(config);
        let each = config.cores.iter().zip(shares).zip(rings).zip(ends);
        for (index, (((&core, share), rings), ends)) in each.enumerate() {
            let started = ports
                .pool(index)
                .context("a gateway needs a port")
                .and_then(|pool| {
                    let io = WorkerIo::with(share, pool)?;
                    if waits {
                        can_wait(&io, ports)?;
                    }
                    let worker = Worker::joined(index, tables, rings, io, ends, &settings);
                    workers.spawn(eal, index, core, worker)
                });
            if let Err(error) = started {
                if let Err(error) = workers.stop() {
                    tracing::error!("{error:#}");
                }
                return Err(error);
            }
        }
        Ok(workers)
    }

    /// Lets a worker run on a core.
    fn spawn(
        &mut self,
        eal: &Eal,
        index: usize,
        core: usize,
        mut worker: Worker<WorkerIo>,
    ) -> Result<()> {
        let (stats, tap) = (worker.stats(), worker.tap());
        let vital = Vital(Arc::clone(&self.stop));
        let run = move || worker.run(&vital.0);
        let thread = eal.spawn_worker(&format!("worker-{index}"), Some(core), run)?;
        self.threads.push(thread);
        let socket = dpdk::node_of(core);
        self.info.push(WorkerInfo {
            core,
            socket,
            stats,
            tap,
        });
        Ok(())
    }

    /// What control is told of the workers.
    pub fn info(&self) -> Vec<WorkerInfo> {
        self.info.clone()
    }

    /// Ends all workers and waits for them.
    ///
    /// # Errors
    /// The first worker that panicked; all others have ended too.
    pub fn stop(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let ended: Vec<_> = self.threads.into_iter().map(WorkerThread::join).collect();
        ended.into_iter().collect::<Result<(), _>>()?;
        Ok(())
    }
}

/// Whether a worker over these queues can wait for its processor to see a packet come.
fn can_wait(io: &WorkerIo, ports: &Ports) -> Result<()> {
    let cannot = match ports.hands_on() {
        true => Err("a port has fewer queues than there are workers, which hand packets on".into()),
        false => io.can_wait(),
    };
    cannot.map_err(|why| {
        anyhow!("idle = \"monitor\" cannot be had: {why}; use \"pause\" for latency or \"sleep\" for rest")
    })
}

/// What a gateway does not go on without: dropped before `stop` is set, it ends the gateway, so that a
/// worker that panicked is reported and not missed.
struct Vital(Arc<AtomicBool>);

impl Drop for Vital {
    fn drop(&mut self) {
        if !self.0.load(Ordering::Relaxed) {
            tracing::error!("a worker has ended; so does the gateway");
            // To the process: workers inherit that signals are held, and control is who listens. A valid
            // signal to oneself does not fail.
            let _ = kill(Pid::this(), Signal::SIGTERM);
        }
    }
}

/// The settings of a worker.
fn settings(config: &config::Workers) -> WorkerConfig {
    let [shortest, longest] = config
        .idle_sleep_us
        .map(|us| Duration::from_micros(us.into()));
    // A second's share at once, but no more than the ring to control has room for.
    let rate = |per_second: u32| Rate::new(per_second, per_second.min(256));
    let mut punt_rates = PuntRates::default();
    for &reason in Punt::ALL {
        // A host that comes up needs few of these, whatever others may need, and one server speaks for
        // many hosts.
        let own = matches!(
            reason,
            Punt::UnknownHost | Punt::RouterSolicitation | Punt::Dhcp | Punt::DhcpServer
        );
        let source = match own {
            true => punt_rates.get(reason).source,
            false => rate(config.punt_source_rate),
        };
        let total = rate(config.punt_rate);
        punt_rates.set(reason, PuntRate { source, total });
    }
    punt_rates.peers.source = Rate::new(config.peer_rate, config.peer_rate.div_ceil(10));
    WorkerConfig {
        idle: match config.idle {
            Idle::Busy => worker::Idle::Busy,
            Idle::Pause => worker::Idle::Pause,
            Idle::Sleep => worker::Idle::Sleep {
                after_empty_polls: config.idle_after,
                shortest,
                longest,
            },
            Idle::Monitor => worker::Idle::Monitor {
                after_empty_polls: config.idle_after,
                longest,
            },
        },
        icmp_rate: Rate::new(config.icmp_rate, config.icmp_rate.div_ceil(10)),
        icmp_source_rate: Rate::new(config.icmp_rate.div_ceil(10), config.icmp_rate.div_ceil(40)),
        punt_rates,
        fragment_seed: RandomState::new().hash_one(0) as u32,
        ..WorkerConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_ends_unasked_ends_the_gateway() {
        let ended = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(Signal::SIGTERM as i32, Arc::clone(&ended)).expect("a handler");
        drop(Vital(Arc::new(AtomicBool::new(true))));
        assert!(!ended.load(Ordering::Relaxed), "it was told to stop");
        // As in a worker, to which signals do not come.
        let worker = std::thread::spawn(|| {
            control::hold_signals().expect("held");
            drop(Vital(Arc::default()));
        });
        worker.join().expect("it has ended");
        let told = (0..1_000).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            ended.load(Ordering::Relaxed)
        });
        assert!(told, "nobody heard that a worker has ended");
    }
}
