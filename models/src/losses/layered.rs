//! The losses layer by layer, on any device: what [`super::Perceptual`] does in one go on the processor.

use candle_core::{Result, Tensor, Var};

use super::content::FLOOR;
use super::style::{MEAN_SHARE, ROOT_EPS};
use super::{LossTerms, LossWeights, Recipe};
use crate::kernels::layout::Shape;
use crate::ops::{self, Ops};
use crate::vgg::{Eyes, Vgg};

/// A loss with its frozen VGG and its targets, on one device.
#[derive(Debug)]
pub(crate) struct Layered {
    ops: Ops,
    eyes: Eyes,
    weights: LossWeights,
    style: Vec<Target>,
    content: Option<Tensor>,
}

/// An artwork's statistics at one layer.
#[derive(Debug)]
struct Target {
    /// House: covariances; Johnson: the Gram matrix over `c h w`. `(1, c, c)`.
    matrix: Tensor,
    /// `(1, c)`.
    mean: Tensor,
    /// Squared Frobenius norms of both, or 1 where they are 0.
    norms: [f64; 2],
}

impl Layered {
    /// Looks at artworks, each RGB 0..1 `[3][h][w]` with its size and how much it counts, and keeps their statistics.
    pub(crate) fn new(
        ops: &Ops,
        vgg: &Vgg,
        weights: LossWeights,
        artworks: &[(&[f32], [usize; 2], f64)],
    ) -> Result<Self> {
        let mut layered =
            Self { ops: ops.clone(), eyes: Eyes::new(ops, vgg)?, weights, style: Vec::new(), content: None };
        let sum: f64 = artworks.iter().map(|(_, _, share)| share).sum();
        let mut statistics: Vec<[Tensor; 2]> = Vec::new();
        for (picture, [height, width], share) in artworks {
            let picture = ops.tensor(picture, &[1, 3, *height, *width])?;
            let last = layered.weights.style_taps.iter().copied().max().unwrap_or(crate::vgg::Tap::STYLE[0]);
            let seen = layered.eyes.look(&picture, last)?;
            for (i, tap) in layered.weights.style_taps.iter().enumerate() {
                let own = layered.statistics(seen.tap(*tap))?;
                let [matrix, mean] = own.map(|values| values.affine(share / sum, 0.0));
                let own = [matrix?, mean?];
                match statistics.get_mut(i) {
                    None => statistics.push(own),
                    Some([matrix, mean]) => (*matrix, *mean) = ((&*matrix + &own[0])?, (&*mean + &own[1])?),
                }
            }
        }
        for [matrix, mean] in statistics {
            let norms = ops::scalars(&[matrix.sqr()?.sum_all()?, mean.sqr()?.sum_all()?])?;
            let norms = [0, 1].map(|i| if norms[i] > 0.0 { norms[i] } else { 1.0 });
            layered.style.push(Target { matrix, mean, norms });
        }
        Ok(layered)
    }

    /// Takes photos, `[n][3][h][w]` RGB 0..1, as the content that paintings are to keep.
    pub(crate) fn set_content(&mut self, photos: &[f32], shape: Shape) -> Result<()> {
        let photos = self.ops.tensor(photos, &sides(shape))?;
        let tap = self.weights.content_tap;
        self.content = Some(self.content_of(self.eyes.look(&photos, tap)?.tap(tap))?);
        Ok(())
    }

