//! Files on their way to the daemon and back.

use std::path::PathBuf;

use futures::future::Either;
use protocol::convert::to_wire;
use protocol::wire::{
    self, import_style_request, measure_style_request, paint_request, stylize_request, train_request,
};
use protocol::{Job, JobRef, Measurement, OutputFormat, PaintOrder, Priority, Style, StyleName, TrainOrder, Wishes};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codec::Streaming;
use tonic::{Response, Status};

use super::{CallError, Connection};

/// Bytes a message.
const CHUNK_BYTES: usize = 256 * 1024;

/// Where an upload's bytes come from; it can be read again when the connection breaks.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A file, read as it is sent.
    File(PathBuf),
    /// Bytes at hand.
    Bytes(Vec<u8>),
}

/// An order to paint a photo; absent fields take the daemon's defaults.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Order {
    /// The style's name.
    pub(crate) style: StyleName,
    /// Mix of photo and painting, 0 to 1.
    pub(crate) strength: Option<f32>,
    /// Longest side in pixels.
    pub(crate) size: Option<u32>,
    /// Keep the photo's chroma.
    pub(crate) preserve_color: bool,
    /// The result's format.
    pub(crate) format: Option<OutputFormat>,
    /// Which jobs go first.
    pub(crate) priority: Option<Priority>,
    /// Where to mail the painting.
    pub(crate) email: Option<String>,
    /// A person's own words.
    pub(crate) note: Option<String>,
    /// Makes the submit safe to repeat.
    pub(crate) idempotency_key: Option<String>,
}

impl From<Order> for wire::StylizeOrder {
    fn from(order: Order) -> Self {
        Self {
            style: order.style.to_string(),
            strength: order.strength,
            size: order.size,
            preserve_color: order.preserve_color,
            format: to_wire(order.format),
            priority: to_wire(order.priority),
            email: order.email,
            note: order.note,
            idempotency_key: order.idempotency_key,
        }
    }
}

impl Connection {
    /// Sends a photo to be painted.
    ///
    /// # Errors
    /// Whatever the daemon refuses, an unreachable daemon, and a photo that can't be read.
    pub(crate) async fn stylize(&self, order: Order, photo: &Source) -> Result<Job, CallError> {
        let first = wire::StylizeRequest { part: Some(stylize_request::Part::Order(order.into())) };
        let chunk = |bytes: Vec<u8>| wire::StylizeRequest { part: Some(stylize_request::Part::Chunk(bytes.into())) };
        let mut client = self.client.clone();
        let parcels = [Parcel { opening: first, content: Some(photo) }];
        let answer = self.upload(parcels, chunk, async move |parts| client.stylize(parts).await).await?;
        self.accepted(answer.job)
    }

    /// Sends an artwork to be learned. The second of what comes with it makes the submit safe to repeat.
    ///
    /// # Errors
    /// Whatever the daemon refuses, an unreachable daemon, and an artwork that can't be read.
    pub(crate) async fn train(
        &self,
        order: TrainOrder,
        (wishes, key): (Wishes, String),
        artwork: &Source,
    ) -> Result<Job, CallError> {
        use train_request::Part;
        let message = |part| wire::TrainRequest { part: Some(part) };
        let wishes = Some(wire::Wishes { idempotency_key: Some(key), ..wishes.into() });
        let order = Part::Order(wire::TrainOrder { wishes, ..order.into() });
        let parcels = [Parcel { opening: message(order), content: Some(artwork) }];
        let chunk = |bytes: Vec<u8>| message(Part::Chunk(bytes.into()));
        let mut client = self.client.clone();
        let answer = self.upload(parcels, chunk, async move |parts| client.train(parts).await).await?;
        self.accepted(answer.job)
    }

    /// Sends a photo to be painted after artworks by optimising its pixels. The second of what comes with it makes the
    /// submit safe to repeat.
    ///
    /// # Errors
    /// Whatever the daemon refuses, an unreachable daemon, and a picture that can't be read.
    pub(crate) async fn paint(
        &self,
        order: PaintOrder,
        (wishes, key): (Wishes, String),
        photo: &Source,
        artworks: &[Source],
    ) -> Result<Job, CallError> {
        use paint_request::Part;
        let message = |part| wire::PaintRequest { part: Some(part) };
        let wishes = Some(wire::Wishes { idempotency_key: Some(key), ..wishes.into() });
        let order = Part::Order(wire::PaintOrder { wishes, ..order.into() });
        let file = |content| Parcel { opening: message(Part::NextFile(wire::NextFile {})), content: Some(content) };
        let mut parcels = vec![Parcel { opening: message(order), content: None }];
        parcels.extend(std::iter::once(photo).chain(artworks).map(file));
        let chunk = |bytes: Vec<u8>| message(Part::Chunk(bytes.into()));
        let mut client = self.client.clone();
        let answer = self.upload(parcels, chunk, async move |parts| client.paint(parts).await).await?;
        self.accepted(answer.job)
    }

