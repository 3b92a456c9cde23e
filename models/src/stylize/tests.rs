#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use serde_json::json;

use super::*;
use crate::builtin::builtin_styles;
use crate::fixtures::{describe, small_package, some_weights};
use crate::package::{Manifest, PackageLimits};
use crate::picture::{Limits, decode};

fn compute() -> Compute {
    Compute::cpu(2).unwrap()
}

fn go_on(_: f64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[track_caller]
fn paint(stylizer: &Stylizer, photo: &Picture, compute: &Compute) -> Picture {
    match stylizer.paint(photo, compute, u64::MAX, &mut go_on).unwrap() {
        Outcome::Painted(painting) => painting,
        Outcome::Interrupted => panic!("nobody interrupted"),
    }
}

fn read(file: &str) -> Picture {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/builtin");
    decode(&std::fs::read(format!("{folder}/{file}")).unwrap(), Limits::default()).unwrap().1
}

#[test]
fn the_builtin_styles_paint_as_an_independent_implementation_does() {
    let photo = read("input.png");
    for style in builtin_styles() {
        let stylizer = Stylizer::load(&style.package(&PackageLimits::default()).unwrap(), &compute()).unwrap();
        let (painting, expected) =
            (paint(&stylizer, &photo, &compute()), read(&format!("expected-{}.png", style.name)));
        assert_eq!((painting.width(), painting.height()), (321, 215));
        let difference = painting.rgb().iter().zip(expected.rgb()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(difference <= Some(1), "{}: {difference:?}", style.name);
    }
}

#[test]
fn any_size_from_one_pixel_comes_back_with_its_alpha() {
    let stylizer = Stylizer::load(&small_package(), &compute()).unwrap();
    for (width, height) in [(1u32, 1u32), (1, 7), (6, 1), (5, 3), (33, 18)] {
        let pixels = (width * height) as usize;
        let alpha: Vec<u8> = (0..pixels).map(|i| (i % 254) as u8).collect();
        let photo = Picture::new(width, height, vec![90; pixels * 3], Some(alpha.clone())).unwrap();
        let painting = paint(&stylizer, &photo, &compute());
        assert_eq!((painting.width(), painting.height()), (width, height));
        assert_eq!(painting.alpha(), Some(alpha.as_slice()));
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let stylizer = Stylizer::load(&small_package(), &compute()).unwrap();
    let photo = read("input.png");
    let one = paint(&stylizer, &photo, &Compute::cpu(1).unwrap());
    assert!(one == paint(&stylizer, &photo, &Compute::cpu(3).unwrap()));
}

#[test]
fn a_broken_off_painting_is_no_error() {
    let stylizer = Stylizer::load(&small_package(), &compute()).unwrap();
    let photo = Picture::new(4, 4, vec![0; 48], None).unwrap();
    let outcome = stylizer.paint(&photo, &compute(), u64::MAX, &mut |_| ControlFlow::Break(())).unwrap();
    assert!(matches!(outcome, Outcome::Interrupted));
}

#[test]
fn weights_that_overflow_are_an_error_and_not_a_black_picture() {
    let package = small_package();
    let tensors = package.weights.iter().map(|(name, tensor)| {
        let mut tensor = tensor.clone();
        if name == "res.0.a.conv.weight" {
            tensor.values.fill(f32::MAX);
        }
        (name.to_owned(), tensor)
    });
    let package = Package::new(package.manifest.clone(), tensors.collect(), None).unwrap();
    let photo = Picture::new(9, 9, (0..243).collect(), None).unwrap();
    let error =
        Stylizer::load(&package, &compute()).unwrap().paint(&photo, &compute(), u64::MAX, &mut go_on).unwrap_err();
    assert!(matches!(error, StylizeError::NotFinite { layer } if layer == "res.0.a"));
}

#[test]
fn memory_grows_with_the_picture() {
    let package = small_package();
    let footprint = Footprint::of(&package).unwrap();
    let [small, large] = [1000, 2000].map(|side| footprint.memory_bytes(side, side, u64::MAX).unwrap());
    assert!(large > 3 * small && large < 5 * small, "{small} {large}");
    let thrifty = footprint.memory_bytes(2000, 2000, large / 2).unwrap();
    assert!(thrifty <= large / 2, "{thrifty} of {large}");
    let least = footprint.memory_bytes(2000, 2000, 1).unwrap_err();
    assert!(footprint.memory_bytes(2000, 2000, least).is_ok_and(|bytes| bytes <= least), "{least}");
}

#[test]
fn the_planned_executor_paints_what_candle_paints() {
    let candle = Compute::as_on_card(candle_core::DType::F32);
    let photo = read("input.png").resized(94, 61).unwrap();
    for architecture in crate::arch::ARCHITECTURES {
        let parameters = json!({"widths": [8, 20, 16], "residuals": 2});
        let weights = some_weights(&describe(architecture.name, parameters.clone()));
        let manifest = Manifest {
            title: "Some".to_owned(),
            architecture: architecture.name.to_owned(),
            parameters: serde_json::from_value(parameters).unwrap(),
            ..Manifest::default()
        };
        let tensors = weights.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect();
        let package = Package::new(manifest, tensors, None).unwrap();
        let [planned, plain] =
            [&compute(), &candle].map(|on| paint(&Stylizer::load(&package, on).unwrap(), &photo, on));
        let difference = planned.rgb().iter().zip(plain.rgb()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(difference <= Some(1), "{}: {difference:?}", architecture.name);
        assert!(plain.rgb().iter().any(|v| *v != plain.rgb()[0]), "{} paints one colour", architecture.name);
    }
}

#[test]
fn a_style_paints_only_on_the_kind_of_device_it_was_loaded_for() {
    let candle = Compute::as_on_card(candle_core::DType::F32);
    let stylizer = Stylizer::load(&small_package(), &candle).unwrap();
    let photo = Picture::new(4, 4, vec![0; 48], None).unwrap();
    assert!(matches!(stylizer.paint(&photo, &compute(), u64::MAX, &mut go_on), Err(StylizeError::Device { .. })));
}

#[test]
fn a_small_budget_paints_the_same_picture_in_strips() {
    let package = small_package();
    let photo = Picture::new(300, 400, (0..360_000).map(|at| (at * 31 % 253) as u8).collect(), None).unwrap();
    let stylizer = Stylizer::load(&package, &compute()).unwrap();
    let least = Footprint::of(&package).unwrap().memory_bytes(300, 400, 1).unwrap_err();
    let painted = |budget| match stylizer.paint(&photo, &compute(), budget, &mut go_on).unwrap() {
        Outcome::Painted(picture) => picture,
        Outcome::Interrupted => panic!("nobody interrupted it"),
    };
    let (whole, strips) = (painted(u64::MAX), painted(least));
    let largest = whole.rgb().iter().zip(strips.rgb()).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(largest <= Some(1), "{largest:?}");
}
