//! A training or painting on a device: its course, its curve, its checkpoints.
//!
//! What is on the disk can be gone on from at any moment: the checkpoint holds the curve up to its step, and what the
//! curve's file has beyond that is cut off when the job is taken up again.

use std::time::Instant;

use models::losses::LossTerms;
use models::picture::{self, OutputFormat};
use protocol::{ErrorCode, EventBody, JobId, LossPoint, Parameters};

use super::open::Kept;
use super::progress::StepTeller;
use super::{Outcome, Workplace, is_current, no_room, unreadable, unwritten};
use crate::curve::{Curve, CurveFile};
use crate::engine::{Course, Step};
use crate::record::Record;
use crate::spool::Checkpoint;

/// Steps between two checkpoints of a painting, whose request says nothing about it.
const PAINT_CHECKPOINT_EVERY: u32 = 25;

/// How many files that were passed over a job lists.
const LISTED_FILES: usize = 1000;

/// A training or painting under way.
pub(crate) struct Run {
    pub(super) workplace: Workplace,
    pub(super) record: Record,
    pub(super) course: Box<dyn Course>,
    pub(super) curve: CurveFile,
    pub(super) last: Option<LossPoint>,
    plan: Plan,
    /// The step that the checkpoint on the disk holds, while it is the newest state.
    kept: Option<u64>,
    /// How many of the data set's files this run has passed over.
    skipped: usize,
    teller: StepTeller,
}

/// How far a job goes, and what it does on the way.
#[derive(Clone, Copy)]
struct Plan {
    steps: u32,
    checkpoint_every: u32,
    preview_every: u32,
}

impl Plan {
    fn of(parameters: &Parameters) -> Self {
        match parameters {
            Parameters::Train(train) => Self {
                steps: train.steps,
                checkpoint_every: train.checkpoint_every,
                preview_every: train.preview_every,
            },
            Parameters::Paint(paint) => Self {
                steps: paint.steps,
                checkpoint_every: PAINT_CHECKPOINT_EVERY,
                preview_every: paint.preview_every,
            },
            Parameters::Stylize(_) => Self { steps: 0, checkpoint_every: 1, preview_every: 1 },
        }
    }
}

/// What a turn came to.
pub(crate) enum Turn {
    /// There is more to do.
    GoesOn,
    /// The attempt has ended.
    Ended(Outcome),
}

impl Run {
    /// Takes a course over that goes on from what is kept.
    pub(super) fn open(
        workplace: &Workplace,
        record: &Record,
        course: Box<dyn Course>,
        kept: &Kept,
    ) -> Result<Self, Outcome> {
        let path = workplace.spool.curve(record.job.id);
        let curve = CurveFile::open(&path, &kept.curve).map_err(|error| unwritten("loss curve", &error))?;
        let last = Curve::open(&path).and_then(|curve| curve.map_or(Ok(None), |curve| curve.last()));
        let last = last.map_err(|error| unreadable("loss curve", &error))?;
        Ok(Self {
            workplace: workplace.clone(),
            record: record.clone(),
            course,
            curve,
            last,
            plan: Plan::of(&record.job.parameters),
            kept: kept.step,
            skipped: 0,
            teller: StepTeller::default(),
        })
    }

    /// Takes a step, or does what whoever interrupted it has decided.
    pub(crate) fn turn(&mut self, interrupted: bool) -> Turn {
        let outcome = if interrupted {
            self.stop()
        } else if self.record.ends_early {
            self.end_early()
        } else {
            match self.step() {
                Ok(true) => return Turn::GoesOn,
                Ok(false) => self.finish(),
                Err(outcome) => Err(outcome),
            }
        };
        Turn::Ended(outcome.map_or_else(|outcome| outcome, Outcome::Succeeded))
    }

    pub(super) fn id(&self) -> JobId {
        self.record.job.id
    }

    fn done(&self) -> u64 {
        self.last.as_ref().map_or(0, |point| point.step)
    }

    /// Takes a step; false when there was none left.
    fn step(&mut self) -> Result<bool, Outcome> {
        let began = Instant::now();
        let Some(Step { number, terms }) = self.course.step()? else { return Ok(false) };
        let before = self.last.as_ref().map_or(0.0, |point| point.seconds);
        let point = point(number, before + began.elapsed().as_secs_f64(), terms);
        self.curve.append(&point).map_err(|error| unwritten("loss curve", &error))?;
        if number <= self.done() {
            // It was rolled back, so the checkpoint on the disk is of another past.
            self.kept = None;
        }
        self.last = Some(point.clone());
        self.workplace.store.show(EventBody::Loss { job: self.id(), point });
        self.teller.tell(&self.workplace, self.record.job.id, number, self.plan.steps);
        if number.is_multiple_of(self.plan.checkpoint_every.into()) {
            self.keep()?;
        }
        if number.is_multiple_of(self.plan.preview_every.into()) {
            self.preview(number);
        }
        Ok(true)
    }

