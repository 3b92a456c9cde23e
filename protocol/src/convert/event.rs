//! Events.

use super::page::{all, try_all};
use super::{WireError, instant, parse, present, timestamp};
use crate::event::{Event, EventBody, Snapshot};
use crate::job::Progress;
use crate::wire;
use crate::wire::event::Body;

impl From<Event> for wire::Event {
    fn from(event: Event) -> Self {
        Self { sequence: event.sequence, at: Some(timestamp(event.at)), body: Some(event.body.into()) }
    }
}

impl TryFrom<wire::Event> for Event {
    type Error = WireError;

    fn try_from(message: wire::Event) -> Result<Self, WireError> {
        Ok(Self {
            sequence: message.sequence,
            at: instant("at", present("at", message.at)?)?,
            body: present("body", message.body)?.try_into()?,
        })
    }
}

impl From<EventBody> for Body {
    fn from(body: EventBody) -> Self {
        match body {
            EventBody::Snapshot(snapshot) => Self::Snapshot(snapshot.into()),
            EventBody::State(job) => Self::State((*job).into()),
            EventBody::Progress { job, progress, rate, eta_seconds } => Self::Progress(wire::ProgressEvent {
                job: job.to_string(),
                progress: Some(wire::Progress { rate, eta_seconds, ..progress.into() }),
            }),
            EventBody::Loss { job, point } => {
                Self::Loss(wire::LossEvent { job: job.to_string(), point: Some(point.into()) })
            }
            EventBody::Preview { job, step } => Self::Preview(wire::PreviewEvent { job: job.to_string(), step }),
            EventBody::Style { name, style } => {
                Self::Style(wire::StyleEvent { name: name.to_string(), style: style.map(Into::into) })
            }
            EventBody::Device(device) => Self::Device(device.into()),
            EventBody::Mail(mail) => Self::Mail(mail.into()),
            EventBody::Forgotten { job } => Self::Forgotten(wire::ForgottenEvent { job: job.to_string() }),
            EventBody::End { job } => Self::End(wire::EndEvent { job: job.to_string() }),
        }
    }
}

impl TryFrom<Body> for EventBody {
    type Error = WireError;

    fn try_from(body: Body) -> Result<Self, WireError> {
        Ok(match body {
            Body::Snapshot(snapshot) => Self::Snapshot(snapshot.try_into()?),
            Body::State(job) => Self::State(Box::new(job.try_into()?)),
            Body::Progress(wire::ProgressEvent { job, progress }) => {
                let message = present("progress", progress)?;
                let (rate, eta_seconds) = (message.rate, message.eta_seconds);
                let progress = Progress::try_from(message)?;
                Self::Progress { job: parse("job", &job)?, progress, rate, eta_seconds }
            }
            Body::Loss(wire::LossEvent { job, point }) => {
                Self::Loss { job: parse("job", &job)?, point: present("point", point)?.into() }
            }
            Body::Preview(wire::PreviewEvent { job, step }) => Self::Preview { job: parse("job", &job)?, step },
            Body::Style(wire::StyleEvent { name, style }) => {
                Self::Style { name: parse("name", &name)?, style: style.map(TryInto::try_into).transpose()? }
            }
            Body::Device(device) => Self::Device(device.try_into()?),
            Body::Mail(mail) => Self::Mail(mail.try_into()?),
            Body::Forgotten(wire::ForgottenEvent { job }) => Self::Forgotten { job: parse("job", &job)? },
            Body::End(wire::EndEvent { job }) => Self::End { job: parse("job", &job)? },
        })
    }
}

impl From<Snapshot> for wire::Snapshot {
    fn from(snapshot: Snapshot) -> Self {
        Self { jobs: all(snapshot.jobs), styles: all(snapshot.styles), devices: all(snapshot.devices) }
    }
}

impl TryFrom<wire::Snapshot> for Snapshot {
    type Error = WireError;

    fn try_from(message: wire::Snapshot) -> Result<Self, WireError> {
        Ok(Self { jobs: try_all(message.jobs)?, styles: try_all(message.styles)?, devices: try_all(message.devices)? })
    }
}
