//! Streams that end with what let their readers in.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Error;
use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// How often it is asked whether who reads a stream may read it still.
const REVIEW: Duration = Duration::from_secs(5);

/// A body that ends early once its reader may no longer read it: a token that is removed, a session that is closed.
pub(super) struct Standing<F> {
    body: Body,
    stands: F,
    review: Interval,
}

impl<F: Fn() -> bool> Standing<F> {
    pub(super) fn new(body: Body, stands: F) -> Self {
        let mut review = interval_at(Instant::now() + REVIEW, REVIEW);
        review.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { body, stands, review }
    }
}

impl<F: Fn() -> bool + Unpin> http_body::Body for Standing<F> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        while self.review.poll_tick(cx).is_ready() {
            if !(self.stands)() {
                return Poll::Ready(None);
            }
        }
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
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures::stream;
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_soon_after_its_reader_may_no_longer_read_it() {
        let may_read = Arc::new(AtomicBool::new(true));
        let stands = {
            let may_read = Arc::clone(&may_read);
            move || may_read.load(Ordering::Relaxed)
        };
        let silent = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        let mut body = Standing::new(silent, stands);
        let patience = 3 * REVIEW;
        assert!(tokio::time::timeout(patience, body.frame()).await.is_err(), "it goes on");
        may_read.store(false, Ordering::Relaxed);
        assert!(tokio::time::timeout(patience, body.frame()).await.is_ok_and(|frame| frame.is_none()));
    }
}
