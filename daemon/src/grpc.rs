//! The gRPC front door: `atelier.v1.Atelier`, standard health and standard reflection.
//!
//! Like the HTTP one it only translates: every use case is [`Intake`]'s. The caller comes from the layer that
//! checks tokens, as an extension of the request.

use axum::http::{HeaderMap, header};
use axum::response::Response;
use protocol::convert::{Refused, WireError};
use protocol::{ErrorCode, wire};
use tonic::Status;
use tonic::service::Routes;
use tonic_health::pb::health_server::HealthServer;
use tonic_reflection::server::Builder;

use crate::intake::Intake;
use crate::refusal::Refusal;

mod download;
mod health;
mod orders;
mod service;
mod upload;

/// The largest message that is read: a chunk of 4 MiB and what surrounds it.
const MESSAGE_BYTES: usize = 4 * 1024 * 1024 + 64 * 1024;

/// Returns the gRPC services as routes to merge into the HTTP router; unknown paths are left to that one.
///
/// # Panics
/// Never: the descriptors are this binary's own.
pub fn routes(intake: Intake) -> axum::Router {
    let atelier = wire::atelier_server::AtelierServer::new(service::Service { intake: intake.clone() })
        .max_decoding_message_size(MESSAGE_BYTES);
    let reflection = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(wire::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    Routes::new(atelier)
        .add_service(HealthServer::new(health::Health { intake }))
        .add_service(reflection().build_v1().expect("the descriptors are compiled in"))
        .add_service(reflection().build_v1alpha().expect("the descriptors are compiled in"))
        .into_axum_router()
        .reset_fallback()
}

/// Says whether a request speaks gRPC, so that a refusal before its handler can answer in kind.
#[must_use]
pub fn is_grpc(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    media_type
        .strip_prefix(b"application/grpc")
        .is_some_and(|rest| rest.is_empty() || rest[0] == b'+' || rest[0] == b';')
}

/// Says whether a path is that of a call: its body is a stream of messages, whose content is counted where it is taken.
#[must_use]
pub fn is_call(path: &str) -> bool {
    path.starts_with("/atelier.v1.") || path.starts_with("/grpc.")
}

/// Answers a gRPC request with a refusal, as its handler would have done.
#[must_use]
pub fn refuse(refusal: Refusal) -> Response {
    Status::from(refusal).into_http()
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let Refusal { code, detail, retry_after } = refusal;
        Refused { code, detail, retry_after }.into()
    }
}

impl From<WireError> for Refusal {
    fn from(error: WireError) -> Self {
        let code = match &error {
            WireError::Missing(_) => ErrorCode::MissingField,
            WireError::Invalid { .. } => ErrorCode::InvalidField,
        };
        Self::new(code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn grpc_is_told_by_its_media_type() {
        let check = |media_type: &str, expected| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, media_type.parse().unwrap());
            assert_eq!(is_grpc(&headers), expected, "{media_type}");
        };
        check("application/grpc", true);
        check("application/grpc+proto", true);
        check("application/grpc;charset=utf-8", true);
        check("application/grpc-web", false);
        check("application/json", false);
        assert!(!is_grpc(&HeaderMap::new()));
    }

    #[test]
    fn a_refusal_before_the_handler_is_a_grpc_answer() {
        let answer = refuse(Refusal::new(ErrorCode::Unauthenticated, "a token is needed"));
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["grpc-status"], "16");
        assert_eq!(answer.headers()["atelier-code"], "unauthenticated");
    }
}
