use super::oracle::{blocked, distance, noise, planar, pools};
use crate::kernels::gram::{gram, mix};
use crate::kernels::layout::Shape;
use crate::kernels::max_pool::{max_pool, max_pool_backward, pooled};
use crate::kernels::simd::Block;

const SHAPES: [(usize, usize, usize, usize); 5] =
    [(1, 1, 1, 1), (2, 5, 3, 4), (1, 20, 7, 5), (3, 33, 2, 9), (1, 16, 60, 50)];

fn shapes() -> impl Iterator<Item = Shape> {
    SHAPES.into_iter().map(|(batch, channels, height, width)| Shape { batch, channels, height, width })
}

#[test]
fn gram_matrices_are_products_of_channels() {
    for shape in shapes() {
        let values = noise(shape.elements(), 7);
        let plane = shape.plane();
        let channel = |n: usize, c: usize| &values[(n * shape.channels + c) * plane..][..plane];
        let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        for pool in pools() {
            for (n, gram) in gram(&pool, shape, &blocked(&pool, shape, &values)).iter().enumerate() {
                for c in 0..shape.channels {
                    let sum: f64 = channel(n, c).iter().map(|v| f64::from(*v)).sum();
                    assert!((gram.sums[c] - sum).abs() < 1e-3, "{shape:?}");
                    for k in 0..shape.channels {
                        let expected = product(channel(n, c), channel(n, k));
                        let error = (gram.products[c * shape.channels + k] - expected).abs();
                        assert!(error < 1e-6 * plane as f64 + 1e-6 * expected.abs(), "{pool:?} {shape:?}: {error}");
                    }
                }
            }
        }
    }
}

#[test]
fn mixing_multiplies_channels_with_a_matrix() {
    for shape in shapes().filter(|s| s.batch == 1) {
        let (c, plane) = (shape.channels, shape.plane());
        let (values, matrix, bias) = (noise(shape.elements(), 1), noise(c * c, 2), noise(c, 3));
        let expected: Vec<f64> = (0..c * plane)
            .map(|i| {
                let row = &matrix[i / plane * c..][..c];
                let product = |(k, m): (usize, &f32)| f64::from(*m) * f64::from(values[k * plane + i % plane]);
                f64::from(bias[i / plane]) + row.iter().enumerate().map(product).sum::<f64>()
            })
            .collect();
        for pool in pools() {
            let mut out = vec![Block::ZERO; shape.blocks()];
            mix(&pool, shape, &blocked(&pool, shape, &values), &matrix, &bias, &mut out);
            let error = distance(&planar(&pool, shape, &out), &expected);
            assert!(error < 1e-5, "{pool:?} {shape:?}: {error:e}");
        }
    }
}

#[test]
fn a_maximum_gives_its_gradient_to_one_pixel() {
    for shape in shapes() {
        let small = pooled(shape);
        // Distinct values, a good part of them negative as before a `ReLU`, and equal ones in the last channel.
        let mut values = noise(shape.elements(), 4);
        let last = values.len() - shape.plane();
        values[last..].fill(0.5);
        let gradient = noise(small.elements(), 5);
        let mut expected = vec![0.0; shape.elements()];
        let mut maxima = Vec::new();
        for (i, gradient) in gradient.iter().enumerate() {
            let (plane, y, x) = (i / small.plane(), i % small.plane() / small.width, i % small.width);
            let start = plane * shape.plane() + 2 * y * shape.width + 2 * x;
            let mut best = start;
            for at in [start, start + 1, start + shape.width, start + shape.width + 1] {
                best = if values[at] > values[best] { at } else { best };
            }
            maxima.push(f64::from(values[best]));
            expected[best] += if values[best] > 0.0 { f64::from(*gradient) } else { 0.0 };
        }
        for pool in pools() {
            let x = blocked(&pool, shape, &values);
            let (mut y, mut dx) = (vec![Block::ZERO; small.blocks()], vec![Block([f32::NAN; 16]); shape.blocks()]);
            max_pool(&pool, shape, &x, &mut y);
            assert!(distance(&planar(&pool, small, &y), &maxima) < 1e-12, "{shape:?}");
            max_pool_backward(&pool, shape, &x, &y, &blocked(&pool, small, &gradient), &mut dx);
            assert!(distance(&planar(&pool, shape, &dx), &expected) < 1e-12, "{shape:?}");
        }
    }
}
