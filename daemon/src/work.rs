//! One job on one device, from the spool's input to the spool's result.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use models::picture::{self, Limits, Picture, PictureError};
use protocol::{
    ErrorCode, EventBody, Failure, JobId, JobResult, JobState, OutputFormat, Parameters, Progress, StylizeParameters,
    job::ProgressUnit,
};
use registry::Registry;
use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use crate::engine::{Engine, EngineError, Painted};
use crate::live::Live;
use crate::record::Record;
use crate::spool::{Spool, hex, storage_refusal};
use crate::store::Store;

/// How often a running job tells its progress at most.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// Everything that a device's thread needs to do jobs.
#[derive(Clone)]
pub(crate) struct Workplace {
    pub(crate) store: Store,
    pub(crate) spool: Arc<Spool>,
    pub(crate) registry: Registry,
    pub(crate) live: Live,
    pub(crate) limits: Limits,
    /// Woken when a mail becomes due.
    pub(crate) outbox: Arc<Notify>,
}

/// How one attempt at a job ended.
pub(crate) enum Outcome {
    /// With a result, which is in the spool.
    Succeeded(JobResult),
    /// Without one.
    Failed(Failure),
    /// Stopped from outside; whoever stopped it has said what becomes of the job.
    Interrupted,
}

impl Workplace {
    /// Works on one job until it ends or `interrupted` is set.
    pub(crate) fn attempt(&self, record: &Record, engine: &mut dyn Engine, interrupted: &AtomicBool) -> Outcome {
        match self.stylize(record, engine, interrupted) {
            Ok(Some(result)) => Outcome::Succeeded(result),
            Ok(None) => Outcome::Interrupted,
            Err(failure) => Outcome::Failed(failure),
        }
    }

    fn stylize(
        &self,
        record: &Record,
        engine: &mut dyn Engine,
        interrupted: &AtomicBool,
    ) -> Result<Option<JobResult>, Failure> {
        let id = record.job.id;
        let Parameters::Stylize(parameters) = &record.job.parameters else {
            let kind = record.job.kind();
            return Err(failure(ErrorCode::WrongKind, format!("this device does no {kind} jobs")));
        };
        let snapshot = self.registry.snapshot();
        let style = snapshot.get(&parameters.style).and_then(|entry| entry.package.clone()).ok_or_else(|| {
            failure(
                ErrorCode::StyleGone,
                format!("the style \"{}\" is gone; submit with another one", parameters.style),
            )
        })?;
        drop(snapshot);
        let photo = self.photo(id, parameters)?;
        let mut progress = ProgressTeller::new(self, id);
        let mut watch = |done: f64| {
            if interrupted.load(Ordering::Acquire) {
                return ControlFlow::Break(());
            }
            progress.tell(done);
            ControlFlow::Continue(())
        };
        let painting = match engine
            .paint(&style, &photo, record.memory_bytes, &mut watch)
            .map_err(|error| engine_failure(&error))?
        {
            Painted::Finished(painting) => painting,
            Painted::Interrupted => return Ok(None),
        };
        let finished = finish(painting, &photo, parameters)?;
        let bytes =
            picture::encode(&finished, output_format(parameters.format)).map_err(|error| picture_failure(&error))?;
        self.spool.put_result(id, &bytes).map_err(|error| {
            let refusal = storage_refusal(&error);
            failure(refusal.code, refusal.detail)
        })?;
        Ok(Some(JobResult {
            url: format!("/v1/jobs/{id}/result"),
            media_type: parameters.format.media_type().to_owned(),
            width: Some(finished.width()),
            height: Some(finished.height()),
            bytes: bytes.len() as u64,
            sha256: hex(&Sha256::digest(&bytes)),
        }))
    }

    /// Reads the photo in the size of the result.
    fn photo(&self, id: JobId, parameters: &StylizeParameters) -> Result<Picture, Failure> {
        let bytes = std::fs::read(self.spool.input(id)).map_err(|error| {
            failure(ErrorCode::StorageFailed, format!("the photo can't be read back from the data folder: {error}"))
        })?;
        let (_, photo) = picture::decode(&bytes, self.limits).map_err(|error| picture_failure(&error))?;
        drop(bytes);
        match parameters.size {
            Some(side_px) => photo.resized_to_longest(side_px, self.limits).map_err(|error| picture_failure(&error)),
            None => Ok(photo),
        }
    }
}

/// Applies what the person chose beyond the style, and brings the photo's alpha back.
fn finish(painting: Picture, photo: &Picture, parameters: &StylizeParameters) -> Result<Picture, Failure> {
    let coloured = if parameters.preserve_color {
        painting.with_chroma_of(photo).map_err(|error| picture_failure(&error))?
    } else {
        painting
    };
    Picture::mix(photo, &coloured, parameters.strength).map_err(|error| picture_failure(&error))
}

fn output_format(format: OutputFormat) -> picture::OutputFormat {
    match format {
        OutputFormat::Png => picture::OutputFormat::Png,
        OutputFormat::Jpeg => picture::OutputFormat::Jpeg,
        OutputFormat::Webp => picture::OutputFormat::WebP,
    }
}

/// Tells watchers how far a job is, not more often than they can use.
struct ProgressTeller<'a> {
    workplace: &'a Workplace,
    job: JobId,
    began: Instant,
    told: Option<Instant>,
}

impl<'a> ProgressTeller<'a> {
    fn new(workplace: &'a Workplace, job: JobId) -> Self {
        Self { workplace, job, began: Instant::now(), told: None }
    }

    fn tell(&mut self, done: f64) {
        let now = Instant::now();
        if self.told.is_some_and(|told| now - told < PROGRESS_INTERVAL) {
            return;
        }
        self.told = Some(now);
        let percent = done.clamp(0.0, 1.0) * 100.0;
        let seconds = (now - self.began).as_secs_f64();
        let rate = (percent > 0.0 && seconds > 0.0).then(|| percent / seconds);
        let progress = Progress { done: percent as u64, total: 100, unit: ProgressUnit::Percent, rate };
        self.workplace.live.set_progress(self.job, progress);
        let eta_seconds = progress.eta_seconds();
        self.workplace.store.show(EventBody::Progress { job: self.job, progress, rate, eta_seconds });
    }
}

/// Says whether a job is still on the attempt that was begun: nobody has cancelled, paused or restarted it since.
pub(crate) fn is_current(record: &Record, attempt: u32) -> bool {
    record.job.attempt == attempt && matches!(record.job.state, JobState::Running { .. })
}

pub(crate) fn failure(code: ErrorCode, detail: impl Into<String>) -> Failure {
    Failure { code, detail: detail.into() }
}

fn picture_failure(error: &PictureError) -> Failure {
    let refusal = crate::intake::picture_refusal(error);
    failure(refusal.code, refusal.detail)
}

fn engine_failure(error: &EngineError) -> Failure {
    let code = match error {
        EngineError::NotFinite(_) => ErrorCode::NotFinite,
        EngineError::Device(_) => ErrorCode::DeviceFailed,
    };
    failure(code, error.to_string())
}
