//! From a curve to dots.

use super::axis::Scale;
use super::curve::{Axis, Curve};

/// What part of the plane the dots stand for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// What runs along the bottom.
    pub(super) axis: Axis,
    /// The left and the right end of it.
    pub(super) x: (f64, f64),
    /// Dots from left to right.
    pub(super) columns: usize,
    /// Dots from bottom to top.
    pub(super) rows: usize,
}

impl Frame {
    /// Returns the left end of a column.
    fn left(&self, column: usize) -> f64 {
        self.x.0 + (self.x.1 - self.x.0) * column as f64 / self.columns as f64
    }

    /// Returns the points that a column shows. The last one includes the right end.
    fn points(&self, curve: &Curve, column: usize) -> std::ops::Range<usize> {
        let right = if column + 1 == self.columns { self.x.1.next_up() } else { self.left(column + 1) };
        curve.between(self.left(column), right, self.axis)
    }

    /// Returns the row of a value.
    fn row(&self, value: f64, scale: &Scale) -> Option<usize> {
        Some((scale.place(value)? * (self.rows.saturating_sub(1)) as f64).round() as usize)
    }
}

/// Dots that are set, as stretches of rows: column, lowest row, highest row.
pub(super) type Dots = Vec<(usize, usize, usize)>;

/// Draws the values as they were measured: in each column from its smallest to its largest, so that a spike of a
/// single step is never thinned away.
pub(super) fn raw(curve: &Curve, term: &str, frame: &Frame, scale: &Scale) -> Dots {
    let Some(series) = curve.series(term) else { return Dots::new() };
    let mut dots = Dots::new();
    let mut before: Option<(usize, usize, usize)> = None;
    for column in 0..frame.columns {
        let points = frame.points(curve, column);
        if points.is_empty() {
            continue;
        }
        let bucket = series.over(points);
        // On a logarithmic scale what is not above zero has no place; the bottom stands for it.
        let low = frame.row(bucket.min, scale).or_else(|| bucket.mean().map(|_| 0));
        let (Some(low), Some(high)) = (low, frame.row(bucket.max, scale)) else {
            // Only what is not finite lies here: a gap.
            before = None;
            continue;
        };
        join(&mut dots, before, (column, low, high));
        before = Some((column, low, high));
    }
    dots
}

/// Draws a smoothed line: in each column the mean of a window around it.
pub(super) fn smooth(curve: &Curve, term: &str, frame: &Frame, scale: &Scale, window: usize) -> Dots {
    let Some(series) = curve.series(term) else { return Dots::new() };
    let mut dots = Dots::new();
    let mut before = None;
    for column in 0..frame.columns {
        let points = frame.points(curve, column);
        if points.is_empty() {
            continue;
        }
        let around = points.start.saturating_sub(window / 2)..points.end + window / 2;
        let Some(row) = series.over(around).mean().and_then(|mean| frame.row(mean, scale)) else {
            before = None;
            continue;
        };
        join(&mut dots, before, (column, row, row));
        before = Some((column, row, row));
    }
    dots
}

/// Sets a column's dots and those on the way from the one before.
fn join(dots: &mut Dots, before: Option<(usize, usize, usize)>, (column, low, high): (usize, usize, usize)) {
    let Some((from, from_low, from_high)) = before else {
        dots.push((column, low, high));
        return;
    };
    let (start, end) = (f64::midpoint(from_low as f64, from_high as f64), f64::midpoint(low as f64, high as f64));
    let columns = (column - from) as f64;
    let mut last = start;
    for between in from + 1..column {
        let here = start + (end - start) * (between - from) as f64 / columns;
        dots.push((between, last.min(here).round() as usize, last.max(here).round() as usize));
        last = here;
    }
    // The stretch reaches to where the one before ended, without a step to the side.
    if column == from + 1 {
        let touch_low = if low > from_high { from_high + 1 } else { low };
        let touch_high = if high + 1 < from_low { from_low - 1 } else { high };
        dots.push((column, low.min(touch_low), high.max(touch_high)));
    } else {
        let last = last.round() as usize;
        dots.push((column, low.min(last), high.max(last)));
    }
}
