//! The journal of arrivals: what small new jobs outlive a power cut by until their folders do.
//!
//! A folder of its own takes a disk four syncs, one after the other. The journal takes it one for all jobs that arrive
//! together; their folders are written beside it and left to the system, and become safe later, thousands at a time.
//!
//! ```text
//! spool/arrivals-0, -1      entry · entry · … · zeros
//! entry                     bytes of the body u64 · body · SHA-256 of the body
//! body                      {"job":ID,"files":[BYTES, …]}\n · job.json · input · artwork-1 · …      it has arrived
//!                           {"job":ID,"files":null}\n                                               it is gone again
//! ```
//! One file takes entries while the other's jobs are made safe; then that one is emptied. A torn entry ends its file.
//! As an entry tells how a job came and nothing of what has become of it since, what is restored from it is only what its
//! folder lacks.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use protocol::JobId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::disk::Trust;

/// How much a file takes; a start after a crash reads both.
const FILE_BYTES: u64 = 16 << 20;

/// How many zeros a file is lengthened by at most where its entries come to its end: a disk syncs bytes that are written
/// over others in half the time, because the file stays where and as long as it was.
const AHEAD_BYTES: u64 = 256 << 10;

const LENGTH_BYTES: usize = 8;
const DIGEST_BYTES: usize = 32;

/// What the entry of a job that is gone again takes.
const GONE_BYTES: usize = 100;

/// The journal.
#[derive(Debug)]
pub(super) struct Arrivals {
    files: [Journal; 2],
    /// Which of them takes entries.
    open: usize,
    /// Jobs whose names in the spool's list have not been synced.
    unlisted: HashSet<JobId>,
}

#[derive(Debug)]
struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes of entries.
    bytes: u64,
    /// Bytes with the zeros after them.
    length: u64,
    /// The jobs that it has entries of.
    jobs: HashSet<JobId>,
}

/// A job as an entry tells of it: the contents of its files, the record first; none, when it is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    job: JobId,
    files: Option<Vec<Vec<u8>>>,
}

/// What an earlier life of the daemon left in the journal.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// Jobs that are not gone again, with the contents of their files, the record first.
    pub(super) arrived: Vec<(JobId, Vec<Vec<u8>>)>,
    pub(super) gone: HashSet<JobId>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    job: JobId,
    files: Option<Vec<u64>>,
}

/// Writes the entry of a job that arrives with these files: its record, its picture, its artworks.
pub(super) fn arrival(job: JobId, files: &[&[u8]]) -> Vec<u8> {
    write(&Head { job, files: Some(files.iter().map(|file| file.len() as u64).collect()) }, files)
}

fn write(head: &Head, files: &[&[u8]]) -> Vec<u8> {
    let mut entry = vec![0; LENGTH_BYTES];
    serde_json::to_writer(&mut entry, head).expect("an id and numbers");
    entry.push(b'\n');
    for file in files {
        entry.extend_from_slice(file);
    }
    let body = entry.len() - LENGTH_BYTES;
    entry[..LENGTH_BYTES].copy_from_slice(&(body as u64).to_le_bytes());
    let digest = Sha256::digest(&entry[LENGTH_BYTES..]);
    entry.extend(digest);
    entry
}

/// Reads the first entry; none, where it is torn.
fn read(bytes: &[u8]) -> Option<(Entry, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
    let (body, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let (digest, rest) = rest.split_at_checked(DIGEST_BYTES)?;
    if Sha256::digest(body).as_slice() != digest {
        return None;
    }
    let end = body.iter().position(|byte| *byte == b'\n')?;
    let Head { job, files } = serde_json::from_slice(&body[..end]).ok()?;
    let mut contents = &body[end + 1..];
    let mut file = |bytes: u64| {
        let (file, rest) = contents.split_at_checked(usize::try_from(bytes).ok()?)?;
        contents = rest;
        Some(file.to_vec())
    };
    let files = match files {
        Some(lengths) => Some(lengths.into_iter().map(&mut file).collect::<Option<_>>()?),
        None => None,
    };
    Some((Entry { job, files }, rest))
}

/// Reads what is left in the journal under the spool's folder.
pub(super) fn left(root: &Path) -> io::Result<Left> {
    let mut left = Left::default();
    for path in paths(root) {
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            bytes => bytes?,
        };
        let mut bytes = bytes.as_slice();
        while let Some((Entry { job, files }, rest)) = read(bytes) {
            match files {
                Some(files) => left.arrived.push((job, files)),
                None => drop(left.gone.insert(job)),
            }
            bytes = rest;
        }
    }
    left.arrived.retain(|(job, _)| !left.gone.contains(job));
    Ok(left)
}

fn paths(root: &Path) -> [PathBuf; 2] {
    ["arrivals-0", "arrivals-1"].map(|name| root.join(name))
}

impl Arrivals {
    /// Opens the two files, emptied: what they told is restored by now. Their own names have to be synced next.
    pub(super) fn open(root: &Path, trust: &Trust) -> io::Result<Self> {
        let [first, second] = paths(root);
        let files = [Journal::open(first, trust)?, Journal::open(second, trust)?];
        Ok(Self { files, open: 0, unlisted: HashSet::new() })
    }

