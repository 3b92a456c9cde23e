//! The spool: one folder a job, as in a mail server. It is the truth; the index is rebuilt from it.
//!
//! ```text
//! spool/incoming/…          uploads and folders in the making; emptied at every start
//! spool/arrivals-0, -1      the journal of small new jobs whose folders are not safe yet; emptied at every start
//! spool/<id>/job.json       the job's record, replaced whole on every durable change
//! spool/<id>/input          the uploaded picture, as it came: a photo, or the artwork to learn
//! spool/<id>/artwork-1 …    the artworks that a photo is to be painted after, pixel by pixel
//! spool/<id>/checkpoint     what a training or painting goes on from, replaced whole
//! spool/<id>/curve          its loss, a point a step; appended to, so the last points are the disk's to lose
//! spool/<id>/preview        its newest preview; replaced whole, and not synced
//! spool/<id>/result         the painting, or the style as one file
//! ```
//! Every other file is written beside its place, synced, renamed in, and the folder synced, in this order. A new job's
//! folder goes the same way as a whole, or is renamed in once the journal has all that is in it. A folder named by a job's
//! id is therefore always whole, or made whole by the next start.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use protocol::{ErrorCode, Job, JobId, JobState};

use crate::disk::{CAN_SYNC_ALL, Trust, make_folder};
use crate::record::Record;
use crate::refusal::Refusal;

mod admission;
mod arrivals;
mod checkpoint;
mod draft;
mod staged;
pub use admission::Unsettled;
use arrivals::Arrivals;
pub use checkpoint::{Checkpoint, Damaged};
pub use draft::Draft;
pub(crate) use draft::{SMALL_BYTES, hex};
pub use staged::{Arriving, Unwritten};

/// The spool's folders.
#[derive(Debug)]
pub struct Spool {
    root: PathBuf,
    incoming: PathBuf,
    trust: Trust,
    /// The root, open for its syncs: what fails between two of them is told by the second.
    list: File,
    arrivals: Mutex<Arrivals>,
    /// Whether the journal of arrivals takes more.
    has_room: AtomicBool,
    /// Held while the jobs of one of the journal's files are made safe.
    settling: Mutex<()>,
    completed: usize,
    drafts: AtomicU64,
    reserve_bytes: AtomicU64,
}

