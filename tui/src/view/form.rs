//! A form.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget as _};

use super::text::{pieces, put};
use crate::app::App;
use crate::app::form::{Content, Field, Form, Order};
use crate::app::list::top;
use crate::app::orders::filled;
use crate::cost;
use crate::theme::{Theme, Tone};
use crate::words::{bytes, plain, seconds};

/// Draws a form over everything.
pub(super) fn draw(app: &App, form: &Form, theme: Theme, area: Rect, buffer: &mut Buffer) {
    Clear.render(area, buffer);
    put(&title(form), Tone::Heading, theme, Rect { height: 1, ..area }, buffer);
    let told = match (&form.problem, &form.order) {
        (Some(problem), _) => Some((plain(problem).into_owned(), Tone::Bad)),
        (None, Order::Train(_) | Order::Paint(..)) => Some(cost(app, form)),
        (None, Order::Submit(_) | Order::Import(_)) => None,
    };
    let below = u16::from(told.is_some());
    let body = Rect { y: area.y + 1, height: area.height - 1 - below, ..area };
    let first = top(form.at, form.fields.len(), usize::from(body.height));
    for (y, (index, field)) in (body.y..body.bottom()).zip(form.fields.iter().enumerate().skip(first)) {
        let line = Rect { y, height: 1, ..body };
        pieces(&row(field, index == form.at), theme, line, buffer);
        if index == form.at {
            buffer.set_style(line, theme.style(Tone::Selected));
        }
    }
    if let Some((text, tone)) = told {
        put(&format!(" {text}"), tone, theme, Rect { y: area.bottom() - 1, height: 1, ..area }, buffer);
    }
}

fn title(form: &Form) -> String {
    let name = |path: &std::path::Path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let title = match &form.order {
        Order::Submit(photos) if photos.len() == 1 => format!("Paint {}", name(&photos[0])),
        Order::Submit(photos) => format!("Paint {} photos", photos.len()),
        Order::Paint(photo, artworks) if artworks.len() == 1 => {
            format!("Paint {} after {}", name(photo), name(&artworks[0]))
        }
        Order::Paint(photo, artworks) => format!("Paint {} after {} artworks", name(photo), artworks.len()),
        Order::Train(artwork) => format!("Learn the style of {}", name(artwork)),
        Order::Import(package) => format!("Import {}", name(package)),
    };
    format!(" {}", plain(&title))
}

fn row(field: &Field, is_here: bool) -> Vec<(String, Tone)> {
    let mut parts = vec![(format!(" {:<15}", field.name), Tone::Quiet)];
    match &field.content {
        Content::Text { text, default, .. } if text.is_empty() => {
            parts.push((if is_here { "▏" } else { "" }.to_owned(), Tone::Key));
            parts.push((default.clone(), Tone::Quiet));
        }
        Content::Text { text, at, .. } => {
            let place = text.char_indices().nth(*at).map_or(text.len(), |(place, _)| place);
            parts.push((plain(&text[..place]).into_owned(), Tone::Plain));
            parts.push((if is_here { "▏" } else { "" }.to_owned(), Tone::Key));
            parts.push((plain(&text[place..]).into_owned(), Tone::Plain));
        }
        Content::Choice { words, at } => {
            let word = words.get(*at).map_or("-", String::as_str);
            let shown = if is_here && words.len() > 1 { format!("← {word} →") } else { word.to_owned() };
            parts.push((shown, Tone::Plain));
        }
    }
    if !field.about.is_empty() {
        parts.push((format!("   {}", field.about), Tone::Quiet));
    }
    parts
}

/// Says what a training or painting costs, or why it can't be one.
fn cost(app: &App, form: &Form) -> (String, Tone) {
    let wanted = match filled(form) {
        Ok(wanted) => wanted,
        Err(problem) => return (plain(&problem).into_owned(), Tone::Waiting),
    };
    let memory = cost::memory_bytes(&wanted, form.picture);
    let memory =
        memory.map_or_else(|| "memory by the photo's size".to_owned(), |memory| format!("{} of memory", bytes(memory)));
    let time = cost::seconds(&wanted, form.picture, app.jobs.all(), |job| app.jobs.rate(job), app.now);
    let time = time.map_or_else(
        || "time not known before a first one".to_owned(),
        |time| format!("about {}, by the pace of the last one", seconds(time)),
    );
    (format!("costs {memory}; {} steps: {time}", wanted.steps().unwrap_or(0)), Tone::Key)
}
