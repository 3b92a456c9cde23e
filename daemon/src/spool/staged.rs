//! A new job's folder on its way into the spool.
//!
//! A job whose files are small is safe once the journal of arrivals has its entry, and its folder is written unsynced while
//! the entry is synced. Any other would be written twice that way, so its folder is written and synced first.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use protocol::JobId;
use tokio::sync::oneshot;

use super::{Draft, arrivals, artwork_name};
use crate::disk::Trust;

/// What a new job's folder is made from: its record, and its uploads, the picture and the artworks of a painting.
pub(super) struct Parts<'a> {
    pub(super) id: JobId,
    pub(super) record: &'a [u8],
    pub(super) input: Draft,
    pub(super) artworks: Vec<Draft>,
}

/// A new job at the spool's door.
#[derive(Debug)]
pub struct Arriving {
    pub(super) id: JobId,
    /// The entry that makes the job safe, unless its folder is.
    pub(super) entry: Option<Vec<u8>>,
    /// Its folder, which may still be being written.
    folder: oneshot::Receiver<io::Result<Staged>>,
}

/// The folder of a small new job, which is yet to be written; whoever lets the job in waits for that.
#[must_use = "somebody waits for it"]
pub struct Unwritten<'a> {
    parts: Parts<'a>,
    incoming: &'a Path,
    hand: oneshot::Sender<io::Result<Staged>>,
}

/// A new job's folder beside its place, whole. Dropping it removes it unless it was let in.
#[derive(Debug)]
struct Staged {
    id: JobId,
    folder: PathBuf,
    is_in: bool,
}

impl<'a> Parts<'a> {
    /// Returns the entry of a job that is small.
    pub(super) fn entry(&self) -> Option<Vec<u8>> {
        let uploads = std::iter::once(&self.input).chain(&self.artworks).map(Draft::small);
        let files: Option<Vec<_>> = std::iter::once(Some(self.record)).chain(uploads).collect();
        files.map(|files| arrivals::arrival(self.id, &files))
    }

    /// Brings a job to the door whose entry makes it safe.
    pub(super) fn with_entry(self, entry: Vec<u8>, incoming: &'a Path) -> (Arriving, Unwritten<'a>) {
        let (hand, folder) = oneshot::channel();
        let arriving = Arriving { id: self.id, entry: Some(entry), folder };
        (arriving, Unwritten { parts: self, incoming, hand })
    }

    /// Brings a job to the door whose folder is written and synced: all of it is written before the first sync, so that the
    /// system can put it on the disk together.
    pub(super) fn synced(self, incoming: &Path, trust: &Trust) -> io::Result<Arriving> {
        let (hand, folder) = oneshot::channel();
        let arriving = Arriving { id: self.id, entry: None, folder };
        let (staged, files) = self.write(incoming)?;
        staged.sync(&files, trust)?;
        let _ = hand.send(Ok(staged));
        Ok(arriving)
    }

    /// Writes the folder beside its place, and returns it with its files, for syncing.
    fn write(self, incoming: &Path) -> io::Result<(Staged, Vec<(File, PathBuf)>)> {
        let Self { id, record, input, artworks } = self;
        let folder = incoming.join(id.to_string());
        fs::create_dir(&folder)?;
        let staged = Staged { id, folder, is_in: false };
        let uploads = std::iter::once(("input".to_owned(), input)).chain((1..).map(artwork_name).zip(artworks));
        let mut files = Vec::new();
        for (name, upload) in uploads {
            let path = staged.folder.join(name);
            files.push((upload.settle(&path)?, path));
        }
        let path = staged.folder.join("job.json");
        let mut file = File::create(&path)?;
        file.write_all(record)?;
        files.push((file, path));
        Ok((staged, files))
    }
}

impl Unwritten<'_> {
    /// Writes the folder.
    pub fn write(self) {
        let staged = self.parts.write(self.incoming).map(|(staged, _)| staged);
        // Where nobody lets it in any more, it is removed.
        let _ = self.hand.send(staged);
    }
}

impl Arriving {
    /// Waits for the folder, and puts it into the list.
    pub(super) fn enter(self, list: &Path) -> io::Result<()> {
        let staged = self.folder.blocking_recv();
        staged.unwrap_or_else(|_| Err(io::Error::other("the thread that wrote the job's folder crashed")))?.rename(list)
    }
}

impl Staged {
    /// Makes the files and their names in the folder survive a power cut.
    fn sync(&self, files: &[(File, PathBuf)], trust: &Trust) -> io::Result<()> {
        let names = File::open(&self.folder)?;
        for (file, path) in files {
            trust.sync(file, path)?;
        }
        trust.sync(&names, &self.folder)
    }

    fn rename(mut self, list: &Path) -> io::Result<()> {
        fs::rename(&self.folder, list.join(self.id.to_string()))?;
        self.is_in = true;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.is_in {
            // Best effort: whatever stays in `incoming` goes at the next start.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}
