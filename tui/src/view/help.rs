//! All keys, from the table.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget as _};

use super::text::{pieces, wrap};
use crate::app::App;
use crate::keys::{BINDINGS, scopes};
use crate::theme::{Theme, Tone};

/// The width of the keys' names.
const NAMES: usize = 14;

/// Returns the lines of the help, as they are broken on this screen.
pub(crate) fn lines(app: &App) -> Vec<Vec<(String, Tone)>> {
    let room = usize::from(app.size.0).saturating_sub(NAMES + 3).max(10);
    let mut lines = Vec::new();
    for scope in scopes() {
        if !lines.is_empty() {
            lines.push(Vec::new());
        }
        lines.push(vec![(format!(" {}", scope.title()), Tone::Heading)]);
        for binding in BINDINGS.iter().filter(|binding| binding.scope == scope) {
            for (at, part) in wrap(binding.help, room).into_iter().enumerate() {
                let names = if at == 0 { binding.names() } else { String::new() };
                lines.push(vec![(format!("  {names:<NAMES$}"), Tone::Key), (part, Tone::Plain)]);
            }
        }
    }
    lines
}

/// Draws the help over everything, from a line on.
pub(super) fn draw(app: &App, top: usize, theme: Theme, area: Rect, buffer: &mut Buffer) {
    Clear.render(area, buffer);
    for (y, line) in (area.y..area.bottom()).zip(lines(app).into_iter().skip(top)) {
        pieces(&line, theme, Rect { y, height: 1, ..area }, buffer);
    }
}
