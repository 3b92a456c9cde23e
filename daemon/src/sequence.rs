//! Event numbers: they only grow, also across crashes and a lost index.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{sync_folder, write_synced};

/// How many numbers are set aside with one write.
const BLOCK: u64 = 100_000;

/// Gives out numbers. A block is set aside on the disk before its first number is used; what is left of it is
/// skipped at the next start, so a number is never given twice.
#[derive(Debug)]
pub(crate) struct Sequence {
    file: PathBuf,
    next: u64,
    set_aside: u64,
}

impl Sequence {
    /// Continues after every number that was ever given, and after `seen`.
    ///
    /// # Errors
    /// Those of the file system, and a damaged file.
    pub(crate) fn open(data: &Path, seen: u64) -> io::Result<Self> {
        let file = data.join("sequence");
        let stored = match fs::read(&file) {
            Ok(bytes) => read(&bytes).unwrap_or_else(|| {
                // Numbers must not go back: skip far ahead of anything that can have been given.
                tracing::warn!(file = %file.display(), "the event counter is damaged; skipping ahead");
                seen + 1000 * BLOCK
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 1,
            Err(error) => return Err(error),
        };
        let next = stored.max(seen + 1);
        Ok(Self { file, next, set_aside: next })
    }

    /// Returns the largest number that may have been given out so far.
    #[must_use]
    pub(crate) fn last_given(&self) -> u64 {
        self.next - 1
    }

    /// Returns the next number.
    ///
    /// # Errors
    /// Those of the file system, when a new block can't be set aside.
    pub(crate) fn next(&mut self) -> io::Result<u64> {
        if self.next == self.set_aside {
            let end = self.next + BLOCK;
            let staging = self.file.with_extension("new");
            write_synced(&staging, end.to_string().as_bytes())?;
            fs::rename(&staging, &self.file)?;
            if let Some(folder) = self.file.parent() {
                sync_folder(folder)?;
            }
            self.set_aside = end;
        }
        self.next += 1;
        Ok(self.next - 1)
    }
}

/// Reads a stored number; one that leaves no room to count on is none.
fn read(bytes: &[u8]) -> Option<u64> {
    std::str::from_utf8(bytes).ok()?.trim().parse().ok().filter(|number| *number < u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn numbers_only_grow_also_after_a_crash() {
        let data = tempfile::tempdir().unwrap();
        let mut last = 0;
        for _ in 0..3 {
            // Dropping without any goodbye is what a crash leaves.
            let mut sequence = Sequence::open(data.path(), 0).unwrap();
            for _ in 0..5 {
                let next = sequence.next().unwrap();
                assert!(next > last);
                last = next;
            }
        }
    }

    #[test]
    fn a_damaged_counter_skips_ahead_of_what_was_seen() {
        let data = tempfile::tempdir().unwrap();
        for damaged in [b"nonsense".as_slice(), b"", b"10\xff001", b"18446744073709551615"] {
            fs::write(data.path().join("sequence"), damaged).unwrap();
            assert!(Sequence::open(data.path(), 7).unwrap().next().unwrap() > 7 + BLOCK);
        }
    }
}
