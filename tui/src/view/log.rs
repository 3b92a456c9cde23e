//! What happens, followed or searched.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::text::pieces;
use crate::app::App;
use crate::app::list::top;
use crate::theme::{Theme, Tone};

/// Draws the view.
pub(super) fn draw(app: &App, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let (lines, height) = (app.log.lines(), usize::from(area.height));
    let chosen = app.log.chosen();
    let first = if app.log.follows() { lines.len().saturating_sub(height) } else { top(chosen, lines.len(), height) };
    for (row, (index, line)) in lines.iter().enumerate().skip(first).take(height).enumerate() {
        let here = Rect { y: area.y + row as u16, height: 1, ..area };
        let at = line.at.to_zoned_datetime(app.zone.clone()).strftime("%H:%M:%S").to_string();
        let mut parts = vec![(format!(" {at} "), Tone::Quiet)];
        if area.width >= 60 {
            parts.push((format!("{:<8}", line.topic), Tone::Quiet));
        }
        parts.push((line.text.clone(), line.tone));
        pieces(&parts, theme, here, buffer);
        if app.log.matches(line) {
            buffer.set_style(here, theme.style(Tone::Heading));
        }
        if !app.log.follows() && index == chosen {
            buffer.set_style(here, theme.style(Tone::Selected));
        }
    }
}
