//! How training and painting go: a point a step, and what is kept along the way.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::JobId;

/// Every term of the loss at one step; all are finite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LossPoint {
    /// The step, from 1.
    pub step: u64,
    /// Seconds of work since the first step, pauses left out.
    pub seconds: f64,
    /// The sum of all terms, with their factors.
    pub total: f64,
    /// The content loss, before its factor.
    pub content: f64,
    /// The style loss, before its factor.
    pub style: f64,
    /// The total variation, before its factor.
    pub tv: f64,
    /// The style loss' part of each layer.
    pub layers: BTreeMap<String, f64>,
}

impl LossPoint {
    /// The terms that every point has, in their usual order.
    pub const TERMS: [&'static str; 4] = ["total", "content", "style", "tv"];

    /// Returns a term or a layer's part by its name.
    #[must_use]
    pub fn term(&self, name: &str) -> Option<f64> {
        match name {
            "total" => Some(self.total),
            "content" => Some(self.content),
            "style" => Some(self.style),
            "tv" => Some(self.tv),
            layer => self.layers.get(layer).copied(),
        }
    }
}

/// The loss curve of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LossCurve {
    /// The job.
    pub job: JobId,
    /// The terms that the points have, layers last.
    pub terms: Vec<String>,
    /// The points in the order of their steps.
    pub points: Vec<LossPoint>,
}

impl LossCurve {
    /// Makes a curve of points that all have the same layers.
    #[must_use]
    pub fn new(job: JobId, points: Vec<LossPoint>) -> Self {
        let outline = Self::outline(job, points.first().into_iter().flat_map(|point| point.layers.keys()));
        Self { points, ..outline }
    }

    /// Makes a curve that is yet without points, which will all have these layers.
    #[must_use]
    pub fn outline<'a>(job: JobId, layers: impl IntoIterator<Item = &'a String>) -> Self {
        let terms = LossPoint::TERMS.iter().map(|term| (*term).to_owned()).chain(layers.into_iter().cloned()).collect();
        Self { job, terms, points: Vec::new() }
    }
}

/// A state that a training can go on from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Checkpoint {
    /// The last step that it holds.
    pub step: u64,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Its size in bytes.
    pub bytes: u64,
}

/// The checkpoints of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckpointList {
    /// The job.
    pub job: JobId,
    /// The checkpoints, newest first.
    pub checkpoints: Vec<Checkpoint>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_names_its_terms_and_each_point_has_them() {
        let layers = BTreeMap::from([("relu1_1".to_owned(), 0.5), ("relu2_1".to_owned(), 0.25)]);
        let point = LossPoint { step: 1, seconds: 0.1, total: 3.0, content: 1.0, style: 0.7, tv: 0.0, layers };
        let curve = LossCurve::new(JobId::new(), vec![point.clone()]);
        assert_eq!(curve.terms, ["total", "content", "style", "tv", "relu1_1", "relu2_1"]);
        let values: Vec<_> = curve.terms.iter().map(|term| point.term(term)).collect();
        assert_eq!(values, [3.0, 1.0, 0.7, 0.0, 0.5, 0.25].map(Some));
        assert_eq!(point.term("relu9_9"), None);
        assert_eq!(LossCurve::new(JobId::new(), Vec::new()).terms, LossPoint::TERMS);
    }
}
