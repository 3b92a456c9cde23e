//! What every accepted submit is answered with.

use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use protocol::{Job, JobId};

use crate::intake::Submission;

const ATELIER_JOB: HeaderName = HeaderName::from_static("atelier-job");
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Answers with a job that is on the disk.
pub(super) fn accepted(job: &Job) -> Response {
    let location = HeaderValue::from_str(&format!("/v1/jobs/{}", job.id)).expect("a UUID is a header's text");
    (StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(job)).into_response()
}

/// Answers a submit that nobody waits for.
pub(super) fn submitted(submission: &Submission) -> Response {
    let mut response = accepted(&submission.job);
    mark(response.headers_mut(), submission.job.id, submission.replayed);
    response
}

/// Names the job in the answer's head, and says whether a repeated submit is answered.
pub(super) fn mark(headers: &mut HeaderMap, id: JobId, replayed: bool) {
    headers.insert(ATELIER_JOB, HeaderValue::from_str(&id.to_string()).expect("a UUID is a header's text"));
    if replayed {
        headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
}
