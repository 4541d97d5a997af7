//! What is to be done once a second, whatever happens: reclamation, a look at workers that hold it back, and the
//! counters of some of the bindings.

use super::{Alarm, Engine};
use roles::{Now, Role};
use std::time::Duration;

/// Time between two rounds of housekeeping.
pub(super) const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// Rounds in which the counters of all bindings are read once: workers count packets in 32 bits,
/// which the fastest fills in more than a minute.
const SWEEP_ROUNDS: usize = 32;

/// The least number of bindings whose counters are read in a round.
const SWEEP_LEAST: usize = 4_096;

impl<R: Role> Engine<R> {
    /// Frees what workers are done with, names a worker that holds that back for a whole round, and
    /// reads the counters of some bindings.
    pub(super) fn housekeeping(&mut self, now: Now) {
        let waiting = self.writer.reclaim();
        let suspect = self.writer.stalled().filter(|_| waiting > 0);
        let stalled = suspect.filter(|_| suspect == self.suspect);
        if let Some(worker) = stalled.filter(|_| stalled != self.stalled) {
            tracing::warn!(
                worker,
                waiting,
                "a worker holds back what was removed from the tables"
            );
        }
        self.suspect = suspect;
        self.stalled = stalled;
        let share = self.writer.bindings_guaranteed() / SWEEP_ROUNDS;
        let (talkers, unused) = (&mut self.talkers, &mut self.unused);
        let bindings = &mut self.bindings;
        self.writer
            .sweep(share.max(SWEEP_LEAST), |id, key, totals| {
                talkers.heard(now, id, key, totals);
                unused.look(now.monotonic, bindings, &key, totals);
            });
        self.tell_unused(now);
        self.place_homeless();
        let left_out = self.log.left_out();
        if left_out > 0 {
            tracing::warn!(left_out, "too much happens to log all of it");
        }
        let next = now.monotonic + HOUSEKEEPING;
        self.wheel.set(Alarm::Housekeeping, next);
    }
}
