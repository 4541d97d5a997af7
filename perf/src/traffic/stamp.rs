//! What every packet carries about itself, in twelve octets behind its UDP header.
//!
//! ```text
//!   | mark (2) | sequence number (4) | time in clock cycles, lower 48 bits (6) |
//! ```
//!
//! With it the smallest frame is 74 octets, 78 with its checksum on the wire. The time is in cycles of
//! the time stamp counter, which all processes of a machine share: two of them agree on it, while each
//! converts it with its own measure of the counter's frequency only at the end. 48 bits last for more
//! than a day.

/// Octets of a stamp.
pub const LEN: usize = 12;

/// Tells stamped packets from others.
const MARK: [u8; 2] = [0xa9, 0xc4];

/// Bits of the clock that a stamp holds.
const TIME_MASK: u64 = (1 << 48) - 1;

/// A packet's sequence number and due time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Its place in its flow group.
    pub sequence: u32,
    /// When it was due, in cycles, 48 bits.
    pub time: u64,
}

impl Stamp {
    /// The octets.
    pub fn octets(self) -> [u8; LEN] {
        let [a, b, c, d] = self.sequence.to_be_bytes();
        let [_, _, e, f, g, h, i, j] = self.time.to_be_bytes();
        let [m, n] = MARK;
        [m, n, a, b, c, d, e, f, g, h, i, j]
    }

    /// Reads the stamp at the start of `payload`, if there is one.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let [m, n, a, b, c, d, e, f, g, h, i, j] = *payload.first_chunk::<LEN>()?;
        ([m, n] == MARK).then(|| Self {
            sequence: u32::from_be_bytes([a, b, c, d]),
            time: u64::from_be_bytes([0, 0, e, f, g, h, i, j]),
        })
    }

    /// Cycles from the due time to `now`; 0 when the clock of the receiver is behind.
    pub fn age(self, now: u64) -> u64 {
        let age = now.wrapping_sub(self.time) & TIME_MASK;
        // The upper half of the circle is the past of the sender.
        if age > TIME_MASK / 2 {
            0
        } else {
            age
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_reads_back_and_other_octets_do_not() {
        let stamp = Stamp {
            sequence: 0x0102_0304,
            time: 0x0000_a1b2_c3d4_e5f6,
        };
        assert_eq!(Stamp::read(&stamp.octets()), Some(stamp));
        assert_eq!(Stamp::read(&stamp.octets()[..11]), None);
        assert_eq!(Stamp::read(&[0; LEN]), None);
    }

    #[test]
    fn an_age_survives_the_end_of_the_clock_and_a_receiver_behind() {
        let stamp = Stamp {
            sequence: 0,
            time: TIME_MASK - 4,
        };
        assert_eq!(stamp.age(TIME_MASK + 6), 10);
        assert_eq!(stamp.age(TIME_MASK - 10), 0);
    }
}