    fn accepted(&self, job: Option<wire::Job>) -> Result<Job, CallError> {
        let job = job.ok_or(protocol::convert::WireError::Missing("job")).and_then(TryInto::try_into);
        job.map_err(|error| self.garbled(&error))
    }

    /// Sends a style package or a foreign weight file.
    ///
    /// # Errors
    /// Whatever the daemon refuses, an unreachable daemon, and a package that can't be read.
    pub(crate) async fn import_style(&self, name: &StyleName, package: &Source) -> Result<Style, CallError> {
        let first = wire::ImportStyleRequest { part: Some(import_style_request::Part::Name(name.to_string())) };
        let chunk =
            |bytes: Vec<u8>| wire::ImportStyleRequest { part: Some(import_style_request::Part::Chunk(bytes.into())) };
        let mut client = self.client.clone();
        let parcels = [Parcel { opening: first, content: Some(package) }];
        let answer = self.upload(parcels, chunk, async move |parts| client.import_style(parts).await).await?;
        answer.try_into().map_err(|error| self.garbled(&error))
    }

    /// Sends an artwork and photos to measure a style with, each photo as it is taken from `photos`.
    ///
    /// # Errors
    /// Whatever the daemon refuses, an unreachable daemon, and a picture that can't be read.
    pub(crate) async fn measure<'a>(
        &self,
        style: &StyleName,
        artwork: &'a Source,
        photos: impl Iterator<Item = &'a Source>,
    ) -> Result<Measurement, CallError> {
        use measure_style_request::Part;
        let message = |part| wire::MeasureStyleRequest { part: Some(part) };
        let file = |content| Parcel { opening: message(Part::NextFile(wire::NextFile {})), content: Some(content) };
        let name = Parcel { opening: message(Part::Style(style.to_string())), content: None };
        let parcels = [name, file(artwork)].into_iter().chain(photos.map(file));
        let chunk = |bytes: Vec<u8>| message(Part::Chunk(bytes.into()));
        let mut client = self.client.clone();
        let answer = self.upload(parcels, chunk, async move |parts| client.measure_style(parts).await).await?;
        answer.try_into().map_err(|error| self.garbled(&error))
    }

    /// Opens a finished job's result.
    ///
    /// # Errors
    /// Whatever the daemon refuses, and an unreachable daemon.
    pub(crate) async fn result(&self, job: JobRef) -> Result<Download, CallError> {
        let request = wire::JobRequest { id: job.to_string() };
        let answer = self.client.clone().get_result(request).await;
        self.download(answer).await
    }

    /// Opens a style's preview.
    ///
    /// # Errors
    /// Whatever the daemon refuses, and an unreachable daemon.
    pub(crate) async fn style_preview(&self, name: &StyleName) -> Result<Download, CallError> {
        let answer = self.client.clone().get_style_preview(wire::StyleRequest { name: name.to_string() }).await;
        self.download(answer).await
    }

    /// Opens the newest preview of a training or painting.
    ///
    /// # Errors
    /// Whatever the daemon refuses, and an unreachable daemon.
    pub(crate) async fn preview(&self, job: JobRef) -> Result<Download, CallError> {
        let answer = self.client.clone().get_preview(wire::JobRequest { id: job.to_string() }).await;
        self.download(answer).await
    }

    async fn download(&self, answer: Result<Response<Streaming<wire::Chunk>>, Status>) -> Result<Download, CallError> {
        let mut chunks = answer.map_err(|status| self.failed(&status))?.into_inner();
        let first = chunks.message().await.map_err(|status| self.failed(&status))?.unwrap_or_default();
        let left = first.total_bytes;
        let media_type = first.media_type.unwrap_or_else(|| "application/octet-stream".to_owned());
        Ok(Download { connection: self.clone(), chunks, media_type, left, pending: first.data.into() })
    }

    /// Streams each opening and then its file's bytes. A file that can't be read to its end breaks the call off
    /// before the daemon could take the part for the whole.
    async fn upload<M: Send + 'static, W>(
        &self,
        parcels: impl IntoIterator<Item = Parcel<'_, M>>,
        chunk: impl Fn(Vec<u8>) -> M,
        call: impl AsyncFnOnce(ReceiverStream<M>) -> Result<Response<W>, Status>,
    ) -> Result<W, CallError> {
        let (sender, receiver) = mpsc::channel(2);
        let feed = Box::pin(feed(sender.clone(), parcels, chunk));
        let call = Box::pin(call(ReceiverStream::new(receiver)));
        let answer = match futures::future::select(feed, call).await {
            // The daemon answers before it has everything: it refuses, or has seen this upload before.
            Either::Right((answer, _)) => answer,
            Either::Left((Err(error), call)) => {
                drop(call);
                drop(sender);
                return Err(error);
            }
            Either::Left((Ok(()), call)) => {
                drop(sender);
                call.await
            }
        };
        answer.map(Response::into_inner).map_err(|status| self.failed(&status))
    }
}

