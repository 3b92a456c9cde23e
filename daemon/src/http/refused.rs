//! What a refusal looks like from outside: a problem document, a gRPC status, or the seed system's words.

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use protocol::{ErrorCode, Problem};
use serde_json::json;

use crate::grpc;
use crate::refusal::Refusal;

/// A refusal on its way out of a handler. Its form is chosen where the request is known again.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    refusal: Refusal,
    /// The seed system's word for it, where the code alone does not say.
    words: Option<&'static str>,
}

impl Refused {
    /// Names a refusal in the seed system's words.
    pub(super) fn in_words(refusal: Refusal, words: &'static str) -> Self {
        Self { refusal, words: Some(words) }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, words: None }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = status(self.refusal.code).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

fn status(code: ErrorCode) -> StatusCode {
    StatusCode::from_u16(code.http_status()).expect("the table holds statuses only")
}

/// In which form a caller understands refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Problem,
    Grpc,
    Seed,
}

impl Dialect {
    pub(super) fn of(request: &Request<Body>) -> Self {
        match request.uri().path() {
            "/help" | "/transform" => Self::Seed,
            _ if grpc::is_grpc(request.headers()) => Self::Grpc,
            _ => Self::Problem,
        }
    }

    /// Gives a refusal its form.
    pub(super) fn render(self, refused: &Refused, request_id: &str) -> Response {
        let refusal = &refused.refusal;
        let mut response = match self {
            Self::Grpc if refusal.code == ErrorCode::RouteNotFound => {
                return tonic::Status::unimplemented(refusal.detail.clone()).into_http();
            }
            Self::Grpc => return grpc::refuse(refusal.clone()),
            Self::Problem => {
                let problem = Problem::new(refusal.code, refusal.detail.clone(), request_id);
                let media_type = [(header::CONTENT_TYPE, "application/problem+json")];
                (status(refusal.code), media_type, Json(problem)).into_response()
            }
            Self::Seed => {
                let words = refused.words.map_or_else(|| seed_words(refusal.code), str::to_owned);
                (status(refusal.code), Json(json!({ "status": words, "detail": refusal.detail }))).into_response()
            }
        };
        let headers = response.headers_mut();
        if let Some(wait) = refusal.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from((wait.as_secs_f64().ceil() as u64).max(1)));
        }
        if refusal.code == ErrorCode::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"atelier\""));
        }
        response
    }
}

/// Returns the seed system's own word for what is wrong, or one of ours in its manner.
fn seed_words(code: ErrorCode) -> String {
    match code {
        ErrorCode::MalformedRequest | ErrorCode::MissingField | ErrorCode::InvalidField => "PARAMS ERROR".to_owned(),
        ErrorCode::UnknownStyle | ErrorCode::StyleNotFound => "MODEL NOT EXISTS".to_owned(),
        ErrorCode::InvalidPicture
        | ErrorCode::UnsupportedMediaType
        | ErrorCode::TooManyPixels
        | ErrorCode::TooMuchMemory => "IMAGE ERROR".to_owned(),
        other => other.as_str().replace('_', " ").to_ascii_uppercase(),
    }
}
