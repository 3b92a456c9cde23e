//! What is to be painted, from what, and how.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use super::levels::{LEAST_PX, Level, longest_artwork_side};
use crate::losses::LossWeights;
use crate::picture::Picture;
use crate::text::hexadecimal;
use crate::training::{RecipeError, TrainError, check_artwork, planes, with_shorter_side};
use crate::vgg;

/// Bytes of each pixel of a decoded artwork, and of what scaling it takes for a while.
const ARTWORK_BYTES: u64 = 4;
const SCALING_BYTES: u64 = 11;

/// How the pixels are optimised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Optimizer {
    /// Kingma and Ba 2015: a step is one look at the picture.
    Adam,
    /// Nocedal 1980: a step is one look or a few, and goes further.
    Lbfgs,
}

/// What the painting begins as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The photo.
    Content,
    /// Grey noise.
    Noise,
}

/// A painting's knobs.
#[derive(Clone, Debug, PartialEq)]
pub struct PaintRecipe {
    /// The losses and their factors.
    pub losses: LossWeights,
    /// Steps on all levels together, 1 to 200,000.
    pub steps: u32,
    /// How the pixels are optimised.
    pub optimizer: Optimizer,
    /// What the painting begins as.
    pub start: Start,
    /// Where the noise comes from.
    pub seed: u64,
}

impl Default for PaintRecipe {
    fn default() -> Self {
        let losses = LossWeights { style: 5.0, ..LossWeights::house() };
        Self { losses, steps: 300, optimizer: Optimizer::Lbfgs, start: Start::Content, seed: 1 }
    }
}

/// An order for one painting.
#[derive(Clone)]
pub struct Commission {
    /// The knobs.
    pub recipe: PaintRecipe,
    /// The photo, in the size of the painting.
    pub photo: Picture,
    /// The artworks and how much each counts, relative to the others.
    pub artworks: Vec<(Picture, f64)>,
}

impl PaintRecipe {
    /// Checks every knob.
    ///
    /// # Errors
    /// Names the first one that is out of its range.
    pub fn check(&self) -> Result<(), RecipeError> {
        let LossWeights { content, style, total_variation, .. } = self.losses;
        let weight_range = "above 0 and at most 1e9";
        let weight = |value: f64| value > 0.0 && value <= 1e9;
        let checks = [
            ("steps", "between 1 and 200000", f64::from(self.steps), (1..=200_000).contains(&self.steps)),
            ("content_weight", weight_range, content, weight(content)),
            ("style_weight", weight_range, style, weight(style)),
            ("tv_weight", "between 0 and 1e9", total_variation, (0.0..=1e9).contains(&total_variation)),
        ];
        match checks.into_iter().find(|(.., fits)| !fits) {
            Some((knob, range, value, _)) => Err(RecipeError { knob, range, value }),
            None => Ok(()),
        }
    }

    /// Returns the bytes of the machine's memory that a painting of this size takes at its peak, after artworks of these
    /// widths and heights; without any, as after small square ones.
    ///
    /// They are counted for the processor. A graphics processor holds pictures and features in memory of its own, which
    /// nobody counts beforehand; of the machine's it takes less than this.
    #[must_use]
    pub fn memory_bytes(&self, width: u32, height: u32, artworks: &[(u32, u32)]) -> u64 {
        let side = u64::from(longest_artwork_side(width, height));
        // An artwork is looked at with its shorter side scaled to this.
        let looked_at = |(width, height): &(u32, u32)| {
            let (longer, shorter) = (u64::from(*width.max(height)), u64::from(*width.min(height)).max(1));
            side * (side * longer).div_ceil(shorter)
        };
        let sizes = artworks.iter().map(|(width, height)| u64::from(*width) * u64::from(*height));
        let kept = sizes.clone().sum::<u64>() * ARTWORK_BYTES + artworks.iter().map(looked_at).sum::<u64>() * 12;
        let scaling = sizes.max().unwrap_or(0) * SCALING_BYTES;
        let largest = artworks.iter().map(looked_at).max().unwrap_or(0).max(side * side);
        let pixels = (u64::from(width.max(LEAST_PX)) * u64::from(height.max(LEAST_PX))).max(largest);
        let remembered = match self.optimizer {
            Optimizer::Adam => 4,
            Optimizer::Lbfgs => 2 * crate::optim::LBFGS_MEMORY as u64 + 6,
        };
        vgg::LOADED_BYTES + pixels * (vgg::BYTES_PER_PIXEL + 12 * remembered) + kept + scaling
    }
}

impl Commission {
    /// Checks everything that can be checked before the first step.
    ///
    /// # Errors
    /// See [`TrainError`].
    pub fn check(&self) -> Result<(), TrainError> {
        self.recipe.check()?;
        if self.artworks.is_empty() {
            return Err(TrainError::Artwork("a painting needs at least one artwork".to_owned()));
        }
        for (artwork, weight) in &self.artworks {
            check_artwork(artwork, 32)?;
            if !(*weight > 0.0 && *weight <= 1e9) {
                let (knob, range) = ("artwork_weight", "above 0 and at most 1e9");
                return Err(RecipeError { knob, range, value: *weight }.into());
            }
        }
        Ok(())
    }

    /// Returns what the painting begins as, on its coarsest level.
    pub(super) fn first_pixels(&self, level: &Level) -> Vec<f32> {
        match self.recipe.start {
            Start::Content => self.photo_for(level),
            Start::Noise => {
                let mut random = ChaCha8Rng::seed_from_u64(self.recipe.seed);
                (0..level.shape().elements()).map(|_| random.random_range(0.3..0.7)).collect()
            }
        }
    }

    /// Returns the photo in a level's size, `[3][h][w]` in 0..1.
    pub(super) fn photo_for(&self, level: &Level) -> Vec<f32> {
        let flat = self.photo.clone().flattened_on_white();
        planes(&flat.resized(level.width, level.height).expect("a level has pixels"))
    }

    /// Returns the artworks in the size that suits a level, with their heights and widths and weights.
    pub(super) fn artworks_for(&self, level: &Level) -> Vec<(Vec<f32>, [usize; 2], f64)> {
        let scaled = |(artwork, weight): &(Picture, f64)| {
            let scaled = with_shorter_side(artwork, level.artwork_side);
            (planes(&scaled), [scaled.height() as usize, scaled.width() as usize], *weight)
        };
        self.artworks.iter().map(scaled).collect()
    }

    /// Returns a digest of everything that decides how the painting comes out.
    pub(super) fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("{:?} {:?}", self.recipe, self.photo));
        hash.update(self.photo.rgb());
        for (artwork, weight) in &self.artworks {
            hash.update(format!("{artwork:?} {weight}"));
            hash.update(artwork.rgb());
        }
        hexadecimal(&hash.finalize())
    }
}
