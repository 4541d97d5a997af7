//! The search of RFC 2544 section 26.1: the highest rate at which no more is lost than allowed.

use anyhow::Result;

/// Searches between 0 and `upper`, to within `resolution` of `upper`. `upper` itself is tried first.
/// Returns 0 when no rate passes.
///
/// # Errors
/// The first that `passes` gives.
pub fn highest(
    upper: f64,
    resolution: f64,
    mut passes: impl FnMut(f64) -> Result<bool>,
) -> Result<f64> {
    if passes(upper)? {
        return Ok(upper);
    }
    let (mut low, mut high) = (0.0, upper);
    while high - low > resolution * upper {
        let middle = (low + high) / 2.0;
        match passes(middle)? {
            true => low = middle,
            false => high = middle,
        }
    }
    Ok(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_limit_is_found_to_the_resolution(limit in 0.0..1.0_f64, steps in 2..12_i32) {
            let resolution = 0.5_f64.powi(steps);
            let mut tried = 0;
            let found = highest(1e6, resolution, |rate| {
                tried += 1;
                Ok(rate <= limit * 1e6)
            });
            let found = found.expect("found") / 1e6;
            prop_assert!(found <= limit && limit - found <= resolution, "{found}");
            prop_assert!(tried <= steps + 1);
        }
    }

    #[test]
    fn the_ends_are_found_and_errors_passed_on() {
        assert_eq!(highest(5.0, 0.01, |_| Ok(true)).ok(), Some(5.0));
        assert_eq!(highest(5.0, 0.01, |_| Ok(false)).ok(), Some(0.0));
        assert!(highest(5.0, 0.01, |_| bail!("no")).is_err());
    }
}
