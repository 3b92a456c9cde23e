//! The page's session: a token is shown once, a cookie ever after.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

use super::extract::JsonObject;
use super::fields::missing;
use super::refused::Refused;
use super::server::Server;
use crate::access::{Caller, Role};

/// Who the daemon takes the caller for.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Session {
    /// The token's name, or the address where no tokens are in force.
    name: String,
    /// `view`, `submit` or `admin`.
    #[schema(value_type = String)]
    role: Role,
}

impl From<Caller> for Session {
    fn from(caller: Caller) -> Self {
        Self { name: caller.name, role: caller.role }
    }
}

/// What `POST /session` takes.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it describes the document")]
pub(super) struct SignIn {
    /// The token.
    #[schema(format = Password)]
    token: String,
}

/// Says who the caller is.
#[utoipa::path(
    get, path = "/session", tag = "session",
    responses((status = 200, description = "Who the caller is.", body = Session)),
)]
pub(super) async fn show(caller: Caller) -> Json<Session> {
    Json(caller.into())
}

/// Signs a browser in: a token for a cookie, which lasts a week at most and ends with the token or the daemon.
#[utoipa::path(
    post, path = "/session", tag = "session", security(()),
    request_body(content = SignIn),
    responses((status = 200, description = "Signed in.", body = Session,
        headers(("Set-Cookie" = String, description = "The session.")))),
)]
pub(super) async fn sign_in(
    State(server): State<Arc<Server>>,
    JsonObject(object): JsonObject,
) -> Result<Response, Refused> {
    let Some(Value::String(token)) = object.get("token") else {
        return Err(missing("token", "send {\"token\": \"…\"}").into());
    };
    let (cookie, caller) = server.guard.sign_in(token, Instant::now())?;
    let mut response = Json(Session::from(caller)).into_response();
    response.headers_mut().insert(header::SET_COOKIE, cookie_text(&cookie));
    Ok(response)
}

/// Signs a browser out.
#[utoipa::path(
    delete, path = "/session", tag = "session", security(()),
    responses((status = 204, description = "Signed out.",
        headers(("Set-Cookie" = String, description = "An empty session.")))),
)]
pub(super) async fn sign_out(State(server): State<Arc<Server>>, headers: HeaderMap) -> Response {
    let cookie = server.guard.sign_out(&headers);
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie_text(&cookie))]).into_response()
}

fn cookie_text(cookie: &str) -> HeaderValue {
    HeaderValue::from_str(cookie).expect("a session's cookie is plain ASCII")
}
