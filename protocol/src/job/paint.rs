//! How a photo's own pixels are optimised (Gatys et al. 2015).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::OutputFormat;
use super::bounds::{OutOfBounds, optional_weight, weight, whole};
use super::train::TrainOrder;
use crate::words::{UnknownWord, words};

words! {
    /// Which optimiser moves the pixels.
    Optimizer {
        /// Limited-memory BFGS: few steps, each a good one.
        Lbfgs = "lbfgs",
        /// Adam: more steps, less memory.
        Adam = "adam",
    }
}

words! {
    /// What painting starts from.
    PaintInit {
        /// The photo.
        Content = "content",
        /// Noise from the seed.
        Noise = "noise",
    }
}

/// How a photo is painted by optimising its pixels, every default filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PaintParameters {
    /// How much each artwork counts, in the order in which they were sent.
    pub artwork_weights: Vec<f64>,
    /// Steps of the optimiser.
    #[schema(minimum = 1, maximum = 200_000)]
    pub steps: u32,
    /// Which optimiser.
    pub optimizer: Optimizer,
    /// What it starts from.
    pub init: PaintInit,
    /// Where chance begins: the same seed gives the same picture.
    pub seed: u64,
    /// Factor of the content loss.
    #[schema(exclusive_minimum = 0.0)]
    pub content_weight: f64,
    /// Factor of the style loss.
    #[schema(exclusive_minimum = 0.0)]
    pub style_weight: f64,
    /// Factor of the total variation.
    #[schema(minimum = 0.0)]
    pub tv_weight: f64,
    /// Longest side of the result in pixels; the photo's own size where absent.
    pub size: Option<u32>,
    /// Whether the painting keeps the photo's chroma (BT.601).
    pub preserve_color: bool,
    /// The result's format.
    pub format: OutputFormat,
    /// Steps from one preview to the next.
    #[schema(minimum = 1, maximum = 200_000)]
    pub preview_every: u32,
}

/// How a photo is to be painted; what is absent takes its default.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the fields are those of `PaintParameters`")]
pub struct PaintOrder {
    pub artwork_weights: Vec<f64>,
    pub steps: Option<u32>,
    pub optimizer: Option<Optimizer>,
    pub init: Option<PaintInit>,
    pub seed: Option<u64>,
    pub content_weight: Option<f64>,
    pub style_weight: Option<f64>,
    pub tv_weight: Option<f64>,
    pub size: Option<u32>,
    pub preserve_color: bool,
    pub format: Option<OutputFormat>,
    pub preview_every: Option<u32>,
}

impl PaintOrder {
    /// The most artworks that one painting takes its style from.
    pub const MOST_ARTWORKS: usize = 8;

    /// Fills the defaults in; `own` is the format that the photo came in, as far as results can have it. Without
    /// weights of their own all artworks count the same.
    ///
    /// # Errors
    /// For the first field whose value no painting can have.
    pub fn fill(self, artworks: usize, own: OutputFormat) -> Result<PaintParameters, OutOfBounds> {
        whole("the number of artworks", artworks, 1..=Self::MOST_ARTWORKS)?;
        let mut artwork_weights = self.artwork_weights;
        if artwork_weights.is_empty() {
            artwork_weights.resize(artworks, 1.0);
        }
        whole("the number of artwork weights", artwork_weights.len(), artworks..=artworks)?;
        for given in &artwork_weights {
            weight("artwork_weight", *given)?;
        }
        let steps = 1..=TrainOrder::MOST_STEPS;
        let size = self.size.map(|size| whole("size", size, 1..=u32::MAX)).transpose()?;
        Ok(PaintParameters {
            artwork_weights,
            steps: whole("steps", self.steps.unwrap_or(300), steps.clone())?,
            optimizer: self.optimizer.unwrap_or(Optimizer::Lbfgs),
            init: self.init.unwrap_or(PaintInit::Content),
            seed: self.seed.unwrap_or(1),
            content_weight: weight("content_weight", self.content_weight.unwrap_or(1.0))?,
            style_weight: weight("style_weight", self.style_weight.unwrap_or(5.0))?,
            tv_weight: optional_weight("tv_weight", self.tv_weight.unwrap_or(0.0))?,
            size,
            preserve_color: self.preserve_color,
            format: self.format.unwrap_or(own),
            preview_every: whole("preview_every", self.preview_every.unwrap_or(10), steps)?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn every_default_is_filled_in() {
        let filled = PaintOrder::default().fill(2, OutputFormat::Jpeg).unwrap();
        let expected = serde_json::json!({
            "artwork_weights": [1.0, 1.0], "steps": 300, "optimizer": "lbfgs", "init": "content", "seed": 1,
            "content_weight": 1.0, "style_weight": 5.0, "tv_weight": 0.0, "size": null, "preserve_color": false,
            "format": "jpeg", "preview_every": 10,
        });
        assert_eq!(serde_json::to_value(filled).unwrap(), expected);
    }

    fn check(order: PaintOrder, artworks: usize, expected: &str) {
        assert_eq!(order.fill(artworks, OutputFormat::Png).unwrap_err().to_string(), expected);
    }

    #[test]
    fn a_number_that_no_painting_can_have_is_refused_in_a_sentence() {
        let order = PaintOrder::default;
        check(order(), 0, "the number of artworks must be between 1 and 8, not 0");
        check(order(), 9, "the number of artworks must be between 1 and 8, not 9");
        let weights = |weights: &[f64]| PaintOrder { artwork_weights: weights.to_vec(), ..PaintOrder::default() };
        check(weights(&[1.0, 1.0]), 1, "the number of artwork weights must be 1, not 2");
        check(weights(&[1.0]), 2, "the number of artwork weights must be 2, not 1");
        check(weights(&[1.0, 0.0]), 2, "artwork_weight must be a number above 0 and at most 1e9, not 0");
        check(weights(&[1.0, f64::NAN]), 2, "artwork_weight must be a number above 0 and at most 1e9, not NaN");
        check(PaintOrder { steps: Some(0), ..order() }, 1, "steps must be between 1 and 200000, not 0");
        check(PaintOrder { size: Some(0), ..order() }, 1, "size must be between 1 and 4294967295, not 0");
    }
}
