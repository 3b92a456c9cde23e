//! Bodies on their way in and out.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use protocol::ErrorCode;
use tokio::time::{Instant, Sleep};

use super::Patience;
use crate::refusal::Refusal;

/// Why a body can't be read to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the body arrives too slowly")]
    TooSlow,
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
    #[error("the head of a part is too long")]
    HeadTooLong,
    #[error("the body ended early")]
    Broken(#[source] Box<dyn Error + Send + Sync>),
}

impl BodyError {
    fn refusal(&self) -> Refusal {
        match self {
            Self::TooSlow => Refusal::new(ErrorCode::RequestTimeout, "the body did not arrive in time"),
            Self::TooLarge(limit) => too_large(*limit),
            Self::HeadTooLong => {
                Refusal::new(ErrorCode::MalformedRequest, "the head of one of the form's parts is too long")
            }
            Self::Broken(_) => Refusal::new(ErrorCode::MalformedRequest, "the body ended before its end"),
        }
    }
}

/// Refuses a body for its size.
pub(super) fn too_large(limit: u64) -> Refusal {
    let detail = format!("the body is larger than limits.upload_bytes, {limit} bytes");
    Refusal::new(ErrorCode::UploadTooLarge, detail)
}

/// Finds what a reader's error was about: the body, or something of the reader's own.
pub(super) fn read_refusal(error: &(dyn Error + 'static)) -> Option<Refusal> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<BodyError>() {
            return Some(error.refusal());
        }
        cause = error.source();
    }
    None
}

/// A request's body: bounded in size, and it must keep coming. Only the time that the daemon waits for it counts.
pub(super) struct Arriving<B> {
    body: B,
    patience: Patience,
    limit: u64,
    received: u64,
    /// What came since the span of waiting began, and how long of it has been waited.
    span_bytes: u64,
    waited: Duration,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    arrived: Arc<AtomicBool>,
}

impl<B: Body> Arriving<B> {
    /// `arrived` becomes true with the last byte.
    pub(super) fn new(body: B, patience: Patience, limit: u64, arrived: Arc<AtomicBool>) -> Self {
        arrived.store(body.is_end_stream(), Ordering::Relaxed);
        Self { body, patience, limit, received: 0, span_bytes: 0, waited: Duration::ZERO, waiting: None, arrived }
    }

    fn count(&mut self, bytes: u64) -> Result<(), BodyError> {
        self.received += bytes;
        self.span_bytes += bytes;
        if self.received > self.limit {
            return Err(BodyError::TooLarge(self.limit));
        }
        if let Some((since, _)) = self.waiting.take() {
            self.waited += since.elapsed();
        }
        if self.waited >= self.patience.body {
            self.end_span()?;
        }
        Ok(())
    }

    fn end_span(&mut self) -> Result<(), BodyError> {
        let enough = self.span_bytes >= self.patience.body_bytes;
        (self.span_bytes, self.waited, self.waiting) = (0, Duration::ZERO, None);
        if enough { Ok(()) } else { Err(BodyError::TooSlow) }
    }

    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        loop {
            let left = self.patience.body.saturating_sub(self.waited);
            let (_, sleep) = self.waiting.get_or_insert_with(|| (Instant::now(), Box::pin(tokio::time::sleep(left))));
            ready!(sleep.as_mut().poll(cx));
            if let Err(error) = self.end_span() {
                return Poll::Ready(error);
            }
        }
    }
}

impl<B> Body for Arriving<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => return self.wait(cx).map(|error| Some(Err(error))),
            Poll::Ready(frame) => frame,
        };
        Poll::Ready(match frame {
            None => {
                self.arrived.store(true, Ordering::Relaxed);
                None
            }
            Some(Err(error)) => Some(Err(BodyError::Broken(error.into()))),
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                self.arrived.store(self.body.is_end_stream(), Ordering::Relaxed);
                Some(self.count(bytes).map(|()| frame))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body that holds something until its last byte is gone.
pub(super) struct Held<B, G> {
    body: B,
    _held: G,
}

impl<B, G> Held<B, G> {
    pub(super) fn new(body: B, held: G) -> Self {
        Self { body, _held: held }
    }
}

impl<B: Body + Unpin, G: Unpin> Body for Held<B, G> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use futures::StreamExt;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    /// Reads a body whose chunks of so many bytes come after so many seconds each.
    async fn read(chunks: &'static [(u64, usize)], limit: u64) -> Result<usize, BodyError> {
        let stream = futures::stream::iter(chunks).then(|(seconds, bytes)| async move {
            tokio::time::sleep(Duration::from_secs(*seconds)).await;
            Ok::<_, BodyError>(Frame::data(Bytes::from(vec![0; *bytes])))
        });
        let patience = Patience { body: Duration::from_secs(20), body_bytes: 1000, ..Patience::default() };
        let body = StreamBody::new(Box::pin(stream));
        Ok(Arriving::new(body, patience, limit, Arc::default()).collect().await?.to_bytes().len())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_must_keep_coming() {
        assert_eq!(read(&[(19, 1), (0, 1)], 9).await.unwrap(), 2, "a small one may take one span");
        assert_eq!(read(&[(9, 600), (9, 600), (9, 600), (9, 600), (9, 600)], 9999).await.unwrap(), 3000);
        assert!(matches!(read(&[(21, 1000)], 9999).await, Err(BodyError::TooSlow)), "it stalls");
        assert!(matches!(read(&[(1, 9); 90], 9999).await, Err(BodyError::TooSlow)), "it trickles");
    }

    #[tokio::test]
    async fn a_body_without_a_length_is_bounded_too() {
        assert_eq!(read(&[(0, 5), (0, 5)], 10).await.unwrap(), 10);
        assert!(matches!(read(&[(0, 5), (0, 6)], 10).await, Err(BodyError::TooLarge(10))));
    }

    #[tokio::test(start_paused = true)]
    async fn time_that_the_daemon_takes_itself_does_not_count() {
        let stream =
            futures::stream::iter([1, 2, 3]).map(|_| Ok::<_, BodyError>(Frame::data(Bytes::from_static(b"x"))));
        let mut body = Arriving::new(StreamBody::new(stream), Patience::default(), 9, Arc::default());
        let mut frames = 0;
        while let Some(frame) = body.frame().await {
            frame.unwrap();
            frames += 1;
            tokio::time::sleep(Duration::from_secs(100)).await;
        }
        assert_eq!(frames, 3);
    }
}
