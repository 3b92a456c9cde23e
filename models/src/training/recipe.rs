//! Every knob of a training run, and what each may be.

use serde_json::json;
use sha2::{Digest, Sha256};

use super::photos::KEPT_BYTES;
use crate::arch::{self, Parameters};
use crate::losses::{LossWeights, Recipe as Formulas};
use crate::network::{Network, NormKind};
use crate::text::hexadecimal;
use crate::vgg;

/// Steps of linear warm-up.
const WARM_UP: u32 = 20;
/// What the cosine ends at, as a share of the learning rate.
const LAST_SHARE: f64 = 0.03;

/// How a network enlarges its pictures by two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enlargement {
    /// Nearest neighbours, then a convolution.
    Nearest,
    /// Bilinear, then a convolution.
    Bilinear,
    /// A transposed convolution.
    Transposed,
}

impl Enlargement {
    const fn name(self) -> &'static str {
        match self {
            Self::Nearest => "nearest",
            Self::Bilinear => "bilinear",
            Self::Transposed => "transposed",
        }
    }
}

/// A training run's knobs.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// The losses and their factors.
    pub losses: LossWeights,
    /// Channels after the first convolution; twice and four times as many follow. 1 to 128.
    pub width: u32,
    /// Residual blocks, at most 16.
    pub residuals: u32,
    /// The norm after every convolution but the last.
    pub norm: NormKind,
    /// How the network enlarges.
    pub enlargement: Enlargement,
    /// Steps, 1 to 200,000.
    pub steps: u32,
    /// Photos a step, 1 to 16.
    pub batch: u32,
    /// Side of the photos' square crops in pixels: 64 to 1024, a multiple of 4.
    pub size: u32,
    /// Shorter side of the artwork in pixels, 64 to 2048.
    pub art_size: u32,
    /// Adam's learning rate after the warm-up: above 0, at most 1.
    pub learning_rate: f64,
    /// Where everything random comes from.
    pub seed: u64,
    /// Steps between two anchors, to which a run that goes wrong is rolled back; at least 1.
    pub checkpoint_every: u32,
    /// Whether the run ends when its loss no longer falls.
    pub early_stop: bool,
}

/// Why a recipe can't be followed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{knob} must be {range}, not {value}")]
pub struct RecipeError {
    /// The knob.
    pub knob: &'static str,
    /// What it may be.
    pub range: &'static str,
    /// What it is.
    pub value: f64,
}

impl Recipe {
    /// Returns the project's own recipe: a small network that paints fast, in a few hundred steps.
    #[must_use]
    pub fn house() -> Self {
        Self {
            losses: LossWeights::house(),
            width: 16,
            residuals: 3,
            norm: NormKind::Instance,
            enlargement: Enlargement::Nearest,
            steps: 400,
            batch: 2,
            size: 256,
            art_size: 448,
            learning_rate: 3e-3,
            seed: 1,
            checkpoint_every: 50,
            early_stop: false,
        }
    }

    /// Returns the thesis' recipe: Johnson's losses, network and batch.
    #[must_use]
    pub fn johnson() -> Self {
        Self {
            losses: LossWeights::johnson(),
            width: 32,
            residuals: 5,
            steps: 2000,
            batch: 4,
            learning_rate: 1e-3,
            ..Self::house()
        }
    }

    /// Checks every knob.
    ///
    /// # Errors
    /// Names the first one that is out of its range.
    pub fn check(&self) -> Result<(), RecipeError> {
        let LossWeights { content, style, total_variation, .. } = self.losses;
        let size_range = "a multiple of 4 between 64 and 1024 pixels";
        let weight_range = "above 0 and at most 1e9";
        let weight = |value: f64| value > 0.0 && value <= 1e9;
        let checks = [
            ("width", "between 1 and 128 channels", f64::from(self.width), (1..=128).contains(&self.width)),
            ("residuals", "at most 16 blocks", f64::from(self.residuals), self.residuals <= 16),
            ("steps", "between 1 and 200000", f64::from(self.steps), (1..=200_000).contains(&self.steps)),
            ("batch", "between 1 and 16 photos", f64::from(self.batch), (1..=16).contains(&self.batch)),
            ("size", size_range, f64::from(self.size), (64..=1024).contains(&self.size) && self.size.is_multiple_of(4)),
            ("art_size", "between 64 and 2048 pixels", f64::from(self.art_size), (64..=2048).contains(&self.art_size)),
            ("learning_rate", "above 0 and at most 1", self.learning_rate, {
                self.learning_rate > 0.0 && self.learning_rate <= 1.0
            }),
            ("content_weight", weight_range, content, weight(content)),
            ("style_weight", weight_range, style, weight(style)),
            ("tv_weight", "between 0 and 1e9", total_variation, (0.0..=1e9).contains(&total_variation)),
            ("checkpoint_every", "at least 1 step", f64::from(self.checkpoint_every), self.checkpoint_every >= 1),
        ];
        match checks.into_iter().find(|(.., fits)| !fits) {
            Some((knob, range, value, _)) => Err(RecipeError { knob, range, value }),
            None => Ok(()),
        }
    }

