//! The rule of the start: strangers never become `admin` by accident.

use crate::config::Config;

use super::host::{authority_of_url, is_loopback_host};

/// Lets the daemon start only when strangers can't reach it without a token, or when that is wanted.
///
/// # Errors
/// One line that names what exposes the daemon, and the ways out.
pub fn check_exposure(config: &Config) -> Result<(), String> {
    if config.auth.tokens_file.is_some() || config.auth.open {
        return Ok(());
    }
    let exposed = if !config.server.listen.ip().to_canonical().is_loopback() {
        format!("server.listen = \"{}\" is reachable from other machines", config.server.listen)
    } else if let Some(url) = config.server.public_url.as_deref().filter(|url| !is_loopback_url(url)) {
        format!("server.public_url = \"{url}\" lets strangers in through a proxy")
    } else {
        return Ok(());
    };
    Err(format!(
        "{exposed}, but no tokens are in force: set auth.tokens_file (and make a token with `atelierd token add`), \
         or set auth.open = true to serve everybody as admin"
    ))
}

/// Says whether neither the listen address nor the public one can be reached from other machines.
pub(super) fn is_local_only(config: &Config) -> bool {
    config.server.listen.ip().to_canonical().is_loopback()
        && config.server.public_url.as_deref().is_none_or(is_loopback_url)
}

fn is_loopback_url(url: &str) -> bool {
    authority_of_url(url).is_some_and(|authority| is_loopback_host(&authority.host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_a_matter_of_the_urls_host() {
        for local in ["http://localhost", "http://127.0.0.1:7878/", "https://[::1]/x", "http://atelier.localhost"] {
            assert!(is_loopback_url(local), "{local}");
        }
        for public in ["https://paint.example.org", "http://192.168.1.2", "http://localhost.example", "localhost", ""] {
            assert!(!is_loopback_url(public), "{public}");
        }
    }
}
