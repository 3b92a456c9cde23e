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
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::config::Auth;

    fn refused(listen: &str, public_url: Option<&str>, tokens_file: Option<&str>) -> Option<String> {
        let mut config = Config::default();
        config.server.listen = listen.parse().unwrap();
        config.server.public_url = public_url.map(str::to_owned);
        config.auth.tokens_file = tokens_file.map(Into::into);
        let refusal = check_exposure(&config).err();
        let open = Config { auth: Auth { open: true, ..config.auth.clone() }, ..config };
        assert_eq!(check_exposure(&open), Ok(()), "auth.open lets everything by");
        refusal
    }

    #[test]
    fn strangers_are_never_let_in_by_accident() {
        let away = Some("https://paint.example.org");
        for (listen, public_url, named) in [
            ("0.0.0.0:7878", None, "server.listen = \"0.0.0.0:7878\""),
            ("[::]:7878", None, "server.listen = \"[::]:7878\""),
            ("192.168.1.2:7878", Some("http://localhost"), "server.listen = \"192.168.1.2:7878\""),
            ("127.0.0.1:7878", away, "server.public_url = \"https://paint.example.org\""),
            ("[::1]:7878", away, "server.public_url = \"https://paint.example.org\""),
        ] {
            let line = refused(listen, public_url, None).unwrap();
            assert!(line.starts_with(named), "{line}");
            assert!(line.contains("set auth.tokens_file") && line.contains("auth.open = true"), "{line}");
            assert!(!line.contains('\n'));
            assert_eq!(refused(listen, public_url, Some("tokens")), None, "with tokens everybody may come");
        }
        for listen in ["127.0.0.1:7878", "127.1.2.3:0", "[::1]:7878", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(refused(listen, None, None), None, "{listen}");
            assert_eq!(refused(listen, Some("http://localhost:8080"), None), None, "{listen}");
        }
    }

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
