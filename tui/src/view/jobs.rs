//! The list of jobs, and the chosen one beside or below it.

use protocol::{Job, JobState};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use super::table::{self, Column, Rows, column, rest};
use super::text::{bar, put, wrap};
use super::{fields, job};
use crate::app::App;
use crate::app::jobs::waited;
use crate::app::link::Link;
use crate::theme::{Theme, Tone};
use crate::words::{Cell, bytes, cell, dimensions, maybe, place, seconds, span, steps, style, toned};

const COLUMNS: [Column; 8] = [
    column("ID", 8, 0),
    column("KIND", 7, 4),
    column("STYLE", 16, 2),
    column("STATE", 9, 1),
    column("PROGRESS", 14, 3),
    column("WAITED", 6, 6),
    column("LEFT", 9, 5),
    rest("NOTE", 7),
];

/// Draws the view.
pub(super) fn draw(app: &App, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let rows = app.jobs.rows(app.now);
    if rows.is_empty() {
        return nothing(app, theme, area, buffer);
    }
    // The chosen job is told below the list where there is room for both.
    let details = if area.height >= 18 { (area.height / 3).clamp(8, 14) } else { 0 };
    let list = Rect { height: area.height - details, ..area };
    let row = |index: usize| {
        let job = app.jobs.get(rows[index]);
        job.map_or_else(Default::default, |job| (cells(app, job), app.jobs.marks.contains(&job.id)))
    };
    let chosen = app.jobs.cursor.index(&rows);
    table::draw(&COLUMNS, &Rows { count: rows.len(), chosen, row: &row }, theme, list, buffer);
    if let Some(chosen) = app.jobs.chosen(app.now).filter(|_| details > 0) {
        let below = Rect { y: list.bottom(), height: details, ..area };
        put(&"─".repeat(usize::from(area.width)), Tone::Quiet, theme, Rect { height: 1, ..below }, buffer);
        let below = Rect { x: below.x + 1, y: below.y + 1, width: below.width - 1, height: details - 1 };
        fields::draw(&job::rows(app, chosen), theme, below, buffer);
    }
}

/// Says why there is nothing to show.
fn nothing(app: &App, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let words = match &app.link {
        Link::Connected if app.jobs.len() > 0 => "no job fits the filter; Esc drops it".to_owned(),
        Link::Connected => "no jobs yet".to_owned(),
        Link::Connecting => String::new(),
        Link::Lost { .. } => "no daemon answers; start one with `atelierd`, or name another with --server".to_owned(),
    };
    for (at, line) in (0..area.height).zip(wrap(&words, usize::from(area.width.saturating_sub(2)))) {
        let here = Rect { x: area.x + 1, y: area.y + at, width: line.width() as u16, height: 1 };
        put(&line, Tone::Quiet, theme, here, buffer);
    }
}

fn cells(app: &App, job: &Job) -> Vec<Cell> {
    let state = job.state.name();
    vec![
        cell(job.id.short().to_string()),
        cell(job.kind().as_str()),
        cell(style(job)),
        toned(state, state.as_str()),
        progress(job),
        maybe(waited(job, app.now).map(span)),
        left(app, job),
        cell(job.note.as_deref().unwrap_or_default()),
    ]
}

/// Says how far a job has come, or how it ended.
fn progress(job: &Job) -> Cell {
    match &job.state {
        JobState::Running { progress, .. } => {
            let share = progress.done as f64 / progress.total.max(1) as f64;
            toned(Tone::Active, format!("{} {:>3.0}%", bar(share, 9), (share * 100.0).floor()))
        }
        JobState::Queued { .. } | JobState::Paused { .. } => {
            // There is room for one of them; the other is told by the job in full.
            let known = steps(job).or_else(|| job.queue_position.map(place));
            toned(Tone::Quiet, known.unwrap_or_else(|| "-".to_owned()))
        }
        JobState::Succeeded { result, .. } => {
            toned(Tone::Quiet, dimensions(result).unwrap_or_else(|| bytes(result.bytes)))
        }
        JobState::Failed { error, .. } => toned(Tone::Bad, error.code.as_str()),
        JobState::Cancelled { .. } => toned(Tone::Quiet, "-"),
    }
}

/// Says how long a running job still takes, or how long ago a finished one ended.
fn left(app: &App, job: &Job) -> Cell {
    match &job.state {
        JobState::Running { .. } => maybe(app.jobs.left(job).map(seconds)),
        JobState::Succeeded { finished_at, .. }
        | JobState::Failed { finished_at, .. }
        | JobState::Cancelled { finished_at, .. } => {
            toned(Tone::Quiet, format!("{} ago", span(app.now.duration_since(*finished_at).as_secs_f64())))
        }
        JobState::Queued { .. } | JobState::Paused { .. } => toned(Tone::Quiet, "-"),
    }
}
