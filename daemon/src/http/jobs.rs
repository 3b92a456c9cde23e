//! Jobs: listing, looking, steering.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use protocol::job::JobJson;
use protocol::{ErrorCode, Job, JobId, JobKind, JobPage, Priority, StateName, StyleName};
use serde_json::Value;

use super::extract::{JobPath, JsonObject};
use super::fields::{Fields, invalid};
use super::refused::Refused;
use super::server::Server;
use crate::access::Caller;
use crate::intake::{Amendment, JobFilter};
use crate::refusal::Refusal;

type Answer<T> = Result<Json<T>, Refused>;

/// Lists jobs, newest first.
#[utoipa::path(
    get, path = "/v1/jobs", tag = "jobs",
    params(
        ("state" = Option<StateName>, Query, description = "Only in this state."),
        ("kind" = Option<JobKind>, Query, description = "Only of this kind."),
        ("style" = Option<StyleName>, Query, description = "Only with this style."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "At most so many; 100 where absent."),
        ("after" = Option<JobId>, Query, description = "The `next` of the page before."),
    ),
    responses((status = 200, description = "A page of jobs.", body = JobPage)),
)]
pub(super) async fn list(State(server): State<Arc<Server>>, _: Caller, uri: Uri) -> Answer<JobPage> {
    let mut fields = Fields::of_query(uri.query(), &["state", "kind", "style", "limit", "after"])?;
    let filter = JobFilter {
        state: fields.parse("state")?,
        kind: fields.parse("kind")?,
        style: fields.parse("style")?,
        limit: fields.number("limit")?,
        after: fields.text("after"),
    };
    Ok(Json(server.intake.jobs(filter).await?))
}

/// Shows a job.
#[utoipa::path(
    get, path = "/v1/jobs/{id}", tag = "jobs",
    params(("id" = String, Path, description = "The job's UUID, or the last eight digits of it.")),
    responses((status = 200, description = "The job.", body = JobJson)),
)]
pub(super) async fn show(State(server): State<Arc<Server>>, _: Caller, JobPath(job): JobPath) -> Answer<Job> {
    Ok(Json(server.intake.job(job).await?))
}

/// Cancels a job, ends it with what there is, or forgets it.
///
/// Cancelling a finished job changes nothing. With `keep=true` a training or painting ends with what there is as its
/// result. With `purge=true` a finished job is forgotten: photo, result and row.
#[utoipa::path(
    delete, path = "/v1/jobs/{id}", tag = "jobs",
    params(
        ("id" = String, Path, description = "The job's UUID, or the last eight digits of it."),
        ("keep" = Option<bool>, Query, description = "Keeps what a training or painting has so far as its result."),
        ("purge" = Option<bool>, Query, description = "Forgets a finished job; needs the role `admin`."),
    ),
    responses((status = 200, description = "The job as it is now, or as it was last.", body = JobJson)),
)]
pub(super) async fn cancel(
    State(server): State<Arc<Server>>,
    caller: Caller,
    JobPath(job): JobPath,
    uri: Uri,
) -> Answer<Job> {
    let mut fields = Fields::of_query(uri.query(), &["keep", "purge"])?;
    let intake = &server.intake;
    Ok(Json(match (fields.flag("keep")?, fields.flag("purge")?) {
        (true, true) => return Err(invalid("keep", "and \"purge\" exclude each other").into()),
        (true, false) => intake.keep(&caller, job).await?,
        (false, true) => intake.forget(&caller, job).await?,
        (false, false) => intake.cancel(&caller, job).await?,
    }))
}

/// What `PATCH /v1/jobs/{id}` takes; absent keys stay as they are.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it describes the document; null and absent differ, so it is read by hand")]
pub(super) struct JobChange {
    /// Which jobs go first.
    #[schema(nullable = false)]
    priority: Option<Priority>,
    /// A person's own words; null clears them.
    note: Option<String>,
}

/// Changes a job's priority or note.
#[utoipa::path(
    patch, path = "/v1/jobs/{id}", tag = "jobs",
    params(("id" = String, Path, description = "The job's UUID, or the last eight digits of it.")),
    request_body(content = JobChange),
    responses((status = 200, description = "The job.", body = JobJson)),
)]
pub(super) async fn change(
    State(server): State<Arc<Server>>,
    caller: Caller,
    JobPath(job): JobPath,
    JsonObject(object): JsonObject,
) -> Answer<Job> {
    let mut amendment = Amendment::default();
    if object.is_empty() {
        let detail = "nothing to change: give \"priority\" or \"note\"";
        return Err(Refusal::new(ErrorCode::MissingField, detail).into());
    }
    for (key, value) in object {
        match (key.as_str(), value) {
            ("priority", Value::String(word)) => {
                let word =
                    word.parse::<Priority>().map_err(|error| invalid("priority", &format!("is wrong: {error}")))?;
                amendment.priority = Some(word);
            }
            ("note", Value::String(text)) => amendment.note = Some(Some(text)),
            ("note", Value::Null) => amendment.note = Some(None),
            ("priority" | "note", _) => return Err(invalid(&key, "must be a text").into()),
            _ => return Err(invalid(&key, "is not a known field; known are priority, note").into()),
        }
    }
    Ok(Json(server.intake.amend(&caller, job, amendment).await?))
}

/// Holds a queued or running job back.
#[utoipa::path(
    post, path = "/v1/jobs/{id}/pause", tag = "jobs",
    params(("id" = String, Path, description = "The job's UUID, or the last eight digits of it.")),
    responses((status = 200, description = "The job.", body = JobJson)),
)]
pub(super) async fn pause(State(server): State<Arc<Server>>, caller: Caller, JobPath(job): JobPath) -> Answer<Job> {
    Ok(Json(server.intake.pause(&caller, job).await?))
}

/// Puts a paused job back into the queue.
#[utoipa::path(
    post, path = "/v1/jobs/{id}/resume", tag = "jobs",
    params(("id" = String, Path, description = "The job's UUID, or the last eight digits of it.")),
    responses((status = 200, description = "The job.", body = JobJson)),
)]
pub(super) async fn resume(State(server): State<Arc<Server>>, caller: Caller, JobPath(job): JobPath) -> Answer<Job> {
    Ok(Json(server.intake.resume(&caller, job).await?))
}

/// Puts a failed or cancelled job back into the queue.
#[utoipa::path(
    post, path = "/v1/jobs/{id}/retry", tag = "jobs",
    params(("id" = String, Path, description = "The job's UUID, or the last eight digits of it.")),
    responses((status = 200, description = "The job.", body = JobJson)),
)]
pub(super) async fn retry(State(server): State<Arc<Server>>, caller: Caller, JobPath(job): JobPath) -> Answer<Job> {
    Ok(Json(server.intake.retry(&caller, job).await?))
}
