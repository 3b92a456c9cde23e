//! Writing into the folder of styles so that no crash, and no reader, ever meets half a style.
//!
//! A new version is staged under a dot name, which scans pass over, made safe on the disk, and exchanged with what has
//! the name: one step of the file system. A style that is removed takes a dot name in one step, then is deleted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use models::package::{Package, PackageLimits};
use protocol::StyleName;

use crate::error::RegistryError;
use crate::listing::FILE_ENDING;
use crate::verdict;

/// Held while the folder is written to, also against other processes.
const LOCK: &str = ".lock";
/// Where a new version is put together, and where the old one ends up.
const STAGING: &str = ".staging";
/// Where a removed style waits for its deletion.
const REMOVED: &str = ".removed";
/// Begins the name under which an old version steps aside where a file system can't exchange two names.
const REPLACED: &str = ".replaced-";

/// What becomes of a style that has the name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// It makes way.
    Replaced,
    /// It stays, and nothing is published.
    Respected,
}

/// The one that writes into the folder; one write at a time.
#[derive(Debug)]
pub(crate) struct Writer {
    folder: PathBuf,
    turn: Mutex<()>,
}

/// The right to write, given back when dropped.
struct Turn<'a> {
    _here: MutexGuard<'a, ()>,
    _everywhere: File,
}

impl Writer {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), turn: Mutex::new(()) }
    }

    /// Puts right what a crash has left behind, unless another process is writing.
    pub(crate) fn clear_leftovers(&self) {
        let cleared = self.lock_file().and_then(|file| match file.try_lock() {
            Ok(()) => self.clear(),
            Err(_) => Ok(()),
        });
        if let Err(error) = cleared {
            tracing::warn!(folder = %self.folder.display(), %error, "folder of styles can't be written to");
        }
    }

    /// Puts a package in the place of a style.
    pub(crate) fn publish(
        &self,
        name: &StyleName,
        package: &Package,
        limits: &PackageLimits,
        existing: Existing,
    ) -> Result<(), RegistryError> {
        fs::create_dir_all(&self.folder).map_err(RegistryError::storage(&self.folder))?;
        let _turn = self.turn().map_err(RegistryError::storage(&self.folder))?;
        if existing == Existing::Respected && self.is_taken(name) {
            return self.compare(name, package, limits);
        }
        let staging = self.folder.join(STAGING);
        let staged = write_safely(package, &staging).map_err(RegistryError::storage(&staging)).and_then(|()| {
            // Read back as a scan will: what it would refuse must not take the place of a good version.
            Package::read_folder(&staging, limits)
                .map_err(|error| RegistryError::Refused { name: name.clone(), problem: verdict::describe(&error) })
        });
        let target = self.folder.join(name.as_str());
        let moved = staged.and_then(|_| {
            let is_put = match existing {
                Existing::Replaced => put(&staging, &target).map(|()| true),
                // A lone file counts less than a folder, and would no longer be seen.
                Existing::Respected if !is_absent(&self.lone_file(name)) => Ok(false),
                Existing::Respected => put_where_nothing_is(&staging, &target),
            };
            if is_put.map_err(RegistryError::storage(&target))? {
                sync(&self.folder).map_err(RegistryError::storage(&target))
            } else {
                // Somebody has copied a style there meanwhile.
                self.compare(name, package, limits)
            }
        });
        if moved.is_ok() && existing == Existing::Replaced {
            // A lone file of the name would come to light again when the folder is removed.
            log_failure(delete(&self.lone_file(name)));
        }
        log_failure(delete(&staging));
        moved
    }

    /// Removes a style's folder and file.
    pub(crate) fn remove(&self, name: &StyleName) -> Result<(), RegistryError> {
        let storage = RegistryError::storage;
        if is_absent(&self.folder) {
            return Err(RegistryError::NotFound { name: name.clone() });
        }
        let _turn = self.turn().map_err(storage(&self.folder))?;
        let removed = self.folder.join(REMOVED);
        let mut is_found = false;
        // The folder last: it is what counts, so a crash in between has removed nothing that can be seen.
        for path in [self.lone_file(name), self.folder.join(name.as_str())] {
            delete(&removed).map_err(storage(&removed))?;
            match fs::rename(&path, &removed) {
                Ok(()) => is_found = true,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(storage(&path)(error)),
            }
        }
        if !is_found {
            return Err(RegistryError::NotFound { name: name.clone() });
        }
        sync(&self.folder).map_err(storage(&self.folder))?;
        log_failure(delete(&removed));
        Ok(())
    }

    /// Takes the style that has the name for this one, if it paints the same.
    fn compare(&self, name: &StyleName, package: &Package, limits: &PackageLimits) -> Result<(), RegistryError> {
        let is_same = self.read(name, limits).is_some_and(|there| there.digest == package.digest);
        if is_same { Ok(()) } else { Err(RegistryError::Exists { name: name.clone() }) }
    }

    /// Says whether anything has a style's name, good or broken.
    fn is_taken(&self, name: &StyleName) -> bool {
        !is_absent(&self.folder.join(name.as_str())) || !is_absent(&self.lone_file(name))
    }

    /// Reads the style that has a name, if it is good; a folder counts before a file, as in a scan.
    fn read(&self, name: &StyleName, limits: &PackageLimits) -> Option<Package> {
        let folder = self.folder.join(name.as_str());
        let read = if is_absent(&folder) {
            Package::read_file(&self.lone_file(name), limits)
        } else {
            Package::read_folder(&folder, limits)
        };
        read.ok()
    }

    fn lone_file(&self, name: &StyleName) -> PathBuf {
        self.folder.join(format!("{name}{FILE_ENDING}"))
    }

    fn turn(&self) -> io::Result<Turn<'_>> {
        let here = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let file = self.lock_file()?;
        match file.lock() {
            // Some network folders have no locks; then this process alone takes turns.
            Err(error) if error.kind() != ErrorKind::Unsupported => return Err(error),
            _ => self.clear()?,
        }
        Ok(Turn { _here: here, _everywhere: file })
    }

    fn lock_file(&self) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(self.folder.join(LOCK))
    }

    fn clear(&self) -> io::Result<()> {
        delete(&self.folder.join(STAGING))?;
        delete(&self.folder.join(REMOVED))?;
        for item in fs::read_dir(&self.folder)? {
            let item = item?;
            let file_name = item.file_name();
            let Some(name) = file_name.to_str().and_then(|name| name.strip_prefix(REPLACED)) else { continue };
            let target = self.folder.join(name);
            if name.parse::<StyleName>().is_ok() && is_absent(&target) {
                fs::rename(item.path(), target)?;
                sync(&self.folder)?;
            } else {
                delete(&item.path())?;
            }
        }
        Ok(())
    }
}

