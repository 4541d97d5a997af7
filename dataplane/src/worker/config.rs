//! What a worker can be told.

use crate::limit::Rate;
use crate::verdict::Punt;
use std::time::Duration;

/// What a worker does when no port has anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Idle {
    /// Polls on at full speed: shortest latency, one whole core.
    Busy,
    /// Polls on with the processor's pause hint.
    Pause,
    /// Sleeps, from `shortest` longer and longer up to `longest`, once `after_empty_polls` passes in a row have
    /// found nothing. While it sleeps it does not hold reclamation back.
    Sleep {
        /// Passes over all ports without a packet before the first sleep.
        after_empty_polls: u32,
        /// First sleep after a packet; each further one is twice as long.
        shortest: Duration,
        /// Longest sleep, which bounds what a packet may wait.
        longest: Duration,
    },
}

/// How a worker behaves.
#[derive(Clone, PartialEq, Debug)]
pub struct WorkerConfig {
    /// What it does when there is nothing to do.
    pub idle: Idle,
    /// ICMPv6 errors and echo replies (RFC 4443 section 2.4 f).
    pub icmp_rate: Rate,
    /// Packets to control, by reason.
    pub punt_rates: PuntRates,
    /// Packets of one unknown host, known by interface and link-layer address, to control; and as
    /// many Router Solicitations of one host.
    pub host_rate: Rate,
    /// Mobility Headers of one source address to control.
    pub peer_rate: Rate,
    /// How long a packet waits for its neighbour's link-layer address.
    pub hold_time: Duration,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            idle: Idle::Pause,
            icmp_rate: Rate::new(1_000, 100),
            punt_rates: PuntRates::default(),
            host_rate: Rate::new(2, 4),
            peer_rate: Rate::new(200_000, 20_000),
            hold_time: Duration::from_secs(3),
        }
    }
}

/// One rate per reason for which packets go to control.
#[derive(Clone, PartialEq, Debug)]
pub struct PuntRates(pub(crate) [Rate; Punt::ALL.len()]);

impl PuntRates {
    /// The rate for `reason`.
    #[must_use]
    pub fn get(&self, reason: Punt) -> Rate {
        let none = Rate::new(0, 0);
        self.0.get(reason as usize).copied().unwrap_or(none)
    }

    /// Changes the rate for `reason`.
    pub fn set(&mut self, reason: Punt, rate: Rate) {
        if let Some(place) = self.0.get_mut(reason as usize) {
            *place = rate;
        }
    }
}

impl Default for PuntRates {
    fn default() -> Self {
        let mut rates = Self([Rate::new(1_000, 256); Punt::ALL.len()]);
        rates.set(Punt::Mobility, Rate::new(400_000, 40_000));
        rates.set(Punt::RouterSolicitation, Rate::new(5_000, 1_000));
        rates.set(Punt::NeighbourDiscovery, Rate::new(5_000, 1_000));
        rates.set(Punt::UnknownHost, Rate::new(2_000, 512));
        rates
    }
}
