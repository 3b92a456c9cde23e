//! Training and painting: what was asked for and how it goes.

use super::page::{all, try_all};
use super::{WireError, Word, instant, optional, parse, present, required, timestamp, to_wire};
use crate::job::{PaintOrder, PaintParameters, TrainOrder, TrainParameters, Wishes};
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

impl From<TrainOrder> for wire::TrainOrder {
    fn from(order: TrainOrder) -> Self {
        Self {
            name: order.name.to_string(),
            dataset: order.dataset,
            replace: order.replace,
            recipe: to_wire(order.recipe),
            steps: order.steps,
            batch: order.batch,
            size: order.size,
            art_size: order.art_size,
            seed: order.seed,
            learning_rate: order.learning_rate,
            content_weight: order.content_weight,
            style_weight: order.style_weight,
            tv_weight: order.tv_weight,
            norm: to_wire(order.norm),
            upsample: to_wire(order.upsample),
            width: order.width,
            residuals: order.residuals,
            init: order.init.map(|init| init.to_string()),
            early_stop: order.early_stop,
            checkpoint_every: order.checkpoint_every,
            preview_every: order.preview_every,
            wishes: None,
        }
    }
}

impl TryFrom<wire::TrainOrder> for TrainOrder {
    type Error = WireError;

    fn try_from(message: wire::TrainOrder) -> Result<Self, WireError> {
        if message.name.is_empty() {
            return Err(WireError::Missing("name"));
        }
        Ok(Self {
            name: parse("name", &message.name)?,
            dataset: message.dataset,
            replace: message.replace,
            recipe: optional("recipe", message.recipe)?,
            steps: message.steps,
            batch: message.batch,
            size: message.size,
            art_size: message.art_size,
            seed: message.seed,
            learning_rate: message.learning_rate,
            content_weight: message.content_weight,
            style_weight: message.style_weight,
            tv_weight: message.tv_weight,
            norm: optional("norm", message.norm)?,
            upsample: optional("upsample", message.upsample)?,
            width: message.width,
            residuals: message.residuals,
            init: message.init.map(|init| parse("init", &init)).transpose()?,
            early_stop: message.early_stop,
            checkpoint_every: message.checkpoint_every,
            preview_every: message.preview_every,
        })
    }
}

impl From<PaintOrder> for wire::PaintOrder {
    fn from(order: PaintOrder) -> Self {
        Self {
            artwork_weights: order.artwork_weights,
            steps: order.steps,
            optimizer: to_wire(order.optimizer),
            init: to_wire(order.init),
            seed: order.seed,
            content_weight: order.content_weight,
            style_weight: order.style_weight,
            tv_weight: order.tv_weight,
            size: order.size,
            preserve_color: order.preserve_color,
            format: to_wire(order.format),
            preview_every: order.preview_every,
            wishes: None,
        }
    }
}

impl TryFrom<wire::PaintOrder> for PaintOrder {
    type Error = WireError;

    fn try_from(message: wire::PaintOrder) -> Result<Self, WireError> {
        Ok(Self {
            artwork_weights: message.artwork_weights,
            steps: message.steps,
            optimizer: optional("optimizer", message.optimizer)?,
            init: optional("init", message.init)?,
            seed: message.seed,
            content_weight: message.content_weight,
            style_weight: message.style_weight,
            tv_weight: message.tv_weight,
            size: message.size,
            preserve_color: message.preserve_color,
            format: optional("format", message.format)?,
            preview_every: message.preview_every,
        })
    }
}

impl From<Wishes> for wire::Wishes {
    fn from(wishes: Wishes) -> Self {
        let Wishes { priority, email, note } = wishes;
        Self { priority: to_wire(priority), email, note, idempotency_key: None }
    }
}

impl TryFrom<wire::Wishes> for Wishes {
    type Error = WireError;

    fn try_from(message: wire::Wishes) -> Result<Self, WireError> {
        let wire::Wishes { priority, email, note, idempotency_key: _ } = message;
        Ok(Self { priority: optional("priority", priority)?, email, note })
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