/// Writes a package into a new folder and makes it safe on the disk.
fn write_safely(package: &Package, folder: &Path) -> io::Result<()> {
    fs::create_dir(folder)?;
    package.write_folder(folder)?;
    for file in fs::read_dir(folder)? {
        sync(&file?.path())?;
    }
    sync(folder)
}

/// Makes a file's contents, or a folder's names, safe on the disk.
pub(crate) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Deletes whatever has this path, if anything has; links are not followed.
pub(crate) fn delete(path: &Path) -> io::Result<()> {
    let deleted = match fs::symlink_metadata(path) {
        Ok(about) if about.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    deleted.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

fn is_absent(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

fn log_failure(cleaned: io::Result<()>) {
    if let Err(error) = cleaned {
        tracing::warn!(%error, "a leftover in the folder of styles can't be deleted");
    }
}

/// Gives the staged folder the style's name; what had the name is then at the staged folder's, or gone.
fn put(staged: &Path, target: &Path) -> io::Result<()> {
    match exchange(staged, target) {
        Err(error) if error.kind() == ErrorKind::NotFound => fs::rename(staged, target),
        Err(error) if is_unknown_to_file_system(&error) => put_in_two_steps(staged, target),
        done => done,
    }
}

/// Gives the staged folder the style's name unless something has it; says whether it did.
fn put_where_nothing_is(staged: &Path, target: &Path) -> io::Result<bool> {
    use ErrorKind::{AlreadyExists, DirectoryNotEmpty, NotADirectory};
    let renamed = match rename_to_nothing(staged, target) {
        // A folder takes the place of no file this way either, nor of a folder that has anything in it.
        Err(error) if is_unknown_to_file_system(&error) => fs::rename(staged, target),
        renamed => renamed,
    };
    match renamed {
        Err(error) if matches!(error.kind(), AlreadyExists | DirectoryNotEmpty | NotADirectory) => Ok(false),
        renamed => renamed.map(|()| true),
    }
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn exchange(a: &Path, b: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE)?)
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn rename_to_nothing(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn rename_to_nothing(_from: &Path, _to: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn exchange(_a: &Path, _b: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

fn is_unknown_to_file_system(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported)
}

/// The same for file systems that can't exchange; [`Writer::clear`] mends a crash between the steps.
fn put_in_two_steps(staged: &Path, target: &Path) -> io::Result<()> {
    let name = target.file_name().unwrap_or_default();
    let aside = target.with_file_name(format!("{REPLACED}{}", name.display()));
    match fs::rename(target, &aside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => fs::rename(staged, target)?,
    }
    log_failure(delete(&aside));
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn a_style_that_came_meanwhile_stays() {
        let folder = tempfile::tempdir().unwrap();
        let [staged, target] = ["staged", "wave"].map(|name| folder.path().join(name));
        let stage = || fs::create_dir_all(&staged).and_then(|()| fs::write(staged.join("style.toml"), "new")).unwrap();
        fs::create_dir(&target).unwrap();
        stage();
        assert!(!put_where_nothing_is(&staged, &target).unwrap(), "somebody is about to copy a style there");
        let makers: [fn(&Path); 2] = [
            |target| fs::write(target, "a person's").unwrap(),
            |target| fs::create_dir(target).and_then(|()| fs::write(target.join("style.toml"), "a person's")).unwrap(),
        ];
        for make in makers {
            delete(&target).unwrap();
            stage();
            make(&target);
            assert!(!put_where_nothing_is(&staged, &target).unwrap());
            let kept = if target.is_dir() { target.join("style.toml") } else { target.clone() };
            assert_eq!(fs::read_to_string(kept).unwrap(), "a person's");
        }
        delete(&target).unwrap();
        assert!(put_where_nothing_is(&staged, &target).unwrap());
        assert_eq!(fs::read_to_string(target.join("style.toml")).unwrap(), "new");
    }
}
