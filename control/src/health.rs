//! Whether what carries the gateway is well: the links of its ports and its workers.
//!
//! ```text
//!   twice a second:  link of each port ──► changed?              ──► log, notice; neighbours are asked anew
//!                    passes of each worker ──► the same for long? ──► log, notice, `workers`
//! ```
//!
//! Looking at a link also lets the workers know of it ([`ReadPort`]): what they would send on a port that is
//! down ends as `drop port_down`. A worker counts its passes also while nothing comes, and when it sleeps it wakes
//! up once in a while, so one whose count stands still hangs in a driver or does not get its core.

use crate::calls::{ReadPort, WorkerInfo};
use crate::gateway::PortInfo;
use crate::rpc::types::TimedNotice;
use crate::rpc::{MachineNotice, Notices};
use roles::Now;
use std::time::Duration;

/// Time between two looks.
const EVERY: Duration = Duration::from_millis(500);

/// One worker, as it was seen last.
#[derive(Clone, Copy, Debug, Default)]
struct Beat {
    polls: u64,
    /// How long its count has been standing still, in time in which we could see it move.
    still: Duration,
    reported: bool,
}

/// What was seen at the last look.
#[derive(Debug)]
pub(crate) struct Health {
    links: Vec<Option<bool>>,
    workers: Vec<Beat>,
    /// Time for which a worker may stand still.
    patience: Duration,
    looked: Option<Duration>,
}

impl Health {
    /// Nothing was seen yet. A worker may stand still for `patience`.
    pub(crate) fn new(ports: usize, workers: usize, patience: Duration) -> Self {
        Self {
            links: vec![None; ports],
            workers: vec![Beat::default(); workers],
            patience,
            looked: None,
        }
    }

    /// When to look next, on the monotonic clock.
    pub(crate) fn next(&self) -> Duration {
        self.looked.map_or(Duration::ZERO, |looked| looked + EVERY)
    }

    /// Seconds for which a worker has been standing still, once that was reported.
    pub(crate) fn standing(&self, worker: usize) -> Option<f64> {
        let beat = self.workers.get(worker).filter(|beat| beat.reported)?;
        Some(beat.still.as_secs_f64())
    }

