//! What a number in an order may be, with a sentence for each that it may not.

use std::ops::RangeInclusive;

/// The largest factor of a loss: beyond it single precision overflows.
const LARGEST_WEIGHT: f64 = 1e9;

/// A field whose value no job can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} must be {wanted}, not {given}")]
pub struct OutOfBounds {
    /// The field.
    pub field: &'static str,
    wanted: String,
    given: String,
}

/// Checks a whole number.
pub(super) fn whole<N>(field: &'static str, value: N, allowed: RangeInclusive<N>) -> Result<N, OutOfBounds>
where
    N: Copy + PartialOrd + std::fmt::Display,
{
    if allowed.contains(&value) {
        return Ok(value);
    }
    let (least, most) = (allowed.start(), allowed.end());
    let wanted = if least == most { least.to_string() } else { format!("between {least} and {most}") };
    Err(OutOfBounds { field, wanted, given: value.to_string() })
}

/// Checks the factor of a loss that can't be left out.
pub(super) fn weight(field: &'static str, value: f64) -> Result<f64, OutOfBounds> {
    real(field, value, value > 0.0 && value <= LARGEST_WEIGHT, "a number above 0 and at most 1e9")
}

/// Checks the factor of a loss that may be left out.
pub(super) fn optional_weight(field: &'static str, value: f64) -> Result<f64, OutOfBounds> {
    real(field, value, (0.0..=LARGEST_WEIGHT).contains(&value), "a number between 0 and 1e9")
}

/// Checks a learning rate.
pub(super) fn rate(field: &'static str, value: f64) -> Result<f64, OutOfBounds> {
    real(field, value, value > 0.0 && value <= 1.0, "a number above 0 and at most 1")
}

fn real(field: &'static str, value: f64, allowed: bool, wanted: &str) -> Result<f64, OutOfBounds> {
    if allowed {
        return Ok(value);
    }
    Err(OutOfBounds { field, wanted: wanted.to_owned(), given: value.to_string() })
}
