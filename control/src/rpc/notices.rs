//! Notices to subscribers, without waiting for any of them.

use super::protocol;
use super::types::TimedNotice;
use parking_lot::Mutex;
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Notices that wait for one subscriber; the one after these costs it its subscription.
pub(super) const QUEUE: usize = 1024;

/// A line for a client, newline included.
pub type Line = Arc<[u8]>;

/// A notification as a line.
pub(crate) fn notification(method: &str, params: &impl Serialize) -> Line {
    protocol::notification(method, params).into()
}

/// Where notices are published. Clones share their subscribers.
#[derive(Clone, Debug, Default)]
pub struct Notices {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    subscribers: Vec<Subscriber>,
    published: u64,
    evicted: u64,
}

#[derive(Debug)]
struct Subscriber {
    queue: mpsc::Sender<Line>,
    /// Dropped with the subscriber, which tells a connection that is stuck in a write.
    _alive: oneshot::Sender<()>,
}

/// A subscriber's end. Dropping it ends the subscription.
#[derive(Debug)]
pub struct Subscription {
    /// Lines of notifications, newline included.
    pub lines: mpsc::Receiver<Line>,
    /// Resolves when the subscriber was found too slow.
    pub evicted: oneshot::Receiver<()>,
}

impl Notices {
    /// Without subscribers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a notice to all subscribers. One whose queue is full is dropped; nobody is waited for.
    pub fn publish(&self, notice: &TimedNotice) {
        let mut shared = self.shared.lock();
        shared.published += 1;
        if shared.subscribers.is_empty() {
            return;
        }
        let line: Line = notification("notice", notice);
        let mut evicted = 0;
        shared.subscribers.retain(|subscriber| {
            match subscriber.queue.try_send(Arc::clone(&line)) {
                Ok(()) => true,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    evicted += 1;
                    false
                }
                Err(mpsc::error::TrySendError::Closed(_)) => false,
            }
        });
        shared.evicted += evicted;
    }

    /// Subscribes to what is published from now on.
    pub fn subscribe(&self) -> Subscription {
        let (queue, lines) = mpsc::channel(QUEUE);
        let (_alive, evicted) = oneshot::channel();
        let mut shared = self.shared.lock();
        shared.subscribers.push(Subscriber { queue, _alive });
        Subscription { lines, evicted }
    }

    /// How many subscribers there are.
    pub fn subscribers(&self) -> usize {
        let mut shared = self.shared.lock();
        shared
            .subscribers
            .retain(|subscriber| !subscriber.queue.is_closed());
        shared.subscribers.len()
    }

    /// Notices published since the start.
    pub fn published(&self) -> u64 {
        self.shared.lock().published
    }

    /// Subscribers that were dropped because they were too slow.
    pub fn evicted(&self) -> u64 {
        self.shared.lock().evicted
    }
}
