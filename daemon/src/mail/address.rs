//! Addresses that mail can be sent to.

use lettre::Address;
use lettre::message::Mailbox;

/// The longest address that SMTP can carry (RFC 5321, 4.5.3.1.3, without the angle brackets).
const MAX_BYTES: usize = 254;

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// It has line breaks or other control characters.
    #[error("an e-mail address has no line breaks or other control characters")]
    Control,
    /// It is too long.
    #[error("an e-mail address has at most {MAX_BYTES} bytes")]
    TooLong,
    /// Its part before the `@` has letters that most mail servers refuse.
    #[error("the part of the e-mail address before the @ may only have ASCII characters")]
    NotAscii,
    /// It does not have the form of an address.
    #[error("{0:?} is not an e-mail address such as \"me@example.org\"")]
    Malformed(String),
}

/// Reads one bare address such as `me@example.org`; an internationalised domain is converted to its ASCII form.
///
/// # Errors
/// When the text has control characters, is too long, or is no address.
pub fn parse(text: &str) -> Result<Address, InvalidAddress> {
    let text = text.trim_matches(' ');
    if text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Err(InvalidAddress::Control);
    }
    if text.len() > MAX_BYTES {
        return Err(InvalidAddress::TooLong);
    }
    let malformed = || InvalidAddress::Malformed(text.to_owned());
    let (user, domain) = text.rsplit_once('@').ok_or_else(malformed)?;
    if !user.is_ascii() {
        return Err(InvalidAddress::NotAscii);
    }
    let domain = if domain.starts_with('[') {
        domain.to_owned()
    } else {
        idna::domain_to_ascii_strict(domain).map_err(|_| malformed())?
    };
    if user.len() + 1 + domain.len() > MAX_BYTES {
        return Err(InvalidAddress::TooLong);
    }
    Address::new(user, domain).map_err(|_| malformed())
}

/// Reads a sender: a bare address, or one with a name such as `Atelier <atelier@example.org>`.
///
/// # Errors
/// As [`parse`].
pub fn sender(text: &str) -> Result<Mailbox, InvalidAddress> {
    if text.chars().any(char::is_control) {
        return Err(InvalidAddress::Control);
    }
    let Some((name, rest)) = text.split_once('<') else {
        return Ok(Mailbox::new(None, parse(text)?));
    };
    let address = rest.trim_end().strip_suffix('>').ok_or_else(|| InvalidAddress::Malformed(text.to_owned()))?;
    let name = name.trim().trim_matches('"');
    Ok(Mailbox::new((!name.is_empty()).then(|| name.to_owned()), parse(address)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_top_level_domain_will_do() {
        for text in ["me@example.org", "a.b+c@x.info", "me@my.studio", "o'neill@example.museum", "root@localhost"] {
            assert_eq!(parse(text).map(|address| address.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn an_international_domain_travels_in_ascii() {
        assert_eq!(parse("me@Bücher.example").map(|a| a.to_string()), Ok("me@xn--bcher-kva.example".to_owned()));
        assert_eq!(parse("jürgen@example.org"), Err(InvalidAddress::NotAscii));
    }

    #[test]
    fn nothing_can_be_smuggled_in() {
        for text in [
            "me@example.org\r\nBcc: all@example.org",
            "me\n@example.org",
            "me@example.org\0",
            "me@exam\tple.org",
            "me@example.org\u{2028}",
            "me@example.org\u{85}",
        ] {
            assert_eq!(parse(text), Err(InvalidAddress::Control), "{text:?}");
        }
        for text in [
            "",
            "me",
            "@example.org",
            "me@",
            "a b@example.org",
            "a@b@example.org",
            "a@example.org, b@example.org",
            "Me <me@example.org>",
            "<me@example.org>",
            "me@example..org",
            "me@-example.org",
            "me@exa mple.org",
        ] {
            assert!(matches!(parse(text), Err(InvalidAddress::Malformed(_))), "{text:?}: {:?}", parse(text));
        }
        assert_eq!(parse(&format!("{}@example.org", "a".repeat(300))), Err(InvalidAddress::TooLong));
    }
}
