//! Extractors whose rejections are refusals like all others.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::header;
use axum::http::request::Parts;
use http_body_util::{BodyExt, Limited};
use protocol::{ErrorCode, JobRef, StyleName};

use super::body::read_refusal;
use super::refused::Refused;
use super::server::Server;
use crate::access::Caller;
use crate::refusal::Refusal;

/// Largest JSON document of a small request.
const JSON_BYTES: usize = 64 * 1024;

impl FromRequestParts<Arc<Server>> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Server>) -> Result<Self, Refused> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            Refusal::new(ErrorCode::Unauthenticated, "this daemon wants a token, or to be signed in to").into()
        })
    }
}

/// The job that the path names.
pub(super) struct JobPath(pub(super) JobRef);

impl FromRequestParts<Arc<Server>> for JobPath {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Self, Refused> {
        let text = last_path_word(parts, server).await.unwrap_or_default();
        match text.parse() {
            Ok(job) => Ok(Self(job)),
            Err(error) => Err(Refusal::new(ErrorCode::JobNotFound, format!("no such job: {error}")).into()),
        }
    }
}

/// The style that the path names.
pub(super) struct StylePath(pub(super) StyleName);

impl FromRequestParts<Arc<Server>> for StylePath {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Self, Refused> {
        let text = last_path_word(parts, server).await.unwrap_or_default();
        // Naming a new style badly is a mistake in a field; asking for a badly named one is asking for none.
        let (code, said) = if parts.method == axum::http::Method::PUT {
            (ErrorCode::InvalidField, "")
        } else {
            (ErrorCode::StyleNotFound, "no such style: ")
        };
        text.parse().map(Self).map_err(|error| Refusal::new(code, format!("{said}{error}")).into())
    }
}

async fn last_path_word(parts: &mut Parts, server: &Arc<Server>) -> Option<String> {
    Path::<String>::from_request_parts(parts, server).await.ok().map(|Path(word)| word)
}

/// A small JSON object.
pub(super) struct JsonObject(pub(super) serde_json::Map<String, serde_json::Value>);

impl FromRequest<Arc<Server>> for JsonObject {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &Arc<Server>) -> Result<Self, Refused> {
        if !is_json(&request) {
            let detail = "send a JSON object, with Content-Type: application/json";
            return Err(Refusal::new(ErrorCode::UnsupportedMediaType, detail).into());
        }
        let bytes = read_whole(request.into_body(), JSON_BYTES).await?;
        let object = serde_json::from_slice(&bytes)
            .map_err(|error| Refusal::new(ErrorCode::MalformedRequest, format!("not a JSON object: {error}")))?;
        Ok(Self(object))
    }
}

fn is_json(request: &Request) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// Reads a body into memory.
///
/// # Errors
/// `upload_too_large`, `request_timeout`, or `malformed_request` when it is cut short.
pub(super) async fn read_whole(body: Body, limit: usize) -> Result<bytes::Bytes, Refusal> {
    match Limited::new(body, limit).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) => Err(read_refusal(&*error).unwrap_or_else(|| {
            Refusal::new(ErrorCode::UploadTooLarge, format!("the body is larger than {limit} bytes"))
        })),
    }
}
