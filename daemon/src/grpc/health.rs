//! The standard health service, which follows the daemon's readiness.

use std::time::Duration;

use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _};
use protocol::wire::atelier_server::SERVICE_NAME;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::intake::Intake;

/// How often a watched readiness is looked at.
const PERIOD: Duration = Duration::from_secs(1);

/// `grpc.health.v1.Health`.
pub(super) struct Health {
    pub(super) intake: Intake,
}

fn status(intake: &Intake) -> ServingStatus {
    if intake.status().ready.is_ok() { ServingStatus::Serving } else { ServingStatus::NotServing }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

/// Lets through the names that this daemon answers for: its own service and the empty one, the whole.
fn known(request: &Request<HealthCheckRequest>) -> Result<(), Status> {
    match request.get_ref().service.as_str() {
        "" | SERVICE_NAME => Ok(()),
        other => Err(Status::not_found(format!("no service is called {other:?}"))),
    }
}

/// Yields the state at once and whenever it changes. It ends after "not serving", since that comes before the
/// daemon's end, which waits for open streams; a watcher then asks anew.
fn changes(
    state: impl Fn() -> ServingStatus + Send + 'static,
) -> BoxStream<'static, Result<HealthCheckResponse, Status>> {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    stream::unfold((ticks, state, None), |(mut ticks, state, told)| {
        async move {
            if told == Some(ServingStatus::NotServing) {
                return None;
            }
            loop {
                ticks.tick().await;
                let now = state();
                if told != Some(now) {
                    return Some((Ok(response(now)), (ticks, state, Some(now))));
                }
            }
        }
        .boxed()
    })
    .boxed()
}

#[tonic::async_trait]
impl tonic_health::pb::health_server::Health for Health {
    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        known(&request)?;
        Ok(Response::new(response(status(&self.intake))))
    }

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        known(&request)?;
        let intake = self.intake.clone();
        Ok(Response::new(changes(move || status(&intake))))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_watcher_hears_the_state_once_and_then_its_changes() {
        let ready = Arc::new(AtomicBool::new(true));
        let mut changes = changes({
            let ready = Arc::clone(&ready);
            move || if ready.load(Ordering::SeqCst) { ServingStatus::Serving } else { ServingStatus::NotServing }
        });
        let first = changes.next().await.unwrap().unwrap();
        assert_eq!(first, response(ServingStatus::Serving));
        assert!(tokio::time::timeout(10 * PERIOD, changes.next()).await.is_err(), "nothing has changed");
        ready.store(false, Ordering::SeqCst);
        let second = changes.next().await.unwrap().unwrap();
        assert_eq!(second, response(ServingStatus::NotServing));
        assert!(changes.next().await.is_none());
    }
}
