//! Small networks, weights and packages for tests.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use serde_json::{Value, json};

use crate::arch;
use crate::network::{Network, Tensor, Weights};
use crate::package::{Manifest, Package};

/// Returns the network of an architecture.
pub(crate) fn describe(name: &str, parameters: Value) -> Network {
    (arch::find(name).unwrap().describe)(&serde_json::from_value(parameters).unwrap()).unwrap()
}

/// Returns weights: small, different from each other, the same on every call.
pub(crate) fn some_weights(network: &Network) -> Weights {
    let mut seed = 1u32;
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as f32 / (1 << 24) as f32
    };
    let tensors = network.parameters().into_iter().map(|p| {
        let reach = (p.shape.iter().skip(1).product::<usize>() as f32).powf(-0.5);
        let is_variance = p.name.ends_with("running_var");
        let value = |v: f32| if is_variance { v + 0.1 } else { (v * 2.0 - 1.0) * reach };
        let values = (0..p.shape.iter().product::<usize>()).map(|_| value(next())).collect();
        (p.name, Tensor { shape: p.shape, values })
    });
    Weights::new(network, tensors.collect()).unwrap()
}

/// Returns a package with every key, 2, 3 and 4 channels wide.
pub(crate) fn small_package() -> Package {
    let parameters = json!({"widths": [2, 3, 4], "residuals": 1, "norm": "instance", "upsample": "nearest"});
    let weights = some_weights(&describe("house", parameters.clone()));
    let manifest = Manifest {
        title: "A \"small\" wave".to_owned(),
        architecture: "house".to_owned(),
        parameters: serde_json::from_value(parameters).unwrap(),
        licence: Some("CC0-1.0".to_owned()),
        author: Some("Ätelier".to_owned()),
        artwork: Some("The Great Wave off Kanagawa".to_owned()),
        trained_on: Some("nothing".to_owned()),
        recipe: Some("house".to_owned()),
        steps: Some(600),
        seed: Some(7),
        command: Some("atelier train wave.jpg --name wave".to_owned()),
        losses: Some("total 2.5".to_owned()),
    };
    let tensors = weights.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect();
    Package::new(manifest, tensors, Some(vec![0xff, 0xd8, 0xff, 0xd9])).unwrap()
}
