//! Texts in the room that there is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::theme::{Theme, Tone};
use crate::words::fit;

/// Breaks a text into lines of so many columns, between words where that is possible.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && line.width() + 1 + word.width() > columns {
            lines.push(String::new());
        }
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() {
            line.push(' ');
        }
        for c in word.chars() {
            let line = lines.last_mut().expect("there is always a line");
            if line.width() + c.width().unwrap_or(0) > columns {
                lines.push(String::new());
            }
            lines.last_mut().expect("there is always a line").push(c);
        }
    }
    lines
}

/// Writes pieces one after the other into a line and returns the column after the last.
pub(super) fn pieces(pieces: &[(String, Tone)], theme: Theme, line: Rect, buffer: &mut Buffer) -> u16 {
    let mut x = line.x;
    for (text, tone) in pieces {
        let room = usize::from(line.right().saturating_sub(x));
        if room == 0 || line.height == 0 {
            break;
        }
        (x, _) = buffer.set_stringn(x, line.y, fit(text, room), room, theme.style(*tone));
    }
    x
}

/// Writes one text into a line.
pub(super) fn put(text: &str, tone: Tone, theme: Theme, line: Rect, buffer: &mut Buffer) {
    pieces(&[(text.to_owned(), tone)], theme, line, buffer);
}

/// Draws a share as a bar of so many columns.
pub(super) fn bar(share: f64, columns: usize) -> String {
    const PARTS: [char; 7] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let eighths = (share * columns as f64 * 8.0).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        bar.push(PARTS[eighths % 8 - 1]);
    }
    let missing = columns.saturating_sub(bar.chars().count());
    bar.extend(std::iter::repeat_n('·', missing));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_where_possible() {
        assert_eq!(wrap("the great wave", 9), ["the great", "wave"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("", 3), [""]);
        assert_eq!(wrap("x", 0), ["x"]);
    }

    #[test]
    fn a_bar_has_its_columns_whatever_the_share() {
        for share in [f64::NAN, -1.0, 0.0, 0.01, 0.5, 0.99, 1.0, 7.0] {
            assert_eq!(bar(share, 8).chars().count(), 8, "{share}");
        }
        assert_eq!(bar(0.5, 4), "██··");
    }
}
