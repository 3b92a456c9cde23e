//! How far features are from a photo's.

use super::Recipe;
use crate::kernels::ComputePool;
use crate::kernels::layout::Shape;
use crate::kernels::simd::{Block, LANES};

/// Photos' features: as they are, or normalised. Its memory is used again for the next photos.
#[derive(Clone, Debug, Default)]
pub(super) struct ContentTarget {
    shape: Option<Shape>,
    values: Vec<Block>,
}

/// Mean, and what features are divided by, of the channels of a block.
#[derive(Clone, Copy)]
struct Scale {
    mean: [f64; LANES],
    deviation: [f64; LANES],
    divisor: [f64; LANES],
}

/// Leaves features as they are.
const UNIT: Scale = Scale { mean: [0.0; LANES], deviation: [0.0; LANES], divisor: [1.0; LANES] };

/// The share of the picture's mean deviation that is added to each channel's: quiet channels are not blown up.
pub(super) const FLOOR: f64 = 0.05;

/// Returns the scale of each channel block of each picture.
fn scales(pool: &ComputePool, shape: Shape, values: &[Block]) -> Vec<Scale> {
    let (plane, blocks) = (shape.plane(), shape.channel_blocks());
    let mut scales = vec![UNIT; shape.batch * blocks];
    pool.map_chunks(&mut scales, 1, |i, scale| scale[0] = moments(&values[i * plane..(i + 1) * plane]));
    for picture in scales.chunks_exact_mut(blocks) {
        let deviations = picture.iter().flat_map(|s| s.deviation).take(shape.channels);
        let floor = FLOOR * deviations.sum::<f64>() / shape.channels as f64;
        for scale in picture {
            for (divisor, deviation) in scale.divisor.iter_mut().zip(scale.deviation) {
                // A picture without any contrast is left as it is.
                *divisor = if deviation + floor > 0.0 { deviation + floor } else { 1.0 };
            }
        }
    }
    scales
}

fn moments(plane: &[Block]) -> Scale {
    let count = plane.len() as f64;
    let mut mean = [0.0; LANES];
    for block in plane {
        for (mean, v) in mean.iter_mut().zip(block.0) {
            *mean += f64::from(v);
        }
    }
    let mean = mean.map(|sum: f64| sum / count);
    let mut squares = [0.0; LANES];
    for block in plane {
        for ((square, v), mean) in squares.iter_mut().zip(block.0).zip(mean) {
            *square += (f64::from(v) - mean).powi(2);
        }
    }
    let deviation = squares.map(|square: f64| (square / (count - 1.0).max(1.0)).sqrt());
    Scale { mean, deviation, divisor: [1.0; LANES] }
}

impl ContentTarget {
    /// Takes the features of other photos.
    pub(super) fn set(&mut self, pool: &ComputePool, shape: Shape, values: &[Block], recipe: Recipe) {
        self.shape = Some(shape);
        self.values.clear();
        self.values.extend_from_slice(values);
        if recipe == Recipe::House {
            let scales = scales(pool, shape, values);
            pool.map_chunks(&mut self.values, shape.plane(), |i, plane| {
                for block in plane {
                    for (lane, v) in block.0.iter_mut().enumerate() {
                        *v = ((f64::from(*v) - scales[i].mean[lane]) / scales[i].divisor[lane]) as f32;
                    }
                }
            });
        }
    }

    /// Returns the content loss, and adds `factor` times its gradient.
    pub(super) fn judge(
        &self,
        pool: &ComputePool,
        shape: Shape,
        values: &[Block],
        recipe: Recipe,
        factor: f64,
        out: &mut [Block],
    ) -> f64 {
        assert_eq!(Some(shape), self.shape, "painting and content have one size");
        let (plane, count) = (shape.plane(), shape.elements() as f64);
        let all_scales = if recipe == Recipe::House { scales(pool, shape, values) } else { Vec::new() };
        let slope = 2.0 * factor / count;
        let losses = pool.map_chunks(&mut out[..shape.blocks()], plane, |i, out| {
            let range = i * plane..(i + 1) * plane;
            let scale = all_scales.get(i);
            Plane { values: &values[range.clone()], target: &self.values[range], scale, slope, out }.run()
        });
        losses.iter().sum::<f64>() / count
    }
}

/// One channel block of one picture.
struct Plane<'a> {
    values: &'a [Block],
    target: &'a [Block],
    scale: Option<&'a Scale>,
    slope: f64,
    out: &'a mut [Block],
}

impl Plane<'_> {
    /// Returns the sum of squares, and adds the gradient.
    fn run(self) -> f64 {
        let scale = self.scale.unwrap_or(&UNIT);
        // Sums over pixels: squared distances, distances, and distances times deviations from the mean.
        let (mut squares, mut sums, mut products) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        for (v, target) in self.values.iter().zip(self.target) {
            for lane in 0..LANES {
                let from_mean = f64::from(v.0[lane]) - scale.mean[lane];
                let d = from_mean / scale.divisor[lane] - f64::from(target.0[lane]);
                squares[lane] += d * d;
                sums[lane] += d;
                products[lane] += d * from_mean;
            }
        }
        let count = self.values.len() as f64;
        let (mut by_distance, mut by_value, mut constant) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        for lane in 0..LANES {
            let (divisor, deviation) = (scale.divisor[lane], scale.deviation[lane]);
            by_distance[lane] = self.slope / divisor;
            if self.scale.is_some() {
                // Through the mean, and through the deviation (unbiased, over count - 1).
                constant[lane] = -self.slope / divisor * sums[lane] / count;
                if deviation > 0.0 {
                    by_value[lane] = -self.slope * products[lane] / (divisor * divisor * (count - 1.0) * deviation);
                }
            }
        }
        for ((v, target), out) in self.values.iter().zip(self.target).zip(self.out) {
            for lane in 0..LANES {
                let from_mean = f64::from(v.0[lane]) - scale.mean[lane];
                let d = from_mean / scale.divisor[lane] - f64::from(target.0[lane]);
                let gradient = d * by_distance[lane] + from_mean * by_value[lane] + constant[lane];
                out.0[lane] += gradient as f32;
            }
        }
        squares.iter().sum()
    }
}
