//! Statistics of features, their distances, and the gradients of those.

use super::Recipe;
use crate::kernels::ComputePool;
use crate::kernels::gram::{Gram, gram, mix};
use crate::kernels::layout::Shape;
use crate::kernels::simd::Block;

/// Keeps the root's gradient finite where a painting has the artwork's own statistics.
pub(super) const ROOT_EPS: f64 = 1e-6;
/// How much means count beside covariances in the house recipe.
pub(super) const MEAN_SHARE: f64 = 0.3;

/// An artwork's statistics at one layer.
#[derive(Clone, Debug)]
pub(super) struct LayerTarget {
    /// House: covariances; Johnson: the Gram matrix over `c h w`. Row by row.
    matrix: Vec<f64>,
    /// House: means.
    mean: Vec<f64>,
    /// Squared Frobenius norms of both.
    norms: [f64; 2],
}

/// Statistics of one picture.
fn statistics(gram: &Gram, pixels: f64, recipe: Recipe) -> (Vec<f64>, Vec<f64>) {
    let channels = gram.channels;
    match recipe {
        Recipe::Johnson => {
            let scale = 1.0 / (channels as f64 * pixels);
            (gram.products.iter().map(|v| v * scale).collect(), Vec::new())
        }
        Recipe::House => {
            let mean: Vec<_> = gram.sums.iter().map(|v| v / pixels).collect();
            let covariance = |(i, v): (usize, &f64)| v / pixels - mean[i / channels] * mean[i % channels];
            (gram.products.iter().enumerate().map(covariance).collect(), mean)
        }
    }
}

fn square(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum()
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

impl LayerTarget {
    pub(super) fn of(pool: &ComputePool, shape: Shape, values: &[Block], recipe: Recipe) -> Self {
        let gram = &gram(pool, shape, values)[0];
        let (matrix, mean) = statistics(gram, shape.plane() as f64, recipe);
        Self { matrix, mean, norms: [0.0; 2] }
    }

    pub(super) fn scaled(mut self, share: f64) -> Self {
        for v in self.matrix.iter_mut().chain(&mut self.mean) {
            *v *= share;
        }
        self
    }

    pub(super) fn add(&mut self, other: &Self, share: f64) {
        let own = self.matrix.iter_mut().chain(&mut self.mean);
        for (v, other) in own.zip(other.matrix.iter().chain(&other.mean)) {
            *v += other * share;
        }
    }

    /// Takes the norms, after which it can judge.
    pub(super) fn finish(&mut self) {
        self.norms = [square(&self.matrix), square(&self.mean)];
    }

    /// Returns the layer's style loss, and writes `factor` times its gradient.
    pub(super) fn judge(
        &self,
        pool: &ComputePool,
        shape: Shape,
        values: &[Block],
        recipe: Recipe,
        factor: f64,
        out: &mut [Block],
    ) -> f64 {
        let picture = shape.channel_blocks() * shape.plane();
        let one = Shape { batch: 1, ..shape };
        let mut loss = 0.0;
        for (n, gram) in gram(pool, shape, values).iter().enumerate() {
            let (part, matrix, bias) = match recipe {
                Recipe::House => self.house(gram, shape, factor),
                Recipe::Johnson => self.johnson(gram, shape, factor),
            };
            loss += part;
            let range = n * picture..(n + 1) * picture;
            mix(pool, one, &values[range.clone()], &matrix, &bias, &mut out[range]);
        }
        loss
    }

    /// Returns the loss of one picture and `A`, `b` of its gradient `A f + b`.
    fn johnson(&self, gram: &Gram, shape: Shape, factor: f64) -> (f64, Vec<f32>, Vec<f32>) {
        let pixels = shape.plane() as f64;
        let (matrix, _) = statistics(gram, pixels, Recipe::Johnson);
        let size = gram.channels as f64 * pixels;
        let scale = 1.0 / (shape.batch as f64 * size);
        let slope = factor * scale * 4.0 / size;
        let gradient = matrix.iter().zip(&self.matrix).map(|(g, target)| ((g - target) * slope) as f32).collect();
        (distance(&matrix, &self.matrix) * scale, gradient, vec![0.0; gram.channels])
    }

    fn house(&self, gram: &Gram, shape: Shape, factor: f64) -> (f64, Vec<f32>, Vec<f32>) {
        let (pixels, batch, channels) = (shape.plane() as f64, shape.batch as f64, gram.channels);
        let (matrix, mean) = statistics(gram, pixels, Recipe::House);
        // A flat artwork has no covariance, a black one no mean: then the distance itself counts.
        let norms = self.norms.map(|norm| if norm > 0.0 { norm } else { 1.0 });
        let covariance_ratio = (distance(&matrix, &self.matrix) / norms[0] + ROOT_EPS).sqrt();
        let mean_ratio = (distance(&mean, &self.mean) / norms[1] + ROOT_EPS).sqrt();
        let loss = (covariance_ratio + MEAN_SHARE * mean_ratio) / batch;
        // The derivative with respect to the covariances and to the means.
        let slope = factor / (batch * norms[0] * covariance_ratio);
        let by_covariance: Vec<_> = matrix.iter().zip(&self.matrix).map(|(c, target)| (c - target) * slope).collect();
        let slope = factor * MEAN_SHARE / (batch * norms[1] * mean_ratio);
        let bias = (0..channels).map(|c| {
            let row = &by_covariance[c * channels..(c + 1) * channels];
            let through: f64 = row.iter().zip(&mean).map(|(d, m)| d * m).sum();
            (((mean[c] - self.mean[c]) * slope - 2.0 * through) / pixels) as f32
        });
        let bias = bias.collect();
        (loss, by_covariance.iter().map(|d| (d * 2.0 / pixels) as f32).collect(), bias)
    }
}
