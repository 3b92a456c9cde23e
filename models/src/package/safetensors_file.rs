//! The safetensors file: read from bytes in memory, written with a fixed order so that equal packages are equal files.

use std::collections::BTreeMap;

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value, json};

use super::files::PREVIEW_FILE;
use super::{PackageError, PackageLimits};
use crate::network::{Tensor, Weights};
use crate::text::printable;

/// The most bytes a tensor's name may have.
const LONGEST_NAME: usize = 200;

/// What a safetensors file holds.
pub(crate) struct Contents<'a> {
    /// The header's own keys.
    pub(crate) metadata: BTreeMap<String, String>,
    /// The tensors of numbers, as single precision.
    pub(crate) tensors: BTreeMap<String, Tensor>,
    /// The preview, which a package of one file carries as a tensor of bytes.
    pub(crate) preview: Option<Vec<u8>>,
    /// Everything after the header.
    pub(crate) body: &'a [u8],
}

/// Reads a safetensors file.
pub(crate) fn read<'a>(bytes: &'a [u8], limits: &PackageLimits) -> Result<Contents<'a>, PackageError> {
    let too_large = |limit| PackageError::TooLarge { file: "weights".to_owned(), limit };
    if bytes.len() as u64 > limits.weights_bytes {
        return Err(too_large(limits.weights_bytes));
    }
    let length = bytes.first_chunk().map_or(0, |length| u64::from_le_bytes(*length));
    // A header that is longer than the whole file is nonsense rather than large, and refused as such below.
    if length > limits.header_bytes && length < bytes.len() as u64 {
        return Err(too_large(limits.header_bytes));
    }
    let invalid = |detail: String| PackageError::WeightsInvalid { detail: printable(&detail) };
    let (header, about) = SafeTensors::read_metadata(bytes).map_err(|error| invalid(error.to_string()))?;
    let file = SafeTensors::deserialize(bytes).map_err(|error| invalid(error.to_string()))?;
    let mut contents = Contents {
        metadata: about.metadata().clone().unwrap_or_default().into_iter().collect(),
        tensors: BTreeMap::new(),
        preview: None,
        body: &bytes[size_of::<u64>() + header..],
    };
    for (name, view) in file.iter() {
        if name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
            return Err(invalid("a tensor's name is longer than 200 bytes or holds control characters".to_owned()));
        }
        if name == PREVIEW_FILE && view.dtype() == Dtype::U8 {
            if view.data().len() as u64 > limits.preview_bytes {
                return Err(PackageError::TooLarge { file: name.to_owned(), limit: limits.preview_bytes });
            }
            contents.preview = Some(view.data().to_vec());
            continue;
        }
        let Some(values) = numbers(view.dtype(), view.data()) else {
            return Err(PackageError::DtypeUnknown { name: name.to_owned(), dtype: view.dtype().to_string() });
        };
        contents.tensors.insert(name.to_owned(), Tensor { shape: view.shape().to_vec(), values });
    }
    Ok(contents)
}

fn numbers(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    let pairs = || bytes.as_chunks().0.iter().copied();
    match dtype {
        Dtype::F32 => Some(bytes.as_chunks().0.iter().copied().map(f32::from_le_bytes).collect()),
        Dtype::F16 => Some(pairs().map(|pair| f16::from_le_bytes(pair).to_f32()).collect()),
        Dtype::BF16 => Some(pairs().map(|pair| bf16::from_le_bytes(pair).to_f32()).collect()),
        _ => None,
    }
}

/// Writes a safetensors file.
pub(super) fn write(metadata: &BTreeMap<String, String>, weights: &Weights, preview: Option<&[u8]>) -> Vec<u8> {
    let mut entries = Map::new();
    if !metadata.is_empty() {
        entries.insert("__metadata__".to_owned(), json!(metadata));
    }
    let mut offset = 0;
    let mut entry = |dtype: &str, shape: &[usize], bytes: usize| {
        offset += bytes;
        json!({"dtype": dtype, "shape": shape, "data_offsets": [offset - bytes, offset]})
    };
    for (name, tensor) in weights.iter() {
        entries.insert(name.to_owned(), entry("F32", &tensor.shape, size_of_val(tensor.values.as_slice())));
    }
    if let Some(jpeg) = preview {
        entries.insert(PREVIEW_FILE.to_owned(), entry("U8", &[jpeg.len()], jpeg.len()));
    }
    let mut header = Value::Object(entries).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(size_of::<u64>()), b' ');
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.extend(body(weights, preview));
    file
}

/// Returns what [`write`] writes after the header.
pub(super) fn body(weights: &Weights, preview: Option<&[u8]>) -> Vec<u8> {
    let mut body = Vec::with_capacity(weights.bytes());
    for (_, tensor) in weights.iter() {
        body.extend(little_endian(&tensor.values));
    }
    body.extend(preview.unwrap_or_default());
    body
}

/// Returns numbers as they stand in the file.
pub(super) fn little_endian(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}
