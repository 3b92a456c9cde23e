//! Words and numbers for people.

use std::borrow::Cow;
use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use protocol::JobResult;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Writes a picture's width and height; a style package has none.
pub(crate) fn dimensions(result: &JobResult) -> Option<String> {
    Some(format!("{}×{}", result.width?, result.height?))
}

/// Writes how large a result is: width and height where it has them, and bytes.
pub(crate) fn size(result: &JobResult) -> String {
    let bytes = bytes(result.bytes);
    dimensions(result).map_or_else(|| bytes.clone(), |px| format!("{px}, {bytes}"))
}

/// Shows a text from elsewhere without letting it steer the terminal: control characters, and those that turn the
/// writing direction, are escaped.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if steers(c) {
            let _ = write!(escaped, "{}", c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes a size in its largest unit: `512 B`, `1.5 MiB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut size = count as f64;
    if size < 1024.0 {
        return format!("{count} B");
    }
    let mut unit = "";
    for next in UNITS {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        unit = next;
    }
    if size < 10.0 { format!("{size:.1} {unit}") } else { format!("{size:.0} {unit}") }
}

/// Writes a span: `0.8 s`, `42 s`, `3 min`, `2 h 5 min`.
pub(crate) fn seconds(span: f64) -> String {
    let span = if span.is_finite() { span.max(0.0) } else { 0.0 };
    let whole = span.round() as u64;
    match whole {
        0..=9 => format!("{span:.1} s"),
        10..=119 => format!("{whole} s"),
        120..=7_199 => format!("{} min", whole / 60),
        _ => format!("{} h {} min", whole / 3_600, whole % 3_600 / 60),
    }
}

/// Says how long ago something was, in its largest unit: `45s`, `12m`, `3h`, `9d`.
pub(crate) fn span(seconds: f64) -> String {
    let seconds = if seconds.is_finite() { seconds.max(0.0) as u64 } else { 0 };
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7_199 => format!("{}m", seconds / 60),
        7_200..=172_799 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Writes a time as the reader's clock shows it, and how long ago that is.
pub(crate) fn moment(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let clock = at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S");
    format!("{clock}  ({} ago)", span(now.duration_since(at).as_secs_f64()))
}

/// Counts things: `1 device`, `2 devices`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Cuts a text to so many columns and marks that with an ellipsis.
pub(crate) fn fit(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut width = 1;
    for c in text.chars() {
        width += c.width().unwrap_or(0);
        if width > columns {
            break;
        }
        kept.push(c);
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_text_can_not_steer_the_terminal() {
        assert_eq!(plain("héllo 漢字"), "héllo 漢字");
        assert_eq!(plain("\u{1b}[2Jgone\r\n\u{9b}x\u{202e}y"), r"\u{1b}[2Jgone\r\n\u{9b}x\u{202e}y");
    }

    #[test]
    fn a_text_is_cut_at_its_columns_and_not_at_its_letters() {
        assert_eq!(fit("great-wave", 10), "great-wave");
        assert_eq!(fit("great-wave", 6), "great…");
        assert_eq!(fit("漢字漢字", 5), "漢字…");
        assert_eq!(fit("漢字漢字", 4), "漢…");
        assert_eq!(fit("x", 0), "");
    }

    #[test]
    fn numbers_have_units_that_people_use() {
        for (count, expected) in [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (15 << 20, "15 MiB")] {
            assert_eq!(bytes(count), expected);
        }
        assert_eq!(bytes(u64::MAX), "16384 PiB");
        for (span, expected) in [(0.84, "0.8 s"), (42.4, "42 s"), (200.0, "3 min"), (7_500.0, "2 h 5 min")] {
            assert_eq!(seconds(span), expected);
        }
        assert_eq!(seconds(f64::NAN), "0.0 s");
    }
}
