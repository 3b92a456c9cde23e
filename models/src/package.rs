//! A style package: everything that paints one style, as a folder or as one file.
//!
//! As a folder: `style.toml` (the [`Manifest`], the weights file's name and its SHA-256), the weights as safetensors,
//! `preview.jpg`. As one file: safetensors whose header metadata carries the same keys, with the preview as a tensor of
//! bytes. The style's name is in neither: it is the folder's or the file's name.
//!
//! Files are read whole under [`PackageLimits`], each opened once, and are trusted with nothing: what comes back as a
//! [`Package`] has an architecture of the table and exactly its tensors, every number finite.

mod error;
mod files;
mod manifest;
mod safetensors_file;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::arch;
use crate::network::{Network, Tensor, Weights};
use crate::text::hexadecimal;

pub use error::PackageError;
pub use files::{MANIFEST_FILE, PREVIEW_FILE, WEIGHTS_FILE};
pub use manifest::Manifest;

pub(crate) use files::read as read_bounded;
pub(crate) use safetensors_file::read as read_safetensors;

/// A style, complete and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Package {
    /// What is known about the style.
    pub manifest: Manifest,
    /// The weights, shared with whoever paints with them.
    pub weights: Arc<Weights>,
    /// SHA-256, in lower-case hexadecimal, of all that decides how it paints: architecture, parameters and weights.
    ///
    /// The same for a folder and a single file, and whatever the title or the preview.
    pub digest: String,
    /// A small painting of the style, as JPEG.
    pub preview: Option<Vec<u8>>,
    network: Network,
}

/// How large the parts of a package may be.
#[derive(Clone, Copy, Debug)]
pub struct PackageLimits {
    /// Of `style.toml`.
    pub manifest_bytes: u64,
    /// Of the weights file, or of a single file.
    pub weights_bytes: u64,
    /// Of the JSON header at the beginning of a weights file.
    pub header_bytes: u64,
    /// Of the preview.
    pub preview_bytes: u64,
}

impl Default for PackageLimits {
    fn default() -> Self {
        Self { manifest_bytes: 64 << 10, weights_bytes: 256 << 20, header_bytes: 1 << 20, preview_bytes: 1 << 20 }
    }
}

impl Package {
    /// Makes a package of its parts, as a trainer or an importer does.
    ///
    /// # Errors
    /// Every reason for which a package of these parts would be refused when read.
    pub fn new(
        manifest: Manifest,
        tensors: BTreeMap<String, Tensor>,
        preview: Option<Vec<u8>>,
    ) -> Result<Self, PackageError> {
        manifest.check()?;
        let Some(architecture) = arch::find(&manifest.architecture) else {
            return Err(PackageError::ArchitectureUnknown { name: manifest.architecture });
        };
        let network = (architecture.describe)(&manifest.parameters)?;
        let weights = Weights::new(&network, tensors)?;
        if preview.as_ref().is_some_and(|jpeg| !jpeg.starts_with(&[0xff, 0xd8, 0xff])) {
            return Err(PackageError::PreviewInvalid);
        }
        let digest = digest(&manifest, &weights);
        Ok(Self { manifest, weights: Arc::new(weights), digest, preview, network })
    }

    /// Reads a package from its folder.
    ///
    /// # Errors
    /// See [`PackageError`]; nothing of a refused package is kept.
    pub fn read_folder(folder: &Path, limits: &PackageLimits) -> Result<Self, PackageError> {
        Self::assemble(limits, |name, limit| files::read(folder, name, limit))
    }

    /// Reads a package whose files `read` knows by name; it holds each against the limit given with the name.
    pub(crate) fn assemble(
        limits: &PackageLimits,
        mut read: impl FnMut(&str, u64) -> Result<Option<Vec<u8>>, PackageError>,
    ) -> Result<Self, PackageError> {
        let text = read(MANIFEST_FILE, limits.manifest_bytes)?.ok_or(PackageError::ManifestMissing)?;
        let (manifest, weights_file) = manifest::from_toml(&text)?;
        let bytes = read(&weights_file.name, limits.weights_bytes)?;
        let bytes = bytes.ok_or(PackageError::WeightsMissing { file: weights_file.name })?;
        check_sha256(&bytes, &weights_file.sha256)?;
        let contents = safetensors_file::read(&bytes, limits)?;
        let preview = read(PREVIEW_FILE, limits.preview_bytes)?.or(contents.preview);
        Self::new(manifest, contents.tensors, preview)
    }

    /// Reads a package that is one file.
    ///
    /// # Errors
    /// See [`PackageError`].
    pub fn read_file(file: &Path, limits: &PackageLimits) -> Result<Self, PackageError> {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let bytes = files::read(folder, name, limits.weights_bytes)?;
        Self::from_bytes(&bytes.ok_or_else(|| PackageError::WeightsMissing { file: name.to_owned() })?, limits)
    }

    /// Reads a package from the bytes of its single file.
    ///
    /// # Errors
    /// See [`PackageError`].
    pub fn from_bytes(bytes: &[u8], limits: &PackageLimits) -> Result<Self, PackageError> {
        let contents = safetensors_file::read(bytes, limits)?;
        let (manifest, sha256) = manifest::from_header(&contents.metadata)?;
        if let Some(sha256) = sha256 {
            check_sha256(contents.body, &sha256)?;
        }
        Self::new(manifest, contents.tensors, contents.preview)
    }

    /// Writes the package's files into an existing folder, without any care for crashes: that is the caller's.
    ///
    /// # Errors
    /// The folder can't be written to.
    pub fn write_folder(&self, folder: &Path) -> std::io::Result<()> {
        let weights = safetensors_file::write(&BTreeMap::new(), &self.weights, None);
        let manifest = manifest::to_toml(&self.manifest, &sha256(&weights));
        std::fs::write(folder.join(WEIGHTS_FILE), weights)?;
        std::fs::write(folder.join(MANIFEST_FILE), manifest)?;
        match &self.preview {
            Some(jpeg) => std::fs::write(folder.join(PREVIEW_FILE), jpeg),
            None => Ok(()),
        }
    }

    /// Returns the package as one file; the same package gives the same bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let preview = self.preview.as_deref();
        let body = sha256(&safetensors_file::body(&self.weights, preview));
        safetensors_file::write(&manifest::to_header(&self.manifest, body), &self.weights, preview)
    }

    /// Returns the network that the weights belong to.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }
}

fn check_sha256(bytes: &[u8], expected: &str) -> Result<(), PackageError> {
    let found = sha256(bytes);
    if found.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(PackageError::DigestMismatch { expected: expected.to_owned(), found })
}

fn digest(manifest: &Manifest, weights: &Weights) -> String {
    let mut hash = Sha256::new();
    // Names, shapes and parameters are told apart by their lengths, so that no two packages run into each other.
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    part(manifest.architecture.as_bytes());
    part(format!("{:?}", manifest.parameters).as_bytes());
    for (name, tensor) in weights.iter() {
        part(name.as_bytes());
        part(format!("{:?}", tensor.shape).as_bytes());
        part(&safetensors_file::little_endian(&tensor.values));
    }
    hexadecimal(&hash.finalize())
}

fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests;
