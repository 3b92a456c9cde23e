//! Finding jobs and steering them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lettre::Address;
use protocol::{
    ErrorCode, Job, JobId, JobKind, JobPage, JobRef, JobResult, JobState, MailState, OutputFormat, Parameters,
    Priority, StateName, StyleName,
};

use super::submit::{check_note, invalid};
use super::{Intake, blocking};
use crate::access::{Caller, Role};
use crate::config::Transport;
use crate::mail;
use crate::record::Record;
use crate::refusal::Refusal;
use crate::scheduler::Input;
use crate::spool::storage_refusal;

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

/// What a person changes about a job; what is absent stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Amendment {
    /// Which jobs go first.
    pub priority: Option<Priority>,
    /// The person's own words; none clears them.
    pub note: Option<Option<String>>,
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

    /// Stops a job; a finished one stays as it is.
    ///
    /// # Errors
    /// `job_not_found`, `forbidden`.
    pub async fn cancel(&self, caller: &Caller, job: JobRef) -> Result<Job, Refusal> {
        caller.require(Role::Submit)?;
        self.steer(job, |record| {
            if record.job.state.is_finished() {
                return Ok(Then::Nothing);
            }
            let started_at = match record.job.state {
                JobState::Running { started_at, .. } => Some(started_at),
                _ => None,
            };
            record.has_room();
            record.job.state = JobState::Cancelled { started_at, finished_at: Timestamp::now() };
            Ok(Then::Withdraw)
        })
        .await
    }

    /// Ends a training or painting with what there is as its result; without a step done there is nothing to keep, and
    /// it is cancelled. One that waits is finished before any other goes on. A finished one stays as it is.
    ///
    /// # Errors
    /// `job_not_found`, `forbidden`; `wrong_kind` for a photo in a learned style.
    pub async fn keep(&self, caller: &Caller, job: JobRef) -> Result<Job, Refusal> {
        caller.require(Role::Submit)?;
        let (spool, live) = (Arc::clone(&self.0.spool), self.0.live.clone());
        self.steer(job, move |record| {
            if record.job.kind() == JobKind::Stylize {
                let detail = "only training and painting can be ended with what there is; cancel it without keep";
                return Err(Refusal::new(ErrorCode::WrongKind, detail));
            }
            if record.job.state.is_finished() {
                return Ok(Then::Nothing);
            }
            record.has_room();
            if let JobState::Running { .. } = record.job.state {
                record.ends_early = true;
                return Ok(Then::Withdraw);
            }
            // One that was running a moment ago has its checkpoint written once the step that it is in has ended.
            let has_steps = live.progress(record.job.id).is_some_and(|progress| progress.steps() > 0);
            let checkpoint = spool.describe_checkpoint(record.job.id).map_err(|error| storage_refusal(&error))?;
            if !has_steps && checkpoint.is_none() {
                record.job.state = JobState::Cancelled { started_at: None, finished_at: Timestamp::now() };
                return Ok(Then::Withdraw);
            }
            record.ends_early = true;
            record.job.state = JobState::Queued { steps_done: record.job.state.steps_done() };
            Ok(Then::Enqueue)
        })
        .await
    }

    /// Holds a queued or running job back.
    ///
    /// # Errors
    /// `wrong_state` when it is finished.
    pub async fn pause(&self, caller: &Caller, job: JobRef) -> Result<Job, Refusal> {
        caller.require(Role::Submit)?;
        let live = self.0.live.clone();
        self.steer(job, move |record| match record.job.state {
            // A pause that would end by itself becomes a person's own.
            JobState::Paused { .. } if record.waits_for_room => {
                record.has_room();
                Ok(Then::Save)
            }
            JobState::Paused { .. } => Ok(Then::Nothing),
            JobState::Queued { .. } | JobState::Running { .. } => {
                let told = live.progress(record.job.id).map(|progress| progress.steps());
                let steps_done = told.unwrap_or_else(|| record.job.state.steps_done());
                record.job.state = JobState::Paused { steps_done };
                Ok(Then::Withdraw)
            }
            _ => Err(wrong_state(record, "only a queued or running job can be paused")),
        })
        .await
    }

    /// Puts a paused job back into the queue.
    ///
    /// # Errors
    /// `wrong_state` when it is not paused.
    pub async fn resume(&self, caller: &Caller, job: JobRef) -> Result<Job, Refusal> {
        caller.require(Role::Submit)?;
        self.steer(job, |record| match record.job.state {
            JobState::Paused { steps_done } => {
                record.has_room();
                record.job.state = JobState::Queued { steps_done };
                Ok(Then::Enqueue)
            }
            _ => Err(wrong_state(record, "only a paused job can be resumed")),
        })
        .await
    }

    /// Puts a failed or cancelled job back into the queue. A failed training or painting goes on from its last
    /// checkpoint; a cancelled one has been thrown away and begins anew, since pausing is for going on later.
    ///
    /// # Errors
    /// `wrong_state` when it is neither; `result_gone` when its photo is no longer kept; `style_exists` when the name of
    /// the style to learn has been taken meanwhile; `forbidden` when it replaces a style; `mail_not_allowed` and
    /// `mail_limit` for its letter.
    pub async fn retry(&self, caller: &Caller, job: JobRef) -> Result<Job, Refusal> {
        caller.require(Role::Submit)?;
        self.accepts()?;
        let naming = Arc::clone(&self.0.naming).lock_owned().await;
        let spool = Arc::clone(&self.0.spool);
        let stands = self.record(job).await?;
        let mut recipient = None;
        if matches!(stands.job.state, JobState::Failed { .. } | JobState::Cancelled { .. }) {
            if let Parameters::Train(parameters) = &stands.job.parameters {
                if parameters.replace {
                    caller.require(Role::Admin)?;
                }
                self.check_name(parameters)?;
            }
            recipient = self.admit_letter(caller, &stands)?;
        }
        let retried = self.steer_holding(naming, job, move |record| match record.job.state {
            JobState::Failed { .. } | JobState::Cancelled { .. } if record.expired => Err(Refusal::new(
                ErrorCode::ResultGone,
                format!("the photo of job {} is no longer kept; submit it anew", record.job.id),
            )),
            JobState::Failed { .. } | JobState::Cancelled { .. } => {
                record.job.state = JobState::Queued { steps_done: 0 };
                record.note_steps(&spool);
                record.crashes = 0;
                record.ends_early = false;
                record.renew_letter();
                Ok(Then::Enqueue)
            }
            _ => Err(wrong_state(record, "only a failed or cancelled job can be retried")),
        });
        let retried = retried.await;
        if let (Err(_), Some(recipient)) = (&retried, &recipient) {
            self.recipients().take_back(recipient);
        }
        retried
    }

    /// Counts the letter that a retried job will send once more, as a submit's; whoever retries it must be one who may
    /// have mail sent there.
    fn admit_letter(&self, caller: &Caller, record: &Record) -> Result<Option<Address>, Refusal> {
        let mail = &self.config().mail;
        // Where mail has been turned off since, none is sent.
        let Some(letter) = record.letter.as_ref().filter(|_| mail.transport != Transport::Off) else {
            return Ok(None);
        };
        let recipient = mail::recipient(&letter.recipient, caller.role, mail)?;
        if letter.state == MailState::Pending {
            // It was counted, and never sent.
            return Ok(None);
        }
        self.recipients().admit(Timestamp::now(), &recipient, mail.per_recipient_per_hour)?;
        Ok(Some(recipient))
    }

    /// Changes what a person says about a job: all of it, or, where something is refused, nothing.
    ///
    /// # Errors
    /// `wrong_state` for the priority of a finished job; `invalid_field` when the note is too long or has control
    /// characters.
    pub async fn amend(&self, caller: &Caller, job: JobRef, amendment: Amendment) -> Result<Job, Refusal> {
        caller.require(Role::Submit)?;
        let Amendment { priority, note } = amendment;
        note.iter().flatten().try_for_each(|note| check_note(note))?;
        self.steer(job, move |record| {
            let mut then = Then::Nothing;
            if let Some(note) = note.map(|note| note.filter(|note| !note.is_empty()))
                && note != record.job.note
            {
                record.job.note = note;
                then = Then::Save;
            }
            if let Some(priority) = priority {
                if record.job.state.is_finished() {
                    return Err(wrong_state(record, "its priority no longer matters"));
                }
                if std::mem::replace(&mut record.job.priority, priority) != priority {
                    then = Then::Reprioritise;
                }
            }
            Ok(then)
        })
        .await
    }

    /// Forgets a finished job: photo, result and row. Needs `admin`.
    ///
    /// # Errors
    /// `wrong_state` when it is not finished.
    pub async fn forget(&self, caller: &Caller, job: JobRef) -> Result<Job, Refusal> {
        caller.require(Role::Admin)?;
        let id = self.id(job)?;
        let forgotten = self.0.store.write(move |ledger| {
            let record = ledger.record(id).ok_or_else(|| not_found(&JobRef::Id(id)))?;
            if !record.job.state.is_finished() {
                return Err(wrong_state(&record, "cancel it first"));
            }
            ledger.forget(&record)?;
            Ok(record.job)
        });
        forgotten.durable().await?
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

    /// Changes a job in one step with looking at it, and tells the dispatcher what follows from that, whether or not the
    /// caller still waits.
    async fn steer(
        &self,
        job: JobRef,
        change: impl FnOnce(&mut Record) -> Result<Then, Refusal> + Send + 'static,
    ) -> Result<Job, Refusal> {
        self.steer_holding((), job, change).await
    }

    /// Does so, and holds something until the job is changed.
    async fn steer_holding(
        &self,
        held: impl Send + 'static,
        job: JobRef,
        change: impl FnOnce(&mut Record) -> Result<Then, Refusal> + Send + 'static,
    ) -> Result<Job, Refusal> {
        let id = self.id(job)?;
        let dispatch = self.0.dispatch.clone();
        let changed = self.0.store.write(move |ledger| {
            let _held = held;
            let mut record = ledger.record(id).ok_or_else(|| not_found(&JobRef::Id(id)))?;
            let then = change(&mut record)?;
            if then != Then::Nothing {
                ledger.save(&record)?;
            }
            match then {
                Then::Nothing | Then::Save => {}
                Then::Withdraw => dispatch.tell(Input::Withdrawn { job: id }),
                Then::Enqueue => dispatch.enqueue(&record),
                Then::Reprioritise => dispatch.tell(Input::Reprioritised { job: id, class: record.class() }),
            }
            Ok::<_, Refusal>(record.job)
        });
        let job = changed.durable().await??;
        Ok(self.decorated(job))
    }
}

/// What follows from a change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Nothing,
    Save,
    Withdraw,
    Enqueue,
    Reprioritise,
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

fn not_found(job: &JobRef) -> Refusal {
    Refusal::new(ErrorCode::JobNotFound, format!("there is no job {job}; it may have been forgotten"))
}

fn wrong_state(record: &Record, why: &str) -> Refusal {
    let Job { id, state, .. } = &record.job;
    Refusal::new(ErrorCode::WrongState, format!("job {id} is {}; {why}", state.name()))
}
