#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::io::{Cursor, Write};

use serde_json::{Value, json};

use super::*;
use crate::fixtures::{describe, small_package, some_weights};
use crate::network::Network;

const LIMITS: PackageLimits =
    PackageLimits { manifest_bytes: 4000, weights_bytes: 200_000, header_bytes: 20_000, preview_bytes: 1000 };

/// Returns a small net of an architecture with its tensors.
fn net(architecture: &str) -> (Network, BTreeMap<String, Tensor>) {
    let network = describe(architecture, json!({"widths": [2, 3, 4], "residuals": 2}));
    let tensors = some_weights(&network).iter().map(|(name, t)| (name.to_owned(), t.clone())).collect();
    (network, tensors)
}

/// Writes a lengstrom net as its deeplearn.js checkpoint.
fn checkpoint() -> Files {
    let (network, tensors) = net("lengstrom");
    let mut files = Files::new();
    let mut manifest = serde_json::Map::new();
    for conv in network.convs() {
        let kernel = &tensors[&conv.weight_name()];
        let [b, a, h, w] = kernel.shape[..] else { panic!("a kernel has four sides") };
        let mut last = Vec::new();
        for (y, x) in (0..h).flat_map(|y| (0..w).map(move |x| (y, x))) {
            for (inner, outer) in (0..a).flat_map(|inner| (0..b).map(move |outer| (inner, outer))) {
                last.push(kernel.values[((outer * a + inner) * h + y) * w + x]);
            }
        }
        let vector = |part| tensors[&conv.norm_name(part)].values.clone();
        let variables =
            [(vec![h, w, a, b], last), (vec![conv.outputs], vector("bias")), (vec![conv.outputs], vector("weight"))];
        for (shape, values) in variables {
            let name = if files.is_empty() { "Variable".to_owned() } else { format!("Variable_{}", files.len()) };
            manifest.insert(name.clone(), json!({"filename": name, "shape": shape}));
            files.insert(name, values.iter().flat_map(|v| v.to_le_bytes()).collect());
        }
    }
    files.insert("manifest.json".to_owned(), Value::Object(manifest).to_string().into_bytes());
    files
}

fn package_files() -> Files {
    let folder = tempfile::tempdir().unwrap();
    small_package().write_folder(folder.path()).unwrap();
    let entries = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap());
    entries.map(|e| (e.file_name().into_string().unwrap(), std::fs::read(e.path()).unwrap())).collect()
}

fn in_folder(files: Files, folder: &str) -> Files {
    files.into_iter().map(|(name, bytes)| (format!("{folder}/{name}"), bytes)).collect()
}

