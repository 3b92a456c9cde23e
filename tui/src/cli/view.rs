//! What people see: pure functions from things to text.

use jiff::Timestamp;
use jiff::tz::TimeZone;

mod details;
mod events;
mod lists;
mod paint;
mod table;

#[cfg(test)]
mod tests;

pub(crate) use details::{job, style};
pub(crate) use events::{Printed, event};
pub(crate) use lists::{devices, distances, jobs, losses, mail, styles};
pub(crate) use paint::Paint;

use crate::words::{moment, span};

/// How things look here and now.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    /// Colours, or none.
    pub(crate) paint: Paint,
    /// The terminal's width, if stdout is one.
    pub(crate) columns: Option<usize>,
    /// The present.
    pub(crate) now: Timestamp,
    /// The reader's time zone.
    pub(crate) zone: TimeZone,
}

impl Look {
    /// Says how long ago something happened, in its largest unit: `45s`, `12m`, `3h`, `9d`.
    fn age(&self, at: Timestamp) -> String {
        span((self.now.as_second() - at.as_second()) as f64)
    }

    /// Writes a time as the reader's clock shows it, and how long ago that is.
    fn moment(&self, at: Timestamp) -> String {
        moment(at, self.now, &self.zone)
    }
}
