//! Pictures and their fields on their way from the network to the disk, as a form or as a bare picture.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, BodyDataStream};
use axum::http::header;
use axum::http::request::Parts;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use multer::{Field, Multipart};
use protocol::{ErrorCode, PaintOrder};

use super::body::{BodyError, read_refusal};
use super::fields::{Fields, invalid, missing};
use super::prefer::media_type;
use crate::intake::{Draft, Receiving, Ticket};
use crate::refusal::Refusal;

/// The longest text field of a form.
const TEXT_BYTES: usize = 16 * 1024;

/// What a form may hold beside its fields' content before the reader loses patience: the head of a part.
const HEAD_BYTES: usize = 64 * 1024;

/// The most files of one form.
const MOST_FILES: usize = 1 + PaintOrder::MOST_ARTWORKS;

/// The form's file, which the query of a bare picture lacks.
const PHOTO: &str = "image";

/// What a form may hold.
pub(super) struct Form {
    /// The names of all its parts.
    pub(super) known: &'static [&'static str],
    /// Which of them are files.
    pub(super) files: &'static [&'static str],
    /// Which of them may come more than once.
    pub(super) repeatable: &'static [&'static str],
}

/// How a photo is sent.
pub(super) enum Manner {
    /// `multipart/form-data` with this boundary; the fields are parts.
    Form(String),
    /// The picture itself; the fields are in the query.
    Bare(Fields),
}

impl Manner {
    /// Reads off the head of a request how it sends its photo, and everything that can be wrong before the body.
    /// The known fields include the photo's own.
    ///
    /// # Errors
    /// `unsupported_media_type`, `malformed_request`, `invalid_field`.
    pub(super) fn of(parts: &Parts, known: &'static [&'static str]) -> Result<Self, Refusal> {
        match media_type(&parts.headers).as_str() {
            "multipart/form-data" => boundary(parts).map(Self::Form),
            kind if kind.is_empty() || kind == "application/octet-stream" || kind.starts_with("image/") => {
                Fields::of_query(parts.uri.query(), known).and_then(|mut fields| match fields.text(PHOTO) {
                    None => Ok(Self::Bare(fields)),
                    Some(_) => Err(invalid(PHOTO, "is the body, not a part of the query")),
                })
            }
            other => Err(Refusal::new(
                ErrorCode::UnsupportedMediaType,
                format!("send multipart/form-data, or the picture itself as image/*; not {}", other.escape_debug()),
            )),
        }
    }

    /// Receives the photo and the fields.
    ///
    /// # Errors
    /// `missing_field`, `invalid_field`, `malformed_request`, `request_timeout`, and what the disk refuses.
    pub(super) async fn receive(
        self,
        body: Body,
        ticket: &Ticket,
        known: &'static [&'static str],
    ) -> Result<(Fields, Draft), Refusal> {
        match self {
            Self::Bare(fields) => {
                let photo = save(body, ticket.receive()?).await?;
                Ok((fields, photo))
            }
            Self::Form(boundary) => {
                let form = Form { known, files: &[PHOTO], repeatable: &[] };
                let (fields, files) = form.read(body, boundary, || ticket.receive()).await?;
                let photo = files.into_iter().next().map(|(_, photo)| photo);
                let photo = photo.ok_or_else(|| missing(PHOTO, "send the photo as the form's file \"image\""))?;
                Ok((fields, photo))
            }
        }
    }
}

/// Receives a whole body as one file.
///
/// # Errors
/// What the network or the disk refuses.
pub(super) async fn save(body: Body, mut file: Receiving) -> Result<Draft, Refusal> {
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        file = file.write(chunk.map_err(|error| broken(&error))?).await?;
    }
    file.finish().await
}

/// Reads the boundary of a form off the head of its request.
fn boundary(parts: &Parts) -> Result<String, Refusal> {
    Fields::of_query(parts.uri.query(), &[])?;
    let full = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let boundary = full.and_then(|kind| multer::parse_boundary(kind).ok());
    boundary.filter(|boundary| (1..=70).contains(&boundary.len())).ok_or_else(|| {
        let detail = "the Content-Type names no boundary of 1 to 70 characters";
        Refusal::new(ErrorCode::MalformedRequest, detail)
    })
}

