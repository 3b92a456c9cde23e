//! What a training or painting shows of itself: losses as JSON, table or drawing, previews, checkpoints.

use std::future::ready;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use protocol::{CheckpointList, JobRef, LossCurve, LossPoint};

use super::extract::JobPath;
use super::fields::Fields;
use super::refused::Refused;
use super::server::Server;
use crate::access::Caller;
use crate::curve;
use crate::intake::{Losses, blocking};
use crate::refusal::Refusal;
use crate::spool::storage_refusal;

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

    /// Returns what a caller accepts best: by its weights, then by the order of its list; JSON for all that is not known
    /// here.
    fn accepted(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(header::ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
        let mut best = (Self::Json, 0.0);
        for range in accepted.flat_map(|value| value.split(',')).map(str::to_ascii_lowercase) {
            let mut parts = range.split(';').map(str::trim);
            let shape = match parts.next() {
                Some("*/*" | "application/*") => Some(Self::Json),
                name => Self::ALL.into_iter().find(|shape| shape.media_type().split(';').next() == name),
            };
            let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0_f32);
            match shape {
                Some(shape) if weight > best.1 => best = (shape, weight),
                _ => {}
            }
        }
        best.0
    }
}

/// How a table is written: as JSON, or as lines.
#[derive(Clone, Copy)]
enum Table {
    Json,
    Csv,
}

impl Table {
    /// What comes before the points, and what after them.
    fn frame(self, outline: &LossCurve) -> (String, &'static str) {
        const END: &str = "]}";
        match self {
            Self::Json => {
                let mut whole = serde_json::to_string(outline).expect("a curve has string keys only");
                whole.truncate(whole.len() - END.len());
                (whole, END)
            }
            Self::Csv => (curve::csv_names(&outline.terms), ""),
        }
    }

    fn points(self, terms: &[String], points: &[LossPoint], is_first: bool) -> String {
        match self {
            Self::Json => {
                let whole = serde_json::to_string(points).expect("a point has string keys only");
                // Without its brackets it goes on with what came before.
                let points = &whole[1..whole.len() - 1];
                if is_first { points.to_owned() } else { format!(",{points}") }
            }
            Self::Csv => curve::csv_lines(terms, points),
        }
    }

    /// Writes a curve part by part, as fast as it is taken.
    fn write(self, losses: Losses) -> impl Stream<Item = Result<Bytes, Refusal>> {
        let outline = losses.outline();
        let (begin, end) = self.frame(&outline);
        let terms: Arc<[String]> = outline.terms.into();
        let parts = stream::try_unfold((losses, true), move |(mut losses, is_first)| {
            let terms = Arc::clone(&terms);
            blocking(move || {
                let points = losses.next_blocking().map_err(|error| storage_refusal(&error))?;
                let text = (!points.is_empty()).then(|| self.points(&terms, &points, is_first));
                Ok(text.map(|text| (Bytes::from(text), (losses, false))))
            })
        });
        let whole = |text: Bytes| stream::once(ready(Ok(text)));
        whole(begin.into()).chain(parts).chain(whole(Bytes::from_static(end.as_bytes())))
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
    let table = match shape {
        Shape::Json => Table::Json,
        Shape::Csv => Table::Csv,
        Shape::Svg | Shape::Png => return draw(server, job, shape).await,
    };
    let losses = server.intake.losses(job, max).await?;
    Ok(fresh(shape.media_type(), Body::from_stream(table.write(losses))))
}

async fn draw(server: &Server, job: JobRef, shape: Shape) -> Result<Response, Refused> {
    let (id, points) = server.intake.drawn_losses(job).await?;
    let drawing = blocking(move || {
        let chart = curve::chart(&format!("Job {}", id.short()), &points);
        Ok(if shape == Shape::Svg { chart.svg().into_bytes() } else { chart.png() })
    });
    Ok(fresh(shape.media_type(), drawing.await?.into()))
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
    Ok(fresh("image/jpeg", server.intake.job_preview(job).await?.into()))
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
fn fresh(media_type: &'static str, body: Body) -> Response {
    let mut response = body.into_response();
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
        check("text/csv; q=0, application/json", Shape::Json);
        check("application/json;q=0.1, TEXT/csv;Q=0.5, */*;q=0.2", Shape::Csv);
        check("*/*, text/csv", Shape::Json);
        check("text/csv;q=0", Shape::Json);
        check("", Shape::Json);
        assert_eq!(Shape::accepted(&HeaderMap::new()), Shape::Json);
    }
}
