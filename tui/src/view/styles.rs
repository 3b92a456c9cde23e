//! The styles: the list, and the chosen one with its preview.

use protocol::Style;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::table::{self, Column, Rows, column, rest};
use super::{fields, pixels};
use crate::app::App;
use crate::picture::Shown;
use crate::theme::{Theme, Tone};
use crate::words::{Cell, cell, maybe, style_rows, toned};

const COLUMNS: [Column; 5] = [
    column("NAME", 18, 0),
    column("STATE", 6, 1),
    column("ARCHITECTURE", 16, 4),
    column("LICENCE", 12, 5),
    rest("TITLE", 2),
];

/// Draws the view.
pub(super) fn draw(app: &App, theme: Theme, area: Rect, buffer: &mut Buffer) -> Option<Shown> {
    let names = app.styles.rows();
    let row = |index: usize| {
        let style = app.styles.get(&names[index]);
        style.map_or_else(Default::default, |style| (cells(style), false))
    };
    let rows = Rows { count: names.len(), chosen: app.styles.cursor.index(&names), row: &row };
    // The chosen style is told beside the list where that is wide, and below it where that is high.
    let (list, details) = if area.width >= 100 {
        let list = Rect { width: area.width / 2, ..area };
        (list, Rect { x: list.right() + 2, width: area.width - list.width - 2, ..area })
    } else if area.height >= 14 {
        let list = Rect { height: (names.len() as u16 + 2).min(area.height / 2), ..area };
        (list, Rect { x: area.x + 1, y: list.bottom(), width: area.width - 1, height: area.height - list.height })
    } else {
        (area, Rect::ZERO)
    };
    table::draw(&COLUMNS, &rows, theme, list, buffer);
    let style = app.styles.chosen().filter(|_| !details.is_empty())?;
    // Text beside picture where the picture would be small below it.
    let text = if details.width < 100 && details.width >= 60 {
        Rect { width: details.width * 3 / 5, ..details }
    } else {
        details
    };
    let bottom = fields::draw(&style_rows(style), theme, text, buffer);
    let picture = if text == details {
        let y = (bottom + 1).min(details.bottom());
        Rect { y, height: details.bottom() - y, ..details }
    } else {
        Rect { x: text.right() + 1, width: details.right() - text.right() - 1, ..details }
    };
    let preview = app.styles.preview(style).filter(|_| picture.height >= 4)?;
    pixels::draw(preview, theme, picture, buffer)
}

fn cells(style: &Style) -> Vec<Cell> {
    let title = match (&style.problem, &style.title) {
        (Some(problem), _) => toned(Tone::Bad, &problem.detail),
        (None, title) => maybe(title.as_deref()),
    };
    vec![
        cell(style.name.as_str()),
        toned(style.state, style.state.as_str()),
        maybe(style.architecture.as_deref()),
        maybe(style.licence.as_deref()),
        title,
    ]
}
