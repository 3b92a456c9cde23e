#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod hostile;
mod mat_writer;
mod torch_writer;

use std::io::Cursor;

use super::*;
use crate::vgg::weights::Reading;

/// Kernel and bias of each layer, as a file has them.
pub(crate) type Layers = Vec<(Vec<f32>, Vec<f32>)>;

/// A container, and a way to fill it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    Zip,
    Legacy,
    Mat,
    /// The older fields, compressed.
    OldMat,
}

/// Returns the built-in weights for pictures that are read in some way.
pub(crate) fn layers(reading: Reading) -> Layers {
    layers_of(&VggWeights::builtin(), reading)
}

pub(crate) fn layers_of(weights: &VggWeights, reading: Reading) -> Layers {
    let mut layers: Layers =
        (0..LAYERS.len()).map(|i| (weights.kernel(i).to_vec(), weights.bias(i).to_vec())).collect();
    for output in layers[0].0.as_chunks_mut::<27>().0 {
        let rgb = *output;
        for (c, place) in reading.order.into_iter().enumerate() {
            for i in 0..9 {
                output[c * 9 + i] = rgb[place * 9 + i] / (reading.range / reading.deviation[c]);
            }
        }
    }
    layers
}

pub(crate) fn safetensors(layers: &Layers) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut body = Vec::new();
    for ((kernel, bias), layer) in layers.iter().zip(LAYERS) {
        let name = layer.torch_name();
        for (name, shape, values) in [
            (format!("{name}.weight"), layer.shape().to_vec(), kernel),
            (format!("{name}.bias"), vec![bias.len()], bias),
        ] {
            let from = body.len();
            body.extend(values.iter().flat_map(|v| v.to_le_bytes()));
            let entry = serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": [from, body.len()]});
            header.insert(name, entry);
        }
    }
    // What is not needed is passed over, whatever it is.
    header.insert("classifier.0.weight".into(), serde_json::json!({"dtype": "?", "shape": [], "data_offsets": [9, 1]}));
    let header = serde_json::Value::Object(header).to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &body].concat()
}

pub(crate) fn write(layers: &Layers, form: Form) -> Vec<u8> {
    match form {
        Form::Zip => torch_writer::zip(layers),
        Form::Legacy => torch_writer::legacy(layers),
        Form::Mat => mat_writer::file(layers, false),
        Form::OldMat => mat_writer::file(layers, true),
    }
}

/// Relative L2 distance.
pub(crate) fn distance(found: &[f32], expected: &[f32]) -> f64 {
    let sum = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let error = sum(&mut found.iter().zip(expected).map(|(a, b)| f64::from(a - b)));
    error / sum(&mut expected.iter().map(|v| f64::from(*v)))
}

fn check(what: &str, bytes: &[u8], mean: [f32; 3]) {
    let (read, builtin) = (weights(&mut Cursor::new(bytes)).unwrap(), VggWeights::builtin());
    for (i, layer) in LAYERS.iter().enumerate() {
        assert!(distance(read.kernel(i), builtin.kernel(i)) < 1e-6, "{what}: {}", layer.name);
        assert_eq!(read.bias(i), builtin.bias(i), "{what}: {}", layer.name);
    }
    for (read, mean) in read.mean().iter().zip(mean) {
        assert!((read - mean).abs() < 1e-6, "{what}: {read:?}");
    }
}

#[test]
fn every_container_gives_the_weights_that_were_put_in() {
    let imagenet = [0.485, 0.456, 0.406];
    check("safetensors", &safetensors(&layers(Reading::TORCHVISION)), imagenet);
    check("zip", &write(&layers(Reading::TORCHVISION), Form::Zip), imagenet);
    check("legacy", &write(&layers(Reading::TORCHVISION), Form::Legacy), imagenet);
    let original = [123.68, 116.779, 103.939].map(|mean| mean / 255.0);
    check("mat", &write(&layers(Reading::MATCONVNET), Form::Mat), original);
    // The older file is written with a mean of its own: 120, 110 and 100.
    let own = [120.0, 110.0, 100.0].map(|mean| mean / 255.0);
    check("older mat", &write(&layers(Reading::MATCONVNET), Form::OldMat), own);
}

#[test]
fn a_tensor_that_is_missing_or_of_another_shape_is_named() {
    let refusal = |text: &str| {
        let bytes = [&(text.len() as u64).to_le_bytes()[..], text.as_bytes(), &[0; 8000]].concat();
        weights(&mut Cursor::new(bytes)).err().unwrap().to_string()
    };
    let name = "features.0.weight";
    assert_eq!(refusal("{}"), format!("is no VGG19: it has no `{name}`, which should have the shape [64, 3, 3, 3]"));
    let shaped = |dtype: &str, shape: &str, to: usize| {
        refusal(&format!(r#"{{"{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[0,{to}]}}}}"#))
    };
    let found = shaped("F32", "[64, 3, 7, 7]", 9);
    assert_eq!(found, format!("is no VGG19: its `{name}` has the shape [64, 3, 7, 7] and should have [64, 3, 3, 3]"));
    let found = shaped("I64", "[64, 3, 3, 3]", 9);
    assert_eq!(found, format!("holds `{name}` as I64, which is not understood here: save the weights as F32"));
    assert!(shaped("F32", "[64, 3, 3, 3]", 100).contains("has 6912 bytes but lies at 0..100"));
    assert!(shaped("F32", "[64, 3, 3, 3]", 6912).contains("it has no `features.0.bias`"));
}

#[test]
fn a_weight_that_is_not_finite_is_refused_with_its_layer() {
    let mut layers = layers(Reading::TORCHVISION);
    layers[4].0[77] = f32::NAN;
    let problem = weights(&mut Cursor::new(safetensors(&layers))).err().unwrap().to_string();
    assert_eq!(problem, "has a weight of conv3_1 that is not a finite number: the file is damaged; fetch it again");
}
