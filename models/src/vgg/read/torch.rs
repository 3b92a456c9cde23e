//! What `torch.save` writes: a pickle that describes tensors, and their numbers, here in a zip archive.

use std::io::{Read, Seek};

use zip::ZipArchive;
use zip::result::ZipError;

use super::numbers::Number;
use super::pickle::{Id, Name, Pickle, Value};
use super::{each_layer, expect_shape};
use crate::text::printable;
use crate::vgg::error::VggProblem;
use crate::vgg::weights::{Layer, Reading, VggWeights};

/// How to save what can't be read.
const SAVE: &str = "save the weights alone, `torch.save(net.state_dict(), path)`";

/// The most numbers of one storage; the whole VGG19's largest has 102,760,448.
const MOST_NUMBERS: u64 = 1 << 28;

/// The most that the entries of an archive are inflated to, all in all; the whole VGG19 has 575 MB.
const INFLATED_BYTES: u64 = 1 << 31;

/// Where a tensor's numbers are, in numbers from its storage's beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) storage: String,
    pub(super) number: Number,
    pub(super) offset: u64,
    pub(super) count: usize,
}

/// The tensors that VGG19 consists of: kernel and bias of each layer in order.
pub(super) fn places(pickle: &Pickle, top: Id) -> Result<Vec<[Place; 2]>, VggProblem> {
    // Some save the net's state beside the optimiser's.
    let inner = ["state_dict", "model"].into_iter().find_map(|key| pickle.get(top, key));
    let dict = inner.filter(|id| matches!(pickle.value(*id), Value::Dict(_))).unwrap_or(top);
    each_layer(|layer| {
        let name = layer.torch_name();
        let kernel = place(pickle, dict, &format!("{name}.weight"), &layer.shape())?;
        Ok([kernel, place(pickle, dict, &format!("{name}.bias"), &[layer.outputs])?])
    })
}

/// Finds one tensor.
fn place(pickle: &Pickle, dict: Id, name: &str, shape: &[usize]) -> Result<Place, VggProblem> {
    let plain = pickle.get(dict, name).or_else(|| pickle.get(dict, &format!("module.{name}")));
    let tensor = plain.map(|id| match pickle.value(id) {
        Value::Tensor(parts) => Ok(*parts),
        _ => Err(VggProblem::damaged(format!("`{name}` is no tensor"))),
    });
    let tensor = tensor.transpose()?;
    let broken = || VggProblem::damaged(format!("`{name}` is described wrongly"));
    let numbers = |id: Id| -> Option<Vec<usize>> {
        let (Value::Tuple(items) | Value::List(items)) = pickle.value(id) else { return None };
        items.iter().take(8).map(|item| usize::try_from(pickle.count(*item)?).ok()).collect()
    };
    let found = match tensor {
        Some([_, _, size, _]) => Some(numbers(size).ok_or_else(broken)?),
        None => None,
    };
    expect_shape(name, shape, found.as_deref())?;
    let Some([storage, offset, _, stride]) = tensor else { return Err(broken()) };
    let mut expected = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        expected[i - 1] = expected[i] * shape[i];
    }
    if numbers(stride).ok_or_else(broken)? != expected {
        let what = format!("`{name}` in another order than row by row");
        return Err(VggProblem::Unsupported { what, way_out: "call `.contiguous()` on it and save it again" });
    }
    let (offset, count) = (pickle.count(offset).ok_or_else(broken)?, shape.iter().product::<usize>());
    let Storage { key, number, count: has } = storage_of(pickle, storage).ok_or_else(broken)?;
    let Some(number) = number else {
        let what = format!("`{name}` as whole numbers");
        return Err(VggProblem::Unsupported { what, way_out: "save the weights as floating-point numbers" });
    };
    if offset.checked_add(count as u64).is_none_or(|end| end > has) {
        return Err(VggProblem::damaged(format!("`{name}` reaches beyond its storage")));
    }
    Ok(Place { storage: key.to_owned(), number, offset, count })
}

/// What a pickle says of a storage.
pub(super) struct Storage<'a> {
    pub(super) key: &'a str,
    /// `None` for whole numbers.
    pub(super) number: Option<Number>,
    pub(super) count: u64,
}

/// Reads `('storage', type, key, where, count, …)`.
pub(super) fn storage_of(pickle: &Pickle, id: Id) -> Option<Storage<'_>> {
    let Value::Storage(saved) = pickle.value(id) else { return None };
    let Value::Tuple(parts) = pickle.value(*saved) else { return None };
    let [_, kind, key, _, count, ..] = parts.as_slice() else { return None };
    let (Value::Name(Name::Storage(number)), Value::Text(key)) = (pickle.value(*kind), pickle.value(*key)) else {
        return None;
    };
    Some(Storage { key, number: *number, count: pickle.count(*count).filter(|count| *count <= MOST_NUMBERS)? })
}

/// Reads the zip container, `torch.save`'s since 1.6.
pub(super) fn read<R: Read + Seek>(file: &mut R) -> Result<VggWeights, VggProblem> {
    let mut archive = ZipArchive::new(file).map_err(invalid)?;
    let folder = archive.file_names().filter_map(Result::ok).find_map(|name| {
        let folder = name.strip_suffix("data.pkl")?;
        Some(folder.to_owned())
    });
    let Some(folder) = folder else {
        return Err(VggProblem::Format { detail: "it is a zip archive without the `data.pkl` of `torch.save`" });
    };
    let mut order = Vec::new();
    if let Ok(entry) = archive.by_name(&format!("{folder}byteorder")) {
        entry.take(16).read_to_end(&mut order)?;
    }
    if order == b"big" {
        return Err(VggProblem::Unsupported { what: "numbers of a big-endian machine".to_owned(), way_out: SAVE });
    }
    let (pickle, top) = Pickle::read(archive.by_name(&format!("{folder}data.pkl")).map_err(invalid)?)?;
    let places = places(&pickle, top)?;
    // An entry has to be inflated from its beginning for each tensor in it.
    let end = |place: &Place| (place.offset + place.count as u64) * place.number.bytes() as u64;
    let inflated: u64 = places.iter().flatten().map(end).sum();
    if inflated > INFLATED_BYTES {
        let what = format!("tensors that lie {inflated} bytes deep in its storages");
        return Err(VggProblem::Unsupported { what, way_out: SAVE });
    }
    let mut numbers = |place: &Place| -> Result<_, VggProblem> {
        let name = format!("{folder}data/{}", place.storage);
        let mut entry = archive.by_name(&name).map_err(|error| match error {
            ZipError::FileNotFound => VggProblem::damaged(format!("`{}` is missing", printable(&name))),
            error => invalid(error),
        })?;
        let width = place.number.bytes();
        std::io::copy(&mut entry.by_ref().take(place.offset * width as u64), &mut std::io::sink())?;
        let mut bytes = vec![0; place.count * width];
        entry.read_exact(&mut bytes)?;
        Ok(place.number.decode(&bytes))
    };
    let layer = |[kernel, bias]: &[Place; 2]| -> Result<_, VggProblem> {
        Ok(Layer { kernel: numbers(kernel)?, bias: numbers(bias)? })
    };
    let layers = places.iter().map(layer).collect::<Result<_, _>>()?;
    VggWeights::new(layers, Reading::TORCHVISION)
}

fn invalid(error: ZipError) -> VggProblem {
    match error {
        ZipError::Io(error) => VggProblem::Io(error),
        error => VggProblem::damaged(error.to_string()),
    }
}
