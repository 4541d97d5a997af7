//! The stop watch of the bench: cycles by stage of the worker's passes.

use dataplane::worker::{Meter, Stage, Unmetered};
use dpdk::cycles;

/// Stages that have a sum.
pub const STAGES: usize = Stage::ALL.len();

/// A meter that can be read.
pub trait Watch: Meter + Default {
    /// Forgets all sums; what was until now belongs to no stage.
    fn start(&mut self);
    /// Cycles by stage since the start, in the order of [`Stage::ALL`]; none where nothing is measured.
    fn sums(&self) -> Option<[u64; STAGES]>;
}

impl Watch for Unmetered {
    fn start(&mut self) {}

    fn sums(&self) -> Option<[u64; STAGES]> {
        None
    }
}

/// Cycles by stage.
#[derive(Clone, Copy, Default, Debug)]
pub struct Laps {
    last: u64,
    sums: [u64; STAGES],
}

impl Meter for Laps {
    #[inline]
    fn lap(&mut self, stage: Stage) {
        let now = cycles();
        if let Some(sum) = self.sums.get_mut(stage as usize) {
            *sum += now - self.last;
        }
        self.last = now;
    }
}

impl Watch for Laps {
    fn start(&mut self) {
        self.sums = [0; STAGES];
        self.last = cycles();
    }

    fn sums(&self) -> Option<[u64; STAGES]> {
        Some(self.sums)
    }
}
