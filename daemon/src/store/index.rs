//! sled's trees, and the sync that sled leaves out.

use std::fs::File;
use std::path::Path;

use protocol::{Event, JobId};

use crate::record::{Record, RecordError};

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
    pub fn verify(&self) -> Result<usize, IndexError> {
        let jobs = self.records().try_fold(0, |count, record| record.map(|_| count + 1))?;
        for event in self.events() {
            event?;
        }
        for row in &self.keys {
            job_id(&row?.1)?;
        }
        Ok(jobs)
    }

    /// Returns the event number after which this index has kept every event; `now` when it is new.
    pub(super) fn born_after(&self, now: u64) -> Result<u64, IndexError> {
        const BORN: &str = "born-after";
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

/// The row of an idempotency key; a caller's name holds no line break, so the two parts can't be confused.
pub(super) fn key_row(caller: &str, key: &str) -> Vec<u8> {
    format!("{caller}\n{key}").into_bytes()
}

fn job_id(bytes: &[u8]) -> Result<JobId, IndexError> {
    bytes.try_into().map(JobId::from_bytes).map_err(|_| IndexError::Key)
}
