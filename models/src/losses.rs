//! The perceptual losses: how far a painting is from a photo's content and from an artwork's style.
//!
//! [`Perceptual`] goes from pictures to loss terms and to the pictures' gradient in one call, without a tensor library
//! between the layers of VGG.

mod content;
mod critic;
mod layered;
mod style;

use content::ContentTarget;
pub(crate) use critic::Critic;
use style::LayerTarget;

use crate::kernels::ComputePool;
use crate::kernels::layout::Shape;
use crate::vgg::{Features, Tap, Vgg};

/// Which losses, and how much each counts.
#[derive(Clone, Debug, PartialEq)]
pub struct LossWeights {
    /// Their formulas.
    pub recipe: Recipe,
    /// Factor of the content loss.
    pub content: f64,
    /// Factor of the style loss.
    pub style: f64,
    /// Factor of the total variation.
    pub total_variation: f64,
    /// Where style is looked at.
    pub style_taps: Vec<Tap>,
    /// Where content is looked at.
    pub content_tap: Tap,
}

/// The two families of formulas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipe {
    /// The project's own. Style: distances of covariances and of means, relative to the artwork's, averaged over layers
    /// and pictures. Content: mean square distance of features after each channel's mean and deviation are taken out.
    House,
    /// Johnson et al. 2016, as the thesis has it. Style: squared distance of normalised Gram matrices, summed over
    /// layers. Content: mean square distance of features.
    Johnson,
}

impl LossWeights {
    /// The house recipe: content, 3 style, no total variation.
    #[must_use]
    pub fn house() -> Self {
        Self {
            recipe: Recipe::House,
            content: 1.0,
            style: 3.0,
            total_variation: 0.0,
            style_taps: Tap::STYLE.to_vec(),
            content_tap: Tap::CONTENT,
        }
    }

    /// The thesis' recipe: content, 10 style, 1e-6 total variation.
    #[must_use]
    pub fn johnson() -> Self {
        Self { recipe: Recipe::Johnson, style: 10.0, total_variation: 1e-6, ..Self::house() }
    }

    fn last_tap(&self) -> Tap {
        self.style_taps.iter().copied().fold(self.content_tap, Tap::max)
    }
}

/// Every term of a loss, before its factor.
#[derive(Clone, Debug, PartialEq)]
pub struct LossTerms {
    /// The sum of all, with their factors.
    pub total: f64,
    /// The content loss.
    pub content: f64,
    /// The style loss.
    pub style: f64,
    /// The total variation; 0 where it has no factor.
    pub total_variation: f64,
    /// The style loss' part of each layer, as named by the tap; the house recipe's style is their mean, Johnson's their
    /// sum.
    pub layers: Vec<(&'static str, f64)>,
}

/// What paintings are compared with in style.
#[derive(Clone, Debug)]
pub struct StyleTarget {
    layers: Vec<LayerTarget>,
}

/// A loss with its frozen VGG, its targets and its memory.
#[derive(Debug)]
pub struct Perceptual {
    weights: LossWeights,
    style: StyleTarget,
    content: ContentTarget,
    features: Features,
}

impl Perceptual {
    /// Looks at artworks, each RGB 0..1 `[3][h][w]` with its size and how much it counts, and keeps their statistics.
    #[must_use]
    pub fn new(pool: &ComputePool, vgg: &Vgg, weights: LossWeights, artworks: &[(&[f32], [usize; 2], f64)]) -> Self {
        let mut features = Features::default();
        let last = weights.style_taps.iter().copied().max().unwrap_or(Tap::STYLE[0]);
        let mut layers: Vec<LayerTarget> = Vec::new();
        let sum: f64 = artworks.iter().map(|(_, _, share)| share).sum();
        for (picture, [height, width], share) in artworks {
            let shape = Shape { batch: 1, channels: 3, height: *height, width: *width };
            features.look(pool, vgg, picture, shape, last);
            for (i, tap) in weights.style_taps.iter().enumerate() {
                let (shape, values) = features.tap(*tap);
                let target = LayerTarget::of(pool, shape, values, weights.recipe);
                match layers.get_mut(i) {
                    None => layers.push(target.scaled(share / sum)),
                    Some(layer) => layer.add(&target, share / sum),
                }
            }
        }
        layers.iter_mut().for_each(LayerTarget::finish);
        Self { weights, style: StyleTarget { layers }, content: ContentTarget::default(), features }
    }

