#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeMap;

use super::*;

fn conv(name: &str) -> Conv {
    let norm = Some(Norm { kind: NormKind::Batch, eps: 1e-5, affine: true });
    Conv {
        name: name.to_owned(),
        inputs: 3,
        outputs: 3,
        kernel: 3,
        stride: 1,
        upsample: Upsample::None,
        padding: Padding::Reflect,
        bias: true,
        norm,
        relu: true,
    }
}

fn network(layers: Vec<Layer>) -> Network {
    let input = InputMap { scale: [1.0; 3], shift: [0.0; 3] };
    Network { input, margin: 0, multiple: 1, layers, output: OutputMap::Linear { scale: 1.0, shift: 0.0 } }
}

fn tensors(network: &Network) -> BTreeMap<String, Tensor> {
    let tensor = |p: Parameter| {
        let values = vec![0.5; p.shape.iter().product()];
        (p.name, Tensor { shape: p.shape, values })
    };
    network.parameters().into_iter().map(tensor).collect()
}

#[test]
fn a_mirror_repeats_no_edge_and_goes_on_beyond_its_first_image() {
    let seen: Vec<_> = (-5..8).map(|i| reflect(i, 3)).collect();
    assert_eq!(seen, [1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1]);
    assert!((-9..9).all(|i| reflect(i, 1) == 0));
}

#[test]
fn a_photo_is_mirrored_to_the_multiple_first_and_to_the_margin_then() {
    let net = Network { margin: 2, multiple: 4, ..network(vec![]) };
    assert_eq!(net.source_indices(5), [2, 1, 0, 1, 2, 3, 4, 3, 2, 1, 2, 3]);
    assert_eq!(net.padded_side(5), 12);
    assert_eq!(net.source_indices(1), [0; 8]);
}

#[test]
fn sizes_follow_padding_stride_and_upsampling() {
    let check = |conv: Conv, side, expected| {
        assert_eq!(conv.output_size(side, side), (expected, expected), "{conv:?}");
    };
    check(conv("c"), 7, 7);
    check(Conv { stride: 2, ..conv("c") }, 7, 4);
    check(Conv { stride: 2, padding: Padding::Same, ..conv("c") }, 8, 4);
    check(Conv { stride: 2, upsample: Upsample::Nearest(4), ..conv("c") }, 5, 10);
    check(Conv { stride: 2, upsample: Upsample::Transposed, ..conv("c") }, 5, 10);
    check(Conv { upsample: Upsample::Bilinear(2), kernel: 9, ..conv("c") }, 1, 2);
    assert_eq!(Conv { stride: 2, padding: Padding::Same, ..conv("c") }.pads(8), (0, 1));
    assert_eq!(Conv { stride: 2, padding: Padding::Same, ..conv("c") }.pads(7), (1, 1));
    assert_eq!(Conv { stride: 2, upsample: Upsample::Transposed, ..conv("c") }.pads(8), (0, 1));
}

#[test]
fn weights_that_fit_are_taken() {
    let net = network(vec![Layer::Conv(conv("one")), Layer::Residual { a: conv("two.a"), b: conv("two.b") }]);
    let weights = Weights::new(&net, tensors(&net)).unwrap();
    assert_eq!(weights.iter().count(), 18);
    assert_eq!(weights.bytes(), net.parameter_count() * 4);
    assert_eq!(net.parameter_count(), 3 * (81 + 5 * 3));
}

#[test]
fn weights_that_do_not_fit_are_refused_by_the_tensors_name() {
    let net = network(vec![Layer::Conv(conv("one"))]);
    let refused = |name: &str, tensor: Option<Tensor>| {
        let mut map = tensors(&net);
        match tensor {
            Some(tensor) => map.insert(name.to_owned(), tensor),
            None => map.remove(name),
        };
        Weights::new(&net, map).unwrap_err()
    };
    let with = |values: &[f32], side| Some(Tensor { shape: vec![side], values: values.to_vec() });
    let name = "one.conv.bias".to_owned();
    let missing = refused(&name, None);
    assert_eq!(missing, WeightsError::Missing { name: name.clone() });
    let shape = refused(&name, with(&[0.0; 4], 4));
    assert_eq!(shape, WeightsError::Shape { name: name.clone(), expected: vec![3], found: vec![4] });
    assert!(matches!(refused(&name, with(&[0.0; 2], 3)), WeightsError::Shape { .. }));
    for bad in [f32::NAN, f32::INFINITY] {
        let error = refused(&name, with(&[0.0, bad, 0.0], 3));
        assert_eq!(error, WeightsError::NotFinite { name: name.clone() });
    }
    let name = "one.norm.running_var".to_owned();
    assert_eq!(refused(&name, with(&[0.0, -1.0, 0.0], 3)), WeightsError::NotFinite { name });
    let name = "extra".to_owned();
    assert_eq!(refused(&name, with(&[], 0)), WeightsError::Surplus { name });
}
