//! Writes what `torch.save` writes.

use std::io::{Cursor, Write};

use super::super::LAYERS;
use super::Layers;

/// What may follow each other in a pickle.
pub(super) fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

fn old_text(text: &str) -> Vec<u8> {
    [b"U", &[text.len() as u8][..], text.as_bytes()].concat()
}

fn int(int: usize) -> Vec<u8> {
    [b"J", &(int as i32).to_le_bytes()[..]].concat()
}

fn tuple(parts: &[Vec<u8>]) -> Vec<u8> {
    [b"(", &parts.concat()[..], b"t"].concat()
}

pub(super) fn name(name: &str) -> Vec<u8> {
    let (module, name) = name.rsplit_once('.').unwrap();
    format!("c{module}\n{name}\n").into_bytes()
}

pub(super) fn pickle(body: &[u8]) -> Vec<u8> {
    [&[0x80, 2], body, b"."].concat()
}

/// The tensors by name: shape and numbers.
fn tensors(layers: &Layers) -> Vec<(String, Vec<usize>, &[f32])> {
    let mut tensors = Vec::new();
    for ((kernel, bias), layer) in layers.iter().zip(LAYERS) {
        let name = layer.torch_name();
        tensors.push((format!("{name}.weight"), layer.shape().to_vec(), kernel.as_slice()));
        tensors.push((format!("{name}.bias"), vec![bias.len()], bias.as_slice()));
    }
    tensors
}

/// Writes how a tensor is rebuilt; the first number of its storage is not its own.
fn tensor(rebuild: &str, storage: Vec<u8>, shape: &[usize], rest: &[Vec<u8>]) -> Vec<u8> {
    tensor_at(1, rebuild, storage, shape, rest)
}

fn tensor_at(offset: usize, rebuild: &str, storage: Vec<u8>, shape: &[usize], rest: &[Vec<u8>]) -> Vec<u8> {
    let strides = (0..shape.len()).map(|i| int(shape[i + 1..].iter().product()));
    let sizes: Vec<_> = shape.iter().map(|side| int(*side)).collect();
    let mut arguments = vec![storage, int(offset), tuple(&sizes), tuple(&strides.collect::<Vec<_>>())];
    arguments.extend_from_slice(rest);
    [name(rebuild), tuple(&arguments), b"R".to_vec()].concat()
}

fn storage(key: &str, count: usize, rest: &[Vec<u8>]) -> Vec<u8> {
    let kind = name("torch.FloatStorage");
    let mut parts = vec![text("storage"), kind, text(key), text("cpu"), int(count)];
    parts.extend_from_slice(rest);
    [tuple(&parts), b"Q".to_vec()].concat()
}

fn raw(values: &[f32]) -> Vec<u8> {
    [9.0].iter().chain(values).flat_map(|v| v.to_le_bytes()).collect()
}

/// The container since torch 1.6.
pub(super) fn zip(layers: &Layers) -> Vec<u8> {
    let ordered = [name("collections.OrderedDict"), b")R".to_vec()].concat();
    let mut body = [&ordered[..], b"q\x07("].concat();
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (i, (name, shape, values)) in tensors(layers).into_iter().enumerate() {
        let rest = [vec![0x89], ordered.clone()];
        let storage = storage(&i.to_string(), values.len() + 1, &[]);
        body.extend([text(&name), tensor("torch._utils._rebuild_tensor_v2", storage, &shape, &rest)].concat());
        zip.start_file(format!("vgg/data/{i}"), options).unwrap();
        zip.write_all(&raw(values)).unwrap();
    }
    // A module's attributes follow, as data to pass over.
    body.extend([b"u}".to_vec(), text("_metadata"), ordered, b"sb".to_vec()].concat());
    zip.start_file("vgg/data.pkl", options).unwrap();
    zip.write_all(&pickle(&body)).unwrap();
    zip.start_file("vgg/byteorder", options).unwrap();
    zip.write_all(b"little").unwrap();
    zip.finish().unwrap().into_inner()
}

/// A zip container of a few kilobytes whose tensors all claim the end of one storage of 2²⁸ numbers.
pub(super) fn deep() -> Vec<u8> {
    let count = 1 << 28;
    let mut body = [name("collections.OrderedDict"), b")R(".to_vec()].concat();
    for layer in LAYERS {
        for (part, shape) in [("weight", layer.shape().to_vec()), ("bias", vec![layer.outputs])] {
            let offset = count - shape.iter().product::<usize>();
            let tensor = tensor_at(offset, "torch._utils._rebuild_tensor_v2", storage("0", count, &[]), &shape, &[]);
            body.extend([text(&format!("{}.{part}", layer.torch_name())), tensor].concat());
        }
    }
    body.extend(b"u");
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (name, bytes) in [("vgg/data.pkl", pickle(&body).as_slice()), ("vgg/data/0", &[0; 64])] {
        zip.start_file(name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The container before, as Python 2 wrote it: texts of bytes, and dictionaries made of lists of pairs.
pub(super) fn legacy(layers: &Layers) -> Vec<u8> {
    legacy_beside(layers, &[])
}

/// One whose first storage is of 64-bit numbers for another tensor.
pub(super) fn of_two_kinds(layers: &Layers) -> Vec<u8> {
    let count = layers[0].0.len() + 1;
    let parts =
        [text("storage"), name("torch.DoubleStorage"), text("94000000"), text("cpu"), int(count), b"N".to_vec()];
    let storage = [tuple(&parts), b"Q".to_vec()].concat();
    let other = tensor("torch._utils._rebuild_tensor", storage, &[1], &[]);
    legacy_beside(layers, &[b"](".to_vec(), old_text("other"), other, b"e".to_vec()].concat())
}

fn legacy_beside(layers: &Layers, others: &[u8]) -> Vec<u8> {
    let magic = [&[0x8a, 10], &0x1950_a86a_20f9_469c_fc6c_u128.to_le_bytes()[..10]].concat();
    let about = [b"}(".to_vec(), text("protocol_version"), b"M\xe9\x03".to_vec(), text("little_endian"), vec![0x88]];
    let mut file = [pickle(&magic), pickle(b"M\xe9\x03"), pickle(&[&about.concat()[..], b"u"].concat())].concat();
    let (mut body, mut keys, mut numbers) = (b"](".to_vec(), b"](".to_vec(), Vec::new());
    for (i, (name, shape, values)) in tensors(layers).into_iter().enumerate() {
        let key = format!("{}", 94_000_000 - i);
        let storage = storage(&key, values.len() + 1, &[b"N".to_vec()]);
        let tensor = tensor("torch._utils._rebuild_tensor", storage, &shape, &[]);
        body.extend([b"](".to_vec(), old_text(&name), tensor, b"e".to_vec()].concat());
        keys.extend(text(&key));
        numbers.extend((values.len() as u64 + 1).to_le_bytes());
        numbers.extend(raw(values));
    }
    let pairs = [&body[..], others, b"e"].concat();
    file.extend(pickle(&[name("collections.OrderedDict"), pairs, b"\x85R".to_vec()].concat()));
    file.extend(pickle(&[&keys[..], b"e"].concat()));
    file.extend(numbers);
    file
}
