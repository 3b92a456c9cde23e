//! One thing in full.

use std::fmt::Write as _;

use protocol::{Checkpoint, Job, JobState, Style};

use super::Look;
use super::table::fields;
use crate::theme::Tone;
use crate::words::{
    self, Cell, bytes, cell, delivery, parameters, place, place_of_end, seconds, size, style_rows, times, toned,
};

/// Shows a job and what it could go on from.
pub(crate) fn job(job: &Job, checkpoints: &[Checkpoint], look: &Look) -> String {
    let state = job.state.name();
    let mut rows = vec![
        ("id", cell(format!("{}  (short: {})", job.id, job.id.short()))),
        ("kind", cell(job.kind().as_str())),
        ("state", toned(state, state.as_str())),
    ];
    rows.extend(job.style().map(|style| ("style", cell(style.as_str()))));
    rows.extend(outcome(job));
    rows.extend(
        place_of_end(&job.state).map(|(device, took)| ("device", cell(format!("{device}, {}", seconds(took))))),
    );
    if let Some(before) = job.queue_position {
        rows.push(("queue", cell(place(before))));
    }
    rows.push(("priority", cell(job.priority.as_str())));
    rows.push(("parameters", cell(parameters(&job.parameters))));
    rows.push(("created", cell(look.moment(job.created_at))));
    rows.extend(times(&job.state).into_iter().map(|(name, at)| (name, cell(look.moment(at)))));
    rows.push(("attempt", cell(job.attempt.to_string())));
    rows.extend(job.mail.as_ref().map(|mail| ("mail", delivery(mail))));
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
fn outcome(job: &Job) -> Vec<(&'static str, Cell)> {
    match &job.state {
        JobState::Running { device, progress, .. } => {
            let mut text = words::progress(*progress);
            if let Some(left) = progress.eta_seconds() {
                let _ = write!(text, ", {} left", seconds(left));
            }
            vec![("progress", cell(text)), ("device", cell(device))]
        }
        JobState::Succeeded { result, .. } => {
            vec![("result", cell(format!("{}, {}", result.media_type, size(result)))), ("sha256", cell(&result.sha256))]
        }
        JobState::Failed { error, .. } => {
            vec![("error", toned(Tone::Bad, format!("{} ({})", error.detail, error.code)))]
        }
        JobState::Queued { .. } | JobState::Paused { .. } => {
            job.progress().map(|progress| ("progress", cell(words::progress(progress)))).into_iter().collect()
        }
        JobState::Cancelled { .. } => Vec::new(),
    }
}

/// Shows a style.
pub(crate) fn style(style: &Style, look: &Look) -> String {
    fields(style_rows(style), look)
}
