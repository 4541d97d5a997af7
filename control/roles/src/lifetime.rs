//! Lifetimes as messages say them (RFC 6275 section 6.1.7).

use std::time::Duration;
use wire::mh::Lifetime;

/// A configured lifetime in the units of a message: one at the least, for zero ends a binding.
pub(crate) fn in_units(lifetime: Duration) -> Lifetime {
    let secs = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX);
    Lifetime::from_secs_floor(secs.max(4))
}

/// What is granted where so much is asked for (RFC 5213 section 5.3.2).
pub(crate) fn granted(asked: Lifetime, most: Duration) -> Lifetime {
    asked.min(in_units(most))
}
