//! Loss curves as a chart: a run of any length, drawn by what happened in each column and not by how many points
//! there are.

mod axis;
mod curve;
mod draw;
mod plot;
mod series;
#[cfg(test)]
mod tests;

pub(crate) use axis::number;
pub(crate) use curve::{Axis, Curve};
pub(crate) use draw::{Chart, Line, sign};
