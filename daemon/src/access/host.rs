//! Under which names the daemon answers, and whose pages may ask it.
//!
//! A page of another site can point its own name at this machine (DNS rebinding) or simply send requests here; the
//! first is told by the `Host`, the second by `Origin` and `Sec-Fetch-Site`, which browsers set and pages can't.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, Method, Uri, Version, header};
use protocol::ErrorCode;

use crate::refusal::Refusal;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// A host with its port, if one is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    /// Lower case, without brackets or a closing dot.
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

impl Authority {
    /// Reads `host`, `host:port`, `[v6]` or `[v6]:port`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        } else {
            match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        let port = match port {
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
            Some(_) => return None,
            None => None,
        };
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
        (!host.is_empty() && host.bytes().all(plain)).then_some(Self { host, port })
    }
}

/// Returns the authority of an `http` or `https` address, its scheme's port filled in.
pub(crate) fn authority_of_url(url: &str) -> Option<Authority> {
    let (rest, port) = match url.strip_prefix("https://") {
        Some(rest) => (rest, 443),
        None => (url.strip_prefix("http://")?, 80),
    };
    let authority = Authority::parse(rest.split(['/', '?', '#']).next()?)?;
    Some(Authority { port: authority.port.or(Some(port)), ..authority })
}

/// Says whether a host is this machine itself.
pub(super) fn is_loopback_host(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Under which names the daemon answers.
#[derive(Clone, Debug, Default)]
pub(super) struct HostRule {
    public: Option<Authority>,
    allowed: Vec<String>,
}

impl HostRule {
    pub(super) fn new(public_url: Option<&str>, allowed_hosts: &[String]) -> Self {
        let allowed = allowed_hosts.iter().filter_map(|host| Authority::parse(host)).map(|authority| authority.host);
        Self { public: public_url.and_then(authority_of_url), allowed: allowed.collect() }
    }

    /// Refuses a request that is addressed to somebody else. Returns the host it names.
    pub(super) fn check(&self, version: Version, uri: &Uri, headers: &HeaderMap) -> Result<Option<Authority>, Refusal> {
        let malformed = |detail: &str| Refusal::new(ErrorCode::MalformedRequest, detail);
        let mut named = headers.get_all(header::HOST).iter();
        let host = named.next().map(|value| value.to_str().unwrap_or_default());
        if named.next().is_some() {
            return Err(malformed("the request has more than one Host header"));
        }
        let uri_host = uri.authority().map(axum::http::uri::Authority::as_str);
        if host.is_none() && uri_host.is_none() {
            // HTTP/1.0 knows no Host; a browser, which the rule is about, always sends one.
            return if version <= Version::HTTP_10 {
                Ok(None)
            } else {
                Err(malformed("the request has no Host header"))
            };
        }
        let mut last = None;
        for text in [host, uri_host].into_iter().flatten() {
            let authority = Authority::parse(text).ok_or_else(|| malformed("the Host header names no host"))?;
            if !self.allows(&authority.host) {
                return Err(Refusal::new(
                    ErrorCode::ForeignHost,
                    format!(
                        "the daemon does not answer as \"{}\"; add that name to server.allowed_hosts, or set \
                         server.public_url",
                        authority.host
                    ),
                ));
            }
            last = Some(authority);
        }
        Ok(last)
    }

    /// Refuses what a page of another origin makes a browser send. Following a link to here is no such thing.
    pub(super) fn check_origin(
        &self,
        method: &Method,
        headers: &HeaderMap,
        host: Option<&Authority>,
    ) -> Result<(), Refusal> {
        let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let refused = || {
            Err(Refusal::new(
                ErrorCode::ForeignOrigin,
                "a page of another site may not use this daemon from its visitor's browser",
            ))
        };
        if let Some(origin) = text(&header::ORIGIN) {
            return if self.is_own(origin, host) { Ok(()) } else { refused() };
        }
        let follows_link = matches!(*method, Method::GET | Method::HEAD) && text(&SEC_FETCH_MODE) == Some("navigate");
        match text(&SEC_FETCH_SITE) {
            None | Some("same-origin" | "none") => Ok(()),
            Some(_) if follows_link => Ok(()),
            Some(_) => refused(),
        }
    }

    fn allows(&self, host: &str) -> bool {
        host == "localhost"
            || host.parse::<IpAddr>().is_ok()
            || self.public.as_ref().is_some_and(|public| public.host == host)
            || self.allowed.iter().any(|allowed| allowed == host)
    }

    fn is_own(&self, origin: &str, host: Option<&Authority>) -> bool {
        let Some(origin_at) = authority_of_url(origin) else { return false };
        let default_port = if origin.starts_with("https:") { 443 } else { 80 };
        self.public.as_ref() == Some(&origin_at)
            || host.is_some_and(|host| {
                host.host == origin_at.host && Some(host.port.unwrap_or(default_port)) == origin_at.port
            })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn rule() -> HostRule {
        HostRule::new(Some("https://paint.example.org/"), &["nas.lan".to_owned()])
    }

    fn check_host(host: &'static str) -> Result<Option<Authority>, ErrorCode> {
        let uri = Uri::from_static("/");
        rule().check(Version::HTTP_11, &uri, &headers(&[("host", host)])).map_err(|refusal| refusal.code)
    }

    #[test]
    fn the_daemon_answers_to_addresses_and_its_own_names_on_any_port() {
        for own in [
            "127.0.0.1",
            "127.0.0.1:7878",
            "192.168.1.5:1",
            "[::1]:7878",
            "localhost",
            "LOCALHOST:80",
            "localhost.",
            "paint.example.org",
            "paint.example.org:8443",
            "nas.lan:7878",
        ] {
            assert!(check_host(own).is_ok(), "{own}");
        }
        for foreign in ["evil.example", "paint.example.org.evil.example", "localhost.evil.example", "xnas.lan"] {
            assert_eq!(check_host(foreign), Err(ErrorCode::ForeignHost), "{foreign}");
        }
        for broken in ["", ":80", "a b", "a@b", "[::1", "[::1]x", "localhost:x", "localhost:99999", "[evil.example]"] {
            assert_eq!(check_host(broken), Err(ErrorCode::MalformedRequest), "{broken}");
        }
    }

    #[test]
    fn every_way_to_name_a_host_is_checked() {
        let absolute = Uri::from_static("http://evil.example/livez");
        let own = headers(&[("host", "localhost")]);
        assert!(rule().check(Version::HTTP_11, &absolute, &own).is_err());
        assert!(rule().check(Version::HTTP_2, &absolute, &HeaderMap::new()).is_err());
        let mut twice = own.clone();
        twice.append(header::HOST, HeaderValue::from_static("localhost"));
        assert!(rule().check(Version::HTTP_11, &Uri::from_static("/"), &twice).is_err());
        assert!(rule().check(Version::HTTP_11, &Uri::from_static("/"), &HeaderMap::new()).is_err());
        assert_eq!(rule().check(Version::HTTP_10, &Uri::from_static("/"), &HeaderMap::new()).unwrap(), None);
    }

    fn check_origin(method: &Method, host: &str, pairs: &[(&'static str, &'static str)]) -> bool {
        let host = Authority::parse(host);
        rule().check_origin(method, &headers(pairs), host.as_ref()).is_ok()
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let (get, post) = (&Method::GET, &Method::POST);
        assert!(check_origin(post, "localhost:7878", &[]), "a program sends no origin");
        assert!(check_origin(post, "localhost:7878", &[("origin", "http://localhost:7878")]));
        assert!(check_origin(post, "10.0.0.1:7878", &[("origin", "https://paint.example.org")]), "behind a proxy");
        assert!(check_origin(post, "nas.lan", &[("origin", "https://nas.lan")]));
        for foreign in [
            "null",
            "http://evil.example",
            "http://localhost:3000",
            "https://localhost",
            "https://nas.lan:1",
            "file://",
        ] {
            assert!(!check_origin(post, "localhost:7878", &[("origin", foreign)]), "{foreign}");
            assert!(!check_origin(get, "localhost:7878", &[("origin", foreign)]), "{foreign}");
        }
        for site in ["cross-site", "same-site", "?"] {
            assert!(!check_origin(get, "localhost", &[("sec-fetch-site", site), ("sec-fetch-mode", "no-cors")]));
            assert!(!check_origin(post, "localhost", &[("sec-fetch-site", site), ("sec-fetch-mode", "navigate")]));
            assert!(check_origin(get, "localhost", &[("sec-fetch-site", site), ("sec-fetch-mode", "navigate")]));
        }
        assert!(check_origin(post, "localhost", &[("sec-fetch-site", "same-origin")]));
    }
}
