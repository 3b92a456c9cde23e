//! The public JSON of a job: one flat object in which every key is always present.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Failure, Job, JobKind, JobResult, JobState, Parameters, Priority, Progress, StateName};
use crate::id::{JobId, StyleName};
use crate::mail::Delivery;

/// A job as scripts see it. Keys that don't apply to the state are null, so that none is ever missing.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Job)]
pub struct JobJson {
    /// Identity: a version 7 UUID.
    pub id: JobId,
    /// What kind of work it is.
    pub kind: JobKind,
    /// How far it has come.
    pub state: StateName,
    /// The style it uses, or the one it makes.
    pub style: Option<StyleName>,
    /// Which jobs go first.
    pub priority: Priority,
    /// What was asked for, defaults filled in; which these are, `kind` says.
    pub parameters: Parameters,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When the last attempt began.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// How many times work on it has begun.
    pub attempt: u32,
    /// The device it runs or ran on.
    pub device: Option<String>,
    /// How many jobs go before it.
    pub queue_position: Option<u64>,
    /// How much is done: of a running job, and of a training or painting that waits or is paused after steps of it.
    pub progress: Option<Progress>,
    /// Units a second, while it runs.
    pub rate: Option<f64>,
    /// Seconds left, estimated.
    pub eta_seconds: Option<f64>,
    /// Files of its data set that were passed over, each with the reason.
    #[serde(default)]
    pub skipped_files: Vec<String>,
    /// Why it failed.
    pub error: Option<Failure>,
    /// What the person should know although the job goes on.
    pub warnings: Vec<String>,
    /// Its result.
    pub result: Option<JobResult>,
    /// Its mail.
    pub mail: Option<Delivery>,
    /// A person's own words about it.
    pub note: Option<String>,
}

impl From<Job> for JobJson {
    fn from(job: Job) -> Self {
        let kind = job.kind();
        let state = job.state.name();
        let style = job.style().cloned();
        let progress = job.progress();
        let mut json = Self {
            id: job.id,
            kind,
            state,
            style,
            priority: job.priority,
            parameters: job.parameters,
            created_at: job.created_at,
            started_at: None,
            finished_at: None,
            attempt: job.attempt,
            device: None,
            queue_position: job.queue_position,
            progress,
            rate: progress.and_then(|progress| progress.rate),
            eta_seconds: progress.and_then(|progress| progress.eta_seconds()),
            skipped_files: job.skipped_files,
            error: None,
            warnings: job.warnings,
            result: None,
            mail: job.mail,
            note: job.note,
        };
        match job.state {
            JobState::Queued { .. } | JobState::Paused { .. } => {}
            JobState::Running { started_at, device, progress: _ } => {
                json.started_at = Some(started_at);
                json.device = Some(device);
            }
            JobState::Succeeded { started_at, finished_at, device, result } => {
                json.started_at = Some(started_at);
                json.finished_at = Some(finished_at);
                json.device = Some(device);
                json.result = Some(result);
            }
            JobState::Failed { started_at, finished_at, device, error } => {
                json.started_at = started_at;
                json.finished_at = Some(finished_at);
                json.device = device;
                json.error = Some(error);
            }
            JobState::Cancelled { started_at, finished_at, device } => {
                json.started_at = started_at;
                json.finished_at = Some(finished_at);
                json.device = device;
            }
        }
        json
    }
}

impl Progress {
    /// Estimates the seconds that are left, once the rate is known.
    #[must_use]
    pub fn eta_seconds(&self) -> Option<f64> {
        let rate = self.rate.filter(|rate| *rate > 0.0)?;
        Some(self.total.saturating_sub(self.done) as f64 / rate)
    }
}

/// A job's JSON that is at odds with itself.
#[derive(Debug, thiserror::Error)]
pub enum BrokenJob {
    /// Its state needs a key that it lacks.
    #[error("a {state} job without \"{key}\"")]
    MissingKey {
        /// The state.
        state: StateName,
        /// The key.
        key: &'static str,
    },
    /// It has another kind's parameters.
    #[error("a {kind} job with the parameters of a {of} job")]
    OtherParameters {
        /// The job's kind.
        kind: JobKind,
        /// The parameters' kind.
        of: JobKind,
    },
}

impl TryFrom<JobJson> for Job {
    type Error = BrokenJob;

