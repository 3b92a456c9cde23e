#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};

use super::read::tests::{Form, distance, layers, layers_of, safetensors, write};
use super::weights::Reading;
use super::*;
use crate::kernels::ComputePool;
use crate::kernels::layout::Shape;
use crate::kernels::tests::oracle::noise;

fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn refusal(path: &Path) -> String {
    Vgg::read(path).err().unwrap().to_string()
}

#[test]
fn a_net_from_a_file_sees_what_the_built_in_one_sees() {
    let folder = tempfile::tempdir().unwrap();
    // The name says nothing: the first bytes do.
    let path = file(folder.path(), "weights.mat", &safetensors(&layers(Reading::TORCHVISION)));
    let (pool, vgg, builtin) = (ComputePool::new(2).unwrap(), Vgg::read(&path).unwrap(), Vgg::builtin());
    let shape = Shape { batch: 2, channels: 3, height: 37, width: 50 };
    let photo: Vec<_> = noise(shape.elements(), 1).iter().map(|v| 0.5 + 0.1 * v).collect();
    // ImageNet's mean is not to the last digit Caffe's: give each what it sees as the same.
    let [own, other] = [&builtin, &vgg].map(|vgg| vgg.weights.mean());
    let moved = |(i, v): (usize, &f32)| v - own[i / shape.plane() % 3] + other[i / shape.plane() % 3];
    let moved: Vec<_> = photo.iter().enumerate().map(moved).collect();
    let mut features = [Features::default(), Features::default()];
    features[0].look(&pool, &builtin, &photo, shape, Tap(12));
    features[1].look(&pool, &vgg, &moved, shape, Tap(12));
    for (i, layer) in LAYERS.iter().enumerate() {
        let [a, b] = features.each_ref().map(|f| f.tap(Tap(i)).1.iter().flat_map(|block| block.0).collect::<Vec<_>>());
        assert!(distance(&a, &b) < 1e-4, "{}: {:e}", layer.name, distance(&a, &b));
    }
}

#[test]
fn kernels_along_their_height_are_noticed_in_a_matlab_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut turned = VggWeights::builtin();
    turned.transpose();
    assert_ne!(turned, VggWeights::builtin());
    let path = file(folder.path(), "vgg.mat", &write(&layers_of(&turned, Reading::MATCONVNET), Form::Mat));
    let read = Vgg::read(&path).unwrap();
    assert_eq!(read.weights.kernel(5), VggWeights::builtin().kernel(5));
}

#[test]
fn a_net_that_does_not_see_as_vgg_does_is_refused_with_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let caffe = file(folder.path(), "caffe.safetensors", &safetensors(&layers(Reading::CAFFE)));
    let refused = refusal(&caffe);
    let expected = "caffe.safetensors` does not see as a trained VGG19 does: its weights were trained for BGR of 0..255 \
                    minus a mean, and a file of this kind is for RGB of 0..1 with ImageNet's mean and deviation; ";
    assert!(refused.contains(expected), "{refused}");
    let swapped = file(folder.path(), "bgr", &safetensors(&layers(Reading::TORCHVISION_BGR)));
    let refused = refusal(&swapped);
    assert!(refused.contains("trained for BGR of 0..1 with ImageNet's mean and deviation, and a file"), "{refused}");
    let mut random = layers(Reading::TORCHVISION);
    for (i, (kernel, bias)) in random.iter_mut().enumerate() {
        let reach = (2.0 / (9.0 * bias.len() as f32)).sqrt();
        *kernel = noise(kernel.len(), i as u64).iter().map(|v| v * reach).collect();
        bias.fill(0.0);
    }
    let refused = refusal(&file(folder.path(), "random", &safetensors(&random)));
    assert!(refused.contains("agree with the built-in net's to 0.4"), "{refused}");
    for (kernel, _) in &mut random {
        for weight in kernel {
            *weight *= 0.1;
        }
    }
    let refused = refusal(&file(folder.path(), "faint", &safetensors(&random)));
    assert!(refused.contains("of a known photo its values have a root mean square of"), "{refused}");
    let refused = refusal(&folder.path().join("missing"));
    assert!(refused.contains("missing` can't be read: "), "{refused}");
    assert!(refusal(folder.path()).contains("can't be read: is a directory"));
}
