//! Aligned columns.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

use super::Look;
use crate::theme::Tone;
use crate::words::{Cell, fit, toned};

/// Lays out rows under a heading, two spaces between columns. On a terminal the last column is cut at its edge.
pub(super) fn table<const N: usize>(heading: [&str; N], rows: Vec<[Cell; N]>, look: &Look) -> String {
    let heading = heading.map(|title| toned(Tone::Heading, title));
    let rows: Vec<_> = std::iter::once(heading).chain(rows).collect();
    let widths: [usize; N] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].0.width()).max().unwrap_or(0));
    let before: usize = widths.iter().take(N - 1).map(|width| width + 2).sum();
    // A terminal narrower than the table wraps; cutting would leave nothing worth reading.
    let last = look.columns.and_then(|columns| columns.checked_sub(before)).filter(|&room| room >= 8);
    let mut lines = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (mut text, tone)) in row.into_iter().enumerate() {
            let mut padding = (widths[column] + 2).saturating_sub(text.width());
            if column == N - 1 {
                padding = 0;
                text = fit(&text, last.unwrap_or(usize::MAX));
            }
            line.push_str(&look.paint.tone(tone, &text));
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
    for (name, (text, tone)) in rows {
        let name = look.paint.tone(Tone::Heading, &format!("{:<width$}", format!("{name}:")));
        let _ = writeln!(lines, "{name}  {}", look.paint.tone(tone, &text));
    }
    lines
}
