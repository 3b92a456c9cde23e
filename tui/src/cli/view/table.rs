//! Aligned columns.

use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::Look;
use super::text::plain;
use crate::theme::Tone;

/// One cell: its text, and what it means.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    tone: Option<Tone>,
}

/// A cell without a colour.
pub(super) fn cell(text: impl AsRef<str>) -> Cell {
    Cell { text: plain(text.as_ref()).into_owned(), tone: None }
}

/// A cell whose colour says what it means.
pub(super) fn toned(tone: impl Into<Tone>, text: impl AsRef<str>) -> Cell {
    Cell { tone: Some(tone.into()), ..cell(text) }
}

/// A cell for something that may be absent.
pub(super) fn maybe(text: Option<impl AsRef<str>>) -> Cell {
    text.map_or_else(|| toned(Tone::Quiet, "-"), cell)
}

/// Lays out rows under a heading, two spaces between columns. On a terminal the last column is cut at its edge.
pub(super) fn table<const N: usize>(heading: [&str; N], rows: Vec<[Cell; N]>, look: &Look) -> String {
    let heading = heading.map(|title| toned(Tone::Heading, title));
    let rows: Vec<_> = std::iter::once(heading).chain(rows).collect();
    let widths: [usize; N] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].text.width()).max().unwrap_or(0));
    let before: usize = widths.iter().take(N - 1).map(|width| width + 2).sum();
    // A terminal narrower than the table wraps; cutting would leave nothing worth reading.
    let last = look.columns.and_then(|columns| columns.checked_sub(before)).filter(|&room| room >= 8);
    let mut lines = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, Cell { mut text, tone }) in row.into_iter().enumerate() {
            let mut padding = (widths[column] + 2).saturating_sub(text.width());
            if column == N - 1 {
                padding = 0;
                text = cut(text, last);
            }
            line.push_str(&tone.map_or_else(|| text.clone(), |tone| look.paint.tone(tone, &text)));
            line.extend(std::iter::repeat_n(' ', padding));
        }
        lines.push_str(line.trim_end());
        lines.push('\n');
    }
    lines
}

/// Lays out `name: text` lines, the texts aligned.
pub(super) fn fields(rows: Vec<(&str, Cell)>, look: &Look) -> String {
    let width = rows.iter().map(|(name, _)| name.width()).max().unwrap_or(0) + 1;
    let mut lines = String::new();
    for (name, Cell { text, tone }) in rows {
        let name = look.paint.tone(Tone::Heading, &format!("{:<width$}", format!("{name}:")));
        let text = tone.map_or_else(|| text.clone(), |tone| look.paint.tone(tone, &text));
        let _ = writeln!(lines, "{name}  {text}");
    }
    lines
}

/// Cuts a text to so many columns and marks that with an ellipsis.
fn cut(text: String, columns: Option<usize>) -> String {
    let Some(columns) = columns.filter(|&columns| text.width() > columns) else { return text };
    let mut kept = String::new();
    let mut width = 1;
    for c in text.chars() {
        width += c.width().unwrap_or(0);
        if width > columns {
            break;
        }
        kept.push(c);
    }
    kept.push('…');
    kept
}
