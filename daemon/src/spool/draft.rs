//! An upload on its way to the disk.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use protocol::ErrorCode;
use sha2::{Digest, Sha256};

use super::storage_refusal;
use crate::refusal::Refusal;

/// How large an upload may be to be kept in memory until its job is made: enough for most small pictures, and little
/// enough that a thousand of them take no memory to speak of.
pub(crate) const SMALL_BYTES: usize = 128 << 10;

/// An upload as far as it has come. What becomes of no job leaves nothing behind.
#[derive(Debug)]
pub struct Draft {
    content: Content,
    hasher: Sha256,
    bytes: u64,
    limit: u64,
}

#[derive(Debug)]
enum Content {
    /// A small one, and where it is written once it is not.
    Memory(Vec<u8>, PathBuf),
    /// A large one.
    Disk(Written),
}

/// A file that is removed unless it is put in its place.
#[derive(Debug)]
struct Written {
    path: PathBuf,
    file: File,
    is_settled: bool,
}

impl Draft {
    pub(super) fn new(path: PathBuf, limit: u64) -> Self {
        Self { content: Content::Memory(Vec::new(), path), hasher: Sha256::new(), bytes: 0, limit }
    }

    /// Appends bytes. Blocks on the disk once there are more than 128 KiB, if only for its cache: syncing happens
    /// once, when the job is made.
    ///
    /// # Errors
    /// `upload_too_large` beyond the limit; `storage_full` or `storage_failed` from the disk.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.bytes += bytes.len() as u64;
        if self.bytes > self.limit {
            return Err(Refusal::new(
                ErrorCode::UploadTooLarge,
                format!(
                    "the file is larger than the {} bytes that are taken; send a smaller one, or raise \
                     limits.upload_bytes",
                    self.limit
                ),
            ));
        }
        self.hasher.update(bytes);
        self.append(bytes).map_err(|error| storage_refusal(&error))
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.content {
            Content::Disk(written) => written.file.write_all(bytes),
            Content::Memory(small, _) if small.len() + bytes.len() <= SMALL_BYTES => {
                small.extend_from_slice(bytes);
                Ok(())
            }
            Content::Memory(small, path) => {
                let mut written = Written::create(std::mem::take(path))?;
                written.file.write_all(small)?;
                written.file.write_all(bytes)?;
                self.content = Content::Disk(written);
                Ok(())
            }
        }
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

    /// Returns the whole upload where it is in memory.
    pub(super) fn small(&self) -> Option<&[u8]> {
        match &self.content {
            Content::Memory(bytes, _) => Some(bytes),
            Content::Disk(_) => None,
        }
    }

    /// Reads the whole upload back.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn read(&self) -> io::Result<Cow<'_, [u8]>> {
        match &self.content {
            Content::Memory(bytes, _) => Ok(Cow::Borrowed(bytes)),
            Content::Disk(written) => {
                let mut bytes = Vec::with_capacity(self.bytes as usize);
                File::open(&written.path)?.read_to_end(&mut bytes)?;
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// Puts the upload in its place, and returns the file for syncing.
    pub(super) fn settle(self, place: &Path) -> io::Result<File> {
        match self.content {
            Content::Memory(bytes, _) => {
                let mut file = File::create(place)?;
                file.write_all(&bytes)?;
                Ok(file)
            }
            Content::Disk(mut written) => {
                fs::rename(&written.path, place)?;
                written.is_settled = true;
                written.file.try_clone()
            }
        }
    }
}

impl Written {
    fn create(path: PathBuf) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        Ok(Self { path, file, is_settled: false })
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if !self.is_settled {
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
