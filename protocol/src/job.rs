//! A job: what was asked for, and how far it has come.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::ErrorCode;
use crate::id::{JobId, StyleName};
use crate::mail::Delivery;
use crate::words::{UnknownWord, words};

mod bounds;
mod json;
pub mod paint;
pub mod train;

pub use bounds::OutOfBounds;
pub use json::{BrokenJob, JobJson};
pub use paint::{PaintOrder, PaintParameters};
pub use train::{TrainOrder, TrainParameters};

words! {
    /// What kind of work a job is.
    JobKind {
        /// Paint a photo in a learned style.
        Stylize = "stylize",
        /// Learn a style from an artwork.
        Train = "train",
        /// Optimise the pixels themselves (Gatys et al. 2015).
        Paint = "paint",
    }
}

words! {
    /// Which jobs go first within their class.
    Priority {
        /// Somebody waits for it.
        Interactive = "interactive",
        /// It may wait for everything interactive.
        Batch = "batch",
    }
}

words! {
    /// A job's state without its data, as filters and screens name it.
    StateName {
        /// Waiting for a device.
        Queued = "queued",
        /// On a device now.
        Running = "running",
        /// Held back until resumed.
        Paused = "paused",
        /// Finished, with a result.
        Succeeded = "succeeded",
        /// Finished without one.
        Failed = "failed",
        /// Stopped by a person.
        Cancelled = "cancelled",
    }
}

words! {
    /// A picture format that results can have.
    OutputFormat {
        /// Lossless, with alpha.
        Png = "png",
        /// Quality 92, flattened on white.
        Jpeg = "jpeg",
        /// Lossless, with alpha.
        Webp = "webp",
    }
}

impl OutputFormat {
    /// Returns the media type, as in `Content-Type`.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
        }
    }

    /// Returns the usual file name extension.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::Webp => "webp",
        }
    }
}

/// One job: its request, its state with exactly that state's data, and what people added to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "JobJson", try_from = "JobJson")]
pub struct Job {
    /// Identity; also the order of creation.
    pub id: JobId,
    /// What was asked for, defaults filled in.
    pub parameters: Parameters,
    /// Which jobs go first.
    pub priority: Priority,
    /// How far it has come.
    pub state: JobState,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// How many times work on it has begun.
    pub attempt: u32,
    /// Its mail, when an address was given.
    pub mail: Option<Delivery>,
    /// A person's own words about it.
    pub note: Option<String>,
    /// What the person should know although the job goes on.
    pub warnings: Vec<String>,
    /// Files of its data set that were passed over, each with the reason.
    pub skipped_files: Vec<String>,
    /// How many jobs go before it; only for queued jobs, computed when asked.
    pub queue_position: Option<u64>,
}

impl Job {
    /// Returns the kind of work.
    #[must_use]
    pub fn kind(&self) -> JobKind {
        self.parameters.kind()
    }

    /// Returns the style that the job uses, or the one that it makes; painting has none.
    #[must_use]
    pub fn style(&self) -> Option<&StyleName> {
        match &self.parameters {
            Parameters::Stylize(parameters) => Some(&parameters.style),
            Parameters::Train(parameters) => Some(&parameters.name),
            Parameters::Paint(_) => None,
        }
    }

    /// Returns how much is done of a job that runs, or that will go on from there. A photo that waits begins anew, and
    /// what has ended has no more to do.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        match self.state {
            JobState::Running { progress, .. } => Some(progress),
            JobState::Queued { steps_done } | JobState::Paused { steps_done } if steps_done > 0 => {
                Some(Progress::of_steps(steps_done, self.parameters.steps()?))
            }
            _ => None,
        }
    }
}

/// A job's state; each carries what is true in it and nothing else.
#[derive(Clone, Debug, PartialEq)]
pub enum JobState {
    /// Waiting for a device.
    Queued {
        /// Steps that a training or painting has done before and goes on after.
        steps_done: u64,
    },
    /// On a device now.
    Running {
        /// When this attempt began.
        started_at: Timestamp,
        /// The device's name.
        device: String,
        /// How much is done.
        progress: Progress,
    },
    /// Held back until resumed.
    Paused {
        /// Steps that a training or painting has done before and goes on after.
        steps_done: u64,
    },
    /// Finished, with a result.
    Succeeded {
        /// When the last attempt began.
        started_at: Timestamp,
        /// When the result was on disk.
        finished_at: Timestamp,
        /// The device that did it.
        device: String,
        /// Where the result is and what it is.
        result: JobResult,
    },
    /// Finished without a result.
    Failed {
        /// When the last attempt began, if one did.
        started_at: Option<Timestamp>,
        /// When it was given up.
        finished_at: Timestamp,
        /// The device that the last attempt was on, if one was begun and it is known.
        device: Option<String>,
        /// Why.
        error: Failure,
    },
    /// Stopped by a person.
    Cancelled {
        /// When the last attempt began, if one did.
        started_at: Option<Timestamp>,
        /// When it was stopped.
        finished_at: Timestamp,
        /// The device that it was on, if it was stopped while it ran.
        device: Option<String>,
    },
}

