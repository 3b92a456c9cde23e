//! A new job's folder on its way into the spool.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use protocol::JobId;

use super::Draft;

/// A new job's folder beside its place: written whole, and safe once its parts are synced. Dropping it removes it unless
/// it was let in.
#[derive(Debug)]
pub struct Staged {
    id: JobId,
    folder: PathBuf,
    parts: Vec<Part>,
    is_in: bool,
}

/// What has to be synced of a new job's folder: one of its files, or the names in it.
#[derive(Debug)]
pub struct Part {
    pub(super) file: File,
    pub(super) path: PathBuf,
}

impl Staged {
    pub(super) fn create(id: JobId, folder: PathBuf) -> io::Result<Self> {
        fs::create_dir(&folder)?;
        Ok(Self { id, folder, parts: Vec::new(), is_in: false })
    }

    /// Takes an upload in.
    pub(super) fn take(&mut self, name: &str, upload: Draft) -> io::Result<()> {
        let path = self.folder.join(name);
        let file = upload.settle(&path)?;
        self.parts.push(Part { file, path });
        Ok(())
    }

    /// Writes a file.
    pub(super) fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.folder.join(name);
        let mut file = File::create(&path)?;
        file.write_all(bytes)?;
        self.parts.push(Part { file, path });
        Ok(())
    }

    /// Ends the writing: the folder's names are its last part.
    pub(super) fn close(&mut self) -> io::Result<()> {
        let file = File::open(&self.folder)?;
        self.parts.push(Part { file, path: self.folder.clone() });
        Ok(())
    }

    /// Gives its parts away, to be synced.
    #[must_use]
    pub fn parts(&mut self) -> Vec<Part> {
        std::mem::take(&mut self.parts)
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
