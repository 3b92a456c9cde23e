use super::oracle::{Plainly, blocked, distance, noise, planar, pools};
use crate::kernels::Precision;
use crate::kernels::direct::{Direct, Form, Input, Narrow};
use crate::kernels::layout::Shape;
use crate::kernels::output::Target;
use crate::kernels::simd::Block;
use crate::kernels::source::{Border, Growth, Source};
use crate::kernels::winograd::{Geometry, Winograd};

fn shape(batch: usize, channels: usize, height: usize, width: usize) -> Shape {
    Shape { batch, channels, height, width }
}

pub(super) fn check_winograd(shape: Shape, outputs: usize, geometry: Geometry) {
    let (input, kernel) = (noise(shape.elements(), 1), noise(outputs * shape.channels * 9, 2));
    let plainly = Plainly {
        shape,
        outputs,
        kernel: 3,
        stride: 1,
        repeat: 1 + usize::from(geometry.doubled),
        before: geometry.pad,
        after: geometry.pad,
        reflect: geometry.border == Border::Reflect,
    };
    let expected = plainly.forward(&input, &kernel);
    let output = plainly.output();
    let winograd = Winograd::new(&kernel, outputs, shape.channels);
    for pool in pools() {
        let x = blocked(&pool, shape, &input);
        let mut y = vec![Block::ZERO; output.blocks()];
        winograd.run(&pool, &Source::whole(&x, shape), geometry, Target::whole(&mut y, output), &mut Vec::new());
        let error = distance(&planar(&pool, output, &y), &expected);
        assert!(error < 1e-5, "{pool:?} {plainly:?}: {error:e}");
    }
}

#[test]
fn winograd_convolves_any_shape() {
    for border in [Border::Zero, Border::Reflect] {
        let geometry = Geometry::same(border);
        check_winograd(shape(1, 16, 8, 8), 16, geometry);
        check_winograd(shape(1, 16, 1, 1), 16, geometry);
        check_winograd(shape(2, 5, 7, 1), 3, geometry);
        check_winograd(shape(1, 20, 3, 30), 37, geometry);
        check_winograd(shape(3, 33, 17, 13), 48, geometry);
        let doubled = Geometry { doubled: true, ..geometry };
        check_winograd(shape(1, 16, 8, 8), 16, doubled);
        check_winograd(shape(1, 16, 1, 1), 16, doubled);
        check_winograd(shape(2, 20, 5, 9), 18, doubled);
    }
    for pad in [0, 2] {
        check_winograd(shape(1, 16, 9, 6), 16, Geometry { pad, ..Geometry::same(Border::Zero) });
    }
}

#[test]
fn large_kernels_are_as_exact() {
    check_winograd(shape(2, 512, 9, 8), 512, Geometry::same(Border::Zero));
}

pub(super) fn check_direct(plainly: Plainly, growth: Growth) {
    let (shape, output) = (plainly.shape, plainly.output());
    let k = plainly.kernel;
    let (input, kernel) = (noise(shape.elements(), 3), noise(plainly.outputs * shape.channels * k * k, 4));
    let expected = plainly.forward(&input, &kernel);
    let border = if plainly.reflect { Border::Reflect } else { Border::Zero };
    let form = Form {
        inputs: shape.channels,
        outputs: plainly.outputs,
        kernel: k,
        stride: plainly.stride,
        before: plainly.before,
    };
    let [halved, _] = Direct::halved(&kernel, form, growth, border);
    let ways = [("floats", Direct::new(&kernel, form, growth, border, Precision::Floats)), ("halves", halved)];
    for pool in pools() {
        let x = blocked(&pool, shape, &input);
        for (name, direct) in &ways {
            let mut y = vec![Block::ZERO; output.blocks()];
            direct.run(&pool, &Input::Blocked(Source::whole(&x, shape)), [0; 2], Target::whole(&mut y, output));
            let error = distance(&planar(&pool, output, &y), &expected);
            // Few sums may be all small ones, of which the halves' 16 bits leave less.
            let bound = if *name == "halves" && output.elements() < 1000 { 1e-4 } else { 1e-5 };
            assert!(error < bound, "{name} {pool:?} {plainly:?}: {error:e}");
        }
        if plainly.outputs <= 3 && plainly.stride == 1 {
            let narrow = Narrow::new(&kernel, &[], form, growth, border);
            let mut planes = vec![f32::NAN; output.elements()];
            narrow.run(&pool, &Source::whole(&x, shape), output, 0..output.height, &mut planes);
            let error = distance(&planes, &expected);
            assert!(error < 1e-5, "narrow {pool:?} {plainly:?}: {error:e}");
        }
    }
}

