//! How waiting for a training or painting looks: a bar on a terminal, a line now and then elsewhere.

use std::io::{self, IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressStyle};
use protocol::{Job, JobState, Parameters, StateName};

use crate::words::{plain, progress, seconds};

/// Progress without a terminal is told in steps of so many percent.
const STEP: u64 = 10;

const TEMPLATE: &str = "{prefix} {bar:32} {pos}/{len}  {msg}";

/// What people see while they wait.
#[derive(Debug)]
pub(super) struct Shown {
    label: String,
    bar: Option<ProgressBar>,
    told: Option<(StateName, u64)>,
    loss: Option<f64>,
}

impl Shown {
    /// Begins to show a job.
    pub(super) fn new(job: &Job) -> Self {
        let label = match &job.parameters {
            Parameters::Train(train) => format!("learning {}", train.name),
            _ => "painting".to_owned(),
        };
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(job.parameters.steps().unwrap_or(0).into());
            bar.set_style(template());
            bar.set_prefix(label.clone());
            bar
        });
        Self { label, bar, told: None, loss: None }
    }

    /// The job is like this now; `loss` is the newest total where it is known anew.
    pub(super) fn show(&mut self, job: &Job, loss: Option<f64>) {
        self.loss = loss.or(self.loss);
        let words = words(job, self.loss);
        if let Some(bar) = &self.bar {
            bar.set_position(job.state.steps_done());
            bar.set_message(words);
            return;
        }
        let percent = job.progress().map_or(0, |progress| 100 * progress.done / progress.total.max(1));
        let now = (job.state.name(), percent / STEP);
        if self.told.replace(now) != Some(now) {
            // Nobody may be there to read it, which is no error.
            let _ = writeln!(io::stderr().lock(), "{}: {words}", self.label);
        }
    }

    /// Takes everything off the screen.
    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn template() -> ProgressStyle {
    let style = ProgressStyle::with_template(TEMPLATE).expect("the template is a constant that a test has drawn");
    style.progress_chars("━╸─")
}

/// Says what a job does now.
fn words(job: &Job, loss: Option<f64>) -> String {
    let id = job.id.short();
    let so_far = job.progress().map_or(String::new(), |now| format!(" at {}", progress(now)));
    match &job.state {
        JobState::Queued { .. } => match job.queue_position {
            Some(before) if before > 0 => format!("waiting{so_far} as {id}, {before} before it"),
            _ => format!("waiting{so_far} as {id}"),
        },
        JobState::Running { device, progress: now, .. } => {
            let mut words = format!("{} on {}", progress(*now), plain(device));
            words.extend(loss.map(|loss| format!(", loss {loss:.3}")));
            words.extend(now.rate.map(|rate| format!(", {rate:.2} steps/s")));
            words.extend(now.eta_seconds().map(|left| format!(", {} left", seconds(left))));
            words
        }
        JobState::Paused { .. } => match job.warnings.last() {
            Some(warning) => format!("paused{so_far}: {}", plain(warning)),
            None => format!("paused{so_far}; `atelier resume {id}` lets it go on"),
        },
        _ => job.state.name().to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use protocol::job::ProgressUnit;
    use protocol::{Priority, Progress, TrainOrder};

    use super::*;

    #[test]
    fn step_loss_speed_and_time_left_are_told() {
        template();
        let parameters = Parameters::Train(TrainOrder::new("new".parse().unwrap()).fill().unwrap());
        let progress = Progress { done: 120, total: 400, unit: ProgressUnit::Step, rate: Some(2.5) };
        let now = "2026-11-24T12:00:00Z".parse().unwrap();
        let mut job = Job {
            id: "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(),
            parameters,
            priority: Priority::Batch,
            state: JobState::Running { started_at: now, device: "cpu".to_owned(), progress },
            created_at: now,
            attempt: 1,
            mail: None,
            note: None,
            warnings: Vec::new(),
            skipped_files: Vec::new(),
            queue_position: None,
        };
        assert_eq!(words(&job, Some(3.4567)), "step 120 of 400 on cpu, loss 3.457, 2.50 steps/s, 112 s left");
        job.state = JobState::Paused { steps_done: 121 };
        assert_eq!(words(&job, None), "paused at step 121 of 400; `atelier resume 099a8057` lets it go on");
        job.warnings.push("the disk is full".to_owned());
        assert_eq!(words(&job, None), "paused at step 121 of 400: the disk is full");
        job.state = JobState::Queued { steps_done: 0 };
        job.queue_position = Some(2);
        assert_eq!(words(&job, None), "waiting as 099a8057, 2 before it");
    }
}
