//! Any shape at all: each backend against plain loops in f64.

use proptest::prelude::*;

use super::convolution::{check_direct, check_winograd};
use super::gradients::{check_input_gradient, check_kernel_gradient, check_max_pool};
use super::oracle::{Plainly, blocked, distance, noise, planar, pools};
use crate::kernels::layout::{Shape, channel_vector};
use crate::kernels::norm::{Moment, Moments};
use crate::kernels::norm_backward::{NormPass, norm_backward};
use crate::kernels::source::{Border, Growth};
use crate::kernels::winograd::Geometry;

fn shapes(channels: usize, side: usize) -> impl Strategy<Value = Shape> {
    (1usize..4, 1..=channels, 1..=side, 1..=side).prop_map(|(batch, channels, height, width)| Shape {
        batch,
        channels,
        height,
        width,
    })
}

/// A convolution whose sides stay as they are, or shrink by the stride.
fn same(shape: Shape, outputs: usize, kernel: usize, stride: usize, reflect: bool) -> Plainly {
    Plainly { shape, outputs, kernel, stride, repeat: 1, before: kernel / 2, after: kernel / 2, reflect }
}

/// Compares a norm over each channel, or over each channel of all pictures, with the closed form in f64.
fn check_norm(shape: Shape, relu: bool, shared: bool) {
    let (c, plane, eps) = (shape.channels, shape.plane(), 1e-2);
    let (x, dy) = (noise(shape.elements(), 1), noise(shape.elements(), 2));
    let (scale, shift) = (noise(c, 3), noise(c, 4));
    let (mut by_x, mut by_scale, mut by_shift) = (vec![0.0; x.len()], vec![0.0; c], vec![0.0; c]);
    let mut moments = Moments::new(shape);
    for (n, channel) in (0..shape.batch).flat_map(|n| (0..c).map(move |channel| (n, channel))) {
        let at = |n: usize| (n * c + channel) * plane..(n * c + channel + 1) * plane;
        let of = |at: &[usize]| {
            let values: Vec<_> = at.iter().map(|i| f64::from(x[*i])).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let deviations: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
            (values, mean, deviations)
        };
        let (own, mean, deviations) = of(&at(n).collect::<Vec<_>>());
        let mut lanes = [Moment::default(); 16];
        lanes[channel % 16] = Moment { count: own.len() as f64, mean, deviations };
        moments.merge(n, channel / 16, &lanes);
        if shared && n > 0 {
            continue;
        }
        let group: Vec<usize> = if shared { (0..shape.batch).flat_map(at).collect() } else { at(n).collect() };
        let (values, mean, deviations) = of(&group);
        let count = values.len() as f64;
        let deviation = (deviations / count + eps).sqrt();
        let (a, b) = (f64::from(scale[channel]), f64::from(shift[channel]));
        let normed: Vec<_> = values.iter().map(|v| (v - mean) / deviation).collect();
        let passes = |v: f64| !relu || v * a + b > 0.0;
        let gradient = |(v, i): (&f64, &usize)| if passes(*v) { f64::from(dy[*i]) } else { 0.0 };
        let gradient: Vec<f64> = normed.iter().zip(&group).map(gradient).collect();
        let by_normed: f64 = gradient.iter().zip(&normed).map(|(g, v)| g * v).sum();
        by_scale[channel] += by_normed;
        by_shift[channel] += gradient.iter().sum::<f64>();
        for ((g, v), i) in gradient.iter().zip(&normed).zip(&group) {
            by_x[*i] = a / deviation * (g - gradient.iter().sum::<f64>() / count - v * by_normed / count);
        }
    }
    if shared {
        moments.share();
    }
    for pool in pools() {
        let (scale, shift) = (channel_vector(&scale), channel_vector(&shift));
        let mut affine = Vec::new();
        moments.affine(eps as f32, &scale, &shift, &mut affine);
        let mut gradient = blocked(&pool, shape, &dy);
        let pass = NormPass { moments: &moments, shared, eps: eps as f32, affine: &affine, relu };
        let (mut found_scale, mut found_shift) = (vec![0.0; c], vec![0.0; c]);
        let found = [&mut found_scale[..], &mut found_shift[..]];
        norm_backward(&pool, shape, &blocked(&pool, shape, &x), pass, &scale, &mut gradient, found);
        // A single value has no gradient but rounding, so distances count against those of the gradient that came in.
        let size = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>().sqrt();
        let whole = size(&dy.iter().map(|v| f64::from(*v)).collect::<Vec<_>>());
        for (name, found, expected) in [
            ("input", planar(&pool, shape, &gradient), &by_x),
            ("scale", found_scale, &by_scale),
            ("shift", found_shift, &by_shift),
        ] {
            let error = distance(&found, expected) * size(expected) / whole;
            assert!(error < 1e-5, "{pool:?} {shape:?} {name} {relu} {shared}: {error:e}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn winograd_convolves(shape in shapes(40, 19), outputs in 1usize..40, reflect: bool, doubled: bool) {
        let border = if reflect { Border::Reflect } else { Border::Zero };
        check_winograd(shape, outputs, Geometry { doubled, ..Geometry::same(border) });
    }

    #[test]
    fn winograd_has_the_gradients_of_a_convolution(shape in shapes(34, 15), outputs in 1usize..34, reflect: bool) {
        let plainly = same(shape, outputs, 3, 1, reflect);
        check_input_gradient(plainly, true);
        check_kernel_gradient(plainly, true);
    }

    #[test]
    fn direct_convolves(
        shape in shapes(20, 17),
        outputs in 1usize..20,
        form in prop::sample::select(vec![(9, 1), (3, 2), (3, 1), (5, 3)]),
        reflect: bool,
    ) {
        check_direct(same(shape, outputs, form.0, form.1, reflect), Growth::None);
    }

    #[test]
    fn direct_has_the_gradients_of_a_convolution(
        shape in shapes(18, 11),
        outputs in 1usize..18,
        form in prop::sample::select(vec![(9, 1), (3, 2)]),
        reflect: bool,
    ) {
        let plainly = same(shape, outputs, form.0, form.1, reflect);
        check_input_gradient(plainly, false);
        check_kernel_gradient(plainly, false);
    }

    #[test]
    fn pools_and_norms_have_their_gradients(shape in shapes(40, 21), relu: bool, shared: bool) {
        // A pool makes half of a side, and nothing of a single pixel.
        let even = Shape { height: shape.height.max(2), width: shape.width.max(2), ..shape };
        check_max_pool(even);
        check_norm(shape, relu, shared);
    }
}
