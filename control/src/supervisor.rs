//! What the service manager that started the gateway is told, by the protocol of `sd_notify`: that it
//! is ready, reloads or stops, and, when a watchdog is set, that control's loop still turns.
//!
//! ```text
//!   READY ──► WATCHDOG … WATCHDOG ──► RELOADING ──► READY ──► WATCHDOG … ──► STOPPING
//!                every half of the time that the manager waits
//! ```
//!
//! The watchdog is fed by the loop itself, not by a timer beside it: a loop that hangs in a request, in
//! a store or in a driver stops feeding it, and the manager starts the gateway anew. Without a manager,
//! as when it is started by hand, all of this does nothing.

use sd_notify::NotifyState;
use std::time::Duration;

/// The connection to the service manager, if there is one.
pub(crate) struct Supervisor {
    /// How often its watchdog is fed, if it has one.
    every: Option<Duration>,
    /// When it is fed next, by the monotonic clock of control.
    due: Duration,
}

impl Supervisor {
    /// As the environment says: `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`.
    pub fn from_environment() -> Self {
        Self::fed_within(sd_notify::watchdog_enabled())
    }

    /// For a manager that waits as long as this for a sign of life.
    fn fed_within(patience: Option<Duration>) -> Self {
        Self {
            every: patience
                .map(|patience| patience / 2)
                .filter(|every| !every.is_zero()),
            due: Duration::ZERO,
        }
    }

    /// The gateway forwards, as `status` says in one line.
    pub fn ready(&self, status: &str) {
        tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// It reads its configuration again; [`ready`](Self::ready) ends that.
    pub fn reloading(&self) {
        // Newer managers want the time of it with it.
        match NotifyState::monotonic_usec_now() {
            Ok(time) => tell(&[NotifyState::Reloading, time]),
            Err(_) => tell(&[NotifyState::Reloading]),
        }
    }

    /// It goes down.
    pub fn stopping(&self) {
        tell(&[NotifyState::Stopping, NotifyState::Status("going down")]);
    }

    /// The loop turns, at this time.
    pub fn turning(&mut self, now: Duration) {
        if self.is_due(now) {
            tell(&[NotifyState::Watchdog]);
        }
    }

    /// When the loop must turn next, if it must.
    pub fn next(&self) -> Option<Duration> {
        self.every.map(|_| self.due)
    }

    /// Whether the watchdog is fed now; if so, the next time is set.
    fn is_due(&mut self, now: Duration) -> bool {
        let Some(every) = self.every else {
            return false;
        };
        let due = now >= self.due;
        if due {
            self.due = now + every;
        }
        due
    }
}

/// Tells the manager. It may have gone away, which must not hurt the gateway.
fn tell(state: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watchdog_is_fed_twice_as_often_as_it_asks_for() {
        let mut supervisor = Supervisor::fed_within(Some(Duration::from_secs(10)));
        let fed: Vec<u64> = (0..20)
            .filter(|second| supervisor.is_due(Duration::from_secs(*second)))
            .collect();
        assert_eq!(fed, [0, 5, 10, 15]);
        assert_eq!(supervisor.next(), Some(Duration::from_secs(20)));
    }

    #[test]
    fn without_a_watchdog_the_loop_need_not_turn() {
        for patience in [None, Some(Duration::ZERO), Some(Duration::from_nanos(1))] {
            let mut supervisor = Supervisor::fed_within(patience);
            assert!(!supervisor.is_due(Duration::from_secs(1)));
            assert_eq!(supervisor.next(), None);
        }
    }
}
