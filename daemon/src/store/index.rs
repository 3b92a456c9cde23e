//! sled's trees, changes to them that a crash can't leave in part, and the sync that sled leaves out.

use std::fs::File;
use std::path::Path;

use protocol::{Event, JobId};

use crate::record::{Record, RecordError};

/// How many event numbers back events are kept for watchers that come back.
pub(super) const KEPT_EVENTS: u64 = 16_384;

/// The event number after which this index has kept every event.
const BORN: &str = "born-after";

/// The job that was changed last, and the number of the last event about that.
const IN_HAND: &str = "in-hand";

/// The trees of the index.
pub struct Index {
    pub(super) db: sled::Db,
    pub(super) jobs: sled::Tree,
    pub(super) events: sled::Tree,
    pub(super) keys: sled::Tree,
    /// sled's own file, held open: on Linux sled's flush never calls fsync (its issues 1351 and 1452).
    file: File,
}

/// The index can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// sled failed.
    #[error("the job index can't be read or written: {0}")]
    Sled(#[from] sled::Error),
    /// The file system failed.
    #[error("the data folder can't be written: {0}")]
    Io(#[from] std::io::Error),
    /// A row is damaged.
    #[error("a row of the job index is damaged: {0}")]
    Row(#[from] RecordError),
    /// An event is damaged.
    #[error("an event of the job index is damaged: {0}")]
    Event(#[from] serde_json::Error),
    /// A key is not a job's id.
    #[error("a key of the job index is damaged")]
    Key,
}

impl Index {
    /// Opens the index's folder.
    ///
    /// # Errors
    /// Those of sled and of the file system; sled may also panic on a damaged folder.
    pub fn open(folder: &Path) -> Result<Self, IndexError> {
        let db = sled::Config::new()
            .path(folder)
            // Syncs happen when a write is answered, never behind its back.
            .flush_every_ms(None)
            .cache_capacity(64 << 20)
            .open()?;
        let file = File::open(folder.join("db"))?;
        Ok(Self { jobs: db.open_tree("jobs")?, events: db.open_tree("events")?, keys: db.open_tree("keys")?, db, file })
    }

    /// Reads every row once.
    ///
    /// # Errors
    /// At the first damage.
    pub fn verify(&self) -> Result<(), IndexError> {
        for record in self.records() {
            record?;
        }
        for event in self.events() {
            event?;
        }
        for row in &self.keys {
            job_id(&row?.1)?;
        }
        Ok(())
    }

    /// Returns the event number after which this index has kept every event; `now` when it is new.
    pub(super) fn born_after(&self, now: u64) -> Result<u64, IndexError> {
        if let Some(bytes) = self.db.get(BORN)? {
            return bytes.as_ref().try_into().map(u64::from_be_bytes).map_err(|_| IndexError::Key);
        }
        self.db.insert(BORN, &now.to_be_bytes())?;
        Ok(now)
    }

    /// Makes everything written so far survive a power cut.
    pub(super) fn sync(&self) -> Result<(), IndexError> {
        self.db.flush()?;
        self.file.sync_data()?;
        Ok(())
    }

    /// Writes a job's row, its idempotency key and what watchers are told of it. A crash may leave any part of that:
    /// [`Self::take_back`] is for the next start.
    pub(super) fn put(&self, record: &Record, events: &[Event]) -> Result<(), IndexError> {
        let id = record.job.id;
        self.begin(id, events)?;
        self.jobs.insert(id.as_bytes(), record.to_json())?;
        if let Some(key) = key_of(record) {
            self.keys.insert(key, id.as_bytes().as_slice())?;
        }
        events.iter().try_for_each(|event| self.keep(event))
    }

    /// Removes a job's row and its idempotency key and keeps what watchers are told of that, as [`Self::put`] does.
    pub(super) fn remove(&self, record: &Record, events: &[Event]) -> Result<(), IndexError> {
        self.begin(record.job.id, events)?;
        self.remove_rows(record)?;
        events.iter().try_for_each(|event| self.keep(event))
    }

    fn remove_rows(&self, record: &Record) -> Result<(), IndexError> {
        if let Some(key) = key_of(record) {
            self.keys.remove(key)?;
        }
        self.jobs.remove(record.job.id.as_bytes())?;
        Ok(())
    }

    /// Notes which job is changed next, and the number of the last event about it. sled's log keeps the order of
    /// writes, so the change is whole where that event is there, and only the last change can lack it. A transaction
    /// would say the same, but makes sled write its buffers one by one: a third fewer jobs a second.
    fn begin(&self, id: JobId, events: &[Event]) -> Result<(), IndexError> {
        let last = events.last().map_or(0, |event| event.sequence);
        self.db.insert(IN_HAND, [id.as_bytes().as_slice(), &last.to_be_bytes()].concat())?;
        Ok(())
    }

    /// Takes back the last change, if a crash has cut it short, and returns whose it was: the job's folder says what it
    /// is to be. `last_kept` is the number of the last event.
    pub(super) fn take_back(&self, last_kept: u64) -> Result<Option<JobId>, IndexError> {
        let Some(note) = self.db.get(IN_HAND)? else { return Ok(None) };
        let (id, last) = note.split_last_chunk().ok_or(IndexError::Key)?;
        if u64::from_be_bytes(*last) <= last_kept {
            return Ok(None);
        }
        let id = job_id(id)?;
        if let Some(row) = self.record(id)? {
            self.remove_rows(&row)?;
        }
        Ok(Some(id))
    }

    /// Keeps an event for watchers that come back, and removes those that are too old to be asked for.
    pub(super) fn keep(&self, event: &Event) -> Result<(), IndexError> {
        self.events.insert(event.sequence.to_be_bytes(), serde_json::to_vec(event)?)?;
        let oldest_kept = event.sequence.saturating_sub(KEPT_EVENTS).to_be_bytes();
        while let Some((number, _)) = self.events.first()? {
            if number.as_ref() >= oldest_kept.as_slice() {
                break;
            }
            self.events.remove(number)?;
        }
        Ok(())
    }

    pub(super) fn record(&self, id: JobId) -> Result<Option<Record>, IndexError> {
        let row = self.jobs.get(id.as_bytes())?;
        Ok(row.map(|bytes| Record::from_json(&bytes)).transpose()?)
    }

    pub(super) fn records(&self) -> impl Iterator<Item = Result<Record, IndexError>> {
        self.jobs.iter().values().map(|row| Ok(Record::from_json(&row?)?))
    }

    /// Goes through the ids of all rows without reading these.
    pub(super) fn ids(&self) -> impl Iterator<Item = Result<JobId, IndexError>> {
        self.jobs.iter().keys().map(|key| job_id(&key?))
    }

    pub(super) fn events(&self) -> impl DoubleEndedIterator<Item = Result<Event, IndexError>> {
        self.events.iter().values().map(|row| Ok(serde_json::from_slice(&row?)?))
    }

    pub(super) fn job_of_key(&self, caller: &str, key: &str) -> Result<Option<JobId>, IndexError> {
        self.keys.get(key_row(caller, key))?.map(|bytes| job_id(&bytes)).transpose()
    }
}

/// The key of a job's idempotency row, where it has one.
fn key_of(record: &Record) -> Option<Vec<u8>> {
    record.origin.idempotency.as_ref().map(|idempotency| key_row(&record.origin.caller, &idempotency.key))
}

/// The row of an idempotency key; a caller's name holds no line break, so the two parts can't be confused.
fn key_row(caller: &str, key: &str) -> Vec<u8> {
    format!("{caller}\n{key}").into_bytes()
}

fn job_id(bytes: &[u8]) -> Result<JobId, IndexError> {
    bytes.try_into().map(JobId::from_bytes).map_err(|_| IndexError::Key)
}
