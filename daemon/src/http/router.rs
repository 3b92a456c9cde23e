//! Every route, in one table.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use protocol::ErrorCode;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::server::Server;
use super::{Front, events, frame, gate, jobs, openapi, refused, results, seed, session, state, styles, stylize};
use crate::refusal::Refusal;
use crate::{grpc, page};

/// Makes the router of all requests, gRPC's included.
pub(super) fn router(front: Front, closing: CancellationToken) -> Router {
    let (api, description) = api().split_for_parts();
    let grpc = grpc::routes(front.intake.clone());
    let server = Arc::new(Server::new(front, openapi::document(description), closing));
    api.route("/openapi.json", get(openapi::openapi))
        .route("/", get(page::index))
        .route("/index", get(page::index))
        .route("/assets/{name}", get(page::asset))
        .fallback(unknown_route)
        .with_state(Arc::clone(&server))
        .merge(grpc)
        .layer(from_fn_with_state(Arc::clone(&server), gate::gate))
        .layer(from_fn_with_state(server, frame::frame))
}

/// The routes that the `OpenAPI` document describes.
fn api() -> OpenApiRouter<Arc<Server>> {
    OpenApiRouter::with_openapi(openapi::preamble())
        .routes(routes!(stylize::stylize))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::show, jobs::cancel, jobs::change))
        .routes(routes!(jobs::pause))
        .routes(routes!(jobs::resume))
        .routes(routes!(jobs::retry))
        .routes(routes!(results::result))
        .routes(routes!(events::of_job))
        .routes(routes!(events::all))
        .routes(routes!(styles::list))
        .routes(routes!(styles::show, styles::put, styles::delete))
        .routes(routes!(styles::preview))
        .routes(routes!(state::devices))
        .routes(routes!(state::mail))
        .routes(routes!(state::livez))
        .routes(routes!(state::healthz))
        .routes(routes!(state::readyz))
        .routes(routes!(state::metrics))
        .routes(routes!(session::show, session::sign_in, session::sign_out))
        .routes(routes!(seed::help))
        .routes(routes!(seed::transform))
}

async fn unknown_route() -> refused::Refused {
    Refusal::new(ErrorCode::RouteNotFound, "no such path; GET /openapi.json describes all there are").into()
}
