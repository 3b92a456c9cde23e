//! What happens, in order: each event has a number that only grows.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::device::Device;
use crate::id::{JobId, StyleName};
use crate::job::{Job, Progress};
use crate::loss::LossPoint;
use crate::mail::Mail;
use crate::style::Style;

/// One numbered event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its number: larger than that of every earlier event, also across restarts and crashes.
    pub sequence: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub body: EventBody,
}

impl Event {
    /// Returns the job that the event is about.
    #[must_use]
    pub fn job(&self) -> Option<JobId> {
        match &self.body {
            EventBody::State(job) => Some(job.id),
            EventBody::Progress { job, .. }
            | EventBody::Loss { job, .. }
            | EventBody::Preview { job, .. }
            | EventBody::Forgotten { job }
            | EventBody::End { job } => Some(*job),
            EventBody::Mail(mail) => Some(mail.job),
            EventBody::Snapshot(_) | EventBody::Style { .. } | EventBody::Device(_) => None,
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
pub enum EventBody {
    /// Everything a new watcher needs to begin with.
    Snapshot(Snapshot),
    /// A job was accepted, changed its state, priority or note.
    State(Box<Job>),
    /// A running job came further.
    Progress {
        /// The job.
        job: JobId,
        /// How much is done.
        progress: Progress,
        /// Units a second, once known.
        rate: Option<f64>,
        /// Seconds left, estimated.
        eta_seconds: Option<f64>,
    },
    /// A training or painting did a step. A step that is done again after a roll-back replaces its earlier point and
    /// those after it.
    Loss {
        /// The job.
        job: JobId,
        /// The terms of the loss at that step.
        point: LossPoint,
    },
    /// There is a newer preview of a training or painting.
    Preview {
        /// The job.
        job: JobId,
        /// The last step that it shows.
        step: u64,
    },
    /// A style appeared, changed or went.
    Style {
        /// Its name.
        name: StyleName,
        /// What it is now; null when it is gone.
        style: Option<Style>,
    },
    /// A device became busy or idle.
    Device(Device),
    /// A mail was tried or given up.
    Mail(Mail),
    /// A job was forgotten: by a person or after its retention.
    Forgotten {
        /// The job.
        job: JobId,
    },
    /// A job is finished; its stream closes after this.
    End {
        /// The job.
        job: JobId,
    },
}

impl EventBody {
    /// Returns the event's name, as in the `event:` line of a stream.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Snapshot(_) => "snapshot",
            Self::State(_) => "state",
            Self::Progress { .. } => "progress",
            Self::Loss { .. } => "loss",
            Self::Preview { .. } => "preview",
            Self::Style { .. } => "style",
            Self::Device(_) => "device",
            Self::Mail(_) => "mail",
            Self::Forgotten { .. } => "forgotten",
            Self::End { .. } => "end",
        }
    }
}

/// Everything a new watcher needs to begin with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Snapshot {
    /// The watched job, or the newest 200 jobs of each state, newest first.
    #[schema(value_type = Vec<crate::job::JobJson>)]
    pub jobs: Vec<Job>,
    /// All styles; empty on a job's own stream.
    pub styles: Vec<Style>,
    /// All devices; empty on a job's own stream.
    pub devices: Vec<Device>,
}
