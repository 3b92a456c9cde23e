//! Uploads on their way to the disk, which async code does not wait for itself.

use std::sync::Arc;

use bytes::Bytes;

use super::blocking;
use crate::refusal::Refusal;
use crate::spool::{Draft, SMALL_BYTES, Spool};

/// How much of an upload is gathered before it is written: enough that going to another thread costs little beside it.
const PIECE_BYTES: usize = SMALL_BYTES;

/// How many chunks are gathered at most, since each holds the network's buffer that it came in.
const PIECE_CHUNKS: usize = 64;

/// An upload that is being received. What has arrived is gathered as it came, and hashed and written a good piece at a
/// time where blocking is allowed; one that is small stays in memory. After an error there is nothing to go on with.
#[derive(Debug)]
pub struct Receiving {
    spool: Arc<Spool>,
    limit: u64,
    /// What is written so far.
    draft: Option<Draft>,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
}

impl Receiving {
    /// Begins to receive a file of at most `limit` bytes. Nothing is written yet, but what there is no room for is
    /// refused before it is received.
    pub(super) fn begin(spool: &Arc<Spool>, limit: u64) -> Result<Self, Refusal> {
        spool.check_room()?;
        Ok(Self { spool: Arc::clone(spool), limit, draft: None, gathered: Vec::new(), gathered_bytes: 0 })
    }

    /// Takes in what has arrived.
    ///
    /// # Errors
    /// `upload_too_large` beyond the limit; `storage_full` or `storage_failed` from the disk.
    pub async fn write(mut self, chunk: Bytes) -> Result<Self, Refusal> {
        self.gathered_bytes += chunk.len();
        self.gathered.push(chunk);
        if self.gathered_bytes < PIECE_BYTES && self.gathered.len() < PIECE_CHUNKS {
            return Ok(self);
        }
        blocking(move || {
            self.draft = Some(self.write_out()?);
            Ok(self)
        })
        .await
    }

    /// Writes the rest, and returns the file once all of it is there.
    ///
    /// # Errors
    /// As when it is written.
    pub async fn finish(mut self) -> Result<Draft, Refusal> {
        if self.draft.is_none() && self.gathered_bytes <= SMALL_BYTES {
            return self.write_out();
        }
        blocking(move || self.write_out()).await
    }

    /// Returns the file as far as it has come, for whoever may block and writes the rest of it.
    ///
    /// # Errors
    /// As when it is written.
    pub(crate) fn draft_blocking(mut self) -> Result<Draft, Refusal> {
        self.write_out()
    }

    fn write_out(&mut self) -> Result<Draft, Refusal> {
        let mut draft = self.draft.take().unwrap_or_else(|| self.spool.draft(self.limit));
        self.gathered_bytes = 0;
        self.gathered.drain(..).try_for_each(|chunk| draft.write(&chunk))?;
        Ok(draft)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use protocol::ErrorCode;

    use super::*;

    fn spool(folder: &tempfile::TempDir) -> Arc<Spool> {
        Arc::new(Spool::open(folder.path(), 0).unwrap())
    }

    fn files(folder: &tempfile::TempDir) -> usize {
        std::fs::read_dir(folder.path().join("spool/incoming")).unwrap().count()
    }

    #[tokio::test]
    async fn whatever_pieces_it_comes_in_a_file_is_what_was_sent() {
        let folder = tempfile::tempdir().unwrap();
        let spool = spool(&folder);
        let sent: Vec<u8> = (0..700_000_u32).map(|at| (at % 251) as u8).collect();
        let mut digests = Vec::new();
        for chunk_bytes in [1_009, 64 << 10, PIECE_BYTES, 1 << 20] {
            let mut file = Receiving::begin(&spool, 1 << 20).unwrap();
            for chunk in sent.chunks(chunk_bytes) {
                file = file.write(Bytes::copy_from_slice(chunk)).await.unwrap();
                assert!(file.gathered_bytes < PIECE_BYTES && file.gathered.len() < PIECE_CHUNKS);
            }
            let draft = file.finish().await.unwrap();
            assert_eq!((draft.len(), draft.read().unwrap() == sent), (700_000, true), "in chunks of {chunk_bytes}");
            digests.push(draft.sha256());
        }
        digests.dedup();
        assert_eq!(digests.len(), 1);
        assert_eq!(files(&folder), 0, "what becomes of no job is removed");
    }

    #[tokio::test]
    async fn a_file_without_a_byte_is_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let draft = Receiving::begin(&spool(&folder), 9).unwrap().finish().await.unwrap();
        assert!(draft.is_empty() && draft.read().unwrap().is_empty());
    }

    #[tokio::test]
    async fn one_that_is_too_large_is_refused_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let spool = spool(&folder);
        let file = Receiving::begin(&spool, 9).unwrap().write(Bytes::from_static(b"0123456789")).await.unwrap();
        assert_eq!(file.finish().await.unwrap_err().code, ErrorCode::UploadTooLarge);
        let large = Bytes::from(vec![0; PIECE_BYTES]);
        let mut file = Receiving::begin(&spool, 2 * PIECE_BYTES as u64).unwrap();
        for _ in 0..2 {
            file = file.write(large.clone()).await.unwrap();
        }
        assert_eq!(files(&folder), 1);
        assert_eq!(file.write(large).await.unwrap_err().code, ErrorCode::UploadTooLarge);
        assert_eq!(files(&folder), 0);
    }
}
