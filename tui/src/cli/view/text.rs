//! Words and numbers for people.

use std::borrow::Cow;
use std::fmt::Write as _;

use crossterm::style::{Color, Stylize as _};
use protocol::JobResult;

use crate::theme::Tone;

/// Colours, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Colours.
    Colours,
    /// Text alone: not a terminal, or `NO_COLOR` is set.
    Plain,
}

impl Paint {
    /// Colours a text.
    pub(crate) fn tone(self, tone: Tone, text: &str) -> String {
        if self == Self::Plain {
            return text.to_owned();
        }
        match tone {
            Tone::Good => text.with(Color::Green).to_string(),
            Tone::Bad => text.with(Color::Red).to_string(),
            Tone::Active => text.with(Color::Cyan).to_string(),
            Tone::Waiting => text.with(Color::Yellow).to_string(),
            Tone::Quiet => text.with(Color::DarkGrey).to_string(),
            Tone::Heading => text.bold().to_string(),
            _ => text.to_owned(),
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_text_can_not_steer_the_terminal() {
        assert_eq!(plain("héllo 漢字"), "héllo 漢字");
        assert_eq!(plain("\u{1b}[2Jgone\r\n\u{9b}x\u{202e}y"), r"\u{1b}[2Jgone\r\n\u{9b}x\u{202e}y");
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

    #[test]
    fn no_colour_means_no_escape() {
        assert_eq!(Paint::Plain.tone(Tone::Bad, "failed"), "failed");
    }
}
