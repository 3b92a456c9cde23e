//! Tables that give up their least important columns first.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use super::text::put;
use crate::app::list::top;
use crate::theme::{Theme, Tone};
use crate::words::{Cell, fit, toned};

/// One column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    /// Its heading.
    pub(super) title: &'static str,
    /// Its width; the one that has none takes what is left, at least twelve.
    pub(super) width: Option<u16>,
    /// The higher, the earlier it is given up.
    pub(super) rank: u8,
}

/// Describes a column.
pub(super) const fn column(title: &'static str, width: u16, rank: u8) -> Column {
    Column { title, width: Some(width), rank }
}

/// Describes the column that takes what is left.
pub(super) const fn rest(title: &'static str, rank: u8) -> Column {
    Column { title, width: None, rank }
}

/// The least width of the column that takes what is left.
const LEAST: u16 = 12;

/// The rows of a table: how many there are, which is chosen, and how each is written.
pub(super) struct Rows<'a> {
    /// How many.
    pub(super) count: usize,
    /// The chosen one.
    pub(super) chosen: Option<usize>,
    /// A row's cells, one for each column, and whether it is marked.
    pub(super) row: &'a dyn Fn(usize) -> (Vec<Cell>, bool),
}

/// Draws a table: its heading, and the rows around the chosen one.
pub(super) fn draw(columns: &[Column], rows: &Rows<'_>, theme: Theme, area: Rect, buffer: &mut Buffer) {
    if area.height == 0 {
        return;
    }
    let widths = widths(columns, area.width.saturating_sub(1));
    let heading = columns.iter().map(|column| toned(Tone::Heading, column.title)).collect::<Vec<_>>();
    // A single line of room is for what is chosen.
    let headed = area.height > 2;
    let mut y = area.y;
    if headed {
        line(&heading, &widths, theme, Rect { height: 1, ..area }, buffer);
        y += 1;
    }
    let height = usize::from(area.bottom() - y);
    let first = top(rows.chosen.unwrap_or(0), rows.count, height);
    for index in first..rows.count.min(first + height) {
        let (cells, marked) = (rows.row)(index);
        let here = Rect { y, height: 1, ..area };
        line(&cells, &widths, theme, here, buffer);
        if marked {
            put("●", Tone::Waiting, theme, Rect { width: 1, ..here }, buffer);
        }
        if rows.chosen == Some(index) {
            buffer.set_style(here, theme.style(Tone::Selected));
            if !marked {
                put("▸", Tone::Selected, theme, Rect { width: 1, ..here }, buffer);
            }
        }
        y += 1;
    }
}

fn line(cells: &[Cell], widths: &[u16], theme: Theme, area: Rect, buffer: &mut Buffer) {
    let mut x = area.x + 1;
    for ((text, tone), &width) in cells.iter().zip(widths).filter(|(_, width)| **width > 0) {
        let text = fit(text, usize::from(width));
        buffer.set_stringn(x, area.y, &text, text.width(), theme.style(*tone));
        x += width + 1;
    }
}

/// Decides how wide each column is; one that has no room gets nothing.
fn widths(columns: &[Column], room: u16) -> Vec<u16> {
    let mut kept: Vec<usize> = (0..columns.len()).collect();
    let need = |kept: &[usize]| {
        let widths = kept.iter().map(|&at| columns[at].width.unwrap_or(LEAST) + 1);
        widths.sum::<u16>().saturating_sub(1)
    };
    while kept.len() > 1 && need(&kept) > room {
        let worst = kept.iter().copied().max_by_key(|&at| columns[at].rank);
        kept.retain(|at| Some(*at) != worst);
    }
    let spare = room.saturating_sub(need(&kept));
    (0..columns.len())
        .map(|at| match columns[at].width {
            _ if !kept.contains(&at) => 0,
            Some(width) => width.min(room),
            None => (LEAST + spare).min(room),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_important_columns_go_first() {
        let columns = [column("id", 8, 0), column("kind", 7, 3), rest("note", 2), column("state", 9, 1)];
        assert_eq!(widths(&columns, 80), [8, 7, 53, 9]);
        assert_eq!(widths(&columns, 39), [8, 7, 12, 9]);
        assert_eq!(widths(&columns, 38), [8, 0, 19, 9]);
        assert_eq!(widths(&columns, 20), [8, 0, 0, 9]);
        assert_eq!(widths(&columns, 10), [8, 0, 0, 0]);
        assert_eq!(widths(&columns, 3), [3, 0, 0, 0]);
    }
}
