//! Steering jobs: each change is decided and made in one step with looking at the job.

use std::sync::Arc;

use jiff::Timestamp;
use lettre::Address;
use protocol::{ErrorCode, Job, JobKind, JobRef, JobState, MailState, Parameters, Priority};

use super::Intake;
use super::jobs::not_found;
use super::submit::check_note;
use crate::access::{Caller, Role};
use crate::config::Transport;
use crate::mail;
use crate::record::Record;
use crate::refusal::Refusal;
use crate::scheduler::Input;
use crate::spool::storage_refusal;

/// What a person changes about a job; what is absent stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Amendment {
    /// Which jobs go first.
    pub priority: Option<Priority>,
    /// The person's own words; none clears them.
    pub note: Option<Option<String>>,
}

impl Intake {
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
            let (started_at, device) = match &record.job.state {
                JobState::Running { started_at, device, .. } => (Some(*started_at), Some(device.clone())),
                _ => (None, None),
            };
            record.has_room();
            record.job.state = JobState::Cancelled { started_at, finished_at: Timestamp::now(), device };
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
                record.job.state =
                    JobState::Cancelled { started_at: None, finished_at: Timestamp::now(), device: None };
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

fn wrong_state(record: &Record, why: &str) -> Refusal {
    let Job { id, state, .. } = &record.job;
    Refusal::new(ErrorCode::WrongState, format!("job {id} is {}; {why}", state.name()))
}
