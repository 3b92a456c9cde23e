//! Who may be written to, and how often.

use std::collections::{HashMap, VecDeque};
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use lettre::Address;
use protocol::ErrorCode;

use super::address;
use crate::access::Role;
use crate::config::{Mail, Transport};
use crate::refusal::Refusal;

/// One entry of `mail.allow`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// `*`: everybody.
    Everybody,
    /// `*@example.org`: everybody at one domain.
    Domain(String),
    /// `me@example.org`: one address.
    Exactly(String),
}

impl FromStr for Pattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "*" {
            return Ok(Self::Everybody);
        }
        let invalid = || InvalidPattern(text.to_owned());
        if let Some(domain) = text.strip_prefix("*@") {
            let anybody = address::parse(&format!("anybody@{domain}")).map_err(|_| invalid())?;
            return Ok(Self::Domain(anybody.domain().to_owned()));
        }
        if text.contains('*') {
            return Err(invalid());
        }
        address::parse(text).map(|address| Self::Exactly(address.to_string())).map_err(|_| invalid())
    }
}

impl Pattern {
    /// Says whether the pattern covers an address; upper and lower case are the same.
    #[must_use]
    pub fn matches(&self, address: &Address) -> bool {
        match self {
            Self::Everybody => true,
            Self::Domain(domain) => address.domain().eq_ignore_ascii_case(domain),
            Self::Exactly(one) => address.to_string().eq_ignore_ascii_case(one),
        }
    }
}

/// A text that is no pattern of recipients.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a pattern of recipients: write \"*@example.org\", \"me@example.org\" or \"*\"")]
pub struct InvalidPattern(String);

/// Reads the address that a submit names and checks that its caller may have mail sent there.
///
/// # Errors
/// `invalid_field` when it is no address; `mail_not_allowed` when mail is off or `mail.allow` does not match.
pub fn recipient(text: &str, role: Role, mail: &Mail) -> Result<Address, Refusal> {
    let address =
        address::parse(text).map_err(|error| Refusal::new(ErrorCode::InvalidField, format!("email: {error}")))?;
    if matches!(mail.transport, Transport::Off) {
        return Err(Refusal::new(
            ErrorCode::MailNotAllowed,
            "this daemon sends no mail (mail.transport is \"off\"); leave email out and fetch the result instead",
        ));
    }
    let allowed = role == Role::Admin
        || mail.allow.iter().filter_map(|text| text.parse::<Pattern>().ok()).any(|pattern| pattern.matches(&address));
    if allowed {
        return Ok(address);
    }
    Err(Refusal::new(
        ErrorCode::MailNotAllowed,
        format!("mail to {address} is not allowed here; ask for an entry in mail.allow, or leave email out"),
    ))
}

/// The span over which mails are counted.
pub(crate) const WINDOW: Duration = Duration::from_secs(60 * 60);

/// Counts the mails of the last hour to each recipient.
#[derive(Debug, Default)]
pub struct RecipientLimiter {
    recent: HashMap<String, VecDeque<Timestamp>>,
}

impl RecipientLimiter {
    /// Counts one more mail to `recipient`, unless it has had `limit` within the hour before `now`.
    ///
    /// # Errors
    /// `mail_limit`, with the time after which there is room again.
    pub fn admit(&mut self, now: Timestamp, recipient: &Address, limit: u32) -> Result<(), Refusal> {
        let begin = now.saturating_sub(WINDOW).unwrap_or(Timestamp::MIN);
        // All of them, so that the map holds nobody who was written to longer ago than the window. A clock that has been set
        // back must not make the window longer.
        self.recent.retain(|_, times| {
            times.retain(|at| *at > begin && *at <= now);
            !times.is_empty()
        });
        let times = self.recent.entry(key(recipient)).or_default();
        if times.len() < limit as usize {
            times.push_back(now);
            return Ok(());
        }
        // The one that must leave the window before another fits; the limit may have been lowered meanwhile.
        let blocking = times.len().checked_sub(limit as usize).and_then(|index| times.get(index));
        let wait = blocking.map_or(WINDOW, |at| WINDOW.saturating_sub(now.duration_since(*at).unsigned_abs()));
        Err(Refusal::new(
            ErrorCode::MailLimit,
            format!("{recipient} has had {limit} mails within an hour (mail.per_recipient_per_hour); try again later"),
        )
        .retry_after(wait.max(Duration::from_secs(1))))
    }