    /// Looks, if it is time, and tells what has changed. Returns whether a link has come up that was down at the
    /// look before.
    pub(crate) fn look(
        &mut self,
        now: Now,
        (ports, read): (&[PortInfo], &mut ReadPort),
        workers: &[WorkerInfo],
        notices: &Notices,
    ) -> bool {
        if now.monotonic < self.next() {
            return false;
        }
        // A process that was stopped did not see its workers move, nor could they.
        let since = |looked| now.monotonic.saturating_sub(looked).min(EVERY * 2);
        let passed = self.looked.map_or(Duration::ZERO, since);
        self.looked = Some(now.monotonic);
        let (mut told, mut came_up) = (Vec::new(), false);
        for (port, seen) in ports.iter().zip(&mut self.links) {
            let up = read(port.id).link_up;
            let port = port.name.clone();
            match (seen.replace(up), up) {
                (Some(true), false) => told.push(MachineNotice::PortDown { port }),
                (Some(false), true) => {
                    told.push(MachineNotice::PortUp { port });
                    came_up = true;
                }
                // A port that begins without a link is nothing that happened, but worth a line.
                (None, false) => tracing::warn!(port, "its link is down"),
                _ => {}
            }
        }
        for ((worker, info), beat) in (0..).zip(workers).zip(&mut self.workers) {
            let (core, polls) = (info.core, info.stats.snapshot().polls);
            if polls != beat.polls {
                let secs = beat.still.as_secs_f64();
                if beat.reported {
                    told.push(MachineNotice::WorkerRecovered { worker, core, secs });
                }
                *beat = Beat {
                    polls,
                    ..Beat::default()
                };
                continue;
            }
            beat.still += passed;
            if beat.still >= self.patience && !beat.reported {
                beat.reported = true;
                let secs = beat.still.as_secs_f64();
                told.push(MachineNotice::WorkerStalled { worker, core, secs });
            }
        }
        for notice in told {
            let bad = notice.is_bad();
            let timed = TimedNotice::new(now, notice, None);
            match bad {
                true => tracing::warn!("{}", timed.words()),
                false => tracing::info!("{}", timed.words()),
            }
            notices.publish(&timed);
        }
        came_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::PortStats;
    use dataplane::worker::WorkerConfig;
    use packet::memory::{Pool, Ports};
    use packet::PortId;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::Arc;
    use wire::ether::MacAddr;

    fn at(millis: u64) -> Now {
        Now {
            monotonic: Duration::from_millis(millis),
            wall: Duration::from_millis(millis),
        }
    }

    /// A subscriber's lines, read as what was told.
    fn told(subscription: &mut crate::rpc::Subscription) -> Vec<String> {
        let lines = std::iter::from_fn(|| subscription.lines.try_recv().ok());
        lines
            .map(|line| {
                let value: serde_json::Value = serde_json::from_slice(&line).expect("JSON");
                let params = value["params"].clone();
                let timed: TimedNotice = serde_json::from_value(params).expect("a notice");
                timed.words()
            })
            .collect()
    }

    #[test]
    fn what_goes_down_and_what_stands_still_is_told_once_and_when_it_is_over() {
        let up = Arc::new(AtomicBool::new(true));
        let link = Arc::clone(&up);
        let mut read: ReadPort = Box::new(move |_| PortStats {
            link_up: link.load(Ordering::Relaxed),
            ..PortStats::default()
        });
        let ports = [PortInfo {
            name: "core0".to_owned(),
            device: String::new(),
            driver: String::new(),
            mac: MacAddr::default(),
            mtu: 1500,
            id: PortId(0),
            twin: None,
            queues: Default::default(),
        }];
        let capacity = dataplane::tables::Capacity {
            bindings: 16,
            tunnels: 4,
            adjacencies: 16,
        };
        let (_writer, tables) = dataplane::tables::Tables::new(capacity, 1).expect("tables");
        let (_control, mut rings) = dataplane::rings::channel(1).expect("rings");
        let io = Ports::new(1, Pool::new(16, 2048));
        let config = WorkerConfig::default();
        let mut worker = dataplane::worker::Worker::new(0, &tables, rings.remove(0), io, &config);
        let workers = [WorkerInfo {
            core: 7,
            socket: None,
            stats: worker.stats(),
            tap: Arc::default(),
        }];
        let notices = Notices::new();
        let mut subscription = notices.subscribe();
        let mut health = Health::new(1, 1, Duration::from_secs(2));
        let mut look = |millis, health: &mut Health| {
            let came_up = health.look(at(millis), (&ports, &mut read), &workers, &notices);
            let told = told(&mut subscription);
            assert_eq!(came_up, told == ["port core0 is up again"]);
            told
        };
        worker.poll_once();
        assert!(look(0, &mut health).is_empty());
        assert_eq!(health.next(), EVERY);
        up.store(false, Ordering::Relaxed);
        assert!(look(100, &mut health).is_empty(), "not yet time to look");
        assert_eq!(look(500, &mut health), ["port core0 is down"]);
        assert!(look(1_000, &mut health).is_empty());
        up.store(true, Ordering::Relaxed);
        worker.poll_once();
        assert_eq!(look(1_500, &mut health), ["port core0 is up again"]);

        assert!(look(2_000, &mut health).is_empty());
        assert!(look(3_000, &mut health).is_empty());
        assert_eq!(health.standing(0), None);
        let stalled = "worker 0 on core 7 has stood still for 2.0 s";
        assert_eq!(look(3_500, &mut health), [stalled]);
        assert!(look(4_000, &mut health).is_empty());
        assert_eq!(health.standing(0), Some(2.5));
        worker.poll_once();
        let recovered = "worker 0 on core 7 goes on, after 2.5 s";
        assert_eq!(look(4_500, &mut health), [recovered]);
        assert_eq!(health.standing(0), None);

        // The whole process stood still for a minute: no worker is to blame.
        assert!(look(64_500, &mut health).is_empty());
        worker.poll_once();
        assert!(look(65_000, &mut health).is_empty());
    }
}
