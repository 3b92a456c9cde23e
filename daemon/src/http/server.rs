//! What every handler can reach.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::room::Room;
use crate::access::{Caller, Guard};
use crate::config::Config;
use crate::intake::Intake;
use crate::metrics::Metrics;

/// Bodies of the seed's API are held in memory, since JSON is; so only a few at once are.
const SEED_BODIES: usize = 4;

/// The front door's state.
pub(super) struct Server {
    pub(super) intake: Intake,
    pub(super) guard: Arc<Guard>,
    pub(super) metrics: Metrics,
    pub(super) closing: CancellationToken,
    /// The `OpenAPI` document.
    pub(super) openapi: Bytes,
    pub(super) seed_bodies: Semaphore,
    places: Room,
    /// Places for those who are nobody yet: they load the page and sign in.
    strangers: Room,
}

/// As many requests of strangers are served at the same time.
const STRANGERS: usize = 128;

impl Server {
    pub(super) fn new(front: super::Front, openapi: Bytes, closing: CancellationToken) -> Self {
        Self {
            metrics: Metrics::default(),
            // HTTP/2 puts many requests on a connection; what one may cost is bounded by their number, so that is too.
            places: Room::new(front.intake.follow_config()),
            strangers: Room::new(front.intake.follow_config()).smaller(STRANGERS),
            intake: front.intake,
            guard: front.guard,
            closing,
            openapi,
            seed_bodies: Semaphore::new(SEED_BODIES),
        }
    }

    /// Returns the configuration in force.
    pub(super) fn config(&self) -> Arc<Config> {
        self.intake.config()
    }

    /// Returns the places for requests that are served at the same time.
    pub(super) fn places(&self, caller: Option<&Caller>) -> &Room {
        if caller.is_some() { &self.places } else { &self.strangers }
    }
}
