//! A run's state as a file: safetensors, with everything that is no vector in its header.

use std::collections::HashMap;

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The header's key.
const KEY: &str = "atelier-checkpoint";

/// Writes a checkpoint; the same state gives the same bytes.
pub(crate) fn write(header: &impl Serialize, vectors: &[(String, &[f32])]) -> Vec<u8> {
    let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let tensors: Vec<_> = vectors.iter().map(|(name, values)| (name, values.len(), bytes(values))).collect();
    let views = tensors.iter().map(|(name, len, bytes)| {
        let view = TensorView::new(Dtype::F32, vec![*len], bytes).expect("a vector has four bytes a number");
        (name.as_str(), view)
    });
    let header = serde_json::to_string(header).expect("a header is plain data");
    let metadata = HashMap::from([(KEY.to_owned(), header)]);
    safetensors::serialize(views, Some(metadata)).expect("a checkpoint's vectors have names of their own")
}

/// A checkpoint as it was read.
pub(crate) struct Contents<'a> {
    file: SafeTensors<'a>,
}

impl<'a> Contents<'a> {
    /// Reads a checkpoint and its header; `None` for a file that is none.
    pub(crate) fn read<H: DeserializeOwned>(bytes: &'a [u8]) -> Option<(H, Self)> {
        let (_, about) = SafeTensors::read_metadata(bytes).ok()?;
        let header = serde_json::from_str(about.metadata().as_ref()?.get(KEY)?).ok()?;
        Some((header, Self { file: SafeTensors::deserialize(bytes).ok()? }))
    }

    /// Returns a vector of `len` numbers; `None` unless there is one of finite numbers.
    pub(crate) fn vector(&self, name: &str, len: usize) -> Option<Vec<f32>> {
        let view = self.file.tensor(name).ok()?;
        let values: Vec<f32> = view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let fits = view.dtype() == Dtype::F32 && values.len() == len;
        (fits && values.iter().all(|v| v.is_finite())).then_some(values)
    }
}
