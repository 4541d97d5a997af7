//! Prefixes behind a tunnel that nobody uses any more: the sweep of the bindings' counters finds them,
//! and the role is told.
//!
//! A packet in either direction is use. The time counts from the sweep that saw the last one, so that a
//! prefix is never called unused too early, and too late by one round of sweeps at most.

use super::{Engine, Installed};
use dataplane::counters::BindingTotals;
use dataplane::key::{BindingKey, Domain};
use roles::effect::Path;
use roles::keyed::Keyed;
use roles::{BoundPrefix, Event, Now, Role};
use std::net::IpAddr;
use std::time::Duration;
use wire::mh::HomeNetworkPrefix;

/// How much a binding was used when it was looked at last, and since when it has not been since.
#[derive(Clone, Copy)]
pub(super) struct Used {
    packets: u64,
    since: Duration,
}

impl Used {
    /// Not at all yet.
    pub(super) const fn since(now: Duration) -> Self {
        Self {
            packets: 0,
            since: now,
        }
    }
}

/// What the sweep has found.
pub(super) struct Unused {
    /// Zero: nothing is looked for.
    after: Duration,
    found: Vec<BoundPrefix>,
}

impl Unused {
    pub(super) const fn new(after: Duration) -> Self {
        Self {
            after,
            found: Vec::new(),
        }
    }

    /// Looks at what was counted for a binding.
    pub(super) fn look(
        &mut self,
        now: Duration,
        bindings: &mut Keyed<BoundPrefix, Installed>,
        key: &BindingKey,
        totals: BindingTotals,
    ) {
        if self.after.is_zero() {
            return;
        }
        if key.domain != Domain::default() {
            // Only what MAARs serve is let go of for that, and they have no domains.
            return;
        }
        let prefix = match key.prefix {
            IpAddr::V6(prefix) => BoundPrefix::V6(HomeNetworkPrefix {
                prefix,
                length: key.length,
            }),
            IpAddr::V4(address) => BoundPrefix::V4(address),
        };
        let Some(installed) = bindings.get_mut(&prefix) else {
            return;
        };
        if !matches!(installed.path, Path::Access { .. } | Path::Anchor { .. }) {
            return;
        }
        let packets = totals.up.packets.wrapping_add(totals.down.packets);
        let used = &mut installed.used;
        if packets != std::mem::replace(&mut used.packets, packets) {
            used.since = now;
        } else if now.saturating_sub(used.since) >= self.after {
            // It is told again only if nothing comes of it for as long.
            used.since = now;
            self.found.push(prefix);
        }
    }
}

impl<R: Role> Engine<R> {
    /// Tells the role which prefixes nobody uses.
    pub(super) fn tell_unused(&mut self, now: Now) {
        for prefix in std::mem::take(&mut self.unused.found) {
            self.deliver(now, Event::Unused { prefix });
        }
    }
}
