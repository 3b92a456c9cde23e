//! `POST /v1/styles/{name}/measure`: an artwork and photos come in; how near the style comes to them goes out.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use protocol::Measurement;

use super::extract::StylePath;
use super::fields::missing;
use super::refused::Refused;
use super::server::Server;
use super::upload::Form;
use crate::access::Caller;

const FORM: Form = Form { known: &["artwork", "image"], files: &["artwork", "image"], repeatable: &["image"] };

/// The form of `POST /v1/styles/{name}/measure`.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it describes the form; the parts are read as they come")]
pub(super) struct MeasureForm {
    /// The artwork that the style is of.
    #[schema(value_type = String, format = Binary)]
    artwork: Vec<u8>,
    /// The photos to measure on, one part each, up to eight.
    #[schema(value_type = Vec<String>)]
    image: Vec<Vec<u8>>,
}

/// Measures how near a style comes to its artwork and to photos.
///
/// The photos are painted in the style and looked at with VGG19. Numbers compare for the same artwork and photos only; lower
/// is nearer. One measurement runs at a time, beside the devices. For more photos than a form holds there is gRPC and
/// `atelier styles --measure`.
#[utoipa::path(
    post, path = "/v1/styles/{name}/measure", tag = "styles",
    params(("name" = String, Path, description = "The style's name.")),
    request_body(content = MeasureForm, content_type = "multipart/form-data"),
    responses((status = 200, description = "The distances of each photo, and their mean.", body = Measurement)),
)]
pub(super) async fn measure(
    State(server): State<Arc<Server>>,
    caller: Caller,
    StylePath(name): StylePath,
    request: Request,
) -> Result<Json<Measurement>, Refused> {
    let (parts, body) = request.into_parts();
    let boundary = Form::boundary(&parts)?;
    let (_, files) = FORM.read(body, boundary, || server.intake.receive_measured(&caller)).await?;
    let (artworks, photos): (Vec<_>, Vec<_>) = files.into_iter().partition(|(name, _)| *name == "artwork");
    let (_, artwork) =
        artworks.into_iter().next().ok_or_else(|| missing("artwork", "send the artwork as a file of the form"))?;
    let mut measuring = server.intake.measure(&caller, name, artwork).await?;
    for (_, photo) in photos {
        measuring.photo(photo).await?;
    }
    Ok(Json(measuring.finish().await?))
}
