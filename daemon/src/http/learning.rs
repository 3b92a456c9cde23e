//! What a training or painting shows of itself: losses as JSON, table or drawing, previews, checkpoints.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use protocol::{CheckpointList, JobRef, LossCurve};

use super::extract::JobPath;
use super::fields::Fields;
use super::refused::Refused;
use super::server::Server;
use crate::access::Caller;
use crate::curve;
use crate::intake::blocking;

/// How a curve is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Json,
    Csv,
    Svg,
    Png,
}

impl Shape {
    const ALL: [Self; 4] = [Self::Json, Self::Csv, Self::Svg, Self::Png];

    const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Svg => "image/svg+xml",
            Self::Png => "image/png",
        }
    }

    /// Returns what a caller accepts best, by the order of its own list; JSON for all that is not known here.
    fn accepted(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(header::ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
        let named = accepted.flat_map(|value| value.split(',')).filter_map(|media_type| {
            let name = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            Self::ALL.into_iter().find(|shape| shape.media_type().split(';').next() == Some(name.as_str()))
        });
        named.into_iter().next().unwrap_or(Self::Json)
    }

    fn write(self, curve: LossCurve) -> Bytes {
        let title = format!("Job {}", curve.job.short());
        match self {
            Self::Json => serde_json::to_vec(&curve).expect("a curve has string keys only").into(),
            Self::Csv => curve::csv(&curve).into(),
            Self::Svg => curve::chart(&title, curve.points).svg().into(),
            Self::Png => curve::chart(&title, curve.points).png().into(),
        }
    }
}

/// Sends a job's losses, every step.
///
/// `max` thins them by the smallest and largest of each part, so that no spike is lost. `Accept: text/csv`, and the paths
/// that end in `.csv`, `.svg` and `.png`, send a table or a drawing.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/losses", tag = "jobs",
    params(
        ("id" = String, Path, description = "The job's UUID, or the last eight digits of it."),
        ("max" = Option<u32>, Query, description = "At most so many points."),
        ("Accept" = Option<String>, Header, description = "`text/csv`, `image/svg+xml` or `image/png` for another form."),
    ),
    responses((status = 200, description = "The curve.", content(
        (LossCurve = "application/json"), (String = "text/csv"), (String = "image/svg+xml"), (Vec<u8> = "image/png"),
    ))),
)]
pub(super) async fn losses(
    State(server): State<Arc<Server>>,
    _: Caller,
    JobPath(job): JobPath,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Refused> {
    let mut response = send(&server, job, &uri, Shape::accepted(&headers)).await?;
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// Sends a job's losses as a table: a line a step.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/losses.csv", tag = "jobs",
    params(
        ("id" = String, Path, description = "The job's UUID, or the last eight digits of it."),
        ("max" = Option<u32>, Query, description = "At most so many points."),
    ),
    responses((status = 200, description = "The table.", body = String, content_type = "text/csv")),
)]
pub(super) async fn losses_csv(
    State(server): State<Arc<Server>>,
    _: Caller,
    JobPath(job): JobPath,
    uri: Uri,
) -> Result<Response, Refused> {
    send(&server, job, &uri, Shape::Csv).await
}

/// Draws a job's losses, to be scaled.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/losses.svg", tag = "jobs",
    params(("id" = String, Path, description = "The job's UUID, or the last eight digits of it.")),
    responses((status = 200, description = "The drawing.", body = String, content_type = "image/svg+xml")),
)]
pub(super) async fn losses_svg(
    State(server): State<Arc<Server>>,
    _: Caller,
    JobPath(job): JobPath,
    uri: Uri,
) -> Result<Response, Refused> {
    send(&server, job, &uri, Shape::Svg).await
}

/// Draws a job's losses.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/losses.png", tag = "jobs",
    params(("id" = String, Path, description = "The job's UUID, or the last eight digits of it.")),
    responses((status = 200, description = "The drawing.", body = Vec<u8>, content_type = "image/png")),
)]
pub(super) async fn losses_png(
    State(server): State<Arc<Server>>,
    _: Caller,
    JobPath(job): JobPath,
    uri: Uri,
) -> Result<Response, Refused> {
    send(&server, job, &uri, Shape::Png).await
}

async fn send(server: &Server, job: JobRef, uri: &Uri, shape: Shape) -> Result<Response, Refused> {
    let max = Fields::of_query(uri.query(), &["max"])?.number("max")?;
    let curve = server.intake.losses(job, max).await?;
    let bytes = blocking(move || Ok(shape.write(curve))).await?;
    Ok(fresh(shape.media_type(), bytes))
}

/// Sends the newest preview of a training or painting.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/preview", tag = "jobs",
    params(("id" = String, Path, description = "The job's UUID, or the last eight digits of it.")),
    responses((status = 200, description = "The preview.", body = Vec<u8>, content_type = "image/jpeg")),
)]
pub(super) async fn preview(
    State(server): State<Arc<Server>>,
    _: Caller,
    JobPath(job): JobPath,
) -> Result<Response, Refused> {
    Ok(fresh("image/jpeg", server.intake.job_preview(job).await?))
}

/// Lists the checkpoints of a training or painting: what it goes on from after an interruption.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/checkpoints", tag = "jobs",
    params(("id" = String, Path, description = "The job's UUID, or the last eight digits of it.")),
    responses((status = 200, description = "The checkpoints, newest first.", body = CheckpointList)),
)]
pub(super) async fn checkpoints(
    State(server): State<Arc<Server>>,
    _: Caller,
    JobPath(job): JobPath,
) -> Result<Json<CheckpointList>, Refused> {
    Ok(Json(server.intake.checkpoints(job).await?))
}

/// Answers with what may be another in a moment.
fn fresh(media_type: &'static str, bytes: Bytes) -> Response {
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn a_caller_gets_what_it_names_first_and_json_otherwise() {
        let check = |accept: &str, expected: Shape| {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            assert_eq!(Shape::accepted(&headers), expected, "{accept}");
        };
        check("text/csv", Shape::Csv);
        check("Text/CSV; q=0.9", Shape::Csv);
        check("image/avif, image/png, text/csv", Shape::Png);
        check("application/json, text/csv", Shape::Json);
        check("image/svg+xml", Shape::Svg);
        check("*/*", Shape::Json);
        check("", Shape::Json);
        assert_eq!(Shape::accepted(&HeaderMap::new()), Shape::Json);
    }
}
