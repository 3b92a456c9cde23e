//! Painting without a network: the pixels themselves are optimised (Gatys et al. 2015), from coarse to fine
//! (Gatys et al. 2017).
//!
//! A [`Painter`] takes one optimiser step a call, has no threads of its own, and gives the same picture for the same
//! [`Commission`], whether it ran through or was taken up from a [`Painter::checkpoint`].

mod checkpoint;
mod commission;
mod levels;

use std::sync::Arc;

use crate::compute::Compute;
use crate::kernels::layout::Shape;
use crate::losses::{Critic, LossTerms};
use crate::optim::{Adam, Lbfgs};
use crate::picture::Picture;
use crate::training::{Step, TrainError};
use crate::vgg::Vgg;

use levels::{Level, levels};

pub use commission::{Commission, Optimizer, PaintRecipe, Start};

/// Adam's learning rate at the beginning and at the end of a level.
const RATES: [f64; 2] = [0.03, 0.005];

/// A painting in the making.
pub struct Painter {
    commission: Arc<Commission>,
    vgg: Arc<Vgg>,
    levels: Vec<Level>,
    /// The level at work.
    level: usize,
    /// Steps done on all levels.
    done: u32,
    loss: Critic,
    canvas: Canvas,
}

/// The pixels, `[3][h][w]` of about 0..1, with what their optimiser remembers.
#[derive(Debug, Clone)]
enum Canvas {
    /// One vector of pixels.
    Adam { pixels: Vec<Vec<f32>>, adam: Adam },
    /// The pixels are the optimiser's best point. Boxed for its size.
    Lbfgs(Box<Lbfgs>),
}

impl Painter {
    /// Begins a painting.
    ///
    /// # Errors
    /// See [`TrainError`]: the recipe or an artwork does not do, or the device fails.
    pub fn begin(compute: &Compute, vgg: Arc<Vgg>, commission: impl Into<Arc<Commission>>) -> Result<Self, TrainError> {
        let commission = commission.into();
        commission.check()?;
        let levels = levels(&commission);
        let pixels = commission.first_pixels(&levels[0]);
        Self::at_level(compute, vgg, commission, levels, (0, 0), pixels)
    }

    /// Takes a painting up from a checkpoint.
    ///
    /// # Errors
    /// As [`Self::begin`]; [`TrainError::Checkpoint`] when it is damaged or of another commission.
    pub fn resume(
        compute: &Compute,
        vgg: Arc<Vgg>,
        commission: impl Into<Arc<Commission>>,
        bytes: &[u8],
    ) -> Result<Self, TrainError> {
        let commission = commission.into();
        commission.check()?;
        let levels = levels(&commission);
        let saved = checkpoint::read(bytes, &commission, &levels).ok_or(TrainError::Checkpoint)?;
        let (place, pixels) = ((saved.level, saved.done), saved.canvas.pixels().to_vec());
        let mut painter = Self::at_level(compute, vgg, commission, levels, place, pixels)?;
        painter.canvas = saved.canvas;
        Ok(painter)
    }

    fn at_level(
        compute: &Compute,
        vgg: Arc<Vgg>,
        commission: Arc<Commission>,
        levels: Vec<Level>,
        (level, done): (usize, u32),
        pixels: Vec<f32>,
    ) -> Result<Self, TrainError> {
        let (size, shape) = (&levels[level], levels[level].shape());
        let artworks = commission.artworks_for(size);
        let views: Vec<_> =
            artworks.iter().map(|(planes, sides, weight)| (planes.as_slice(), *sides, *weight)).collect();
        let mut loss = Critic::new(compute, &vgg, commission.recipe.losses.clone(), &views)?;
        loss.set_content(compute, &vgg, &commission.photo_for(size), shape)?;
        let canvas = match commission.recipe.optimizer {
            Optimizer::Adam => {
                let pixels = vec![pixels];
                Canvas::Adam { adam: Adam::new(&pixels), pixels }
            }
            Optimizer::Lbfgs => {
                let mut judge = Judge { loss: &mut loss, compute, vgg: &vgg, shape, last: Ok(None) };
                let lbfgs = Lbfgs::new(pixels, |pixels, gradient| judge.total(pixels, gradient));
                judge.last?;
                Canvas::Lbfgs(Box::new(lbfgs))
            }
        };
        Ok(Self { commission, vgg, levels, level, done, loss, canvas })
    }

