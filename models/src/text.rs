//! Text from files that may be hostile, on its way to a person's terminal or page.

/// The most characters of foreign text that a message repeats.
const LONGEST: usize = 300;

/// Returns the text on one line, cut to a readable length, without characters that command a terminal.
pub(crate) fn printable(text: &str) -> String {
    let plain = text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c });
    plain.collect()
}
