//! The workers' clock: monotonic, one for the whole process, so that what workers write down
//! (when a binding was last seen) can be compared by whoever reads it.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

static START: OnceLock<Instant> = OnceLock::new();

/// Time on the clock. It starts at one second, so that zero can stand for "never".
#[must_use]
pub fn now() -> Duration {
    START.get_or_init(Instant::now).elapsed() + Duration::from_secs(1)
}
