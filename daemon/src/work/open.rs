//! Beginning a training or painting, or taking it up from its checkpoint.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use models::picture::{self, Picture};
use protocol::job::train::{BUILTIN_DATASET, TrainInit};
use protocol::{ErrorCode, PaintParameters, Parameters, TrainParameters};

use super::run::Run;
use super::{Outcome, Workplace, failure, is_current, unreadable};
use crate::engine::{Engine, EngineError, Opening, PixelCommission, Start, TrainLesson};
use crate::record::Record;
use crate::spool::Checkpoint;

/// What a job that begins anew although it had come further is warned of.
const BEGINS_ANEW: &str = "its checkpoint was damaged or of another version, so it has begun anew";

/// How long one turn of getting ready may take before the next photo gets a look in; a piece that has been begun is
/// finished.
const SLICE: Duration = Duration::from_millis(250);

/// A job that is being made ready for its first step.
pub(crate) struct Preparation {
    opening: Box<dyn Opening>,
    kept: Kept,
}

/// What of a checkpoint stays here while its state is on the way to the engine.
#[derive(Default)]
pub(super) struct Kept {
    /// The step that it holds; nothing without a checkpoint.
    pub(super) step: Option<u64>,
    /// The curve up to there.
    pub(super) curve: Vec<u8>,
}

impl Preparation {
    /// Begins a job, or takes it up where its checkpoint is.
    pub(crate) fn begin(workplace: &Workplace, record: &Record, engine: &mut dyn Engine) -> Result<Self, Outcome> {
        match workplace.spool.checkpoint(record.job.id) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Self::anew(workplace, record, engine),
            Err(error) => Err(unreadable("checkpoint", &error)),
            Ok(None) => Ok(Self { opening: workplace.opening(record, engine, None)?, kept: Kept::default() }),
            Ok(Some(Checkpoint { step, curve, state })) => {
                let opening = workplace.opening(record, engine, Some(state))?;
                Ok(Self { opening, kept: Kept { step: Some(step), curve } })
            }
        }
    }

    fn anew(workplace: &Workplace, record: &Record, engine: &mut dyn Engine) -> Result<Self, Outcome> {
        tracing::warn!("a checkpoint can't be used; the job begins anew");
        workplace.note(record, |record| record.job.warnings.push(BEGINS_ANEW.to_owned()));
        Ok(Self { opening: workplace.opening(record, engine, None)?, kept: Kept::default() })
    }

    /// Gets a little further, and returns the run once it can take its first step.
    pub(crate) fn advance(
        &mut self,
        workplace: &Workplace,
        record: &Record,
        engine: &mut dyn Engine,
    ) -> Result<Option<Run>, Outcome> {
        let began = Instant::now();
        loop {
            match self.opening.advance() {
                Ok(None) if began.elapsed() < SLICE => {}
                Ok(None) => return Ok(None),
                Ok(Some(course)) => {
                    return Run::open(workplace, record, course, &self.kept).map(Some);
                }
                Err(EngineError::Checkpoint(_)) if self.kept.step.is_some() => {
                    *self = Self::anew(workplace, record, engine)?;
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Workplace {
    /// Says whether a job whose preparation is interrupted goes on nevertheless, because it is to end with what there is.
    pub(crate) fn goes_on(&self, begun: &Record) -> bool {
        let record = self.store.record(begun.job.id).ok().flatten();
        record.is_some_and(|record| record.ends_early && is_current(&record, begun.job.attempt))
    }

    fn opening(
        &self,
        record: &Record,
        engine: &mut dyn Engine,
        checkpoint: Option<Vec<u8>>,
    ) -> Result<Box<dyn Opening>, Outcome> {
        match &record.job.parameters {
            Parameters::Train(parameters) => self.training(record, parameters, engine, checkpoint),
            Parameters::Paint(parameters) => self.painting(record, parameters, engine, checkpoint),
            Parameters::Stylize(_) => {
                let detail = format!("a {} job can't be done behind photos", record.job.kind());
                Err(Outcome::Failed(failure(ErrorCode::WrongKind, detail)))
            }
        }
    }

    fn training(
        &self,
        record: &Record,
        parameters: &TrainParameters,
        engine: &mut dyn Engine,
        checkpoint: Option<Vec<u8>>,
    ) -> Result<Box<dyn Opening>, Outcome> {
        let config = self.config.now();
        let dataset = match parameters.dataset.as_str() {
            BUILTIN_DATASET => None,
            name => Some(config.train.datasets.get(name).ok_or_else(|| {
                let detail = format!("the data set \"{name}\" is no longer configured; add it to [train.datasets]");
                Outcome::Failed(failure(ErrorCode::UnknownDataset, detail))
            })?),
        };
        let artwork = self.artwork(&self.spool.input(record.job.id))?;
        let start = if checkpoint.is_some() { Start::Chance } else { self.start(&parameters.init)? };
        Ok(engine.train(TrainLesson {
            parameters: parameters.clone(),
            artwork,
            dataset: dataset.cloned(),
            limits: self.limits(),
            start,
            checkpoint,
        }))
    }

    fn painting(
        &self,
        record: &Record,
        parameters: &PaintParameters,
        engine: &mut dyn Engine,
        checkpoint: Option<Vec<u8>>,
    ) -> Result<Box<dyn Opening>, Outcome> {
        let id = record.job.id;
        let photo = self.photo(id, parameters.size)?;
        let numbers = 1..=parameters.artwork_weights.len();
        let artworks = numbers.map(|number| self.artwork(&self.spool.artwork(id, number)));
        let artworks = artworks.collect::<Result<_, _>>()?;
        Ok(engine.paint_pixels(PixelCommission { parameters: parameters.clone(), photo, artworks, checkpoint }))
    }

    fn artwork(&self, path: &Path) -> Result<Picture, Outcome> {
        let bytes = fs::read(path).map_err(|error| unreadable("artwork", &error))?;
        Ok(picture::decode(&bytes, self.limits())?.1)
    }

    /// Finds what a training starts from.
    fn start(&self, init: &TrainInit) -> Result<Start, Outcome> {
        let snapshot = self.registry.snapshot();
        Ok(match init {
            TrainInit::None => Start::Chance,
            TrainInit::Auto => Start::Nearest(snapshot.iter().filter_map(|entry| entry.package.clone()).collect()),
            TrainInit::Style(name) => {
                let package = snapshot.get(name).and_then(|entry| entry.package.clone());
                Start::Style(package.ok_or_else(|| {
                    let detail = format!("the style \"{name}\" to start from is gone; start from another one or none");
                    Outcome::Failed(failure(ErrorCode::StyleGone, detail))
                })?)
            }
        })
    }
}
