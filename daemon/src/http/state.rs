//! How the daemon does: liveness, readiness, metrics, devices, mail.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use protocol::{Device, ErrorCode, Mail};
use serde::Serialize;

use super::refused::Refused;
use super::server::Server;
use crate::access::Caller;
use crate::refusal::Refusal;

/// Says that the daemon lives.
#[utoipa::path(
    get, path = "/livez", tag = "state", security(()),
    responses((status = 200, description = "It lives.", body = String, content_type = "text/plain")),
)]
pub(super) async fn livez() -> &'static str {
    "alive\n"
}

/// Says that the daemon lives, under the other usual name.
#[utoipa::path(
    get, path = "/healthz", tag = "state", security(()),
    responses((status = 200, description = "It lives.", body = String, content_type = "text/plain")),
)]
pub(super) async fn healthz() -> &'static str {
    "alive\n"
}

/// Says whether the daemon takes work: the store can be written, a device is up, and it does not drain.
#[utoipa::path(
    get, path = "/readyz", tag = "state", security(()),
    responses((status = 200, description = "It does.", body = String, content_type = "text/plain")),
)]
pub(super) async fn readyz(State(server): State<Arc<Server>>) -> Result<&'static str, Refused> {
    if server.closing.is_cancelled() {
        return Err(Refusal::new(ErrorCode::Draining, "the daemon is shutting down").into());
    }
    match server.intake.status().ready {
        Ok(()) => Ok("ready\n"),
        Err(reason) => Err(Refusal::new(ErrorCode::NotReady, reason).into()),
    }
}

/// Shows the daemon's numbers, for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "state",
    responses((status = 200, description = "The metrics.", body = String,
        content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8")),
)]
pub(super) async fn metrics(State(server): State<Arc<Server>>, _: Caller) -> Response {
    let media_type = [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    (media_type, server.metrics.render(&server.intake)).into_response()
}

/// The devices, in the order of the configuration.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Devices {
    /// The devices.
    devices: Vec<Device>,
}

/// Lists the devices.
#[utoipa::path(
    get, path = "/v1/devices", tag = "state",
    responses((status = 200, description = "The devices.", body = Devices)),
)]
pub(super) async fn devices(State(server): State<Arc<Server>>, _: Caller) -> Json<Devices> {
    Json(Devices { devices: server.intake.devices() })
}

/// The outbox, newest first: every mail that is to be sent, and the newest 200 of the others.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Outbox {
    /// The mails.
    mail: Vec<Mail>,
}

/// Lists the outbox: every mail that is to be sent, and the newest 200 of the others.
#[utoipa::path(
    get, path = "/v1/mail", tag = "state",
    responses((status = 200, description = "The mails.", body = Outbox)),
)]
pub(super) async fn mail(State(server): State<Arc<Server>>, _: Caller) -> Result<Json<Outbox>, Refused> {
    Ok(Json(Outbox { mail: server.intake.mail().await? }))
}
