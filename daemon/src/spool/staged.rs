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
    /// What is to be synced.
    files: Vec<(File, PathBuf)>,
    is_in: bool,
}

impl Staged {
    pub(super) fn create(id: JobId, folder: PathBuf, entry: Option<Vec<u8>>) -> io::Result<Self> {
        fs::create_dir(&folder)?;
        Ok(Self { id, folder, entry, files: Vec::new(), is_in: false })
    }

    /// Returns the job's id.
    #[must_use]
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Takes an upload in.
    pub(super) fn take(&mut self, name: &str, upload: Draft) -> io::Result<()> {
        let path = self.folder.join(name);
        let file = upload.settle(&path)?;
        self.files.push((file, path));
        Ok(())
    }

    /// Writes a file.
    pub(super) fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.folder.join(name);
        let mut file = File::create(&path)?;
        file.write_all(bytes)?;
        self.files.push((file, path));
        Ok(())
    }

    /// Makes the files and their names in the folder survive a power cut.
    pub(super) fn sync(&mut self, trust: &Trust) -> io::Result<()> {
        let names = File::open(&self.folder)?;
        for (file, path) in self.files.drain(..) {
            trust.sync(&file, &path)?;
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
