//! The spool: one folder a job, as in a mail server. It is the truth; the index is rebuilt from it.
//!
//! ```text
//! spool/incoming/…          uploads and folders in the making; emptied at every start
//! spool/<id>/job.json       the job's record, replaced whole on every durable change
//! spool/<id>/input          the uploaded picture, as it came
//! spool/<id>/result         the painting
//! ```
//! Every file is written beside its place, synced, renamed in, and the folder synced, in this order. A folder
//! named by a job's id is therefore always whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use protocol::{ErrorCode, JobId};

use crate::record::Record;
use crate::refusal::Refusal;

mod draft;
pub use draft::Draft;
pub(crate) use draft::hex;

/// The spool's folders.
#[derive(Debug)]
pub struct Spool {
    root: PathBuf,
    incoming: PathBuf,
    drafts: AtomicU64,
    reserve_bytes: u64,
}

impl Spool {
    /// Opens the spool under the data folder, making it where needed, and throws away what was in the making.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(data: &Path, reserve_bytes: u64) -> io::Result<Self> {
        let root = data.join("spool");
        let incoming = root.join("incoming");
        if incoming.exists() {
            fs::remove_dir_all(&incoming)?;
        }
        fs::create_dir_all(&incoming)?;
        sync_folder(&root)?;
        sync_folder(data)?;
        Ok(Self { root, incoming, drafts: AtomicU64::new(0), reserve_bytes })
    }

    /// Lists the ids of all jobs that have a folder, oldest first.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn list(&self) -> io::Result<Vec<JobId>> {
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            if let Some(id) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) {
                ids.push(id);
            }
        }
        ids.sort_unstable();
        Ok(ids)
    }

    /// Reads a job's record.
    ///
    /// # Errors
    /// Those of the file system; `InvalidData` when it is damaged or of a newer version.
    pub fn read(&self, id: JobId) -> io::Result<Record> {
        let bytes = fs::read(self.folder(id).join("job.json"))?;
        Record::from_json(&bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Makes a new job's folder from its record and its upload. When this returns, both survive a power cut.
    ///
    /// # Errors
    /// Those of the file system; nothing of the job remains then.
    pub fn create(&self, record: &Record, input: Draft) -> io::Result<()> {
        let staging = self.incoming.join(record.job.id.to_string());
        let made = (|| {
            fs::create_dir(&staging)?;
            input.settle(&staging.join("input"))?;
            write_synced(&staging.join("job.json"), &record.to_json())?;
            sync_folder(&staging)?;
            fs::rename(&staging, self.folder(record.job.id))?;
            sync_folder(&self.root)
        })();
        if made.is_err() {
            // Best effort: whatever stays in `incoming` goes at the next start.
            let _ = fs::remove_dir_all(&staging);
            let _ = fs::remove_dir_all(self.folder(record.job.id));
        }
        made
    }

    /// Replaces a job's record.
    ///
    /// # Errors
    /// Those of the file system; the old record is then still in place.
    pub fn update(&self, record: &Record) -> io::Result<()> {
        self.place(record.job.id, "job.json", &record.to_json())
    }

    /// Puts a job's result in place.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn put_result(&self, id: JobId, bytes: &[u8]) -> io::Result<()> {
        self.place(id, "result", bytes)
    }

    /// Returns where a job's uploaded picture is.
    #[must_use]
    pub fn input(&self, id: JobId) -> PathBuf {
        self.folder(id).join("input")
    }

    /// Returns where a job's result is, once there is one.
    #[must_use]
    pub fn result(&self, id: JobId) -> PathBuf {
        self.folder(id).join("result")
    }

    /// Removes a job's pictures and keeps its record.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn remove_pictures(&self, id: JobId) -> io::Result<()> {
        for path in [self.input(id), self.result(id)] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes a job's folder: first durably out of the list, then from the disk.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn remove(&self, id: JobId) -> io::Result<()> {
        let gone = self.incoming.join(format!("{id}.gone"));
        match fs::rename(self.folder(id), &gone) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            renamed => renamed?,
        }
        sync_folder(&self.root)?;
        fs::remove_dir_all(gone)
    }

    /// Opens a file for an upload of at most `limit` bytes.
    ///
    /// # Errors
    /// `storage_full` when the reserve is reached; `storage_failed` when the disk does not take it.
    pub fn draft(&self, limit: u64) -> Result<Draft, Refusal> {
        self.check_room()?;
        let number = self.drafts.fetch_add(1, Ordering::Relaxed);
        Draft::create(self.incoming.join(format!("draft-{number}")), limit).map_err(|error| storage_refusal(&error))
    }

    /// Refuses when the disk has less room than `data.reserve_bytes`.
    ///
    /// # Errors
    /// `storage_full`, `storage_failed`.
    pub fn check_room(&self) -> Result<(), Refusal> {
        let free = self.free_bytes().map_err(|error| storage_refusal(&error))?;
        if free < self.reserve_bytes {
            return Err(Refusal::new(
                ErrorCode::StorageFull,
                format!(
                    "the disk of the data folder has {free} bytes left, which is below data.reserve_bytes ({}); \
                     make room there and try again",
                    self.reserve_bytes
                ),
            ));
        }
        Ok(())
    }

    /// Returns the room left on the spool's disk, in bytes.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(&self.root)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Returns a job's folder.
    #[must_use]
    pub fn folder(&self, id: JobId) -> PathBuf {
        self.root.join(id.to_string())
    }

    /// Writes `folder/name` beside its place, syncs it, renames it in, syncs the folder.
    fn place(&self, id: JobId, name: &str, bytes: &[u8]) -> io::Result<()> {
        let folder = self.folder(id);
        let staging = folder.join(format!(".{name}"));
        write_synced(&staging, bytes)?;
        fs::rename(&staging, folder.join(name))?;
        sync_folder(&folder)
    }
}

/// Says what a failed write means to the caller.
pub(crate) fn storage_refusal(error: &io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Refusal::new(ErrorCode::StorageFull, "the disk of the data folder is full; make room there and try again")
        }
        _ => Refusal::new(
            ErrorCode::StorageFailed,
            format!("the data folder does not take the upload ({error}); look at the daemon's log"),
        ),
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_data()
}

/// Makes renames and new names in a folder survive a power cut.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
