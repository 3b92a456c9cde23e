//! The headers `Prefer: wait=N` (RFC 7240) and `Idempotency-Key`.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, header};

use super::fields::invalid;
use crate::refusal::Refusal;

/// The longest wait that is granted.
const LONGEST: u64 = 3600;

const PREFER: HeaderName = HeaderName::from_static("prefer");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Returns how long the caller would wait for the result. What is no such preference is ignored, as the RFC asks.
pub(super) fn wait(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get_all(PREFER)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', ';']))
        .filter_map(|preference| preference.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("wait"))
        .and_then(|(_, seconds)| seconds.trim().trim_matches('"').parse::<u64>().ok())
        .map(|seconds| Duration::from_secs(seconds.min(LONGEST)))
}

/// Returns the key that makes a submit safe to repeat.
///
/// # Errors
/// `invalid_field` when it is not ASCII, or given twice.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = keys.next() else { return Ok(None) };
    if keys.next().is_some() {
        return Err(invalid("Idempotency-Key", "is given twice"));
    }
    let key = key.to_str().map_err(|_| invalid("Idempotency-Key", "has characters beyond ASCII"))?;
    Ok(Some(key.trim().to_owned()))
}

/// Returns the media type of a request's body without its parameters, in lower case.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn a_wait_is_found_among_other_preferences_and_nonsense_is_ignored() {
        let check = |prefer: &str, expected: Option<u64>| {
            let headers = HeaderMap::from_iter([(PREFER, prefer.parse().unwrap())]);
            assert_eq!(wait(&headers), expected.map(Duration::from_secs), "{prefer}");
        };
        check("wait=60", Some(60));
        check("respond-async, Wait = 5; x=y", Some(5));
        check("wait=\"7\"", Some(7));
        check("wait=99999999", Some(LONGEST));
        for nonsense in ["", "wait", "wait=", "wait=-1", "wait=soon", "waiting=3", "wait=99999999999999999999"] {
            check(nonsense, None);
        }
    }

    #[test]
    fn a_key_is_ascii_and_single() {
        let key = |text: &[u8]| {
            let value = axum::http::HeaderValue::from_bytes(text).unwrap();
            idempotency_key(&HeaderMap::from_iter([(IDEMPOTENCY_KEY, value)]))
        };
        assert_eq!(key(b"a b-1").unwrap().as_deref(), Some("a b-1"));
        assert!(key("ä".as_bytes()).is_err());
        let mut twice = HeaderMap::new();
        twice.append(IDEMPOTENCY_KEY, "a".parse().unwrap());
        twice.append(IDEMPOTENCY_KEY, "a".parse().unwrap());
        assert!(idempotency_key(&twice).is_err());
    }
}
