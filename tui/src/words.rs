//! Words and numbers that people read, in the console and on the command line.

mod cell;
mod job;
mod style;
mod text;

pub(crate) use cell::{Cell, cell, maybe, toned};
pub(crate) use job::{delivery, outcome, parameters, place, place_of_end, progress, steps, style, times};
pub(crate) use style::style_rows;
pub(crate) use text::{bytes, count, dimensions, fit, moment, plain, seconds, size, span};
