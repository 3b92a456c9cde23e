//! Every route, in one table.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::HeaderMap;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::get;
use protocol::ErrorCode;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::refused::Refused;
use super::server::Server;
use super::{
    Front, events, frame, gate, jobs, learning, measure, openapi, paint, results, seed, session, state, styles,
    stylize, train,
};
use crate::refusal::Refusal;
use crate::{grpc, page};

/// Makes the router of all requests, gRPC's included.
pub(super) fn router(front: Front, closing: CancellationToken) -> Router {
    let (api, description) = api().split_for_parts();
    let grpc = grpc::routes(front.intake.clone());
    let server = Arc::new(Server::new(front, openapi::document(description), closing));
    api.route("/openapi.json", get(openapi::openapi))
        .route("/", get(index))
        .route("/index", get(index))
        .route("/assets/{name}", get(asset))
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
        .routes(routes!(train::train))
        .routes(routes!(paint::paint))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::show, jobs::cancel, jobs::change))
        .routes(routes!(jobs::pause))
        .routes(routes!(jobs::resume))
        .routes(routes!(jobs::retry))
        .routes(routes!(results::result))
        .routes(routes!(learning::losses))
        .routes(routes!(learning::losses_csv))
        .routes(routes!(learning::losses_svg))
        .routes(routes!(learning::losses_png))
        .routes(routes!(learning::preview))
        .routes(routes!(learning::checkpoints))
        .routes(routes!(events::of_job))
        .routes(routes!(events::all))
        .routes(routes!(styles::list))
        .routes(routes!(styles::show, styles::put, styles::delete))
        .routes(routes!(styles::preview))
        .routes(routes!(measure::measure))
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

async fn index(headers: HeaderMap) -> Result<Response, Refused> {
    page::file(page::INDEX, &headers).ok_or_else(unknown)
}

async fn asset(name: Result<Path<String>, PathRejection>, headers: HeaderMap) -> Result<Response, Refused> {
    name.ok().and_then(|Path(name)| page::file(&name, &headers)).ok_or_else(unknown)
}

async fn unknown_route() -> Refused {
    unknown()
}

fn unknown() -> Refused {
    Refusal::new(ErrorCode::RouteNotFound, "no such path; GET /openapi.json describes all there are").into()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use std::collections::HashSet;

    use serde_json::Value;

    use super::*;

    /// Every operation of the document, by its method and path.
    fn operations(document: &Value) -> Vec<(String, &Value)> {
        let paths = document["paths"].as_object().unwrap();
        paths
            .iter()
            .flat_map(|(path, item)| {
                item.as_object().unwrap().iter().map(move |(method, operation)| (format!("{method} {path}"), operation))
            })
            .collect()
    }

    fn document() -> Value {
        let (_, description) = api().split_for_parts();
        serde_json::from_slice(&openapi::document(description)).unwrap()
    }

    #[test]
    fn the_document_describes_every_operation_whole() {
        let document = document();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
        let operations = operations(&document);
        assert_eq!(operations.len(), 36);
        let names: HashSet<_> =
            operations.iter().map(|(_, operation)| operation["operationId"].as_str().unwrap()).collect();
        assert_eq!(names.len(), 36, "{names:?}");
        for (name, operation) in operations {
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.contains_key("default"), "{name} says nothing about refusals");
            assert!(responses.keys().any(|status| status.starts_with('2')), "{name} never succeeds");
            assert!(operation["summary"].is_string(), "{name} is not explained");
            let wanted = name.matches('{').count();
            let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
            let described = parameters.iter().filter(|parameter| parameter["in"] == "path").count();
            assert_eq!(wanted, described, "{name}");
            let takes_body = ["put", "patch"].iter().any(|method| name.starts_with(method))
                || ["/v1/stylize", "/v1/train", "/v1/paint", "/measure", "/transform", "post /session"]
                    .iter()
                    .any(|path| name.ends_with(path));
            assert_eq!(operation["requestBody"].is_object(), takes_body, "{name}");
        }
    }

    #[test]
    fn the_document_refers_to_nothing_that_it_lacks() {
        fn references<'a>(value: &'a Value, into: &mut Vec<&'a str>) {
            match value {
                Value::Object(object) => {
                    into.extend(object.get("$ref").and_then(Value::as_str));
                    object.values().for_each(|value| references(value, into));
                }
                Value::Array(array) => array.iter().for_each(|value| references(value, into)),
                _ => {}
            }
        }
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.contains(&"#/components/schemas/Problem"));
        for reference in found {
            assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference}");
        }
    }
}