    /// Returns the parameters of the `house` architecture that the recipe trains.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        let norm = match self.norm {
            NormKind::Instance => "instance",
            NormKind::Batch => "batch",
        };
        let (thin, upsample) = (self.width, self.enlargement.name());
        let widths = [thin, thin * 2, thin * 4];
        let pairs = [
            ("widths", json!(widths)),
            ("residuals", json!(self.residuals)),
            ("norm", json!(norm)),
            ("upsample", json!(upsample)),
        ];
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// Returns the network that the recipe trains.
    ///
    /// # Panics
    /// Never, once [`Self::check`] has passed.
    #[must_use]
    pub fn network(&self) -> Network {
        let house = arch::find("house").expect("the table has the house architecture");
        (house.describe)(&self.parameters()).expect("a checked recipe describes a network")
    }

    /// Returns the bytes of the machine's memory that a run takes at its peak, for an artwork of this width and height,
    /// beside what reading photos of its own takes ([`reading_bytes`](super::reading_bytes)).
    ///
    /// They are counted for the processor. A graphics processor holds pictures and features in memory of its own, which
    /// nobody counts beforehand; of the machine's it takes less than this.
    #[must_use]
    pub fn memory_bytes(&self, width: u32, height: u32) -> u64 {
        let pixels = |width: u64, height: u64| width * height;
        let crops = u64::from(self.batch) * pixels(self.size.into(), self.size.into());
        let (longer, shorter) = (u64::from(width.max(height)), u64::from(width.min(height)).max(1));
        let artwork = pixels(self.art_size.into(), u64::from(self.art_size) * longer / shorter);
        // Outputs of all convolutions, and as much again for gradients and what lies between.
        let (width, residuals) = (u64::from(self.width).next_multiple_of(16), u64::from(self.residuals));
        let network = crops * 8 * (4 * width + width * residuals);
        vgg::LOADED_BYTES + vgg::BYTES_PER_PIXEL * crops.max(artwork) + network + KEPT_BYTES as u64
    }

    /// Returns the learning rate of the step after `done` ones: linear warm-up, then a cosine to three hundredths.
    pub(super) fn learning_rate_after(&self, done: u32) -> f64 {
        let warm_up = WARM_UP.min(self.steps / 4);
        if done < warm_up {
            return self.learning_rate * f64::from(done + 1) / f64::from(warm_up);
        }
        let part = f64::from(done - warm_up) / f64::from((self.steps - warm_up).max(1));
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * part).cos());
        self.learning_rate * (LAST_SHARE + (1.0 - LAST_SHARE) * cosine)
    }

    /// Says the recipe in a line, for a package.
    pub(super) fn describe(&self) -> String {
        let LossWeights { recipe, content, style, total_variation, .. } = self.losses;
        let name = match recipe {
            Formulas::House => "house",
            Formulas::Johnson => "johnson",
        };
        format!(
            "{name}: weights {content} content, {style} style, {total_variation} variation; batch {}, {} px, artwork {} px, rate {}",
            self.batch, self.size, self.art_size, self.learning_rate
        )
    }

    /// Returns a digest of everything that decides how a run goes, so that a checkpoint knows its own lesson.
    pub(super) fn fingerprint(&self) -> String {
        hexadecimal(&Sha256::digest(format!("{self:?}")))
    }
}
