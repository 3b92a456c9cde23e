//! Text: digests, and what comes from files that may be hostile, on its way to a person's terminal or page.

use std::fmt::Write;

/// The most characters of foreign text that a message repeats.
const LONGEST: usize = 300;

/// Returns the text on one line, cut to a readable length, without characters that command a terminal.
pub(crate) fn printable(text: &str) -> String {
    let plain = text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c });
    plain.collect()
}

/// Returns bytes as lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string can't fail");
        text
    })
}
