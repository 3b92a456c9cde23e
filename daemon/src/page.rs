//! The page: its HTML, CSS and scripts, in the binary.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::http::names_etag;
use crate::spool::hex;

/// Nothing from elsewhere, no inline script; pictures may also be those that the page itself has in hand.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

#[derive(RustEmbed)]
#[folder = "src/page/"]
struct Files;

/// The page itself.
pub(crate) const INDEX: &str = "index.html";

/// Answers with one of the page's files, if there is one of that name.
pub(crate) fn file(name: &str, wanted: &HeaderMap) -> Option<Response> {
    let file = Files::get(name)?;
    let etag = etag(&file);
    let is_known = names_etag(wanted, &etag);
    let mut response =
        if is_known { StatusCode::NOT_MODIFIED.into_response() } else { file.data.into_owned().into_response() };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(name)));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    // Asked for anew each time, answered with 304 until the daemon itself is a new one.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::ETAG, HeaderValue::from_str(&etag).expect("hexadecimal digits are a header's text"));
    Some(response)
}

fn etag(file: &EmbeddedFile) -> String {
    format!("\"{}\"", hex(&file.metadata.sha256_hash()))
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        _ => "application/octet-stream",
    }
}