impl Spool {
    /// Opens the spool under the data folder, making it where needed, throws away what was in the making, and makes new
    /// jobs whole that a power cut has left in pieces.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(data: &Path, reserve_bytes: u64) -> io::Result<Self> {
        let root = data.join("spool");
        let incoming = root.join("incoming");
        if incoming.exists() {
            fs::remove_dir_all(&incoming)?;
        }
        make_folder(&incoming)?;
        let (list, trust) = (File::open(&root)?, Trust::default());
        let completed = admission::restore(&root, &incoming, &list, &trust)?;
        if completed > 0 {
            tracing::info!(
                jobs = completed,
                "new jobs that were cut short are whole again, from the journal of arrivals"
            );
        }
        let arrivals = Arrivals::open(&root, &trust)?;
        trust.sync(&list, &root)?;
        Ok(Self {
            root,
            incoming,
            trust,
            list,
            arrivals: Mutex::new(arrivals),
            has_room: AtomicBool::new(CAN_SYNC_ALL),
            settling: Mutex::default(),
            completed,
            drafts: AtomicU64::new(0),
            reserve_bytes: AtomicU64::new(reserve_bytes),
        })
    }

    /// Sets the free space below which nothing is accepted.
    pub(crate) fn set_reserve(&self, bytes: u64) {
        self.reserve_bytes.store(bytes, Ordering::Relaxed);
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

    /// Replaces a job's record. A running job is kept as a waiting one: that is what it is again after a crash.
    ///
    /// # Errors
    /// Those of the file system; the old record is then still in place.
    pub fn update(&self, record: &Record) -> io::Result<()> {
        self.place(record.job.id, "job.json", &record.as_kept().to_json())
    }

    /// Puts a job's result in place.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn put_result(&self, id: JobId, bytes: &[u8]) -> io::Result<()> {
        self.place(id, "result", bytes)
    }

    /// Puts what a job goes on from in place; the one before stays until this one is whole and on the disk.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn put_checkpoint(&self, id: JobId, checkpoint: &Checkpoint) -> io::Result<()> {
        self.place(id, "checkpoint", &checkpoint.to_bytes())
    }

    /// Reads what a job goes on from; nothing where it has not come that far.
    ///
    /// # Errors
    /// Those of the file system; `InvalidData` when it is damaged.
    pub fn checkpoint(&self, id: JobId) -> io::Result<Option<Checkpoint>> {
        match fs::read(self.folder(id).join("checkpoint")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            bytes => {
                let read = Checkpoint::from_bytes(&bytes?);
                read.map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
            }
        }
    }

    /// Says what checkpoint a job has, if any, without reading it whole.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn describe_checkpoint(&self, id: JobId) -> io::Result<Option<protocol::Checkpoint>> {
        checkpoint::describe(&self.folder(id).join("checkpoint"))
    }

    /// Returns the steps after which a job goes on: none, where it is not done in steps or has no checkpoint to read.
    #[must_use]
    pub fn kept_steps(&self, job: &Job) -> u64 {
        let checkpoint = job.parameters.steps().and_then(|_| self.describe_checkpoint(job.id).ok()?);
        checkpoint.map_or(0, |checkpoint| checkpoint.step)
    }

    /// Throws away what a job goes on from.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn discard_checkpoint(&self, id: JobId) -> io::Result<()> {
        remove_if_there(&self.folder(id).join("checkpoint"))
    }

    /// Puts a job's newest preview in place. Readers see the old or the new one; a power cut may take it.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn put_preview(&self, id: JobId, jpeg: &[u8]) -> io::Result<()> {
        let staging = self.folder(id).join(".preview");
        fs::write(&staging, jpeg).and_then(|()| fs::rename(&staging, self.preview(id))).inspect_err(|_| {
            // Half a preview would only take room.
            let _ = fs::remove_file(&staging);
        })
    }

    /// Returns where a job's uploaded picture is.
    #[must_use]
    pub fn input(&self, id: JobId) -> PathBuf {
        self.folder(id).join("input")
    }

    /// Returns where an artwork of a painting is, counted from 1.
    #[must_use]
    pub fn artwork(&self, id: JobId, number: usize) -> PathBuf {
        self.folder(id).join(artwork_name(number))
    }

    /// Returns where a job's loss curve is, once it has one.
    #[must_use]
    pub fn curve(&self, id: JobId) -> PathBuf {
        self.folder(id).join("curve")
    }

    /// Makes a job's loss curve survive a power cut.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn sync_curve(&self, id: JobId) -> io::Result<()> {
        let path = self.curve(id);
        self.trust.sync(&File::open(&path)?, &path)
    }

    /// Returns where a job's newest preview is, once there is one: a JPEG.
    #[must_use]
    pub fn preview(&self, id: JobId) -> PathBuf {
        self.folder(id).join("preview")
    }

    /// Returns where a job's result is, once there is one.
    #[must_use]
    pub fn result(&self, id: JobId) -> PathBuf {
        self.folder(id).join("result")
    }

    /// Returns what a job's files take on the disk beside those that its record tells the size of; its record itself is
    /// left out, and so is the checkpoint of a job that has its result, which goes when that is written down.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn side_bytes(&self, record: &Record) -> io::Result<u64> {
        let is_done = matches!(record.job.state, JobState::Succeeded { .. });
        let gone = self.folder(record.job.id).join("checkpoint");
        let files = self.files(record.job.id)?.into_iter().filter(|file| !is_done || *file != gone);
        let sizes = files.map(|file| Ok(fs::metadata(file)?.len()));
        let all = sizes.sum::<io::Result<u64>>()?;
        Ok(all.saturating_sub(record.disk_bytes().saturating_sub(record.side_bytes)))
    }

    /// Removes a job's pictures, its style, and what it would go on from; its record and its curve stay.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn remove_pictures(&self, id: JobId) -> io::Result<()> {
        let curve = self.curve(id);
        self.files(id)?.iter().filter(|file| **file != curve).try_for_each(|file| remove_if_there(file))
    }

    /// Lists a job's files, its record and what is in the making left out.
    fn files(&self, id: JobId) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(self.folder(id))? {
            let entry = entry?;
            let name = entry.file_name();
            if name != "job.json" && !name.as_encoded_bytes().starts_with(b".") {
                files.push(entry.path());
            }
        }
        Ok(files)
    }

    /// Removes a job's folder: first durably out of the journal and the list, then from the disk.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn remove(&self, id: JobId) -> io::Result<()> {
        self.arrivals().forget(id, &self.trust)?;
        let gone = self.incoming.join(format!("{id}.gone"));
        match self.trust.rename(&self.folder(id), &gone, &self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            renamed => renamed?,
        }
        fs::remove_dir_all(gone)
    }

    /// Begins an upload of at most `limit` bytes.
    #[must_use]
    pub fn draft(&self, limit: u64) -> Draft {
        let number = self.drafts.fetch_add(1, Ordering::Relaxed);
        Draft::new(self.incoming.join(format!("draft-{number}")), limit)
    }

    /// Refuses when the disk has less room than `data.reserve_bytes`.
    ///
    /// # Errors
    /// `storage_full`, `storage_failed`.
    pub fn check_room(&self) -> Result<(), Refusal> {
        let free = self.free_bytes().map_err(|error| storage_refusal(&error))?;
        let reserve_bytes = self.reserve_bytes.load(Ordering::Relaxed);
        if free < reserve_bytes {
            return Err(Refusal::new(
                ErrorCode::StorageFull,
                format!(
                    "the disk of the data folder has {free} bytes left, which is below data.reserve_bytes \
                     ({reserve_bytes}); make room there and try again"
                ),
            ));
        }
        Ok(())
    }

    /// Says whether the disk has room for so many bytes beside the reserve; no, when it does not even tell.
    #[must_use]
    pub fn has_room_for(&self, bytes: u64) -> bool {
        self.free_bytes().is_ok_and(|free| free >= self.reserve_bytes.load(Ordering::Relaxed).saturating_add(bytes))
    }

    /// Returns the room left on the spool's disk, in bytes.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(&self.root)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Says which sync has failed, if one has: nothing is written any more until a restart.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.trust.lost()
    }

    /// Returns a job's folder.
    #[must_use]
    pub fn folder(&self, id: JobId) -> PathBuf {
        self.root.join(id.to_string())
    }

    /// Puts a file into a job's folder, whose own name is made safe first: a start would otherwise make the folder anew as
    /// the job came.
    fn place(&self, id: JobId, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut arrivals = self.arrivals();
        if arrivals.is_unlisted(id) {
            self.trust.sync(&self.list, &self.root)?;
            arrivals.listed();
        }
        drop(arrivals);
        place(&self.folder(id), name, bytes, &self.trust)
    }
}

