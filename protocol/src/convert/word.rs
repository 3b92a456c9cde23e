//! Closed sets of words as protobuf enums, whose zero means "not given".

use super::WireError;
use crate::device::DeviceKind;
use crate::job::paint::{Optimizer, PaintInit};
use crate::job::train::{Norm, Recipe, Upsample};
use crate::job::{JobKind, OutputFormat, Priority, ProgressUnit, StateName};
use crate::mail::MailState;
use crate::style::StyleState;
use crate::wire;

/// A closed set of words that has a protobuf enum of its own.
pub trait Word: Copy {
    /// Returns the number that stands for this word on the wire, never 0.
    fn number(self) -> i32;

    /// Returns the word that a number stands for.
    fn from_number(number: i32) -> Option<Self>;
}

macro_rules! enums {
    ($($domain:ident as $wire:ident { $($variant:ident),+ })+) => { $(
        impl Word for $domain {
            fn number(self) -> i32 {
                match self { $(Self::$variant => wire::$wire::$variant as i32),+ }
            }

            fn from_number(number: i32) -> Option<Self> {
                match wire::$wire::try_from(number).ok()? {
                    wire::$wire::Unspecified => None,
                    $(wire::$wire::$variant => Some(Self::$variant)),+
                }
            }
        }
    )+ };
}

enums! {
    JobKind as JobKind { Stylize, Train, Paint }
    StateName as JobState { Queued, Running, Paused, Succeeded, Failed, Cancelled }
    Priority as Priority { Interactive, Batch }
    OutputFormat as OutputFormat { Png, Jpeg, Webp }
    Recipe as Recipe { House, Johnson }
    Norm as Norm { Instance, Batch }
    Upsample as Upsample { Nearest, Bilinear, Transposed }
    Optimizer as Optimizer { Lbfgs, Adam }
    PaintInit as PaintInit { Content, Noise }
    ProgressUnit as ProgressUnit { Percent, Step }
    StyleState as StyleState { Ready, Broken }
    DeviceKind as DeviceKind { Cpu, Cuda, Metal }
    MailState as MailState { Pending, Queued, Sent, Failed }
}

/// Returns the number for a word that may be absent.
#[must_use]
pub fn to_wire<T: Word>(word: Option<T>) -> i32 {
    word.map_or(0, Word::number)
}

/// Reads a word that may be absent.
///
/// # Errors
/// [`WireError::Invalid`] for a number that stands for nothing here.
pub fn optional<T: Word>(field: &'static str, number: i32) -> Result<Option<T>, WireError> {
    match (number, T::from_number(number)) {
        (0, _) => Ok(None),
        (_, Some(word)) => Ok(Some(word)),
        (_, None) => Err(WireError::invalid(field, format!("{number} stands for nothing known here"))),
    }
}

/// Reads a word that must be there.
///
/// # Errors
/// [`WireError::Missing`] for 0, [`WireError::Invalid`] for a number that stands for nothing here.
pub fn required<T: Word>(field: &'static str, number: i32) -> Result<T, WireError> {
    optional(field, number)?.ok_or(WireError::Missing(field))
}