fn zip(files: &Files) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(name.as_str(), zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Writes a tar with names as they are, which the `tar` crate's own checks would not let through.
fn tar(files: &Files) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        builder.append(&header, bytes.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn import(bytes: &[u8]) -> Result<Package, ImportError> {
    read_bytes(bytes, "Found", &LIMITS)
}

#[track_caller]
fn refused(bytes: &[u8], code: &str, words: &str) {
    let error = import(bytes).unwrap_err();
    let detail = error.to_string();
    assert_eq!(error.code(), code, "{detail}");
    assert!(detail.contains(words), "{detail}");
    assert!(!detail.contains(char::is_control), "{detail:?}");
}

fn one_file(name: &str, bytes: &[u8]) -> Files {
    [(name.to_owned(), bytes.to_vec())].into()
}

#[test]
fn a_package_is_imported_from_its_folder_its_file_and_every_archive() {
    let files = package_files();
    for bytes in [
        small_package().to_bytes(),
        zip(&files),
        tar(&files),
        gzip(&tar(&files)),
        zip(&in_folder(files.clone(), "wave")),
        tar(&in_folder(files.clone(), "./wave")),
        zip(&one_file("wave.safetensors", &small_package().to_bytes())),
    ] {
        assert_eq!(import(&bytes).unwrap(), small_package());
    }
    let folder = tempfile::tempdir().unwrap();
    small_package().write_folder(folder.path()).unwrap();
    assert_eq!(read(folder.path(), "", &LIMITS).unwrap(), small_package());
    let file = folder.path().join("one");
    std::fs::write(&file, small_package().to_bytes()).unwrap();
    assert_eq!(read(&file, "", &LIMITS).unwrap(), small_package());
}

#[test]
fn a_deeplearnjs_checkpoint_is_imported_from_a_folder_and_every_archive() {
    let (network, tensors) = net("lengstrom");
    let check = |package: Package| {
        assert_eq!(package.network(), &network);
        assert_eq!(package.manifest.title, "Found");
        assert!(package.weights.iter().eq(tensors.iter().map(|(name, t)| (name.as_str(), t))));
    };
    let files = checkpoint();
    for bytes in [zip(&files), tar(&files), gzip(&tar(&in_folder(files.clone(), "rain")))] {
        check(import(&bytes).unwrap());
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in &files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    check(read(folder.path(), "Found", &LIMITS).unwrap());
}

#[test]
fn a_checkpoint_that_is_none_is_refused() {
    let refuse = |words: &str, change: &dyn Fn(&mut Files)| {
        let mut files = checkpoint();
        change(&mut files);
        refused(&zip(&files), "checkpoint_invalid", words);
    };
    let manifest = |text: &str| {
        let text = text.as_bytes().to_vec();
        move |files: &mut Files| drop(files.insert("manifest.json".to_owned(), text.clone()))
    };
    refuse("manifest.json", &manifest("{"));
    refuse("1 variables", &manifest(r#"{"Variable": {"filename": "Variable", "shape": [1]}}"#));
    refuse("`Variable_4` is missing", &|files| drop(files.remove("Variable_4")));
    refuse("`Variable_4` has not the size", &|files| drop(files.insert("Variable_4".to_owned(), vec![0; 5])));
    let mut huge: Value = serde_json::from_slice(&checkpoint()["manifest.json"]).unwrap();
    huge["Variable"]["shape"] = json!([u64::MAX, 2, 2, 2]);
    refuse("`Variable` has not the size", &manifest(&huge.to_string()));
    huge["Variable"]["filename"] = json!("../../etc/passwd");
    refuse("`Variable` is missing", &manifest(&huge.to_string()));
}

#[test]
fn a_checkpoint_file_outside_its_folder_is_never_read() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    for (name, bytes) in checkpoint() {
        let bytes = String::from_utf8(bytes.clone())
            .map_or(bytes, |text| text.replace("\"Variable\",", "\"../outside\",").into());
        std::fs::write(inner.join(name), bytes).unwrap();
    }
    std::fs::write(folder.path().join("outside"), &checkpoint()["Variable"]).unwrap();
    assert_eq!(read(&inner, "", &LIMITS).unwrap_err().code(), "outside_folder");
}

#[test]
fn a_checkpoint_with_wrong_shapes_is_refused_by_the_tensors_name() {
    let mut files = checkpoint();
    let manifest = String::from_utf8(files["manifest.json"].clone()).unwrap();
    let changed = manifest.replacen("[9,9,3,2]", "[9,3,9,2]", 1);
    assert_ne!(changed, manifest);
    files.insert("manifest.json".to_owned(), changed.into_bytes());
    refused(&zip(&files), "tensor_shape", "down.0.conv.weight");
}

/// Writes tensors as a plain safetensors file.
fn safetensors(tensors: &BTreeMap<String, Tensor>) -> Vec<u8> {
    let bytes: BTreeMap<_, Vec<u8>> =
        tensors.iter().map(|(n, t)| (n, t.values.iter().flat_map(|v| v.to_le_bytes()).collect())).collect();
    let views = tensors.iter().map(|(name, t)| {
        (name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, t.shape.clone(), &bytes[name]).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

#[test]
fn a_pytorch_examples_state_dict_is_imported_and_its_dead_keys_dropped() {
    let (network, tensors) = net("pytorch-examples");
    let mut theirs = BTreeMap::new();
    for (name, tensor) in &tensors {
        let name = name.replace(".conv.", ".conv2d.").replace(".norm.", ".in.");
        let name = [("down.0", 1), ("down.1", 2), ("down.2", 3)].iter().fold(name, |name, (ours, i)| {
            name.replace(&format!("{ours}.conv2d"), &format!("conv{i}.conv2d"))
                .replace(&format!("{ours}.in"), &format!("in{i}"))
        });
        let name = name.replace("up.0.conv2d", "deconv1.conv2d").replace("up.0.in", "in4");
        let name = name.replace("up.1.conv2d", "deconv2.conv2d").replace("up.1.in", "in5").replace("out.", "deconv3.");
        let name = name.replace("res.1", "res2").replace("res.0", "res1");
        let name = name.replace(".a.conv2d", ".conv1.conv2d").replace(".b.conv2d", ".conv2.conv2d");
        theirs.insert(name.replace(".a.in", ".in1").replace(".b.in", ".in2"), tensor.clone());
    }
    theirs.insert("in1.running_mean".to_owned(), tensors["down.0.norm.bias"].clone());
    theirs.insert("res1.in2.running_var".to_owned(), tensors["res.0.b.norm.bias"].clone());
    let package = import(&safetensors(&theirs)).unwrap();
    assert_eq!(package.network(), &network);
    assert!(package.weights.iter().eq(tensors.iter().map(|(name, t)| (name.as_str(), t))));
    theirs.remove("res2.in1.weight");
    refused(&safetensors(&theirs), "tensor_missing", "res.1.a.norm.weight");
}

#[test]
fn what_is_none_of_the_formats_is_refused_with_what_would_do() {
    for bytes in [&b""[..], b"GIF89a", &[0; 600], &zip(&one_file("readme.txt", b"hello"))] {
        refused(bytes, "format_unknown", "style package");
    }
    for bytes in [&zip(&one_file("mosaic/data.pkl", b"\x80\x02."))[..], b"\x80\x02\x8a\x0al\xfc"] {
        refused(bytes, "format_unknown", "save_file(torch.load");
    }
    refused(&safetensors(&net("house").1), "manifest_missing", "architecture");
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(read(empty.path(), "", &LIMITS).unwrap_err().code(), "format_unknown");
    assert_eq!(read(&empty.path().join("no"), "", &LIMITS).unwrap_err().code(), "weights_missing");
}

#[test]
fn archives_with_paths_that_lead_out_are_refused() {
    for name in ["../style.toml", "/etc/style.toml", "a/../../style.toml", "a\\style.toml", "C:style.toml"] {
        refused(&tar(&one_file(name, b"x")), "archive_hostile", "leads out");
        refused(&zip(&one_file(name, b"x")), "archive_hostile", "leads out");
    }
}

#[test]
fn archives_with_links_and_devices_are_refused() {
    for (kind, words) in [
        (tar::EntryType::Symlink, "a link"),
        (tar::EntryType::Link, "a link"),
        (tar::EntryType::Fifo, "neither a file"),
    ] {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(0);
        builder.append_data(&mut header, "style.toml", &b""[..]).unwrap();
        refused(&builder.into_inner().unwrap(), "archive_hostile", words);
    }
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_symlink("style.toml", "/etc/passwd", zip::write::SimpleFileOptions::default()).unwrap();
    refused(&writer.finish().unwrap().into_inner(), "archive_hostile", "a link");
}

#[test]
fn archives_that_hold_too_much_are_refused() {
    let zeros = vec![0; 300_000];
    refused(&zip(&one_file("style.toml", &zeros)), "too_large", "200000 bytes");
    refused(&tar(&one_file("style.toml", &zeros)), "too_large", "200000 bytes");
    refused(&gzip(&vec![0; 10_000_000]), "too_large", "200000 bytes");
    let many: Files = (0..1001).map(|i| (format!("f{i}"), Vec::new())).collect();
    refused(&zip(&many), "too_large", "1000 entries");
    refused(&tar(&many), "too_large", "1000 entries");
    let mut files = package_files();
    files.insert("preview.jpg".to_owned(), vec![0xff; 1001]);
    refused(&zip(&files), "too_large", "preview.jpg");
}

#[test]
fn damaged_archives_are_refused() {
    for archive in [zip(&package_files()), gzip(&tar(&package_files()))] {
        refused(&archive[..archive.len() / 2], "archive_invalid", "archive");
    }
    let twice = [tar(&one_file("style.toml", b"a"))[..1024].to_vec(), tar(&one_file("style.toml", b"b"))].concat();
    refused(&twice, "archive_hostile", "twice");
}

#[test]
fn what_a_mac_adds_to_archives_is_passed_over() {
    let mut files = in_folder(package_files(), "wave");
    files.insert("__MACOSX/wave/._style.toml".to_owned(), b"x".to_vec());
    files.insert("wave/.DS_Store".to_owned(), b"x".to_vec());
    assert_eq!(import(&zip(&files)).unwrap(), small_package());
}
