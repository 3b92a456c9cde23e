//! Opening the index at a start: verified, reconciled with the spool, rebuilt where it is damaged.
//!
//! Damage to sled's files is mostly silent, so nothing it says is taken on trust: the spool's listing is held
//! against the index at every start, and the spool wins.

use std::collections::HashSet;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use protocol::{EventBody, JobId, StateName};

use super::index::{Index, IndexError, KEPT_EVENTS};
use super::ledger::Ledger;
use super::summary::Summaries;
use crate::disk::sync_folder;
use crate::feed::Feed;
use crate::record::Record;
use crate::sequence::Sequence;
use crate::spool::Spool;

/// How long verifying may take before the index counts as damaged: reading a damaged one can spin for ever. A large one
/// has more time, as much as a slow disk needs to bring it.
const VERIFY_LIMIT: Duration = Duration::from_secs(8);
const SLOW_DISK_BYTES_PER_SECOND: u64 = 25_000_000;

/// An index ready for use.
pub struct Opened {
    pub(super) ledger: Ledger,
    pub(super) feed: Feed,
    /// What was found and mended.
    pub report: Report,
}

/// What opening found and mended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Jobs in all.
    pub jobs: usize,
    /// Where the damaged index was set aside, if it was.
    pub set_aside: Option<PathBuf>,
    /// Jobs that the index lacked or knew wrongly, restored from the spool.
    pub restored: usize,
    /// Rows without a folder, dropped.
    pub dropped: usize,
    /// Jobs that ran when the daemon ended, put back into the queue.
    pub requeued: usize,
    /// Folders whose record can't be read; left where they are.
    pub unreadable: Vec<String>,
}