impl JobState {
    /// Returns the state's name.
    #[must_use]
    pub const fn name(&self) -> StateName {
        match self {
            Self::Queued { .. } => StateName::Queued,
            Self::Running { .. } => StateName::Running,
            Self::Paused { .. } => StateName::Paused,
            Self::Succeeded { .. } => StateName::Succeeded,
            Self::Failed { .. } => StateName::Failed,
            Self::Cancelled { .. } => StateName::Cancelled,
        }
    }

    /// Says whether nothing more will happen to the job by itself.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        matches!(self, Self::Succeeded { .. } | Self::Failed { .. } | Self::Cancelled { .. })
    }

    /// Returns when the job ended, if it has.
    #[must_use]
    pub const fn finished_at(&self) -> Option<Timestamp> {
        match self {
            Self::Succeeded { finished_at, .. }
            | Self::Failed { finished_at, .. }
            | Self::Cancelled { finished_at, .. } => Some(*finished_at),
            Self::Queued { .. } | Self::Running { .. } | Self::Paused { .. } => None,
        }
    }

    /// Returns the device that the job runs or ran on, as far as it is known.
    #[must_use]
    pub fn device(&self) -> Option<&str> {
        match self {
            Self::Running { device, .. } | Self::Succeeded { device, .. } => Some(device),
            Self::Failed { device, .. } | Self::Cancelled { device, .. } => device.as_deref(),
            Self::Queued { .. } | Self::Paused { .. } => None,
        }
    }

    /// Returns the steps that are done of a training or painting that has not ended.
    #[must_use]
    pub const fn steps_done(&self) -> u64 {
        match self {
            Self::Queued { steps_done } | Self::Paused { steps_done } => *steps_done,
            Self::Running { progress, .. } => progress.steps(),
            Self::Succeeded { .. } | Self::Failed { .. } | Self::Cancelled { .. } => 0,
        }
    }
}

/// What a job was asked to do, every default filled in. In JSON the job's `kind` says which these are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Parameters {
    /// Paint a photo in a learned style.
    Stylize(StylizeParameters),
    /// Learn a style from an artwork.
    Train(TrainParameters),
    /// Optimise a photo's own pixels.
    Paint(PaintParameters),
}

impl Parameters {
    /// Returns the kind of work that they are for.
    #[must_use]
    pub const fn kind(&self) -> JobKind {
        match self {
            Self::Stylize(_) => JobKind::Stylize,
            Self::Train(_) => JobKind::Train,
            Self::Paint(_) => JobKind::Paint,
        }
    }

    /// Returns how many steps the work has; a photo in a learned style is not painted in steps.
    #[must_use]
    pub const fn steps(&self) -> Option<u32> {
        match self {
            Self::Stylize(_) => None,
            Self::Train(parameters) => Some(parameters.steps),
            Self::Paint(parameters) => Some(parameters.steps),
        }
    }
}

/// How a photo is painted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StylizeParameters {
    /// The style's name.
    pub style: StyleName,
    /// Linear mix of photo (0) and painting (1) in 8-bit sRGB.
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub strength: f32,
    /// Longest side of the result in pixels; the photo's own size where absent.
    pub size: Option<u32>,
    /// Whether the painting keeps the photo's chroma (BT.601).
    pub preserve_color: bool,
    /// The result's format.
    pub format: OutputFormat,
}

/// What a submit says about the job rather than about its work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Which jobs go first; the kind's own where absent.
    pub priority: Option<Priority>,
    /// Where to mail the result.
    pub email: Option<String>,
    /// A person's own words.
    pub note: Option<String>,
}

/// How much of a job is done that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// Units done so far, at most `total`.
    pub done: u64,
    /// All of them.
    pub total: u64,
    /// What is counted.
    pub unit: ProgressUnit,
    /// Units a second, once known.
    #[serde(skip)]
    pub rate: Option<f64>,
}

impl Progress {
    /// Counts steps.
    #[must_use]
    pub const fn of_steps(done: u64, total: u32) -> Self {
        Self { done, total: total as u64, unit: ProgressUnit::Step, rate: None }
    }

    /// Returns the steps that are done, where it counts steps.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        match self.unit {
            ProgressUnit::Step => self.done,
            ProgressUnit::Percent => 0,
        }
    }
}

words! {
    /// What a job's progress counts.
    ProgressUnit {
        /// Hundredths of the whole.
        Percent = "percent",
        /// Optimiser steps.
        Step = "step",
    }
}

/// A finished job's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobResult {
    /// Where to fetch it, relative to the server.
    pub url: String,
    /// Its media type.
    pub media_type: String,
    /// Width in pixels; absent for a style package.
    pub width: Option<u32>,
    /// Height in pixels; absent for a style package.
    pub height: Option<u32>,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, in lower-case hexadecimal.
    pub sha256: String,
}

/// Why a job failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// A stable code for programs.
    pub code: ErrorCode,
    /// A sentence for people.
    pub detail: String,
}

/// One page of jobs, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobPage {
    /// The jobs.
    #[schema(value_type = Vec<JobJson>)]
    pub jobs: Vec<Job>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}
