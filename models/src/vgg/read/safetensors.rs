//! Safetensors, read tensor by tensor.

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};

use serde::Deserialize;
use serde_json::Value;

use super::numbers::Number;
use super::{each_layer, expect_shape};
use crate::vgg::error::VggProblem;
use crate::vgg::weights::{Layer, Reading, VggWeights};

/// The longest header that is read; the whole VGG19's has 5 KB.
const HEADER_BYTES: u64 = 1 << 20;

/// One tensor in the header.
#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [u64; 2],
}

struct Tensors<'a, R> {
    file: &'a mut R,
    entries: HashMap<String, Value>,
    /// Where the numbers begin.
    body: u64,
}

/// Reads torchvision's names, or the 8-bit form.
pub(super) fn read<R: Read + Seek>(file: &mut R) -> Result<VggWeights, VggProblem> {
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > HEADER_BYTES {
        return Err(VggProblem::damaged(format!("its header claims {length} bytes")));
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header)?;
    let entries: HashMap<String, Value> =
        serde_json::from_slice(&header).map_err(|error| VggProblem::damaged(error.to_string()))?;
    let quantised = entries.keys().any(|name| name.ends_with(".weight.table"));
    let mut tensors = Tensors { file, entries, body: 8 + length };
    let layers = each_layer(|layer| {
        let name = layer.torch_name();
        let shape = layer.shape();
        let kernel = if quantised {
            let index = tensors.bytes(&format!("{name}.weight.index"), &shape, |dtype| (dtype == "U8").then_some(1))?;
            let table = tensors.numbers(&format!("{name}.weight.table"), &[256])?;
            index.iter().map(|i| table[usize::from(*i)]).collect()
        } else {
            tensors.numbers(&format!("{name}.weight"), &shape)?
        };
        Ok(Layer { kernel, bias: tensors.numbers(&format!("{name}.bias"), &[layer.outputs])? })
    })?;
    VggWeights::new(layers, if quantised { Reading::CAFFE } else { Reading::TORCHVISION })
}

impl<R: Read + Seek> Tensors<'_, R> {
    /// Reads a tensor of a shape; `width` tells how many bytes a number of a type has.
    fn bytes(
        &mut self,
        name: &str,
        shape: &[usize],
        width: impl FnOnce(&str) -> Option<usize>,
    ) -> Result<Vec<u8>, VggProblem> {
        let entry = self.entry(name)?;
        expect_shape(name, shape, entry.as_ref().map(|entry| entry.shape.as_slice()))?;
        let Some(Entry { dtype, data_offsets: [from, to], .. }) = entry else { return Ok(Vec::new()) };
        let Some(width) = width(&dtype) else {
            let what = format!("`{name}` as {}", crate::text::printable(&dtype));
            return Err(VggProblem::Unsupported { what, way_out: "save the weights as F32" });
        };
        let bytes = shape.iter().product::<usize>() * width;
        if to.checked_sub(from) != Some(bytes as u64) {
            return Err(VggProblem::damaged(format!("`{name}` has {bytes} bytes but lies at {from}..{to}")));
        }
        let at = self.body.checked_add(from).ok_or_else(|| VggProblem::damaged("an offset is beyond any file"))?;
        self.file.seek(SeekFrom::Start(at))?;
        let mut numbers = vec![0; bytes];
        self.file.read_exact(&mut numbers)?;
        Ok(numbers)
    }

    fn numbers(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, VggProblem> {
        let mut number = Number::F32;
        let bytes = self.bytes(name, shape, |dtype| {
            number = match dtype {
                "F16" => Number::F16,
                "BF16" => Number::Bf16,
                "F32" => Number::F32,
                "F64" => Number::F64,
                _ => return None,
            };
            Some(number.bytes())
        })?;
        Ok(number.decode(&bytes))
    }

    fn entry(&self, name: &str) -> Result<Option<Entry>, VggProblem> {
        let entry = self.entries.get(name).map(Entry::deserialize).transpose();
        entry.map_err(|error| VggProblem::damaged(format!("`{name}`: {error}")))
    }
}
