//! The one decision about each request: whether it is served, and as whose.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use axum::http::{HeaderMap, Method, Uri, Version, header};
use jiff::Timestamp;
use protocol::{ErrorCode, JobRef};

use super::host::{Authority, HostRule};
use super::links::{LinkVerdict, Signer};
use super::rate::{RateLimit, address_key};
use super::sessions::{self, Sessions};
use super::tokens::{Keyring, Token, TokensError, fingerprint};
use super::{Caller, Proof, Role, exposure};
use crate::config::Config;
use crate::refusal::Refusal;

/// Requests a minute where nothing is configured and strangers can reach the daemon.
const USUAL_PACE: u32 = 600;

/// The paths that ask how the daemon does: everybody may, however many other requests are open.
pub(crate) const PROBES: [&str; 3] = ["/livez", "/healthz", "/readyz"];

/// The same over gRPC. Its other method, which goes on for as long as the caller likes, is for callers who are known.
const GRPC_PROBE: &str = "/grpc.health.v1.Health/Check";

/// Says whether a path asks that.
pub(crate) fn is_probe(path: &str) -> bool {
    path == GRPC_PROBE || PROBES.contains(&path)
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A network address.
    Tcp(SocketAddr),
    /// The Unix socket.
    Unix,
}

impl Peer {
    fn name(self) -> String {
        match self {
            Self::Tcp(address) => address_key(address.ip()),
            Self::Unix => "unix".to_owned(),
        }
    }
}

/// What the decision is made from.
#[derive(Clone, Copy, Debug)]
pub struct Knock<'a> {
    /// Where it comes from.
    pub peer: Peer,
    /// The protocol's version.
    pub version: Version,
    /// What it asks for.
    pub method: &'a Method,
    /// Of what.
    pub uri: &'a Uri,
    /// With which words.
    pub headers: &'a HeaderMap,
}

/// Decides about requests. It lives as long as the daemon, and so do the sessions in it.
#[derive(Debug)]
pub struct Guard {
    keyring: Option<Keyring>,
    sessions: Sessions,
    links: Signer,
    /// Whether browsers reach the daemon by https, so that the cookie may demand it.
    is_secure: bool,
    rules: RwLock<Arc<Rules>>,
}

/// What a reload of the configuration changes.
#[derive(Debug)]
struct Rules {
    hosts: HostRule,
    pace: Option<RateLimit>,
}

impl Rules {
    fn of(config: &Config) -> Self {
        let usual = if exposure::is_local_only(config) { None } else { Some(USUAL_PACE) };
        Self {
            hosts: HostRule::new(config.server.public_url.as_deref(), &config.server.allowed_hosts),
            pace: config.limits.requests_per_minute.or(usual).map(RateLimit::per_minute),
        }
    }
}

impl Guard {
    /// Reads the tokens and the rules.
    ///
    /// # Errors
    /// When the tokens file can't be used.
    pub fn open(config: &Config, links: Signer) -> Result<Self, TokensError> {
        let keyring = config.auth.tokens_file.as_deref().map(Keyring::open).transpose()?;
        Ok(Self {
            keyring,
            sessions: Sessions::default(),
            links,
            is_secure: config.server.public_url.as_deref().is_some_and(|url| url.starts_with("https://")),
            rules: RwLock::new(Arc::new(Rules::of(config))),
        })
    }

