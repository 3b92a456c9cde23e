#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::Path;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use jiff::SignedDuration;
use protocol::JobId;

use super::*;
use crate::access::tokens;

const SIGNER_KEY: [u8; 32] = [9; 32];

/// Rules without a configuration file.
fn guard(tokens_file: Option<&Path>, requests_per_minute: Option<u32>) -> Guard {
    Guard {
        keyring: tokens_file.map(|path| Keyring::open(path).unwrap()),
        sessions: Sessions::default(),
        links: Signer::new(SIGNER_KEY),
        is_secure: false,
        rules: RwLock::new(Arc::new(Rules {
            hosts: HostRule::new(None, &[]),
            pace: requests_per_minute.map(RateLimit::per_minute),
        })),
    }
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let host = (HeaderName::from_static("host"), HeaderValue::from_static("localhost:7878"));
    let pairs = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
    pairs.chain([host]).collect()
}

fn knock(guard: &Guard, method: &Method, uri: &str, pairs: &[(&'static str, &str)]) -> Result<Option<Caller>, Refusal> {
    let knock = Knock {
        peer: Peer::Tcp("192.0.2.7:4000".parse().unwrap()),
        version: Version::HTTP_11,
        method,
        uri: &uri.parse().unwrap(),
        headers: &headers(pairs),
    };
    guard.admit(&knock, Instant::now())
}

fn code(answer: Result<Option<Caller>, Refusal>) -> ErrorCode {
    answer.unwrap_err().code
}

#[test]
fn without_tokens_everybody_is_admin_under_their_address() {
    let caller = knock(&guard(None, None), &Method::GET, "/v1/jobs", &[]).unwrap().unwrap();
    assert_eq!(caller, Caller { name: "192.0.2.7".to_owned(), role: Role::Admin, proof: Proof::Address });
}

#[test]
fn with_tokens_every_caller_needs_one_but_the_page_and_the_probes_are_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.toml");
    let token = tokens::add(&path, "alice", Role::View).unwrap();
    let guard = guard(Some(&path), None);
    let get = |uri: &str, authorization: &str| knock(&guard, &Method::GET, uri, &[("authorization", authorization)]);
    for scheme in ["Bearer", "bearer"] {
        let caller = get("/v1/jobs", &format!("{scheme} {token}")).unwrap().unwrap();
        let proof = Proof::Token(fingerprint(&token));
        assert_eq!(caller, Caller { name: "alice".to_owned(), role: Role::View, proof });
    }
    for bad in ["Bearer", "Bearer ", "Bearer guess", &token, &format!("Basic {token}"), &format!("Bearer {token}x")] {
        assert_eq!(code(get("/v1/jobs", bad)), ErrorCode::Unauthenticated, "{bad}");
    }
    for closed in ["/v1/jobs", "/metrics", "/openapi.json", "/help", "/nowhere", "/livez/", "//", "/assetsx"] {
        assert_eq!(code(knock(&guard, &Method::GET, closed, &[])), ErrorCode::Unauthenticated, "{closed}");
    }
    for open in ["/", "/index", "/assets/app.js", "/session", "/livez", "/healthz", "/readyz"] {
        assert_eq!(knock(&guard, &Method::GET, open, &[]).unwrap(), None, "{open}");
    }
    let health = |method: &str| knock(&guard, &Method::POST, &format!("/grpc.health.v1.Health/{method}"), &[]);
    assert_eq!(health("Check").unwrap(), None);
    assert_eq!(code(health("Watch")), ErrorCode::Unauthenticated, "it goes on for as long as a stranger likes");
}

#[test]
fn a_session_is_as_good_as_its_token_and_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.toml");
    let token = tokens::add(&path, "alice", Role::Submit).unwrap();
    let guard = guard(Some(&path), None);
    assert!(guard.sign_in("guess", Instant::now()).is_err());
    let (cookie, caller) = guard.sign_in(&token, Instant::now()).unwrap();
    assert_eq!(caller.role, Role::Submit);
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict; Max-Age=604800"), "{cookie}");
    let cookie = format!("theme=dark; {}", cookie.split(';').next().unwrap());
    let with_cookie = || knock(&guard, &Method::POST, "/v1/stylize", &[("cookie", &cookie)]);
    let signed_in = with_cookie().unwrap().unwrap();
    let bearer = format!("Bearer {token}");
    let by_token = knock(&guard, &Method::GET, "/v1/jobs", &[("authorization", &bearer)]).unwrap().unwrap();
    assert_eq!((signed_in.name.as_str(), &signed_in.proof), ("alice", &caller.proof));
    assert!(guard.stands(&signed_in, Instant::now()) && guard.stands(&by_token, Instant::now()));
    tokens::remove(&path, "alice").unwrap();
    guard.reload().unwrap();
    assert_eq!(code(with_cookie()), ErrorCode::Unauthenticated);
    assert!(!guard.stands(&signed_in, Instant::now()) && !guard.stands(&by_token, Instant::now()));
}

