#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::OnceLock;

use super::*;
use crate::losses::LossWeights;
use crate::picture::{self, Limits};
use crate::training::BUILTIN;

fn vgg() -> Arc<Vgg> {
    static VGG: OnceLock<Arc<Vgg>> = OnceLock::new();
    Arc::clone(VGG.get_or_init(|| Arc::new(Vgg::builtin())))
}

fn photo(number: usize, width: u32, height: u32) -> Picture {
    picture::decode(BUILTIN[number].1, Limits { pixels: 1 << 24 }).unwrap().1.resized(width, height).unwrap()
}

/// A cat after a painting of its own kind; two levels.
fn commission(optimizer: Optimizer) -> Commission {
    let recipe = PaintRecipe { steps: 10, optimizer, ..PaintRecipe::default() };
    Commission { recipe, photo: photo(1, 257, 190), artworks: vec![(photo(4, 200, 140), 1.0)] }
}

fn run(painter: &mut Painter, compute: &Compute) -> Vec<Step> {
    std::iter::from_fn(|| painter.step(compute).unwrap()).collect()
}

#[test]
fn a_painting_that_was_taken_up_again_equals_one_that_was_not() {
    let compute = Compute::cpu(2).unwrap();
    for optimizer in [Optimizer::Adam, Optimizer::Lbfgs] {
        let mut whole = Painter::begin(&compute, vgg(), commission(optimizer)).unwrap();
        let expected = run(&mut whole, &compute);
        let last = expected.last().unwrap();
        assert_eq!(last.number, 10, "{optimizer:?}");
        let mut checkpoint = Painter::begin(&compute, vgg(), commission(optimizer)).unwrap().checkpoint();
        let mut steps = Vec::new();
        for stop_after in [2, 3, 1, 4] {
            let mut part = Painter::resume(&compute, vgg(), commission(optimizer), &checkpoint).unwrap();
            for _ in 0..stop_after {
                steps.extend(part.step(&compute).unwrap());
            }
            checkpoint = part.checkpoint();
        }
        assert_eq!(steps, expected, "{optimizer:?}");
        let part = Painter::resume(&compute, vgg(), commission(optimizer), &checkpoint).unwrap();
        assert_eq!(part.picture(), whole.picture(), "{optimizer:?}");
        assert_eq!((whole.picture().width(), whole.picture().height()), (257, 190));
    }
}

#[test]
fn painting_brings_the_loss_down_from_photo_and_from_noise() {
    let compute = Compute::cpu(2).unwrap();
    for start in [Start::Content, Start::Noise] {
        let recipe = PaintRecipe { steps: 30, start, ..PaintRecipe::default() };
        let commission = Commission { recipe, photo: photo(1, 120, 90), ..commission(Optimizer::Lbfgs) };
        let mut painter = Painter::begin(&compute, vgg(), commission).unwrap();
        let steps = run(&mut painter, &compute);
        let (first, last) = (steps[0].terms.total, steps.last().unwrap().terms.total);
        assert!(last < 0.7 * first, "{start:?}: {first} to {last}");
    }
}

