//! Sequence numbers of binding updates (RFC 6275 section 9.5.1): free running, compared modulo
//! 2^16.

/// Whether `received` is greater than `last`: it lies in the 32767 values that follow `last`.
pub(crate) const fn is_newer(received: u16, last: u16) -> bool {
    let ahead = received.wrapping_sub(last);
    ahead != 0 && ahead < 1 << 15
}

#[cfg(test)]
mod tests {
    use super::is_newer;

    #[test]
    fn compares_modulo_two_to_the_sixteenth() {
        // The worked example of RFC 6275 section 9.5.1: 15 was the last.
        for old in (0..=15).chain(32783..=u16::MAX) {
            assert!(!is_newer(old, 15), "{old}");
        }
        for new in 16..32783 {
            assert!(is_newer(new, 15), "{new}");
        }
        assert!(is_newer(0, u16::MAX));
    }
}
