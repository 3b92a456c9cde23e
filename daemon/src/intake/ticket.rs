//! Letting a submit in, before anything of it is received.

use std::sync::PoisonError;
use std::time::Duration;

use protocol::{ErrorCode, StateName};

use super::submit::invalid;
use super::{Intake, Receiving, blocking};
use crate::access::{Caller, Role};
use crate::refusal::Refusal;

/// The longest idempotency key, in characters.
const KEY_CHARS: usize = 255;

/// A caller and the idempotency key that is being received.
pub(super) type ReceivedKey = (String, String);

/// A submit that has been let in but not yet received. It holds the idempotency key while it lives.
pub struct Ticket {
    intake: Intake,
    pub(super) caller: Caller,
    pub(super) route: &'static str,
    pub(super) key: Option<String>,
    /// What a repeated submit must have in common with the first beside its order and its files.
    pub(super) also_compared: Option<String>,
}

impl Ticket {
    /// Begins to receive one uploaded file.
    ///
    /// # Errors
    /// `storage_full` when the reserve is reached; `storage_failed` when the disk does not even tell.
    pub fn receive(&self) -> Result<Receiving, Refusal> {
        Receiving::begin(&self.intake.0.spool, self.intake.config().limits.upload_bytes)
    }

    /// Has a field compared with that of a repeated submit although it is no part of the job.
    #[must_use]
    pub fn also_comparing(mut self, field: impl Into<String>) -> Self {
        self.also_compared = Some(field.into());
        self
    }

    fn received_key(&self) -> Option<ReceivedKey> {
        self.key.clone().map(|key| (self.caller.name.clone(), key))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(key) = self.received_key() {
            self.intake.0.receiving.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        }
    }
}

impl Intake {
    /// Lets a submit in before its body is read: checks the role, room in the queue, room on the disk, and reserves
    /// the idempotency key. `route` is part of what a repeated submit is compared by.
    ///
    /// # Errors
    /// `forbidden`, `draining`, `queue_full`, `storage_full`, `storage_failed`, `invalid_field` for a bad key,
    /// `idempotency_in_progress`.
    pub async fn open(&self, caller: &Caller, route: &'static str, key: Option<String>) -> Result<Ticket, Refusal> {
        caller.require(Role::Submit)?;
        self.accepts()?;
        key.as_deref().map_or(Ok(()), check_key)?;
        if let Err(full) = self.check_queue() {
            // Who repeats a submit asks for no place: it has one.
            let is_repeat = match &key {
                Some(key) => self.knows(caller, key).await?,
                None => false,
            };
            if !is_repeat {
                return Err(full);
            }
        }
        if let Some(key) = &key {
            let received = (caller.name.clone(), key.clone());
            if !self.0.receiving.lock().unwrap_or_else(PoisonError::into_inner).insert(received) {
                return Err(Refusal::new(
                    ErrorCode::IdempotencyInProgress,
                    "the first request with this Idempotency-Key is still being received; try again in a moment",
                )
                .retry_after(Duration::from_secs(1)));
            }
        }
        Ok(Ticket { intake: self.clone(), caller: caller.clone(), route, key, also_compared: None })
    }

    /// Says whether a caller has used an idempotency key before.
    async fn knows(&self, caller: &Caller, key: &str) -> Result<bool, Refusal> {
        let (store, caller, key) = (self.0.store.clone(), caller.name.clone(), key.to_owned());
        blocking(move || Ok(store.job_of_key(&caller, &key)?.is_some())).await
    }

    /// Refuses when the queue is full, and says when there will be room, from how fast it moves.
    fn check_queue(&self) -> Result<(), Refusal> {
        let limit = self.config().max_waiting as u64;
        let queued = self.0.store.summaries(|jobs| jobs.count(StateName::Queued));
        if queued < limit {
            return Ok(());
        }
        let wait = self.0.live.time_for_one_more().unwrap_or(Duration::from_secs(30));
        Err(Refusal::new(
            ErrorCode::QueueFull,
            format!("{queued} jobs wait already, as many as queue.max_waiting allows"),
        )
        .retry_after(wait.max(Duration::from_secs(1))))
    }
}

fn check_key(key: &str) -> Result<(), Refusal> {
    if key.is_empty() || key.len() > KEY_CHARS || !key.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return Err(invalid(format!("an Idempotency-Key is 1 to {KEY_CHARS} printable ASCII characters")));
    }
    Ok(())
}
