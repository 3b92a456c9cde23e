#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::fixtures::small_package;

const LIMITS: PackageLimits =
    PackageLimits { manifest_bytes: 2000, weights_bytes: 20_000, header_bytes: 4000, preview_bytes: 100 };

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    small_package().write_folder(folder.path()).unwrap();
    folder
}

/// Refuses the package of a folder after a change, with this code and these words.
#[track_caller]
fn refused_folder(code: &str, words: &str, change: impl FnOnce(&Path)) {
    let folder = folder();
    change(folder.path());
    let error = Package::read_folder(folder.path(), &LIMITS).unwrap_err();
    assert_refusal(&error, code, words);
}

#[track_caller]
fn refused_bytes(code: &str, words: &str, bytes: &[u8]) {
    assert_refusal(&Package::from_bytes(bytes, &LIMITS).unwrap_err(), code, words);
}

#[track_caller]
fn assert_refusal(error: &PackageError, code: &str, words: &str) {
    let detail = error.to_string();
    assert_eq!(error.code(), code, "{detail}");
    assert!(detail.contains(words), "{detail:?} says nothing of {words:?}");
    assert!(!detail.contains(char::is_control), "{detail:?}");
}

/// Changes a text file.
fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(file, text.replacen(from, to, 1)).unwrap();
}

/// Puts other weights into the folder, with the SHA-256 they have.
fn put_weights(folder: &Path, bytes: &[u8]) {
    let old = sha256(&fs::read(folder.join(WEIGHTS_FILE)).unwrap());
    fs::write(folder.join(WEIGHTS_FILE), bytes).unwrap();
    edit(&folder.join(MANIFEST_FILE), &old, &sha256(bytes));
}

/// Takes a safetensors file apart, changes its header, and puts it together again.
fn with_header(bytes: &[u8], change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let length = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let mut header = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    change(&mut header);
    let header = header.to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(&bytes[8 + length..]);
    file
}

fn weights_only() -> Vec<u8> {
    safetensors_file::write(&BTreeMap::new(), &small_package().weights, None)
}

#[test]
fn a_package_comes_back_from_its_folder_as_it_was() {
    assert_eq!(Package::read_folder(folder().path(), &LIMITS).unwrap(), small_package());
}

#[test]
fn a_package_comes_back_from_its_one_file_as_it_was_preview_included() {
    let bytes = small_package().to_bytes();
    assert_eq!(Package::from_bytes(&bytes, &LIMITS).unwrap(), small_package());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wave.safetensors");
    fs::write(&file, &bytes).unwrap();
    assert_eq!(Package::read_file(&file, &LIMITS).unwrap(), small_package());
}

#[test]
fn equal_packages_are_equal_bytes() {
    assert_eq!(small_package().to_bytes(), small_package().to_bytes());
}

#[test]
fn the_digest_tells_apart_what_paints_differently_and_nothing_else() {
    let package = small_package();
    let tensors = || package.weights.iter().map(|(name, t)| (name.to_owned(), t.clone())).collect::<BTreeMap<_, _>>();
    let digest = |manifest: Manifest, tensors| Package::new(manifest, tensors, None).unwrap().digest;
    let titled = Manifest { title: "Another".to_owned(), ..package.manifest.clone() };
    assert_eq!(digest(titled, tensors()), package.digest);
    let mut parameters = package.manifest.parameters.clone();
    parameters.insert("upsample".to_owned(), json!("bilinear"));
    assert_ne!(digest(Manifest { parameters, ..package.manifest.clone() }, tensors()), package.digest);
    let mut changed = tensors();
    changed.get_mut("out.conv.bias").unwrap().values[0] += 0.001;
    assert_ne!(digest(package.manifest.clone(), changed), package.digest);
}

