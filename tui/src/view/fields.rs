//! `name  text` lines.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::text::{pieces, put, wrap};
use crate::theme::{Theme, Tone};
use crate::words::Cell;

/// The width of the names.
const NAMES: u16 = 13;

/// Writes fields below each other and returns the first free line.
pub(super) fn draw(rows: &[(&str, Cell)], theme: Theme, area: Rect, buffer: &mut Buffer) -> u16 {
    let names = NAMES.min(area.width / 3);
    let texts = area.width.saturating_sub(names + 1);
    let mut y = area.y;
    for (name, (text, tone)) in rows {
        for (at, part) in wrap(text, usize::from(texts)).iter().enumerate() {
            if y >= area.bottom() {
                return y;
            }
            let line = Rect { y, height: 1, ..area };
            if at == 0 {
                put(name, Tone::Quiet, theme, Rect { width: names, ..line }, buffer);
            }
            let beside = Rect { x: area.x + names + 1, width: texts, ..line };
            pieces(&[(part.clone(), *tone)], theme, beside, buffer);
            y += 1;
        }
    }
    y
}
