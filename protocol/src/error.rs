//! Everything that can be refused, in one closed table: a stable code, an HTTP status, a gRPC status.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::words::{UnknownWord, words};

words! {
    /// A stable code that programs can rely on.
    ErrorCode {
        /// The request can't be read as what it claims to be.
        MalformedRequest = "malformed_request",
        /// A required field is absent.
        MissingField = "missing_field",
        /// A field is unknown, given twice or out of range.
        InvalidField = "invalid_field",
        /// The style to paint with does not exist.
        UnknownStyle = "unknown_style",
        /// The data set to learn on is not configured.
        UnknownDataset = "unknown_dataset",
        /// The data set's folder is empty, unreadable, or has nothing but broken files.
        DatasetUnusable = "dataset_unusable",
        /// The artwork has no style to learn: it is of one colour, or too small.
        ArtworkUnusable = "artwork_unusable",
        /// The picture is broken or cut short.
        InvalidPicture = "invalid_picture",
        /// The picture has more pixels than `limits.pixels`.
        TooManyPixels = "too_many_pixels",
        /// The job alone would need more than `limits.memory`.
        TooMuchMemory = "too_much_memory",
        /// The style package is broken or hostile.
        InvalidPackage = "invalid_package",
        /// No token, or one that is not known.
        Unauthenticated = "unauthenticated",
        /// The token's role does not allow this.
        Forbidden = "forbidden",
        /// `mail.allow` does not match the recipient.
        MailNotAllowed = "mail_not_allowed",
        /// The recipient has had enough mail for this hour.
        MailLimit = "mail_limit",
        /// A browser page of another origin asked.
        ForeignOrigin = "foreign_origin",
        /// The `Host` header names somebody else.
        ForeignHost = "foreign_host",
        /// No such path.
        RouteNotFound = "route_not_found",
        /// The path exists, but not with this method.
        MethodNotAllowed = "method_not_allowed",
        /// No such job.
        JobNotFound = "job_not_found",
        /// A short id fits more than one job.
        AmbiguousId = "ambiguous_id",
        /// No such style.
        StyleNotFound = "style_not_found",
        /// The style has no preview, or the job has none yet.
        PreviewNotFound = "preview_not_found",
        /// A style of that name exists already.
        StyleExists = "style_exists",
        /// The body did not arrive in time.
        RequestTimeout = "request_timeout",
        /// The job's state forbids it.
        WrongState = "wrong_state",
        /// Jobs of this kind don't have or do that.
        WrongKind = "wrong_kind",
        /// The first request with this idempotency key is still being received.
        IdempotencyInProgress = "idempotency_in_progress",
        /// The idempotency key was used with other content.
        IdempotencyMismatch = "idempotency_mismatch",
        /// The job has no result yet.
        ResultNotReady = "result_not_ready",
        /// The result's retention has ended.
        ResultGone = "result_gone",
        /// The body is larger than `limits.upload_bytes`.
        UploadTooLarge = "upload_too_large",
        /// The body's or the picture's type is not one of ours.
        UnsupportedMediaType = "unsupported_media_type",
        /// The range lies outside the result.
        RangeNotSatisfiable = "range_not_satisfiable",
        /// This caller asks too often.
        RateLimited = "rate_limited",
        /// `queue.max_waiting` jobs wait already.
        QueueFull = "queue_full",
        /// The daemon is shutting down.
        Draining = "draining",
        /// The daemon does not take work now.
        NotReady = "not_ready",
        /// `data.reserve_bytes` or `data.max_bytes` is reached.
        StorageFull = "storage_full",
        /// The disk failed; the daemon accepts nothing until it is restarted.
        StorageFailed = "storage_failed",
        /// The style was removed while the job waited.
        StyleGone = "style_gone",
        /// The network produced NaN or infinity.
        NotFinite = "not_finite",
        /// The device failed.
        DeviceFailed = "device_failed",
        /// The work crashed; the daemon did not.
        WorkerPanicked = "worker_panicked",
        /// The daemon ended too often while this job ran.
        Crashed = "crashed",
    }
}

/// A gRPC status code, by its number in the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
#[expect(missing_docs, reason = "the names are the specification's own")]
pub enum GrpcCode {
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unavailable = 14,
    Unauthenticated = 16,
}

impl ErrorCode {
    /// Returns the HTTP status and the gRPC code: the one table of both.
    #[must_use]
    pub const fn statuses(self) -> (u16, GrpcCode) {
        use ErrorCode as E;
        use GrpcCode as G;
        match self {
            E::MalformedRequest => (400, G::InvalidArgument),
            E::MissingField
            | E::InvalidField
            | E::UnknownStyle
            | E::UnknownDataset
            | E::DatasetUnusable
            | E::ArtworkUnusable
            | E::InvalidPicture
            | E::TooManyPixels
            | E::TooMuchMemory
            | E::InvalidPackage => (422, G::InvalidArgument),
            E::Unauthenticated => (401, G::Unauthenticated),
            E::Forbidden | E::MailNotAllowed | E::ForeignOrigin | E::ForeignHost => (403, G::PermissionDenied),
            E::RouteNotFound | E::JobNotFound | E::StyleNotFound | E::PreviewNotFound => (404, G::NotFound),
            E::MethodNotAllowed => (405, G::InvalidArgument),
            E::RequestTimeout => (408, G::DeadlineExceeded),
            E::StyleExists => (409, G::AlreadyExists),
            E::AmbiguousId | E::WrongState | E::WrongKind | E::ResultNotReady => (409, G::FailedPrecondition),
            E::IdempotencyInProgress => (409, G::Aborted),
            E::ResultGone | E::StyleGone => (410, G::NotFound),
            E::UploadTooLarge => (413, G::OutOfRange),
            E::UnsupportedMediaType => (415, G::InvalidArgument),
            E::RangeNotSatisfiable => (416, G::OutOfRange),
            E::NotFinite | E::IdempotencyMismatch => (422, G::FailedPrecondition),
            E::RateLimited | E::MailLimit => (429, G::ResourceExhausted),
            E::QueueFull
            | E::Draining
            | E::NotReady
            | E::StorageFailed
            | E::DeviceFailed
            | E::WorkerPanicked
            | E::Crashed => (503, G::Unavailable),
            E::StorageFull => (507, G::ResourceExhausted),
        }
    }

    /// Returns the HTTP status.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        self.statuses().0
    }

    /// Returns a short title for people.
    #[must_use]
    pub fn title(self) -> String {
        let mut title = self.as_str().replace('_', " ");
        if let Some(first) = title.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        title
    }
}

/// A refusal over HTTP: `application/problem+json` (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: the code says which problem it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: ErrorCode,
    /// A sentence that names the thing and the way out.
    pub detail: String,
    /// The request, as the daemon's log names it.
    pub request_id: String,
}

impl Problem {
    /// Describes one refusal.
    #[must_use]
    pub fn new(code: ErrorCode, detail: impl Into<String>, request_id: impl Into<String>) -> Self {
        Self {
            kind: "about:blank".to_owned(),
            title: code.title(),
            status: code.http_status(),
            code,
            detail: detail.into(),
            request_id: request_id.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_client_or_server_status_and_never_500() {
        for code in ErrorCode::ALL {
            let status = code.http_status();
            assert!((400..600).contains(&status) && status != 500, "{code}: {status}");
        }
    }
}
