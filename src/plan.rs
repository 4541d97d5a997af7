//! Who does what on a port: which worker polls which receive queue, which sends by which transmit queue,
//! and whether packets are handed on.

use anyhow::Result;
use control::config::{self, Config, Handoff};
use dataplane::handoff::PortPlan;
use dpdk::Port;
use std::path::Path;

/// The queues of one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The worker that polls each receive queue, as far as the device has them.
    pub pollers: Vec<usize>,
    /// Whether packets are handed to the worker of their inner flow.
    pub spread: bool,
    /// Number of transmit queues; worker `w` has queue `w`, if there is one.
    pub tx: usize,
}

/// What the configuration says of a port's receive queues.
pub struct Wanted {
    /// The worker of each; none for as many as there are, in turn from worker `first` on.
    named: Option<Vec<usize>>,
    /// Entries of `[[workers.rx]]` that name them, by queue.
    entries: Vec<usize>,
    first: usize,
    workers: usize,
}

impl Wanted {
    /// What `config` says of the port `name`. Ports with fewer queues than workers have left off
    /// before worker `first`.
    pub fn of(config: &Config, name: &str, first: usize) -> Self {
        let cores = &config.workers.cores;
        let worker = |core: usize| cores.iter().position(|it| *it == core).unwrap_or(0);
        let entries = config.workers.rx.iter().enumerate();
        let mut named: Vec<(u16, usize, usize)> = entries
            .filter(|(_, entry)| entry.port == name)
            .flat_map(|(index, entry)| {
                let of = worker(entry.core);
                entry.queues.iter().map(move |queue| (*queue, of, index))
            })
            .collect();
        // Checking has seen to it that each queue up to the last is named once.
        named.sort_unstable();
        let workers = named.iter().map(|(_, worker, _)| *worker).collect();
        Self {
            entries: named.iter().map(|(_, _, index)| *index).collect(),
            named: Some(workers).filter(|workers: &Vec<usize>| !workers.is_empty()),
            first,
            workers: cores.len().max(1),
        }
    }

    /// Receive queues to ask the device for.
    pub fn rx_queues(&self) -> usize {
        self.named.as_ref().map_or(self.workers, Vec::len)
    }

    /// Receive queues that worker `worker` polls, if the device has all that are asked for.
    pub fn of_worker(&self, worker: usize) -> usize {
        match &self.named {
            Some(named) => named.iter().filter(|it| **it == worker).count(),
            None => 1,
        }
    }

    /// The worker that polls each of `queues` receive queues.
    pub fn pollers(&self, queues: usize) -> Vec<usize> {
        match &self.named {
            Some(named) => named.iter().copied().take(queues).collect(),
            None if queues == self.workers => (0..queues).collect(),
            None => (0..queues)
                .map(|queue| (self.first + queue) % self.workers)
                .collect(),
        }
    }

    /// The plan for a port that was opened.
    ///
    /// # Errors
    /// A queue that the configuration names and the device does not have.
    pub fn plan(&self, config: &Config, config_path: &Path, port: &Port) -> Result<Plan> {
        let got = usize::from(port.rx_queues());
        if let Some(entry) = self.entries.get(got).filter(|_| self.named.is_some()) {
            let text = format!(
                "port {} has no queue {got}: its device ({}) gives {got} to receive; {}",
                port.name(),
                port.driver(),
                port.queue_hint(self.rx_queues())
            );
            return Err(config::Config::wrong_rx(config_path, *entry, text).into());
        }
        let pollers = self.pollers(got);
        let spread = match config.workers.handoff {
            Handoff::Never => false,
            Handoff::Always => self.workers > 1,
            Handoff::Auto => {
                let fed = (0..self.workers).all(|worker| pollers.contains(&worker));
                self.workers > 1 && !(fed && port.rss().ipv6)
            }
        };
        Ok(Plan {
            pollers,
            spread,
            tx: usize::from(port.tx_queues()),
        })
    }
}

impl Plan {
    /// For `workers` workers: who sends for whom.
    pub fn handoff(&self, workers: usize) -> PortPlan {
        let sender = |worker: usize| match worker < self.tx {
            true => worker,
            false => worker % self.tx.max(1),
        };
        PortPlan {
            spread: self.spread,
            senders: (0..workers).map(sender).collect(),
        }
    }

    /// Whether a worker is handed anything on this port, or hands anything on.
    pub fn hands_on(&self, workers: usize) -> bool {
        self.spread || self.tx < workers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(named: Option<Vec<usize>>, first: usize, workers: usize) -> Wanted {
        Wanted {
            entries: vec![0; named.as_ref().map_or(0, Vec::len)],
            named,
            first,
            workers,
        }
    }

    #[test]
    fn queues_are_shared_out_in_turn_unless_they_are_named() {
        assert_eq!(wanted(None, 0, 3).pollers(3), [0, 1, 2]);
        assert_eq!(wanted(None, 2, 3).pollers(3), [0, 1, 2], "one each");
        assert_eq!(wanted(None, 2, 3).pollers(2), [2, 0]);
        let named = wanted(Some(vec![1, 1, 0]), 0, 2);
        assert_eq!(named.pollers(3), [1, 1, 0]);
        assert_eq!((named.rx_queues(), named.of_worker(1)), (3, 2));
    }

    #[test]
    fn a_worker_without_a_queue_sends_by_one_that_has() {
        let plan = Plan {
            pollers: vec![0],
            spread: true,
            tx: 2,
        };
        assert_eq!(plan.handoff(5).senders, [0, 1, 0, 1, 0]);
        assert!(!Plan {
            spread: false,
            ..plan
        }
        .hands_on(2));
    }
}
