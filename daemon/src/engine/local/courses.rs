//! Training and painting on one of this machine's devices.

use std::sync::Arc;

use models::compute::Compute;
use models::package::{Manifest, Package};
use models::painter::Painter;
use models::picture::{self, Limits, OutputFormat, Picture};
use models::stylize::{Outcome, Stylizer};
use models::training::{Photos, TrainError, Trainer};
use protocol::{LossPoint, TrainParameters};

use crate::engine::{Course, EngineError, Product, Step};

/// Longest side of a training's previews in pixels.
const PREVIEW_SIDE: u32 = 320;

/// Memory that a preview may take; its network is small.
const PREVIEW_MEMORY: u64 = 256 << 20;

/// A style that is being learned.
pub(super) struct Training {
    compute: Arc<Compute>,
    trainer: Trainer,
    sample: Picture,
    parameters: TrainParameters,
}

/// A photo whose pixels are being optimised.
pub(super) struct Painting {
    compute: Arc<Compute>,
    painter: Painter,
}

impl Training {
    pub(super) fn new(
        compute: &Arc<Compute>,
        trainer: Trainer,
        parameters: TrainParameters,
    ) -> Result<Self, EngineError> {
        Ok(Self { compute: Arc::clone(compute), trainer, sample: sample()?, parameters })
    }

    fn package(&self, about: Manifest, preview: Option<Vec<u8>>) -> Result<Package, EngineError> {
        self.trainer.package(about, preview).map_err(|error| EngineError::Device(error.to_string()))
    }

    fn about(&self, last: Option<&LossPoint>) -> Manifest {
        let losses = last.map(|LossPoint { total, content, style, tv, .. }| {
            format!("total {total:.4}, content {content:.4}, style {style:.4}, tv {tv:.4}")
        });
        Manifest {
            title: title(self.parameters.name.as_str()),
            command: Some(command(&self.parameters)),
            losses,
            ..Manifest::default()
        }
    }
}

impl Painting {
    pub(super) fn new(compute: &Arc<Compute>, painter: Painter) -> Self {
        Self { compute: Arc::clone(compute), painter }
    }
}

impl Course for Training {
    fn step(&mut self) -> Result<Option<Step>, EngineError> {
        Ok(self.trainer.step(&self.compute)?.map(Step::from))
    }

    fn checkpoint(&self) -> Vec<u8> {
        self.trainer.checkpoint()
    }

    fn preview(&mut self) -> Result<Picture, EngineError> {
        let package = self.package(self.about(None), None)?;
        let stylizer = Stylizer::load(&package, &self.compute).map_err(|error| super::engine_error(&error))?;
        let mut watch = |_| std::ops::ControlFlow::Continue(());
        let painted = stylizer.paint(&self.sample, &self.compute, PREVIEW_MEMORY, &mut watch);
        match painted.map_err(|error| super::engine_error(&error))? {
            Outcome::Painted(painting) => Ok(painting),
            Outcome::Interrupted => Err(EngineError::Device("the preview was interrupted".to_owned())),
        }
    }

    fn finish(&mut self, last: Option<&LossPoint>) -> Result<Product, EngineError> {
        let preview = self.preview()?;
        let jpeg = picture::encode(&preview, OutputFormat::Jpeg);
        let jpeg = jpeg.map_err(|error| EngineError::Device(error.to_string()))?;
        Ok(Product::Style(Box::new(self.package(self.about(last), Some(jpeg))?)))
    }

    fn skipped(&self) -> Vec<String> {
        self.trainer.skipped().into_iter().map(|file| format!("{}: {}", file.path, file.reason)).collect()
    }
}

impl Course for Painting {
    fn step(&mut self) -> Result<Option<Step>, EngineError> {
        Ok(self.painter.step(&self.compute)?.map(Step::from))
    }

    fn checkpoint(&self) -> Vec<u8> {
        self.painter.checkpoint()
    }

    fn preview(&mut self) -> Result<Picture, EngineError> {
        Ok(self.painter.picture())
    }

    fn finish(&mut self, _: Option<&LossPoint>) -> Result<Product, EngineError> {
        Ok(Product::Painting(self.painter.picture()))
    }

    fn skipped(&self) -> Vec<String> {
        Vec::new()
    }
}

impl From<models::training::Step> for Step {
    fn from(step: models::training::Step) -> Self {
        Self { number: step.number.into(), terms: step.terms }
    }
}

impl From<TrainError> for EngineError {
    fn from(error: TrainError) -> Self {
        let said = error.to_string();
        match error {
            TrainError::Artwork(_) => Self::Artwork(said),
            TrainError::Photos(_) => Self::Dataset(said),
            TrainError::Recipe(_) | TrainError::Start | TrainError::Network(_) => Self::Parameters(said),
            TrainError::Checkpoint => Self::Checkpoint(said),
            TrainError::Diverged => Self::NotFinite(said),
            TrainError::Device(_) => Self::Device(said),
        }
    }
}

fn sample() -> Result<Picture, EngineError> {
    let limits = Limits { pixels: 1 << 24 };
    let sample = Photos::sample().resized_to_longest(PREVIEW_SIDE, limits);
    sample.map_err(|error| EngineError::Device(error.to_string()))
}

/// Makes a title for people of a style's name.
fn title(name: &str) -> String {
    let mut title = name.replace(['-', '_'], " ");
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    title
}

/// Returns the command that trains a style again.
fn command(parameters: &TrainParameters) -> String {
    let TrainParameters { name, dataset, recipe, steps, batch, size, art_size, seed, learning_rate, .. } = parameters;
    let TrainParameters { content_weight, style_weight, tv_weight, norm, upsample, width, residuals, init, .. } =
        parameters;
    let stop = if parameters.early_stop { " --early-stop" } else { "" };
    format!(
        "atelier train ARTWORK --name {name} --dataset {dataset} --recipe {recipe} --steps {steps} --batch {batch} \
         --size {size} --art-size {art_size} --seed {seed} --learning-rate {learning_rate} --content-weight \
         {content_weight} --style-weight {style_weight} --tv-weight {tv_weight} --norm {norm} --upsample {upsample} \
         --width {width} --residuals {residuals} --init {init}{stop}"
    )
}
