//! Reading the files of a folder that may be hostile: bounded, opened once, never followed out of the folder.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::path::Path;

use super::PackageError;

/// The manifest's name in a package folder.
pub const MANIFEST_FILE: &str = "style.toml";
/// The weights' name in the package folders that are written here; a manifest may name another.
pub const WEIGHTS_FILE: &str = "weights.safetensors";
/// The preview's name in a package folder.
pub const PREVIEW_FILE: &str = "preview.jpg";

/// Reads a file of a folder whole; `None` when there is none.
pub(crate) fn read(folder: &Path, name: &str, limit: u64) -> Result<Option<Vec<u8>>, PackageError> {
    let file = || name.to_owned();
    let unreadable = |source| PackageError::Unreadable { file: file(), source };
    let Some(opened) = open(folder, name)? else {
        return Ok(None);
    };
    let about = opened.metadata().map_err(unreadable)?;
    if !about.is_file() {
        return Err(PackageError::NotAFile { file: file() });
    }
    if about.len() > limit {
        return Err(PackageError::TooLarge { file: file(), limit });
    }
    let mut bytes = Vec::with_capacity(about.len() as usize);
    // One byte beyond the limit shows a file that grows while it is read.
    opened.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(PackageError::TooLarge { file: file(), limit });
    }
    Ok(Some(bytes))
}

fn open(folder: &Path, name: &str) -> Result<Option<File>, PackageError> {
    let answer = || -> std::io::Result<Result<File, PackageError>> {
        let (root, real) = (folder.canonicalize()?, folder.join(name).canonicalize()?);
        if !real.starts_with(root) {
            return Ok(Err(PackageError::OutsideFolder { file: name.to_owned() }));
        }
        // A device or pipe is not even opened; one that takes the file's place meanwhile neither blocks nor is followed.
        if !real.symlink_metadata()?.is_file() {
            return Ok(Err(PackageError::NotAFile { file: name.to_owned() }));
        }
        let mut options = OpenOptions::new();
        #[cfg(unix)]
        {
            let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
            std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags.bits() as i32);
        }
        Ok(Ok(options.read(true).open(real)?))
    };
    match answer() {
        Ok(opened) => opened.map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(PackageError::Unreadable { file: name.to_owned(), source }),
    }
}
