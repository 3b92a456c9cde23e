//! Tables of jobs, styles, devices and mails.

use protocol::{Device, Distances, Job, JobState, LossCurve, Mail, Style, StyleName};

use super::Look;
use super::table::table;
use crate::theme::Tone;
use crate::words::{bytes, cell, maybe, place, seconds, steps, toned};

/// Lists jobs.
pub(crate) fn jobs(jobs: &[Job], look: &Look) -> String {
    let rows = jobs.iter().map(|job| {
        let state = job.state.name();
        [
            cell(job.id.short().to_string()),
            cell(job.kind().as_str()),
            toned(state, state.as_str()),
            maybe(job.style().map(StyleName::as_str)),
            cell(how_far(job)),
            cell(look.age(job.created_at)),
            cell(job.note.as_deref().unwrap_or_default()),
        ]
    });
    table(["ID", "KIND", "STATE", "STYLE", "PROGRESS", "AGE", "NOTE"], rows.collect(), look)
}

/// Says in a few words how far a job has come.
fn how_far(job: &Job) -> String {
    match &job.state {
        JobState::Queued { .. } | JobState::Paused { .. } => {
            let facts: Vec<_> = steps(job).into_iter().chain(job.queue_position.map(place)).collect();
            if facts.is_empty() { "-".to_owned() } else { facts.join(", ") }
        }
        JobState::Running { device, progress, .. } => {
            let percent = progress.done.saturating_mul(100).checked_div(progress.total).unwrap_or(0);
            format!("{percent}% on {device}")
        }
        JobState::Cancelled { .. } => "-".to_owned(),
        JobState::Succeeded { started_at, finished_at, .. } => {
            seconds(finished_at.duration_since(*started_at).as_secs_f64())
        }
        JobState::Failed { error, .. } => error.code.to_string(),
    }
}

/// Lists styles.
pub(crate) fn styles(styles: &[Style], look: &Look) -> String {
    let rows = styles.iter().map(|style| {
        [
            cell(style.name.as_str()),
            toned(style.state, style.state.as_str()),
            maybe(style.architecture.as_deref()),
            maybe(style.licence.as_deref()),
            maybe(style.title.as_deref()),
            cell(style.problem.as_ref().map_or(String::new(), |problem| problem.detail.clone())),
        ]
    });
    let rows: Vec<_> = rows.collect();
    if styles.iter().all(|style| style.problem.is_none()) {
        let rows = rows
            .into_iter()
            .map(|[name, state, architecture, licence, title, _]| [name, state, architecture, licence, title]);
        return table(["NAME", "STATE", "ARCHITECTURE", "LICENCE", "TITLE"], rows.collect(), look);
    }
    table(["NAME", "STATE", "ARCHITECTURE", "LICENCE", "TITLE", "PROBLEM"], rows, look)
}

/// Lists the points of a loss curve.
pub(crate) fn losses(curve: &LossCurve, look: &Look) -> String {
    let rows = curve.points.iter().map(|point| {
        let [total, content, style, tv] =
            [point.total, point.content, point.style, point.tv].map(|value| cell(format!("{value:.5}")));
        [cell(point.step.to_string()), cell(seconds(point.seconds)), total, content, style, tv]
    });
    table(["STEP", "TIME", "TOTAL", "CONTENT", "STYLE", "TV"], rows.collect(), look)
}

/// Lists how near paintings come to the artwork (S) and to their photos (C), and the mean.
pub(crate) fn distances<'a>(
    photos: impl Iterator<Item = (&'a str, Distances)>,
    mean: Distances,
    look: &Look,
) -> String {
    let row = |(name, Distances { style, content }): (&str, Distances)| {
        [cell(format!("{style:.3}")), cell(format!("{content:.3}")), cell(name)]
    };
    table(["S", "C", "PHOTO"], photos.chain([("mean of all", mean)]).map(row).collect(), look)
}

/// Lists devices.
pub(crate) fn devices(devices: &[Device], look: &Look) -> String {
    let rows = devices.iter().map(|device| {
        let (tone, state) = if device.busy { (Tone::Active, "busy") } else { (Tone::Quiet, "idle") };
        [
            cell(&device.name),
            cell(device.kind.as_str()),
            toned(tone, state),
            maybe(device.job.map(|job| job.short().to_string())),
            maybe(device.utilisation.map(|share| format!("{:.0}%", share * 100.0))),
            maybe((device.threads > 0).then(|| device.threads.to_string())),
            cell(bytes(device.memory_bytes)),
            maybe(device.temperature.map(|degrees| format!("{degrees:.0} °C"))),
            maybe(device.model.as_deref()),
        ]
    });
    table(["NAME", "KIND", "STATE", "JOB", "LOAD", "CORES", "MEMORY", "TEMP", "MODEL"], rows.collect(), look)
}

/// Lists mails.
pub(crate) fn mail(mail: &[Mail], look: &Look) -> String {
    let rows = mail.iter().map(|mail| {
        [
            cell(mail.job.short().to_string()),
            toned(mail.state, mail.state.as_str()),
            cell(mail.attempts.to_string()),
            maybe(mail.next_try.map(|at| {
                let wait = at.as_second() - look.now.as_second();
                if wait <= 0 { "now".to_owned() } else { format!("in {}", seconds(wait as f64)) }
            })),
            cell(&mail.recipient),
            maybe(mail.last_answer.as_deref()),
        ]
    });
    table(["JOB", "STATE", "TRIES", "NEXT TRY", "RECIPIENT", "LAST ANSWER"], rows.collect(), look)
}
