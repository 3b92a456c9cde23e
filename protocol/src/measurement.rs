//! How near a style's paintings come to an artwork and to their photos.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::StyleName;

/// How near a painting is, by VGG19; comparable for the same artwork and photos only. Lower is nearer, 0 is the same.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Distances {
    /// From the artwork's style: statistics of features, relative to the artwork's.
    pub style: f64,
    /// From the photo's content: shapes, whatever their colours; 2 for unrelated ones.
    pub content: f64,
}

impl Distances {
    /// Returns the mean of several; nothing of none.
    #[must_use]
    pub fn mean(several: &[Self]) -> Option<Self> {
        let count = several.len() as f64;
        let mean = |of: fn(&Self) -> f64| several.iter().map(of).sum::<f64>() / count;
        (!several.is_empty()).then(|| Self { style: mean(|d| d.style), content: mean(|d| d.content) })
    }
}

/// What measuring a style came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Measurement {
    /// The style.
    pub style: StyleName,
    /// Of each photo, in the order in which they were sent.
    pub photos: Vec<Distances>,
    /// Of all of them.
    pub mean: Distances,
}
