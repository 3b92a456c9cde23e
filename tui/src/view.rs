//! From the state to the screen: pure functions, the same frame for the same state.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use crate::app::overlay::Overlay;
use crate::app::{App, View};
use crate::theme::{Charset, Theme};

mod ascii;
mod devices;
mod fields;
mod files;
mod form;
mod frame;
pub(crate) mod help;
mod job;
mod jobs;
mod log;
mod mail;
mod pixels;
mod question;
mod styles;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod training;

/// The smallest screen with room for anything.
const SMALLEST: (u16, u16) = (20, 5);

/// Draws everything.
pub(crate) fn draw(app: &App, theme: Theme, frame: &mut Frame<'_>) {
    let area = frame.area();
    render(app, theme, area, frame.buffer_mut());
}

/// Draws everything into a buffer.
pub(crate) fn render(app: &App, theme: Theme, area: Rect, buffer: &mut Buffer) {
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let words = format!("needs {}×{}", SMALLEST.0, SMALLEST.1);
        buffer.set_stringn(area.x, area.y, words, usize::from(area.width), theme.style(crate::theme::Tone::Plain));
    } else {
        whole(app, theme, area, buffer);
    }
    if theme.charset == Charset::Ascii {
        ascii::translate(buffer, area);
    }
}

fn whole(app: &App, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let line = |y| Rect { y, height: 1, ..area };
    let rule = line(area.y + 1);
    let body = Rect { y: area.y + 2, height: area.height - 3, ..area };
    frame::header(app, theme, line(area.y), buffer);
    frame::rule(app, theme, rule, buffer);
    match app.view {
        View::Jobs => match app.jobs.open.and_then(|id| app.jobs.get(id)) {
            Some(open) => job::full(app, open, theme, body, buffer),
            None => jobs::draw(app, theme, body, buffer),
        },
        View::Training => training::draw(app, theme, body, buffer),
        View::Styles => styles::draw(app, theme, body, buffer),
        View::Devices => devices::draw(app, theme, body, buffer),
        View::Mail => mail::draw(app, theme, body, buffer),
        View::Log => log::draw(app, theme, body, buffer),
    }
    match &app.overlay {
        Some(Overlay::Help { top }) => help::draw(app, *top, theme, body, buffer),
        Some(Overlay::Question(asked)) => question::draw(asked, theme, body, buffer),
        Some(Overlay::Files(files)) => files::draw(files, theme, body, buffer),
        Some(Overlay::Form(filled)) => form::draw(app, filled, theme, body, buffer),
        None => {}
    }
    if !app.is_connected() {
        // What is shown was true once.
        for y in rule.y..body.bottom() {
            for x in area.left()..area.right() {
                let cell = &mut buffer[(x, y)];
                cell.modifier.remove(Modifier::BOLD);
                cell.modifier.insert(Modifier::DIM);
            }
        }
        frame::banner(app, theme, rule, buffer);
    }
    frame::keys(app, theme, line(area.bottom() - 1), buffer);
}