#[test]
fn direct_convolves_any_shape() {
    let base = |shape, outputs, kernel, stride| Plainly {
        shape,
        outputs,
        kernel,
        stride,
        repeat: 1,
        before: kernel / 2,
        after: kernel / 2,
        reflect: true,
    };
    for reflect in [false, true] {
        for (shape, outputs, kernel, stride) in [
            (shape(1, 3, 20, 23), 32, 9, 1),
            (shape(1, 3, 1, 1), 16, 9, 1),
            (shape(2, 16, 9, 33), 3, 9, 1),
            (shape(1, 40, 3, 1), 2, 9, 1),
            (shape(2, 20, 17, 30), 33, 3, 2),
            (shape(1, 16, 1, 1), 64, 3, 2),
            (shape(1, 5, 6, 7), 7, 5, 3),
            (shape(1, 3, 40, 300), 16, 3, 1),
        ] {
            check_direct(Plainly { reflect, ..base(shape, outputs, kernel, stride) }, Growth::None);
        }
        for (kernel, stride, repeat) in [(3, 2, 4), (3, 1, 2), (3, 1, 3), (9, 1, 2), (3, 3, 2)] {
            let plainly = Plainly { repeat, reflect, ..base(shape(2, 18, 7, 10), 20, kernel, stride) };
            check_direct(plainly, Growth::Nearest(repeat));
        }
    }
    // The SAME padding of TensorFlow for stride 2 on an even side.
    check_direct(Plainly { before: 0, after: 1, reflect: false, ..base(shape(1, 8, 12, 10), 16, 3, 2) }, Growth::None);
}

#[test]
fn kernels_of_many_channels_are_as_exact_on_the_matrix_unit() {
    let base = Plainly {
        shape: shape(2, 70, 9, 37),
        outputs: 40,
        kernel: 3,
        stride: 1,
        repeat: 1,
        before: 1,
        after: 1,
        reflect: true,
    };
    check_direct(base, Growth::None);
    check_direct(Plainly { shape: shape(1, 512, 9, 8), outputs: 512, ..base }, Growth::None);
    check_direct(Plainly { stride: 2, ..base }, Growth::None);
    check_direct(Plainly { repeat: 2, ..base }, Growth::Nearest(2));
}

/// A weight that is no number must show: the executor looks for it in what comes out.
#[test]
fn halves_keep_what_is_not_finite() {
    for wrong in [f32::NAN, f32::INFINITY] {
        let mut kernel = noise(32 * 32 * 9, 7);
        kernel[4] = wrong;
        let form = Form { inputs: 32, outputs: 32, kernel: 3, stride: 1, before: 1 };
        let [direct, _] = Direct::halved(&kernel, form, Growth::None, Border::Zero);
        let shape = shape(1, 32, 4, 20);
        for pool in pools() {
            let x = blocked(&pool, shape, &noise(shape.elements(), 8));
            let mut y = vec![Block::ZERO; shape.blocks()];
            direct.run(&pool, &Input::Blocked(Source::whole(&x, shape)), [0; 2], Target::whole(&mut y, shape));
            let first = &y[..shape.plane()];
            assert!(first.iter().all(|block| !block.0[0].is_finite()), "{pool:?}: every sum has met {wrong}");
        }
    }
}

#[test]
fn a_transposed_convolution_is_the_gradient_of_a_convolution() {
    for (shape, outputs, kernel, stride, before) in
        [(shape(1, 20, 8, 12), 18, 3, 2, 0), (shape(2, 3, 7, 5), 16, 9, 1, 4), (shape(1, 16, 13, 10), 5, 5, 3, 2)]
    {
        // Padding after the input such that the outputs cover it whole.
        let side = |s: usize| (s + before).div_ceil(stride);
        let after = (side(shape.height) - 1) * stride + kernel - before - shape.height;
        assert_eq!(
            after,
            (side(shape.width) - 1) * stride + kernel - before - shape.width,
            "one padding for both sides"
        );
        let plainly = Plainly { shape, outputs, kernel, stride, repeat: 1, before, after, reflect: false };
        let output = plainly.output();
        let (gradient, weights) = (noise(output.elements(), 5), noise(outputs * shape.channels * kernel * kernel, 6));
        let expected = plainly.input_gradient(&gradient, &weights);
        let form = Form { inputs: outputs, outputs: shape.channels, kernel, stride, before };
        let [_, halved] = Direct::halved(&weights, form, Growth::None, Border::Zero);
        let ways = [("floats", Direct::transposed(&weights, form, Precision::Floats)), ("halves", halved)];
        for pool in pools() {
            let dy = blocked(&pool, output, &gradient);
            for (name, direct) in &ways {
                let mut dx = vec![Block::ZERO; shape.blocks()];
                direct.run(&pool, &Input::Blocked(Source::whole(&dy, output)), [0; 2], Target::whole(&mut dx, shape));
                let error = distance(&planar(&pool, shape, &dx), &expected);
                assert!(error < 1e-5, "{name} {pool:?} {plainly:?}: {error:e}");
            }
            if stride == 1 && shape.channels == 3 {
                let mut planes = vec![f32::NAN; shape.elements()];
                Narrow::backward(&weights, form).run(
                    &pool,
                    &Source::whole(&dy, output),
                    shape,
                    0..shape.height,
                    &mut planes,
                );
                let error = distance(&planes, &expected);
                assert!(error < 1e-5, "narrow {pool:?} {plainly:?}: {error:e}");
            }
        }
    }
}