#[test]
fn half_precision_weights_are_read() {
    for (dtype, one) in [("F16", 0x3c00u16), ("BF16", 0x3f80)] {
        let mut bytes = Vec::new();
        let header = format!(r#"{{"t":{{"dtype":"{dtype}","shape":[2],"data_offsets":[0,4]}}}}"#);
        bytes.extend((header.len() as u64).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend([one.to_le_bytes(), (one | 0x8000).to_le_bytes()].concat());
        assert_eq!(safetensors_file::read(&bytes, &LIMITS).unwrap().tensors["t"].values, [1.0, -1.0], "{dtype}");
    }
}

#[test]
fn a_manifest_that_is_missing_or_nonsense_is_refused() {
    refused_folder("manifest_missing", "style.toml", |folder| fs::remove_file(folder.join(MANIFEST_FILE)).unwrap());
    let cases: [(&str, &str, &str); 11] = [
        ("title = ", "titel = ", "line 1"),
        ("architecture = \"house\"", "", "architecture"),
        ("steps = 600", "steps = -1", "line 8"),
        ("steps = 600", "\"\\u001b[31m\" = 1", "unknown field"),
        ("weights = \"", "weights = \"../", "weights"),
        ("weights = \"", "weights = \"/etc/", "weights"),
        ("weights = \"", "weights = \".", "weights"),
        ("sha256 = \"", "sha256 = \"\\u001b", "sha256"),
        ("author = \"Ätelier\"", "author = \"\\u001b[2J\"", "`author` holds control characters"),
        ("author = \"Ätelier\"", "author = \" \"", "`author` is empty"),
        ("recipe = \"house\"", &format!("recipe = \"{}\"", "a".repeat(501)), "more than 500"),
    ];
    for (from, to, words) in cases {
        refused_folder("manifest_invalid", words, |folder| edit(&folder.join(MANIFEST_FILE), from, to));
    }
    refused_folder("manifest_invalid", "UTF-8", |folder| fs::write(folder.join(MANIFEST_FILE), [0xff]).unwrap());
    refused_folder("too_large", "style.toml", |folder| fs::write(folder.join(MANIFEST_FILE), [b' '; 2001]).unwrap());
}

#[test]
fn an_unknown_architecture_and_absurd_parameters_are_refused() {
    let manifest =
        |from: &'static str, to: &'static str| move |folder: &Path| edit(&folder.join(MANIFEST_FILE), from, to);
    refused_folder("architecture_unknown", "known are house, ", manifest("\"house\"", "\"mansion\""));
    refused_folder("parameters_invalid", "residual", manifest("residuals = 1", "residuals = 1000000000"));
    refused_folder("parameters_invalid", "width", manifest("widths = [2", "widths = [100000"));
    refused_folder("parameters_invalid", "group", manifest("norm = \"instance\"", "norm = \"group\\u001b\""));
}

#[test]
fn weights_that_are_missing_cut_or_changed_are_refused() {
    let weights = |folder: &Path| folder.join(WEIGHTS_FILE);
    refused_folder("weights_missing", WEIGHTS_FILE, |folder| fs::remove_file(weights(folder)).unwrap());
    refused_folder("digest_mismatch", "SHA-256", |folder| {
        let mut bytes = fs::read(weights(folder)).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(weights(folder), bytes).unwrap();
    });
    refused_folder("digest_mismatch", "SHA-256", |folder| {
        let bytes = fs::read(weights(folder)).unwrap();
        fs::write(weights(folder), &bytes[..bytes.len() / 2]).unwrap();
    });
    refused_folder("too_large", "20000", |folder| put_weights(folder, &vec![0; 20_001]));
}

#[test]
fn a_single_file_with_a_flipped_bit_is_refused() {
    let mut bytes = small_package().to_bytes();
    *bytes.last_mut().unwrap() ^= 1;
    refused_bytes("digest_mismatch", "SHA-256", &bytes);
}

#[test]
fn a_single_file_without_the_keys_is_refused() {
    refused_bytes("manifest_missing", "architecture", &weights_only());
    let key = |key: &str, value: serde_json::Value| {
        with_header(&small_package().to_bytes(), |header| header["__metadata__"][key] = value)
    };
    refused_bytes("manifest_invalid", "steps", &key("steps", json!("many")));
    refused_bytes("manifest_invalid", "parameters", &key("parameters", json!("{")));
    refused_bytes("manifest_invalid", "sha256", &key("sha256", json!("abc")));
    refused_bytes("weights_invalid", "string", &key("title", json!(7)));
    let untitled =
        |header: &mut serde_json::Value| drop(header["__metadata__"].as_object_mut().unwrap().remove("title"));
    refused_bytes("manifest_invalid", "title", &with_header(&small_package().to_bytes(), untitled));
}

#[test]
fn a_safetensors_file_that_contradicts_itself_is_refused() {
    let bytes = weights_only();
    let refuse = |code: &str, words: &str, bytes: &[u8]| {
        assert_refusal(&safetensors_file::read(bytes, &LIMITS).map(|_| ()).unwrap_err(), code, words);
    };
    refuse("weights_invalid", "", &[]);
    refuse("weights_invalid", "", b"not a safetensors file at all");
    refuse("weights_invalid", "", &bytes[..bytes.len() - 1]);
    refuse("weights_invalid", "", &[bytes.clone(), vec![0]].concat());
    refuse("weights_invalid", "", &u64::MAX.to_le_bytes());
    let bomb = [5000u64.to_le_bytes().to_vec(), vec![b' '; 6000]].concat();
    refuse("too_large", "4000", &bomb);
    let header = |change: fn(&mut serde_json::Value)| with_header(&bytes, change);
    refuse("weights_invalid", "", &header(|h| h["out.conv.bias"]["data_offsets"] = json!([0, 12])));
    refuse("weights_invalid", "", &header(|h| h["up.1.norm.weight"]["data_offsets"] = json!([999_999, 1_000_007])));
    refuse(
        "weights_invalid",
        "",
        &header(|h| h["out.conv.bias"]["shape"] = json!([4_294_967_296_u64, 4_294_967_296_u64])),
    );
    refuse("dtype_unknown", "I32", &header(|h| h["out.conv.bias"]["dtype"] = json!("I32")));
    refuse("weights_invalid", "", &header(|h| h["out.conv.bias"]["dtype"] = json!("F33")));
    refuse(
        "weights_invalid",
        "control",
        &header(|h| {
            let entry = h.as_object_mut().unwrap().remove("out.conv.bias").unwrap();
            h["out\u{1b}[2J"] = entry;
        }),
    );
}

#[test]
fn tensors_that_are_not_the_networks_are_refused() {
    let tensors = || small_package().weights.iter().map(|(n, t)| (n.to_owned(), t.clone())).collect::<BTreeMap<_, _>>();
    let refuse = |code: &str, words: &str, change: fn(&mut BTreeMap<String, Tensor>)| {
        let mut tensors = tensors();
        change(&mut tensors);
        assert_refusal(&Package::new(small_package().manifest, tensors, None).unwrap_err(), code, words);
    };
    refuse("tensor_missing", "out.conv.bias", |tensors| drop(tensors.remove("out.conv.bias")));
    refuse("tensor_surplus", "more", |tensors| {
        let tensor = tensors["out.conv.bias"].clone();
        tensors.insert("more".to_owned(), tensor);
    });
    refuse("tensor_shape", "[3]", |tensors| tensors.get_mut("out.conv.bias").unwrap().shape = vec![3, 1]);
    refuse("not_finite", "out.conv.bias", |tensors| tensors.get_mut("out.conv.bias").unwrap().values[1] = f32::NAN);
}

#[test]
fn weights_with_nan_are_refused_from_a_folder_too() {
    refused_folder("not_finite", "up.1.norm.weight", |folder| {
        let mut bytes = fs::read(folder.join(WEIGHTS_FILE)).unwrap();
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&f32::INFINITY.to_le_bytes());
        put_weights(folder, &bytes);
    });
}

#[test]
fn a_preview_that_is_no_jpeg_or_too_large_is_refused() {
    refused_folder("preview_invalid", "JPEG", |folder| fs::write(folder.join(PREVIEW_FILE), "<svg/>").unwrap());
    refused_folder("too_large", PREVIEW_FILE, |folder| fs::write(folder.join(PREVIEW_FILE), [0xff; 101]).unwrap());
}

#[cfg(unix)]
#[test]
fn nothing_but_ordinary_files_of_the_folder_is_read() {
    use std::os::unix::fs::symlink;
    for file in [MANIFEST_FILE, WEIGHTS_FILE, PREVIEW_FILE] {
        let replace = |with: fn(&Path)| {
            move |folder: &Path| {
                fs::remove_file(folder.join(file)).unwrap();
                with(&folder.join(file));
            }
        };
        refused_folder("outside_folder", file, replace(|path| symlink("/etc/hostname", path).unwrap()));
        refused_folder("outside_folder", file, replace(|path| symlink("/dev/zero", path).unwrap()));
        refused_folder("not_a_file", file, replace(|path| fs::create_dir(path).unwrap()));
        refused_folder("not_a_file", file, replace(|path| drop(std::os::unix::net::UnixListener::bind(path).unwrap())));
        refused_folder(
            "not_a_file",
            file,
            replace(|path| {
                let mode = rustix::fs::Mode::from_raw_mode(0o600);
                rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
            }),
        );
        refused_folder("unreadable", file, replace(|path| symlink(path, path).unwrap()));
    }
}

#[cfg(unix)]
#[test]
fn a_link_within_the_folder_is_followed() {
    let folder = folder();
    fs::rename(folder.path().join(WEIGHTS_FILE), folder.path().join("v2")).unwrap();
    std::os::unix::fs::symlink("v2", folder.path().join(WEIGHTS_FILE)).unwrap();
    assert_eq!(Package::read_folder(folder.path(), &LIMITS).unwrap(), small_package());
}

proptest::proptest! {
    #[test]
    fn no_damage_to_a_single_file_makes_the_reader_panic(at in 0usize..9000, byte: u8, cut in 0usize..9000) {
        let mut bytes = small_package().to_bytes();
        let (at, cut) = (at % bytes.len(), cut % bytes.len());
        bytes[at] = byte;
        let _ = Package::from_bytes(&bytes, &LIMITS);
        let _ = Package::from_bytes(&bytes[..cut], &LIMITS);
    }
}
