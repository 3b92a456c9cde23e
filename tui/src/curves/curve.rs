//! A run's loss curve: every term at every step.

use std::ops::Range;

use protocol::{LossCurve, LossPoint};

use super::series::Series;

/// What runs along the bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Axis {
    /// Steps.
    Steps,
    /// Seconds of work.
    Clock,
}

/// The curve of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Curve {
    steps: Vec<u64>,
    seconds: Vec<f64>,
    terms: Vec<(String, Series)>,
}

impl Curve {
    /// Takes a curve as the daemon has kept it.
    pub(crate) fn new(kept: &LossCurve) -> Self {
        let mut curve = Self::default();
        kept.points.iter().for_each(|point| curve.push(point));
        curve
    }

    /// Adds a point. One whose step is there already replaces it and what came after it: the run went back.
    pub(crate) fn push(&mut self, point: &LossPoint) {
        if self.steps.last().is_some_and(|&last| last >= point.step) {
            self.truncate(self.steps.partition_point(|&step| step < point.step));
        }
        if self.terms.is_empty() {
            let layers = point.layers.keys().map(String::as_str);
            let names = LossPoint::TERMS.into_iter().chain(layers);
            self.terms = names.map(|name| (name.to_owned(), Series::default())).collect();
        }
        for (name, series) in &mut self.terms {
            series.push(point.term(name).unwrap_or(f64::NAN));
        }
        self.steps.push(point.step);
        // A clock that went back would break the search for a place.
        let last = self.seconds.last().copied().unwrap_or(0.0);
        self.seconds.push(if point.seconds >= last { point.seconds } else { last });
    }

    /// Takes the points of another curve that come after the last one of this.
    pub(crate) fn extend_from(&mut self, other: &Self) {
        let last = self.steps.last().copied();
        let from = other.steps.partition_point(|&step| last.is_some_and(|last| step <= last));
        if self.terms.is_empty() {
            self.terms = other.terms.iter().map(|(name, _)| (name.clone(), Series::default())).collect();
        }
        for (name, series) in &mut self.terms {
            let theirs = other.series(name);
            for index in from..other.len() {
                series.push(theirs.and_then(|theirs| theirs.get(index)).unwrap_or(f64::NAN));
            }
        }
        self.steps.extend(&other.steps[from..]);
        self.seconds.extend(&other.seconds[from..]);
    }

    fn truncate(&mut self, length: usize) {
        self.steps.truncate(length);
        self.seconds.truncate(length);
        self.terms.iter_mut().for_each(|(_, series)| series.truncate(length));
    }

    /// Returns how many points there are.
    pub(crate) fn len(&self) -> usize {
        self.steps.len()
    }

    /// Returns the terms' names: total, content, style, tv, then the layers.
    pub(crate) fn terms(&self) -> impl Iterator<Item = &str> {
        self.terms.iter().map(|(name, _)| name.as_str())
    }

    /// Finds a term's values.
    pub(super) fn series(&self, term: &str) -> Option<&Series> {
        self.terms.iter().find(|(name, _)| name == term).map(|(_, series)| series)
    }

    /// Returns where a point is along the bottom.
    pub(crate) fn x(&self, index: usize, axis: Axis) -> Option<f64> {
        match axis {
            Axis::Steps => self.steps.get(index).map(|&step| step as f64),
            Axis::Clock => self.seconds.get(index).copied(),
        }
    }

    /// Returns where the first and the last point are along the bottom.
    pub(crate) fn span(&self, axis: Axis) -> Option<(f64, f64)> {
        Some((self.x(0, axis)?, self.x(self.len().checked_sub(1)?, axis)?))
    }

    /// Returns the points from one place along the bottom up to another, that one left out.
    pub(super) fn between(&self, from: f64, to: f64, axis: Axis) -> Range<usize> {
        let place = |x: f64| match axis {
            Axis::Steps => self.steps.partition_point(|&step| (step as f64) < x),
            Axis::Clock => self.seconds.partition_point(|&seconds| seconds < x),
        };
        place(from)..place(to)
    }

    /// Returns the last point that is not beyond a place along the bottom.
    pub(crate) fn at(&self, x: f64, axis: Axis) -> Option<usize> {
        self.between(f64::NEG_INFINITY, x.next_up(), axis).end.checked_sub(1)
    }

    /// Returns a term's value at a point.
    pub(crate) fn value(&self, term: &str, index: usize) -> Option<f64> {
        self.series(term)?.get(index)
    }

    /// Returns the step of a point.
    pub(crate) fn step(&self, index: usize) -> Option<u64> {
        self.steps.get(index).copied()
    }

    /// Returns the seconds of a point.
    pub(crate) fn seconds(&self, index: usize) -> Option<f64> {
        self.seconds.get(index).copied()
    }

    /// Says whether a term has a value above zero.
    pub(crate) fn is_ever_positive(&self, term: &str) -> bool {
        self.series(term).is_some_and(|series| series.over(0..series.len()).max > 0.0)
    }

    /// Returns how many values of a term were not finite.
    pub(crate) fn lost(&self, term: &str) -> usize {
        self.series(term).map_or(0, |series| series.over(0..series.len()).lost)
    }

    /// Returns steps a second over the last so many points.
    pub(crate) fn pace(&self, points: usize) -> Option<f64> {
        let last = self.len().checked_sub(1)?;
        let first = last.saturating_sub(points);
        let seconds = self.seconds[last] - self.seconds[first];
        (seconds > 0.0).then(|| (self.steps[last] - self.steps[first]) as f64 / seconds)
    }
}
