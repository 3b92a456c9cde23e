//! A deeplearn.js checkpoint of lengstrom/fast-style-transfer: `manifest.json` and one raw file a variable.
//!
//! Variables stand in the order of their creation: for every convolution its kernel, the norm's shift, the norm's scale.
//! Kernels are `(h, w, in, out)`, those of transposed convolutions `(h, w, out, in)`, single precision, little-endian.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::{ImportError, published};
use crate::network::Tensor;
use crate::package::{Package, PackageError, PackageLimits};
use crate::text::printable;

/// The name of the file that lists the variables.
pub(super) const MANIFEST: &str = "manifest.json";

/// Variables of a convolution: kernel, shift, scale.
const PER_CONVOLUTION: usize = 3;
/// Convolutions outside the residual blocks: three down, two up, one out.
const FIXED_CONVOLUTIONS: usize = 6;

#[derive(Deserialize)]
struct Variable {
    filename: String,
    shape: Vec<usize>,
}

/// Reads a checkpoint whose files `read` knows by name.
pub(super) fn read(
    manifest: &[u8],
    title: &str,
    limits: &PackageLimits,
    read: impl Fn(&str) -> Result<Option<Vec<u8>>, PackageError>,
) -> Result<Package, ImportError> {
    let listed: BTreeMap<String, Variable> =
        serde_json::from_slice(manifest).map_err(|error| invalid(format!("{MANIFEST}: {error}")))?;
    let convolutions = listed.len() / PER_CONVOLUTION;
    if !listed.len().is_multiple_of(PER_CONVOLUTION) || convolutions < FIXED_CONVOLUTIONS || convolutions % 2 == 1 {
        return Err(invalid(format!("{} variables are not those of a net of lengstrom's", listed.len())));
    }
    let residuals = (convolutions - FIXED_CONVOLUTIONS) / 2;
    let mut bytes_left = limits.weights_bytes;
    let mut variable = |index: usize| {
        let name = if index == 0 { "Variable".to_owned() } else { format!("Variable_{index}") };
        let about = listed.get(&name).ok_or_else(|| invalid(format!("there is no `{name}`")))?;
        let bytes = read(&about.filename)?.ok_or_else(|| invalid(format!("the file of `{name}` is missing")))?;
        let too_large = PackageError::TooLarge { file: name.clone(), limit: limits.weights_bytes };
        bytes_left = bytes_left.checked_sub(bytes.len() as u64).ok_or(too_large)?;
        tensor(&about.shape, &bytes).ok_or_else(|| invalid(format!("`{name}` has not the size of its shape")))
    };
    let mut tensors = BTreeMap::new();
    let mut widths = Vec::new();
    for (index, name) in names(residuals).into_iter().enumerate() {
        let kernel = variable(index * PER_CONVOLUTION)?;
        if let ([_, _, _, width], true) = (kernel.shape.as_slice(), widths.len() < 3) {
            widths.push(*width);
        }
        tensors.insert(format!("{name}.conv.weight"), channels_first(&kernel));
        tensors.insert(format!("{name}.norm.bias"), variable(index * PER_CONVOLUTION + 1)?);
        tensors.insert(format!("{name}.norm.weight"), variable(index * PER_CONVOLUTION + 2)?);
    }
    let parameters = [("widths".to_owned(), json!(widths)), ("residuals".to_owned(), json!(residuals))];
    published("lengstrom", title, parameters.into(), tensors)
}

fn names(residuals: usize) -> Vec<String> {
    let down = (0..3).map(|i| format!("down.{i}"));
    let residual = (0..residuals).flat_map(|i| [format!("res.{i}.a"), format!("res.{i}.b")]);
    let up = (0..2).map(|i| format!("up.{i}"));
    down.chain(residual).chain(up).chain(["out".to_owned()]).collect()
}

fn tensor(shape: &[usize], bytes: &[u8]) -> Option<Tensor> {
    let values = shape.iter().try_fold(1usize, |product, side| product.checked_mul(*side))?;
    let (numbers, rest) = bytes.as_chunks();
    if !rest.is_empty() || numbers.len() != values {
        return None;
    }
    Some(Tensor { shape: shape.to_vec(), values: numbers.iter().copied().map(f32::from_le_bytes).collect() })
}

/// Turns `(h, w, a, b)` into `(b, a, h, w)`; anything else is left for the check of the shapes to name.
fn channels_first(kernel: &Tensor) -> Tensor {
    let &[h, w, a, b] = kernel.shape.as_slice() else {
        return kernel.clone();
    };
    let place = |i: usize| {
        let (pixel, channels) = (i % (h * w), i / (h * w));
        (pixel * a + channels % a) * b + channels / a
    };
    let values = (0..kernel.values.len()).map(|i| kernel.values[place(i)]).collect();
    Tensor { shape: vec![b, a, h, w], values }
}

fn invalid(detail: impl AsRef<str>) -> ImportError {
    ImportError::CheckpointInvalid { detail: printable(detail.as_ref()) }
}
