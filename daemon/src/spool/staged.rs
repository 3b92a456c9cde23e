//! A new job's folder on its way into the spool.
//!
//! A job whose files are small is safe once the journal of arrivals has its entry, and its folder is written unsynced. Any
//! other would be written twice that way, so its folder is synced itself.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use protocol::JobId;

use super::Draft;
use crate::disk::Trust;

/// A new job's folder beside its place, whole. Dropping it removes it unless it was let in.
#[derive(Debug)]
pub struct Staged {
    id: JobId,
    folder: PathBuf,
    /// The entry that makes the job safe, unless its folder is.
    pub(super) entry: Option<Vec<u8>>,
    is_in: bool,
}

impl Staged {
    pub(super) fn create(id: JobId, folder: PathBuf, entry: Option<Vec<u8>>) -> io::Result<Self> {
        fs::create_dir(&folder)?;
        Ok(Self { id, folder, entry, is_in: false })
    }

    /// Returns the job's id.
    #[must_use]
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Takes an upload in, and returns the file for syncing.
    pub(super) fn take(&self, name: &str, upload: Draft) -> io::Result<(File, PathBuf)> {
        let path = self.folder.join(name);
        Ok((upload.settle(&path)?, path))
    }

    /// Writes a file, and returns it for syncing.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<(File, PathBuf)> {
        let path = self.folder.join(name);
        let mut file = File::create(&path)?;
        file.write_all(bytes)?;
        Ok((file, path))
    }

    /// Makes the files and their names in the folder survive a power cut.
    pub(super) fn sync(&self, files: &[(File, PathBuf)], trust: &Trust) -> io::Result<()> {
        let names = File::open(&self.folder)?;
        for (file, path) in files {
            trust.sync(file, path)?;
        }
        trust.sync(&names, &self.folder)
    }

    pub(super) fn rename(mut self, list: &Path) -> io::Result<()> {
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