    /// Takes note of a mail that was admitted before a restart; oldest first.
    pub fn remember(&mut self, at: Timestamp, recipient: &str) {
        self.recent.entry(recipient.to_ascii_lowercase()).or_default().push_back(at);
    }

    /// Takes back the newest mail to `recipient`: its job was not accepted after all.
    pub fn take_back(&mut self, recipient: &Address) {
        if let Some(times) = self.recent.get_mut(&key(recipient)) {
            times.pop_back();
        }
    }
}

fn key(recipient: &Address) -> String {
    recipient.to_string().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::config::Config;

    fn mail(allow: &[&str]) -> Mail {
        Mail { allow: allow.iter().map(|text| (*text).to_owned()).collect(), ..Config::default().mail }
    }

    fn code(text: &str, role: Role, allow: &[&str]) -> Option<ErrorCode> {
        recipient(text, role, &mail(allow)).err().map(|refusal| refusal.code)
    }

    #[test]
    fn mail_goes_where_allow_matches_and_anywhere_for_an_admin() {
        let allow = ["*@example.org", "me@elsewhere.net"];
        for text in ["anyone@example.org", "Anyone@EXAMPLE.org", "Me@elsewhere.NET"] {
            assert_eq!(code(text, Role::Submit, &allow), None, "{text}");
        }
        for text in ["you@elsewhere.net", "a@sub.example.org", "a@example.org.evil.net", "a@notexample.org"] {
            assert_eq!(code(text, Role::Submit, &allow), Some(ErrorCode::MailNotAllowed), "{text}");
            assert_eq!(code(text, Role::Admin, &allow), None, "{text}");
        }
        assert_eq!(code("a@b.info", Role::Submit, &["*"]), None);
        assert_eq!(code("a@b.info", Role::Submit, &[]), Some(ErrorCode::MailNotAllowed));
        assert_eq!(code("nonsense", Role::Admin, &["*"]), Some(ErrorCode::InvalidField));
    }

    #[test]
    fn a_daemon_without_mail_refuses_every_address() {
        let off = Mail { transport: Transport::Off, ..mail(&["*"]) };
        let refusal = recipient("me@example.org", Role::Admin, &off).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::MailNotAllowed);
    }

    #[test]
    fn patterns_are_checked() {
        for text in ["", "**", "*@", "*.example.org", "a*@example.org", "*@a b", "example.org"] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_recipient_gets_so_many_mails_an_hour_and_no_more() {
        let mut limiter = RecipientLimiter::default();
        let (me, you) = ("me@example.org".parse().unwrap(), "you@example.org".parse().unwrap());
        let start = Timestamp::from_second(1_000_000).unwrap();
        let at = |minutes: u64| start + Duration::from_secs(60 * minutes);
        assert_eq!(limiter.admit(at(0), &me, 2), Ok(()));
        assert_eq!(limiter.admit(at(10), &"ME@example.org".parse().unwrap(), 2), Ok(()));
        let refusal = limiter.admit(at(20), &me, 2).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::MailLimit);
        assert_eq!(refusal.retry_after, Some(Duration::from_secs(40 * 60)));
        assert_eq!(limiter.admit(at(20), &you, 2), Ok(()));
        assert_eq!(limiter.admit(at(60), &me, 2), Ok(()), "the first one is an hour old");
        assert!(limiter.admit(at(60), &me, 2).is_err());
        limiter.take_back(&me);
        assert_eq!(limiter.admit(at(61), &me, 2), Ok(()));
        assert!(limiter.admit(at(30), &me, 2).is_ok(), "the clock has been set back to before the last two");
        assert!(limiter.admit(at(1000), &you, 2).is_ok());
        assert_eq!(limiter.recent.len(), 1, "nobody is remembered beyond the hour");
    }
}
