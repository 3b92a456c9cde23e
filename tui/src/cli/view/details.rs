//! One thing in full.

use std::fmt::Write as _;

use protocol::{Checkpoint, Job, JobState, OutputFormat, Parameters, Style};

use super::Look;
use super::table::{Cell, cell, fields, toned};
use super::text::{bytes, seconds, size};
use crate::theme::Tone;

/// Shows a job and what it could go on from.
pub(crate) fn job(job: &Job, checkpoints: &[Checkpoint], look: &Look) -> String {
    let state = job.state.name();
    let mut rows = vec![
        ("id", cell(format!("{}  (short: {})", job.id, job.id.short()))),
        ("kind", cell(job.kind().as_str())),
        ("state", toned(state, state.as_str())),
    ];
    rows.extend(job.style().map(|style| ("style", cell(style.as_str()))));
    rows.extend(outcome(&job.state));
    if let Some(before) = job.queue_position {
        rows.push(("queue", cell(format!("{before} before it"))));
    }
    rows.push(("priority", cell(job.priority.as_str())));
    rows.push(("parameters", cell(parameters(&job.parameters))));
    rows.push(("created", cell(look.moment(job.created_at))));
    rows.extend(times(&job.state, look));
    rows.push(("attempt", cell(job.attempt.to_string())));
    if let Some(mail) = &job.mail {
        let tries = if mail.attempts == 1 { "try" } else { "tries" };
        rows.push(("mail", toned(mail.state, format!("{} to {}, {} {tries}", mail.state, mail.to, mail.attempts))));
    }
    if let Some(note) = &job.note {
        rows.push(("note", cell(note)));
    }
    rows.extend(checkpoints.iter().map(|checkpoint| {
        let Checkpoint { step, at, bytes: size } = checkpoint;
        ("checkpoint", cell(format!("step {step}, {}, {}", look.moment(*at), bytes(*size))))
    }));
    rows.extend(job.skipped_files.iter().map(|file| ("passed over", toned(Tone::Waiting, file))));
    rows.extend(job.warnings.iter().map(|warning| ("warning", toned(Tone::Waiting, warning))));
    fields(rows, look)
}

/// What the state has to tell: how far, what came out, or why not.
fn outcome(state: &JobState) -> Vec<(&'static str, Cell)> {
    match state {
        JobState::Running { device, progress, .. } => {
            let mut text = format!("{} of {} {}", progress.done, progress.total, progress.unit);
            if let Some(left) = progress.eta_seconds() {
                let _ = write!(text, ", {} left", seconds(left));
            }
            vec![("progress", cell(text)), ("device", cell(device))]
        }
        JobState::Succeeded { device, result, started_at, finished_at } => vec![
            ("result", cell(format!("{}, {}", result.media_type, size(result)))),
            ("sha256", cell(&result.sha256)),
            ("device", cell(format!("{device}, {}", seconds(finished_at.duration_since(*started_at).as_secs_f64())))),
        ],
        JobState::Failed { error, .. } => {
            vec![("error", toned(Tone::Bad, format!("{} ({})", error.detail, error.code)))]
        }
        JobState::Queued | JobState::Paused | JobState::Cancelled { .. } => Vec::new(),
    }
}

fn times(state: &JobState, look: &Look) -> Vec<(&'static str, Cell)> {
    let (started, finished) = match state {
        JobState::Queued | JobState::Paused => (None, None),
        JobState::Running { started_at, .. } => (Some(*started_at), None),
        JobState::Succeeded { started_at, finished_at, .. } => (Some(*started_at), Some(*finished_at)),
        JobState::Failed { started_at, finished_at, .. } | JobState::Cancelled { started_at, finished_at } => {
            (*started_at, Some(*finished_at))
        }
    };
    let rows = [("started", started), ("finished", finished)];
    rows.into_iter().filter_map(|(name, at)| Some((name, cell(look.moment(at?))))).collect()
}

/// Says what was asked for.
pub(crate) fn parameters(parameters: &Parameters) -> String {
    match parameters {
        Parameters::Stylize(stylize) => {
            let look = result_look(stylize.size, stylize.preserve_color, stylize.format);
            format!("strength {}, {look}", stylize.strength)
        }
        Parameters::Train(train) => {
            let losses =
                format!("content {}, style {}, tv {}", train.content_weight, train.style_weight, train.tv_weight);
            format!(
                "{} recipe, {} steps of {} from {}, {} px, artwork {} px, rate {}, {losses}, {} norm, {} upsampling, \
                 width {}, {} residuals, start {}, seed {}",
                train.recipe,
                train.steps,
                train.batch,
                train.dataset,
                train.size,
                train.art_size,
                train.learning_rate,
                train.norm,
                train.upsample,
                train.width,
                train.residuals,
                train.init,
                train.seed
            )
        }
        Parameters::Paint(paint) => {
            let weights: Vec<_> = paint.artwork_weights.iter().map(f64::to_string).collect();
            format!(
                "{} steps of {} from {}, artworks {}, content {}, style {}, tv {}, seed {}, {}",
                paint.steps,
                paint.optimizer,
                paint.init,
                weights.join(" : "),
                paint.content_weight,
                paint.style_weight,
                paint.tv_weight,
                paint.seed,
                result_look(paint.size, paint.preserve_color, paint.format)
            )
        }
    }
}

/// Says what a picture is to look like beyond its style.
fn result_look(size: Option<u32>, preserve_color: bool, format: OutputFormat) -> String {
    let size = size.map_or_else(|| "the photo's size".to_owned(), |px| format!("longest side {px} px"));
    let colours = if preserve_color { "the photo's colours" } else { "the style's colours" };
    format!("{size}, {colours}, {format}")
}

/// Shows a style.
pub(crate) fn style(style: &Style, look: &Look) -> String {
    let mut rows = vec![("name", cell(style.name.as_str())), ("state", toned(style.state, style.state.as_str()))];
    if let Some(problem) = &style.problem {
        rows.push(("problem", toned(Tone::Bad, format!("{} ({})", problem.detail, problem.code))));
    }
    let texts = [
        ("title", &style.title),
        ("artwork", &style.artwork),
        ("author", &style.author),
        ("licence", &style.licence),
        ("trained on", &style.trained_on),
        ("architecture", &style.architecture),
        ("digest", &style.digest),
    ];
    rows.extend(texts.into_iter().filter_map(|(name, text)| Some((name, cell(text.as_ref()?)))));
    if let Some(parameters) = style.parameters {
        rows.push(("parameters", cell(parameters.to_string())));
    }
    fields(rows, look)
}