    /// Takes photos, `[n][3][h][w]` RGB 0..1, as the content that paintings are to keep.
    pub fn set_content(&mut self, pool: &ComputePool, vgg: &Vgg, photos: &[f32], shape: Shape) {
        self.features.look(pool, vgg, photos, shape, self.weights.content_tap);
        let (shape, values) = self.features.tap(self.weights.content_tap);
        self.content.set(pool, shape, values, self.weights.recipe);
    }

    /// Returns the loss of paintings and writes its gradient, both `[n][3][h][w]`.
    ///
    /// # Panics
    /// There is no content of the same size.
    pub fn evaluate(
        &mut self,
        pool: &ComputePool,
        vgg: &Vgg,
        paintings: &[f32],
        shape: Shape,
        gradient: &mut [f32],
    ) -> LossTerms {
        let Self { weights, style, content, features } = self;
        features.look(pool, vgg, paintings, shape, weights.last_tap());
        let (mut content_loss, mut layers) = (0.0, vec![0.0; style.layers.len()]);
        let per_layer = match weights.recipe {
            Recipe::House => weights.style / style.layers.len().max(1) as f64,
            Recipe::Johnson => weights.style,
        };
        let tap_gradient = |tap: Tap, shape: Shape, values: &[_], out: &mut [_]| {
            let place = weights.style_taps.iter().position(|t| *t == tap);
            if let Some(i) = place {
                layers[i] = style.layers[i].judge(pool, shape, values, weights.recipe, per_layer, out);
            }
            if tap == weights.content_tap {
                if place.is_none() {
                    out.fill(crate::kernels::Block::ZERO);
                }
                content_loss = content.judge(pool, shape, values, weights.recipe, weights.content, out);
            }
            place.is_some() || tap == weights.content_tap
        };
        features.backward(pool, vgg, tap_gradient, gradient);
        let sum: f64 = layers.iter().sum();
        let style = sum * per_layer / if weights.style == 0.0 { 1.0 } else { weights.style };
        let mut total_variation = 0.0;
        if weights.total_variation != 0.0 {
            total_variation = add_total_variation(paintings, shape, weights.total_variation, gradient);
        }
        let total = weights.content * content_loss + weights.style * style + weights.total_variation * total_variation;
        let layers = weights.style_taps.iter().map(|t| t.name()).zip(layers).collect();
        LossTerms { total, content: content_loss, style, total_variation, layers }
    }
}

/// Returns half the sum of the mean squared differences of neighbours in each direction, and adds `factor` times its
/// gradient.
fn add_total_variation(values: &[f32], shape: Shape, factor: f64, gradient: &mut [f32]) -> f64 {
    let (height, width) = (shape.height, shape.width);
    let planes = shape.batch * shape.channels;
    let mut total = 0.0;
    for (step, count) in [(1, planes * height * (width - 1)), (width, planes * (height - 1) * width)] {
        if count == 0 {
            continue;
        }
        let mut sum = 0.0;
        let scale = (factor / count as f64) as f32;
        for (plane, gradient) in values.chunks_exact(height * width).zip(gradient.chunks_exact_mut(height * width)) {
            for at in 0..height * width - step {
                if step == 1 && at % width == width - 1 {
                    continue;
                }
                let d = plane[at + step] - plane[at];
                sum += f64::from(d * d);
                gradient[at + step] += d * scale;
                gradient[at] -= d * scale;
            }
        }
        total += sum / count as f64 / 2.0;
    }
    total
}

#[cfg(test)]
mod tests;
