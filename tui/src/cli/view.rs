//! What people see: pure functions from things to text.

use jiff::Timestamp;
use jiff::tz::TimeZone;

mod details;
mod events;
mod lists;
mod table;
mod text;

#[cfg(test)]
mod tests;

pub(crate) use details::{job, parameters, style};
pub(crate) use events::{Printed, event};
pub(crate) use lists::{devices, jobs, losses, mail, styles};
pub(crate) use text::{Paint, bytes, dimensions, plain, seconds, size};

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
        let seconds = (self.now.as_second() - at.as_second()).max(0);
        match seconds {
            0..=119 => format!("{seconds}s"),
            120..=7_199 => format!("{}m", seconds / 60),
            7_200..=172_799 => format!("{}h", seconds / 3_600),
            _ => format!("{}d", seconds / 86_400),
        }
    }

    /// Writes a time as the reader's clock shows it, and how long ago that is.
    fn moment(&self, at: Timestamp) -> String {
        let clock = at.to_zoned_datetime(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
        format!("{clock}  ({} ago)", self.age(at))
    }
}
