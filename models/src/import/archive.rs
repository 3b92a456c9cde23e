//! Archives of a folder, unpacked in memory: bounded in entries and bytes, plain files only.

use std::io::{self, Cursor, Read};
use std::path::{Component, Path};

use flate2::read::GzDecoder;

use super::{Files, ImportError};
use crate::package::PackageLimits;
use crate::text::printable;

/// The most entries an archive may have; the largest checkpoint known has 50.
const MOST_ENTRIES: usize = 1000;

/// What has been unpacked so far.
struct Unpacked {
    files: Files,
    entries: usize,
    bytes_left: u64,
    limit: u64,
}

/// Unpacks an archive; `None` when the bytes are none.
///
/// A folder that everything lies in is taken off the names. Dot files and what macOS adds are passed over.
pub(super) fn open(bytes: &[u8], limits: &PackageLimits) -> Result<Option<Files>, ImportError> {
    let limit = limits.weights_bytes;
    let mut unpacked = Unpacked { files: Files::new(), entries: 0, bytes_left: limit, limit };
    if bytes.starts_with(b"PK\x03\x04") {
        unzip(bytes, &mut unpacked)?;
    } else if bytes.starts_with(&[0x1f, 0x8b]) {
        // Twice the limit leaves room for tar's own blocks; what the entries hold is counted again below.
        let mut tar = GzDecoder::new(bytes).take(2 * limit + 1);
        // To its very end, where its checksum is.
        let read = untar(&mut tar, &mut unpacked)
            .and_then(|()| io::copy(&mut tar, &mut io::sink()).map_err(|error| invalid(&error)));
        if tar.limit() == 0 {
            return Err(unpacked.too_large());
        }
        read?;
    } else if bytes.get(257..262) == Some(b"ustar") {
        untar(bytes, &mut unpacked)?;
    } else {
        return Ok(None);
    }
    Ok(Some(without_common_folder(unpacked.files)))
}

fn unzip(bytes: &[u8], unpacked: &mut Unpacked) -> Result<(), ImportError> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| invalid(&error))?;
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|error| invalid(&error))?;
        let name = entry.name().map_err(|error| invalid(&error))?.into_owned();
        if entry.is_symlink() {
            return Err(hostile(&name, "a link"));
        }
        let is_file = !entry.is_dir();
        unpacked.add(&name, is_file, entry)?;
    }
    Ok(())
}

fn untar(bytes: impl Read, unpacked: &mut Unpacked) -> Result<(), ImportError> {
    let mut archive = tar::Archive::new(bytes);
    for entry in archive.entries().map_err(|error| invalid(&error))? {
        let entry = entry.map_err(|error| invalid(&error))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        if matches!(kind, tar::EntryType::XGlobalHeader | tar::EntryType::XHeader) {
            continue;
        }
        if kind.is_symlink() || kind.is_hard_link() {
            return Err(hostile(&name, "a link"));
        }
        if !kind.is_file() && !kind.is_dir() {
            return Err(hostile(&name, "neither a file nor a folder"));
        }
        unpacked.add(&name, kind.is_file(), entry)?;
    }
    Ok(())
}

impl Unpacked {
    fn add(&mut self, name: &str, is_file: bool, content: impl Read) -> Result<(), ImportError> {
        self.entries += 1;
        if self.entries > MOST_ENTRIES {
            return Err(ImportError::ArchiveTooLarge { limit: format!("{MOST_ENTRIES} entries") });
        }
        let path = Path::new(name);
        if name.contains(['\\', '\0', ':'])
            || !path.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir))
        {
            return Err(hostile(name, "a path that leads out of the folder"));
        }
        let parts: Vec<_> = path.components().filter(|c| *c != Component::CurDir).collect();
        let is_hidden = |c: &Component| c.as_os_str() == "__MACOSX" || c.as_os_str().to_string_lossy().starts_with('.');
        if !is_file || parts.iter().any(is_hidden) {
            return Ok(());
        }
        let mut bytes = Vec::new();
        content.take(self.bytes_left + 1).read_to_end(&mut bytes).map_err(|error| invalid(&error))?;
        let Some(left) = self.bytes_left.checked_sub(bytes.len() as u64) else {
            return Err(self.too_large());
        };
        self.bytes_left = left;
        let plain: Vec<_> = parts.iter().map(|c| c.as_os_str().to_string_lossy()).collect();
        if self.files.insert(plain.join("/"), bytes).is_some() {
            return Err(hostile(name, "there twice"));
        }
        Ok(())
    }

    fn too_large(&self) -> ImportError {
        ImportError::ArchiveTooLarge { limit: format!("{} bytes", self.limit) }
    }
}

/// Takes off the folder that all files lie in, if they do.
fn without_common_folder(files: Files) -> Files {
    let Some(folder) = files.keys().next().and_then(|name| Some(format!("{}/", name.split_once('/')?.0))) else {
        return files;
    };
    if !files.keys().all(|name| name.starts_with(&folder)) {
        return files;
    }
    files.into_iter().map(|(name, bytes)| (name[folder.len()..].to_owned(), bytes)).collect()
}

fn invalid(error: &dyn std::error::Error) -> ImportError {
    ImportError::ArchiveInvalid { detail: printable(&error.to_string()) }
}

fn hostile(entry: &str, what: &'static str) -> ImportError {
    ImportError::ArchiveHostile { entry: printable(entry), what }
}
