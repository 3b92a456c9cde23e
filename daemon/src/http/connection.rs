//! One connection: its timers, its limits, and how it ends.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, Version, header};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::Patience;
use super::accept::Visitor;
use super::body::{Arriving, Held};
use crate::grpc;
use crate::intake::Intake;

/// How long an answer given before the body was read may take to get through, and how much of the body is thrown away
/// meanwhile: a client that still sends would otherwise see a reset instead of the answer.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 64 << 20;

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) patience: Patience,
    pub(super) intake: Intake,
    pub(super) closing: CancellationToken,
}

/// What a connection is served for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Whatever it asks for.
    Anything,
    /// One question about health.
    Health,
}

/// What a connection is made of.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Has the system forget what was written and not taken when this is dropped. Without it, that stays in memory for
    /// a reader who may never come, and who doesn't learn that the connection has ended.
    fn forget_untaken(&self);
}

impl Socket for TcpStream {
    fn forget_untaken(&self) {
        // Where that can't be had, the system gives up by itself after some minutes.
        let _ = self.set_zero_linger();
    }
}

impl Socket for UnixStream {
    // What was written to it is the reader's already.
    fn forget_untaken(&self) {}
}

/// Serves one connection to its end.
pub(super) async fn converse<S: Socket>(visitor: Visitor<S>, router: Router, settings: Settings, purpose: Purpose) {
    let Visitor { guest, stream, peer } = visitor;
    let patience = settings.patience;
    let unread = Arc::new(AtomicBool::new(false));
    let service = {
        let (guest, unread, intake) = (Arc::clone(&guest), Arc::clone(&unread), settings.intake);
        hyper::service::service_fn(move |request: Request<Incoming>| {
            let (held, arrived, unread) = (guest.begin(), Arc::default(), Arc::clone(&unread));
            let is_call = grpc::is_call(request.uri().path());
            let limit = if is_call { u64::MAX } else { intake.config().limits.upload_bytes };
            let is_alone = request.version() < Version::HTTP_2;
            let mut request = request.map(|body| Body::new(Arriving::new(body, patience, limit, Arc::clone(&arrived))));
            request.extensions_mut().insert(peer);
            let answer = router.clone().call(request);
            async move {
                let mut response = answer.await?;
                // What is left of a body stands where the next request would: then this one is the last.
                let is_unread = is_alone && !arrived.load(Ordering::Relaxed);
                unread.fetch_or(is_unread, Ordering::Relaxed);
                if is_unread {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response.map(|body| Held::new(body, held)))
            }
        })
    };
    let io = TokioIo::new(Steady::new(stream, patience.reader, unread));
    let builder = builder(patience, purpose);
    let mut connection = pin!(builder.serve_connection(io, service));
    tokio::select! {
        ended = connection.as_mut() => return log(ended),
        // Others wait for its place: it is not even said goodbye to.
        () = guest.dismissed() => return,
        () = settings.closing.cancelled() => {}
        () = idle_for(patience.idle, guest.requests()) => {}
    }
    connection.as_mut().graceful_shutdown();
    if let Ok(ended) = tokio::time::timeout(patience.drain, connection).await {
        log(ended);
    }
}

fn log(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

fn builder(patience: Patience, purpose: Purpose) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head)
        .keep_alive(purpose == Purpose::Anything)
        .max_headers(100)
        .max_buf_size(64 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(64)
        .max_header_list_size(32 * 1024)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(100)
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_send_buf_size(64 * 1024)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

/// Returns once no request has been open for so long.
async fn idle_for(span: Duration, mut open: watch::Receiver<usize>) {
    loop {
        let is_idle = *open.borrow_and_update() == 0;
        tokio::select! {
            () = tokio::time::sleep(span), if is_idle => return,
            changed = open.changed() => if changed.is_err() { return },
        }
    }
}

/// A stream that gives up on a reader that takes nothing, and that lingers at its end when a body was left unread.
struct Steady<S> {
    stream: S,
    patience: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    unread: Arc<AtomicBool>,
    lingering: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S: Socket> Steady<S> {
    fn new(stream: S, patience: Duration, unread: Arc<AtomicBool>) -> Self {
        Self { stream, patience, stalled: None, unread, lingering: None }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, written: Poll<std::io::Result<T>>) -> Poll<std::io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.patience)));
        ready!(stalled.as_mut().poll(cx));
        self.stream.forget_untaken();
        Poll::Ready(Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "the reader takes nothing")))
    }

    /// Reads and forgets what still arrives, until the other side is done or it takes too long.
    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (until, left) = self.lingering.get_or_insert_with(|| (Box::pin(tokio::time::sleep(LINGER)), LINGER_BYTES));
        let mut scratch = [0; 8192];
        loop {
            if until.as_mut().poll(cx).is_ready() || *left == 0 {
                return Poll::Ready(());
            }
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => *left = left.saturating_sub(buffer.filled().len()),
                _ => return Poll::Ready(()),
            }
        }
    }
}

impl<S: Socket> AsyncRead for Steady<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: Socket> AsyncWrite for Steady<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        if self.lingering.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        }
        if self.unread.load(Ordering::Relaxed) {
            ready!(self.linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}
