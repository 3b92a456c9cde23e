//! `POST /v1/paint`: a photo and artworks come in; the job that paints it goes out.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use protocol::job::JobJson;
use protocol::job::paint::{Optimizer, PaintInit};
use protocol::{OutputFormat, PaintOrder, Priority};

use super::accepted::submitted;
use super::fields::{Fields, missing};
use super::prefer;
use super::refused::Refused;
use super::server::Server;
use super::train::wishes;
use super::upload::Form;
use crate::access::Caller;
use crate::intake::PaintFiles;
use crate::refusal::Refusal;

const FORM: Form = Form {
    known: &[
        "image",
        "artwork",
        "artwork_weight",
        "steps",
        "optimizer",
        "init",
        "seed",
        "content_weight",
        "style_weight",
        "tv_weight",
        "size",
        "preserve_color",
        "format",
        "preview_every",
        "priority",
        "email",
        "note",
    ],
    files: &["image", "artwork"],
    repeatable: &["artwork", "artwork_weight"],
};

/// The form of `POST /v1/paint`.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it describes the form; the parts are read as they come")]
pub(super) struct PaintForm {
    /// The photo: JPEG, PNG, WebP, GIF (first frame), BMP or TIFF.
    #[schema(value_type = String, format = Binary)]
    image: Vec<u8>,
    /// The artworks, one part each, up to eight.
    #[schema(value_type = Vec<String>)]
    artwork: Vec<Vec<u8>>,
    /// How much each artwork counts, in the same order; as many as artworks, or none.
    artwork_weight: Option<Vec<f64>>,
    /// Steps of the optimiser; 300 where absent.
    #[schema(minimum = 1, maximum = 200_000)]
    steps: Option<u32>,
    /// Which optimiser; `lbfgs` where absent.
    optimizer: Option<Optimizer>,
    /// What it starts from; `content`, the photo, where absent.
    init: Option<PaintInit>,
    /// Where chance begins; 1 where absent.
    seed: Option<u64>,
    /// Factor of the content loss; 1 where absent.
    #[schema(exclusive_minimum = 0.0)]
    content_weight: Option<f64>,
    /// Factor of the style loss; 5 where absent.
    #[schema(exclusive_minimum = 0.0)]
    style_weight: Option<f64>,
    /// Factor of the total variation; 0 where absent.
    #[schema(minimum = 0.0)]
    tv_weight: Option<f64>,
    /// Longest side of the result in pixels; the photo's own where absent.
    size: Option<u32>,
    /// Keeps the photo's chroma (BT.601); no where absent.
    preserve_color: Option<bool>,
    /// The result's format; the photo's own where absent and possible, else PNG.
    format: Option<OutputFormat>,
    /// Steps from one preview to the next; 10 where absent.
    #[schema(minimum = 1, maximum = 200_000)]
    preview_every: Option<u32>,
    /// Kept with the job; painting goes after all photos in a learned style whatever it is. Batch where absent.
    priority: Option<Priority>,
    /// Where to mail the painting.
    #[schema(format = Email)]
    email: Option<String>,
    /// A person's own words.
    note: Option<String>,
}

/// Paints a photo after artworks by optimising its pixels (Gatys et al. 2015).
///
/// It takes minutes where a learned style takes seconds, and needs no learned style. The answer has every default filled
/// in.
#[utoipa::path(
    post, path = "/v1/paint", tag = "jobs",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes the submit safe to repeat: 1 to 255 visible characters.")),
    request_body(content = PaintForm, content_type = "multipart/form-data"),
    responses(
        (status = 202, description = "The job, accepted and on the disk.", body = JobJson,
            headers(("Location" = String, description = "Where to ask for the job."),
                    ("Atelier-Job" = String, description = "The job's id."),
                    ("Idempotent-Replayed" = Option<String>, description = "`true` when this answers a repeated submit."))),
    ),
)]
pub(super) async fn paint(
    State(server): State<Arc<Server>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    let boundary = Form::boundary(&parts)?;
    let key = prefer::idempotency_key(&parts.headers)?;
    let ticket = server.intake.open(&caller, "paint", key).await?;
    let (mut fields, files) = FORM.read(body, boundary, || ticket.receive()).await?;
    let (photos, artworks): (Vec<_>, Vec<_>) = files.into_iter().partition(|(name, _)| *name == "image");
    let photo = photos.into_iter().next().map(|(_, photo)| photo);
    let photo = photo.ok_or_else(|| missing("image", "send the photo as the form's file \"image\""))?;
    let artworks: Vec<_> = artworks.into_iter().map(|(_, artwork)| artwork).collect();
    if artworks.is_empty() {
        return Err(missing("artwork", "send the artwork to paint after as the form's file \"artwork\"").into());
    }
    let (order, wishes) = (order(&mut fields)?, wishes(&mut fields)?);
    Ok(submitted(&server.intake.paint(ticket, order, wishes, PaintFiles { photo, artworks }).await?))
}

fn order(fields: &mut Fields) -> Result<PaintOrder, Refusal> {
    Ok(PaintOrder {
        artwork_weights: fields.reals("artwork_weight")?,
        steps: fields.number("steps")?,
        optimizer: fields.parse("optimizer")?,
        init: fields.parse("init")?,
        seed: fields.number("seed")?,
        content_weight: fields.real("content_weight")?,
        style_weight: fields.real("style_weight")?,
        tv_weight: fields.real("tv_weight")?,
        size: fields.number("size")?,
        preserve_color: fields.flag("preserve_color")?,
        format: fields.parse("format")?,
        preview_every: fields.number("preview_every")?,
    })
}