    /// Writes a checkpoint unless the one on the disk is as new.
    pub(super) fn keep(&mut self) -> Result<(), Outcome> {
        let step = self.done();
        if step == 0 || self.kept == Some(step) {
            return Ok(());
        }
        let curve = self.curve.bytes().map_err(|error| unreadable("loss curve", &error))?;
        let checkpoint = Checkpoint { step, curve, state: self.course.checkpoint() };
        let spool = &self.workplace.spool;
        spool.put_checkpoint(self.id(), &checkpoint).map_err(|error| unwritten("checkpoint", &error))?;
        self.kept = Some(step);
        self.note_progress();
        // The reserve is not for checkpoints, though this one has gone through.
        match self.workplace.spool.check_room() {
            Err(refusal) if refusal.code == ErrorCode::StorageFull => Err(no_room("next checkpoint")),
            _ => Ok(()),
        }
    }

    /// Writes down what a checkpoint proves: that a crash before it was not this job's doing, and which files were
    /// passed over.
    fn note_progress(&mut self) {
        let skipped = self.course.skipped();
        let is_news = skipped.len() != self.skipped;
        self.skipped = skipped.len();
        if !is_news && self.record.crashes == 0 {
            return;
        }
        self.record.crashes = 0;
        self.workplace.note(&self.record, |record| {
            record.crashes = 0;
            list(skipped, &mut record.job.skipped_files);
        });
    }

    /// Shows how far it has come. A preview that can't be made or kept is not worth a job.
    fn preview(&mut self, step: u64) {
        let kept = self.course.preview().map_err(|error| error.to_string()).and_then(|picture| {
            let jpeg = picture::encode(&picture, OutputFormat::Jpeg).map_err(|error| error.to_string())?;
            self.workplace.spool.put_preview(self.record.job.id, &jpeg).map_err(|error| error.to_string())
        });
        match kept {
            Ok(()) => self.workplace.store.show(EventBody::Preview { job: self.id(), step }),
            Err(error) => tracing::warn!(error, step, "a preview could not be made"),
        }
    }

    /// Does what whoever interrupted it has decided about the job.
    fn stop(&mut self) -> Result<protocol::JobResult, Outcome> {
        let id = self.id();
        let record = self.workplace.store.record(id).ok().flatten();
        match record {
            Some(record) if record.ends_early && is_current(&record, self.record.job.attempt) => self.end_early(),
            Some(record) if !record.job.state.is_finished() => match self.keep() {
                // Where only the next checkpoint has no room, nothing is lost.
                Err(outcome) if self.kept != Some(self.done()) => Err(outcome),
                _ => Err(Outcome::Interrupted),
            },
            // Cancelled, or even forgotten: the write that said so may have come before the last checkpoint.
            _ => {
                if let Err(error) = self.workplace.spool.discard_checkpoint(id) {
                    tracing::warn!(%error, "a checkpoint could not be thrown away");
                }
                Err(Outcome::Interrupted)
            }
        }
    }

    /// Ends with what there is; there is always a step.
    fn end_early(&mut self) -> Result<protocol::JobResult, Outcome> {
        if self.done() == 0 {
            self.step()?;
        }
        self.finish()
    }

    /// Makes the result of what there is.
    fn finish(&mut self) -> Result<protocol::JobResult, Outcome> {
        // Whatever goes wrong from here on, no step has to be done again.
        self.keep()?;
        self.workplace.spool.sync_curve(self.id()).map_err(|error| unwritten("loss curve", &error))?;
        let product = self.course.finish(self.last.as_ref())?;
        match self.workplace.make_result(&self.record, product) {
            // Somebody has decided about it meanwhile.
            Err(Outcome::Interrupted) => self.stop(),
            made => made,
        }
    }
}

fn point(step: u64, seconds: f64, terms: LossTerms) -> LossPoint {
    let LossTerms { total, content, style, total_variation, layers } = terms;
    let layers = layers.into_iter().map(|(layer, part)| (layer.to_owned(), part)).collect();
    LossPoint { step, seconds, total, content, style, tv: total_variation, layers }
}

/// Lists files beside those that were listed before, by this run or an earlier one; of many the first, and how many more
/// there are.
fn list(files: Vec<String>, listed: &mut Vec<String>) {
    if listed.len() > LISTED_FILES {
        return;
    }
    let news: Vec<_> = files.into_iter().filter(|file| !listed.contains(file)).collect();
    listed.extend(news);
    if let Some(more) = listed.len().checked_sub(LISTED_FILES).filter(|more| *more > 0) {
        listed.truncate(LISTED_FILES);
        listed.push(format!("and {more} more"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_were_passed_over_are_listed_once_and_not_forgotten() {
        let names = |range: std::ops::Range<usize>| range.map(|number| number.to_string()).collect::<Vec<_>>();
        let mut listed = Vec::new();
        list(names(0..2), &mut listed);
        list(Vec::new(), &mut listed);
        list(names(1..3), &mut listed);
        assert_eq!(listed, ["0", "1", "2"]);
        list(names(0..LISTED_FILES + 5), &mut listed);
        assert_eq!((listed.len(), listed[LISTED_FILES].as_str()), (LISTED_FILES + 1, "and 5 more"));
        list(names(5000..5001), &mut listed);
        assert_eq!(listed.len(), LISTED_FILES + 1);
    }
}
