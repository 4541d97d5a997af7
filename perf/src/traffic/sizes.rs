//! Lengths of frames.

use anyhow::{bail, ensure, Context};
use std::str::FromStr;

/// The mix that goes by the name of IMIX, 7 : 4 : 1, with lengths as they are sent: the smallest frame
/// that holds a stamp, the middle one, and the largest that a tunnel over an ordinary Ethernet carries
/// whole.
const IMIX: [(usize, u32); 3] = [(74, 7), (590, 4), (1474, 1)];

/// Largest frame that a packet buffer holds.
pub const LARGEST: usize = 9018;

/// A weighted choice of frame lengths, in octets from the destination address to the last octet of
/// the packet, without the frame check sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Lengths, each with the upper bound of its lots.
    lots: Vec<(usize, u32)>,
    total: u32,
}

impl Sizes {
    fn new(weighted: &[(usize, u32)]) -> Self {
        let mut total = 0;
        let lots = weighted.iter().map(|&(length, weight)| {
            total += weight;
            (length, total)
        });
        Self {
            lots: lots.collect(),
            total,
        }
    }

    /// The length that a lot falls on.
    #[inline]
    pub fn choose(&self, lot: u32) -> usize {
        match self.lots.as_slice() {
            [(length, _)] => *length,
            lots => {
                let lot = ((u64::from(lot) * u64::from(self.total)) >> 32) as u32;
                let chosen = lots.iter().find(|(_, bound)| lot < *bound);
                chosen.or(lots.last()).map_or(0, |(length, _)| *length)
            }
        }
    }

    /// All lengths.
    pub fn lengths(&self) -> impl Iterator<Item = usize> + '_ {
        self.lots.iter().map(|(length, _)| *length)
    }

    /// Mean length.
    pub fn mean(&self) -> f64 {
        let mut before = 0;
        let weighted = self.lots.iter().map(|(length, bound)| {
            let weight = f64::from(bound - before);
            before = *bound;
            *length as f64 * weight
        });
        weighted.sum::<f64>() / f64::from(self.total.max(1))
    }
}

impl FromStr for Sizes {
    type Err = anyhow::Error;

    /// `74`, `imix`, or `LENGTH:WEIGHT,...`.
    fn from_str(text: &str) -> anyhow::Result<Self> {
        if text.eq_ignore_ascii_case("imix") {
            return Ok(Self::new(&IMIX));
        }
        let mut weighted = Vec::new();
        for part in text.split(',') {
            let (length, weight) = part.split_once(':').unwrap_or((part, "1"));
            let hint = "write 74, imix, or LENGTH:WEIGHT,LENGTH:WEIGHT";
            let length = length
                .trim()
                .parse()
                .with_context(|| format!("`{part}`: {hint}"))?;
            let weight: u16 = weight
                .trim()
                .parse()
                .with_context(|| format!("`{part}`: {hint}"))?;
            if length > LARGEST {
                bail!("a frame of {length} octets is larger than {LARGEST}");
            }
            ensure!(weight > 0, "`{part}`: a weight is at least 1");
            weighted.push((length, weight.into()));
        }
        ensure!(weighted.len() <= 16, "at most 16 frame lengths");
        Ok(Self::new(&weighted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lots_fall_as_the_weights_say() {
        let sizes: Sizes = "imix".parse().expect("a mix");
        let count = |wanted| {
            (0..12_000_u32)
                .filter(|n| sizes.choose(n.wrapping_mul(357_913)) == wanted)
                .count()
        };
        assert_eq!(count(74) + count(590) + count(1474), 12_000);
        assert!(count(74).abs_diff(7_000) < 100, "{}", count(74));
        assert!(count(1474).abs_diff(1_000) < 100, "{}", count(1474));
        assert!((sizes.mean() - 362.67).abs() < 0.1);
        let one: Sizes = "128".parse().expect("a length");
        assert_eq!((one.choose(0), one.choose(u32::MAX)), (128, 128));
    }

    #[test]
    fn bad_lengths_are_told() {
        for text in ["", "small", "64:", "64:0", "9999", "64:-1"] {
            assert!(text.parse::<Sizes>().is_err(), "{text}");
        }
    }
}