    /// Returns the loss of paintings and writes its gradient, both `[n][3][h][w]`.
    ///
    /// # Panics
    /// There is no content.
    pub(crate) fn evaluate(&self, paintings: &[f32], shape: Shape, gradient: &mut [f32]) -> Result<LossTerms> {
        let weights = &self.weights;
        let paintings = Var::from_tensor(&self.ops.tensor(paintings, &sides(shape))?)?;
        let seen = self.eyes.look(&paintings, weights.last_tap())?;
        let layer = |(tap, target): (&crate::vgg::Tap, &Target)| self.style_loss(seen.tap(*tap), target);
        let layers = weights.style_taps.iter().zip(&self.style).map(layer).collect::<Result<Vec<_>>>()?;
        let share = match weights.recipe {
            Recipe::House => 1.0 / layers.len().max(1) as f64,
            Recipe::Johnson => 1.0,
        };
        let target = self.content.as_ref().expect("content is set before paintings are judged");
        let features = self.content_of(seen.tap(weights.content_tap))?;
        let content = ops::mean(&(features - target)?.sqr()?)?;
        let mut total = content.affine(weights.content, 0.0)?;
        for layer in &layers {
            total = (total + layer.affine(share * weights.style, 0.0)?)?;
        }
        let mut variation = self.ops.filled(0.0, 1)?.reshape(())?;
        if weights.total_variation != 0.0 {
            variation = ops::total_variation(&paintings)?;
            total = (total + variation.affine(weights.total_variation, 0.0)?)?;
        }
        match total.backward()?.get(&paintings) {
            Some(by_paintings) => gradient.copy_from_slice(&ops::values(by_paintings)?),
            None => gradient.fill(0.0),
        }
        let scalars = ops::scalars(&[vec![content, variation], layers].concat())?;
        let (content, total_variation, layers) = (scalars[0], scalars[1], &scalars[2..]);
        let style = layers.iter().sum::<f64>() * share;
        let total = weights.content * content + weights.style * style + weights.total_variation * total_variation;
        let layers = weights.style_taps.iter().map(|t| t.name()).zip(layers.iter().copied()).collect();
        Ok(LossTerms { total, content, style, total_variation, layers })
    }

    /// Returns `(n, c, c)` and `(n, c)` of features.
    fn statistics(&self, features: &Tensor) -> Result<[Tensor; 2]> {
        let mean = ops::channel_means(features)?;
        let matrix = match self.weights.recipe {
            Recipe::House => self.ops.covariance(features)?,
            Recipe::Johnson => self.ops.gram(features)?.affine(1.0 / features.dim(1)? as f64, 0.0)?,
        };
        Ok([matrix, mean])
    }

    /// Returns a layer's style loss, averaged over pictures.
    fn style_loss(&self, features: &Tensor, target: &Target) -> Result<Tensor> {
        let [matrix, mean] = self.statistics(features)?;
        let distances = matrix.broadcast_sub(&target.matrix)?.sqr()?.sum(2)?.sum(1)?;
        match self.weights.recipe {
            Recipe::Johnson => {
                let (_, channels, height, width) = features.dims4()?;
                distances.mean(0)?.affine(1.0 / (channels * height * width) as f64, 0.0)
            }
            Recipe::House => {
                let of_means = mean.broadcast_sub(&target.mean)?.sqr()?.sum(1)?;
                let ratio = |distance: Tensor, norm: f64| distance.affine(1.0 / norm, ROOT_EPS)?.sqrt();
                let loss = (ratio(distances, target.norms[0])?
                    + ratio(of_means, target.norms[1])?.affine(MEAN_SHARE, 0.0)?)?;
                loss.mean(0)
            }
        }
    }

    /// Returns what of features is content: house, each channel at mean 0 and a deviation of about 1.
    fn content_of(&self, features: &Tensor) -> Result<Tensor> {
        if self.weights.recipe == Recipe::Johnson {
            return Ok(features.clone());
        }
        let (_, _, height, width) = features.dims4()?;
        let about_mean = features.broadcast_sub(&features.mean_keepdim(3)?.mean_keepdim(2)?)?;
        let squares = about_mean.sqr()?.sum_keepdim(3)?.sum_keepdim(2)?;
        let deviation = ops::root(&squares.affine(1.0 / (height * width - 1).max(1) as f64, 0.0)?)?;
        // A constant: quiet channels are not blown up.
        let floor = deviation.detach().mean_keepdim(1)?.affine(FLOOR, 0.0)?;
        let divisor = deviation.broadcast_add(&floor)?;
        // A picture without any contrast is left as it is.
        let is_flat = divisor.detach().eq(&divisor.zeros_like()?)?.to_dtype(divisor.dtype())?;
        about_mean.broadcast_div(&(divisor + is_flat)?)
    }
}

fn sides(shape: Shape) -> [usize; 4] {
    [shape.batch, shape.channels, shape.height, shape.width]
}
