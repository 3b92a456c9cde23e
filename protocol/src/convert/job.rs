//! Jobs and what they consist of.

use super::{WireError, Word, instant, parse, present, required, timestamp};
use crate::job::{Failure, Job, JobResult, JobState, Parameters, Progress, StateName, StylizeParameters};
use crate::mail::Delivery;
use crate::wire;

impl From<Job> for wire::Job {
    fn from(job: Job) -> Self {
        let kind = job.kind().number();
        let state = job.state.name().number();
        let progress = job.progress();
        let mut message = Self {
            id: job.id.to_string(),
            kind,
            state,
            priority: job.priority.number(),
            parameters: Some(job.parameters.into()),
            created_at: Some(timestamp(job.created_at)),
            attempt: job.attempt,
            queue_position: job.queue_position,
            progress: progress.map(Into::into),
            warnings: job.warnings,
            mail: job.mail.map(Into::into),
            note: job.note,
            skipped_files: job.skipped_files,
            ..Self::default()
        };
        message.put_state(job.state);
        message
    }
}

impl wire::Job {
    /// Fills in what belongs to one state.
    fn put_state(&mut self, state: JobState) {
        match state {
            JobState::Queued { .. } | JobState::Paused { .. } => {}
            JobState::Running { started_at, device, progress: _ } => {
                self.started_at = Some(timestamp(started_at));
                self.device = Some(device);
            }
            JobState::Succeeded { started_at, finished_at, device, result } => {
                self.started_at = Some(timestamp(started_at));
                self.finished_at = Some(timestamp(finished_at));
                self.device = Some(device);
                self.result = Some(result.into());
            }
            JobState::Failed { started_at, finished_at, device, error } => {
                self.started_at = started_at.map(timestamp);
                self.finished_at = Some(timestamp(finished_at));
                self.device = device;
                self.error = Some(error.into());
            }
            JobState::Cancelled { started_at, finished_at, device } => {
                self.started_at = started_at.map(timestamp);
                self.finished_at = Some(timestamp(finished_at));
                self.device = device;
            }
        }
    }

    /// Takes out what belongs to the state that the message names.
    fn take_state(&mut self) -> Result<JobState, WireError> {
        let started_at = self.started_at.take().map(|at| instant("started_at", at)).transpose()?;
        let finished_at = self.finished_at.take().map(|at| instant("finished_at", at)).transpose()?;
        let progress = self.progress.take().map(Progress::try_from).transpose()?;
        let steps_done = progress.map_or(0, |progress| progress.steps());
        Ok(match required("state", self.state)? {
            StateName::Queued => JobState::Queued { steps_done },
            StateName::Paused => JobState::Paused { steps_done },
            StateName::Running => JobState::Running {
                started_at: present("started_at", started_at)?,
                device: present("device", self.device.take())?,
                progress: present("progress", progress)?,
            },
            StateName::Succeeded => JobState::Succeeded {
                started_at: present("started_at", started_at)?,
                finished_at: present("finished_at", finished_at)?,
                device: present("device", self.device.take())?,
                result: present("result", self.result.take())?.into(),
            },
            StateName::Failed => JobState::Failed {
                started_at,
                finished_at: present("finished_at", finished_at)?,
                device: self.device.take(),
                error: present("error", self.error.take())?.try_into()?,
            },
            StateName::Cancelled => JobState::Cancelled {
                started_at,
                finished_at: present("finished_at", finished_at)?,
                device: self.device.take(),
            },
        })
    }
}

impl TryFrom<wire::Job> for Job {
    type Error = WireError;

    fn try_from(mut message: wire::Job) -> Result<Self, WireError> {
        let parameters = present("parameters", message.parameters.take())?;
        Ok(Self {
            state: message.take_state()?,
            id: parse("id", &message.id)?,
            parameters: parameters.try_into()?,
            priority: required("priority", message.priority)?,
            created_at: instant("created_at", present("created_at", message.created_at)?)?,
            attempt: message.attempt,
            mail: message.mail.map(TryInto::try_into).transpose()?,
            note: message.note,
            warnings: message.warnings,
            skipped_files: message.skipped_files,
            queue_position: message.queue_position,
        })
    }
}

impl From<Parameters> for wire::job::Parameters {
    fn from(parameters: Parameters) -> Self {
        match parameters {
            Parameters::Stylize(parameters) => Self::Stylize(parameters.into()),
            Parameters::Train(parameters) => Self::Train(parameters.into()),
            Parameters::Paint(parameters) => Self::Paint(parameters.into()),
        }
    }
}

impl TryFrom<wire::job::Parameters> for Parameters {
    type Error = WireError;

    fn try_from(message: wire::job::Parameters) -> Result<Self, WireError> {
        Ok(match message {
            wire::job::Parameters::Stylize(parameters) => Self::Stylize(parameters.try_into()?),
            wire::job::Parameters::Train(parameters) => Self::Train(parameters.try_into()?),
            wire::job::Parameters::Paint(parameters) => Self::Paint(parameters.try_into()?),
        })
    }
}

impl From<StylizeParameters> for wire::StylizeParameters {
    fn from(parameters: StylizeParameters) -> Self {
        let StylizeParameters { style, strength, size, preserve_color, format } = parameters;
        Self { style: style.to_string(), strength, size, preserve_color, format: format.number() }
    }
}

impl TryFrom<wire::StylizeParameters> for StylizeParameters {
    type Error = WireError;

    fn try_from(message: wire::StylizeParameters) -> Result<Self, WireError> {
        let wire::StylizeParameters { style, strength, size, preserve_color, format } = message;
        Ok(Self { style: parse("style", &style)?, strength, size, preserve_color, format: required("format", format)? })
    }
}

impl From<Progress> for wire::Progress {
    fn from(progress: Progress) -> Self {
        Self {
            done: progress.done,
            total: progress.total,
            unit: progress.unit.number(),
            rate: progress.rate,
            eta_seconds: progress.eta_seconds(),
        }
    }
}

impl TryFrom<wire::Progress> for Progress {
    type Error = WireError;

    fn try_from(message: wire::Progress) -> Result<Self, WireError> {
        let wire::Progress { done, total, unit, rate, eta_seconds: _ } = message;
        Ok(Self { done, total, unit: required("unit", unit)?, rate })
    }
}

impl From<JobResult> for wire::JobResult {
    fn from(result: JobResult) -> Self {
        let JobResult { url, media_type, width, height, bytes, sha256 } = result;
        Self { url, media_type, width, height, bytes, sha256 }
    }
}

impl From<wire::JobResult> for JobResult {
    fn from(message: wire::JobResult) -> Self {
        let wire::JobResult { url, media_type, width, height, bytes, sha256 } = message;
        Self { url, media_type, width, height, bytes, sha256 }
    }
}

impl From<Failure> for wire::Failure {
    fn from(failure: Failure) -> Self {
        Self { code: failure.code.to_string(), detail: failure.detail }
    }
}

impl TryFrom<wire::Failure> for Failure {
    type Error = WireError;

    fn try_from(message: wire::Failure) -> Result<Self, WireError> {
        Ok(Self { code: parse("code", &message.code)?, detail: message.detail })
    }
}

impl From<Delivery> for wire::Delivery {
    fn from(delivery: Delivery) -> Self {
        Self { to: delivery.to, state: delivery.state.number(), attempts: delivery.attempts }
    }
}

impl TryFrom<wire::Delivery> for Delivery {
    type Error = WireError;

    fn try_from(message: wire::Delivery) -> Result<Self, WireError> {
        Ok(Self { to: message.to, state: required("state", message.state)?, attempts: message.attempts })
    }
}