    /// Says whether the open file takes no more entries, until the other's turn comes.
    pub(super) fn is_full(&self) -> bool {
        self.files[self.open].bytes >= FILE_BYTES
    }

    /// Adds entries and syncs them. There is room for as many more then that take them back: a full disk, which may keep
    /// their folders from being written, can't keep them from being forgotten.
    pub(super) fn add(&mut self, entries: &[&[u8]], trust: &Trust) -> io::Result<()> {
        self.files[self.open].add(&entries.concat(), entries.len() * GONE_BYTES, trust)
    }

    /// Notes that the job of an entry that was just added goes into the spool's list, whose sync is yet to come.
    pub(super) fn enters(&mut self, job: JobId) {
        self.files[self.open].jobs.insert(job);
        self.unlisted.insert(job);
    }

    /// Says whether the spool's list must be synced before anything else about a job can be safe.
    pub(super) fn is_unlisted(&self, job: JobId) -> bool {
        self.unlisted.contains(&job)
    }

    /// Notes that the spool's list is synced.
    pub(super) fn listed(&mut self) {
        self.unlisted.clear();
    }

    /// Notes that a job is gone, in the file that speaks of it, so that both are emptied at once.
    pub(super) fn forget(&mut self, job: JobId, trust: &Trust) -> io::Result<()> {
        match self.files.iter_mut().find(|file| file.jobs.contains(&job)) {
            Some(file) => file.add(&write(&Head { job, files: None }, &[]), 0, trust),
            None => Ok(()),
        }
    }

    /// Lets the other file take entries, and returns which one's jobs are to be made safe now; none, if none wait.
    pub(super) fn turn(&mut self) -> Option<usize> {
        let other = 1 - self.open;
        if self.files[other].bytes > 0 {
            // They could not be made safe the last time.
            return Some(other);
        }
        (self.files[self.open].bytes > 0).then(|| std::mem::replace(&mut self.open, other))
    }

    /// Empties a file whose jobs are safe.
    pub(super) fn empty(&mut self, number: usize, trust: &Trust) -> io::Result<()> {
        let journal = &mut self.files[number];
        journal.empty(trust)?;
        for job in journal.jobs.drain() {
            self.unlisted.remove(&job);
        }
        Ok(())
    }
}

impl Journal {
    fn open(path: PathBuf, trust: &Trust) -> io::Result<Self> {
        let file = File::options().create(true).truncate(false).write(true).open(&path)?;
        let length = file.metadata()?.len();
        let mut journal = Self { path, file, bytes: length, length, jobs: HashSet::new() };
        if length > 0 {
            journal.empty(trust)?;
        }
        Ok(journal)
    }

    /// Adds entries and syncs them, and sees to it that `spare` bytes more are on the disk.
    fn add(&mut self, entries: &[u8], spare: usize, trust: &Trust) -> io::Result<()> {
        trust.check()?;
        let end = self.bytes + entries.len() as u64;
        let written = if end + spare as u64 <= self.length {
            self.file.write_all_at(entries, self.bytes)
        } else {
            // A few jobs need only a few.
            let ahead = end.min(AHEAD_BYTES).max(spare as u64);
            self.length = end + ahead;
            self.file.write_all_at(&[entries, &vec![0; ahead as usize]].concat(), self.bytes)
        };
        if let Err(error) = written {
            // What is there of them must not be taken for entries after the next ones.
            self.cut(self.bytes, trust)?;
            return Err(error);
        }
        trust.sync_data(&self.file, &self.path)?;
        self.bytes = end;
        Ok(())
    }

    fn empty(&mut self, trust: &Trust) -> io::Result<()> {
        self.cut(0, trust)?;
        trust.sync(&self.file, &self.path)
    }

    fn cut(&mut self, bytes: u64, trust: &Trust) -> io::Result<()> {
        let cut = self.file.set_len(bytes);
        cut.inspect_err(|error| trust.lose(&format!("{} could not be cut: {error}", self.path.display())))?;
        (self.bytes, self.length) = (bytes, bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(mut bytes: &[u8]) -> Vec<Entry> {
        let mut entries = Vec::new();
        while let Some((entry, rest)) = read(bytes) {
            entries.push(entry);
            bytes = rest;
        }
        entries
    }

    #[test]
    fn an_entry_is_read_as_it_was_written_or_not_at_all() {
        let job = JobId::new();
        let files: [&[u8]; 3] = [b"{}", b"a photo\n", b""];
        let bytes = [arrival(job, &files), write(&Head { job, files: None }, &[])].concat();
        let arrived = Entry { job, files: Some(files.map(<[u8]>::to_vec).to_vec()) };
        assert_eq!(entries(&bytes), [arrived.clone(), Entry { job, files: None }]);
        let first = arrival(job, &files).len();
        assert_eq!(bytes.len() - first, GONE_BYTES);
        for end in 0..bytes.len() {
            assert_eq!(entries(&bytes[..end]).len(), usize::from(end >= first), "cut at {end}");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let whole = if at < first { &[][..] } else { std::slice::from_ref(&arrived) };
            assert_eq!(entries(&changed), whole, "changed at {at}");
        }
    }
}
