//! An upload on its way to the disk.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use protocol::ErrorCode;
use sha2::{Digest, Sha256};

use super::storage_refusal;
use crate::refusal::Refusal;

/// A file that an upload is written into. Dropping it removes the file unless it was settled.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    file: Option<File>,
    hasher: Sha256,
    bytes: u64,
    limit: u64,
}

impl Draft {
    pub(super) fn create(path: PathBuf, limit: u64) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        Ok(Self { path, file: Some(file), hasher: Sha256::new(), bytes: 0, limit })
    }

    /// Appends bytes. Blocks on the disk, if only for its cache: syncing happens once, when the job is made.
    ///
    /// # Errors
    /// `upload_too_large` beyond the limit; `storage_full` or `storage_failed` from the disk.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.bytes += bytes.len() as u64;
        if self.bytes > self.limit {
            return Err(Refusal::new(
                ErrorCode::UploadTooLarge,
                format!("the file is larger than limits.upload_bytes ({} bytes); send a smaller one", self.limit),
            ));
        }
        self.hasher.update(bytes);
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(bytes).map_err(|error| storage_refusal(&error))
    }

    /// Returns how many bytes have arrived.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.bytes
    }

    /// Says whether nothing has arrived.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Returns the SHA-256 of what has arrived, in lower-case hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> String {
        hex(&self.hasher.clone().finalize())
    }

    /// Returns where the file is until it is settled.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the whole upload back.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.bytes as usize);
        File::open(&self.path)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Moves the upload to its place, and returns it for syncing.
    pub(super) fn settle(mut self, place: &Path) -> io::Result<File> {
        fs::rename(&self.path, place)?;
        self.file.take().ok_or_else(|| io::Error::other("an upload is settled once"))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.file.is_some() {
            // A draft that can't be removed now goes at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Writes bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