    /// Takes one step; `None` once the painting is finished.
    ///
    /// # Errors
    /// [`TrainError::Diverged`] when the losses are no numbers, [`TrainError::Device`] when the device fails.
    pub fn step(&mut self, compute: &Compute) -> Result<Option<Step>, TrainError> {
        if self.done == self.levels[self.level].end {
            if self.level + 1 == self.levels.len() {
                return Ok(None);
            }
            self.enter_next_level(compute)?;
        }
        let level = &self.levels[self.level];
        let shape = level.shape();
        let Self { loss, vgg, canvas, done, .. } = self;
        let (terms, learning_rate) = match canvas {
            Canvas::Adam { pixels, adam } => {
                let mut gradient = vec![0.0; shape.elements()];
                let terms = loss.evaluate(compute, vgg, &pixels[0], shape, &mut gradient)?;
                let part = f64::from(*done - level.begin) / f64::from(level.end - level.begin);
                let rate = RATES[0] * (RATES[1] / RATES[0]).powf(part);
                if terms.total.is_finite() {
                    adam.step(compute.pool(), pixels, &[gradient], rate);
                }
                (Some(terms), rate)
            }
            Canvas::Lbfgs(lbfgs) => {
                let mut judge = Judge { loss, compute, vgg, shape, last: Ok(None) };
                let found_lower = lbfgs.step(compute.pool(), |pixels, gradient| judge.total(pixels, gradient));
                let found = judge.last?;
                if !found_lower {
                    // Nothing is left to find on this level.
                    *done = level.end - 1;
                }
                (found, 1.0)
            }
        };
        let terms = match terms {
            Some(terms) => terms,
            // The gradient vanished before anything was tried: the picture is as good as it gets.
            None => loss.evaluate(compute, vgg, canvas.pixels(), shape, &mut vec![0.0; shape.elements()])?,
        };
        if !terms.total.is_finite() {
            return Err(TrainError::Diverged);
        }
        *done += 1;
        Ok(Some(Step { number: *done, terms, learning_rate, roll_backs: 0 }))
    }

    fn enter_next_level(&mut self, compute: &Compute) -> Result<(), TrainError> {
        let next = self.level + 1;
        let pixels = levels::enlarged(self.canvas.pixels(), self.levels[self.level].shape(), self.levels[next].shape());
        let (commission, levels) = (Arc::clone(&self.commission), self.levels.clone());
        *self = Self::at_level(compute, Arc::clone(&self.vgg), commission, levels, (next, self.done), pixels)?;
        Ok(())
    }

    /// Returns the painting as it is, in its final size, with the photo's alpha.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "pixels and sides are of this painter's own making")]
    pub fn picture(&self) -> Picture {
        let Shape { height, width, .. } = self.levels[self.level].shape();
        let (pixels, plane) = (self.canvas.pixels(), height * width);
        let sample = |i: usize| (pixels[i % 3 * plane + i / 3].clamp(0.0, 1.0) * 255.0).round() as u8;
        let rgb = (0..3 * plane).map(sample).collect();
        let picture = Picture::new(width as u32, height as u32, rgb, None).expect("the canvas has its level's size");
        let photo = &self.commission.photo;
        let (_, alpha) = photo.clone().into_planes();
        let full = picture.resized(photo.width(), photo.height()).expect("a photo has pixels");
        Picture::new(photo.width(), photo.height(), full.into_planes().0, alpha).expect("it has the photo's size")
    }

    /// Returns everything that a later [`Self::resume`] needs.
    #[must_use]
    pub fn checkpoint(&self) -> Vec<u8> {
        checkpoint::write(&self.commission, self.level, self.done, &self.canvas)
    }

    /// Returns how many steps are done.
    #[must_use]
    pub fn steps_done(&self) -> u32 {
        self.done
    }
}

/// Judges pixels for an optimiser that knows totals only.
struct Judge<'a> {
    loss: &'a mut Critic,
    compute: &'a Compute,
    vgg: &'a Vgg,
    shape: Shape,
    /// The terms of the last look, or the first failure.
    last: Result<Option<LossTerms>, TrainError>,
}

impl Judge<'_> {
    /// Returns the loss, the highest number where it is none.
    fn total(&mut self, pixels: &[f32], gradient: &mut [f32]) -> f64 {
        if self.last.is_err() {
            return f64::MAX;
        }
        let terms = self.loss.evaluate(self.compute, self.vgg, pixels, self.shape, gradient);
        let total = terms.as_ref().map_or(f64::MAX, |terms| terms.total);
        self.last = terms.map(Some).map_err(TrainError::from);
        if total.is_finite() { total } else { f64::MAX }
    }
}

impl Canvas {
    fn pixels(&self) -> &[f32] {
        match self {
            Self::Adam { pixels, .. } => &pixels[0],
            Self::Lbfgs(lbfgs) => lbfgs.point(),
        }
    }
}

#[cfg(test)]
mod tests;
