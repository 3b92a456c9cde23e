//! A text and what it means.

use super::plain;
use crate::theme::Tone;

/// A text, and what it means.
pub(crate) type Cell = (String, Tone);

/// A text without a meaning.
pub(crate) fn cell(text: impl AsRef<str>) -> Cell {
    toned(Tone::Plain, text)
}

/// A text with a meaning.
pub(crate) fn toned(tone: impl Into<Tone>, text: impl AsRef<str>) -> Cell {
    (plain(text.as_ref()).into_owned(), tone.into())
}

/// A text about something that may be absent.
pub(crate) fn maybe(text: Option<impl AsRef<str>>) -> Cell {
    text.map_or_else(|| toned(Tone::Quiet, "-"), cell)
}
