//! Results as files: whole or in part, and only when they changed.

use std::io::SeekFrom;
use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use protocol::ErrorCode;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::extract::JobPath;
use super::refused::Refused;
use super::server::Server;
use crate::access::Caller;
use crate::intake::ResultFile;
use crate::refusal::Refusal;

/// Sends a finished job's result: the painting, or the package of a learned style.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/result", tag = "jobs",
    params(
        ("id" = String, Path, description = "The job's UUID, or the last eight digits of it."),
        ("cap" = Option<String>, Query, description = "The signature of a mailed link; it stands in for a token."),
        ("Range" = Option<String>, Header, description = "One range of bytes."),
        ("If-Range" = Option<String>, Header, description = "The `ETag` that the range belongs to."),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` that the caller has."),
    ),
    responses(
        (status = 200, description = "The result.",
            content((Vec<u8> = "image/png"), (Vec<u8> = "image/jpeg"), (Vec<u8> = "image/webp"),
                    (Vec<u8> = "application/octet-stream")),
            headers(("ETag" = String, description = "SHA-256 of the result."),
                    ("Content-Disposition" = String, description = "A file name for it."))),
        (status = 206, description = "The range.",
            content((Vec<u8> = "image/png"), (Vec<u8> = "image/jpeg"), (Vec<u8> = "image/webp"),
                    (Vec<u8> = "application/octet-stream")),
            headers(("Content-Range" = String, description = "Which bytes of how many."))),
        (status = 304, description = "The caller has it already."),
    ),
)]
pub(super) async fn result(
    State(server): State<Arc<Server>>,
    _: Caller,
    JobPath(job): JobPath,
    method: Method,
    mut headers: HeaderMap,
) -> Result<Response, Refused> {
    // Ranges are for GET alone (RFC 9110, 14.2).
    if method != Method::GET {
        headers.remove(header::RANGE);
    }
    Ok(send(&server.intake.result(job).await?, &headers).await?)
}

/// Answers with a result's file, as the request's headers want it.
///
/// # Errors
/// `result_gone` when the file went meanwhile.
pub(super) async fn send(result: &ResultFile, wanted: &HeaderMap) -> Result<Response, Refusal> {
    let etag = format!("\"{}\"", result.sha256);
    if names_etag(wanted, &etag) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        describe(response.headers_mut(), result, &etag);
        return Ok(response);
    }
    let range = match wanted.get(header::RANGE).and_then(|range| range.to_str().ok()) {
        Some(range) if is_still(wanted, &etag) => wanted_range(range, result.bytes),
        _ => Ok(None),
    };
    let range = match range {
        Ok(range) => range,
        Err(outside) => {
            let length = text(&format!("bytes */{}", result.bytes));
            let mut response = Refused::from(outside).into_response();
            response.headers_mut().insert(header::CONTENT_RANGE, length);
            return Ok(response);
        }
    };
    let gone = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Refusal::new(ErrorCode::ResultGone, "the result has just been removed"),
        _ => Refusal::new(ErrorCode::StorageFailed, format!("the result can't be read: {error}")),
    };
    let mut file = File::open(&result.path).await.map_err(gone)?;
    let bytes = range.clone().unwrap_or(0..result.bytes);
    file.seek(SeekFrom::Start(bytes.start)).await.map_err(gone)?;
    let length = bytes.end - bytes.start;
    let mut response = Body::from_stream(ReaderStream::with_capacity(file.take(length), 64 * 1024)).into_response();
    let headers = response.headers_mut();
    describe(headers, result, &etag);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if range.is_some() {
        headers
            .insert(header::CONTENT_RANGE, text(&format!("bytes {}-{}/{}", bytes.start, bytes.end - 1, result.bytes)));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

fn describe(headers: &mut HeaderMap, result: &ResultFile, etag: &str) {
    // A browser shows a picture; a package it can only keep.
    let manner = if result.media_type.starts_with("image/") { "inline" } else { "attachment" };
    let name = format!("{manner}; filename=\"{}\"", result.name);
    headers.insert(header::CONTENT_TYPE, text(&result.media_type));
    headers.insert(header::ETAG, text(etag));
    headers.insert(header::CONTENT_DISPOSITION, text(&name));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
}

fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

/// Says whether `If-None-Match` names what there is.
pub(crate) fn names_etag(wanted: &HeaderMap, etag: &str) -> bool {
    wanted
        .get_all(header::IF_NONE_MATCH)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

fn is_still(wanted: &HeaderMap, etag: &str) -> bool {
    wanted.get(header::IF_RANGE).is_none_or(|condition| condition.as_bytes() == etag.as_bytes())
}

/// Reads a `Range` header (RFC 9110, 14.2): none where the whole is to be sent, as for several ranges or another unit.
fn wanted_range(range: &str, bytes: u64) -> Result<Option<Range<u64>>, Refusal> {
    let Some(spec) = range.trim().strip_prefix("bytes=") else { return Ok(None) };
    let Some((first, last)) = spec.split_once('-').filter(|_| !spec.contains(',')) else { return Ok(None) };
    let number = |digits: &str| {
        let digits = digits.trim();
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        // A number beyond 64 bits is as good as the largest one.
        is_number.then(|| digits.parse().unwrap_or(u64::MAX))
    };
    let wanted = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(bytes),
        (Some(first), None) if last.trim().is_empty() => first..bytes,
        (None, Some(suffix)) if first.trim().is_empty() => bytes.saturating_sub(suffix)..bytes,
        _ => return Ok(None),
    };
    if wanted.is_empty() {
        let detail = format!("the result has {bytes} bytes; the range lies outside");
        return Err(Refusal::new(ErrorCode::RangeNotSatisfiable, detail));
    }
    Ok(Some(wanted))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn a_range_is_cut_to_the_result_or_refused() {
        let check = |range: &str, expected: Option<Range<u64>>| {
            assert_eq!(wanted_range(range, 100).unwrap(), expected, "{range}");
        };
        check("bytes=0-0", Some(0..1));
        check("bytes=10-19", Some(10..20));
        check("bytes=90-", Some(90..100));
        check("bytes=90-999999999999999999999999", Some(90..100));
        check("bytes=-10", Some(90..100));
        check("bytes=-1000", Some(0..100));
        for whole in ["bytes=0-1,5-6", "lines=1-2", "bytes=9-1", "bytes=x-1", "bytes=-", "bytes=", "bytes=1-x"] {
            check(whole, None);
        }
        for outside in ["bytes=100-", "bytes=100-200", "bytes=-0"] {
            assert_eq!(wanted_range(outside, 100).unwrap_err().code, ErrorCode::RangeNotSatisfiable, "{outside}");
        }
        assert!(wanted_range("bytes=0-", 0).is_err());
    }
}
