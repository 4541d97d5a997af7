//! Who talks most: rates of bindings, by the round-by-round reading of their counters that
//! housekeeping does anyhow.
//!
//! Nothing is remembered until somebody asks, and all is forgotten when nobody has asked for a while:
//! twelve octets for every binding in use are worth it only while someone looks.

use crate::rpc::types::{self, Talker};
use crate::rpc::MOST_TALKERS;
use dataplane::counters::BindingTotals;
use dataplane::key::{BindingId, BindingKey};
use hashbrown::HashMap;
use roles::Now;
use std::time::Duration;

/// How long after the last question rates are still kept.
const INTEREST: Duration = Duration::from_secs(60);

/// Bindings that are kept between two prunings.
const KEPT: usize = 4 * MOST_TALKERS;

/// A binding that talks.
struct Loud {
    key: BindingKey,
    totals: BindingTotals,
    bits_per_sec: f64,
}

/// Rates of the bindings that most goes through.
#[derive(Default)]
pub(crate) struct Talkers {
    wanted_until: Option<Duration>,
    /// By binding: octets both ways, and when they were read, in milliseconds.
    octets: Vec<u64>,
    read_at: Vec<u32>,
    loud: HashMap<BindingId, Loud>,
}

impl Talkers {
    /// Somebody looks: rates are kept for a while.
    pub(crate) fn want(&mut self, now: Now) {
        self.wanted_until = Some(now.monotonic + INTEREST);
    }

    /// The counters of a binding have been read.
    pub(crate) fn heard(
        &mut self,
        now: Now,
        id: BindingId,
        key: BindingKey,
        totals: BindingTotals,
    ) {
        match self.wanted_until {
            Some(until) if now.monotonic <= until => {}
            Some(_) => return *self = Self::default(),
            None => return,
        }
        let at = id.0 as usize;
        if self.octets.len() <= at {
            self.octets.resize(at + 1, 0);
            self.read_at.resize(at + 1, 0);
        }
        let (Some(octets), Some(read_at)) = (self.octets.get_mut(at), self.read_at.get_mut(at))
        else {
            return;
        };
        let sum = totals.up.bytes.wrapping_add(totals.down.bytes);
        // Zero stands for never, and the clock of milliseconds wraps after 49 days.
        #[allow(clippy::cast_possible_truncation)]
        let now_ms = (now.monotonic.as_millis() as u32).max(1);
        let (before, then) = (*octets, *read_at);
        (*octets, *read_at) = (sum, now_ms);
        let elapsed = now_ms.wrapping_sub(then);
        // Fewer octets than before: another binding has the place now.
        if then == 0 || elapsed == 0 || sum <= before {
            self.loud.remove(&id);
            return;
        }
        let bits_per_sec = (sum - before) as f64 * 8_000.0 / f64::from(elapsed);
        let loud = Loud {
            key,
            totals,
            bits_per_sec,
        };
        self.loud.insert(id, loud);
        if self.loud.len() > KEPT {
            self.prune();
        }
    }

    /// Leaves as many of the loudest as anyone may ask for.
    fn prune(&mut self) {
        let mut rates: Vec<f64> = self.loud.values().map(|loud| loud.bits_per_sec).collect();
        let (_, least, _) = rates.select_nth_unstable_by(MOST_TALKERS, |a, b| b.total_cmp(a));
        let least = *least;
        self.loud.retain(|_, loud| loud.bits_per_sec > least);
    }

    /// The loudest, at most `limit` of them.
    pub(crate) fn loudest(&self, limit: usize) -> Vec<Talker> {
        let mut all: Vec<&Loud> = self.loud.values().collect();
        all.sort_by(|a, b| b.bits_per_sec.total_cmp(&a.bits_per_sec));
        let traffic = |it: dataplane::counters::Traffic| types::Traffic {
            packets: it.packets,
            bytes: it.bytes,
        };
        let talker = |loud: &Loud| Talker {
            prefix: format!("{}/{}", loud.key.prefix, loud.key.length),
            bits_per_sec: loud.bits_per_sec,
            up: traffic(loud.totals.up),
            down: traffic(loud.totals.down),
        };
        all.into_iter().take(limit).map(talker).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataplane::key::Domain;

    fn at(seconds: u64) -> Now {
        Now {
            monotonic: Duration::from_secs(seconds),
            wall: Duration::ZERO,
        }
    }

    fn hear(talkers: &mut Talkers, seconds: u64, id: u32, octets: u64) {
        let mut totals = BindingTotals::default();
        totals.down.bytes = octets;
        let key = BindingKey {
            domain: Domain(0),
            prefix: std::net::Ipv6Addr::from_bits(u128::from(id) << 64).into(),
            length: 64,
        };
        talkers.heard(at(seconds), BindingId(id), key, totals);
    }

    #[test]
    fn rates_are_of_the_time_between_two_readings() {
        let mut talkers = Talkers::default();
        hear(&mut talkers, 1, 3, 100);
        assert!(talkers.octets.is_empty(), "nobody has asked");
        talkers.want(at(1));
        hear(&mut talkers, 2, 3, 1_000);
        assert!(talkers.loudest(9).is_empty(), "one reading is no rate");
        hear(&mut talkers, 4, 3, 3_000);
        let rates: Vec<f64> = talkers
            .loudest(9)
            .iter()
            .map(|it| it.bits_per_sec)
            .collect();
        assert_eq!(rates, [8_000.0]);
        hear(&mut talkers, 5, 3, 3_000);
        assert!(talkers.loudest(9).is_empty(), "it has fallen silent");
        hear(&mut talkers, 100, 3, 9_000);
        assert!(talkers.octets.is_empty(), "nobody asks any more");
    }

    #[test]
    fn the_loudest_come_first_and_no_more_are_kept_than_anyone_may_ask_for() {
        let mut talkers = Talkers::default();
        talkers.want(at(1));
        for round in 0..2 {
            for id in 0..3_000 {
                hear(&mut talkers, 1 + round, id, round * u64::from(id));
            }
        }
        assert!(talkers.loud.len() <= KEPT);
        let first: Vec<String> = talkers.loudest(2).into_iter().map(|it| it.prefix).collect();
        assert_eq!(first, ["0:0:0:bb7::/64", "0:0:0:bb6::/64"]);
    }
}
