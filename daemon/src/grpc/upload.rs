//! Client-streamed files: one message that says what they are, then their bytes.

use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use protocol::wire::paint_request::Part;
use protocol::wire::{MeasureStyleRequest, PaintRequest, measure_style_request};
use protocol::{ErrorCode, Measurement, PaintOrder, StyleName};
use tonic::{Code, Status};

use crate::access::Caller;
use crate::intake::{Draft, Intake, Measuring, PaintFiles, Receiving, Ticket};
use crate::refusal::Refusal;

/// How long a sender may be silent between two messages.
const SILENCE: Duration = Duration::from_secs(30);

/// Waits for the next message of a stream.
pub(super) async fn next<M>(stream: &mut (impl Stream<Item = Result<M, Status>> + Unpin)) -> Result<Option<M>, Status> {
    let Ok(message) = tokio::time::timeout(SILENCE, stream.next()).await else {
        let detail = format!("nothing arrived for {} s; send the rest without such a pause", SILENCE.as_secs());
        return Err(Refusal::new(ErrorCode::RequestTimeout, detail).into());
    };
    match message.transpose() {
        Err(status) if status.code() == Code::OutOfRange => {
            Err(Refusal::new(ErrorCode::UploadTooLarge, "a message is too large; send chunks of at most 4 MiB").into())
        }
        other => other,
    }
}

/// Receives a file's bytes to the end of the stream. `chunk` takes the bytes out of a message, or gives none for a
/// message that is something else.
pub(super) async fn receive<M>(
    stream: &mut (impl Stream<Item = Result<M, Status>> + Unpin),
    mut file: Receiving,
    chunk: impl Fn(M) -> Option<Bytes>,
) -> Result<Draft, Status> {
    while let Some(message) = next(stream).await? {
        file = file.write(chunk(message).ok_or_else(out_of_order)?).await?;
    }
    Ok(file.finish().await?)
}

/// Receives the files of a painting: each begins with a message of its own, the photo first.
pub(super) async fn painting(
    stream: &mut (impl Stream<Item = Result<PaintRequest, Status>> + Unpin),
    ticket: &Ticket,
) -> Result<PaintFiles, Status> {
    let (mut files, mut file): (Vec<Draft>, Option<Receiving>) = (Vec::new(), None);
    loop {
        let part = next(stream).await?.map(|message| message.part);
        if let Some(Some(Part::Chunk(bytes))) = part {
            file = Some(file.ok_or_else(out_of_order)?.write(bytes).await?);
            continue;
        }
        // Whatever else comes, the file before it is whole.
        if let Some(file) = file.take() {
            files.push(file.finish().await?);
        }
        match part {
            None => break,
            Some(Some(Part::NextFile(_))) if files.len() > PaintOrder::MOST_ARTWORKS => {
                let detail = format!("a painting takes at most {} artworks", PaintOrder::MOST_ARTWORKS);
                return Err(Refusal::new(ErrorCode::InvalidField, detail).into());
            }
            Some(Some(Part::NextFile(_))) => file = Some(ticket.receive()?),
            Some(_) => return Err(out_of_order().into()),
        }
    }
    let mut files = files.into_iter();
    let missing = || Refusal::new(ErrorCode::MissingField, "the photo is missing; it is the first file");
    Ok(PaintFiles { photo: files.next().ok_or_else(missing)?, artworks: files.collect() })
}

/// Receives the files of a measurement, the artwork first, and hands each photo over as soon as it is whole.
pub(super) async fn measured(
    stream: &mut (impl Stream<Item = Result<MeasureStyleRequest, Status>> + Unpin),
    intake: &Intake,
    caller: &Caller,
    style: StyleName,
) -> Result<Measurement, Status> {
    use measure_style_request::Part;
    let (mut measuring, mut file): (Option<Measuring>, Option<Receiving>) = (None, None);
    loop {
        let part = next(stream).await?.map(|message| message.part);
        if let Some(Some(Part::Chunk(bytes))) = part {
            file = Some(file.ok_or_else(out_of_order)?.write(bytes).await?);
            continue;
        }
        // Whatever else comes, the file before it is whole.
        match (file.take(), &mut measuring) {
            (None, _) => {}
            (Some(photo), Some(measuring)) => measuring.photo(photo.finish().await?).await?,
            (Some(artwork), None) => {
                measuring = Some(intake.measure(caller, style.clone(), artwork.finish().await?).await?);
            }
        }
        match part {
            None => break,
            Some(Some(Part::NextFile(_))) => file = Some(intake.receive_measured(caller)?),
            Some(_) => return Err(out_of_order().into()),
        }
    }
    let missing = || Refusal::new(ErrorCode::MissingField, "the artwork is missing; it is the first file");
    Ok(measuring.ok_or_else(missing)?.finish().await?)
}

/// Refuses a stream whose messages come in the wrong order.
pub(super) fn out_of_order() -> Refusal {
    let detail = "the first message says what is sent, every later one carries a chunk of the file";
    Refusal::new(ErrorCode::MalformedRequest, detail)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use futures::stream;
    use protocol::convert::Refused;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_sender_that_stops_half_way_is_let_go() {
        let mut stream = stream::iter([Ok(1)]).chain(stream::pending());
        assert_eq!(next(&mut stream).await.unwrap(), Some(1));
        let status = next(&mut stream).await.unwrap_err();
        assert_eq!(Refused::try_from(&status).unwrap().code, ErrorCode::RequestTimeout);
    }

    #[tokio::test]
    async fn a_message_over_the_limit_is_an_upload_too_large() {
        let mut stream = stream::iter([Err::<(), _>(Status::out_of_range("decoded message length too large"))]);
        let status = next(&mut stream).await.unwrap_err();
        assert_eq!(Refused::try_from(&status).unwrap().code, ErrorCode::UploadTooLarge);
    }

    #[tokio::test]
    async fn a_broken_connection_stays_what_it_is() {
        let mut stream = stream::iter([Err::<(), _>(Status::cancelled("gone"))]);
        assert_eq!(next(&mut stream).await.unwrap_err().code(), Code::Cancelled);
    }
}
