//! Packets per second, as people write them.

use std::fmt;
use std::str::FromStr;

/// A rate in packets per second, or as fast as it goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate(pub Option<f64>);

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("max") {
            return Ok(Self(None));
        }
        let (digits, unit) = match text.strip_suffix(['k', 'K']) {
            Some(digits) => (digits, 1e3),
            None => match text.strip_suffix(['m', 'M']) {
                Some(digits) => (digits, 1e6),
                None => (text, 1.0),
            },
        };
        match digits.parse::<f64>() {
            Ok(number) if number.is_finite() && number * unit >= 0.001 => {
                Ok(Self(Some(number * unit)))
            }
            _ => Err(format!(
                "`{text}` is no rate: write packets per second as 1000, 250k or 1.5M, or max"
            )),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => write!(f, "as fast as it goes"),
            Some(rate) => write!(f, "{} packets/s", in_words(rate)),
        }
    }
}

/// A number with a unit that keeps it short.
pub fn in_words(number: f64) -> String {
    match number {
        _ if number >= 1e6 => format!("{:.3} M", number / 1e6),
        _ if number >= 1e3 => format!("{:.1} k", number / 1e3),
        _ => format!("{number:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_with_and_without_units() {
        assert_eq!("1.5M".parse(), Ok(Rate(Some(1.5e6))));
        assert_eq!("250k".parse(), Ok(Rate(Some(250e3))));
        assert_eq!("7".parse(), Ok(Rate(Some(7.0))));
        assert_eq!("max".parse(), Ok(Rate(None)));
        for text in ["", "k", "fast", "-1", "0", "nan", "inf"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
