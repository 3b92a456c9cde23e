//! Server-streamed files: one message that says what they are, then their bytes as fast as the reader takes them.

use std::io;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use protocol::ErrorCode;
use protocol::wire::Chunk;
use tokio::fs::File;
use tokio_util::io::ReaderStream;
use tonic::Status;

use crate::intake::ResultFile;
use crate::refusal::Refusal;

/// A file on its way to a caller.
pub(super) type Chunks = BoxStream<'static, Result<Chunk, Status>>;

const CHUNK_BYTES: usize = 256 * 1024;

/// Streams a job's result. The file stays readable to its end also when its retention ends meanwhile.
pub(super) async fn file(result: ResultFile) -> Result<Chunks, Refusal> {
    let file = File::open(&result.path).await.map_err(|error| unreadable(&error))?;
    let head = Chunk {
        media_type: Some(result.media_type),
        total_bytes: Some(result.bytes),
        sha256: Some(result.sha256),
        ..Chunk::default()
    };
    let body = ReaderStream::with_capacity(file, CHUNK_BYTES).map_err(|error| unreadable(&error).into());
    Ok(stream::once(async { Ok(head) }).chain(body.map_ok(data)).boxed())
}

/// Streams bytes that are in memory already.
pub(super) fn bytes(media_type: &str, mut whole: Bytes) -> Chunks {
    let head =
        Chunk { media_type: Some(media_type.to_owned()), total_bytes: Some(whole.len() as u64), ..Chunk::default() };
    let body = std::iter::from_fn(move || {
        let chunk = whole.split_to(whole.len().min(CHUNK_BYTES));
        (!chunk.is_empty()).then_some(data(chunk))
    });
    stream::iter(std::iter::once(head).chain(body).map(Ok)).boxed()
}

fn data(data: Bytes) -> Chunk {
    Chunk { data, ..Chunk::default() }
}

fn unreadable(error: &io::Error) -> Refusal {
    if error.kind() == io::ErrorKind::NotFound {
        return Refusal::new(ErrorCode::ResultGone, "the result's retention has ended");
    }
    Refusal::new(ErrorCode::StorageFailed, format!("the result can't be read: {error}"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use protocol::JobId;

    use super::*;

    async fn collect(chunks: Chunks) -> (Chunk, Vec<Bytes>) {
        let mut messages: Vec<Chunk> = chunks.try_collect().await.unwrap();
        let head = messages.remove(0);
        (head, messages.into_iter().map(|chunk| chunk.data).collect())
    }

    #[tokio::test]
    async fn a_result_comes_in_chunks_after_its_description() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.png");
        let content: Vec<u8> = (0..1_000_000_u32).map(|i| (i % 251) as u8).collect();
        std::fs::write(&path, &content).unwrap();
        let result = |path| ResultFile {
            job: JobId::new(),
            path,
            media_type: "image/png".to_owned(),
            bytes: 1_000_000,
            sha256: "00".to_owned(),
            name: "result.png".to_owned(),
        };
        let (head, chunks) = collect(file(result(path)).await.unwrap()).await;
        assert_eq!((head.media_type.as_deref(), head.total_bytes), (Some("image/png"), Some(1_000_000)));
        assert!(chunks.iter().all(|chunk| (1..=CHUNK_BYTES).contains(&chunk.len())));
        assert!(chunks.len() >= 4 && chunks.concat() == content);
        let gone = file(result(folder.path().join("gone"))).await.err().unwrap();
        assert_eq!(gone.code, ErrorCode::ResultGone);
    }

    #[tokio::test]
    async fn a_picture_in_memory_comes_the_same_way() {
        let content = Bytes::from(vec![7; CHUNK_BYTES + 1]);
        let (head, chunks) = collect(bytes("image/jpeg", content.clone())).await;
        assert_eq!(head.total_bytes, Some(content.len() as u64));
        assert_eq!(chunks.iter().map(Bytes::len).collect::<Vec<_>>(), [CHUNK_BYTES, 1]);
        assert_eq!(collect(bytes("image/jpeg", Bytes::new())).await.1.len(), 0);
    }
}