impl Form {
    /// Reads the boundary off the head of a request that can only be a form.
    ///
    /// # Errors
    /// `unsupported_media_type`, `malformed_request`, `invalid_field`.
    pub(super) fn boundary(parts: &Parts) -> Result<String, Refusal> {
        match media_type(&parts.headers).as_str() {
            "multipart/form-data" => boundary(parts),
            other => Err(Refusal::new(
                ErrorCode::UnsupportedMediaType,
                format!(
                    "send multipart/form-data, not {}",
                    if other.is_empty() { "a body without a type" } else { other }
                ),
            )),
        }
    }

    /// Receives all parts: the fields, and the files in the order in which they come, each with its name.
    ///
    /// # Errors
    /// `invalid_field`, `malformed_request`, `request_timeout`, and what the disk refuses.
    pub(super) async fn read(
        &self,
        body: Body,
        boundary: String,
        receive: impl Fn() -> Result<Receiving, Refusal>,
    ) -> Result<(Fields, Vec<(&'static str, Draft)>), Refusal> {
        let progress = Arc::new(AtomicUsize::new(0));
        let mut form = Multipart::new(Sips::new(body, Arc::clone(&progress)), boundary);
        let mut fields = Fields::expecting(self.known).repeating(self.repeatable);
        let mut files: Vec<(&str, Draft)> = Vec::new();
        while let Some(mut part) = form.next_field().await.map_err(|error| broken(&error))? {
            progress.store(0, Ordering::Relaxed);
            let name = fields.expect(part.name().unwrap_or_default())?;
            if !self.files.contains(&name) {
                let text = read_text(name, &mut part, &progress).await?;
                fields.add(name, text)?;
                continue;
            }
            if files.iter().any(|(given, _)| *given == name) && !self.repeatable.contains(&name) {
                return Err(invalid(name, "is given twice"));
            }
            if files.len() == MOST_FILES {
                return Err(invalid(name, &format!("is one file too many; a form has at most {MOST_FILES}")));
            }
            let mut file = receive()?;
            while let Some(chunk) = part.chunk().await.map_err(|error| broken(&error))? {
                progress.store(0, Ordering::Relaxed);
                file = file.write(chunk).await?;
            }
            files.push((name, file.finish().await?));
        }
        Ok((fields, files))
    }
}

async fn read_text(name: &str, part: &mut Field<'_>, progress: &AtomicUsize) -> Result<String, Refusal> {
    let mut text = Vec::new();
    while let Some(chunk) = part.chunk().await.map_err(|error| broken(&error))? {
        progress.store(0, Ordering::Relaxed);
        if text.len() + chunk.len() > TEXT_BYTES {
            return Err(invalid(name, &format!("is longer than {TEXT_BYTES} bytes")));
        }
        text.extend_from_slice(&chunk);
    }
    String::from_utf8(text).map_err(|_| invalid(name, "is not UTF-8 text"))
}

/// Tells a body that could not be read from a form that is none.
fn broken(error: &(dyn std::error::Error + 'static)) -> Refusal {
    read_refusal(error)
        .unwrap_or_else(|| Refusal::new(ErrorCode::MalformedRequest, format!("the form can't be read: {error}")))
}

/// A body given to the form's reader one chunk at a time. The reader gathers whatever it can get until it has found
/// the head of a part, without a limit of its own; this one ends it.
struct Sips {
    body: BodyDataStream,
    unused: Arc<AtomicUsize>,
    rests: bool,
}

impl Sips {
    fn new(body: Body, unused: Arc<AtomicUsize>) -> Self {
        Self { body: body.into_data_stream(), unused, rests: false }
    }
}

impl Stream for Sips {
    type Item = Result<Bytes, Box<dyn std::error::Error + Send + Sync>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.rests) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.unused.load(Ordering::Relaxed) > HEAD_BYTES {
            return Poll::Ready(Some(Err(BodyError::HeadTooLong.into())));
        }
        let next = self.body.poll_next_unpin(cx);
        if let Poll::Ready(Some(Ok(chunk))) = &next {
            self.unused.fetch_add(chunk.len(), Ordering::Relaxed);
            self.rests = true;
        }
        next.map(|chunk| chunk.map(|chunk| chunk.map_err(Into::into)))
    }
}