#[test]
fn signing_out_ends_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.toml");
    let token = tokens::add(&path, "alice", Role::Submit).unwrap();
    let guard = guard(Some(&path), None);
    let (cookie, caller) = guard.sign_in(&token, Instant::now()).unwrap();
    let cookie = cookie.split(';').next().unwrap();
    assert!(guard.stands(&caller, Instant::now()));
    assert!(guard.sign_out(&headers(&[("cookie", cookie)])).contains("Max-Age=0"));
    assert_eq!(code(knock(&guard, &Method::GET, "/v1/jobs", &[("cookie", cookie)])), ErrorCode::Unauthenticated);
    assert!(!guard.stands(&caller, Instant::now()));
}

#[test]
fn a_signed_link_opens_its_result_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.toml");
    tokens::add(&path, "alice", Role::Admin).unwrap();
    let guard = guard(Some(&path), None);
    let (job, now) = (JobId::new(), Timestamp::now());
    let link = Signer::new(SIGNER_KEY).link(job, now + SignedDuration::from_mins(1));
    let caller = knock(&guard, &Method::GET, &link, &[]).unwrap().unwrap();
    assert_eq!(caller.role, Role::View);
    assert_eq!(code(knock(&guard, &Method::POST, &link, &[])), ErrorCode::Unauthenticated);
    let elsewhere = link.replace("/result", "");
    assert_eq!(code(knock(&guard, &Method::GET, &elsewhere, &[])), ErrorCode::Unauthenticated);
    let other = link.replace(&job.to_string(), &JobId::new().to_string());
    assert_eq!(code(knock(&guard, &Method::GET, &other, &[])), ErrorCode::Unauthenticated);
    let expired = Signer::new(SIGNER_KEY).link(job, now);
    assert_eq!(code(knock(&guard, &Method::GET, &expired, &[])), ErrorCode::ResultGone);
}

#[test]
fn who_asks_too_often_is_told_when_to_come_back() {
    let guard = guard(None, Some(2));
    for _ in 0..2 {
        knock(&guard, &Method::GET, "/v1/jobs", &[]).unwrap();
    }
    let refusal = knock(&guard, &Method::GET, "/v1/jobs", &[]).unwrap_err();
    assert_eq!(refusal.code, ErrorCode::RateLimited);
    assert!(refusal.retry_after.is_some_and(|wait| wait <= Duration::from_secs(31)));
    assert!(knock(&guard, &Method::GET, "/livez", &[]).is_ok(), "a probe is never counted");
}

#[test]
fn guessing_tokens_is_counted_by_address() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.toml");
    let token = tokens::add(&path, "alice", Role::View).unwrap();
    let guard = guard(Some(&path), Some(2));
    let get = |token: &str| knock(&guard, &Method::GET, "/v1/jobs", &[("authorization", &format!("Bearer {token}"))]);
    let guesses: Vec<_> = (0..3).map(|n| code(get(&format!("guess{n}")))).collect();
    assert_eq!(guesses, [ErrorCode::Unauthenticated, ErrorCode::Unauthenticated, ErrorCode::RateLimited]);
    assert!(get(&token).is_ok(), "who has a token is counted by it");
}

#[test]
fn a_foreign_host_or_page_is_refused_before_anything_else() {
    let guard = guard(None, None);
    let evil = headers(&[]).into_iter().map(|(name, _)| (name.unwrap(), HeaderValue::from_static("evil.example")));
    let knock_at = |headers: &HeaderMap, peer| {
        let uri = Uri::from_static("/v1/jobs");
        guard
            .admit(&Knock { peer, version: Version::HTTP_11, method: &Method::GET, uri: &uri, headers }, Instant::now())
    };
    let evil: HeaderMap = evil.collect();
    let tcp = Peer::Tcp("127.0.0.1:1".parse().unwrap());
    assert_eq!(code(knock_at(&evil, tcp)), ErrorCode::ForeignHost);
    assert!(knock_at(&evil, Peer::Unix).is_ok(), "no browser speaks to a Unix socket");
    assert_eq!(
        code(knock(&guard, &Method::POST, "/v1/stylize", &[("origin", "http://evil.example")])),
        ErrorCode::ForeignOrigin
    );
}
