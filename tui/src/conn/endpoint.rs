//! Where the daemon is and how to reach it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::transport::{Endpoint, Uri};
use tonic::{Request, Status};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A peer that does not answer a ping of ours for this long is gone.
const PING_TIMEOUT: Duration = Duration::from_secs(10);
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// A daemon's address: `http://host:port` or `unix:/path`.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    text: String,
    endpoint: Arc<Endpoint>,
}

/// A text that is no address of a daemon.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a server is http://host:port or unix:/path/to/socket; {0}")]
pub(crate) struct InvalidServer(&'static str);

impl Server {
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl FromStr for Server {
    type Err = InvalidServer;

    fn from_str(text: &str) -> Result<Self, InvalidServer> {
        let local = text.strip_prefix("unix://").or_else(|| text.strip_prefix("unix:"));
        let endpoint = match (local, text.split_once("://")) {
            (Some(""), _) => return Err(InvalidServer("this socket has no path")),
            (Some(path), _) => Endpoint::from_shared(format!("unix:{path}"))
                .map_err(|_| InvalidServer("this is no path"))?
                .origin(Uri::from_static("http://localhost")),
            (None, Some(("http", rest))) => over_tcp(rest)?,
            (None, Some(("https", _))) => {
                return Err(InvalidServer("https is not spoken here; reach a distant daemon through a tunnel"));
            }
            (None, Some(_)) => return Err(InvalidServer("this scheme is not known")),
            (None, None) => over_tcp(text)?,
        };
        let endpoint = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_keepalive(Some(Duration::from_secs(60)))
            .http2_keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT);
        Ok(Self { text: text.to_owned(), endpoint: Arc::new(endpoint) })
    }
}

fn over_tcp(rest: &str) -> Result<Endpoint, InvalidServer> {
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.is_empty() || authority.contains(['/', '?', '#', '@']) {
        return Err(InvalidServer("this is more or less than a host and a port"));
    }
    Endpoint::from_shared(format!("http://{authority}")).map_err(|_| InvalidServer("this is no host and port"))
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A bearer token. It is never shown.
#[derive(Clone)]
pub(crate) struct Token(MetadataValue<Ascii>);

/// A text that can't be a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token has visible ASCII characters only")]
pub(crate) struct InvalidToken;

impl FromStr for Token {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidToken);
        }
        let mut value: MetadataValue<Ascii> = format!("Bearer {text}").parse().map_err(|_| InvalidToken)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(token)")
    }
}

/// Sends the token with every call.
#[derive(Clone, Debug)]
pub(super) struct Bearer(pub(super) Option<Token>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(Token(value)) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_and_a_port_or_a_socket() {
        for good in [
            "http://127.0.0.1:7878",
            "http://127.0.0.1:7878/",
            "localhost:7878",
            "http://[::1]:7878",
            "unix:/run/atelier.sock",
            "unix:///run/atelier.sock",
        ] {
            assert!(good.parse::<Server>().is_ok(), "{good}");
        }
        for bad in
            ["", "http://", "unix:", "ftp://host", "https://host", "http://host/path", "http://user:secret@host", "a b"]
        {
            assert!(bad.parse::<Server>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_token_is_never_shown() {
        assert_eq!(format!("{:?}", "hush".parse::<Token>()), "Ok((token))");
        assert_eq!("a\nb".parse::<Token>().err(), Some(InvalidToken));
    }
}
