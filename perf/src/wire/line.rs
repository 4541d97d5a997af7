//! The delay line of one direction. It knows no socket and no clock: time is given.

use super::fate::{Impairment, Lots};
use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// What happened in one direction, in packets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Statistics {
    /// Came in.
    pub received: u64,
    /// Went out, doubles included.
    pub sent: u64,
    /// Lost by lot.
    pub lost: u64,
    /// Doubled by lot.
    pub doubled: u64,
    /// Held back by lot.
    pub held_back: u64,
    /// Went out after a packet that had come in later.
    pub overtaken: u64,
    /// Lost because the line was full.
    pub overrun: u64,
    /// The interface refused to send.
    pub refused: u64,
}

/// Packets on their way in one direction.
pub struct Line {
    lots: Lots,
    bits_per_second: f64,
    capacity: usize,
    /// By due time, then by arrival, so that equal times keep the order.
    on_the_way: BTreeMap<(Duration, u64), Vec<u8>>,
    entered: u64,
    last_left: Option<u64>,
    last_due: Duration,
    transmitter_free: Duration,
    statistics: Statistics,
}

impl Line {
    /// An empty line that holds up to `capacity` packets.
    pub fn new(impairment: Impairment, seed: u64, direction: u64, capacity: usize) -> Self {
        Self {
            lots: Lots::new(impairment, seed, direction),
            bits_per_second: impairment.bits_per_second,
            capacity,
            on_the_way: BTreeMap::new(),
            entered: 0,
            last_left: None,
            last_due: Duration::ZERO,
            transmitter_free: Duration::ZERO,
            statistics: Statistics::default(),
        }
    }

    /// A packet comes in at `now`.
    pub fn enter(&mut self, now: Duration, packet: &[u8]) {
        let fate = self.lots.draw();
        self.statistics.received += 1;
        self.statistics.lost += u64::from(fate.lost);
        if fate.lost {
            return;
        }
        self.transmitter_free = self.transmitter_free.max(now);
        if self.bits_per_second > 0.0 {
            let bits = packet.len() as f64 * 8.0;
            self.transmitter_free += Duration::from_secs_f64(bits / self.bits_per_second);
        }
        let mut due = self.transmitter_free + fate.delay;
        if fate.held_back {
            self.statistics.held_back += 1;
        } else {
            due = due.max(self.last_due);
            self.last_due = due;
        }
        self.statistics.doubled += u64::from(fate.doubled);
        for _ in 0..=u8::from(fate.doubled) {
            if self.on_the_way.len() >= self.capacity {
                self.statistics.overrun += 1;
                continue;
            }
            self.entered += 1;
            self.on_the_way.insert((due, self.entered), packet.to_vec());
        }
    }

    /// When the next packet is due.
    pub fn next_due(&self) -> Option<Duration> {
        self.on_the_way.first_key_value().map(|((due, _), _)| *due)
    }

    /// Hands over every packet that is due at `now`. `send` answers whether the interface took it.
    ///
    /// # Errors
    /// What `send` fails with.
    pub fn leave(
        &mut self,
        now: Duration,
        mut send: impl FnMut(&[u8]) -> Result<bool>,
    ) -> Result<()> {
        while let Some(entry) = self.on_the_way.first_entry() {
            let (due, number) = *entry.key();
            if due > now {
                break;
            }
            let packet = entry.remove();
            if self.last_left.is_some_and(|last| last > number) {
                self.statistics.overtaken += 1;
            }
            self.last_left = self.last_left.max(Some(number));
            if send(&packet)? {
                self.statistics.sent += 1;
            } else {
                self.statistics.refused += 1;
            }
        }
        Ok(())
    }

    /// What happened so far.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cmp::Reverse;

    const GOOD: Impairment = Impairment {
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        loss: 0.0,
        reorder: 0.0,
        reorder_by: Duration::from_millis(5),
        duplicate: 0.0,
        bits_per_second: 0.0,
    };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Sends 1,000 numbered packets, one a millisecond, and returns (time, number) as they leave.
    fn pass(impairment: Impairment) -> (Vec<(u64, u16)>, Statistics) {
        let mut line = Line::new(impairment, 5, 0, 10_000);
        let mut out = Vec::new();
        for time in 0..2_000_u64 {
            if let Ok(number @ 0..1_000) = u16::try_from(time) {
                line.enter(ms(time), &number.to_be_bytes());
            }
            let leave = line.leave(ms(time), |packet| {
                out.push((time, u16::from_be_bytes([packet[0], packet[1]])));
                Ok(true)
            });
            assert!(leave.is_ok());
        }
        (out, line.statistics().clone())
    }

    #[test]
    fn a_good_line_passes_all_at_once_in_order() {
        let (out, statistics) = pass(GOOD);
        assert!(out.iter().enumerate().all(|(at, &(time, number))| {
            time == u64::from(number) && usize::from(number) == at
        }));
        assert_eq!((statistics.received, statistics.sent), (1_000, 1_000));
    }

    #[test]
    fn jitter_delays_but_keeps_the_order() {
        let (out, statistics) = pass(Impairment {
            delay: ms(20),
            jitter: ms(10),
            ..GOOD
        });
        assert_eq!(out.len(), 1_000);
        assert!(out.windows(2).all(|pair| pair[0].1 < pair[1].1));
        assert!(out
            .iter()
            .all(|&(time, number)| { (20..=31).contains(&(time - u64::from(number))) }));
        assert_eq!(statistics.overtaken, 0);
    }

    #[test]
    fn held_back_packets_are_overtaken_and_none_is_missing() {
        let (mut out, statistics) = pass(Impairment {
            reorder: 0.1,
            ..GOOD
        });
        assert!(statistics.overtaken > 50, "{statistics:?}");
        assert_eq!(statistics.overtaken, statistics.held_back);
        out.sort_by_key(|&(_, number)| Reverse(number));
        out.dedup();
        assert_eq!(out.len(), 1_000);
    }

    #[test]
    fn every_packet_is_accounted_for() {
        let (out, statistics) = pass(Impairment {
            loss: 0.2,
            duplicate: 0.1,
            ..GOOD
        });
        assert_eq!(out.len() as u64, statistics.sent);
        assert_eq!(
            statistics.received + statistics.doubled,
            statistics.sent + statistics.lost
        );
        assert!(
            statistics.lost > 100 && statistics.doubled > 50,
            "{statistics:?}"
        );
    }

    #[test]
    fn a_full_line_counts_what_it_cannot_hold() {
        let mut line = Line::new(
            Impairment {
                delay: ms(1),
                ..GOOD
            },
            1,
            0,
            2,
        );
        for _ in 0..5 {
            line.enter(ms(0), &[0]);
        }
        assert_eq!(line.statistics().overrun, 3);
    }

    #[test]
    fn the_rate_spaces_packets() {
        // 1,000 bytes at 8 Mb/s take a millisecond each.
        let mut line = Line::new(
            Impairment {
                bits_per_second: 8e6,
                ..GOOD
            },
            1,
            0,
            10,
        );
        line.enter(ms(0), &[0; 1_000]);
        line.enter(ms(0), &[0; 1_000]);
        assert_eq!(line.next_due(), Some(ms(1)));
        assert!(line.leave(ms(1), |_| Ok(true)).is_ok());
        assert_eq!(line.next_due(), Some(ms(2)));
    }
}
