//! Finding jobs, and what has come of them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use protocol::{
    ErrorCode, Job, JobId, JobKind, JobPage, JobRef, JobResult, JobState, OutputFormat, Parameters, StateName,
    StyleName,
};

use super::submit::invalid;
use super::{Intake, blocking};
use crate::record::Record;
use crate::refusal::Refusal;

/// Jobs on a page where the caller names no number.
const PAGE: u32 = 100;

/// Most jobs on a page.
const LARGEST_PAGE: u32 = 1000;

/// Which jobs to list.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Only in this state.
    pub state: Option<StateName>,
    /// Only of this kind.
    pub kind: Option<JobKind>,
    /// Only with this style.
    pub style: Option<StyleName>,
    /// At most so many, 1 to 1000; 100 where absent.
    pub limit: Option<u32>,
    /// The cursor of the page before.
    pub after: Option<String>,
}

/// A file to send.
#[derive(Debug)]
pub struct ResultFile {
    /// The job it belongs to.
    pub job: JobId,
    /// Where it is.
    pub path: PathBuf,
    /// Its media type.
    pub media_type: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// What to call it: a style's package bears the style's name, since in a models folder the name is the style's.
    pub name: String,
}

impl Intake {
    /// Finds a job.
    ///
    /// # Errors
    /// `job_not_found`, `ambiguous_id`.
    pub async fn job(&self, job: JobRef) -> Result<Job, Refusal> {
        Ok(self.decorated(self.record(job).await?.job))
    }

    /// Lists jobs, newest first.
    ///
    /// # Errors
    /// `invalid_field` for a bad cursor or limit.
    pub async fn jobs(&self, filter: JobFilter) -> Result<JobPage, Refusal> {
        let limit = filter.limit.unwrap_or(PAGE);
        if !(1..=LARGEST_PAGE).contains(&limit) {
            return Err(invalid(format!("limit must be between 1 and {LARGEST_PAGE}, not {limit}")));
        }
        let before: Option<JobId> = match &filter.after {
            Some(cursor) => Some(cursor.parse().map_err(|_| invalid("after must be the \"next\" of an earlier page"))?),
            None => None,
        };
        let limit = limit as usize;
        let store = self.0.store.clone();
        let (jobs, next) = blocking(move || {
            let mut ids = store.summaries(|jobs| match before {
                Some(before) => filter.choose(jobs.older_than(before), limit + 1),
                None => filter.choose(jobs.newest_first(), limit + 1),
            });
            let more = ids.len() > limit;
            ids.truncate(limit);
            let next = ids.last().filter(|_| more).map(ToString::to_string);
            let mut jobs = Vec::with_capacity(ids.len());
            for id in ids {
                jobs.extend(store.record(id)?.map(|record| record.job));
            }
            Ok((jobs, next))
        })
        .await?;
        Ok(JobPage { jobs: self.decorated_all(jobs), next })
    }

