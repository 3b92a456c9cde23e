//! What happens, one line an event.

use std::collections::HashMap;
use std::fmt::Write as _;

use protocol::{Event, EventBody, Job, JobId};

use super::Look;
use crate::theme::Tone;
use crate::words::{outcome, plain};

/// How far each running job was when it was last printed, so that a line is worth reading.
#[derive(Debug, Default)]
pub(crate) struct Printed(HashMap<JobId, u64>);

/// Progress is printed in steps of so many percent.
const STEP: u64 = 10;

/// Writes an event as lines; none where there is nothing new for people.
pub(crate) fn event(event: &Event, printed: &mut Printed, look: &Look) -> String {
    let at = event.at.to_zoned_datetime(look.zone.clone()).strftime("%H:%M:%S").to_string();
    let at = look.paint.tone(Tone::Quiet, &at);
    let mut lines = String::new();
    match &event.body {
        EventBody::Snapshot(snapshot) => {
            for job in snapshot.jobs.iter().rev() {
                line(&mut lines, &at, &state(job, look));
            }
        }
        EventBody::State(job) => {
            if job.state.is_finished() {
                printed.0.remove(&job.id);
            }
            line(&mut lines, &at, &state(job, look));
        }
        EventBody::Progress { job, progress, .. } => {
            let percent = progress.done.saturating_mul(100).checked_div(progress.total).unwrap_or(0);
            let step = percent / STEP;
            if step > 0 && printed.0.insert(*job, step) != Some(step) {
                line(&mut lines, &at, &format!("{}  {percent:>3}%", job.short()));
            }
        }
        EventBody::Style { name, style } => {
            let word = style.as_ref().map_or_else(
                || look.paint.tone(Tone::Quiet, "removed"),
                |style| look.paint.tone(style.state.into(), style.state.as_str()),
            );
            let problem = style.as_ref().and_then(|style| style.problem.as_ref());
            let problem = problem.map_or(String::new(), |problem| format!("  {}", plain(&problem.detail)));
            line(&mut lines, &at, &format!("style {name}: {word}{problem}"));
        }
        EventBody::Device(device) => {
            let word = device.job.map_or_else(|| "idle".to_owned(), |job| format!("works on {}", job.short()));
            line(&mut lines, &at, &format!("device {}: {word}", plain(&device.name)));
        }
        EventBody::Mail(mail) => {
            let word = look.paint.tone(mail.state.into(), mail.state.as_str());
            let answer = mail.last_answer.as_deref().map_or(String::new(), |answer| format!("  {}", plain(answer)));
            line(&mut lines, &at, &format!("{}  mail to {}: {word}{answer}", mail.job.short(), plain(&mail.recipient)));
        }
        EventBody::Forgotten { job } => {
            printed.0.remove(job);
            line(&mut lines, &at, &format!("{}  {}", job.short(), look.paint.tone(Tone::Quiet, "forgotten")));
        }
        EventBody::Loss { .. } | EventBody::Preview { .. } | EventBody::End { .. } => {}
    }
    lines
}

fn line(lines: &mut String, at: &str, text: &str) {
    let _ = writeln!(lines, "{at}  {text}");
}

/// Says what a job is now.
fn state(job: &Job, look: &Look) -> String {
    let name = job.state.name();
    let word = look.paint.tone(name.into(), &format!("{:<9}", name.as_str()));
    let style = job.style().map_or_else(String::new, |style| format!(" {style}"));
    format!("{}  {word}  {}{style}{}", job.id.short(), job.kind(), outcome(job))
}
