//! Which records of a table are free: never used, given back, or waiting until every worker is done
//! with them.
//!
//! ```text
//!   fresh ──┐                        retire                     every worker was quiescent
//!           ├── take ──> in use ──────────────> deferred ──────────────────────┐
//!   free  ──┘                                                                  │
//!     ^────────────────────────────────────────────────────────────────────────┘
//! ```

use crate::qsbr::{Deferred, Qsbr};
use crate::table::Full;
use std::sync::Arc;

/// The indices of one table's records. Its writer's own.
pub(crate) struct Indices {
    size: usize,
    /// Those from here on were never used.
    fresh: usize,
    free: Vec<u32>,
    deferred: Deferred<u32>,
    qsbr: Arc<Qsbr>,
}

impl Indices {
    /// All of `size` indices, none of them in use.
    pub(crate) fn new(size: usize, qsbr: Arc<Qsbr>) -> Self {
        Self {
            size,
            fresh: 0,
            free: Vec::new(),
            deferred: Deferred::default(),
            qsbr,
        }
    }

    /// An index whose record no worker can be looking at. One that was used lately comes first: it
    /// is warm.
    pub(crate) fn take(&mut self) -> Result<u32, Full> {
        if let Some(index) = self.free.pop() {
            return Ok(index);
        }
        if self.fresh < self.size {
            let index = u32::try_from(self.fresh).map_err(|_| Full::Capacity)?;
            self.fresh += 1;
            return Ok(index);
        }
        self.qsbr.advance();
        let waiting = self.reclaim();
        let full = match waiting {
            0 => Full::Capacity,
            _ => Full::Reclaiming,
        };
        self.free.pop().ok_or(full)
    }

    /// Takes back an index whose record no worker has seen.
    pub(crate) fn give_back(&mut self, index: u32) {
        self.free.push(index);
    }

    /// Takes back an index whose record no worker can find any more, but may still hold.
    pub(crate) fn retire(&mut self, index: u32) {
        self.deferred.push(&self.qsbr, index);
    }

    /// Frees what every worker is done with; returns how many still wait.
    pub(crate) fn reclaim(&mut self) -> usize {
        let passed = self.qsbr.passed();
        while let Some(index) = self.deferred.pop(passed) {
            self.free.push(index);
        }
        self.deferred.len()
    }

    /// Those from here on were never used.
    pub(crate) fn touched(&self) -> usize {
        self.fresh
    }

    /// The worker that holds back what was retired first.
    pub(crate) fn held_by(&self) -> Option<usize> {
        self.deferred.held_by(&self.qsbr)
    }
}