/// The index can't be opened or rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The data folder.
    #[error("the data folder can't be read or written: {0}")]
    Io(#[from] io::Error),
    /// The store's own writes failed.
    #[error(transparent)]
    Failed(#[from] super::Failed),
}

/// Opens the index under the data folder. `verifier` is a program that reads the index as `PROGRAM verify-index
/// FOLDER` does: in a process of its own, because a damaged index can make sled spin or abort.
///
/// # Errors
/// Those of the file system; damage is mended, not reported as an error.
pub fn open(data: &Path, spool: &Arc<Spool>, verifier: Option<&Path>) -> Result<Opened, OpenError> {
    let folder = data.join("index");
    let mut report = Report::default();
    if folder.exists()
        && let Err(reason) = verify(&folder, verifier)
    {
        report.set_aside = Some(set_aside(data, &folder, &reason)?);
    }
    let index = match guarded(|| Index::open(&folder)) {
        Ok(index) => index,
        Err(reason) => {
            report.set_aside = Some(set_aside(data, &folder, &reason)?);
            Index::open(&folder)?
        }
    };
    sync_folder(data)?;
    let past = index.events().collect::<Result<Vec<_>, _>>()?;
    let last_kept = past.last().map_or(0, |event| event.sequence);
    let sequence = Sequence::open(data, last_kept)?;
    // Every number that may have been given out counts as seen; a new index knows nothing of what came before.
    let latest = sequence.last_given();
    let complete_after = index.born_after(latest)?.max(last_kept.saturating_sub(KEPT_EVENTS));
    let feed = Feed::new(past, complete_after, latest);
    let taken_back = index.take_back(last_kept)?;
    let mut ledger = Ledger::new(index, Summaries::default(), Arc::clone(spool), sequence)?;
    reconcile(&mut ledger, spool, &mut report)?;
    if let Some(id) = taken_back
        && ledger.record(id).is_none()
    {
        ledger.tell(EventBody::Forgotten { job: id });
    }
    feed.publish(ledger.commit()?);
    Ok(Opened { ledger, feed, report })
}

/// Holds the spool against the index; where they differ, the spool wins.
fn reconcile(ledger: &mut Ledger, spool: &Spool, report: &mut Report) -> Result<(), OpenError> {
    let ids = spool.list()?;
    for id in &ids {
        let row = ledger.record(*id);
        restore(ledger, spool, *id, row.as_ref(), report)?;
    }
    report.jobs = ids.len() - report.unreadable.len();
    let index = Arc::clone(&ledger.index);
    for id in index.ids() {
        let id = id?;
        if ids.binary_search(&id).is_err()
            && let Some(row) = index.record(id)?
        {
            ledger.remove(&row);
            report.dropped += 1;
        }
    }
    Ok(())
}

/// Brings one job's row up to what its folder says.
fn restore(
    ledger: &mut Ledger,
    spool: &Spool,
    id: JobId,
    row: Option<&Record>,
    report: &mut Report,
) -> Result<(), OpenError> {
    let mut record = match (spool.read(id), row) {
        (Ok(record), _) => record,
        (Err(error), Some(row)) => {
            tracing::warn!(job = %id, %error, "a job's record can't be read; it is written anew from the index");
            if let Err(error) = spool.update(row) {
                if spool.failure().is_some() {
                    return Err(error.into());
                }
                tracing::error!(job = %id, %error, "it can't be written; the index alone knows the job");
            }
            row.as_kept().into_owned()
        }
        (Err(error), None) => {
            tracing::error!(job = %id, %error, "a job's folder can't be read; it is left as it is");
            report.unreadable.push(format!("{id}: {error}"));
            return Ok(());
        }
    };
    let is_known = row == Some(&record);
    // The last checkpoint may have come after both.
    record.note_steps(spool);
    // The daemon may have ended between saying that they are gone and removing them.
    if record.expired
        && spool.input(id).exists()
        && let Err(error) = spool.remove_pictures(id)
    {
        tracing::warn!(job = %id, %error, "a job's pictures could not be removed");
    }
    // What the row says, watchers have been told.
    if let Some(row) = row {
        ledger.count(row);
    }
    match row {
        Some(row) if row.job.state.name() == StateName::Running && record.job.state.name() == StateName::Queued => {
            record.take_back(&row.job, Timestamp::now());
            spool.update(&record)?;
            report.requeued += 1;
        }
        Some(row) if *row == record => return Ok(()),
        _ if is_known => {}
        _ => report.restored += 1,
    }
    ledger.put(&record);
    Ok(())
}

/// Reads the whole index once, with a time limit.
pub(crate) fn verify(folder: &Path, verifier: Option<&Path>) -> Result<(), String> {
    let Some(program) = verifier else {
        return guarded(|| Index::open(folder)?.verify());
    };
    let child = Command::new(program)
        .arg("verify-index")
        .arg(folder)
        // The child ends when this pipe closes, so that it never outlives its parent and keeps sled's lock.
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    match child {
        Ok(child) => {
            await_verdict(child, VERIFY_LIMIT + Duration::from_secs(bytes_in(folder) / SLOW_DISK_BYTES_PER_SECOND))
        }
        Err(error) => {
            tracing::warn!(%error, "the index can't be verified by a process of its own");
            guarded(|| Index::open(folder)?.verify())
        }
    }
}

/// Returns the bytes of the files in a folder.
fn bytes_in(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum()
}

fn await_verdict(mut child: Child, limit: Duration) -> Result<(), String> {
    let deadline = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(_)) => {
                let mut said = String::new();
                if let Some(mut stderr) = child.stderr.take() {
                    let _ = stderr.read_to_string(&mut said);
                }
                return Err(said.lines().next().unwrap_or("verifying it failed").to_owned());
            }
            Ok(None) if Instant::now() < deadline => std::thread::park_timeout(Duration::from_millis(5)),
            Ok(None) | Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err("reading it did not end".to_owned());
            }
        }
    }
}

/// Lists the jobs of an index that has been verified.
pub(crate) fn ids(folder: &Path) -> Result<HashSet<JobId>, String> {
    guarded(|| Index::open(folder)?.ids().collect())
}

/// Turns sled's panics on damaged files into reasons.
fn guarded<R>(work: impl FnOnce() -> Result<R, IndexError>) -> Result<R, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(_) => Err("sled panicked on its files".to_owned()),
    }
}

/// Sets a damaged index aside for whoever wants to look into it, in the place of the last such one.
fn set_aside(data: &Path, folder: &Path, reason: &str) -> io::Result<PathBuf> {
    for entry in std::fs::read_dir(data)?.flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(b"index.damaged-") {
            // It only takes room.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    let aside = data.join(format!("index.damaged-{}", Timestamp::now().as_millisecond()));
    std::fs::rename(folder, &aside)?;
    tracing::warn!(reason, aside = %aside.display(), "the job index is damaged; it is set aside and rebuilt");
    Ok(aside)
}
