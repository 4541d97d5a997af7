//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624).
//!
//! A running sum is a `u64` to which 32-bit words are added, so that carries need no care until
//! [`fold`]. Nothing here allocates or panics.

/// Adds `bytes` to a running sum. Only the last slice of a sum may have an odd length: its last
/// octet counts as the upper half of a word.
#[inline]
#[must_use]
pub fn add(mut sum: u64, bytes: &[u8]) -> u64 {
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        if let Ok(word) = <[u8; 4]>::try_from(word) {
            sum = sum.wrapping_add(u64::from(u32::from_be_bytes(word)));
        }
    }
    let rest = match *words.remainder() {
        [a] => u32::from_be_bytes([a, 0, 0, 0]),
        [a, b] => u32::from_be_bytes([a, b, 0, 0]),
        [a, b, c] => u32::from_be_bytes([a, b, c, 0]),
        _ => 0,
    };
    sum.wrapping_add(u64::from(rest))
}

/// The running sum of the IPv6 pseudo-header (RFC 8200 section 8.1). `length` is that of the upper
/// layer header with its data, in octets.
#[inline]
#[must_use]
pub fn pseudo_header_v6(
    source: &[u8; 16],
    destination: &[u8; 16],
    length: u32,
    next_header: u8,
) -> u64 {
    let sum = u64::from(length).wrapping_add(u64::from(next_header));
    add(add(sum, source), destination)
}

/// Folds a running sum into sixteen bits, carries added back in.
#[inline]
#[must_use]
pub const fn fold(sum: u64) -> u16 {
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    sum as u16
}

/// The value for a checksum field: the complement of the folded sum.
#[inline]
#[must_use]
pub const fn finish(sum: u64) -> u16 {
    !fold(sum)
}

/// Whether a sum over data that includes its checksum field is right.
#[inline]
#[must_use]
pub const fn verifies(sum: u64) -> bool {
    fold(sum) == 0xffff
}

/// The checksum after one aligned 16-bit word of the data changed from `old` to `new`
/// (RFC 1624 equation 3).
#[inline]
#[must_use]
pub const fn update(checksum: u16, old: u16, new: u16) -> u16 {
    finish(!checksum as u64 + !old as u64 + new as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sixteen-bit words one by one, end-around carry at every step.
    fn slow(bytes: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in bytes.chunks(2) {
            let word = u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |&low| u32::from(low));
            sum += word;
            if sum > 0xffff {
                sum -= 0xffff;
            }
        }
        sum as u16
    }

    #[test]
    fn sums_the_example_of_rfc_1071() {
        let data = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(fold(add(0, &data)), 0xddf2);
        assert_eq!(finish(add(0, &data)), 0x220d);
    }

    #[test]
    fn updates_the_example_of_rfc_1624() {
        assert_eq!(update(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    #[test]
    fn the_largest_sum_folds() {
        assert_eq!(fold(u64::MAX), 0xffff);
        assert_eq!(fold(0), 0);
    }

    proptest! {
        #[test]
        fn agrees_with_the_slow_sum(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(fold(add(0, &bytes)), slow(&bytes));
        }

        #[test]
        fn an_update_is_a_new_sum(
            mut bytes in prop::collection::vec(any::<u8>(), 2..64),
            at in any::<prop::sample::Index>(),
            new in any::<[u8; 2]>(),
        ) {
            let at = at.index(bytes.len() / 2) * 2;
            let before = finish(add(0, &bytes));
            let old = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
            bytes[at..at + 2].copy_from_slice(&new);
            let updated = update(before, old, u16::from_be_bytes(new));
            let full = finish(add(0, &bytes));
            // All ones and all zeros are the same number in one's complement.
            prop_assert!(updated == full || (updated ^ full) == 0xffff && (full == 0 || updated == 0));
        }
    }
}
