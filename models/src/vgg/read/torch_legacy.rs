//! What `torch.save` wrote before 1.6, as torchvision's own VGG19 still is: pickles in a row, then the raw storages.

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};

use super::numbers::Number;
use super::pickle::{Pickle, Value};
use super::torch::{Place, places, storage_of};
use crate::text::printable;
use crate::vgg::error::VggProblem;
use crate::vgg::weights::{Layer, Reading, VggWeights};

/// The number that such a file begins with.
const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;
/// The only version of the format.
const VERSION: i128 = 1001;

/// Reads the container.
pub(super) fn read<R: Read + Seek>(file: &mut R) -> Result<VggWeights, VggProblem> {
    let is = |(pickle, top): &(Pickle, _), number: i128| *pickle.value(*top) == Value::Int(number);
    if !is(&Pickle::read(&mut *file)?, MAGIC) {
        return Err(VggProblem::Format { detail: "it is a pickle, but not of `torch.save`" });
    }
    if !is(&Pickle::read(&mut *file)?, VERSION) {
        return Err(VggProblem::Format { detail: "it is of another version of `torch.save`" });
    }
    let (about, top) = Pickle::read(&mut *file)?;
    if about.get(top, "little_endian").is_some_and(|little| *about.value(little) == Value::Bool(false)) {
        let what = "numbers of a big-endian machine".to_owned();
        return Err(VggProblem::Unsupported { what, way_out: "save it again on another machine" });
    }
    let (pickle, top) = Pickle::read(&mut *file)?;
    let places = places(&pickle, top)?;
    let (keys, top) = Pickle::read(&mut *file)?;
    let Value::List(keys_in_order) = keys.value(top) else {
        return Err(VggProblem::damaged("the list of its storages is none"));
    };
    let mut wanted: HashMap<&str, Vec<(usize, &Place)>> = HashMap::new();
    for (i, place) in places.iter().flatten().enumerate() {
        wanted.entry(&place.storage).or_default().push((i, place));
    }
    let widths = pickle.storages().filter_map(|id| storage_of(&pickle, id));
    let widths: HashMap<_, _> = widths.map(|s| (s.key, (s.number.map_or(8, Number::bytes), s.count))).collect();
    let mut tensors = vec![Vec::new(); 2 * places.len()];
    let mut at = file.stream_position()?;
    for key in keys_in_order {
        let Value::Text(key) = keys.value(*key) else {
            return Err(VggProblem::damaged("the name of a storage is no text"));
        };
        let (width, expected) = *widths
            .get(key.as_str())
            .ok_or_else(|| VggProblem::damaged(format!("the storage `{}` is no one's", printable(key))))?;
        file.seek(SeekFrom::Start(at))?;
        let mut count = [0; 8];
        file.read_exact(&mut count)?;
        if u64::from_le_bytes(count) != expected {
            return Err(VggProblem::damaged(format!("the storage `{}` has another size than stated", printable(key))));
        }
        for (i, place) in wanted.remove(key.as_str()).unwrap_or_default() {
            if place.number.bytes() != width {
                return Err(VggProblem::damaged(format!("the storage `{}` is of two kinds at once", printable(key))));
            }
            file.seek(SeekFrom::Start(at + 8 + place.offset * width as u64))?;
            let mut bytes = vec![0; place.count * width];
            file.read_exact(&mut bytes)?;
            tensors[i] = place.number.decode(&bytes);
        }
        at += 8 + expected * width as u64;
    }
    if let Some(key) = wanted.keys().next() {
        return Err(VggProblem::damaged(format!("the storage `{}` is missing", printable(key))));
    }
    let mut tensors = tensors.into_iter();
    let layers = std::iter::from_fn(|| Some(Layer { kernel: tensors.next()?, bias: tensors.next()? }));
    VggWeights::new(layers.collect(), Reading::TORCHVISION)
}
