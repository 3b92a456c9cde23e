//! The one place where domain types and their gRPC messages meet, in both directions.
//!
//! Towards the wire every conversion is total; from it, a message can lack something or carry a value from a
//! newer release, which is a [`WireError`] that names the field.

use jiff::Timestamp;

mod event;
mod job;
mod learning;
mod page;
mod refused;
mod things;
mod word;

#[cfg(test)]
mod tests;

pub use refused::{ForeignStatus, Refused};
pub use word::{Word, optional, required, to_wire};

/// A message that can't be what it claims to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A field that must be there is not.
    #[error("the field \"{0}\" is missing")]
    Missing(&'static str),
    /// A field has a value that is none of ours.
    #[error("the field \"{field}\" is not valid: {reason}")]
    Invalid {
        /// The field's name in the .proto file.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl WireError {
    /// Says that `field` has a bad value, and why.
    pub fn invalid(field: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Invalid { field, reason: reason.to_string() }
    }
}

/// Parses a text field into one of the domain's own types.
///
/// # Errors
/// [`WireError::Invalid`] with the type's own words.
pub fn parse<T>(field: &'static str, text: &str) -> Result<T, WireError>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    text.parse().map_err(|error| WireError::invalid(field, error))
}

/// Takes a message field that must be there.
fn present<T>(field: &'static str, value: Option<T>) -> Result<T, WireError> {
    value.ok_or(WireError::Missing(field))
}

const NANOSECONDS: i128 = 1_000_000_000;

fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    // The wire counts nanoseconds forward from the second, also before 1970.
    let nanoseconds = at.as_nanosecond();
    prost_types::Timestamp {
        seconds: nanoseconds.div_euclid(NANOSECONDS) as i64,
        nanos: nanoseconds.rem_euclid(NANOSECONDS) as i32,
    }
}

fn instant(field: &'static str, at: prost_types::Timestamp) -> Result<Timestamp, WireError> {
    let nanoseconds = i128::from(at.seconds) * NANOSECONDS + i128::from(at.nanos);
    Timestamp::from_nanosecond(nanoseconds).map_err(|error| WireError::invalid(field, error))
}
