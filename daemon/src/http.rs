//! The front door: one port for the page, the HTTP API and gRPC, over HTTP/1.1 and h2c, and the same on a Unix socket.
//!
//! [`serve`] owns the accept loop, because every limit that keeps strangers from holding the daemon up is there: how
//! many connections, how long headers, bodies and answers may take, how long a connection may be idle. Newcomers of the
//! network come through the `porch`, a thread that does nothing but answer who asks for health. A request then
//! passes, from the outside in: `frame` (its id, its span, its metrics, the form of refusals), `gate` (whether it is
//! served, and as whose), and a handler, which calls nothing but [`Intake`].
//!
//! A handler that refuses returns a [`Refusal`](crate::refusal::Refusal); only `frame` knows whether that becomes a
//! problem document, a gRPC status, or the seed system's own words.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::access::Guard;
use crate::intake::Intake;

mod accept;
mod accepted;
mod body;
mod connection;
mod crowd;
mod events;
mod extract;
mod fields;
mod frame;
mod gate;
mod jobs;
mod learning;
mod listen;
mod measure;
mod openapi;
mod paint;
mod porch;
mod prefer;
mod refused;
mod results;
mod room;
mod router;
mod seed;
mod server;
mod session;
mod standing;
mod state;
mod styles;
mod stylize;
mod train;
mod upload;

pub use listen::Listeners;
pub(crate) use results::names_etag;

/// What the front door serves, and within which limits.
pub struct Front {
    /// The use cases.
    pub intake: Intake,
    /// Who is let in.
    pub guard: Arc<Guard>,
    /// How long things may take.
    pub patience: Patience,
}

/// How long things may take. The defaults are for the world; tests choose shorter ones.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the head of a request, and between two requests of a connection.
    pub head: Duration,
    /// For a connection without any open request.
    pub idle: Duration,
    /// In each span of waiting as long as this, a body must bring at least [`Patience::body_bytes`].
    pub body: Duration,
    /// The least that a body must bring in each such span.
    pub body_bytes: u64,
    /// For a reader to take any byte of an answer.
    pub reader: Duration,
    /// For open requests, once the daemon shuts down.
    pub drain: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            body: Duration::from_secs(20),
            body_bytes: 16 * 1024,
            reader: Duration::from_secs(60),
            drain: Duration::from_secs(1),
        }
    }
}

/// Serves until `closing` is cancelled; then waiting callers get their answers, streams end, and after at most
/// [`Patience::drain`] the last connection is closed.
pub async fn serve(listeners: Listeners, front: Front, closing: CancellationToken) {
    let settings =
        connection::Settings { patience: front.patience, intake: front.intake.clone(), closing: closing.clone() };
    let router = router::router(front, closing);
    accept::accept(listeners, router, settings).await;
}
