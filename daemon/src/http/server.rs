//! What every handler can reach.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::access::Guard;
use crate::config::Limits;
use crate::intake::Intake;
use crate::metrics::Metrics;

/// Bodies of the seed's API are held in memory, since JSON is; so only a few at once are.
const SEED_BODIES: usize = 4;

/// The front door's state.
pub(super) struct Server {
    pub(super) intake: Intake,
    pub(super) guard: Arc<Guard>,
    pub(super) limits: Limits,
    pub(super) metrics: Metrics,
    pub(super) closing: CancellationToken,
    /// The `OpenAPI` document.
    pub(super) openapi: Bytes,
    pub(super) seed_bodies: Semaphore,
    places: Arc<Semaphore>,
}

impl Server {
    pub(super) fn new(front: super::Front, openapi: Bytes, closing: CancellationToken) -> Self {
        Self {
            metrics: Metrics::default(),
            intake: front.intake,
            guard: front.guard,
            // HTTP/2 puts many requests on a connection; what one may cost is bounded by their number, so that is too.
            places: Arc::new(Semaphore::new(front.limits.connections.max(1))),
            limits: front.limits,
            closing,
            openapi,
            seed_bodies: Semaphore::new(SEED_BODIES),
        }
    }

    /// Returns the places for requests that are served at the same time.
    pub(super) fn places(&self) -> Arc<Semaphore> {
        Arc::clone(&self.places)
    }
}
