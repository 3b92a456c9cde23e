//! One job in full.

use protocol::{Job, JobState};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{fields, pixels};
use crate::app::App;
use crate::app::jobs::waited;
use crate::picture::Shown;
use crate::theme::{Theme, Tone};
use crate::words::{
    self, Cell, bytes, cell, delivery, dimensions, moment, outcome, parameters, place_of_end, seconds, span, style,
    times, toned,
};

/// Draws one job over the whole view, with its painting.
pub(super) fn full(app: &App, job: &Job, theme: Theme, area: Rect, buffer: &mut Buffer) -> Option<Shown> {
    let area = Rect { x: area.x + 1, width: area.width - 1, ..area };
    let painting = app.painting.as_ref().filter(|(id, _)| *id == job.id).and_then(|(_, picture)| picture.as_ref());
    let beside = area.width >= 90;
    let texts = if painting.is_some() && beside { Rect { width: area.width / 2, ..area } } else { area };
    let bottom = fields::draw(&rows(app, job), theme, texts, buffer);
    let painting = painting?;
    let place = if beside {
        Rect { x: texts.right() + 1, width: area.right() - texts.right() - 1, ..area }
    } else {
        let y = (bottom + 1).min(area.bottom());
        Rect { y, height: area.bottom() - y, ..area }
    };
    if place.height < 4 {
        return None;
    }
    pixels::draw(painting, theme, place, buffer)
}

/// Returns everything there is to say about a job, the most important first.
pub(super) fn rows(app: &App, job: &Job) -> Vec<(&'static str, Cell)> {
    let state = job.state.name();
    let mut rows = vec![("state", toned(state, format!("{state}{}", more(app, job))))];
    match &job.state {
        JobState::Failed { error, .. } => {
            rows.push(("error", toned(Tone::Bad, format!("{} ({})", error.detail, error.code))));
        }
        JobState::Succeeded { result, .. } => {
            let size = dimensions(result).map_or(String::new(), |size| format!(" {size},"));
            rows.push(("result", cell(format!("{},{size} {}", result.media_type, bytes(result.bytes)))));
        }
        _ => {}
    }
    rows.extend(job.warnings.iter().map(|warning| ("warning", toned(Tone::Waiting, warning))));
    rows.push(("kind", cell(format!("{} {}, {}", job.kind(), style(job), job.priority))));
    rows.push(("parameters", cell(parameters(&job.parameters))));
    if let Some(note) = &job.note {
        rows.push(("note", cell(note)));
    }
    rows.extend(job.mail.as_ref().map(|mail| ("mail", delivery(mail))));
    let times = std::iter::once(("created", job.created_at)).chain(times(&job.state));
    rows.extend(times.map(|(name, at)| (name, cell(moment(at, app.now, &app.zone)))));
    if job.attempt > 1 {
        rows.push(("attempt", cell(job.attempt.to_string())));
    }
    rows.push(("id", cell(job.id.to_string())));
    rows
}

/// Says more about a state than its name.
fn more(app: &App, job: &Job) -> String {
    let ended = |word: &str| {
        let place = place_of_end(&job.state);
        place.map_or(String::new(), |(device, took)| format!(" on {device} {word} {}", seconds(took)))
    };
    match &job.state {
        JobState::Queued { .. } => {
            format!("{}, waits for {}", outcome(job), waited(job, app.now).map(span).unwrap_or_default())
        }
        JobState::Running { device, progress, .. } => {
            let rate = app.jobs.rate(job).map_or(String::new(), |rate| format!(", {rate:.2} a second"));
            let left = app.jobs.left(job).map_or(String::new(), |left| format!(", {} left", seconds(left)));
            format!(" on {device}, {}{rate}{left}", words::progress(*progress))
        }
        JobState::Paused { .. } => outcome(job),
        JobState::Succeeded { .. } => ended("in"),
        JobState::Failed { .. } | JobState::Cancelled { .. } => ended("after"),
    }
}
