//! How much of an artwork and how much of a photo is in a painting: two distances by VGG19.
//!
//! Both are comparable only for the same artwork and photos. Lower is closer; a good painting is low in style at a
//! content that still shows the photo.

use crate::compute::Compute;
use crate::kernels::ComputePool;
use crate::kernels::gram::gram;
use crate::kernels::layout::{Shape, from_blocked};
use crate::picture::Picture;
use crate::training::{planes, with_shorter_side};
use crate::vgg::{self, Features, Tap, Vgg};

/// Shorter side of the artwork, and longer side of photo and painting, in pixels.
const SIDE_PX: u32 = 448;
/// The least side of what VGG19 is shown, in pixels: it halves pictures four times.
const LEAST_PX: u32 = 16;
/// How much means count beside covariances.
const MEAN_SHARE: f64 = 0.3;
/// Keeps channels without contrast finite.
const DEVIATION_EPS: f64 = 1e-5;

/// Returns the bytes that measuring takes at its peak with an artwork of this size, VGG19 included.
#[must_use]
pub fn memory_bytes(width: u32, height: u32) -> u64 {
    let (side, long, short) = (u64::from(SIDE_PX), u64::from(width.max(height)), u64::from(width.min(height).max(1)));
    let artwork = side * (side * long).div_ceil(short);
    vgg::LOADED_BYTES + artwork.max(side * side) * vgg::BYTES_PER_PIXEL
}

/// Returns a photo's size with a longer side of 448 pixels.
fn fitted(width: u32, height: u32) -> (u32, u32) {
    let scale = f64::from(SIDE_PX) / f64::from(width.max(height));
    let side = |side: u32| ((f64::from(side) * scale).round() as u32).max(1);
    (side(width), side(height))
}

/// How near a painting is to an artwork and to its photo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distances {
    /// From the artwork: the distances of covariances and, three tenths as much, of means, relative to the artwork's, averaged
    /// over `relu1_1`, `relu2_1`, `relu3_1`, `relu4_1` and `relu5_1`.
    pub style: f64,
    /// From the photo: the mean squared distance at `relu4_2` with each channel at mean 0 and deviation 1. 0 for the same
    /// shapes, 2 for unrelated ones.
    pub content: f64,
}

/// Measures paintings of one artwork's style.
pub struct Gauge<'a> {
    pool: &'a ComputePool,
    vgg: &'a Vgg,
    features: Features,
    artwork: Vec<Statistics>,
}

/// Covariances and means of one layer.
struct Statistics {
    covariances: Vec<f64>,
    means: Vec<f64>,
}

impl<'a> Gauge<'a> {
    /// Looks at an artwork. Of any device, its threads do the work.
    #[must_use]
    pub fn new(compute: &'a Compute, vgg: &'a Vgg, artwork: &Picture) -> Self {
        let pool = compute.pool();
        let mut gauge = Self { pool, vgg, features: Features::default(), artwork: Vec::new() };
        gauge.look(&with_shorter_side(artwork, SIDE_PX));
        gauge.artwork = gauge.statistics();
        gauge
    }

    /// Says whether a photo of this size can be measured on: VGG19 looks at nothing less than 16 pixels wide.
    #[must_use]
    pub fn takes(width: u32, height: u32) -> bool {
        let (width, height) = fitted(width, height);
        width.min(height) >= LEAST_PX
    }

    /// Measures a painting of a photo; both are first brought to a longer side of 448 pixels.
    #[expect(clippy::missing_panics_doc, reason = "a picture has pixels, and so has what it is scaled to")]
    pub fn measure(&mut self, photo: &Picture, painting: &Picture) -> Distances {
        let (width, height) = fitted(photo.width(), photo.height());
        let fit = |picture: &Picture| {
            let flat = picture.clone().flattened_on_white();
            flat.resized(width, height).expect("sides are at least one pixel")
        };
        self.look(&fit(photo));
        let shapes = self.shapes();
        self.look(&fit(painting));
        let difference = shapes.iter().zip(self.shapes()).map(|(a, b)| (a - b).powi(2));
        let content = difference.sum::<f64>() / shapes.len() as f64;
        let layers = self.statistics();
        let style = layers.iter().zip(&self.artwork).map(|(own, artwork)| {
            relative(&own.covariances, &artwork.covariances) + MEAN_SHARE * relative(&own.means, &artwork.means)
        });
        Distances { style: style.sum::<f64>() / layers.len() as f64, content }
    }

    fn look(&mut self, picture: &Picture) {
        let (height, width) = (picture.height() as usize, picture.width() as usize);
        let shape = Shape { batch: 1, channels: 3, height, width };
        self.features.look(self.pool, self.vgg, &planes(picture), shape, Tap::STYLE[4]);
    }

    fn statistics(&self) -> Vec<Statistics> {
        let pool = self.pool;
        let layer = |tap: Tap| {
            let (shape, values) = self.features.tap(tap);
            let (gram, pixels) = (&gram(pool, shape, values)[0], shape.plane() as f64);
            let means: Vec<_> = gram.sums.iter().map(|sum| sum / pixels).collect();
            let covariance =
                |(i, product): (usize, &f64)| product / pixels - means[i / gram.channels] * means[i % gram.channels];
            let covariances = gram.products.iter().enumerate().map(covariance).collect();
            Statistics { covariances, means }
        };
        Tap::STYLE.into_iter().map(layer).collect()
    }

    /// Returns the content layer with each channel at mean 0 and deviation 1.
    fn shapes(&self) -> Vec<f64> {
        let (shape, blocks) = self.features.tap(Tap::CONTENT);
        let mut values = vec![0.0; shape.elements()];
        from_blocked(self.pool, shape, blocks, &mut values);
        let pixels = shape.plane() as f64;
        let channel = |values: &[f32]| {
            let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / pixels;
            let squares = values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>();
            let deviation = (squares / (pixels - 1.0).max(1.0)).sqrt() + DEVIATION_EPS;
            values.iter().map(|v| (f64::from(*v) - mean) / deviation).collect::<Vec<_>>()
        };
        values.chunks_exact(shape.plane()).flat_map(channel).collect()
    }
}

/// Returns the distance of two vectors relative to the second's length.
fn relative(own: &[f64], target: &[f64]) -> f64 {
    let length = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let target_length = length(&mut target.iter().copied());
    length(&mut own.iter().zip(target).map(|(a, b)| a - b)) / target_length.max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::picture::{self, Limits};
    use crate::training::BUILTIN;

    fn photo(number: usize) -> Picture {
        picture::decode(BUILTIN[number].1, Limits { pixels: 1 << 24 }).unwrap().1
    }

    /// The numbers are those of an independent implementation (torch, the weights in f32, Pillow's Lanczos).
    #[test]
    fn distances_are_those_of_an_independent_implementation() {
        let (compute, vgg) = (Compute::cpu(2).unwrap(), Vgg::builtin());
        let mut gauge = Gauge::new(&compute, &vgg, &photo(4));
        let close =
            |found: f64, expected: f64| assert!((found - expected).abs() <= 0.01 * expected, "{found} {expected}");
        let same = gauge.measure(&photo(1), &photo(1));
        close(same.style, 1.083);
        assert!(same.content < 1e-9);
        let other = gauge.measure(&photo(1), &photo(3));
        close(other.style, 1.282);
        close(other.content, 1.928);
        let own = gauge.measure(&photo(1), &photo(4));
        assert!(own.style < other.style);
    }
}
