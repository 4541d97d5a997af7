//! How single values are written.

use control::rpc::types::Traffic;
use std::fmt::Display;

/// What is absent.
pub const NONE: &str = "-";

/// What is of a domain, as `10.1.0.7%red`; what is of none, as it is.
pub fn of_domain<T: Display>(value: Option<&T>, domain: Option<&str>) -> String {
    match (value, domain) {
        (Some(value), Some(domain)) => format!("{value}%{domain}"),
        (value, _) => or_none(value),
    }
}

/// The value, or that there is none.
pub fn or_none<T: Display>(value: Option<&T>) -> String {
    value.map_or_else(|| NONE.into(), T::to_string)
}

/// The first of them, and how many more there are.
pub fn first<T: Display>(values: &[T]) -> String {
    match values {
        [] => NONE.into(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} +{}", rest.len()),
    }
}

/// Packets and octets, as `120 (14.2 kB)`.
pub fn traffic(traffic: &Traffic) -> String {
    format!("{} ({})", traffic.packets, bytes(traffic.bytes))
}

/// Octets with a decimal unit.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    // Precision is of no matter for one decimal place.
    #[allow(clippy::cast_precision_loss)]
    let mut value = bytes as f64;
    let mut unit = UNITS[0];
    for larger in UNITS.into_iter().skip(1) {
        if value < 999.95 {
            break;
        }
        value /= 1_000.0;
        unit = larger;
    }
    format!("{value:.1} {unit}")
}

/// `4.2s`, `5m07s`, `3h05m`, `2d03h`.
pub fn duration(secs: f64) -> String {
    if secs < 60.0 {
        return format!("{:.1}s", secs.max(0.0));
    }
    // Far from the ends of u64, and a fraction of a second is of no matter here.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let secs = secs as u64;
    let (minutes, hours, days) = (secs / 60, secs / 3_600, secs / 86_400);
    match (days, hours) {
        (0, 0) => format!("{minutes}m{:02}s", secs % 60),
        (0, _) => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::{bytes, duration};

    #[test]
    fn octets_have_a_unit() {
        let shown = [0, 999, 1_000, 14_230, 999_999, 5_000_000_000].map(bytes);
        assert_eq!(
            shown,
            ["0 B", "999 B", "1.0 kB", "14.2 kB", "1.0 MB", "5.0 GB"]
        );
    }

    #[test]
    fn durations_have_two_units_at_most() {
        let shown = [0.0, 4.25, 307.0, 11_100.0, 183_600.0].map(duration);
        assert_eq!(shown, ["0.0s", "4.2s", "5m07s", "3h05m", "2d03h"]);
    }
}
