//! From the state to the screen: pure functions, the same frame for the same state.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use crate::app::overlay::Overlay;
use crate::app::{App, View};
use crate::picture::Shown;
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

/// Draws everything, and says where there is a picture, if there is one that may be drawn better than in blocks.
pub(crate) fn draw(app: &App, theme: Theme, area: Rect, buffer: &mut Buffer) -> Option<Shown> {
    let mut shown = None;
    if area.is_empty() {
        return None;
    }
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let words = format!("needs {}×{}", SMALLEST.0, SMALLEST.1);
        buffer.set_stringn(area.x, area.y, words, usize::from(area.width), theme.style(crate::theme::Tone::Plain));
    } else {
        shown = whole(app, theme, area, buffer);
    }
    if theme.charset == Charset::Ascii {
        ascii::translate(buffer, area);
    }
    shown
}

fn whole(app: &App, theme: Theme, area: Rect, buffer: &mut Buffer) -> Option<Shown> {
    let line = |y| Rect { y, height: 1, ..area };
    let rule = line(area.y + 1);
    let body = Rect { y: area.y + 2, height: area.height - 3, ..area };
    frame::header(app, theme, line(area.y), buffer);
    frame::rule(app, theme, rule, buffer);
    let below = view(app, theme, body, buffer);
    let shown = match &app.overlay {
        None => below,
        Some(over) => overlay(app, over, theme, body, buffer),
    };
    frame::keys(app, theme, line(area.bottom() - 1), buffer);
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
        // Pixels can't be dimmed.
        return None;
    }
    shown
}

fn view(app: &App, theme: Theme, body: Rect, buffer: &mut Buffer) -> Option<Shown> {
    match app.view {
        View::Jobs => match app.jobs.open.and_then(|id| app.jobs.get(id)) {
            Some(open) => return job::full(app, open, theme, body, buffer),
            None => jobs::draw(app, theme, body, buffer),
        },
        View::Training => return training::draw(app, theme, body, buffer),
        View::Styles => return styles::draw(app, theme, body, buffer),
        View::Devices => devices::draw(app, theme, body, buffer),
        View::Mail => mail::draw(app, theme, body, buffer),
        View::Log => log::draw(app, theme, body, buffer),
    }
    None
}

fn overlay(app: &App, over: &Overlay, theme: Theme, body: Rect, buffer: &mut Buffer) -> Option<Shown> {
    match over {
        Overlay::Help { top } => help::draw(app, *top, theme, body, buffer),
        Overlay::Question(asked) => question::draw(asked, theme, body, buffer),
        Overlay::Files(files) => return files::draw(files, theme, body, buffer),
        Overlay::Form(filled) => form::draw(app, filled, theme, body, buffer),
    }
    None
}
