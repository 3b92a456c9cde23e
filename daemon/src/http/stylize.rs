//! `POST /v1/stylize`: a photo comes in; the job, or the painting itself, goes out.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use protocol::job::JobJson;
use protocol::{ErrorCode, JobRef, JobState, OutputFormat, Priority, StyleName};

use super::accepted::{accepted, mark};
use super::fields::{Fields, missing};
use super::prefer;
use super::refused::Refused;
use super::results::send;
use super::server::Server;
use super::upload::Manner;
use crate::access::Caller;
use crate::intake::{StylizeOrder, Submission};
use crate::refusal::Refusal;

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

const FIELDS: &[&str] =
    &["image", "style", "strength", "size", "preserve_color", "format", "priority", "email", "note"];

/// The form of `POST /v1/stylize`.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it describes the form; the parts are read as they come")]
pub(super) struct StylizeForm {
    /// The photo: JPEG, PNG, WebP, GIF (first frame), BMP or TIFF.
    #[schema(value_type = String, format = Binary)]
    image: Vec<u8>,
    /// The style's name.
    style: StyleName,
    /// Linear mix of photo (0) and painting (1) in 8-bit sRGB; 1 where absent.
    #[schema(minimum = 0.0, maximum = 1.0)]
    strength: Option<f32>,
    /// Longest side of the result in pixels; the photo's own where absent.
    size: Option<u32>,
    /// Keeps the photo's chroma (BT.601); no where absent.
    preserve_color: Option<bool>,
    /// The result's format; the photo's own where absent and possible, else PNG.
    format: Option<OutputFormat>,
    /// Which jobs go first; interactive where absent.
    priority: Option<Priority>,
    /// Where to mail the painting.
    #[schema(format = Email)]
    email: Option<String>,
    /// A person's own words.
    note: Option<String>,
}

/// Paints a photo.
///
/// A form, or the picture itself as the body with the fields in the query. The photo is decoded before the answer, and
/// the job is on the disk before the answer: after a 202, nothing short of a broken disk loses it.
#[utoipa::path(
    post, path = "/v1/stylize", tag = "jobs",
    params(
        ("style" = Option<StyleName>, Query, description = "For a bare picture: the style's name. Required there."),
        ("strength" = Option<f32>, Query, description = "For a bare picture: linear mix of photo (0) and painting (1)."),
        ("size" = Option<u32>, Query, description = "For a bare picture: longest side of the result in pixels."),
        ("preserve_color" = Option<bool>, Query, description = "For a bare picture: keeps the photo's chroma."),
        ("format" = Option<OutputFormat>, Query, description = "For a bare picture: the result's format."),
        ("priority" = Option<Priority>, Query, description = "For a bare picture: which jobs go first."),
        ("email" = Option<String>, Query, description = "For a bare picture: where to mail the painting."),
        ("note" = Option<String>, Query, description = "For a bare picture: a person's own words."),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: answer with the painting itself when it is finished within N seconds."),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the submit safe to repeat: 1 to 255 visible characters."),
    ),
    request_body(content(
        (StylizeForm = "multipart/form-data"),
        (Vec<u8> = "image/*"),
        (Vec<u8> = "application/octet-stream"),
    )),
    responses(
        (status = 200, description = "The painting, finished within the wait.",
            content((Vec<u8> = "image/png"), (Vec<u8> = "image/jpeg"), (Vec<u8> = "image/webp")),
            headers(("Atelier-Job" = String, description = "The job's id."),
                    ("Idempotent-Replayed" = Option<String>, description = "`true` when this answers a repeated submit."),
                    ("ETag" = String, description = "SHA-256 of the painting."))),
        (status = 202, description = "The job, accepted and on the disk.", body = JobJson,
            headers(("Location" = String, description = "Where to ask for the job."),
                    ("Atelier-Job" = String, description = "The job's id."),
                    ("Idempotent-Replayed" = Option<String>, description = "`true` when this answers a repeated submit."))),
    ),
)]
pub(super) async fn stylize(
    State(server): State<Arc<Server>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    let manner = Manner::of(&parts, FIELDS)?;
    let key = prefer::idempotency_key(&parts.headers)?;
    let ticket = server.intake.open(&caller, "stylize", key).await?;
    let (mut fields, photo) = manner.receive(body, &ticket, FIELDS).await?;
    let order = order(&mut fields)?;
    let submission = server.intake.stylize(ticket, order, photo).await?;
    let id = submission.job.id;
    let mut response = match prefer::wait(&parts.headers) {
        Some(wait) => answer_when_finished(&server, &submission, wait).await?,
        None => accepted(&submission.job),
    };
    mark(response.headers_mut(), id, submission.replayed);
    Ok(response)
}

fn order(fields: &mut Fields) -> Result<StylizeOrder, Refusal> {
    Ok(StylizeOrder {
        style: fields.parse("style")?.ok_or_else(|| missing("style", "name one of GET /v1/styles"))?,
        strength: fields.share("strength")?,
        size: fields.number("size")?,
        preserve_color: fields.flag("preserve_color")?,
        format: fields.parse("format")?,
        priority: fields.parse("priority")?,
        email: fields.text("email"),
        note: fields.text("note"),
    })
}

/// Waits for the job, and answers with what has become of it. The daemon's end ends the wait too.
async fn answer_when_finished(server: &Server, submission: &Submission, wait: Duration) -> Result<Response, Refused> {
    let id = submission.job.id;
    let job = tokio::select! {
        biased;
        waited = server.intake.wait(id, wait) => waited?,
        () = server.closing.cancelled() => return Ok(accepted(&submission.job)),
    };
    let mut response = match &job.state {
        JobState::Succeeded { .. } => send(&server.intake.result(JobRef::Id(id)).await?, &HeaderMap::new()).await?,
        JobState::Failed { error, .. } => Refused::from(Refusal::new(error.code, error.detail.clone())).into_response(),
        JobState::Cancelled { .. } => {
            Refused::from(Refusal::new(ErrorCode::WrongState, "the job was cancelled meanwhile")).into_response()
        }
        JobState::Queued { .. } | JobState::Running { .. } | JobState::Paused { .. } => accepted(&job),
    };
    let applied = HeaderValue::from_str(&format!("wait={}", wait.as_secs())).expect("digits are a header's text");
    response.headers_mut().insert(PREFERENCE_APPLIED, applied);
    Ok(response)
}
