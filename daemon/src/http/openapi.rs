//! The `OpenAPI` 3.1 document: the routes describe themselves, and what is true of all of them is added here.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use protocol::Problem;
use utoipa::openapi::path::Operation;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref};
use utoipa::{Modify, OpenApi as _};

use super::jobs::JobChange;
use super::seed::SeedProblem;
use super::server::Server;
use crate::access::{Caller, sessions};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Atelier",
        description = "Turns photos into paintings. Every refusal is a problem document (RFC 9457) with a stable \
                       `code`, a `detail` that names the thing and the way out, and the `request_id` of the log.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    components(schemas(Problem, SeedProblem, JobChange)),
    modifiers(&Tokens),
    security(("token" = []), ("session" = []), ()),
    tags(
        (name = "jobs", description = "Photos on their way to paintings, artworks on their way to styles."),
        (name = "events", description = "What happens, as it happens."),
        (name = "styles", description = "The styles at hand."),
        (name = "state", description = "How the daemon does."),
        (name = "session", description = "A browser's way in."),
        (name = "seed", description = "The API of the system that this one descends from."),
    ),
)]
struct Preamble;

struct Tokens;

impl Modify for Tokens {
    fn modify(&self, api: &mut OpenApi) {
        let components = api.components.get_or_insert_default();
        let token = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token of `atelierd token add`. Where no tokens are in force, nothing is needed."))
            .build();
        components.add_security_scheme("token", SecurityScheme::Http(token));
        let cookie = ApiKeyValue::with_description(sessions::COOKIE, "The cookie of `POST /session`.");
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    }
}

/// Returns what the document begins with.
pub(super) fn preamble() -> OpenApi {
    Preamble::openapi()
}

/// Completes the document with what every route can answer, and writes it.
pub(super) fn document(mut api: OpenApi) -> Bytes {
    for (path, item) in &mut api.paths.paths {
        let (schema, media_type) = match path.as_str() {
            "/help" | "/transform" => ("SeedProblem", "application/json"),
            _ => ("Problem", "application/problem+json"),
        };
        let operations =
            [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten();
        for operation in operations {
            name(operation);
            add_refusals(operation, schema, media_type);
        }
    }
    Bytes::from(api.to_json().expect("the document has string keys only"))
}

/// Makes the operation's name one of a kind: handlers have the same names in different modules.
fn name(operation: &mut Operation) {
    let tag = operation.tags.as_ref().and_then(|tags| tags.first());
    operation.operation_id = operation.operation_id.take().zip(tag).map(|(handler, tag)| format!("{tag}_{handler}"));
}

fn add_refusals(operation: &mut Operation, schema: &str, media_type: &str) {
    let takes_body = operation.request_body.is_some();
    let common = [
        ("400", "The request can't be read as what it claims to be.", true),
        ("401", "No token, or one that is not known.", operation.security.is_none()),
        ("403", "The role, the host or the page's origin does not allow it.", true),
        ("404", "There is nothing of that name.", true),
        ("408", "The body did not arrive in time.", takes_body),
        ("409", "The state forbids it.", true),
        ("410", "It was there, and its time is over.", true),
        ("413", "The body is too large.", true),
        ("415", "The body's type is not one of ours.", takes_body),
        ("422", "A field or the picture is not what it should be.", true),
        ("429", "Too many requests; `Retry-After` says when to come back.", true),
        ("503", "Not now; `Retry-After` says when to come back, where that is known.", true),
        ("507", "The disk's reserve is reached.", takes_body),
        ("default", "Any other refusal.", true),
    ];
    for (status, description, _) in common.into_iter().filter(|(_, _, applies)| *applies) {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
        let response = ResponseBuilder::new().description(description).content(media_type, content).build();
        operation.responses.responses.entry(status.to_owned()).or_insert(response.into());
    }
}

/// Sends the document.
pub(super) async fn openapi(State(server): State<Arc<Server>>, _: Caller) -> Response {
    let media_type = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, media_type)], server.openapi.clone()).into_response()
}
