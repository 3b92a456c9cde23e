//! Writes MATLAB 5 files.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::super::LAYERS;
use super::Layers;

fn element(kind: u32, bytes: &[u8]) -> Vec<u8> {
    if !bytes.is_empty() && bytes.len() <= 4 {
        let mut small = (kind | (bytes.len() as u32) << 16).to_le_bytes().to_vec();
        small.extend(bytes);
        small.resize(8, 0);
        return small;
    }
    let mut element = [kind.to_le_bytes(), (bytes.len() as u32).to_le_bytes()].concat();
    element.extend(bytes);
    element.resize(element.len().next_multiple_of(8), 0);
    element
}

fn array(class: u8, sides: &[usize], name: &str, parts: &[Vec<u8>]) -> Vec<u8> {
    let sides: Vec<u8> = sides.iter().flat_map(|side| (*side as i32).to_le_bytes()).collect();
    let flags = element(6, &[class, 0, 0, 0, 0, 0, 0, 0]);
    element(14, &[flags, element(5, &sides), element(1, name.as_bytes()), parts.concat()].concat())
}

fn single(sides: &[usize], values: &[f32]) -> Vec<u8> {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    array(7, sides, "", &[element(7, &bytes)])
}

pub(super) fn structure(name: &str, fields: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut names = Vec::new();
    for (name, _) in fields {
        names.extend(name.as_bytes());
        names.resize(names.len().next_multiple_of(16), 0);
    }
    let mut parts = vec![element(5, &16i32.to_le_bytes()), element(1, &names)];
    parts.extend(fields.iter().map(|(_, field)| field.clone()));
    array(2, &[1, 1], name, &parts)
}

pub(super) fn cell(name: &str, cells: &[Vec<u8>]) -> Vec<u8> {
    array(1, &[1, cells.len()], name, cells)
}

fn letters(text: &str) -> Vec<u8> {
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    array(4, &[1, text.len()], "", &[element(4, &units)])
}

pub(super) fn header() -> Vec<u8> {
    let mut header = b"MATLAB 5.0 MAT-file, Platform: GLNXA64".to_vec();
    header.resize(124, b' ');
    header.extend(b"\x00\x01IM");
    header
}

/// Compresses an array.
pub(super) fn packed(array: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(array).unwrap();
    let packed = encoder.finish().unwrap();
    [&15u32.to_le_bytes()[..], &(packed.len() as u32).to_le_bytes(), &packed].concat()
}

/// Writes MatConvNet's VGG19; in its older form compressed, the mean 120, 110 and 100.
pub(super) fn file(layers: &Layers, old: bool) -> Vec<u8> {
    let mut cells = Vec::new();
    for ((kernel, bias), layer) in layers.iter().zip(LAYERS) {
        let filters = single(&[3, 3, layer.inputs, layer.outputs], kernel);
        let (name, kind) = (letters(&layer.convolution()), letters("conv"));
        cells.push(if old {
            let biases = single(&[1, bias.len()], bias);
            structure("", &[("type", kind), ("name", name), ("filters", filters), ("biases", biases)])
        } else {
            let weights = cell("", &[filters, single(&[bias.len(), 1], bias)]);
            structure("", &[("weights", weights), ("pad", array(6, &[0, 0], "", &[])), ("name", name), ("type", kind)])
        });
        let relu = [("type", letters("relu")), ("name", letters(layer.name))];
        cells.push(structure("", &relu));
    }
    // Larger than anything that is needed.
    let classifier = array(7, &[2000, 2000], "", &[element(7, &vec![0; 4_000_000])]);
    let classifier = cell("", &[classifier, element(14, &[])]);
    cells.push(structure("", &[("name", letters("fc6")), ("weights", classifier)]));
    let layers = cell("layers", &cells);
    let classes = structure("classes", &[("description", cell("", &[letters("tench"), letters("goldfish")]))]);
    if !old {
        return [header(), layers, classes].concat();
    }
    // Whole numbers are stored in as few bytes as they need, whatever the array's class.
    let picture: Vec<u8> = [120, 110, 100].into_iter().flat_map(|mean| [mean - 10, mean, mean + 10, mean]).collect();
    let average = array(6, &[2, 2, 3], "", &[element(2, &picture)]);
    let normalization =
        structure("", &[("keepAspect", array(9, &[1, 1], "", &[element(2, &[1])])), ("averageImage", average)]);
    let meta = structure("meta", &[("normalization", normalization)]);
    [header(), packed(&layers), packed(&classes), packed(&meta)].concat()
}
