//! The jobs themselves, from the spool's input to the spool's result.

mod making;
mod open;
mod progress;
mod run;
mod stylize;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use models::picture::{Limits, PictureError};
use protocol::{ErrorCode, Failure, JobResult, JobState};
use registry::Registry;
use tokio::sync::Notify;

use crate::config::Current;
use crate::engine::EngineError;
use crate::live::Live;
use crate::record::Record;
use crate::refusal::Refusal;
use crate::spool::{Spool, storage_refusal};
use crate::store::Store;

pub(crate) use open::Preparation;
pub(crate) use progress::first_progress;
pub(crate) use run::{Run, Turn};

/// Everything that a device's thread needs to do jobs.
#[derive(Clone)]
pub(crate) struct Workplace {
    pub(crate) store: Store,
    pub(crate) spool: Arc<Spool>,
    pub(crate) registry: Registry,
    pub(crate) live: Live,
    pub(crate) config: Current,
    /// Woken when a mail becomes due.
    pub(crate) outbox: Arc<Notify>,
}

impl Workplace {
    fn limits(&self) -> Limits {
        Limits { pixels: self.config.now().limits.pixels }
    }

    /// Says whether a job is still on the attempt that was begun.
    fn is_wanted(&self, begun: &Record) -> bool {
        let record = self.store.record(begun.job.id).ok().flatten();
        record.is_some_and(|record| is_current(&record, begun.job.attempt))
    }

    /// Changes a job that is still on this attempt.
    fn note(&self, begun: &Record, change: impl FnOnce(&mut Record) + Send + 'static) {
        let (id, attempt) = (begun.job.id, begun.job.attempt);
        let noted = self.store.write(move |ledger| {
            if let Some(mut record) = ledger.record(id).filter(|record| is_current(record, attempt)) {
                change(&mut record);
                ledger.save_anyway(&record);
            }
        });
        if let Err(error) = noted.durable_blocking() {
            tracing::error!(job = %id, %error, "a change of the job could not be recorded");
        }
    }
}

/// How one attempt at a job ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// With a result, which is in the spool.
    Succeeded(JobResult),
    /// Without one.
    Failed(Failure),
    /// With a style that is in the spool and could not be put where it belongs.
    Unpublished {
        /// Why.
        failure: Failure,
        /// The style.
        result: Box<JobResult>,
    },
    /// Stopped from outside; whoever stopped it has said what becomes of the job.
    Interrupted,
    /// Stopped by a full disk; the sentence says what it was needed for.
    NoRoom(String),
}

impl From<EngineError> for Outcome {
    fn from(error: EngineError) -> Self {
        let code = match &error {
            EngineError::NotFinite(_) => ErrorCode::NotFinite,
            EngineError::Device(_) => ErrorCode::DeviceFailed,
            EngineError::Artwork(_) => ErrorCode::ArtworkUnusable,
            EngineError::Dataset(_) => ErrorCode::DatasetUnusable,
            EngineError::Parameters(_) => ErrorCode::InvalidField,
            EngineError::Checkpoint(_) => ErrorCode::StorageFailed,
        };
        Self::Failed(failure(code, error.to_string()))
    }
}

impl From<PictureError> for Outcome {
    fn from(error: PictureError) -> Self {
        refused(crate::intake::picture_refusal(&error))
    }
}

/// Ends an attempt as a request with the same trouble would be refused.
fn refused(Refusal { code, detail, .. }: Refusal) -> Outcome {
    Outcome::Failed(failure(code, detail))
}

/// Ends an attempt whose file could not be written: a full disk only holds it up.
fn unwritten(what: &str, error: &io::Error) -> Outcome {
    let refusal = storage_refusal(error);
    if refusal.code == ErrorCode::StorageFull { no_room(what) } else { refused(refusal) }
}

fn no_room(what: &str) -> Outcome {
    Outcome::NoRoom(format!(
        "paused because the disk of the data folder has no room for its {what}; it goes on by itself once there is room"
    ))
}

fn unreadable(what: &str, error: &io::Error) -> Outcome {
    let detail = format!("the {what} can't be read back from the data folder: {error}");
    Outcome::Failed(failure(ErrorCode::StorageFailed, detail))
}

/// Says whether a job is still on the attempt that was begun: nobody has cancelled, paused or restarted it since.
pub(crate) fn is_current(record: &Record, attempt: u32) -> bool {
    record.job.attempt == attempt && matches!(record.job.state, JobState::Running { .. })
}

/// Says whether somebody has asked to stop.
pub(crate) fn is_set(flag: &AtomicBool) -> bool {
    flag.load(Ordering::Acquire)
}

pub(crate) fn failure(code: ErrorCode, detail: impl Into<String>) -> Failure {
    Failure { code, detail: detail.into() }
}