/// Writes `folder/name` beside its place, syncs it, renames it in, syncs the folder.
fn place(folder: &Path, name: &str, bytes: &[u8], trust: &Trust) -> io::Result<()> {
    let staging = folder.join(format!(".{name}"));
    trust.write(&staging, bytes).inspect_err(|_| {
        // Half a file would only take room from a disk that may be full.
        let _ = fs::remove_file(&staging);
    })?;
    trust.rename(&staging, &folder.join(name), folder)
}

fn artwork_name(number: usize) -> String {
    format!("artwork-{number}")
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
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
            format!("the data folder can't be written ({error}); look at the daemon's log"),
        ),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::fixtures::{self, House};

    fn checkpoint(step: u64) -> Checkpoint {
        Checkpoint { step, curve: b"curve".to_vec(), state: vec![7; 40] }
    }

    #[test]
    fn a_disk_that_is_full_leaves_the_last_good_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let house = House::open(folder.path());
        let id = fixtures::record().job.id;
        fs::create_dir(house.spool.folder(id)).unwrap();
        house.spool.put_checkpoint(id, &checkpoint(50)).unwrap();
        // Whatever is written there, the device has no room for it.
        let staging = house.spool.folder(id).join(".checkpoint");
        std::os::unix::fs::symlink("/dev/full", &staging).unwrap();
        let error = house.spool.put_checkpoint(id, &checkpoint(100)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(house.spool.checkpoint(id).unwrap(), Some(checkpoint(50)));
        assert!(!staging.is_symlink(), "what was begun is cleared away");
        house.spool.put_checkpoint(id, &checkpoint(100)).unwrap();
        assert_eq!(house.spool.describe_checkpoint(id).unwrap().unwrap().step, 100);
        house.close();
    }

    #[test]
    fn the_curve_outlives_the_pictures() {
        let folder = tempfile::tempdir().unwrap();
        let house = House::open(folder.path());
        let record = fixtures::record();
        house.accept(&record);
        let id = record.job.id;
        let (input, spool) = (record.input.bytes, &house.spool);
        spool.put_checkpoint(id, &checkpoint(50)).unwrap();
        spool.put_preview(id, b"a preview").unwrap();
        spool.put_result(id, b"a style").unwrap();
        fs::write(spool.artwork(id, 1), b"an artwork").unwrap();
        fs::write(spool.curve(id), b"points").unwrap();
        let all = spool.files(id).unwrap().iter().map(|file| fs::metadata(file).unwrap().len()).sum::<u64>();
        assert_eq!(spool.side_bytes(&record).unwrap(), all - input);
        spool.remove_pictures(id).unwrap();
        assert_eq!(spool.files(id).unwrap(), [spool.curve(id)]);
        assert_eq!(spool.read(id).unwrap(), record);
        house.close();
    }

    #[test]
    fn a_running_job_is_kept_as_a_waiting_one() {
        let folder = tempfile::tempdir().unwrap();
        let house = House::open(folder.path());
        let mut record = fixtures::record();
        house.accept(&record);
        record.job.note = Some("written while it runs".to_owned());
        let waiting = record.clone();
        let progress = protocol::Progress { done: 3, total: 9, unit: protocol::job::ProgressUnit::Step, rate: None };
        let started_at = jiff::Timestamp::now();
        record.job.state = protocol::JobState::Running { started_at, device: "cpu".to_owned(), progress };
        house.spool.update(&record).unwrap();
        assert_eq!(house.spool.read(record.job.id).unwrap(), waiting);
        house.close();
    }
}
