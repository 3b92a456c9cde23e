//! The runs: loss curves, what they have come to, and the newest preview.

use protocol::{Job, JobState, Parameters};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::table::{self, Column, Rows, column, rest};
use super::text::{pieces, put};
use super::{fields, pixels};
use crate::app::App;
use crate::app::training::{Run, Terms, Training};
use crate::curves::{Axis, Chart, Curve, Line, number, sign};
use crate::picture::Shown;
use crate::theme::{Theme, Tone};
use crate::words::{Cell, bytes, cell, plain, seconds, span, style, toned};

const COLUMNS: [Column; 4] = [column("ID", 8, 0), rest("STYLE", 1), column("STATE", 9, 2), column("STEP", 11, 3)];

/// Draws the view.
pub(super) fn draw(app: &App, theme: Theme, area: Rect, buffer: &mut Buffer) -> Option<Shown> {
    let rows = Training::rows(&app.jobs);
    let Some(job) = app.training.job(&app.jobs) else {
        put(" nothing is being learned; t begins", Tone::Quiet, theme, Rect { height: 1, ..area }, buffer);
        return None;
    };
    let shown = app.training.shown(&app.jobs);
    if area.width >= 100 && area.height >= 16 {
        let list = Rect { width: 46, height: area.height / 2, ..area };
        runs(app, &rows, theme, list, buffer);
        let below = Rect { x: area.x + 1, y: list.bottom(), width: list.width - 2, height: area.height - list.height };
        let right = Rect { x: list.right() + 1, width: area.width - list.width - 1, ..area };
        curves(app, &shown, theme, right, buffer);
        return facts(app, job, theme, below, buffer);
    }
    // On a small screen the list is a line or a few, and the curves have the rest.
    let high = if area.height >= 18 { (rows.len() as u16 + 1).clamp(3, 5) } else { 1 };
    let list = Rect { height: high, ..area };
    if high > 1 {
        runs(app, &rows, theme, list, buffer);
    } else {
        let text = format!(" {}  {}  {}  {}", job.id.short(), style(job), job.state.name(), step(app, job));
        put(&text, job.state.name().into(), theme, list, buffer);
    }
    let told = if area.height >= 18 { 5 } else { 0 };
    let chart = Rect { y: list.bottom(), height: area.height - high - told, ..area };
    curves(app, &shown, theme, chart, buffer);
    let below = Rect { x: area.x + 1, y: chart.bottom(), width: area.width - 1, height: told };
    let preview = app.training.run(job.id).and_then(|run| run.preview.as_ref());
    let beside = preview.filter(|_| app.training.shows_picture && below.width >= 70 && told > 0);
    let texts = if beside.is_some() { Rect { width: below.width - 20, ..below } } else { below };
    fields::draw(&about(app, job), theme, texts, buffer);
    pixels::draw(beside?, theme, Rect { x: texts.right() + 1, width: 19, ..below }, buffer)
}

fn runs(app: &App, rows: &[protocol::JobId], theme: Theme, area: Rect, buffer: &mut Buffer) {
    let row = |index: usize| {
        let Some(job) = app.jobs.get(rows[index]) else { return Default::default() };
        let state = job.state.name();
        let cells: Vec<Cell> = vec![
            cell(job.id.short().to_string()),
            cell(style(job)),
            toned(state, state.as_str()),
            toned(Tone::Quiet, step(app, job)),
        ];
        (cells, app.training.compared.contains(&job.id))
    };
    let chosen = app.training.chosen.index(rows);
    table::draw(&COLUMNS, &Rows { count: rows.len(), chosen, row: &row }, theme, area, buffer);
}

fn step(app: &App, job: &Job) -> String {
    let done = job.progress().map(|progress| progress.done).or_else(|| last_step(app, job));
    let steps = job.parameters.steps().unwrap_or(0);
    done.map_or_else(|| format!("-/{steps}"), |done| format!("{done}/{steps}"))
}

