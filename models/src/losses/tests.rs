#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;

use candle_core::DType;
use safetensors::SafeTensors;

use super::layered::Layered;
use super::{LossTerms, LossWeights, Perceptual};
use crate::kernels::ComputePool;
use crate::kernels::layout::{Shape, from_blocked};
use crate::ops::{self, Ops};
use crate::optim::{Adam, Lbfgs};
use crate::vgg::{Eyes, Features, LAYERS, Tap, Vgg};

fn tensor(file: &str, name: &str) -> Vec<f32> {
    let path = format!("{}/tests/data/reference/{file}.safetensors", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = file.tensor(name).unwrap();
    tensor.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

/// Returns a number of a line of `losses.txt`.
fn expected(line: &str, term: &str) -> f64 {
    let path = format!("{}/tests/data/reference/losses.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let line = text.lines().find_map(|l| l.strip_prefix(line)).unwrap();
    let value = line.split_whitespace().find_map(|pair| pair.strip_prefix(term)?.strip_prefix('='));
    value.unwrap().parse().unwrap()
}

fn distance(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let sum = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let error = sum(&mut found.iter().zip(expected).map(|(a, b)| f64::from(a - b)));
    error / sum(&mut expected.iter().map(|v| f64::from(*v)))
}

const PHOTOS: Shape = Shape { batch: 2, channels: 3, height: 48, width: 64 };

fn check_terms(line: &str, terms: &LossTerms) {
    let close = |found: f64, term: &str| {
        let expected = expected(line, term);
        assert!((found - expected).abs() < 1e-4 * expected.abs(), "{line} {term}: {found} instead of {expected}");
    };
    close(terms.total, "total");
    close(terms.content, "content");
    close(terms.style, "style");
    if terms.total_variation != 0.0 {
        close(terms.total_variation, "tv");
    }
    if line.starts_with("house") || line.starts_with("painter") {
        for (layer, loss) in &terms.layers {
            close(*loss, &format!("style_{layer}"));
        }
    }
}

#[test]
fn features_are_those_of_an_independent_implementation() {
    let (pool, vgg) = (ComputePool::new(2).unwrap(), Vgg::builtin());
    let shape = Shape { batch: 1, ..PHOTOS };
    let mut features = Features::default();
    features.look(&pool, &vgg, &tensor("inputs", "x")[..shape.elements()], shape, Tap::STYLE[4]);
    for tap in Tap::STYLE.into_iter().chain([Tap::CONTENT]) {
        let (shape, blocks) = features.tap(tap);
        let mut values = vec![0.0; shape.elements()];
        from_blocked(&pool, shape, blocks, &mut values);
        let some: Vec<_> = values.chunks_exact(shape.plane()).step_by(16).flatten().copied().collect();
        let error = distance(&some, &tensor("vgg_taps_of_x0_every_16th_channel", tap.name()));
        assert!(error < 1e-4, "{}: {error:e}", tap.name());
    }
    assert!(LAYERS.iter().all(|layer| layer.outputs % 16 == 0), "16 channels are one block");
}

#[test]
fn losses_and_gradients_are_those_of_an_independent_implementation() {
    let (pool, vgg) = (ComputePool::new(2).unwrap(), Vgg::builtin());
    let (photos, art) = (tensor("inputs", "x"), tensor("inputs", "art"));
    let paintings = tensor("forward", "y");
    for (name, weights) in [("house", LossWeights::house()), ("johnson", LossWeights::johnson())] {
        let mut loss = Perceptual::new(&pool, &vgg, weights, &[(&art, [56, 72], 1.0)]);
        loss.set_content(&pool, &vgg, &photos, PHOTOS);
        let mut gradient = vec![0.0; paintings.len()];
        for _ in 0..2 {
            let terms = loss.evaluate(&pool, &vgg, &paintings, PHOTOS, &mut gradient);
            check_terms(&format!("{name} step 0:"), &terms);
            let error = distance(&gradient, &tensor(&format!("{name}_gradients"), "y"));
            assert!(error < 1e-3, "{name}: {error:e}");
        }
    }
}

#[test]
fn the_painters_gradient_is_that_of_an_independent_implementation() {
    let (pool, vgg) = (ComputePool::new(2).unwrap(), Vgg::builtin());
    let (photos, art) = (tensor("inputs", "x"), tensor("inputs", "art"));
    let shape = Shape { batch: 1, ..PHOTOS };
    let (first, second) = photos.split_at(shape.elements());
    let pixels: Vec<_> = first.iter().zip(second).map(|(a, b)| 0.8 * a + 0.2 * b).collect();
    let weights = LossWeights { style: 5.0, ..LossWeights::house() };
    let mut loss = Perceptual::new(&pool, &vgg, weights, &[(&art, [56, 72], 1.0)]);
    loss.set_content(&pool, &vgg, first, shape);
    let mut gradient = vec![0.0; pixels.len()];
    let terms = loss.evaluate(&pool, &vgg, &pixels, shape, &mut gradient);
    check_terms("painter:", &terms);
    let error = distance(&gradient, &tensor("painter_gradient", "pixels"));
    assert!(error < 1e-3, "{error:e}");
}

const PHOTO: Shape = Shape { batch: 1, ..PHOTOS };

/// What a card runs, exactly and in its own precision, and the kernels as operations; each with how far it may be off.
fn every_ops() -> [(Ops, f64); 3] {
    let on_cores = Ops::on_cores(Arc::new(ComputePool::new(2).unwrap()));
    [(Ops::as_on_card(DType::F64), 1e-6), (Ops::as_on_card(DType::F32), 1e-3), (on_cores, 1e-3)]
}

#[test]
fn features_layer_by_layer_are_those_of_an_independent_implementation() {
    let vgg = Vgg::builtin();
    let photo = &tensor("inputs", "x")[..PHOTO.elements()];
    for (ops, bound) in every_ops() {
        let eyes = Eyes::new(&ops, &vgg).unwrap();
        let seen = eyes.look(&ops.tensor(photo, &[1, 3, 48, 64]).unwrap(), Tap::STYLE[4]).unwrap();
        for tap in Tap::STYLE.into_iter().chain([Tap::CONTENT]) {
            let values = ops::values(seen.tap(tap)).unwrap();
            let plane = values.len() / tap.layer().outputs;
            let some: Vec<_> = values.chunks_exact(plane).step_by(16).flatten().copied().collect();
            let error = distance(&some, &tensor("vgg_taps_of_x0_every_16th_channel", tap.name()));
            assert!(error < bound, "{ops:?} {}: {error:e}", tap.name());
        }
    }
}

#[test]
fn losses_layer_by_layer_are_those_of_an_independent_implementation() {
    let vgg = Vgg::builtin();
    let (photos, art) = (tensor("inputs", "x"), tensor("inputs", "art"));
    let paintings = tensor("forward", "y");
    for (name, weights) in [("house", LossWeights::house()), ("johnson", LossWeights::johnson())] {
        for (ops, bound) in every_ops() {
            let mut loss = Layered::new(&ops, &vgg, weights.clone(), &[(&art, [56, 72], 1.0)]).unwrap();
            loss.set_content(&photos, PHOTOS).unwrap();
            let mut gradient = vec![0.0; paintings.len()];
            let terms = loss.evaluate(&paintings, PHOTOS, &mut gradient).unwrap();
            check_terms(&format!("{name} step 0:"), &terms);
            let error = distance(&gradient, &tensor(&format!("{name}_gradients"), "y"));
            assert!(error < bound, "{name} {ops:?}: {error:e}");
        }
    }
}

#[test]
fn artworks_count_by_their_shares_layer_by_layer_too() {
    let (pool, vgg) = (ComputePool::new(2).unwrap(), Vgg::builtin());
    let (photos, art) = (tensor("inputs", "x"), tensor("inputs", "art"));
    let (photo, other) = photos.split_at(PHOTO.elements());
    let artworks = [(art.as_slice(), [56, 72], 3.0), (other, [48, 64], 0.5)];
    let ops = Ops::as_on_card(DType::F32);
    for weights in [LossWeights::house(), LossWeights { total_variation: 3.0, ..LossWeights::johnson() }] {
        let mut expected = Perceptual::new(&pool, &vgg, weights.clone(), &artworks);
        expected.set_content(&pool, &vgg, photo, PHOTO);
        let mut found = Layered::new(&ops, &vgg, weights, &artworks).unwrap();
        found.set_content(photo, PHOTO).unwrap();
        let mut gradients = [vec![0.0; photo.len()], vec![0.0; photo.len()]];
        let expected = expected.evaluate(&pool, &vgg, other, PHOTO, &mut gradients[0]);
        let found = found.evaluate(other, PHOTO, &mut gradients[1]).unwrap();
        let terms = |t: &LossTerms| [t.total, t.content, t.style, t.total_variation];
        for (found, expected) in terms(&found).into_iter().zip(terms(&expected)) {
            assert!((found - expected).abs() <= 1e-5 * expected, "{found} {expected}");
        }
        assert!(distance(&gradients[1], &gradients[0]) < 1e-3, "{:e}", distance(&gradients[1], &gradients[0]));
    }
}

/// Photos without contrast have features of deviation 0, and a black artwork has no mean.
#[test]
fn flat_pictures_have_finite_gradients_layer_by_layer() {
    let vgg = Vgg::builtin();
    let (grey, black) = (vec![0.5; PHOTO.elements()], vec![0.0; PHOTO.elements()]);
    for (ops, _) in every_ops() {
        let mut loss = Layered::new(&ops, &vgg, LossWeights::house(), &[(&black, [48, 64], 1.0)]).unwrap();
        loss.set_content(&grey, PHOTO).unwrap();
        let mut gradient = vec![f32::NAN; grey.len()];
        let terms = loss.evaluate(&grey, PHOTO, &mut gradient).unwrap();
        assert!(terms.total.is_finite() && gradient.iter().all(|g| g.is_finite()), "{terms:?}");
        let tiny = Shape { height: 4, width: 4, ..PHOTO };
        let error = loss.set_content(&grey[..48], tiny).unwrap_err().to_string();
        assert!(error.contains("too small to be looked at up to relu4_1"), "{error}");
    }
}

#[test]
fn an_artwork_counts_by_its_share_of_all() {
    let (pool, vgg) = (ComputePool::new(2).unwrap(), Vgg::builtin());
    let (photos, art) = (tensor("inputs", "x"), tensor("inputs", "art"));
    let (photo, other) = photos.split_at(PHOTO.elements());
    let (a, b) = ((art.as_slice(), [56, 72]), (other, [48, 64]));
    for weights in [LossWeights::house(), LossWeights::johnson()] {
        let style = |artworks: &[(&[f32], [usize; 2], f64)]| {
            let mut loss = Perceptual::new(&pool, &vgg, weights.clone(), artworks);
            loss.set_content(&pool, &vgg, photo, PHOTO);
            loss.evaluate(&pool, &vgg, photo, PHOTO, &mut vec![0.0; photo.len()]).style
        };
        let equal = |a: f64, b: f64| assert!((a - b).abs() < 1e-5 * b, "{:?}: {a} and {b}", weights.recipe);
        let alone = [style(&[(a.0, a.1, 1.0)]), style(&[(b.0, b.1, 1.0)])];
        equal(style(&[(a.0, a.1, 2.0)]), alone[0]);
        equal(style(&[(a.0, a.1, 0.3), (a.0, a.1, 5.0)]), alone[0]);
        let three_to_one = style(&[(a.0, a.1, 3.0), (b.0, b.1, 1.0)]);
        equal(style(&[(b.0, b.1, 0.5), (a.0, a.1, 0.5), (a.0, a.1, 0.5), (a.0, a.1, 0.5)]), three_to_one);
        let one_to_three = style(&[(a.0, a.1, 1.0), (b.0, b.1, 3.0)]);
        let distance = |style: f64| (style - alone[0]).abs();
        assert!(distance(three_to_one) < distance(one_to_three), "{three_to_one} {one_to_three} {alone:?}");
    }
}

#[test]
fn lbfgs_finds_a_lower_loss_than_adam_in_as_many_evaluations() {
    const EVALUATIONS: usize = 50;
    let (pool, vgg) = (ComputePool::new(2).unwrap(), Vgg::builtin());
    let (photos, art) = (tensor("inputs", "x"), tensor("inputs", "art"));
    let photo = &photos[..PHOTO.elements()];
    let weights = LossWeights { style: 5.0, ..LossWeights::house() };
    let mut loss = Perceptual::new(&pool, &vgg, weights, &[(&art, [56, 72], 1.0)]);
    loss.set_content(&pool, &vgg, photo, PHOTO);
    let mut evaluate = |x: &[f32], gradient: &mut [f32]| loss.evaluate(&pool, &vgg, x, PHOTO, gradient).total;
    // Whatever learning rate suits Adam best.
    let adam = [0.01, 0.03, 0.1].map(|rate| {
        let mut pixels = vec![photo.to_vec()];
        let (mut adam, mut gradient) = (Adam::new(&pixels), vec![vec![0.0; photo.len()]]);
        let losses = (0..EVALUATIONS).map(|_| {
            let loss = evaluate(&pixels[0], &mut gradient[0]);
            adam.step(&pool, &mut pixels, &gradient, rate);
            loss
        });
        losses.fold(f64::INFINITY, f64::min)
    });
    let mut lbfgs = Lbfgs::new(photo.to_vec(), &mut evaluate);
    while lbfgs.evaluations() < EVALUATIONS && lbfgs.step(&pool, &mut evaluate) {}
    assert!(adam.iter().all(|adam| lbfgs.loss() < *adam), "{} and {adam:?}", lbfgs.loss());
}
