//! Durations and sizes as people write them.

use std::time::Duration;

/// Reads `30d`, `90s`, `1h30m`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: u64 = rest[..digits].parse().ok()?;
        let unit_and_more = &rest[digits..];
        let end = unit_and_more.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(unit_and_more.len());
        let seconds: u64 = match &unit_and_more[..end] {
            "s" => 1,
            "m" | "min" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            "w" => 7 * 24 * 60 * 60,
            _ => return None,
        };
        total = total.checked_add(Duration::from_secs(count.checked_mul(seconds)?))?;
        rest = unit_and_more[end..].trim_start();
    }
    Some(total)
}

/// Reads `256MiB`, `10 GB`, `4096` (bytes).
pub(super) fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let count: u64 = text[..digits].replace('_', "").parse().ok()?;
    let unit: u64 = match text[digits..].trim_start() {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    count.checked_mul(unit)
}

/// Reads `75%`: a whole number from 1 to 100.
pub(super) fn percent(text: &str) -> Option<u64> {
    let number: u64 = text.trim().strip_suffix('%')?.trim_end().parse().ok()?;
    (1..=100).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, seconds) in [("30d", 2_592_000), ("90s", 90), ("1h30m", 5400), ("2w 1d", 1_296_000), ("0s", 0)] {
            assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "30", "d", "-1d", "1.5h", "30 parsecs", "30D", "99999999999999999999d", "9999999999999999999w"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_know_both_thousands() {
        for (text, count) in [("256MiB", 268_435_456), ("10 MB", 10_000_000), ("4096", 4096), ("40_000", 40_000)] {
            assert_eq!(bytes(text), Some(count), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5GiB", "10 mb", "99999999999TiB"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }

    #[test]
    fn a_share_is_1_to_100_percent() {
        assert_eq!(percent("75%"), Some(75));
        for text in ["0%", "101%", "75", "%", "7.5%"] {
            assert_eq!(percent(text), None, "{text}");
        }
    }
}