fn last_step(app: &App, job: &Job) -> Option<u64> {
    let curve = &app.training.run(job.id)?.curve;
    curve.step(curve.len().checked_sub(1)?)
}

/// Draws what is known of a run, with its newest preview.
fn facts(app: &App, job: &Job, theme: Theme, area: Rect, buffer: &mut Buffer) -> Option<Shown> {
    let preview = app.training.run(job.id).and_then(|run| run.preview.as_ref()).filter(|_| app.training.shows_picture);
    let bottom = fields::draw(&about(app, job), theme, area, buffer);
    let place = Rect { y: bottom, height: area.bottom() - bottom, ..area };
    pixels::draw(preview.filter(|_| place.height >= 4)?, theme, place, buffer)
}

/// Returns what there is to say about a run, the most important first.
fn about(app: &App, job: &Job) -> Vec<(&'static str, Cell)> {
    let nothing = Run::default();
    let run = app.training.run(job.id).unwrap_or(&nothing);
    let mut pace = Vec::new();
    if let Some(rate) = app.jobs.rate(job).or_else(|| run.curve.pace(20)) {
        pace.push(format!("{} steps a second", number(rate)));
    }
    if let Some(left) = app.jobs.left(job) {
        pace.push(format!("{} left", seconds(left)));
    }
    if let Some(last) = run.curve.len().checked_sub(1).and_then(|last| run.curve.seconds(last)) {
        pace.push(format!("{} of work", seconds(last)));
    }
    let mut rows = vec![("pace", cell(if pace.is_empty() { "-".to_owned() } else { pace.join(", ") }))];
    if let JobState::Failed { error, .. } = &job.state {
        rows.insert(0, ("error", toned(Tone::Bad, format!("{} ({})", error.detail, error.code))));
    }
    rows.extend(job.warnings.iter().map(|warning| ("warning", toned(Tone::Waiting, warning))));
    if let Parameters::Train(train) = &job.parameters {
        let text =
            format!("{} recipe, rate {}, {} of {} px", train.recipe, train.learning_rate, train.batch, train.size);
        rows.push(("learning", cell(text)));
    }
    let checkpoint = run.checkpoints.first().map_or_else(
        || "-".to_owned(),
        |newest| {
            let ago = span(app.now.duration_since(newest.at).as_secs_f64());
            format!("step {}, {ago} ago, {}", newest.step, bytes(newest.bytes))
        },
    );
    rows.push(("checkpoint", cell(checkpoint)));
    if !job.skipped_files.is_empty() {
        let text = format!("{}: {}", job.skipped_files.len(), job.skipped_files.join(", "));
        rows.push(("skipped", toned(Tone::Waiting, text)));
    }
    if let Some(step) = run.preview_step {
        rows.push(("preview", cell(format!("after step {step}"))));
    }
    rows
}

/// Draws the curves: their legend, then the chart.
fn curves(app: &App, shown: &[protocol::JobId], theme: Theme, area: Rect, buffer: &mut Buffer) {
    let training = &app.training;
    let runs: Vec<_> = shown.iter().filter_map(|id| Some((*id, &training.run(*id)?.curve))).collect();
    let Some(x) = training.range(shown) else {
        return put("       no steps yet", Tone::Quiet, theme, Rect { height: area.height.min(1), ..area }, buffer);
    };
    let mut lines = Vec::new();
    let mut legend: Vec<Vec<(String, Tone)>> = vec![title(app, &runs)];
    if runs.len() > 1 {
        // Runs are compared by one term.
        let term = if training.terms == Terms::Layers { "style" } else { "total" };
        for (at, (id, curve)) in runs.iter().enumerate() {
            let name = app.jobs.get(*id).map_or_else(String::new, |job| format!("{} {}", id.short(), style(job)));
            legend.push(entry(app, curve, term, &name, at, theme));
            lines.push(Line { curve, term, number: at });
        }
    } else if let Some((_, curve)) = runs.first() {
        for (at, term) in terms(curve, training.terms).into_iter().enumerate() {
            legend.push(entry(app, curve, term, &plain(term), at, theme));
            lines.push(Line { curve, term, number: at });
        }
    }
    let room = usize::from(area.height / 3).max(1);
    let mut y = area.y;
    for line in flow(legend, usize::from(area.width)).into_iter().take(room) {
        pieces(&line, theme, Rect { y, height: 1, ..area }, buffer);
        y += 1;
    }
    let plane = Rect { y, height: area.bottom() - y, ..area };
    let window = training.window();
    let logarithmic = training.logarithmic;
    Chart { lines, axis: training.axis, x, logarithmic, window, cursor: training.cursor }.draw(theme, plane, buffer);
}

