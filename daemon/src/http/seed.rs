//! The API of the system that this one descends from, for its clients: their words, their shape, our queue.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::HeaderName;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use protocol::{ErrorCode, JobId, StyleName, StyleState};
use serde::{Deserialize, Serialize};

use super::extract::read_whole;
use super::prefer;
use super::refused::Refused;
use super::server::Server;
use crate::access::Caller;
use crate::intake::{Draft, StylizeOrder, blocking};
use crate::mail;
use crate::refusal::Refusal;

/// How long a whole request may take to arrive, and to wait for its turn. Bodies here are held in memory.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much base64 is made into bytes at a time.
const PIECE_BYTES: usize = 64 << 10;

/// File names that the seed's clients may send, by their ends.
const ENDINGS: [&str; 8] = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"];

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What `GET /help` answers.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Help {
    /// Always `HELP_SUCCESS`.
    status: &'static str,
    /// The styles that can paint.
    models: Vec<StyleName>,
    /// The file name endings that are taken.
    format: String,
}

/// Lists the styles, in the seed system's shape.
#[utoipa::path(
    get, path = "/help", tag = "seed",
    responses((status = 200, description = "The styles.", body = Help)),
)]
pub(super) async fn help(State(server): State<Arc<Server>>, _: Caller) -> Json<Help> {
    let styles = server.intake.styles();
    let ready = styles.into_iter().filter(|style| style.state == StyleState::Ready);
    Json(Help { status: "HELP_SUCCESS", models: ready.map(|style| style.name).collect(), format: ENDINGS.join(", ") })
}

/// What `POST /transform` takes.
#[derive(Deserialize, utoipa::ToSchema)]
pub(super) struct Transform<'a> {
    /// Where to mail the painting.
    #[schema(value_type = String)]
    email: Cow<'a, str>,
    /// The photo's file name.
    #[schema(value_type = String)]
    filename: Cow<'a, str>,
    /// The photo in base64.
    #[serde(borrow)]
    #[schema(value_type = String, format = Byte)]
    image: Cow<'a, str>,
    /// The style's name, with or without `.ckpt`.
    #[schema(value_type = String)]
    model: Cow<'a, str>,
}

/// What `POST /transform` answers.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Submitted {
    /// Always `SUBMIT_SUCCESS`.
    status: &'static str,
    /// The job's id.
    job: JobId,
}

/// What the seed's routes answer to a request that is refused.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it describes what the form of refusals makes for these routes")]
pub(super) struct SeedProblem {
    /// The seed system's word for it: `PARAMS ERROR`, `FILENAME NOT SUPPORT`, `EMAIL FORMAT ERROR`,
    /// `MODEL NOT EXISTS`, `IMAGE ERROR`, or another in its manner.
    status: String,
    /// A sentence that names the thing and the way out.
    detail: String,
}

