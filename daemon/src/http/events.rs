//! Server-sent events: what happens, as it happens.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use protocol::{Event, JobRef};
use tokio::time::Instant;

use super::extract::JobPath;
use super::fields::{Fields, invalid};
use super::refused::Refused;
use super::server::Server;
use crate::access::Caller;
use crate::intake::Watcher;
use crate::refusal::Refusal;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How often a silent stream shows that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Streams the events of all jobs, styles, devices and mails.
///
/// The first event is a `snapshot`, unless a sequence number is given: then what was missed comes first. The `id` of
/// each event is its sequence number, its `event` is `snapshot`, `state`, `progress`, `loss`, `preview`, `style`,
/// `device`, `mail`, `forgotten` or `end`, its `data` is JSON.
#[utoipa::path(
    get, path = "/v1/events", tag = "events",
    params(
        ("after" = Option<u64>, Query, description = "Resumes after this event."),
        ("Last-Event-ID" = Option<u64>, Header, description = "Resumes after this event; goes before `after`."),
    ),
    responses((status = 200, description = "The stream.", body = String, content_type = "text/event-stream")),
)]
pub(super) async fn all(
    State(server): State<Arc<Server>>,
    _: Caller,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Refused> {
    Ok(watch(&server, None, &headers, &uri)?)
}

/// Streams the events of one job; the stream closes after `end`.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/events", tag = "events",
    params(
        ("id" = String, Path, description = "The job's UUID, or the last eight digits of it."),
        ("after" = Option<u64>, Query, description = "Resumes after this event."),
        ("Last-Event-ID" = Option<u64>, Header, description = "Resumes after this event; goes before `after`."),
    ),
    responses((status = 200, description = "The stream.", body = String, content_type = "text/event-stream")),
)]
pub(super) async fn of_job(
    State(server): State<Arc<Server>>,
    _: Caller,
    JobPath(job): JobPath,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Refused> {
    Ok(watch(&server, Some(job), &headers, &uri)?)
}

fn watch(server: &Server, job: Option<JobRef>, headers: &HeaderMap, uri: &Uri) -> Result<Response, Refusal> {
    let after = Fields::of_query(uri.query(), &["after"])?.number("after")?;
    let after = last_event_id(headers)?.or(after);
    let watcher = server.intake.watch(job, after)?;
    Ok(answer(texts(watcher).take_until(server.closing.clone().cancelled_owned())))
}

fn answer(texts: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let beats = tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    let beats = stream::unfold(beats, |mut beats| async move {
        beats.tick().await;
        Some((Some(Bytes::from_static(b":\n\n")), beats))
    });
    // The end of the events is the end of the heartbeats.
    let texts = texts.map(Some).chain(stream::iter([None]));
    let texts = stream::select(texts, beats).take_while(|text| ready(text.is_some()));
    let body = Body::from_stream(texts.map(|text| Ok::<_, Infallible>(text.unwrap_or_default())));
    let mut response = body.into_response();
    let mut say = |name, value| response.headers_mut().insert(name, HeaderValue::from_static(value));
    say(header::CONTENT_TYPE, "text/event-stream");
    say(header::CACHE_CONTROL, "no-cache");
    // Proxies that gather answers would make events late.
    say(HeaderName::from_static("x-accel-buffering"), "no");
    response
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    match value.to_str().unwrap_or("?").trim() {
        "" => Ok(None),
        number => number.parse().map(Some).map_err(|_| invalid("Last-Event-ID", "is not a whole number")),
    }
}

/// Turns events into text one at a time: a reader that does not read leaves the watcher's own bounded queue to fill. All
/// watchers are sent the same bytes, since a snapshot can be large and watchers many.
fn texts(watcher: Watcher) -> impl Stream<Item = Bytes> {
    stream::unfold(watcher, |mut watcher| async move {
        let event = watcher.next().await?;
        Some((event.text(text), watcher))
    })
}

/// Writes an event as the format of server-sent events wants it; JSON on one line needs no escapes there.
fn text(event: &Event) -> Bytes {
    let mut tagged = serde_json::to_value(&event.body).expect("events have string keys only");
    let data = tagged.get_mut("data").map(serde_json::Value::take).unwrap_or_default();
    format!("id: {}\nevent: {}\ndata: {data}\n\n", event.sequence, event.body.name()).into()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stream_in_which_nothing_happens_has_a_comment_every_fifteen_seconds() {
        let mut body = answer(stream::pending()).into_body().into_data_stream();
        let began = Instant::now();
        for round in 1..=3 {
            let said = body.next().await.unwrap().unwrap();
            assert!(said.starts_with(b":") && said.ends_with(b"\n\n"), "{said:?} is no comment");
            assert_eq!(began.elapsed().as_secs(), 15 * round);
        }
    }
}
