//! Making things survive a power cut: a file's bytes are safe once the file is synced, its name once its folder is.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::OnceLock;

/// Makes a folder, and what it lies in, so that their names survive a power cut; also where an earlier start made them
/// and ended before they were safe.
///
/// # Errors
/// Those of the file system.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    let Some(parent) = folder.parent() else { return Ok(()) };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    if folder.is_dir() {
        // Whoever else made it may not let this one look into what it lies in.
        let _ = sync_folder(parent);
        return Ok(());
    }
    make_folder(parent)?;
    fs::create_dir(folder)?;
    sync_folder(parent)
}

/// Makes renames and new names in a folder survive a power cut.
///
/// # Errors
/// Those of the file system.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Writes a new file whose bytes survive a power cut; its name does once its folder is synced.
///
/// # Errors
/// Those of the file system.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_data()
}

/// Whether the system can sync all that a file system holds at once.
pub(crate) const CAN_SYNC_ALL: bool = cfg!(target_os = "linux");

#[cfg(target_os = "linux")]
fn sync_file_system(file: &File) -> io::Result<()> {
    Ok(nix::unistd::syncfs(file)?)
}

#[cfg(not(target_os = "linux"))]
fn sync_file_system(_: &File) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether every sync has succeeded so far. After one that has not, nobody knows what is on the disk: the system may have
/// dropped what it could not write, and says "done" the next time. So nothing is written any more, and never tried again.
#[derive(Debug, Default)]
pub(crate) struct Trust(OnceLock<String>);

impl Trust {
    /// Returns what failed first, if anything has.
    pub(crate) fn lost(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }

    /// Refuses once a sync has failed.
    ///
    /// # Errors
    /// It names the sync.
    pub(crate) fn check(&self) -> io::Result<()> {
        self.lost().map_or(Ok(()), |problem| Err(io::Error::other(problem.to_owned())))
    }

    /// Syncs what was opened or written under this path, and remembers when that fails.
    ///
    /// # Errors
    /// Those of the file system, and every earlier one.
    pub(crate) fn sync(&self, file: &File, path: &Path) -> io::Result<()> {
        self.sync_by(File::sync_all, file, path)
    }

    /// Syncs a file's bytes and its length, but not when it was changed, and remembers when that fails.
    ///
    /// # Errors
    /// Those of the file system, and every earlier one.
    pub(crate) fn sync_data(&self, file: &File, path: &Path) -> io::Result<()> {
        self.sync_by(File::sync_data, file, path)
    }

    fn sync_by(&self, sync: impl FnOnce(&File) -> io::Result<()>, file: &File, path: &Path) -> io::Result<()> {
        self.check()?;
        sync(file).inspect_err(|error| self.lose(&format!("{} could not be synced: {error}", path.display())))
    }

    /// Syncs everything on the file system that a file or folder lies on, and remembers when that fails. The file was
    /// opened long before: an error is told to whoever had one open when it came.
    ///
    /// # Errors
    /// Those of the file system, and every earlier one.
    pub(crate) fn sync_all(&self, file: &File, path: &Path) -> io::Result<()> {
        self.check()?;
        sync_file_system(file)
            .inspect_err(|error| self.lose(&format!("the disk of {} could not be synced: {error}", path.display())))
    }

    /// Takes note of something after which nobody knows what is on the disk.
    pub(crate) fn lose(&self, problem: &str) {
        tracing::error!(problem, "the disk can't be trusted; nothing is accepted until a restart");
        // The first one counts.
        let _ = self.0.set(problem.to_owned());
    }

    /// Writes a new file and syncs it.
    ///
    /// # Errors
    /// Those of the file system, and every earlier one.
    pub(crate) fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.check()?;
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        self.sync(&file, path)
    }

    /// Renames into another folder, or within one, and syncs the folder of the new name. It is opened first, so that a
    /// failure from here on is told to this caller, whoever else syncs the same folder.
    ///
    /// # Errors
    /// Those of the file system, and every earlier one.
    pub(crate) fn rename(&self, from: &Path, to: &Path, folder: &Path) -> io::Result<()> {
        self.check()?;
        let opened = File::open(folder)?;
        fs::rename(from, to)?;
        self.sync(&opened, folder)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn a_folder_is_made_with_all_it_lies_in_and_may_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b/c");
        make_folder(&deep).unwrap();
        make_folder(&deep).unwrap();
        assert!(deep.is_dir());
        fs::write(deep.join("file"), "x").unwrap();
        assert!(make_folder(&deep.join("file")).is_err());
    }
}
