//! A session of watching, and a worker's place for one.

use super::filter::Filter;
use super::record::Record;
use crossbeam::queue::ArrayQueue;
use crossbeam::utils::CachePadded;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;

/// What a session is for.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Packets that are watched.
    pub filter: Filter,
    /// Whether the stages note down what they find.
    pub notes: bool,
    /// Octets of every frame that are kept, before and after.
    pub snap: usize,
    /// Packets after which it is over, all workers together; `None`: it goes on until it is stopped.
    pub packets: Option<u64>,
    /// Records of each worker.
    pub depth: usize,
}

/// Records of one worker, and what it could not record.
struct Lane {
    free: ArrayQueue<Box<Record>>,
    full: ArrayQueue<Box<Record>>,
    lost: CachePadded<AtomicU64>,
}

/// One session of watching, shared by control and the workers that take part.
pub struct Session {
    config: SessionConfig,
    remaining: AtomicU64,
    stopped: AtomicBool,
    lanes: Vec<Lane>,
}

impl Session {
    /// A session for `workers` workers with all the records that it will ever have.
    #[must_use]
    pub fn new(config: SessionConfig, workers: usize) -> Arc<Self> {
        let depth = config.depth.max(1);
        let lane = |_| {
            let lane = Lane {
                free: ArrayQueue::new(depth),
                full: ArrayQueue::new(depth),
                lost: CachePadded::default(),
            };
            for _ in 0..depth {
                // There are as many places as records.
                let _ = lane.free.push(Box::new(Record::new(config.snap)));
            }
            lane
        };
        let lanes = (0..workers).map(lane).collect();
        Arc::new(Self {
            remaining: AtomicU64::new(config.packets.unwrap_or(u64::MAX)),
            stopped: AtomicBool::new(false),
            config,
            lanes,
        })
    }

    /// What it was made for.
    #[must_use]
    pub fn config(&self) -> &SessionConfig {
        &self.config
    }

    /// Control: hands what the workers have recorded to `f`, with the worker's index, a round of every
    /// ring; returns how many records there were.
    pub fn poll(&self, mut f: impl FnMut(usize, &Record)) -> usize {
        let mut count = 0;
        for (worker, lane) in self.lanes.iter().enumerate() {
            for _ in 0..lane.full.capacity() {
                let Some(record) = lane.full.pop() else {
                    break;
                };
                f(worker, &record);
                count += 1;
                let _ = lane.free.push(record);
            }
        }
        count
    }

    /// Whether as many packets were recorded as it was made for.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.remaining.load(Ordering::Acquire) == 0
    }

    /// Frames that the filter wanted and that found no free record.
    #[must_use]
    pub fn lost(&self) -> u64 {
        let lost = |lane: &Lane| lane.lost.load(Ordering::Relaxed);
        self.lanes.iter().map(lost).sum()
    }

    /// Control: no worker begins another record.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Worker: a free record. Without one, the frame counts as lost.
    pub(super) fn take(&self, worker: usize) -> Option<Box<Record>> {
        let lane = self.lanes.get(worker)?;
        let record = lane.free.pop();
        match record {
            Some(mut record) => {
                record.clear();
                Some(record)
            }
            None => {
                let lost = lane.lost.load(Ordering::Relaxed).wrapping_add(1);
                lane.lost.store(lost, Ordering::Relaxed);
                None
            }
        }
    }

    /// Worker: a record that is not wanted after all.
    pub(super) fn give_back(&self, worker: usize, record: Box<Record>) {
        let Some(lane) = self.lanes.get(worker) else {
            return;
        };
        // There are as many places as records.
        let _ = lane.free.push(record);
    }

    /// Worker: a record for control.
    pub(super) fn put(&self, worker: usize, record: Box<Record>) {
        let Some(lane) = self.lanes.get(worker) else {
            return;
        };
        // There are as many places as records.
        let _ = lane.full.push(record);
    }

    /// Worker: whether one more packet belongs to it, which is then counted.
    pub(super) fn claim(&self) -> bool {
        if self.config.packets.is_none() {
            return true;
        }
        let less = |left: u64| left.checked_sub(1);
        self.remaining
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, less)
            .is_ok()
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// A worker's place for one session.
///
/// ```text
///   free ──start──► asked ──worker──► watching ──stop, worker──► returned ──collect──► free
/// ```
#[derive(Debug)]
pub struct Tap {
    /// Set by control when there is something to look at; the one word that a pass reads.
    asked: AtomicBool,
    /// Control's: a session has been started and not been collected.
    taken: AtomicBool,
    orders: ArrayQueue<Arc<Session>>,
    returned: ArrayQueue<Arc<Session>>,
}

/// A worker watches for somebody else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Busy;

impl Default for Tap {
    fn default() -> Self {
        Self {
            asked: AtomicBool::new(false),
            taken: AtomicBool::new(false),
            orders: ArrayQueue::new(1),
            returned: ArrayQueue::new(1),
        }
    }
}

impl Tap {
    /// Control: whether a session has it. One that has been stopped has it until the worker has given
    /// it back.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.collect();
        self.taken.load(Ordering::Relaxed)
    }

    /// Control: has the worker watch.
    ///
    /// # Errors
    /// It does already.
    pub fn start(&self, session: &Arc<Session>) -> Result<(), Busy> {
        if self.is_busy() {
            return Err(Busy);
        }
        self.taken.store(true, Ordering::Relaxed);
        // The place is empty: a worker takes an order before it gives the session back.
        let _ = self.orders.push(Arc::clone(session));
        self.asked.store(true, Ordering::Release);
        Ok(())
    }

    /// Control: stops a session that this worker was given. The session stays alive until the worker has
    /// given it back, which [`Tap::is_busy`] finds out.
    pub fn stop(&self, session: &Session) {
        session.stop();
        self.asked.store(true, Ordering::Release);
    }

    fn collect(&self) {
        if self.returned.pop().is_some() {
            self.taken.store(false, Ordering::Relaxed);
        }
    }

    /// Worker: whether control has asked for anything since this was last true.
    #[inline(always)]
    pub(super) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Worker: takes note of having been asked.
    pub(super) fn hear(&self) {
        // What was asked for was written before, and is seen from here on.
        self.asked.swap(false, Ordering::AcqRel);
    }

    /// Worker: a session to take part in.
    pub(super) fn order(&self) -> Option<Arc<Session>> {
        self.orders.pop()
    }

    /// Worker: gives a session back, so that it is never the worker that frees it.
    pub(super) fn give_back(&self, session: Arc<Session>) {
        if let Err(session) = self.returned.push(session) {
            // One session at a time was started, so there is room; but a worker must not free.
            std::mem::forget(session);
        }
    }
}