/// One part of an upload: a message, and the bytes of the file that it announces.
struct Parcel<'a, M> {
    opening: M,
    content: Option<&'a Source>,
}

async fn feed<M>(
    to: mpsc::Sender<M>,
    parcels: impl IntoIterator<Item = Parcel<'_, M>>,
    chunk: impl Fn(Vec<u8>) -> M,
) -> Result<(), CallError> {
    for Parcel { opening, content } in parcels {
        // A send fails only when the call has ended; its answer then says why.
        if to.send(opening).await.is_err() || !pass_on(&to, content, &chunk).await? {
            break;
        }
    }
    Ok(())
}

/// Sends a file's bytes; false when the call has ended.
async fn pass_on<M>(
    to: &mpsc::Sender<M>,
    content: Option<&Source>,
    chunk: &impl Fn(Vec<u8>) -> M,
) -> Result<bool, CallError> {
    match content {
        None => {}
        Some(Source::Bytes(bytes)) => {
            for part in bytes.chunks(CHUNK_BYTES) {
                if to.send(chunk(part.to_vec())).await.is_err() {
                    return Ok(false);
                }
            }
        }
        Some(Source::File(path)) => {
            let unreadable = |source| CallError::File { what: path.display().to_string(), source };
            let mut file = File::open(path).await.map_err(unreadable)?;
            loop {
                let mut part = Vec::with_capacity(CHUNK_BYTES);
                file.read_buf(&mut part).await.map_err(unreadable)?;
                if part.is_empty() {
                    break;
                }
                if to.send(chunk(part)).await.is_err() {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

/// A file on its way from the daemon.
pub(crate) struct Download {
    connection: Connection,
    chunks: Streaming<wire::Chunk>,
    media_type: String,
    left: Option<u64>,
    pending: Vec<u8>,
}

impl Download {
    /// Returns what kind of file it is.
    #[must_use]
    pub(crate) fn media_type(&self) -> &str {
        &self.media_type
    }

    /// Reads everything, up to so many bytes.
    ///
    /// # Errors
    /// [`CallError::Foreign`] when there are more, and those of [`Self::next`].
    pub(crate) async fn whole(mut self, most_bytes: usize) -> Result<Vec<u8>, CallError> {
        let mut whole = Vec::new();
        while let Some(bytes) = self.next().await? {
            whole.extend(bytes);
            if whole.len() > most_bytes {
                let reason = format!("a file of more than {most_bytes} bytes");
                return Err(CallError::Foreign { server: self.connection.server.clone(), reason });
            }
        }
        Ok(whole)
    }

    /// Waits for the next bytes; none at the end.
    ///
    /// # Errors
    /// [`CallError::Unreachable`] when the connection breaks, or the stream ends before the file is whole.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, CallError> {
        if !self.pending.is_empty() {
            let bytes = std::mem::take(&mut self.pending);
            return Ok(Some(self.counted(bytes)));
        }
        let message = self.chunks.message().await.map_err(|status| self.connection.failed(&status))?;
        match (message, self.left) {
            (Some(chunk), _) => Ok(Some(self.counted(chunk.data.into()))),
            (None, Some(left)) if left > 0 => Err(CallError::Unreachable {
                server: self.connection.server.clone(),
                reason: format!("the file ends {left} bytes too early"),
            }),
            (None, _) => Ok(None),
        }
    }

    fn counted(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        self.left = self.left.map(|left| left.saturating_sub(bytes.len() as u64));
        bytes
    }
}
