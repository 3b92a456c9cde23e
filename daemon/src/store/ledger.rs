//! What a write can do. It exists only on the store's own thread.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use protocol::{Event, EventBody, JobId, JobState};

use super::Failed;
use super::index::{Index, IndexError};
use super::settling::Settling;
use super::summary::Summaries;
use crate::record::Record;
use crate::refusal::Refusal;
use crate::sequence::Sequence;
use crate::spool::{Arriving, Spool, storage_refusal};

/// How long the rows of new jobs wait for the sync of another write, most often of the job that begins next.
const CATCH_UP: Duration = Duration::from_millis(20);

/// A new job that is to be let in, and its record, which nobody knows of yet.
pub(super) struct Admission {
    pub(super) job: Option<Arriving>,
    pub(super) record: Record,
    /// Why it was not let in, if it was not.
    pub(super) refusal: Option<Refusal>,
    /// Who is told what has become of it.
    pub(super) then: Box<dyn FnOnce(Result<Record, Refusal>) + Send>,
}

/// The index, open for writing.
pub struct Ledger {
    pub(super) index: Arc<Index>,
    pub(super) summaries: Arc<RwLock<Summaries>>,
    pub(super) spool: Arc<Spool>,
    sequence: Sequence,
    fresh: Vec<Event>,
    /// Whether anything was written to the index that its sync alone makes safe.
    dirty: bool,
    /// Since when it has rows that are not synced because a start could make them as well.
    behind_since: Option<Instant>,
    settling: Settling,
    /// The first failure; nothing is written after it.
    failed: Option<Failed>,
}

impl Ledger {
    /// Starts with an opened index.
    ///
    /// # Errors
    /// When the thread that settles the journal of arrivals can't be started.
    pub(super) fn new(index: Index, summaries: Summaries, spool: Arc<Spool>, sequence: Sequence) -> io::Result<Self> {
        let settling = Settling::start(Arc::clone(&spool))?;
        Ok(Self {
            index: Arc::new(index),
            summaries: Arc::new(RwLock::new(summaries)),
            spool,
            sequence,
            fresh: Vec::new(),
            dirty: false,
            behind_since: None,
            settling,
            failed: None,
        })
    }

    /// Reads a job's record as the writes before this one left it.
    #[must_use]
    pub fn record(&mut self, id: JobId) -> Option<Record> {
        match self.index.record(id) {
            Ok(record) => record,
            Err(error) => {
                self.fail(&error);
                None
            }
        }
    }

    /// Saves a changed job: in the spool, then in the index, then for watchers. The one way to change a job. One that
    /// was cancelled or has a result loses what it would go on from.
    ///
    /// # Errors
    /// `storage_full` and `storage_failed` when the spool can't write it; the job is then as before. Only after a sync
    /// that failed nobody knows what is on the disk, and nothing is written any more.
    pub fn save(&mut self, record: &Record) -> Result<(), Refusal> {
        self.spool.update(record).map_err(|error| storage_refusal(&error))?;
        if matches!(record.job.state, JobState::Cancelled { .. } | JobState::Succeeded { .. })
            && let Err(error) = self.spool.discard_checkpoint(record.job.id)
        {
            tracing::warn!(job = %record.job.id, %error, "a checkpoint that nobody needs could not be removed");
        }
        self.put(record);
        Ok(())
    }

    /// Saves a changed job, and where the spool can't write its record, its row alone: that says so until the next start.
    pub fn save_anyway(&mut self, record: &Record) {
        if self.save(record).is_err() {
            self.put(record);
        }
    }

    /// Forgets a job: its folder, then its row.
    ///
    /// # Errors
    /// `storage_failed` when the folder can't be removed.
    pub fn forget(&mut self, record: &Record) -> Result<(), Refusal> {
        self.spool.remove(record.job.id).map_err(|error| storage_refusal(&error))?;
        self.remove(record);
        Ok(())
    }

    /// Writes the row of a job whose spool folder says the same already, and tells watchers of its state, and once of its
    /// end: what a note or a mail changes later is no other end.
    pub fn put(&mut self, record: &Record) {
        let id = record.job.id;
        let ends = record.job.state.is_finished() && !self.has_ended(record);
        let bodies = [Some(EventBody::State(Box::new(record.job.clone()))), ends.then_some(EventBody::End { job: id })];
        let events: Vec<_> = bodies.into_iter().flatten().filter_map(|body| self.number(body)).collect();
        self.dirty = true;
        match self.index.put(record, &events) {
            Ok(()) => self.count(record),
            Err(error) => self.fail(&error),
        }
        self.fresh.extend(events);
    }

