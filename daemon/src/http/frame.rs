//! What surrounds every request: its id, its span, its metrics, the form of refusals, and the promise that none is
//! ever answered with 500.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use protocol::ErrorCode;
use tracing::Instrument;

use super::refused::{Dialect, Refused};
use super::server::Server;
use crate::refusal::Refusal;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What every answer says to browsers, unless its handler said something else.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Carries a request to its handler and its answer back.
pub(super) async fn frame(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(request.headers());
    let dialect = Dialect::of(&request);
    let method = request.method().clone();
    // The query is left out: it may carry a signed link.
    let span = tracing::info_span!("request", %id, %method, path = request.uri().path());
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().instrument(span.clone());
    let response = answer.await.unwrap_or_else(|panic| crashed(&span, &*panic));
    let mut response = finish(response, dialect, &id);
    if dialect != Dialect::Grpc {
        for (name, value) in HEADERS {
            response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
        }
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    let took = started.elapsed();
    server.metrics.count_request(&method, route.as_deref(), response.status(), took);
    span.in_scope(|| tracing::debug!(status = response.status().as_u16(), ms = took.as_millis() as u64, "answered"));
    response
}

fn refused(refusal: Refusal) -> Response {
    Refused::from(refusal).into_response()
}

/// Gives every refusal its form, also those that the router itself makes.
fn finish(mut response: Response, dialect: Dialect, id: &str) -> Response {
    let refused = match response.extensions_mut().remove::<Refused>() {
        Some(refused) => refused,
        None if response.status() == StatusCode::METHOD_NOT_ALLOWED => Refused::from(Refusal::new(
            ErrorCode::MethodNotAllowed,
            "this path does not take that method; the Allow header names those it takes",
        )),
        None => return response,
    };
    let mut rendered = dialect.render(&refused, id);
    for (name, value) in response.headers() {
        if *name != header::CONTENT_LENGTH && *name != header::CONTENT_TYPE {
            rendered.headers_mut().insert(name, value.clone());
        }
    }
    rendered
}

/// Answers for a handler that panicked: the daemon lives on, and the log says where.
fn crashed(span: &tracing::Span, panic: &(dyn std::any::Any + Send)) -> Response {
    let reason = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("unknown");
    span.in_scope(|| tracing::error!(reason, "a request crashed"));
    refused(Refusal::new(
        ErrorCode::WorkerPanicked,
        "this request crashed, the daemon did not; its request_id leads to the log",
    ))
}

fn request_id(headers: &HeaderMap) -> String {
    let is_sane = |text: &&str| {
        (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    match headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(is_sane) {
        Some(given) => given.to_owned(),
        None => uuid::Uuid::now_v7().simple().to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use axum::Router;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use tokio_util::sync::CancellationToken;
    use tower::ServiceExt as _;

    use super::*;
    use crate::access::{Guard, Signer};
    use crate::config::Config;
    use crate::daemon::Daemon;
    use crate::http::{Front, Patience};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_handler_that_panics_is_a_503_and_the_daemon_lives_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.data.dir = folder.path().join("data");
        config.models.dir = folder.path().join("styles");
        let daemon = Daemon::start(config.clone(), Vec::new(), None).unwrap();
        let guard = Arc::new(Guard::open(&config, Signer::open(&config.data.dir).unwrap()).unwrap());
        let front = Front { intake: daemon.intake().clone(), guard, patience: Patience::default() };
        let server = Arc::new(Server::new(front, bytes::Bytes::new(), CancellationToken::new()));
        let panics = async || -> &'static str { panic!("it was told to") };
        let router = Router::new()
            .route("/panics", get(panics))
            .route("/fine", get(async || "fine"))
            .layer(from_fn_with_state(server, frame));
        let ask = async |path: &str| {
            let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
            let answer = router.clone().oneshot(request).await.unwrap();
            let status = answer.status().as_u16();
            let body = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
            (status, String::from_utf8(body.to_vec()).unwrap())
        };
        let (status, problem) = ask("/panics").await;
        assert_eq!(status, 503);
        assert!(problem.contains(r#""code":"worker_panicked""#) && !problem.contains("told to"), "{problem}");
        assert_eq!(ask("/fine").await, (200, "fine".to_owned()));
        drop(router);
        tokio::task::block_in_place(|| daemon.stop());
    }
}
