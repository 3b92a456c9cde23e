//! What a run needs to know, checked.

use std::borrow::Cow;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{Photos, PhotosError, Recipe, RecipeError, start};
use crate::backprop::BackpropError;
use crate::network::Weights;
use crate::package::Package;
use crate::picture::Picture;

/// What is to be learned, from what, and how.
#[derive(Clone)]
pub struct Lesson {
    /// The knobs.
    pub recipe: Recipe,
    /// The artwork whose style is to be learned.
    pub artwork: Picture,
    /// The photos to practise on.
    pub photos: Photos,
    /// The style to start from; random weights where there is none.
    pub start: Option<Package>,
}

/// Why a network is not trained.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A knob is out of its range.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// The artwork has one colour only, or is too small.
    #[error("{0}")]
    Artwork(String),
    /// There are no usable photos.
    #[error(transparent)]
    Photos(#[from] PhotosError),
    /// The style to start from has another network.
    #[error(
        "the style to start from has another network than the recipe trains; start from none, or ask for its width, \
         residuals, norm and upsample"
    )]
    Start,
    /// The network can't be trained.
    #[error(transparent)]
    Network(#[from] BackpropError),
    /// The checkpoint is damaged or of another lesson.
    #[error("the checkpoint is damaged or belongs to other parameters; start the job again")]
    Checkpoint,
    /// Roll-backs did not help.
    #[error("the losses leap or are not numbers even at a small learning rate; lower learning_rate or the weights")]
    Diverged,
    /// The device failed, most often for want of memory.
    #[error("the device failed: {0}")]
    Device(#[from] candle_core::Error),
}

impl Lesson {
    /// Checks everything that can be checked before the first step.
    ///
    /// # Errors
    /// See [`TrainError`].
    pub fn check(&self) -> Result<(), TrainError> {
        self.recipe.check()?;
        check_artwork(&self.artwork, self.recipe.size)?;
        match &self.start {
            Some(package) if *package.network() != self.recipe.network() => Err(TrainError::Start),
            _ => Ok(()),
        }
    }

    /// Returns the weights of the style to start from, or random ones.
    pub(super) fn first_weights(&self) -> Result<Weights, TrainError> {
        self.check()?;
        match &self.start {
            Some(package) => Ok(package.weights.as_ref().clone()),
            None => Ok(start::random_weights(&self.recipe.network(), &mut ChaCha8Rng::seed_from_u64(self.recipe.seed))),
        }
    }

    /// Returns the artwork at its size of the recipe, `[3][h][w]` in 0..1, with its height and width.
    pub(super) fn artwork_planes(&self) -> (Vec<f32>, [usize; 2]) {
        let scaled = with_shorter_side(&self.artwork, self.recipe.art_size);
        let sides = [scaled.height() as usize, scaled.width() as usize];
        (planes(&scaled), sides)
    }
}

/// Refuses an artwork that nothing can be learned from.
///
/// # Errors
/// [`TrainError::Artwork`]: it is smaller than `crop` pixels, or has one colour.
pub fn check_artwork(artwork: &Picture, crop: u32) -> Result<(), TrainError> {
    let (width, height) = (artwork.width(), artwork.height());
    if width.min(height) < crop {
        let detail = format!(
            "the artwork has {width}×{height} pixels, less than the {crop} that training looks at; send a larger one"
        );
        return Err(TrainError::Artwork(detail));
    }
    if width.max(height) > 8 * width.min(height) {
        let detail = format!("the artwork of {width}×{height} pixels is too long and thin; send a part of it");
        return Err(TrainError::Artwork(detail));
    }
    let first = &artwork.rgb()[..3];
    let differs = |(a, b): (&u8, &u8)| a.abs_diff(*b) > 2;
    if !artwork.rgb().chunks_exact(3).any(|pixel| pixel.iter().zip(first).any(differs)) {
        return Err(TrainError::Artwork(
            "the artwork has one colour only; send one with something to learn".to_owned(),
        ));
    }
    Ok(())
}

/// Returns a picture scaled so that its shorter side is `side_px`, on white.
pub(crate) fn with_shorter_side(picture: &Picture, side_px: u32) -> Picture {
    let flat = match picture.alpha() {
        Some(_) => Cow::Owned(picture.clone().flattened_on_white()),
        None => Cow::Borrowed(picture),
    };
    let scale = f64::from(side_px) / f64::from(flat.width().min(flat.height()));
    let scaled = |side: u32| ((f64::from(side) * scale).round() as u32).max(1);
    flat.resized(scaled(flat.width()), scaled(flat.height())).expect("sides are at least one pixel")
}

/// Returns a picture as `[3][h][w]` in 0..1.
pub(crate) fn planes(picture: &Picture) -> Vec<f32> {
    let channel = |c: usize| picture.rgb().iter().skip(c).step_by(3).map(|v| f32::from(*v) / 255.0);
    (0..3).flat_map(channel).collect()
}