    /// Says whether this end of a job has been told before.
    fn has_ended(&self, record: &Record) -> bool {
        let summaries = self.summaries.read().unwrap_or_else(PoisonError::into_inner);
        let ended = record.job.state.finished_at().map(Timestamp::as_second);
        summaries.get(record.job.id).is_some_and(|before| before.finished_at == ended)
    }

    /// Counts a job whose row is right already.
    pub(super) fn count(&mut self, record: &Record) {
        self.summaries.write().unwrap_or_else(PoisonError::into_inner).put(record);
    }

    /// Removes a job's row and its idempotency key, and tells watchers.
    pub(super) fn remove(&mut self, record: &Record) {
        let forgotten = self.number(EventBody::Forgotten { job: record.job.id });
        self.dirty = true;
        self.summaries.write().unwrap_or_else(PoisonError::into_inner).remove(record.job.id);
        if let Err(error) = self.index.remove(record, forgotten.as_slice()) {
            self.fail(&error);
        }
        self.fresh.extend(forgotten);
    }

    /// Gives an event its number and keeps it for watchers that come back.
    pub fn tell(&mut self, body: EventBody) {
        let Some(event) = self.number(body) else { return };
        self.dirty = true;
        if let Err(error) = self.index.keep(&event) {
            self.fail(&error);
        }
        self.fresh.push(event);
    }

    /// Gives an event its number; it is forgotten when the daemon ends.
    pub(super) fn show(&mut self, body: EventBody) {
        if let Some(event) = self.number(body) {
            self.fresh.push(event);
        }
    }

    /// Returns how long the rows of new jobs may still wait for somebody else's sync; nothing where there are none, or
    /// none will ever be synced.
    pub(super) fn patience(&self) -> Option<Duration> {
        let since = self.behind_since.filter(|_| self.failed.is_none())?;
        Some(CATCH_UP.saturating_sub(since.elapsed()))
    }

    /// Has the next commit sync the rows of new jobs too.
    pub(super) fn catch_up(&mut self) {
        self.dirty |= self.behind_since.is_some();
    }

    /// Makes all writes since the last call durable. Returns the events that may now be seen.
    pub(super) fn commit(&mut self) -> Result<Vec<Event>, Failed> {
        self.safely(|ledger| {
            if std::mem::take(&mut ledger.dirty) || ledger.patience() == Some(Duration::ZERO) {
                ledger.index.sync()?;
                ledger.behind_since = None;
            }
            Ok(())
        })
    }

    /// Lets new jobs into the spool, which makes them safe, and then into the index. Nobody waits for its sync: a start
    /// makes the rows that a crash takes from the folders, and tells watchers of them again. Returns the events that may
    /// now be seen.
    pub(super) fn let_in(&mut self, admissions: &mut [Admission]) -> Result<Vec<Event>, Failed> {
        self.safely(|ledger| {
            let new = admissions.iter_mut().filter_map(|admission| admission.job.take()).collect();
            let mut refused: HashMap<_, _> = ledger.spool.admit(new).into_iter().collect();
            if let Some(problem) = ledger.spool.failure() {
                return Err(io::Error::other(problem.to_owned()).into());
            }
            if ledger.spool.wants_settling() {
                ledger.settling.begin();
            }
            for Admission { record, refusal, .. } in admissions {
                *refusal = refused.remove(&record.job.id);
                if refusal.is_none() {
                    ledger.put(record);
                }
            }
            ledger.dirty = false;
            ledger.behind_since.get_or_insert_with(Instant::now);
            Ok(())
        })
    }

    /// Does something unless anything has failed before, and returns the events that may be seen if nothing has since.
    fn safely(&mut self, work: impl FnOnce(&mut Self) -> Result<(), IndexError>) -> Result<Vec<Event>, Failed> {
        if let Some(problem) = self.spool.failure() {
            self.failed.get_or_insert_with(|| Failed(problem.to_owned()));
        }
        if self.failed.is_none()
            && let Err(error) = work(self)
        {
            self.fail(&error);
        }
        let events = std::mem::take(&mut self.fresh);
        match &self.failed {
            Some(failed) => Err(failed.clone()),
            None => Ok(events),
        }
    }

    fn number(&mut self, body: EventBody) -> Option<Event> {
        match self.sequence.next() {
            Ok(sequence) => Some(Event { sequence, at: Timestamp::now(), body }),
            Err(error) => {
                self.fail(&error.into());
                None
            }
        }
    }

    fn fail(&mut self, error: &IndexError) {
        self.failed.get_or_insert_with(|| Failed(error.to_string()));
    }
}
