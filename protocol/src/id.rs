//! Names of things: job ids, their short form, style names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A job's identity: a version 7 UUID, so that ids sort by the time they were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, format = Uuid)]
pub struct JobId(Uuid);

impl JobId {
    /// Makes a new id from the clock and random bits.
    #[must_use]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// Returns the id's sixteen bytes; their order is the order of creation.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Restores an id from its sixteen bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// Returns the short form: the **last** eight hexadecimal digits, since the first ones are the clock.
    #[must_use]
    pub fn short(&self) -> ShortId {
        let tail = self.0.as_bytes();
        ShortId([tail[12], tail[13], tail[14], tail[15]])
    }
}

impl Default for JobId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for JobId {
    type Err = InvalidJobRef;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Only the hyphenated form: one id has one spelling in paths, logs and folder names.
        if text.len() != 36 {
            return Err(InvalidJobRef);
        }
        Uuid::try_parse(text).map(Self).map_err(|_| InvalidJobRef)
    }
}

/// The last eight hexadecimal digits of a job's id, as people type them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ShortId([u8; 4]);

impl fmt::Display for ShortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// How a caller names a job: by its whole id or by its short form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobRef {
    /// The whole id.
    Id(JobId),
    /// The last eight digits, which may fit more than one job.
    Short(ShortId),
}

impl FromStr for JobRef {
    type Err = InvalidJobRef;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            let value = u32::from_str_radix(text, 16).map_err(|_| InvalidJobRef)?;
            return Ok(Self::Short(ShortId(value.to_be_bytes())));
        }
        text.parse().map(Self::Id)
    }
}

impl fmt::Display for JobRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Short(short) => short.fmt(f),
        }
    }
}

/// A text that is neither a job's id nor the last eight digits of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a job is named by its UUID or by the last eight digits of it")]
pub struct InvalidJobRef;

/// A style's name: `[a-z0-9][a-z0-9_-]{0,63}`, the name of its folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
pub struct StyleName(String);

impl StyleName {
    /// The longest name, in bytes.
    pub const MAX_BYTES: usize = 64;

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StyleName {
    type Err = InvalidStyleName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let mut bytes = text.bytes();
        let valid = text.len() <= Self::MAX_BYTES
            && bytes.next().is_some_and(plain)
            && bytes.all(|b| plain(b) || b == b'_' || b == b'-');
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidStyleName) }
    }
}

impl<'de> Deserialize<'de> for StyleName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for StyleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that can't be a style's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a style's name is 1 to 64 of a-z, 0-9, '-' and '_', and begins with a letter or a digit")]
pub struct InvalidStyleName;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn a_short_id_is_the_tail_of_the_id_and_parses_back() {
        let id: JobId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        assert_eq!(id.short().to_string(), "099a8057");
        assert_eq!("099A8057".parse(), Ok(JobRef::Short(id.short())));
        assert_eq!(id.to_string().parse(), Ok(JobRef::Id(id)));
    }

    #[test]
    fn ids_have_one_spelling() {
        for text in ["", "099a805", "099a805g", "01890a5dac96774bbcceb302099a8057", "../../etc/passwd", "+99a8057"] {
            assert_eq!(text.parse::<JobRef>(), Err(InvalidJobRef), "{text}");
        }
    }

    #[test]
    fn later_ids_sort_after_earlier_ones() {
        let ids: Vec<_> = (0..1000).map(|_| JobId::new()).collect();
        assert!(ids.is_sorted());
    }

    #[test]
    fn style_names_are_safe_folder_names() {
        for good in ["a", "great-wave", "0_x", &"a".repeat(64)] {
            assert!(good.parse::<StyleName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "_a", ".a", "A", "a/b", "..", "a b", "ä", "a\0", &"a".repeat(65)] {
            assert!(bad.parse::<StyleName>().is_err(), "{bad}");
        }
    }
}
