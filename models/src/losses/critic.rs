//! A loss on whatever device: one reader for the processor, one for graphics processors.

use candle_core::Result;

use super::layered::Layered;
use super::{LossTerms, LossWeights, Perceptual};
use crate::compute::{Compute, Kind};
use crate::kernels::layout::Shape;
use crate::vgg::Vgg;

/// A loss, its targets and its memory, on the device that it was made for. Boxed for their sizes.
pub(crate) enum Critic {
    Kernels(Box<Perceptual>),
    Layered(Box<Layered>),
}

impl Critic {
    /// Looks at artworks: see [`Perceptual::new`].
    pub(crate) fn new(
        compute: &Compute,
        vgg: &Vgg,
        weights: LossWeights,
        artworks: &[(&[f32], [usize; 2], f64)],
    ) -> Result<Self> {
        Ok(match &compute.kind {
            Kind::Cpu { pool, .. } => Self::Kernels(Box::new(Perceptual::new(pool, vgg, weights, artworks))),
            Kind::Layered { ops, .. } => Self::Layered(Box::new(Layered::new(ops, vgg, weights, artworks)?)),
        })
    }

    /// Takes photos as content: see [`Perceptual::set_content`].
    pub(crate) fn set_content(&mut self, compute: &Compute, vgg: &Vgg, photos: &[f32], shape: Shape) -> Result<()> {
        match self {
            Self::Kernels(loss) => {
                loss.set_content(compute.pool(), vgg, photos, shape);
                Ok(())
            }
            Self::Layered(loss) => loss.set_content(photos, shape),
        }
    }

    /// Judges paintings: see [`Perceptual::evaluate`].
    pub(crate) fn evaluate(
        &mut self,
        compute: &Compute,
        vgg: &Vgg,
        paintings: &[f32],
        shape: Shape,
        gradient: &mut [f32],
    ) -> Result<LossTerms> {
        match self {
            Self::Kernels(loss) => Ok(loss.evaluate(compute.pool(), vgg, paintings, shape, gradient)),
            Self::Layered(loss) => loss.evaluate(paintings, shape, gradient),
        }
    }
}
