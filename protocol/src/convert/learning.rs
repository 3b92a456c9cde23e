//! Training and painting: what was asked for and how it goes.

use super::page::{all, try_all};
use super::{WireError, Word, instant, parse, present, required, timestamp};
use crate::job::{PaintParameters, TrainParameters};
use crate::loss::{Checkpoint, CheckpointList, LossCurve, LossPoint};
use crate::wire;

impl From<TrainParameters> for wire::TrainParameters {
    fn from(parameters: TrainParameters) -> Self {
        Self {
            name: parameters.name.to_string(),
            dataset: parameters.dataset,
            replace: parameters.replace,
            recipe: parameters.recipe.number(),
            steps: parameters.steps,
            batch: parameters.batch,
            size: parameters.size,
            art_size: parameters.art_size,
            seed: parameters.seed,
            learning_rate: parameters.learning_rate,
            content_weight: parameters.content_weight,
            style_weight: parameters.style_weight,
            tv_weight: parameters.tv_weight,
            norm: parameters.norm.number(),
            upsample: parameters.upsample.number(),
            width: parameters.width,
            residuals: parameters.residuals,
            init: parameters.init.to_string(),
            early_stop: parameters.early_stop,
            checkpoint_every: parameters.checkpoint_every,
            preview_every: parameters.preview_every,
        }
    }
}

impl TryFrom<wire::TrainParameters> for TrainParameters {
    type Error = WireError;

    fn try_from(message: wire::TrainParameters) -> Result<Self, WireError> {
        Ok(Self {
            name: parse("name", &message.name)?,
            dataset: message.dataset,
            replace: message.replace,
            recipe: required("recipe", message.recipe)?,
            steps: message.steps,
            batch: message.batch,
            size: message.size,
            art_size: message.art_size,
            seed: message.seed,
            learning_rate: message.learning_rate,
            content_weight: message.content_weight,
            style_weight: message.style_weight,
            tv_weight: message.tv_weight,
            norm: required("norm", message.norm)?,
            upsample: required("upsample", message.upsample)?,
            width: message.width,
            residuals: message.residuals,
            init: parse("init", &message.init)?,
            early_stop: message.early_stop,
            checkpoint_every: message.checkpoint_every,
            preview_every: message.preview_every,
        })
    }
}

impl From<PaintParameters> for wire::PaintParameters {
    fn from(parameters: PaintParameters) -> Self {
        Self {
            artwork_weights: parameters.artwork_weights,
            steps: parameters.steps,
            optimizer: parameters.optimizer.number(),
            init: parameters.init.number(),
            seed: parameters.seed,
            content_weight: parameters.content_weight,
            style_weight: parameters.style_weight,
            tv_weight: parameters.tv_weight,
            size: parameters.size,
            preserve_color: parameters.preserve_color,
            format: parameters.format.number(),
            preview_every: parameters.preview_every,
        }
    }
}

impl TryFrom<wire::PaintParameters> for PaintParameters {
    type Error = WireError;

    fn try_from(message: wire::PaintParameters) -> Result<Self, WireError> {
        Ok(Self {
            artwork_weights: message.artwork_weights,
            steps: message.steps,
            optimizer: required("optimizer", message.optimizer)?,
            init: required("init", message.init)?,
            seed: message.seed,
            content_weight: message.content_weight,
            style_weight: message.style_weight,
            tv_weight: message.tv_weight,
            size: message.size,
            preserve_color: message.preserve_color,
            format: required("format", message.format)?,
            preview_every: message.preview_every,
        })
    }
}

impl From<LossPoint> for wire::LossPoint {
    fn from(point: LossPoint) -> Self {
        let LossPoint { step, seconds, total, content, style, tv, layers } = point;
        Self { step, seconds, total, content, style, tv, layers: layers.into_iter().collect() }
    }
}

impl From<wire::LossPoint> for LossPoint {
    fn from(message: wire::LossPoint) -> Self {
        let wire::LossPoint { step, seconds, total, content, style, tv, layers } = message;
        Self { step, seconds, total, content, style, tv, layers: layers.into_iter().collect() }
    }
}

impl From<LossCurve> for wire::LossCurve {
    fn from(curve: LossCurve) -> Self {
        Self { job: curve.job.to_string(), terms: curve.terms, points: all(curve.points) }
    }
}

impl TryFrom<wire::LossCurve> for LossCurve {
    type Error = WireError;

    fn try_from(message: wire::LossCurve) -> Result<Self, WireError> {
        let points = message.points.into_iter().map(Into::into).collect();
        Ok(Self { job: parse("job", &message.job)?, terms: message.terms, points })
    }
}

impl From<Checkpoint> for wire::Checkpoint {
    fn from(checkpoint: Checkpoint) -> Self {
        Self { step: checkpoint.step, at: Some(timestamp(checkpoint.at)), bytes: checkpoint.bytes }
    }
}

impl TryFrom<wire::Checkpoint> for Checkpoint {
    type Error = WireError;

    fn try_from(message: wire::Checkpoint) -> Result<Self, WireError> {
        Ok(Self { step: message.step, at: instant("at", present("at", message.at)?)?, bytes: message.bytes })
    }
}

impl From<CheckpointList> for wire::CheckpointList {
    fn from(list: CheckpointList) -> Self {
        Self { job: list.job.to_string(), checkpoints: all(list.checkpoints) }
    }
}

impl TryFrom<wire::CheckpointList> for CheckpointList {
    type Error = WireError;

    fn try_from(message: wire::CheckpointList) -> Result<Self, WireError> {
        Ok(Self { job: parse("job", &message.job)?, checkpoints: try_all(message.checkpoints)? })
    }
}