/// Paints a photo and mails the painting, in the seed system's shape.
#[utoipa::path(
    post, path = "/transform", tag = "seed",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes the submit safe to repeat.")),
    request_body(content = Transform),
    responses((status = 200, description = "The job is on the disk.", body = Submitted)),
)]
pub(super) async fn transform(
    State(server): State<Arc<Server>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    let key = prefer::idempotency_key(&parts.headers)?;
    let ticket = server.intake.open(&caller, "transform", key).await?;
    let busy = || {
        Refusal::new(
            ErrorCode::QueueFull,
            "too many requests are being received on this route; /v1/stylize has no such limit",
        )
        .retry_after(PATIENCE)
    };
    let place = tokio::time::timeout(PATIENCE, server.seed_bodies.acquire()).await.map_err(|_| busy())?;
    let late = || Refusal::new(ErrorCode::RequestTimeout, "the body did not arrive in time");
    let arriving = read_whole(body, server.config().limits.upload_bytes as usize);
    let bytes = tokio::time::timeout(PATIENCE, arriving).await.map_err(|_| late())??;
    let photo = ticket.receive()?;
    // Decoding tens of megabytes takes a while, which the other requests must not wait for.
    let (order, filename, photo) = blocking(move || Ok(read(&bytes, photo.draft_blocking()?))).await??;
    drop(place);
    let submission = server.intake.stylize(ticket.also_comparing(filename), order, photo).await?;
    let mut response = Json(Submitted { status: "SUBMIT_SUCCESS", job: submission.job.id }).into_response();
    if submission.replayed {
        let replayed = HeaderName::from_static("idempotent-replayed");
        response.headers_mut().insert(replayed, axum::http::HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Reads the request's document, and writes the photo in it to the draft. Returns the order, the photo's file name, the
/// photo.
fn read(document: &[u8], mut photo: Draft) -> Result<(StylizeOrder, String, Draft), Refused> {
    let wrong = |what: &str| {
        let wanted = "send an object of four texts: email, filename, image and model";
        Refusal::new(ErrorCode::MalformedRequest, format!("not the JSON that is wanted: {what}; {wanted}"))
    };
    // A list of four texts would pass for an object's fields in their order.
    if !document.trim_ascii_start().starts_with(b"{") {
        return Err(wrong("it is no object").into());
    }
    let transform: Transform<'_> = serde_json::from_slice(document).map_err(|error| wrong(&error.to_string()))?;
    let order = order(&transform)?;
    decode(&transform.image, &mut photo)?;
    Ok((order, transform.filename.into_owned(), photo))
}

fn order(transform: &Transform<'_>) -> Result<StylizeOrder, Refused> {
    let wrong = |detail: String, words| Refused::in_words(Refusal::new(ErrorCode::InvalidField, detail), words);
    let ending = transform.filename.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    if !ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str())) {
        let detail = format!("\"filename\" must end in one of {}", ENDINGS.join(", "));
        return Err(wrong(detail, "FILENAME NOT SUPPORT"));
    }
    if let Err(error) = mail::address::parse(&transform.email) {
        return Err(wrong(format!("\"email\": {error}"), "EMAIL FORMAT ERROR"));
    }
    let name = transform.model.strip_suffix(".ckpt").unwrap_or(&transform.model);
    let style = name
        .parse()
        .map_err(|error| Refusal::new(ErrorCode::UnknownStyle, format!("\"model\": {error}; see GET /help")))?;
    Ok(StylizeOrder {
        style,
        strength: None,
        size: None,
        preserve_color: false,
        format: None,
        priority: None,
        email: Some(transform.email.clone().into_owned()),
        note: None,
    })
}

/// Writes a base64 picture to a draft, a piece at a time. Line breaks and the head of a `data:` address are passed
/// over, since browsers and mail tools make them.
fn decode(text: &str, photo: &mut Draft) -> Result<(), Refused> {
    let text = match text.strip_prefix("data:") {
        Some(address) => address.split_once(',').map_or("", |(_, content)| content),
        None => text,
    };
    let bad = || {
        let detail = "\"image\" is not base64; send the file's bytes in its standard alphabet (RFC 4648)";
        Refused::in_words(Refusal::new(ErrorCode::InvalidPicture, detail), "IMAGE ERROR")
    };
    let mut has_ended = false;
    let mut take = |digits: &[u8]| {
        if has_ended && !digits.is_empty() {
            return Err(bad());
        }
        has_ended |= digits.contains(&b'=');
        Ok::<_, Refused>(photo.write(&BASE64.decode(digits).map_err(|_| bad())?)?)
    };
    let mut digits = Vec::new();
    for piece in text.as_bytes().chunks(PIECE_BYTES) {
        for line in piece.split(u8::is_ascii_whitespace) {
            digits.extend_from_slice(line);
        }
        // Four digits stand for whole bytes.
        let whole = digits.len() / 4 * 4;
        take(&digits[..whole])?;
        digits.drain(..whole);
    }
    take(&digits)
}
