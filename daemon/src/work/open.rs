//! Beginning a training or painting, or taking it up from its checkpoint.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use models::picture::{self, Picture};
use protocol::job::train::{BUILTIN_DATASET, TrainInit};
use protocol::{ErrorCode, PaintParameters, Parameters, TrainParameters};

use super::{Outcome, Workplace, failure, unreadable};
use crate::engine::{Course, Engine, EngineError, PixelCommission, Start, TrainLesson};
use crate::record::Record;
use crate::spool::Checkpoint;

/// What a job that begins anew although it had come further is warned of.
const BEGINS_ANEW: &str = "its checkpoint was damaged or of another version, so it has begun anew";

/// A course, and the checkpoint that it goes on from.
pub(super) struct Opened {
    pub(super) course: Box<dyn Course>,
    pub(super) checkpoint: Option<Checkpoint>,
}

impl Workplace {
    /// Makes the course of a job.
    pub(super) fn open_course(&self, record: &Record, engine: &mut dyn Engine) -> Result<Opened, Outcome> {
        let checkpoint = match self.spool.checkpoint(record.job.id) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return self.begin_anew(record, engine),
            read => read.map_err(|error| unreadable("checkpoint", &error))?,
        };
        match self.course(record, engine, checkpoint.as_ref()) {
            Ok(Err(EngineError::Checkpoint(_))) if checkpoint.is_some() => self.begin_anew(record, engine),
            made => Ok(Opened { course: made??, checkpoint }),
        }
    }

    fn begin_anew(&self, record: &Record, engine: &mut dyn Engine) -> Result<Opened, Outcome> {
        tracing::warn!("a checkpoint can't be used; the job begins anew");
        self.note(record, |record| record.job.warnings.push(BEGINS_ANEW.to_owned()));
        Ok(Opened { course: self.course(record, engine, None)??, checkpoint: None })
    }

    fn course(
        &self,
        record: &Record,
        engine: &mut dyn Engine,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<Result<Box<dyn Course>, EngineError>, Outcome> {
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
        checkpoint: Option<&Checkpoint>,
    ) -> Result<Result<Box<dyn Course>, EngineError>, Outcome> {
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
            parameters,
            artwork,
            dataset: dataset.map(PathBuf::as_path),
            limits: self.limits(),
            start,
            checkpoint: checkpoint.map(|checkpoint| checkpoint.state.as_slice()),
        }))
    }

    fn painting(
        &self,
        record: &Record,
        parameters: &PaintParameters,
        engine: &mut dyn Engine,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<Result<Box<dyn Course>, EngineError>, Outcome> {
        let id = record.job.id;
        let photo = self.photo(id, parameters.size)?;
        let numbers = 1..=parameters.artwork_weights.len();
        let artworks = numbers.map(|number| self.artwork(&self.spool.artwork(id, number)));
        let artworks = artworks.collect::<Result<_, _>>()?;
        let checkpoint = checkpoint.map(|checkpoint| checkpoint.state.as_slice());
        Ok(engine.paint_pixels(PixelCommission { parameters, photo, artworks, checkpoint }))
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
