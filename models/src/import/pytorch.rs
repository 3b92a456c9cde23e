//! The state dict of pytorch/examples' `fast_neural_style`, by the names of its tensors.

use std::collections::BTreeMap;

use serde_json::json;

use super::{ImportError, published};
use crate::arch::MAX_RESIDUALS;
use crate::network::Tensor;
use crate::package::Package;

/// Tells whether tensors are those of such a net.
pub(super) fn is_state_dict(tensors: &BTreeMap<String, Tensor>) -> bool {
    tensors.contains_key("conv1.conv2d.weight") && tensors.contains_key("deconv3.conv2d.weight")
}

/// Makes a package of a state dict.
pub(super) fn convert(tensors: BTreeMap<String, Tensor>, title: &str) -> Result<Package, ImportError> {
    let width = |name: &str| tensors.get(name).and_then(|kernel| kernel.shape.first()).copied().unwrap_or(0);
    let widths = ["conv1", "conv2", "conv3"].map(|conv| width(&format!("{conv}.conv2d.weight")));
    let residuals =
        (1..=MAX_RESIDUALS + 1).take_while(|i| tensors.contains_key(&format!("res{i}.conv1.conv2d.weight"))).count();
    let parameters = [("widths".to_owned(), json!(widths)), ("residuals".to_owned(), json!(residuals))];
    // Files of 2017 carry the means and variances of a norm that never used them.
    let is_used =
        |name: &str| !["running_mean", "running_var", "num_batches_tracked"].iter().any(|s| name.ends_with(s));
    let tensors = tensors.into_iter().filter(|(name, _)| is_used(name));
    let renamed = tensors.map(|(name, tensor)| (canonical(&name).unwrap_or(name), tensor)).collect();
    published("pytorch-examples", title, parameters.into(), renamed)
}

/// Returns our name for one of theirs, such as `res.0.a.norm.weight` for `res1.in1.weight`.
fn canonical(theirs: &str) -> Option<String> {
    let (path, part) = theirs.rsplit_once('.')?;
    let outer = |layer: &str| {
        let place = match layer {
            "conv1" | "in1" => "down.0",
            "conv2" | "in2" => "down.1",
            "conv3" | "in3" => "down.2",
            "deconv1" | "in4" => "up.0",
            "deconv2" | "in5" => "up.1",
            "deconv3" => "out",
            _ => return None,
        };
        Some(place.to_owned())
    };
    let (layer, kind) = match path.strip_suffix(".conv2d") {
        Some(layer) => (layer, "conv"),
        None => (path, "norm"),
    };
    let place = match layer.split_once('.') {
        None => outer(layer)?,
        Some((block, inner)) => {
            let index = block.strip_prefix("res")?.parse::<usize>().ok()?.checked_sub(1)?;
            let letter = match inner {
                "conv1" | "in1" => "a",
                "conv2" | "in2" => "b",
                _ => return None,
            };
            format!("res.{index}.{letter}")
        }
    };
    Some(format!("{place}.{kind}.{part}"))
}
