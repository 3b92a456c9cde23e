//! Looking at a training or painting: its losses, its newest preview, its checkpoints.

use std::path::Path;
use std::{io, iter};

use bytes::Bytes;
use protocol::{CheckpointList, ErrorCode, JobId, JobKind, JobRef, LossCurve, LossPoint};

use super::submit::invalid;
use super::{Intake, blocking};
use crate::curve::{self, Curve};
use crate::record::Record;
use crate::refusal::Refusal;
use crate::spool::storage_refusal;

/// A job's losses, to be read a part at a time: a long training has tens of megabytes of them.
pub struct Losses {
    job: JobId,
    curve: Option<Curve>,
    /// What is left to read.
    places: Box<dyn Iterator<Item = usize> + Send>,
}

impl Losses {
    /// How many points a part has at most.
    const PART: usize = 256;

    fn open(job: JobId, path: &Path, max: Option<u32>) -> io::Result<Self> {
        let Some(curve) = Curve::open(path)? else { return Ok(Self { job, curve: None, places: Box::new(0..0) }) };
        let max = max.map(|max| max as usize).filter(|max| *max < curve.len());
        let places: Box<dyn Iterator<Item = usize> + Send> = match max {
            Some(max) => Box::new(curve::thin(&curve.totals()?, max).into_iter()),
            None => Box::new(0..curve.len()),
        };
        Ok(Self { job, curve: Some(curve), places })
    }

    /// Returns the curve as it is but for its points.
    #[must_use]
    pub fn outline(&self) -> LossCurve {
        LossCurve::outline(self.job, self.curve.iter().flat_map(Curve::layers))
    }

    /// Reads the next part; it is empty at the end.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn next_blocking(&mut self) -> io::Result<Vec<LossPoint>> {
        let Some(curve) = &self.curve else { return Ok(Vec::new()) };
        let places: Vec<_> = self.places.by_ref().take(Self::PART).collect();
        let points = curve.points(&places)?;
        if points.len() < places.len() {
            // It was cut meanwhile. What grows again belongs to the next who asks: here it would leave a gap.
            self.places = Box::new(iter::empty());
        }
        Ok(points)
    }

    /// Reads all that is left.
    ///
    /// # Errors
    /// `storage_failed`.
    pub async fn whole(mut self) -> Result<LossCurve, Refusal> {
        blocking(move || {
            let mut whole = self.outline();
            loop {
                let part = self.next_blocking().map_err(|error| storage_refusal(&error))?;
                if part.is_empty() {
                    return Ok(whole);
                }
                whole.points.extend(part);
            }
        })
        .await
    }
}

impl Intake {
    /// Returns a job's loss at every step, or at most `max` points: the smallest and largest of each part.
    ///
    /// # Errors
    /// `job_not_found`, `ambiguous_id`; `wrong_kind` for a photo in a learned style; `invalid_field` for no points.
    pub async fn losses(&self, job: JobRef, max: Option<u32>) -> Result<Losses, Refusal> {
        if max == Some(0) {
            return Err(invalid("max must be at least 1"));
        }
        let id = self.learning(job, "losses").await?.job.id;
        let path = self.0.spool.curve(id);
        blocking(move || Losses::open(id, &path, max).map_err(|error| storage_refusal(&error))).await
    }

    /// Returns a job's losses for a drawing.
    ///
    /// # Errors
    /// As for [`Intake::losses`].
    pub async fn drawn_losses(&self, job: JobRef) -> Result<(JobId, Vec<LossPoint>), Refusal> {
        let id = self.learning(job, "losses").await?.job.id;
        let path = self.0.spool.curve(id);
        blocking(move || Ok((id, curve::drawn(&path).map_err(|error| storage_refusal(&error))?))).await
    }

    /// Returns the newest preview of a job, a JPEG.
    ///
    /// # Errors
    /// `job_not_found`, `ambiguous_id`; `wrong_kind` for a photo in a learned style; `preview_not_found`.
    pub async fn job_preview(&self, job: JobRef) -> Result<Bytes, Refusal> {
        let record = self.learning(job, "preview").await?;
        let path = self.0.spool.preview(record.job.id);
        blocking(move || match std::fs::read(path) {
            Ok(preview) => Ok(Bytes::from(preview)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let detail = format!("job {} has no preview yet, or no longer", record.job.id);
                Err(Refusal::new(ErrorCode::PreviewNotFound, detail))
            }
            Err(error) => Err(storage_refusal(&error)),
        })
        .await
    }

    /// Lists the checkpoints of a job.
    ///
    /// # Errors
    /// `job_not_found`, `ambiguous_id`; `wrong_kind` for a photo in a learned style.
    pub async fn checkpoints(&self, job: JobRef) -> Result<CheckpointList, Refusal> {
        let id = self.learning(job, "checkpoints").await?.job.id;
        let spool = self.0.spool.clone();
        blocking(move || {
            let newest = spool.describe_checkpoint(id).map_err(|error| storage_refusal(&error))?;
            Ok(CheckpointList { job: id, checkpoints: newest.into_iter().collect() })
        })
        .await
    }

    /// Finds a training or painting.
    async fn learning(&self, job: JobRef, what: &str) -> Result<Record, Refusal> {
        let record = self.record(job).await?;
        if record.job.kind() != JobKind::Stylize {
            return Ok(record);
        }
        let detail =
            format!("job {} paints in a learned style and has no {what}; training and painting have", record.job.id);
        Err(Refusal::new(ErrorCode::WrongKind, detail))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::curve::CurveFile;
    use crate::curve::tests::point;

    #[test]
    fn losses_that_are_cut_and_grow_again_while_they_are_sent_have_no_gap() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curve");
        let mut file = CurveFile::open(&path, &[]).unwrap();
        let steps = 3 * Losses::PART as u64;
        (1..=steps).for_each(|step| file.append(&point(step, 1.0)).unwrap());
        let mut losses = Losses::open(JobId::new(), &path, None).unwrap();
        let mut next = || losses.next_blocking().unwrap().iter().map(|point| point.step).collect::<Vec<_>>();
        assert_eq!(next(), (1..=256).collect::<Vec<_>>());
        file.append(&point(301, 1.0)).unwrap();
        assert_eq!(next(), (257..=301).collect::<Vec<_>>());
        (302..=steps).for_each(|step| file.append(&point(step, 1.0)).unwrap());
        assert!(next().is_empty());
    }
}
