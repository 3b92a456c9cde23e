//! Every operation three ways: its gradient against finite differences in `f64`, and on the kernels in `f32` against
//! that, forward and back.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use candle_core::Var;
use proptest::prelude::*;

use super::place::{enlarge, pad, resize};
use super::*;
use crate::kernels::source::{Border, Growth};
use crate::kernels::tests::oracle::noise;
use crate::network::NormKind;

type Function<'a> = &'a dyn Fn(&Ops, &[Tensor]) -> Result<Tensor>;

fn exact() -> Ops {
    Ops::as_on_card(DType::F64)
}

fn on_kernels() -> Ops {
    Ops::on_cores(Arc::new(ComputePool::new(2).unwrap()))
}

fn host(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Numbers for arguments of these shapes.
fn some(shapes: &[&[usize]]) -> Vec<Vec<f32>> {
    let own = |(i, shape): (usize, &&[usize])| noise(shape.iter().product(), 7 + i as u64);
    shapes.iter().enumerate().map(own).collect()
}

/// Returns a result, and the gradients of its sum weighted with noise.
fn run(ops: &Ops, f: Function<'_>, shapes: &[&[usize]], values: &[Vec<f32>]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let var = |(shape, values): (&&[usize], &Vec<f32>)| Var::from_tensor(&ops.tensor(values, shape).unwrap()).unwrap();
    let vars: Vec<_> = shapes.iter().zip(values).map(var).collect();
    let arguments: Vec<_> = vars.iter().map(|var| var.as_tensor().clone()).collect();
    let result = f(ops, &arguments).unwrap();
    let weights = ops.tensor(&noise(result.elem_count(), 99), result.dims()).unwrap();
    let gradients = (&result * weights).unwrap().sum_all().unwrap().backward().unwrap();
    let gradient = |var: &Var| gradients.get(var).map_or(vec![0.0; var.elem_count()], host);
    (host(&result), vars.iter().map(gradient).collect())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn distance(found: &[f64], expected: &[f64]) -> f64 {
    let difference: Vec<_> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
    assert_eq!(found.len(), expected.len());
    dot(&difference, &difference).sqrt() / dot(expected, expected).sqrt().max(1e-9)
}

/// Checks the gradients of a function with respect to each argument, along three directions each.
fn check_gradient(name: &str, shapes: &[&[usize]], values: &[Vec<f32>], f: Function<'_>) {
    let ops = exact();
    let (result, gradients) = run(&ops, f, shapes, values);
    let weights: Vec<_> = noise(result.len(), 99).iter().map(|v| f64::from(*v)).collect();
    let argument = |i: usize| ops.tensor(&values[i], shapes[i]).unwrap();
    for i in 0..shapes.len() {
        for seed in 0..3 {
            let direction = ops.tensor(&noise(values[i].len(), 1000 + seed), shapes[i]).unwrap();
            let at = |length: f64| {
                let mut arguments: Vec<_> = (0..shapes.len()).map(argument).collect();
                arguments[i] = (&arguments[i] + (&direction * length).unwrap()).unwrap();
                dot(&host(&f(&ops, &arguments).unwrap()), &weights)
            };
            let h = 1e-6;
            let (slope, expected) = (dot(&gradients[i], &host(&direction)), (at(h) - at(-h)) / (2.0 * h));
            let size = dot(&gradients[i], &gradients[i]).sqrt();
            assert!(
                (slope - expected).abs() <= 1e-6 * (size + expected.abs() + 1.0),
                "{name} {shapes:?}, argument {i}: {slope} for {expected}"
            );
        }
    }
}

/// Checks a function on the kernels against the same in `f64`.
fn check_kernels(name: &str, shapes: &[&[usize]], values: &[Vec<f32>], f: Function<'_>) {
    let (exact, found) = (run(&exact(), f, shapes, values), run(&on_kernels(), f, shapes, values));
    assert!(distance(&found.0, &exact.0) < 1e-5, "{name} {shapes:?}: {:e}", distance(&found.0, &exact.0));
    for (i, (found, exact)) in found.1.iter().zip(&exact.1).enumerate() {
        let error = distance(found, exact);
        assert!(error < 5e-5, "{name} {shapes:?}, gradient {i}: {error:e}");
    }
}

fn check(name: &str, shapes: &[&[usize]], f: Function<'_>) {
    let values = some(shapes);
    check_gradient(name, shapes, &values, f);
    check_kernels(name, shapes, &values, f);
}

fn convolution(kernel: usize, stride: usize, border: Border, growth: Growth) -> Convolution {
    Convolution { growth, border, stride, ..Convolution::same(kernel) }
}

#[test]
fn convolutions_of_every_kind_have_right_gradients_on_every_device() {
    let growths = [Growth::None, Growth::Nearest(2), Growth::Nearest(4), Growth::Bilinear(2)];
    let sides = [[1, 1], [1, 4], [2, 3], [5, 5], [7, 4]];
    for (i, growth) in growths.into_iter().enumerate() {
        for (j, border) in [Border::Zero, Border::Reflect].into_iter().enumerate() {
            for (kernel, stride) in [(1, 1), (3, 1), (3, 2), (9, 1)] {
                let [h, w] = sides[(i + 2 * j + kernel + stride) % sides.len()];
                let (inputs, outputs) = if kernel == 9 { (3, 5) } else { (4, 6) };
                let shapes: [&[usize]; 3] = [&[2, inputs, h, w], &[outputs, inputs, kernel, kernel], &[outputs]];
                let how = convolution(kernel, stride, border, growth);
                let f = |ops: &Ops, x: &[Tensor]| ops.conv(&x[0], &x[1], Some(&x[2]), how);
                check(&format!("{how:?}"), &shapes, &f);
            }
        }
    }
}

#[test]
fn a_convolution_in_strips_is_the_one_in_one_piece() {
    for (kernel, stride, [h, w]) in [(3, 1, [7, 5]), (3, 2, [8, 6]), (9, 1, [5, 12]), (1, 1, [3, 1])] {
        let shapes: [&[usize]; 2] = [&[2, 3, h, w], &[4, 3, kernel, kernel]];
        let how = convolution(kernel, stride, Border::Zero, Growth::None);
        let f = |ops: &Ops, x: &[Tensor]| ops.conv(&x[0], &x[1], None, how);
        let whole = run(&exact(), &f, &shapes, &some(&shapes));
        for rows in [0, 1, 2] {
            let ops = Ops { unfolded: rows * 2 * 3 * kernel * kernel * w, ..exact() };
            let found = run(&ops, &f, &shapes, &some(&shapes));
            let all = |(result, gradients): &(Vec<f64>, Vec<Vec<f64>>)| [result.clone(), gradients.concat()].concat();
            assert!(distance(&all(&found), &all(&whole)) < 1e-12, "{kernel} {stride} {rows}");
        }
    }
}

#[test]
fn convolutions_by_winograds_algorithm_have_right_gradients() {
    for (growth, border) in [(Growth::None, Border::Zero), (Growth::Nearest(2), Border::Reflect)] {
        let shapes: [&[usize]; 2] = [&[2, 17, 5, 7], &[20, 17, 3, 3]];
        let how = convolution(3, 1, border, growth);
        check_kernels("winograd", &shapes, &some(&shapes), &|ops, x| ops.conv(&x[0], &x[1], None, how));
    }
}

#[test]
fn padding_may_be_uneven_as_tensorflow_has_it() {
    for (side, pads) in [(6, [(0, 1), (1, 1)]), (7, [(1, 1), (3, 0)])] {
        let how = Convolution { pads, stride: 2, ..Convolution::same(3) };
        let shapes: [&[usize]; 2] = [&[1, 3, side, side], &[4, 3, 3, 3]];
        check(&format!("{how:?}"), &shapes, &|ops, x| ops.conv(&x[0], &x[1], None, how));
    }
}

#[test]
fn transposed_convolutions_have_right_gradients() {
    for (kernel, stride, [h, w]) in [(3, 2, [3, 5]), (4, 2, [1, 1]), (3, 1, [2, 2]), (2, 4, [2, 3]), (9, 3, [2, 1])] {
        let shapes: [&[usize]; 3] = [&[2, 4, h, w], &[4, 3, kernel, kernel], &[3]];
        check("transposed", &shapes, &|ops, x| {
            let y = ops.conv_transposed(&x[0], &x[1], Some(&x[2]), stride)?;
            assert_eq!(y.dims(), [2, 3, h * stride, w * stride]);
            Ok(y)
        });
    }
}

#[test]
fn frozen_weights_cost_no_gradient() {
    for ops in [exact(), on_kernels()] {
        let x = Var::from_tensor(&ops.tensor(&noise(2 * 3 * 16, 1), &[2, 3, 4, 4]).unwrap()).unwrap();
        let frozen = ops.tensor(&noise(4 * 3 * 9, 2), &[4, 3, 3, 3]).unwrap();
        let y = ops.conv(&x, &frozen, None, Convolution::same(3)).unwrap();
        let gradients = y.sum_all().unwrap().backward().unwrap();
        assert!(gradients.get(&x).is_some() && gradients.get(&frozen).is_none());
        let y = ops.conv(&x.as_tensor().detach(), &frozen, None, Convolution::same(3)).unwrap();
        assert!(!y.track_op(), "what has no use for a gradient keeps nothing for one");
    }
}

#[test]
fn norms_have_right_gradients() {
    for kind in [NormKind::Instance, NormKind::Batch] {
        for [h, w] in [[1, 2], [3, 3], [8, 5]] {
            let shapes: [&[usize]; 3] = [&[3, 18, h, w], &[18], &[18]];
            check(&format!("{kind:?}"), &shapes, &|ops, x| ops.norm(&x[0], &x[1], &x[2], kind, 1e-2));
        }
    }
}

#[test]
fn a_norm_by_statistics_from_before_is_that_of_its_own_where_they_are_the_same() {
    let ops = exact();
    let [x, scale, shift] = [[2, 3, 4, 5].as_slice(), &[3], &[3]]
        .map(|shape| ops.tensor(&noise(shape.iter().product(), 3), shape).unwrap());
    for kind in [NormKind::Instance, NormKind::Batch] {
        let own = ops.norm(&x, &scale, &shift, kind, 1e-5).unwrap();
        let moments = moments(&x, kind).unwrap();
        let by = norm_by(&x, &moments, [&scale, &shift], 1e-5).unwrap();
        assert!(distance(&host(&by), &host(&own)) < 1e-12);
    }
}

#[test]
fn pools_and_rectifiers_have_right_gradients() {
    for [h, w] in [[2, 2], [3, 2], [5, 7], [8, 9]] {
        let shapes: [&[usize]; 1] = [&[2, 17, h, w]];
        check("pool", &shapes, &|ops, x| ops.max_pool(&relu(&x[0])?));
        check("relu", &shapes, &|_, x| relu(&x[0]));
    }
}

#[test]
fn of_equal_maxima_the_first_has_the_gradient_and_zeros_have_none() {
    for ops in [exact(), on_kernels()] {
        let pixels = [3.0, 3.0, 0.0, 0.0, 1.0, 3.0, 0.0, 0.0];
        let x = Var::from_tensor(&ops.tensor(&pixels, &[1, 1, 2, 4]).unwrap()).unwrap();
        let y = ops.max_pool(&x).unwrap();
        assert_eq!(host(&y), [3.0, 0.0]);
        let gradients = y.sum_all().unwrap().backward().unwrap();
        assert_eq!(host(gradients.get(&x).unwrap()), [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }
}

#[test]
fn roots_and_rectifiers_do_not_move_at_zero() {
    let ops = exact();
    let x = Var::from_tensor(&ops.tensor(&[0.0, 4.0], &[2]).unwrap()).unwrap();
    for (y, expected) in [(root(&x).unwrap(), [0.0, 0.25]), (relu(&x).unwrap(), [0.0, 1.0])] {
        let gradients = y.sum_all().unwrap().backward().unwrap();
        assert_eq!(host(gradients.get(&x).unwrap()), expected);
    }
}

#[test]
fn products_of_channels_have_right_gradients() {
    for [h, w] in [[1, 1], [1, 3], [5, 4]] {
        let shapes: [&[usize]; 1] = [&[2, 19, h, w]];
        check("gram", &shapes, &|ops, x| ops.gram(&x[0]));
        check("means", &shapes, &|_, x| channel_means(&x[0]));
        if h * w > 1 {
            check("covariance", &shapes, &|ops, x| ops.covariance(&x[0]));
        }
    }
}

#[test]
fn padding_enlargement_and_variation_have_right_gradients() {
    for [h, w] in [[1, 1], [2, 5], [4, 3]] {
        let shapes: [&[usize]; 1] = [&[2, 3, h, w]];
        for border in [Border::Zero, Border::Reflect, Border::Edge] {
            check("pad", &shapes, &|_, x| pad(&x[0], border, [(3, 1), (0, 2)]));
        }
        for growth in [Growth::Nearest(3), Growth::Bilinear(2)] {
            check("enlarge", &shapes, &|_, x| enlarge(&x[0], growth));
        }
        check("resize", &shapes, &|_, x| resize(&x[0], [7, 4]));
        check("variation", &shapes, &|_, x| total_variation(&x[0]));
    }
}

#[test]
fn a_mirror_shows_what_stands_within() {
    let ops = exact();
    let x = ops.tensor(&[1.0, 2.0, 3.0], &[1, 1, 1, 3]).unwrap();
    let padded = |border| host(&pad(&x, border, [(0, 0), (2, 1)]).unwrap());
    assert_eq!(padded(Border::Reflect), [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]);
    assert_eq!(padded(Border::Edge), [1.0, 1.0, 1.0, 2.0, 3.0, 3.0]);
    assert_eq!(padded(Border::Zero), [0.0, 0.0, 1.0, 2.0, 3.0, 0.0]);
}

#[test]
fn bilinear_enlargement_clamps_at_the_border_and_has_its_centres_at_halves() {
    let x = exact().tensor(&[0.0, 1.0, 3.0], &[1, 1, 1, 3]).unwrap();
    let expected = [0.0, 0.25, 0.75, 1.5, 2.5, 3.0];
    assert_eq!(host(&enlarge(&x, Growth::Bilinear(2)).unwrap()), [expected, expected].concat());
}

#[test]
fn an_operation_gives_what_it_gave_though_its_tensor_is_a_part_of_another() {
    let ops = exact();
    let whole = Var::from_tensor(&ops.tensor(&[-1.0, 2.0, -3.0, 4.0], &[1, 1, 2, 2]).unwrap()).unwrap();
    let part = whole.narrow(3, 1, 1).unwrap();
    let y = relu(&part).unwrap();
    assert_eq!(host(&y), [2.0, 4.0]);
    let gradients = y.sum_all().unwrap().backward().unwrap();
    assert_eq!(host(gradients.get(&whole).unwrap()), [0.0, 1.0, 0.0, 1.0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_convolution_on_the_kernels_is_the_one_that_a_card_runs(
        batch in 1..3usize, inputs in 1..19usize, outputs in 1..19usize, h in 1..9usize, w in 1..9usize,
        kernel in prop::sample::select(vec![1, 3, 9]), stride in 1..3usize, reflect: bool, factor in 1..3usize,
    ) {
        let border = if reflect { Border::Reflect } else { Border::Zero };
        let how = convolution(kernel, stride, border, if factor == 1 { Growth::None } else { Growth::Nearest(factor) });
        let shapes: [&[usize]; 2] = [&[batch, inputs, h, w], &[outputs, inputs, kernel, kernel]];
        check_kernels("any", &shapes, &some(&shapes), &|ops, x| ops.conv(&x[0], &x[1], None, how));
    }
}
