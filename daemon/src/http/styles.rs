//! Styles: listing, showing, bringing in, deleting.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use protocol::{ErrorCode, Style};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::extract::StylePath;
use super::names_etag;
use super::prefer::media_type;
use super::refused::Refused;
use super::server::Server;
use super::upload::save;
use crate::access::Caller;
use crate::refusal::Refusal;

/// The styles at hand, by name.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Styles {
    /// The styles.
    styles: Vec<Style>,
}

/// Lists the styles by name.
#[utoipa::path(
    get, path = "/v1/styles", tag = "styles",
    responses((status = 200, description = "The styles.", body = Styles)),
)]
pub(super) async fn list(State(server): State<Arc<Server>>, _: Caller) -> Json<Styles> {
    Json(Styles { styles: server.intake.styles() })
}

/// Shows a style.
#[utoipa::path(
    get, path = "/v1/styles/{name}", tag = "styles",
    params(("name" = String, Path, description = "The style's name.")),
    responses((status = 200, description = "The style.", body = Style)),
)]
pub(super) async fn show(
    State(server): State<Arc<Server>>,
    _: Caller,
    StylePath(name): StylePath,
) -> Result<Json<Style>, Refused> {
    Ok(Json(server.intake.style(&name)?))
}

/// Sends a style's preview picture.
#[utoipa::path(
    get, path = "/v1/styles/{name}/preview", tag = "styles",
    params(
        ("name" = String, Path, description = "The style's name."),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` that the caller has."),
    ),
    responses(
        (status = 200, description = "The preview.", body = Vec<u8>, content_type = "image/jpeg",
            headers(("ETag" = String, description = "SHA-256 of the preview."))),
        (status = 304, description = "The caller has it already."),
    ),
)]
pub(super) async fn preview(
    State(server): State<Arc<Server>>,
    _: Caller,
    StylePath(name): StylePath,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let picture = server.intake.style_preview(&name)?;
    let etag = Sha256::digest(&picture).iter().fold(String::from("\""), |tag, byte| format!("{tag}{byte:02x}")) + "\"";
    let mut response =
        if names_etag(&headers, &etag) { StatusCode::NOT_MODIFIED.into_response() } else { picture.into_response() };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::ETAG, HeaderValue::from_str(&etag).expect("hexadecimal digits are a header's text"));
    Ok(response)
}

/// Brings a style in, replacing what has its name.
///
/// The body is the package: a `.safetensors` file, a foreign weight file, or a folder as tar or zip. It is verified
/// before it replaces anything.
#[utoipa::path(
    put, path = "/v1/styles/{name}", tag = "styles",
    params(("name" = String, Path, description = "The name it shall have.")),
    request_body(content(
        (Vec<u8> = "application/octet-stream"),
        (Vec<u8> = "application/zip"),
        (Vec<u8> = "application/x-tar"),
    )),
    responses(
        (status = 200, description = "The style, which replaced one.", body = Style),
        (status = 201, description = "The style, which is new.", body = Style,
            headers(("Location" = String, description = "Where to ask for it."))),
    ),
)]
pub(super) async fn put(
    State(server): State<Arc<Server>>,
    caller: Caller,
    StylePath(name): StylePath,
    request: Request,
) -> Result<Response, Refused> {
    if media_type(request.headers()).starts_with("multipart/") {
        let detail = "send the package itself as the body, not a form: curl -T style.safetensors";
        return Err(Refusal::new(ErrorCode::UnsupportedMediaType, detail).into());
    }
    let package = save(request.into_body(), server.intake.receive_package(&caller)?).await?;
    let is_new = server.intake.style(&name).is_err();
    let style = server.intake.import_style(&caller, name, package).await?;
    if !is_new {
        return Ok(Json(style).into_response());
    }
    let location = HeaderValue::from_str(&format!("/v1/styles/{}", style.name)).expect("names are plain ASCII");
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(style)).into_response())
}

/// Deletes a style's folder. Jobs that run go on; queued ones will fail.
#[utoipa::path(
    delete, path = "/v1/styles/{name}", tag = "styles",
    params(("name" = String, Path, description = "The style's name.")),
    responses((status = 204, description = "It is gone.")),
)]
pub(super) async fn delete(
    State(server): State<Arc<Server>>,
    caller: Caller,
    StylePath(name): StylePath,
) -> Result<StatusCode, Refused> {
    server.intake.delete_style(&caller, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
