//! A question in a box.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Block, Clear, Widget as _};
use unicode_width::UnicodeWidthStr as _;

use super::text::put;
use crate::app::overlay::Question;
use crate::theme::{Theme, Tone};

/// Draws a question in the middle.
pub(super) fn draw(asked: &Question, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let widest = asked.lines.iter().chain([&asked.title]).map(|line| line.width()).max().unwrap_or(0);
    let width = (widest as u16 + 4).clamp(20, area.width);
    let height = (asked.lines.len() as u16 + 4).min(area.height);
    let (x, y) = (area.x + (area.width - width) / 2, area.y + (area.height - height) / 2);
    let place = Rect { x, y, width, height };
    Clear.render(place, buffer);
    let bordered = height >= 4;
    let inner = if bordered {
        let block = Block::bordered().border_style(theme.style(Tone::Waiting));
        let inner = block.inner(place);
        block.render(place, buffer);
        Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner }
    } else {
        place
    };
    put(&asked.title, Tone::Heading, theme, Rect { height: 1.min(inner.height), ..inner }, buffer);
    // The last line says how many did not fit.
    let room = usize::from(inner.height.saturating_sub(1));
    let fits = asked.lines.len() <= room;
    let shown = if fits { asked.lines.len() } else { room.saturating_sub(1) };
    let more = (!fits && room > 0).then(|| format!("… and {} more", asked.lines.len() - shown));
    for (y, line) in (inner.y + 1..inner.bottom()).zip(asked.lines.iter().take(shown).chain(&more)) {
        put(line, Tone::Plain, theme, Rect { y, height: 1, ..inner }, buffer);
    }
}
