//! Whether a request is served, and as whose: decided before anything of its body is read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use protocol::ErrorCode;

use super::body::{Held, too_large};
use super::refused::Refused;
use super::server::Server;
use super::standing::Standing;
use crate::access::guard::{Knock, is_probe};
use crate::access::{Caller, Peer};
use crate::grpc;
use crate::refusal::Refusal;

/// Lets a request through with its caller attached, or refuses it.
///
/// What is served holds a place, and strangers have a few of their own: they leave the others to those who are known.
pub(super) async fn gate(State(server): State<Arc<Server>>, mut request: Request, next: Next) -> Response {
    let caller = match admit(&server, &request) {
        Ok(caller) => caller,
        Err(refusal) => return Refused::from(refusal).into_response(),
    };
    let place = server.places(caller.as_ref()).try_enter();
    if place.is_none() && !is_probe(request.uri().path()) {
        let detail = match &caller {
            Some(_) => "too many requests at once: limits.connections is reached",
            None => "too many requests at once without a token",
        };
        let refusal = Refusal::new(ErrorCode::RateLimited, detail).retry_after(Duration::from_secs(1));
        return Refused::from(refusal).into_response();
    }
    if let Some(caller) = caller.clone() {
        request.extensions_mut().insert(caller);
    }
    let response = next.run(request).await;
    // The place is free again once the last byte of the answer is gone.
    let response = response.map(|body| Body::new(Held::new(body, place)));
    match caller {
        Some(caller) if is_stream(&response) => {
            let stands = move || server.guard.stands(&caller, Instant::now());
            response.map(|body| Body::new(Standing::new(body, stands)))
        }
        _ => response,
    }
}

/// Says whether an answer goes on for as long as its reader likes.
fn is_stream(response: &Response) -> bool {
    let media_type = response.headers().get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    media_type == b"text/event-stream" || media_type.starts_with(b"application/grpc")
}

fn admit(server: &Server, request: &Request) -> Result<Option<Caller>, Refusal> {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let limit = server.config().limits.upload_bytes;
    if length.is_some_and(|length: u64| length > limit) && !grpc::is_call(request.uri().path()) {
        return Err(too_large(limit));
    }
    let knock = Knock {
        peer: request.extensions().get::<Peer>().copied().expect("every connection names its peer"),
        version: request.version(),
        method: request.method(),
        uri: request.uri(),
        headers: request.headers(),
    };
    server.guard.admit(&knock, Instant::now())
}
