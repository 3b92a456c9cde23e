//! What all submits have in common: checked, written to the disk, and only then answered.

use std::sync::{MutexGuard, PoisonError};

use jiff::Timestamp;
use lettre::Address;
use protocol::{Delivery, ErrorCode, Job, JobId, JobState, MailState, Parameters, Priority, Wishes};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedMutexGuard, oneshot};

use super::photo::Checked;
use super::{Intake, Ticket, blocking};
use crate::access::Caller;
use crate::mail::{self, RecipientLimiter};
use crate::record::{Idempotency, Origin, Record};
use crate::refusal::Refusal;
use crate::spool::hex;
use crate::store::Failed;

/// The longest note, in characters.
const NOTE_CHARS: usize = 1000;

/// An accepted job.
#[derive(Debug)]
pub struct Submission {
    /// The job: as it was accepted, or as it is now when this answers a repeated submit.
    pub job: Job,
    /// Whether this answers a repeated submit.
    pub replayed: bool,
}

/// A job that has passed every check.
pub(super) struct NewJob {
    pub(super) parameters: Parameters,
    pub(super) priority: Priority,
    pub(super) wishes: Wishes,
    pub(super) recipient: Option<Address>,
    pub(super) idempotency: Option<Idempotency>,
    /// The photo, or the artwork to learn.
    pub(super) input: Checked,
    /// The artworks of a painting.
    pub(super) artworks: Vec<Checked>,
    pub(super) memory_bytes: u64,
    /// Held until it is known who has the name of a new style.
    pub(super) naming: Option<OwnedMutexGuard<()>>,
}

impl Ticket {
    /// Returns the idempotency key with the digest of what a repeated submit must have in common with the first.
    pub(super) fn idempotency(&self, fields: impl FnOnce(&str) -> serde_json::Value) -> Option<Idempotency> {
        let key = self.key.clone()?;
        let mut compared = fields(self.route);
        if let Some(also_compared) = &self.also_compared {
            compared = json!([compared, also_compared]);
        }
        Some(Idempotency { key, fingerprint: hex(&Sha256::digest(compared.to_string())) })
    }
}

impl Intake {
    /// Writes a checked job to the disk and answers with it. From here on it takes its way whether or not its caller still
    /// waits: what nobody was told of must not lie in the queue and wait for nothing.
    pub(super) async fn accept(&self, ticket: Ticket, new: NewJob) -> Result<Submission, Refusal> {
        let NewJob { parameters, priority, wishes, recipient, idempotency, input, artworks, memory_bytes, naming } =
            new;
        if let Some(recipient) = &recipient {
            let limit = self.config().mail.per_recipient_per_hour;
            self.recipients().admit(Timestamp::now(), recipient, limit)?;
        }
        let job = Job {
            id: JobId::new(),
            parameters,
            priority,
            state: JobState::Queued { steps_done: 0 },
            created_at: Timestamp::now(),
            attempt: 0,
            mail: wishes.email.map(|to| Delivery { to, state: MailState::Pending, attempts: 0 }),
            note: wishes.note,
            warnings: Vec::new(),
            skipped_files: Vec::new(),
            queue_position: None,
        };
        let origin = Origin { caller: ticket.caller.name.clone(), idempotency };
        let record = Record::new(job, origin, input.described(), memory_bytes)
            .with_artworks(artworks.iter().map(Checked::described).collect());
        let artworks = artworks.into_iter().map(|artwork| artwork.draft).collect();
        let (answer, answered) = oneshot::channel();
        let intake = self.clone();
        let then = move |admitted: Result<Record, Refusal>| {
            match &admitted {
                Ok(record) => intake.0.dispatch.enqueue(record),
                Err(_) => recipient.iter().for_each(|recipient| intake.recipients().take_back(recipient)),
            }
            drop((ticket, naming));
            let _ = answer.send(admitted.map(|record| record.job));
        };
        let store = self.0.store.clone();
        blocking(move || {
            store.admit(record, input.draft, artworks, then);
            Ok(())
        })
        .await?;
        let job = answered.await.unwrap_or_else(|_| Err(Failed::stopped().into()))?;
        Ok(Submission { job: self.decorated(job), replayed: false })
    }

    /// Finds the first answer to a repeated submit.
    pub(super) async fn repeated(
        &self,
        caller: &Caller,
        idempotency: Option<&Idempotency>,
    ) -> Result<Option<Submission>, Refusal> {
        let Some(Idempotency { key, fingerprint }) = idempotency.cloned() else { return Ok(None) };
        let (store, name) = (self.0.store.clone(), caller.name.clone());
        let first = blocking(move || {
            let Some(id) = store.job_of_key(&name, &key)? else { return Ok(None) };
            Ok(store.record(id)?)
        })
        .await?;
        let Some(first) = first else { return Ok(None) };
        if first.origin.idempotency.as_ref().is_some_and(|kept| kept.fingerprint == fingerprint) {
            return Ok(Some(Submission { job: self.decorated(first.job), replayed: true }));
        }
        Err(Refusal::new(
            ErrorCode::IdempotencyMismatch,
            format!("this Idempotency-Key was used for job {} with other content; use a new key", first.job.id),
        ))
    }

    /// Checks what a submit says about its job, and returns the recipient where there is one.
    pub(super) fn check_wishes(&self, caller: &Caller, wishes: &Wishes) -> Result<Option<Address>, Refusal> {
        wishes.note.as_deref().map_or(Ok(()), check_note)?;
        let email = wishes.email.as_deref();
        email.map(|email| mail::recipient(email, caller.role, &self.config().mail)).transpose()
    }

    pub(super) fn recipients(&self) -> MutexGuard<'_, RecipientLimiter> {
        self.0.recipients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn invalid(detail: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::InvalidField, detail)
}

/// Refuses notes that are too long or would play tricks on a terminal.
pub(super) fn check_note(note: &str) -> Result<(), Refusal> {
    if note.chars().count() > NOTE_CHARS {
        return Err(invalid(format!("a note has at most {NOTE_CHARS} characters")));
    }
    if note.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err(invalid("a note must not contain control characters"));
    }
    Ok(())
}
