//! Looking at a training or painting: its losses, its newest preview, its checkpoints.

use std::io;

use bytes::Bytes;
use protocol::{CheckpointList, ErrorCode, JobKind, JobRef, LossCurve};

use super::submit::invalid;
use super::{Intake, blocking};
use crate::curve;
use crate::record::Record;
use crate::refusal::Refusal;
use crate::spool::storage_refusal;

impl Intake {
    /// Returns a job's loss at every step, or at most `max` points: the smallest and largest of each part.
    ///
    /// # Errors
    /// `job_not_found`, `ambiguous_id`; `wrong_kind` for a photo in a learned style; `invalid_field` for no points.
    pub async fn losses(&self, job: JobRef, max: Option<u32>) -> Result<LossCurve, Refusal> {
        if max == Some(0) {
            return Err(invalid("max must be at least 1"));
        }
        let record = self.learning(job, "losses").await?;
        let id = record.job.id;
        let path = self.0.spool.curve(id);
        blocking(move || {
            let points = curve::read(&path).map_err(|error| storage_refusal(&error))?;
            let points = match max {
                Some(max) => curve::thin(points, max as usize),
                None => points,
            };
            Ok(LossCurve::new(id, points))
        })
        .await
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
