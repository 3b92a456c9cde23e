//! `POST /v1/train`: an artwork comes in; the job that learns it goes out.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use protocol::job::JobJson;
use protocol::job::train::{Norm, Recipe, Upsample};
use protocol::{Priority, StyleName, TrainOrder, Wishes};

use super::accepted::submitted;
use super::fields::{Fields, missing};
use super::prefer;
use super::refused::Refused;
use super::server::Server;
use super::upload::Form;
use crate::access::Caller;
use crate::refusal::Refusal;

const FORM: Form = Form {
    known: &[
        "artwork",
        "name",
        "dataset",
        "replace",
        "recipe",
        "steps",
        "batch",
        "size",
        "art_size",
        "seed",
        "learning_rate",
        "content_weight",
        "style_weight",
        "tv_weight",
        "norm",
        "upsample",
        "width",
        "residuals",
        "init",
        "early_stop",
        "checkpoint_every",
        "preview_every",
        "priority",
        "email",
        "note",
    ],
    files: &["artwork"],
    repeatable: &[],
};

/// The form of `POST /v1/train`.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it describes the form; the parts are read as they come")]
pub(super) struct TrainForm {
    /// The artwork: JPEG, PNG, WebP, GIF (first frame), BMP or TIFF, no side smaller than the crops.
    #[schema(value_type = String, format = Binary)]
    artwork: Vec<u8>,
    /// The new style's name.
    name: StyleName,
    /// The photos to learn on: a name from the configuration; `builtin` where absent.
    dataset: Option<String>,
    /// Replaces a style of that name; no where absent.
    replace: Option<bool>,
    /// Which losses; `house` where absent. It also decides what the defaults below are for `johnson`.
    recipe: Option<Recipe>,
    /// Steps of the optimiser; 400 where absent (2000).
    #[schema(minimum = 1, maximum = 200_000)]
    steps: Option<u32>,
    /// Photos a step; 2 where absent (4).
    #[schema(minimum = 1, maximum = 16)]
    batch: Option<u32>,
    /// Side of the photos' crops in pixels, a multiple of 4; 256 where absent.
    #[schema(minimum = 64, maximum = 1024, multiple_of = 4)]
    size: Option<u32>,
    /// Shorter side, in pixels, at which the artwork is looked at; 448 where absent.
    #[schema(minimum = 64, maximum = 2048)]
    art_size: Option<u32>,
    /// Where chance begins; 1 where absent.
    seed: Option<u64>,
    /// Rate of the optimiser at its height; 0.002 where absent, 0.003 without a style to start from (0.001).
    #[schema(exclusive_minimum = 0.0, maximum = 1.0)]
    learning_rate: Option<f64>,
    /// Factor of the content loss; 1 where absent.
    #[schema(exclusive_minimum = 0.0)]
    content_weight: Option<f64>,
    /// Factor of the style loss; 3 where absent (10).
    #[schema(exclusive_minimum = 0.0)]
    style_weight: Option<f64>,
    /// Factor of the total variation; 0 where absent (0.000001).
    #[schema(minimum = 0.0)]
    tv_weight: Option<f64>,
    /// What normalises the network's features; `instance` where absent.
    norm: Option<Norm>,
    /// How the network enlarges; `nearest` where absent.
    upsample: Option<Upsample>,
    /// Channels of the network's first layer; 16 where absent (32).
    #[schema(minimum = 4, maximum = 128)]
    width: Option<u32>,
    /// Residual blocks of the network; 3 where absent (5).
    #[schema(minimum = 0, maximum = 16)]
    residuals: Option<u32>,
    /// What it starts from: `auto` (the nearest style at hand), `none` or a style's name; `auto` where absent (`none`).
    init: Option<String>,
    /// Ends when the loss falls no further; no where absent.
    early_stop: Option<bool>,
    /// Steps from one checkpoint to the next; 50 where absent.
    #[schema(minimum = 1, maximum = 200_000)]
    checkpoint_every: Option<u32>,
    /// Steps from one preview to the next; 20 where absent.
    #[schema(minimum = 1, maximum = 200_000)]
    preview_every: Option<u32>,
    /// Kept with the job; training goes after all photos whatever it is. Batch where absent.
    priority: Option<Priority>,
    /// Where to mail the loss curve and a sample.
    #[schema(format = Email)]
    email: Option<String>,
    /// A person's own words.
    note: Option<String>,
}

/// Learns a style from an artwork.
///
/// The answer has every default filled in. The finished style is published under its name, and its package is the job's
/// result. Training gives way to photos between two steps.
#[utoipa::path(
    post, path = "/v1/train", tag = "jobs",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes the submit safe to repeat: 1 to 255 visible characters.")),
    request_body(content = TrainForm, content_type = "multipart/form-data"),
    responses(
        (status = 202, description = "The job, accepted and on the disk.", body = JobJson,
            headers(("Location" = String, description = "Where to ask for the job."),
                    ("Atelier-Job" = String, description = "The job's id."),
                    ("Idempotent-Replayed" = Option<String>, description = "`true` when this answers a repeated submit."))),
    ),
)]
pub(super) async fn train(
    State(server): State<Arc<Server>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    let boundary = Form::boundary(&parts)?;
    let key = prefer::idempotency_key(&parts.headers)?;
    let ticket = server.intake.open(&caller, "train", key).await?;
    let (mut fields, files) = FORM.read(body, boundary, || ticket.receive()).await?;
    let artwork = files.into_iter().next().map(|(_, artwork)| artwork);
    let artwork = artwork.ok_or_else(|| missing("artwork", "send it as a file of the form"))?;
    let (order, wishes) = (order(&mut fields)?, wishes(&mut fields)?);
    Ok(submitted(&server.intake.train(ticket, order, wishes, artwork).await?))
}

fn order(fields: &mut Fields) -> Result<TrainOrder, Refusal> {
    Ok(TrainOrder {
        name: fields.parse("name")?.ok_or_else(|| missing("name", "say what the new style is to be called"))?,
        dataset: fields.text("dataset"),
        replace: fields.flag("replace")?,
        recipe: fields.parse("recipe")?,
        steps: fields.number("steps")?,
        batch: fields.number("batch")?,
        size: fields.number("size")?,
        art_size: fields.number("art_size")?,
        seed: fields.number("seed")?,
        learning_rate: fields.real("learning_rate")?,
        content_weight: fields.real("content_weight")?,
        style_weight: fields.real("style_weight")?,
        tv_weight: fields.real("tv_weight")?,
        norm: fields.parse("norm")?,
        upsample: fields.parse("upsample")?,
        width: fields.number("width")?,
        residuals: fields.number("residuals")?,
        init: fields.parse("init")?,
        early_stop: fields.flag("early_stop")?,
        checkpoint_every: fields.number("checkpoint_every")?,
        preview_every: fields.number("preview_every")?,
    })
}

/// Takes what every submit may say about its job.
pub(super) fn wishes(fields: &mut Fields) -> Result<Wishes, Refusal> {
    Ok(Wishes { priority: fields.parse("priority")?, email: fields.text("email"), note: fields.text("note") })
}
