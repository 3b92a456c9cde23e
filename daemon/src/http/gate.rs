//! Whether a request is served, and as whose: decided before anything of its body is read.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::body::too_large;
use super::refused::Refused;
use super::server::Server;
use crate::access::Peer;
use crate::access::guard::Knock;
use crate::grpc;
use crate::refusal::Refusal;

/// Lets a request through with its caller attached, or refuses it.
pub(super) async fn gate(State(server): State<Arc<Server>>, mut request: Request, next: Next) -> Response {
    match admit(&server, &mut request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => Refused::from(refusal).into_response(),
    }
}

fn admit(server: &Server, request: &mut Request) -> Result<(), Refusal> {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let limit = server.config().limits.upload_bytes;
    // A gRPC body is a stream of messages; their content is counted where it is taken.
    if length.is_some_and(|length: u64| length > limit) && !grpc::is_grpc(request.headers()) {
        return Err(too_large(limit));
    }
    let knock = Knock {
        peer: request.extensions().get::<Peer>().copied().expect("every connection names its peer"),
        version: request.version(),
        method: request.method(),
        uri: request.uri(),
        headers: request.headers(),
    };
    if let Some(caller) = server.guard.admit(&knock, Instant::now())? {
        request.extensions_mut().insert(caller);
    }
    Ok(())
}
