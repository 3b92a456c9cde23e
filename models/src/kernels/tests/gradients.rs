use super::oracle::{Plainly, blocked, distance, noise, planar, pools};
use crate::kernels::Precision;
use crate::kernels::direct::{Direct, Form, Input, KernelGradient};
use crate::kernels::fold::Padded;
use crate::kernels::gram::{gram, mix};
use crate::kernels::layout::Shape;
use crate::kernels::max_pool::{max_pool, max_pool_backward, pooled};
use crate::kernels::norm::{Moment, Moments};
use crate::kernels::norm_backward::{NormPass, norm_backward};
use crate::kernels::output::Target;
use crate::kernels::simd::Block;
use crate::kernels::source::{Border, Growth, Source};
use crate::kernels::winograd::{Geometry, Winograd, winograd_kernel_gradient};

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
    shapes().for_each(check_max_pool);
}

pub(super) fn check_max_pool(shape: Shape) {
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

/// Convolutions with the forms that networks have; `true` where Winograd's algorithm serves.
fn convolutions() -> Vec<(Plainly, bool)> {
    let shape = |batch, channels, height, width| Shape { batch, channels, height, width };
    let base = |shape, outputs, kernel, stride, repeat| Plainly {
        shape,
        outputs,
        kernel,
        stride,
        repeat,
        before: kernel / 2,
        after: kernel / 2,
        reflect: true,
    };
    let mut all = vec![
        (base(shape(2, 18, 9, 7), 35, 3, 1, 1), true),
        (base(shape(1, 16, 1, 1), 16, 3, 1, 1), true),
        (base(shape(1, 20, 5, 6), 16, 3, 1, 2), true),
        (base(shape(2, 3, 12, 10), 16, 9, 1, 1), false),
        (base(shape(1, 16, 11, 13), 3, 9, 1, 1), false),
        (base(shape(2, 20, 9, 8), 33, 3, 2, 1), false),
        (base(shape(1, 9, 4, 5), 12, 3, 2, 4), false),
        (base(shape(1, 9, 1, 1), 12, 3, 2, 1), false),
    ];
    let zero: Vec<_> = all.iter().map(|(p, winograd)| (Plainly { reflect: false, ..*p }, *winograd)).collect();
    all.extend(zero);
    all
}

fn border(plainly: &Plainly) -> Border {
    if plainly.reflect { Border::Reflect } else { Border::Zero }
}

#[test]
fn the_kernels_gradient_sums_over_all_pixels() {
    for (plainly, winograd) in convolutions() {
        check_kernel_gradient(plainly, winograd);
    }
}

#[test]
fn gradients_of_large_kernels_are_as_exact() {
    let shape = Shape { batch: 1, channels: 512, height: 7, width: 6 };
    let plainly = Plainly { shape, outputs: 512, kernel: 3, stride: 1, repeat: 1, before: 1, after: 1, reflect: false };
    check_kernel_gradient(plainly, true);
    check_input_gradient(plainly, true);
}

/// Compares with plain loops: Winograd's algorithm, where it serves, and the direct one.
pub(super) fn check_kernel_gradient(plainly: Plainly, winograd: bool) {
    let (shape, output) = (plainly.shape, plainly.output());
    let (input, gradient) = (noise(shape.elements(), 1), noise(output.elements(), 2));
    let expected = plainly.kernel_gradient(&input, &gradient);
    let form = Form {
        inputs: shape.channels,
        outputs: plainly.outputs,
        kernel: plainly.kernel,
        stride: plainly.stride,
        before: plainly.before,
    };
    let growth = if plainly.repeat == 1 { Growth::None } else { Growth::Nearest(plainly.repeat) };
    for pool in pools() {
        let (x, dy) = (blocked(&pool, shape, &input), blocked(&pool, output, &gradient));
        let source = Source::whole(&x, shape);
        let mut found = vec![0.0; expected.len()];
        let direct = KernelGradient { form, growth, border: border(&plainly), before: [0; 2] };
        direct.run(&pool, &source, &dy, output, &mut found);
        let error = distance(&found, &expected);
        assert!(error < 1e-5, "{pool:?} {plainly:?}: {error:e}");
        if winograd {
            let geometry = Geometry { doubled: plainly.repeat == 2, border: border(&plainly), pad: 1 };
            found.fill(0.0);
            winograd_kernel_gradient(&pool, &source, geometry, &dy, output, &mut Vec::new(), &mut found);
            let error = distance(&found, &expected);
            assert!(error < 5e-5, "Winograd {pool:?} {plainly:?}: {error:e}");
        }
    }
}

#[test]
fn the_inputs_gradient_folds_what_padding_and_enlargement_copied() {
    for (plainly, winograd) in convolutions() {
        check_input_gradient(plainly, winograd);
    }
}

/// Compares with plain loops: Winograd's algorithm, where it serves, and the direct one.
pub(super) fn check_input_gradient(plainly: Plainly, winograd: bool) {
    let (shape, output) = (plainly.shape, plainly.output());
    let k = plainly.kernel;
    let (gradient, kernel) = (noise(output.elements(), 3), noise(plainly.outputs * shape.channels * k * k, 4));
    let expected = plainly.input_gradient(&gradient, &kernel);
    let growth = if plainly.repeat == 1 { Growth::None } else { Growth::Nearest(plainly.repeat) };
    let pads = [(plainly.before, plainly.after); 2];
    let padded = Padded { growth, border: border(&plainly), pads };
    let large = padded.shape(shape);
    for pool in pools() {
        let dy = blocked(&pool, output, &gradient);
        let (mut full, mut dx) = (vec![Block::ZERO; large.blocks()], vec![Block::ZERO; shape.blocks()]);
        let form =
            Form { inputs: plainly.outputs, outputs: shape.channels, kernel: k, stride: plainly.stride, before: 0 };
        let source = Source::whole(&dy, output);
        Direct::transposed(&kernel, form, Precision::Floats).run(
            &pool,
            &Input::Blocked(source),
            [0; 2],
            Target::whole(&mut full, large),
        );
        padded.fold(&pool, shape, &full, &mut dx);
        let error = distance(&planar(&pool, shape, &dx), &expected);
        assert!(error < 1e-5, "{pool:?} {plainly:?}: {error:e}");
        if winograd {
            let geometry = Geometry { pad: 2, ..Geometry::same(Border::Zero) };
            let backward = Winograd::backward(&kernel, plainly.outputs, shape.channels);
            backward.run(&pool, &source, geometry, Target::whole(&mut full, large), &mut Vec::new());
            padded.fold(&pool, shape, &full, &mut dx);
            let error = distance(&planar(&pool, shape, &dx), &expected);
            assert!(error < 1e-5, "Winograd {pool:?} {plainly:?}: {error:e}");
        }
    }
}

/// The norm of one channel and the `ReLU` after it, in f64.
fn normalised(x: &[f64], eps: f64, scale: f64, shift: f64, relu: bool) -> Vec<f64> {
    let count = x.len() as f64;
    let mean = x.iter().sum::<f64>() / count;
    let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
    let value = |v: &f64| (v - mean) / (variance + eps).sqrt() * scale + shift;
    x.iter().map(value).map(|v| if relu { v.max(0.0) } else { v }).collect()
}

#[test]
fn a_norms_gradients_are_its_finite_differences() {
    let shape = Shape { batch: 2, channels: 18, height: 3, width: 5 };
    let (x, weights) = (noise(shape.elements(), 1), noise(shape.elements(), 2));
    let (scale, shift) = (noise(18, 3), noise(18, 4));
    let (eps, plane) = (1e-2, shape.plane());
    for (relu, shared) in [(false, false), (true, false), (true, true)] {
        // The values of one norm: a channel of one picture, or of both.
        let group = |n: usize, c: usize| -> Vec<usize> {
            let pictures = if shared { 0..2 } else { n..n + 1 };
            pictures.flat_map(|n| (n * 18 + c) * plane..(n * 18 + c + 1) * plane).collect()
        };
        let loss = |x: &[f64], scale: f64, shift: f64, at: &[usize]| -> f64 {
            let y = normalised(x, eps, scale, shift, relu);
            y.iter().zip(at).map(|(y, i)| y * f64::from(weights[*i])).sum()
        };
        let (mut by_x, mut by_scale, mut by_shift) = (vec![0.0; x.len()], vec![0.0; 18], vec![0.0; 18]);
        let mut moments = Moments::new(shape);
        for (n, c) in (0..2).flat_map(|n| (0..18).map(move |c| (n, c))) {
            let own: Vec<_> = ((n * 18 + c) * plane..(n * 18 + c + 1) * plane).map(|i| f64::from(x[i])).collect();
            let mean = own.iter().sum::<f64>() / plane as f64;
            let deviations = own.iter().map(|v| (v - mean).powi(2)).sum();
            let mut lanes = [Moment::default(); 16];
            lanes[c % 16] = Moment { count: plane as f64, mean, deviations };
            moments.merge(n, c / 16, &lanes);
            if shared && n == 1 {
                continue;
            }
            let at = group(n, c);
            let values: Vec<_> = at.iter().map(|i| f64::from(x[*i])).collect();
            let (a, b, h) = (f64::from(scale[c]), f64::from(shift[c]), 1e-6);
            by_scale[c] += (loss(&values, a + h, b, &at) - loss(&values, a - h, b, &at)) / (2.0 * h);
            by_shift[c] += (loss(&values, a, b + h, &at) - loss(&values, a, b - h, &at)) / (2.0 * h);
            for (i, at_x) in at.iter().enumerate() {
                let moved = |h: f64| {
                    let mut values = values.clone();
                    values[i] += h;
                    loss(&values, a, b, &at)
                };
                by_x[*at_x] = (moved(h) - moved(-h)) / (2.0 * h);
            }
        }
        if shared {
            moments.share();
        }
        for pool in pools() {
            let blocks = |values: &[f32]| crate::kernels::layout::channel_vector(values);
            let mut affine = Vec::new();
            moments.affine(eps as f32, &blocks(&scale), &blocks(&shift), &mut affine);
            let mut gradient = blocked(&pool, shape, &weights);
            let pass = NormPass { moments: &moments, shared, eps: eps as f32, affine: &affine, relu };
            let (mut found_scale, mut found_shift) = (vec![0.0; 18], vec![0.0; 18]);
            let found = [&mut found_scale[..], &mut found_shift[..]];
            norm_backward(&pool, shape, &blocked(&pool, shape, &x), pass, &blocks(&scale), &mut gradient, found);
            for (name, error) in [
                ("input", distance(&planar(&pool, shape, &gradient), &by_x)),
                ("scale", distance(&found_scale, &by_scale)),
                ("shift", distance(&found_shift, &by_shift)),
            ] {
                assert!(error < 1e-5, "{pool:?} {name} {relu} {shared}: {error:e}");
            }
        }
    }
}
