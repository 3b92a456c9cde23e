//! One job in full.

use jiff::Timestamp;
use protocol::{Job, JobState};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::table::{Cell, cell, toned};
use super::text::span;
use super::{fields, pixels};
use crate::app::App;
use crate::app::filter::style;
use crate::app::jobs::waited;
use crate::cli::view::{bytes, dimensions, parameters, seconds};
use crate::picture::Shown;
use crate::theme::{Theme, Tone};

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
    if let Some(mail) = &job.mail {
        let tries = if mail.attempts == 1 { "try" } else { "tries" };
        rows.push(("mail", toned(mail.state, format!("{} to {}, {} {tries}", mail.state, mail.to, mail.attempts))));
    }
    rows.push(("created", cell(moment(app, job.created_at))));
    rows.extend(times(&job.state).into_iter().filter_map(|(name, at)| Some((name, cell(moment(app, at?))))));
    if job.attempt > 1 {
        rows.push(("attempt", cell(job.attempt.to_string())));
    }
    rows.push(("id", cell(job.id.to_string())));
    rows
}

/// Says more about a state than its name.
fn more(app: &App, job: &Job) -> String {
    match &job.state {
        JobState::Queued => {
            let words = |before| if before == 0 { ", next".to_owned() } else { format!(", {before} before it") };
            let before = job.queue_position.map_or(String::new(), words);
            format!("{before}, waits for {}", waited(job, app.now).map(span).unwrap_or_default())
        }
        JobState::Running { device, progress, .. } => {
            let rate = app.jobs.rate(job).map_or(String::new(), |rate| format!(", {rate:.2} a second"));
            let left = app.jobs.left(job).map_or(String::new(), |left| format!(", {} left", seconds(left)));
            format!(" on {device}, {} of {} {}{rate}{left}", progress.done, progress.total, progress.unit)
        }
        JobState::Succeeded { started_at, finished_at, device, .. } => {
            format!(" on {device} in {}", seconds(finished_at.duration_since(*started_at).as_secs_f64()))
        }
        JobState::Paused | JobState::Failed { .. } | JobState::Cancelled { .. } => String::new(),
    }
}

fn times(state: &JobState) -> [(&'static str, Option<Timestamp>); 2] {
    let (started, finished) = match state {
        JobState::Queued | JobState::Paused => (None, None),
        JobState::Running { started_at, .. } => (Some(*started_at), None),
        JobState::Succeeded { started_at, finished_at, .. } => (Some(*started_at), Some(*finished_at)),
        JobState::Failed { started_at, finished_at, .. } | JobState::Cancelled { started_at, finished_at } => {
            (*started_at, Some(*finished_at))
        }
    };
    [("started", started), ("finished", finished)]
}

/// Writes a time as the reader's clock shows it, and how long ago that is.
fn moment(app: &App, at: Timestamp) -> String {
    let clock = at.to_zoned_datetime(app.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    format!("{clock}  ({} ago)", span(app.now.duration_since(at).as_secs_f64()))
}