    /// Waits until the job is finished, at most `wait` and no longer than the daemon serves, and returns it as it is
    /// then.
    ///
    /// # Errors
    /// `job_not_found`.
    pub async fn wait(&self, job: JobId, wait: Duration) -> Result<Job, Refusal> {
        let mut latest = self.0.store.feed().follow();
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            latest.mark_unchanged();
            let state = self.0.store.summaries(|jobs| jobs.get(job).map(|job| job.state));
            let waiting = matches!(state, Some(StateName::Queued | StateName::Running | StateName::Paused));
            if !waiting || self.is_draining() {
                break;
            }
            match tokio::time::timeout_at(deadline, latest.changed()).await {
                Ok(Ok(())) => {}
                _ => break,
            }
        }
        self.job(JobRef::Id(job)).await
    }

    /// Finds a finished job's result.
    ///
    /// # Errors
    /// `result_not_ready` while unfinished, `wrong_state` when there will be none, `result_gone` after its retention.
    pub async fn result(&self, job: JobRef) -> Result<ResultFile, Refusal> {
        let record = self.record(job).await?;
        let id = record.job.id;
        let kept = match (record.job.state, record.kept_result) {
            (JobState::Succeeded { result, .. }, _) | (JobState::Failed { .. }, Some(result)) => result,
            (JobState::Failed { error, .. }, None) => {
                let detail = format!("job {id} failed and has no result: {}", error.detail);
                return Err(Refusal::new(ErrorCode::WrongState, detail));
            }
            (JobState::Cancelled { .. }, _) => {
                let detail = format!("job {id} was cancelled and has no result; retry it");
                return Err(Refusal::new(ErrorCode::WrongState, detail));
            }
            (state, _) => {
                let detail = format!("job {id} is {}; watch /v1/jobs/{id}/events, or ask again later", state.name());
                return Err(Refusal::new(ErrorCode::ResultNotReady, detail));
            }
        };
        if record.expired {
            let detail =
                format!("the result of job {id} is no longer kept (data.keep_results, data.max_bytes); submit it anew");
            return Err(Refusal::new(ErrorCode::ResultGone, detail));
        }
        let name = file_name(id, &record.job.parameters, &kept);
        let JobResult { media_type, bytes, sha256, .. } = kept;
        Ok(ResultFile { job: id, path: self.0.spool.result(id), media_type, bytes, sha256, name })
    }

    /// Resolves a job's name.
    pub(super) fn id(&self, job: JobRef) -> Result<JobId, Refusal> {
        self.0.store.summaries(|jobs| match job {
            JobRef::Id(id) => jobs.get(id).map(|_| id).ok_or_else(|| not_found(&job)),
            JobRef::Short(short) => {
                let mut fitting = jobs.newest_first().map(|(id, _)| id).filter(|id| id.short() == short);
                match (fitting.next(), fitting.next()) {
                    (Some(id), None) => Ok(id),
                    (None, _) => Err(not_found(&job)),
                    (Some(first), Some(second)) => Err(Refusal::new(
                        ErrorCode::AmbiguousId,
                        format!("{short} fits {first} and {second}; use the whole id"),
                    )),
                }
            }
        })
    }

    pub(super) async fn record(&self, job: JobRef) -> Result<Record, Refusal> {
        let id = self.id(job)?;
        let store = self.0.store.clone();
        blocking(move || store.record(id)?.ok_or_else(|| not_found(&job))).await
    }

    /// Adds what only the living daemon knows: progress and place in the queue.
    pub(super) fn decorated(&self, job: Job) -> Job {
        self.decorated_by(job, |id| self.0.dispatch.place(id))
    }

    pub(super) fn decorated_all(&self, jobs: Vec<Job>) -> Vec<Job> {
        let queue: HashMap<_, _> = (0..).zip(self.0.dispatch.queue()).map(|(place, id)| (id, place)).collect();
        jobs.into_iter().map(|job| self.decorated_by(job, |id| queue.get(&id).copied())).collect()
    }

    fn decorated_by(&self, mut job: Job, place: impl FnOnce(JobId) -> Option<u64>) -> Job {
        match &mut job.state {
            JobState::Running { progress, .. } => {
                if let Some(now) = self.0.live.progress(job.id) {
                    *progress = now;
                }
            }
            JobState::Queued { .. } => job.queue_position = place(job.id),
            _ => {}
        }
        job
    }
}

impl JobFilter {
    fn choose<'a>(&self, jobs: impl Iterator<Item = (JobId, &'a crate::store::Summary)>, limit: usize) -> Vec<JobId> {
        jobs.filter(|(_, job)| {
            self.state.is_none_or(|state| job.state == state)
                && self.kind.is_none_or(|kind| job.kind == kind)
                && self.style.as_ref().is_none_or(|style| job.style.as_ref() == Some(style))
        })
        .map(|(id, _)| id)
        .take(limit)
        .collect()
    }
}

/// Names a job's result.
fn file_name(id: JobId, parameters: &Parameters, result: &JobResult) -> String {
    if let Parameters::Train(parameters) = parameters {
        return format!("{}.safetensors", parameters.name);
    }
    let format = OutputFormat::ALL.iter().find(|format| format.media_type() == result.media_type);
    format!("atelier-{}.{}", id.short(), format.map_or("bin", |format| format.extension()))
}

pub(super) fn not_found(job: &JobRef) -> Refusal {
    Refusal::new(ErrorCode::JobNotFound, format!("there is no job {job}; it may have been forgotten"))
}
