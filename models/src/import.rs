//! Styles from elsewhere: our own packages, other programs' checkpoints, and archives of either.
//!
//! Everything is read from memory under [`PackageLimits`]; nothing is unpacked to a disk, nothing is executed.

mod archive;
mod deeplearnjs;
mod error;
mod pytorch;

use std::collections::BTreeMap;
use std::path::Path;

use crate::arch::Parameters;
use crate::network::Tensor;
use crate::package::{MANIFEST_FILE, Manifest, Package, PackageError, PackageLimits, read_safetensors};

pub use error::ImportError;

/// The files of one folder, by name.
type Files = BTreeMap<String, Vec<u8>>;

/// Reads a style from a file or folder.
///
/// `title` is the style's where its own files have none. A folder is a package or a deeplearn.js checkpoint; for a file
/// see [`read_bytes`].
///
/// # Errors
/// See [`ImportError`].
pub fn read(path: &Path, title: &str, limits: &PackageLimits) -> Result<Package, ImportError> {
    if !path.is_dir() {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let bytes = crate::package::read_bounded(folder, name, limits.weights_bytes)?;
        return read_bytes(
            &bytes.ok_or_else(|| PackageError::WeightsMissing { file: name.to_owned() })?,
            title,
            limits,
        );
    }
    let read = |name: &str, limit| crate::package::read_bounded(path, name, limit);
    if read(MANIFEST_FILE, limits.manifest_bytes)?.is_some() {
        return Ok(Package::assemble(limits, read)?);
    }
    match read(deeplearnjs::MANIFEST, limits.header_bytes)? {
        Some(manifest) => deeplearnjs::read(&manifest, title, limits, |name| read(name, limits.weights_bytes)),
        None => Err(ImportError::FormatUnknown),
    }
}

/// Reads a style from the bytes of a file.
///
/// The file is a package of one file, the safetensors state dict of a pytorch/examples net, or a tar, tar.gz or
/// zip archive of a package folder, a deeplearn.js checkpoint or one of these files.
///
/// # Errors
/// See [`ImportError`].
pub fn read_bytes(bytes: &[u8], title: &str, limits: &PackageLimits) -> Result<Package, ImportError> {
    let Some(mut files) = archive::open(bytes, limits)? else {
        return read_single(bytes, title, limits);
    };
    if files.contains_key(MANIFEST_FILE) {
        let read = |name: &str, limit| match files.remove(name) {
            Some(bytes) if bytes.len() as u64 > limit => Err(PackageError::TooLarge { file: name.to_owned(), limit }),
            bytes => Ok(bytes),
        };
        return Ok(Package::assemble(limits, read)?);
    }
    if let Some(manifest) = files.get(deeplearnjs::MANIFEST) {
        return deeplearnjs::read(manifest, title, limits, |name| Ok(files.get(name).cloned()));
    }
    if files.keys().any(|name| name == "data.pkl" || name.ends_with("/data.pkl")) {
        return Err(ImportError::Pickled);
    }
    match files.values().collect::<Vec<_>>().as_slice() {
        [single] => read_single(single, title, limits),
        _ => Err(ImportError::FormatUnknown),
    }
}

/// Reads a safetensors file: ours says what it is, another's is known by the names of its tensors.
fn read_single(bytes: &[u8], title: &str, limits: &PackageLimits) -> Result<Package, ImportError> {
    // What `torch.save` wrote before 1.6.
    if matches!(bytes, [0x80, 2..=5, ..]) {
        return Err(ImportError::Pickled);
    }
    // The eight bytes of the header's length, then JSON.
    if bytes.get(8) != Some(&b'{') {
        return Err(ImportError::FormatUnknown);
    }
    let contents = read_safetensors(bytes, limits)?;
    if !contents.metadata.contains_key("architecture") && pytorch::is_state_dict(&contents.tensors) {
        return pytorch::convert(contents.tensors, title);
    }
    Ok(Package::from_bytes(bytes, limits)?)
}

/// Makes a package of a published net, whose widths and residual blocks are read off its tensors.
fn published(
    architecture: &str,
    title: &str,
    parameters: Parameters,
    tensors: BTreeMap<String, Tensor>,
) -> Result<Package, ImportError> {
    let manifest =
        Manifest { title: title.to_owned(), architecture: architecture.to_owned(), parameters, ..Manifest::default() };
    Ok(Package::new(manifest, tensors, None)?)
}

#[cfg(test)]
mod tests;