/// A card's way, on the processor. The longer L-BFGS goes on, the more a difference of rounding matters.
#[test]
fn a_card_paints_what_the_processor_paints() {
    for optimizer in [Optimizer::Adam, Optimizer::Lbfgs] {
        let recipe = PaintRecipe { steps: 4, optimizer, ..PaintRecipe::default() };
        let artworks = vec![(photo(4, 80, 72), 1.0), (photo(5, 64, 64), 0.5)];
        let commission = || Commission { recipe: recipe.clone(), photo: photo(1, 70, 49), artworks: artworks.clone() };
        let run = |compute: &Compute| {
            let mut painter = Painter::begin(compute, vgg(), commission()).unwrap();
            (run(&mut painter, compute), painter)
        };
        let (expected, on_cores) = run(&Compute::cpu(2).unwrap());
        for card in [Compute::as_on_card(candle_core::DType::F32), Compute::layered(2).unwrap()] {
            let (steps, painter) = run(&card);
            assert_eq!(steps.len(), expected.len());
            for (found, expected) in steps.iter().zip(&expected) {
                let (found, expected) = (found.terms.total, expected.terms.total);
                assert!((found - expected).abs() < 5e-3 * expected, "{optimizer:?}: {found} for {expected}");
            }
            let [a, b] = [&painter, &on_cores].map(Painter::picture);
            let off = a.rgb().iter().zip(b.rgb()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>();
            assert!(off < a.rgb().len() as u64, "{optimizer:?}: {off} shades off on {} samples", a.rgb().len());
            let taken_up = Painter::resume(&card, vgg(), commission(), &painter.checkpoint()).unwrap();
            assert_eq!(taken_up.picture(), a);
        }
    }
}

#[test]
fn the_smallest_and_the_thinnest_photos_are_painted_on_every_device() {
    for compute in [Compute::cpu(2).unwrap(), Compute::layered(2).unwrap()] {
        for (width, height) in [(1, 1), (16, 16), (300, 17), (2, 300)] {
            let recipe = PaintRecipe { steps: 1, ..PaintRecipe::default() };
            let small = Commission { recipe, photo: photo(1, width, height), artworks: vec![(photo(4, 64, 64), 1.0)] };
            let mut painter = Painter::begin(&compute, vgg(), small).unwrap();
            assert_eq!(run(&mut painter, &compute).len(), 1);
            assert_eq!((painter.picture().width(), painter.picture().height()), (width, height));
        }
    }
    let levels = |width, height| levels(&Commission { photo: photo(1, width, height), ..commission(Optimizer::Adam) });
    assert_eq!([levels(600, 16).len(), levels(600, 40).len(), levels(600, 64).len()], [1, 2, 3]);
}

#[test]
fn each_artwork_counts_by_its_weight() {
    let compute = Compute::cpu(2).unwrap();
    let style = |weights: [f64; 2]| {
        let artworks = vec![(photo(4, 140, 140), weights[0]), (photo(5, 140, 140), weights[1])];
        let commission = Commission { photo: photo(4, 100, 100), artworks, ..commission(Optimizer::Adam) };
        Painter::begin(&compute, vgg(), commission).unwrap().step(&compute).unwrap().unwrap().terms.style
    };
    // The photo is the first artwork: the more that one counts, the nearer the photo is from the beginning.
    let styles = [style([9.0, 1.0]), style([1.0, 1.0]), style([1.0, 9.0])];
    assert!(styles.is_sorted(), "{styles:?}");
    assert!((style([3.0, 3.0]) - styles[1]).abs() < 1e-9);
}

#[test]
fn a_commission_that_cannot_be_painted_is_refused_with_the_reason() {
    let refusal = |commission| Painter::begin(&Compute::cpu(1).unwrap(), vgg(), commission).err().unwrap().to_string();
    let whole = commission(Optimizer::Adam);
    assert!(refusal(Commission { artworks: Vec::new(), ..whole.clone() }).contains("at least one artwork"));
    let artworks = vec![(photo(1, 64, 64), -1.0)];
    assert!(refusal(Commission { artworks, ..whole.clone() }).starts_with("artwork_weight must be above 0"));
    let losses = LossWeights { style: f64::NAN, ..LossWeights::house() };
    let recipe = PaintRecipe { losses, ..PaintRecipe::default() };
    assert!(refusal(Commission { recipe, ..whole.clone() }).starts_with("style_weight must be above 0"));
    let other = Commission { photo: photo(2, 64, 64), ..whole.clone() };
    let compute = Compute::cpu(1).unwrap();
    let checkpoint = Painter::begin(&compute, vgg(), whole).unwrap().checkpoint();
    assert!(matches!(Painter::resume(&compute, vgg(), other, &checkpoint), Err(TrainError::Checkpoint)));
}

#[test]
fn long_large_and_many_artworks_are_counted() {
    let recipe = PaintRecipe::default();
    let needed = |artworks: &[(u32, u32)]| recipe.memory_bytes(300, 300, artworks);
    assert!(needed(&[(100, 100)]) < needed(&[]) + (2 << 20));
    assert!(needed(&[(2400, 300)]) > needed(&[(300, 300)]) * 3 / 2, "it is looked at as long as it is");
    let large = 6300 * 6300 * 3;
    assert!(needed(&[(6300, 6300); 8]) > needed(&[(6300, 6300)]) + 7 * large, "all are kept");
}