    fn try_from(json: JobJson) -> Result<Self, BrokenJob> {
        if json.kind != json.parameters.kind() {
            return Err(BrokenJob::OtherParameters { kind: json.kind, of: json.parameters.kind() });
        }
        let missing = |key| BrokenJob::MissingKey { state: json.state, key };
        let started_at = json.started_at;
        let steps_done = json.progress.map_or(0, |progress| progress.steps());
        let state = match json.state {
            StateName::Queued => JobState::Queued { steps_done },
            StateName::Paused => JobState::Paused { steps_done },
            StateName::Running => JobState::Running {
                started_at: started_at.ok_or_else(|| missing("started_at"))?,
                device: json.device.ok_or_else(|| missing("device"))?,
                progress: Progress { rate: json.rate, ..json.progress.ok_or_else(|| missing("progress"))? },
            },
            StateName::Succeeded => JobState::Succeeded {
                started_at: started_at.ok_or_else(|| missing("started_at"))?,
                finished_at: json.finished_at.ok_or_else(|| missing("finished_at"))?,
                device: json.device.ok_or_else(|| missing("device"))?,
                result: json.result.ok_or_else(|| missing("result"))?,
            },
            StateName::Failed => JobState::Failed {
                started_at,
                finished_at: json.finished_at.ok_or_else(|| missing("finished_at"))?,
                device: json.device,
                error: json.error.ok_or_else(|| missing("error"))?,
            },
            StateName::Cancelled => JobState::Cancelled {
                started_at,
                finished_at: json.finished_at.ok_or_else(|| missing("finished_at"))?,
                device: json.device,
            },
        };
        Ok(Self {
            id: json.id,
            parameters: json.parameters,
            priority: json.priority,
            state,
            created_at: json.created_at,
            attempt: json.attempt,
            mail: json.mail,
            note: json.note,
            warnings: json.warnings,
            skipped_files: json.skipped_files,
            queue_position: json.queue_position,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use serde_json::{Value, json};

    use super::*;
    use crate::job::{PaintOrder, TrainOrder};
    use crate::{OutputFormat, Parameters};

    fn job(parameters: Parameters) -> Value {
        let job = Job {
            id: "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(),
            parameters,
            priority: Priority::Batch,
            state: JobState::Queued { steps_done: 3 },
            created_at: "2026-11-24T12:00:00Z".parse().unwrap(),
            attempt: 0,
            mail: None,
            note: None,
            warnings: Vec::new(),
            skipped_files: vec!["a.jpg: cut short".to_owned()],
            queue_position: None,
        };
        let json = serde_json::to_value(&job).unwrap();
        assert_eq!(serde_json::from_value::<Job>(json.clone()).unwrap(), job);
        assert_eq!((&json["rate"], &json["eta_seconds"]), (&Value::Null, &Value::Null), "it stands still");
        json
    }

    #[test]
    fn each_kind_has_its_own_parameters() {
        let train = job(Parameters::Train(TrainOrder::new("my-wave".parse().unwrap()).fill().unwrap()));
        assert_eq!((&train["kind"], &train["style"]), (&json!("train"), &json!("my-wave")));
        assert_eq!((&train["parameters"]["steps"], &train["parameters"]["init"]), (&json!(400), &json!("auto")));
        assert_eq!(train["progress"], json!({"done": 3, "total": 400, "unit": "step"}));
        assert_eq!(train["skipped_files"], json!(["a.jpg: cut short"]));
        let paint = job(Parameters::Paint(PaintOrder::default().fill(1, OutputFormat::Png).unwrap()));
        assert_eq!((&paint["kind"], &paint["style"]), (&json!("paint"), &Value::Null));
        assert_eq!(paint["parameters"]["artwork_weights"], json!([1.0]));
    }

    #[test]
    fn a_job_that_has_done_no_step_shows_none() {
        let mut train = job(Parameters::Train(TrainOrder::new("my-wave".parse().unwrap()).fill().unwrap()));
        // As an older daemon wrote it.
        train["progress"] = Value::Null;
        let read = serde_json::from_value::<Job>(train).unwrap();
        assert_eq!((&read.state, read.progress()), (&JobState::Queued { steps_done: 0 }, None));
        assert_eq!(serde_json::to_value(read).unwrap()["progress"], Value::Null);
    }

    #[test]
    fn a_job_that_ended_while_it_ran_tells_on_which_device() {
        let failed = json!({"code": "not_finite", "detail": "NaN"});
        for (state, error) in [("failed", failed), ("cancelled", Value::Null)] {
            let mut paint = job(Parameters::Paint(PaintOrder::default().fill(1, OutputFormat::Png).unwrap()));
            paint["state"] = json!(state);
            paint["finished_at"] = json!("2026-11-24T12:01:00Z");
            paint["error"] = error;
            // As an older daemon wrote it, or one that never ran.
            let read = serde_json::from_value::<Job>(paint.clone()).unwrap();
            assert_eq!(read.state.device(), None);
            paint["device"] = json!("cpu:1");
            let read = serde_json::from_value::<Job>(paint).unwrap();
            assert_eq!(read.state.device(), Some("cpu:1"));
            assert_eq!(serde_json::to_value(read).unwrap()["device"], "cpu:1");
        }
    }

    #[test]
    fn another_kinds_parameters_are_refused() {
        let mut train = job(Parameters::Train(TrainOrder::new("my-wave".parse().unwrap()).fill().unwrap()));
        train["kind"] = json!("paint");
        let error = serde_json::from_value::<Job>(train).unwrap_err();
        assert_eq!(error.to_string(), "a paint job with the parameters of a train job");
    }
}