    /// Takes over host names and pace from a configuration that has been read again. Everybody begins with a whole
    /// minute's allowance.
    pub fn reconfigure(&self, config: &Config) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Rules::of(config));
    }

    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the tokens file again; a change is also noticed without being told, within a second.
    ///
    /// # Errors
    /// When it can't be used; the tokens in force stay.
    pub fn reload(&self) -> Result<(), TokensError> {
        self.keyring.as_ref().map_or(Ok(()), Keyring::reload)
    }

    /// Decides about a request. Without a caller it is one of those that are open to everybody.
    ///
    /// # Errors
    /// `foreign_host`, `foreign_origin`, `unauthenticated`, `rate_limited`, `malformed_request`, and `result_gone` for
    /// an expired link.
    pub fn admit(&self, knock: &Knock<'_>, now: Instant) -> Result<Option<Caller>, Refusal> {
        let path = knock.uri.path();
        if is_probe(path) {
            return Ok(None);
        }
        let rules = self.rules();
        let host = match knock.peer {
            Peer::Tcp(_) => rules.hosts.check(knock.version, knock.uri, knock.headers)?,
            // No name can be turned to a Unix socket: a client names any host or none, a proxy the one that it was asked for.
            Peer::Unix => {
                let named = knock.headers.get(header::HOST).and_then(|host| host.to_str().ok());
                let host = knock.uri.authority().map(axum::http::uri::Authority::as_str).or(named);
                host.and_then(Authority::parse)
            }
        };
        rules.hosts.check_origin(knock.method, knock.headers, host.as_ref())?;
        let caller = self.identify(knock, now);
        let key = match &caller {
            Ok(caller) if self.keyring.is_some() => format!("token {}", caller.name),
            _ => knock.peer.name(),
        };
        if let Some(pace) = &rules.pace {
            pace.take(&key, now).map_err(|wait| {
                Refusal::new(ErrorCode::RateLimited, "too many requests; slow down").retry_after(wait)
            })?;
        }
        match caller {
            Ok(caller) => Ok(Some(caller)),
            Err(_) if is_open(path) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// Opens a session for a token: the value of `Set-Cookie`, and who signed in. Where no tokens are in force there
    /// is nothing to sign in to.
    ///
    /// # Errors
    /// `unauthenticated` when the token is not known, `wrong_state` where tokens are not in force.
    pub fn sign_in(&self, token: &str, now: Instant) -> Result<(String, Caller), Refusal> {
        let Some(keyring) = &self.keyring else {
            return Err(Refusal::new(ErrorCode::WrongState, "no tokens are in force here: nobody needs to sign in"));
        };
        let Some(token) = keyring.find(&fingerprint(token.trim())) else {
            return Err(Refusal::new(ErrorCode::Unauthenticated, "no such token"));
        };
        let cookie = self
            .sessions
            .open(token.sha256, now)
            .map_err(|error| Refusal::new(ErrorCode::StorageFailed, format!("no session can be opened: {error}")))?;
        let proof = Proof::Session(fingerprint(&cookie));
        Ok((self.cookie(&cookie, sessions::LIFETIME.as_secs()), caller(token, proof)))
    }

    /// Ends the session of a request, if it has one, and returns the `Set-Cookie` that makes the browser forget it.
    pub fn sign_out(&self, headers: &HeaderMap) -> String {
        session_cookies(headers).for_each(|cookie| self.sessions.close(cookie));
        self.cookie("", 0)
    }

    fn cookie(&self, value: &str, seconds: u64) -> String {
        let secure = if self.is_secure { "; Secure" } else { "" };
        format!("{}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}", sessions::COOKIE)
    }

    /// Says whether a caller whose request was let in would be let in still: its token is in force, its session open.
    #[must_use]
    pub fn stands(&self, caller: &Caller, now: Instant) -> bool {
        match (&self.keyring, &caller.proof) {
            (Some(keyring), Proof::Token(token)) => keyring.find(token).is_some(),
            (Some(keyring), Proof::Session(session)) => {
                self.sessions.token_of(session, now).and_then(|token| keyring.find(&token)).is_some()
            }
            (_, Proof::Address | Proof::Link) | (None, _) => true,
        }
    }

    fn identify(&self, knock: &Knock<'_>, now: Instant) -> Result<Caller, Refusal> {
        let Some(keyring) = &self.keyring else {
            return Ok(Caller { name: knock.peer.name(), role: Role::Admin, proof: Proof::Address });
        };
        let unknown = |detail: &str| Refusal::new(ErrorCode::Unauthenticated, detail);
        if let Some(value) = knock.headers.get(header::AUTHORIZATION) {
            let token = value
                .to_str()
                .ok()
                .and_then(bearer)
                .ok_or_else(|| unknown("the Authorization header is not of the form \"Bearer TOKEN\""))?;
            let token = keyring.find(&fingerprint(token)).ok_or_else(|| unknown("no such token"))?;
            let proof = Proof::Token(token.sha256);
            return Ok(caller(token, proof));
        }
        let session = session_cookies(knock.headers).map(fingerprint).find_map(|session| {
            let token = keyring.find(&self.sessions.token_of(&session, now)?)?;
            Some(caller(token, Proof::Session(session)))
        });
        if let Some(caller) = session {
            return Ok(caller);
        }
        self.follow_link(knock).unwrap_or_else(|| {
            Err(unknown(
                "this daemon wants a token: send it as \"Authorization: Bearer TOKEN\", or sign in on its page",
            ))
        })
    }

    /// Judges a signed link: none when the request is not for a result, or carries no signature.
    fn follow_link(&self, knock: &Knock<'_>) -> Option<Result<Caller, Refusal>> {
        if !matches!(*knock.method, Method::GET | Method::HEAD) {
            return None;
        }
        let job = knock.uri.path().strip_prefix("/v1/jobs/")?.strip_suffix("/result")?;
        let JobRef::Id(job) = job.parse().ok()? else { return None };
        let query = knock.uri.query()?.as_bytes();
        let (_, cap) = form_urlencoded::parse(query).find(|(name, _)| name == "cap")?;
        Some(match self.links.verify(job, &cap, Timestamp::now()) {
            LinkVerdict::Good => Ok(Caller { name: format!("link {job}"), role: Role::View, proof: Proof::Link }),
            LinkVerdict::Expired => Err(Refusal::new(ErrorCode::ResultGone, "this link has expired with its result")),
            LinkVerdict::Forged => {
                Err(Refusal::new(ErrorCode::Unauthenticated, "this link is not a link of this daemon"))
            }
        })
    }
}

/// The page itself holds no secrets, and signing in must be possible without being signed in.
fn is_open(path: &str) -> bool {
    matches!(path, "/" | "/index" | "/session" | "/favicon.ico") || path.starts_with("/assets/")
}

fn caller(token: Token, proof: Proof) -> Caller {
    Caller { name: token.name, role: token.role, proof }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn session_cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(header::COOKIE)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == sessions::COOKIE)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests;