/// Returns the terms that are drawn of a single run.
fn terms(curve: &Curve, choice: Terms) -> Vec<&str> {
    let all = || curve.terms();
    let is_layer = |term: &str| !protocol::LossPoint::TERMS.contains(&term);
    match choice {
        Terms::Total => vec!["total"],
        // A term that is zero throughout tells nothing.
        Terms::All => all().filter(|term| !is_layer(term) && curve.is_ever_positive(term)).collect(),
        Terms::Layers => all().filter(|term| is_layer(term)).collect(),
    }
}

/// Says how the curves are drawn, and where the cursor is.
fn title(app: &App, runs: &[(protocol::JobId, &Curve)]) -> Vec<(String, Tone)> {
    let training = &app.training;
    let mut parts = Vec::new();
    if let Some((_, curve)) = runs.first() {
        let index = training.cursor.map_or_else(|| curve.len().checked_sub(1), |x| curve.at(x, training.axis));
        if let (Some(step), Some(at)) = (index.and_then(|at| curve.step(at)), index.and_then(|at| curve.seconds(at))) {
            parts.push(format!("step {step} at {}", seconds(at)));
        }
    }
    if training.zoom > 0 {
        parts.push(format!("1/{} shown", 1_u32 << training.zoom));
    }
    if training.logarithmic {
        parts.push("log".to_owned());
    }
    if training.axis == Axis::Clock {
        parts.push("by clock".to_owned());
    }
    if training.window() > 1 {
        parts.push(format!("mean of {}", training.window()));
    }
    vec![(format!(" {}  ", parts.join(", ")), Tone::Quiet)]
}

/// Writes a line's sign, its name, and its value at the cursor or at its end.
fn entry(app: &App, curve: &Curve, term: &str, name: &str, at: usize, theme: Theme) -> Vec<(String, Tone)> {
    let index = app.training.cursor.map_or_else(|| curve.len().checked_sub(1), |x| curve.at(x, app.training.axis));
    let value = index.and_then(|index| curve.value(term, index)).map_or_else(|| "-".to_owned(), number);
    let lost = match curve.lost(term) {
        0 => String::new(),
        lost => format!(" ({lost} not finite)"),
    };
    vec![
        (format!("{} ", sign(at, theme)), Tone::Curve(at)),
        (format!("{name} "), Tone::Plain),
        (format!("{value}{lost}  "), Tone::Heading),
    ]
}

/// Puts entries one after the other into lines of so many columns.
fn flow(entries: Vec<Vec<(String, Tone)>>, columns: usize) -> Vec<Vec<(String, Tone)>> {
    use unicode_width::UnicodeWidthStr as _;
    let wide = |parts: &[(String, Tone)]| parts.iter().map(|(text, _)| text.width()).sum::<usize>();
    let mut lines: Vec<Vec<(String, Tone)>> = Vec::new();
    for entry in entries {
        match lines.last_mut() {
            Some(line) if wide(line) + wide(&entry) <= columns => line.extend(entry),
            _ => lines.push(entry),
        }
    }
    lines
}
