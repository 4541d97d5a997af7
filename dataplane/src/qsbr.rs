//! When may what was taken out of a table be used again? Once every worker has said that it holds
//! nothing from before: quiescent-state-based reclamation.
//!
//! ```text
//!   writer   unlink x    advance: epoch 7 -> 8       scan: all >= 8 or offline -> x is free
//!   worker A ..burst.......|....burst............| quiescent: 8 |...
//!   worker B ....offline.................................................
//! ```
//!
//! A worker is online or offline. Online it says "quiescent" once per burst: it writes the epoch that
//! it sees into a word of its own. The writer tags what it unlinks with the next epoch, advances the
//! epoch from time to time and frees what every online worker has passed. The writer never waits;
//! what cannot be freed yet stays in a [`Deferred`] list.

use crate::sync::{fence, AtomicU64, Ordering};
use crossbeam::utils::CachePadded;
use std::collections::VecDeque;

/// State of a worker that holds nothing.
const OFFLINE: u64 = 0;

/// The epoch and every worker's word.
pub struct Qsbr {
    epoch: CachePadded<AtomicU64>,
    workers: Box<[CachePadded<AtomicU64>]>,
}

impl Qsbr {
    /// For this many workers, all offline.
    pub fn new(workers: usize) -> Self {
        Self {
            epoch: CachePadded::new(AtomicU64::new(OFFLINE + 1)),
            workers: (0..workers)
                .map(|_| CachePadded::new(AtomicU64::new(OFFLINE)))
                .collect(),
        }
    }

    /// Number of workers.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// The worker begins to read the tables.
    pub fn online(&self, worker: usize) {
        let Some(state) = self.workers.get(worker) else {
            return;
        };
        // Release: a writer that sees this epoch, and so takes the worker to be past what was unlinked
        // before, must also see that its last time online has ended.
        state.store(self.epoch.load(Ordering::Acquire), Ordering::Release);
        // Pairs with the fence in `advance`: either the writer's scan sees this worker online, or
        // this worker sees all that was unlinked before that scan.
        fence(Ordering::SeqCst);
    }

    /// The worker holds nothing and will not read before it is online again.
    pub fn offline(&self, worker: usize) {
        if let Some(state) = self.workers.get(worker) {
            state.store(OFFLINE, Ordering::Release);
        }
    }

    /// The worker holds nothing from before this call. Does nothing while it is offline.
    #[inline]
    pub fn quiescent(&self, worker: usize) {
        let Some(state) = self.workers.get(worker) else {
            return;
        };
        let epoch = self.epoch.load(Ordering::Acquire);
        let seen = state.load(Ordering::Relaxed);
        if seen != epoch && seen != OFFLINE {
            state.store(epoch, Ordering::Release);
        }
    }

    /// Writer: the epoch to tag with what is unlinked now.
    fn tag(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed) + 1
    }

    /// Writer: begins a new epoch, so that workers can pass what was tagged before.
    pub fn advance(&self) {
        let next = self.tag();
        fence(Ordering::SeqCst);
        self.epoch.store(next, Ordering::Release);
    }

    /// Writer: the newest epoch that every online worker has passed.
    pub fn passed(&self) -> u64 {
        let mut passed = self.epoch.load(Ordering::Relaxed);
        for state in &self.workers {
            let seen = state.load(Ordering::Acquire);
            if seen != OFFLINE {
                passed = passed.min(seen);
            }
        }
        passed
    }

    /// Writer: the online worker that is furthest behind, if one has not passed `tag` yet.
    fn behind(&self, tag: u64) -> Option<usize> {
        let states = self
            .workers
            .iter()
            .map(|s| s.load(Ordering::Acquire))
            .enumerate();
        let online = states.filter(|&(_, seen)| seen != OFFLINE && seen < tag);
        online
            .min_by_key(|&(_, seen)| seen)
            .map(|(worker, _)| worker)
    }
}

/// What the writer has unlinked and workers may still hold, oldest first. The writer's own.
///
/// It takes no more than the table has records, so it is bounded by its table.
pub struct Deferred<T> {
    waiting: VecDeque<(u64, T)>,
}

impl<T> Default for Deferred<T> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
        }
    }
}

impl<T> Deferred<T> {
    /// Takes in `item`, which no worker can find any more.
    pub fn push(&mut self, qsbr: &Qsbr, item: T) {
        self.waiting.push_back((qsbr.tag(), item));
    }

    /// Takes out the oldest item if every worker has passed it; `passed` is from [`Qsbr::passed`].
    pub fn pop(&mut self, passed: u64) -> Option<T> {
        let (tag, _) = self.waiting.front()?;
        if *tag > passed {
            return None;
        }
        self.waiting.pop_front().map(|(_, item)| item)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The worker that holds back the oldest item.
    pub fn held_by(&self, qsbr: &Qsbr) -> Option<usize> {
        self.waiting.front().and_then(|(tag, _)| qsbr.behind(*tag))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_item_waits_for_every_online_worker_and_no_other() {
        let qsbr = Qsbr::new(3);
        let mut deferred = Deferred::default();
        qsbr.online(0);
        qsbr.online(1);
        deferred.push(&qsbr, 'x');
        qsbr.advance();
        assert_eq!(deferred.pop(qsbr.passed()), None);
        assert_eq!(deferred.held_by(&qsbr), Some(0));
        qsbr.quiescent(0);
        assert_eq!(deferred.pop(qsbr.passed()), None);
        assert_eq!(deferred.held_by(&qsbr), Some(1));
        qsbr.offline(1);
        assert_eq!(deferred.held_by(&qsbr), None);
        assert_eq!(deferred.pop(qsbr.passed()), Some('x'));
        assert!(deferred.is_empty());
    }

    #[test]
    fn being_quiescent_does_not_bring_a_worker_online() {
        let qsbr = Qsbr::new(1);
        qsbr.quiescent(0);
        let mut deferred = Deferred::default();
        deferred.push(&qsbr, ());
        qsbr.advance();
        assert_eq!(deferred.pop(qsbr.passed()), Some(()));
    }

    #[test]
    fn what_is_unlinked_after_the_epoch_began_waits_for_the_next() {
        let qsbr = Qsbr::new(1);
        qsbr.online(0);
        let mut deferred = Deferred::default();
        qsbr.advance();
        deferred.push(&qsbr, ());
        qsbr.quiescent(0);
        assert_eq!(deferred.pop(qsbr.passed()), None);
        qsbr.advance();
        qsbr.quiescent(0);
        assert_eq!(deferred.pop(qsbr.passed()), Some(()));
    }
}
