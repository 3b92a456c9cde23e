//! The page's sessions: a cookie instead of a token, since event streams and pictures can't send a header.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::tokens::{fingerprint, random};

/// The cookie's name.
pub const COOKIE: &str = "atelier_session";

/// How long a session lasts; it ends sooner with its token or with the daemon.
pub const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

const MOST: usize = 1000;
const MOST_OF_A_TOKEN: usize = 50;

/// The open sessions. Cookies are kept by their hash, as tokens are; the oldest session of a token gives way to a new one
/// beyond fifty, the oldest of all beyond a thousand.
#[derive(Debug, Default)]
pub struct Sessions {
    open: Mutex<HashMap<[u8; 32], Session>>,
}

#[derive(Debug)]
struct Session {
    token: [u8; 32],
    opened: Instant,
}

impl Sessions {
    /// Opens a session for the token with this fingerprint and returns its cookie's value.
    ///
    /// # Errors
    /// When the system gives no random bits.
    pub fn open(&self, token: [u8; 32], now: Instant) -> io::Result<String> {
        let cookie = URL_SAFE_NO_PAD.encode(random()?);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, session| now.duration_since(session.opened) < LIFETIME);
        // First a token's own give way: nobody signs others out by signing in again and again.
        let own = |session: &Session| session.token == token;
        let has_many = open.values().filter(|session| own(session)).count() >= MOST_OF_A_TOKEN;
        if has_many || open.len() >= MOST {
            let may_go = open.iter().filter(|(_, session)| !has_many || own(session));
            if let Some(oldest) = may_go.min_by_key(|(_, session)| session.opened).map(|(key, _)| *key) {
                open.remove(&oldest);
            }
        }
        open.insert(fingerprint(&cookie), Session { token, opened: now });
        Ok(cookie)
    }

    /// Returns the fingerprint of the token that opened a session, by the fingerprint of its cookie, while it lasts.
    #[must_use]
    pub fn token_of(&self, session: &[u8; 32], now: Instant) -> Option<[u8; 32]> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let session = open.get(session)?;
        (now.duration_since(session.opened) < LIFETIME).then_some(session.token)
    }

    /// Ends a session.
    pub fn close(&self, cookie: &str) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&fingerprint(cookie));
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn a_session_lasts_until_it_is_closed_or_old() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let cookie = sessions.open([7; 32], now).unwrap();
        assert_eq!(sessions.token_of(&fingerprint(&cookie), now), Some([7; 32]));
        assert_eq!(sessions.token_of(&fingerprint("guess"), now), None);
        assert_eq!(sessions.token_of(&fingerprint(&cookie), now + LIFETIME), None);
        sessions.close(&cookie);
        assert_eq!(sessions.token_of(&fingerprint(&cookie), now), None);
    }

    #[test]
    fn the_oldest_session_gives_way() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let first = sessions.open([0; 32], now).unwrap();
        let open = |token: u8, second: u64| sessions.open([token; 32], now + Duration::from_secs(second)).unwrap();
        let second = open(1, 1);
        (0..200).for_each(|n| drop(open(1, 2 + n)));
        assert_eq!(sessions.token_of(&fingerprint(&second), now), None, "of its own token's");
        assert_eq!(sessions.token_of(&fingerprint(&first), now), Some([0; 32]));
        (0..MOST as u64).for_each(|n| drop(open(2 + (n / 50) as u8, 300 + n)));
        assert_eq!(sessions.token_of(&fingerprint(&first), now), None);
        assert_eq!(sessions.open.lock().unwrap().len(), MOST);
    }
}
