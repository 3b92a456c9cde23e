//! Styles and their measurements, devices and the outbox.

use super::{WireError, Word, instant, parse, present, required, timestamp};
use crate::device::Device;
use crate::mail::Mail;
use crate::measurement::{Distances, Measurement};
use crate::style::{Style, StyleProblem};
use crate::wire;

impl From<Style> for wire::Style {
    fn from(style: Style) -> Self {
        Self {
            name: style.name.to_string(),
            title: style.title,
            state: style.state.number(),
            architecture: style.architecture,
            digest: style.digest,
            author: style.author,
            licence: style.licence,
            artwork: style.artwork,
            trained_on: style.trained_on,
            parameters: style.parameters,
            has_preview: style.has_preview,
            problem: style.problem.map(|StyleProblem { code, detail }| wire::StyleProblem { code, detail }),
        }
    }
}

impl TryFrom<wire::Style> for Style {
    type Error = WireError;

    fn try_from(message: wire::Style) -> Result<Self, WireError> {
        Ok(Self {
            name: parse("name", &message.name)?,
            title: message.title,
            state: required("state", message.state)?,
            architecture: message.architecture,
            digest: message.digest,
            author: message.author,
            licence: message.licence,
            artwork: message.artwork,
            trained_on: message.trained_on,
            parameters: message.parameters,
            has_preview: message.has_preview,
            problem: message.problem.map(|wire::StyleProblem { code, detail }| StyleProblem { code, detail }),
        })
    }
}

impl From<Distances> for wire::Distances {
    fn from(Distances { style, content }: Distances) -> Self {
        Self { style, content }
    }
}

impl From<wire::Distances> for Distances {
    fn from(wire::Distances { style, content }: wire::Distances) -> Self {
        Self { style, content }
    }
}

impl From<Measurement> for wire::Measurement {
    fn from(measurement: Measurement) -> Self {
        let Measurement { style, photos, mean } = measurement;
        let photos = photos.into_iter().map(Into::into).collect();
        Self { style: style.to_string(), photos, mean: Some(mean.into()) }
    }
}

impl TryFrom<wire::Measurement> for Measurement {
    type Error = WireError;

    fn try_from(message: wire::Measurement) -> Result<Self, WireError> {
        let wire::Measurement { style, photos, mean } = message;
        let photos = photos.into_iter().map(Into::into).collect();
        Ok(Self { style: parse("style", &style)?, photos, mean: present("mean", mean)?.into() })
    }
}

impl From<Device> for wire::Device {
    fn from(device: Device) -> Self {
        Self {
            name: device.name,
            kind: device.kind.number(),
            model: device.model,
            threads: device.threads,
            memory_bytes: device.memory_bytes,
            busy: device.busy,
            job: device.job.map(|job| job.to_string()),
            utilisation: device.utilisation,
            temperature: device.temperature,
        }
    }
}

impl TryFrom<wire::Device> for Device {
    type Error = WireError;

    fn try_from(message: wire::Device) -> Result<Self, WireError> {
        Ok(Self {
            name: message.name,
            kind: required("kind", message.kind)?,
            model: message.model,
            threads: message.threads,
            memory_bytes: message.memory_bytes,
            busy: message.busy,
            job: message.job.map(|job| parse("job", &job)).transpose()?,
            utilisation: message.utilisation,
            temperature: message.temperature,
        })
    }
}

impl From<Mail> for wire::Mail {
    fn from(mail: Mail) -> Self {
        Self {
            recipient: mail.recipient,
            job: mail.job.to_string(),
            state: mail.state.number(),
            attempts: mail.attempts,
            next_try: mail.next_try.map(timestamp),
            last_answer: mail.last_answer,
        }
    }
}

impl TryFrom<wire::Mail> for Mail {
    type Error = WireError;

    fn try_from(message: wire::Mail) -> Result<Self, WireError> {
        Ok(Self {
            recipient: message.recipient,
            job: parse("job", &message.job)?,
            state: required("state", message.state)?,
            attempts: message.attempts,
            next_try: message.next_try.map(|at| instant("next_try", at)).transpose()?,
            last_answer: message.last_answer,
        })
    }
}
