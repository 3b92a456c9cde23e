//! What there is to say about a job.

use jiff::Timestamp;
use protocol::job::ProgressUnit;
use protocol::{Delivery, Job, JobState, OutputFormat, Parameters, Progress, StyleName};

use super::{Cell, plain, size, toned};

/// Says how many jobs go first.
pub(crate) fn place(before: u64) -> String {
    if before == 0 { "next".to_owned() } else { format!("{before} before it") }
}

/// Says how much of a job is done.
pub(crate) fn progress(progress: Progress) -> String {
    let Progress { done, total, .. } = progress;
    match progress.unit {
        ProgressUnit::Percent => format!("{done}%"),
        ProgressUnit::Step => format!("step {done} of {total}"),
    }
}

/// Says briefly after which step a job goes on that stands still.
pub(crate) fn steps(job: &Job) -> Option<String> {
    job.progress().map(|progress| format!("{}/{}", progress.done, progress.total))
}

/// Says what has become of a job, after its state's name.
pub(crate) fn outcome(job: &Job) -> String {
    match &job.state {
        JobState::Queued { .. } | JobState::Paused { .. } => {
            let facts = [Some(String::new()), job.progress().map(progress), job.queue_position.map(place)];
            facts.into_iter().flatten().collect::<Vec<_>>().join(", ")
        }
        JobState::Running { device, .. } => format!(" on {}", plain(device)),
        JobState::Succeeded { result, .. } => format!(", {}", size(result)),
        JobState::Failed { error, .. } => format!(": {} ({})", plain(&error.detail), error.code),
        JobState::Cancelled { .. } => String::new(),
    }
}

/// Returns when a job was begun and ended, as far as it was.
pub(crate) fn times(state: &JobState) -> Vec<(&'static str, Timestamp)> {
    let (started, finished) = match state {
        JobState::Queued { .. } | JobState::Paused { .. } => (None, None),
        JobState::Running { started_at, .. } => (Some(*started_at), None),
        JobState::Succeeded { started_at, finished_at, .. } => (Some(*started_at), Some(*finished_at)),
        JobState::Failed { started_at, finished_at, .. } | JobState::Cancelled { started_at, finished_at, .. } => {
            (*started_at, Some(*finished_at))
        }
    };
    [("started", started), ("finished", finished)].into_iter().filter_map(|(name, at)| Some((name, at?))).collect()
}

/// Returns the device that a job ended on, and how many seconds it was there.
pub(crate) fn place_of_end(state: &JobState) -> Option<(&str, f64)> {
    let (started_at, finished_at) = match state {
        JobState::Succeeded { started_at, finished_at, .. } => (*started_at, *finished_at),
        JobState::Failed { started_at, finished_at, .. } | JobState::Cancelled { started_at, finished_at, .. } => {
            ((*started_at)?, *finished_at)
        }
        JobState::Queued { .. } | JobState::Running { .. } | JobState::Paused { .. } => return None,
    };
    Some((state.device()?, finished_at.duration_since(started_at).as_secs_f64()))
}

/// Says how a job's mail fares.
pub(crate) fn delivery(mail: &Delivery) -> Cell {
    let tries = if mail.attempts == 1 { "try" } else { "tries" };
    toned(mail.state, format!("{} to {}, {} {tries}", mail.state, mail.to, mail.attempts))
}

/// Returns the name of the style that a job uses or makes.
pub(crate) fn style(job: &Job) -> &str {
    job.style().map_or("-", StyleName::as_str)
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
