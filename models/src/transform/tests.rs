#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use candle_core::{DType, Device};
use serde_json::json;

use super::*;
use crate::arch;
use crate::fixtures::{describe, some_weights};
use crate::network::Tensor as Plain;

const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/reference");

fn load(file: &str) -> std::collections::HashMap<String, Tensor> {
    let bytes = std::fs::read(format!("{REFERENCE}/{file}")).unwrap();
    candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).unwrap()
}

fn ops() -> Ops {
    Ops::as_on_card(DType::F32)
}

fn go_on(_: f64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn relative_difference(a: &Tensor, b: &Tensor) -> f32 {
    let norm = |t: &Tensor| t.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap().sqrt();
    norm(&(a - b).unwrap()) / norm(b)
}

#[test]
fn the_narrow_reference_net_gives_the_reference_output() {
    let network = describe("house", json!({"widths": [8, 16, 32], "residuals": 2}));
    let plain = |(name, t): (String, Tensor)| {
        let values = t.flatten_all().unwrap().to_vec1().unwrap();
        (name, Plain { shape: t.dims().to_vec(), values })
    };
    let tensors = load("net.safetensors").into_iter().map(plain).collect();
    let weights = Weights::new(&network, tensors).unwrap();
    let transform = Transform::new(&network, &weights, &ops()).unwrap();
    let painting = transform.forward(&load("inputs.safetensors")["x"], &mut go_on).unwrap().unwrap();
    // The reference is not clamped.
    let expected = load("forward.safetensors")["y"].clamp(0f32, 1f32).unwrap();
    let relative = relative_difference(&painting, &expected);
    assert!(relative < 1e-4, "{relative}");
}

#[test]
fn every_architecture_paints_every_small_size() {
    for architecture in arch::ARCHITECTURES {
        let network = describe(architecture.name, json!({"widths": [2, 3, 4], "residuals": 1}));
        let transform = Transform::new(&network, &some_weights(&network), &ops()).unwrap();
        for (height, width) in [(1, 1), (1, 9), (2, 3), (5, 1), (7, 6), (13, 17)] {
            let photo = Tensor::rand(0f32, 1f32, (1, 3, height, width), &Device::Cpu).unwrap();
            let painting = transform.forward(&photo, &mut go_on).unwrap().unwrap();
            assert_eq!(painting.dims(), [1, 3, height, width], "{}", architecture.name);
        }
    }
}

#[test]
fn every_norm_and_enlargement_of_the_house_net_paints() {
    for norm in ["instance", "batch"] {
        for upsample in ["nearest", "bilinear", "transposed"] {
            let parameters = json!({"widths": [2, 3, 4], "residuals": 1, "norm": norm, "upsample": upsample});
            let network = describe("house", parameters);
            let transform = Transform::new(&network, &some_weights(&network), &ops()).unwrap();
            let photo = Tensor::rand(0f32, 1f32, (2, 3, 9, 14), &Device::Cpu).unwrap();
            let painting = transform.forward(&photo, &mut go_on).unwrap().unwrap();
            assert_eq!(painting.dims(), [2, 3, 9, 14], "{norm} {upsample}");
        }
    }
}

#[test]
fn a_transposed_convolution_adds_each_input_times_the_kernel_and_drops_the_last_row() {
    let network = describe("house", json!({"widths": [1, 1, 1], "residuals": 0, "upsample": "transposed"}));
    let up = network.convs().find(|conv| conv.name == "up.0").unwrap().clone();
    let kernel = Tensor::arange(1f32, 10.0, &Device::Cpu).unwrap().reshape((1, 1, 3, 3)).unwrap();
    let transform = Transform::of(&network, [("up.0.conv.weight".to_owned(), kernel)].into(), &ops());
    let x = Tensor::new(&[[[[1f32, 10.0]]]], &Device::Cpu).unwrap();
    let y = transform.convolve(&up, &x).unwrap().squeeze(0).unwrap().squeeze(0).unwrap();
    assert_eq!(y.to_vec2::<f32>().unwrap(), [[1.0, 2.0, 13.0, 20.0], [4.0, 5.0, 46.0, 50.0]]);
}

#[test]
fn a_number_that_is_not_finite_is_an_error_that_names_the_layer() {
    let network = describe("house", json!({"widths": [2, 2, 2], "residuals": 0}));
    let mut tensors: BTreeMap<_, _> =
        some_weights(&network).iter().map(|(name, t)| (name.to_owned(), t.clone())).collect();
    tensors.get_mut("down.1.conv.weight").unwrap().values.fill(f32::MAX);
    let weights = Weights::new(&network, tensors).unwrap();
    let transform = Transform::new(&network, &weights, &ops()).unwrap();
    let photo = Tensor::ones((1, 3, 8, 8), candle_core::DType::F32, &Device::Cpu).unwrap();
    let error = transform.forward(&photo, &mut go_on).unwrap_err();
    assert!(matches!(error, TransformError::NotFinite { layer } if layer == "down.1"));
}

#[test]
fn progress_grows_to_one_and_a_break_stops_the_pass() {
    let network = describe("lengstrom", json!({"widths": [2, 2, 2], "residuals": 2}));
    let transform = Transform::new(&network, &some_weights(&network), &ops()).unwrap();
    let photo = Tensor::ones((1, 3, 8, 8), candle_core::DType::F32, &Device::Cpu).unwrap();
    let mut heard = Vec::new();
    transform
        .forward(&photo, &mut |done| {
            heard.push(done);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(heard.is_sorted() && heard.last() == Some(&1.0) && heard.len() == 10, "{heard:?}");
    let mut calls = 0;
    let mut stop = |_| {
        calls += 1;
        if calls == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    assert!(transform.forward(&photo, &mut stop).unwrap().is_none());
    assert_eq!(calls, 3);
}
