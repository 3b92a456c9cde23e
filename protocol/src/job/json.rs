//! The public JSON of a job: one flat object in which every key is always present.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Failure, Job, JobKind, JobResult, JobState, Parameters, Priority, Progress, StateName, StylizeParameters};
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
    /// The style it uses.
    pub style: Option<StyleName>,
    /// Which jobs go first.
    pub priority: Priority,
    /// What was asked for, defaults filled in.
    pub parameters: StylizeParameters,
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
    /// How much is done.
    pub progress: Option<Progress>,
    /// Units a second.
    pub rate: Option<f64>,
    /// Seconds left, estimated.
    pub eta_seconds: Option<f64>,
    /// Files of its data set that were passed over.
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
        let Parameters::Stylize(parameters) = job.parameters;
        let mut json = Self {
            id: job.id,
            kind,
            state,
            style: Some(parameters.style.clone()),
            priority: job.priority,
            parameters,
            created_at: job.created_at,
            started_at: None,
            finished_at: None,
            attempt: job.attempt,
            device: None,
            queue_position: job.queue_position,
            progress: None,
            rate: None,
            eta_seconds: None,
            skipped_files: Vec::new(),
            error: None,
            warnings: job.warnings,
            result: None,
            mail: job.mail,
            note: job.note,
        };
        match job.state {
            JobState::Queued | JobState::Paused => {}
            JobState::Running { started_at, device, progress } => {
                json.started_at = Some(started_at);
                json.device = Some(device);
                json.rate = progress.rate;
                json.eta_seconds = progress.eta_seconds();
                json.progress = Some(progress);
            }
            JobState::Succeeded { started_at, finished_at, device, result } => {
                json.started_at = Some(started_at);
                json.finished_at = Some(finished_at);
                json.device = Some(device);
                json.result = Some(result);
            }
            JobState::Failed { started_at, finished_at, error } => {
                json.started_at = started_at;
                json.finished_at = Some(finished_at);
                json.error = Some(error);
            }
            JobState::Cancelled { started_at, finished_at } => {
                json.started_at = started_at;
                json.finished_at = Some(finished_at);
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

/// A job's JSON whose state lacks a key that it must have.
#[derive(Debug, thiserror::Error)]
#[error("a {state} job without \"{key}\"")]
pub struct MissingKey {
    state: StateName,
    key: &'static str,
}

impl TryFrom<JobJson> for Job {
    type Error = MissingKey;

    fn try_from(json: JobJson) -> Result<Self, MissingKey> {
        let missing = |key| MissingKey { state: json.state, key };
        let started_at = json.started_at;
        let state = match json.state {
            StateName::Queued => JobState::Queued,
            StateName::Paused => JobState::Paused,
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
                error: json.error.ok_or_else(|| missing("error"))?,
            },
            StateName::Cancelled => {
                JobState::Cancelled { started_at, finished_at: json.finished_at.ok_or_else(|| missing("finished_at"))? }
            }
        };
        Ok(Self {
            id: json.id,
            parameters: Parameters::Stylize(json.parameters),
            priority: json.priority,
            state,
            created_at: json.created_at,
            attempt: json.attempt,
            mail: json.mail,
            note: json.note,
            warnings: json.warnings,
            queue_position: json.queue_position,
        })
    }
}
