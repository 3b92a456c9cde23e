//! The styles that are in the binary, as the files of their package folders.

use crate::package::{MANIFEST_FILE, PREVIEW_FILE, Package, PackageError, PackageLimits, WEIGHTS_FILE};

/// A style in the binary.
#[derive(Clone, Copy, Debug)]
pub struct BuiltinStyle {
    /// Its name: that of the folder to write it to.
    pub name: &'static str,
    /// The files of the folder: name and content.
    pub files: [(&'static str, &'static [u8]); 3],
}

macro_rules! style {
    ($name:literal) => {
        BuiltinStyle {
            name: $name,
            files: [
                (MANIFEST_FILE, include_bytes!(concat!("../assets/styles/", $name, "/style.toml"))),
                (WEIGHTS_FILE, include_bytes!(concat!("../assets/styles/", $name, "/weights.safetensors"))),
                (PREVIEW_FILE, include_bytes!(concat!("../assets/styles/", $name, "/preview.jpg"))),
            ],
        }
    };
}

static STYLES: [BuiltinStyle; 6] = [
    style!("composition-vii"),
    style!("great-wave"),
    style!("metzinger"),
    style!("night-cafe"),
    style!("starry-night"),
    style!("the-scream"),
];

/// Returns the styles in the binary, by name.
pub fn builtin_styles() -> impl Iterator<Item = &'static BuiltinStyle> {
    STYLES.iter()
}

impl BuiltinStyle {
    /// Reads the style as a package, without a folder.
    ///
    /// # Errors
    /// The limits are smaller than what the weights hold.
    pub fn package(&self, limits: &PackageLimits) -> Result<Package, PackageError> {
        let file = |name: &str| self.files.iter().find(|(file, _)| *file == name).map(|(_, bytes)| bytes.to_vec());
        Package::assemble(limits, |name, _| Ok(file(name)))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[test]
    fn every_builtin_style_is_a_complete_package() {
        assert_eq!(builtin_styles().count(), 6);
        for style in builtin_styles() {
            let package = style.package(&PackageLimits::default()).unwrap();
            let manifest = &package.manifest;
            assert_eq!(manifest.licence.as_deref(), Some("CC0-1.0"), "{}", style.name);
            let told = [&manifest.artwork, &manifest.trained_on, &manifest.recipe, &manifest.command, &manifest.losses];
            assert!(told.iter().all(|text| text.is_some()) && manifest.seed.is_some(), "{}", style.name);
            let preview = package.preview.unwrap();
            assert!(preview.len() <= 40 << 10, "the preview of {} has {} bytes", style.name, preview.len());
        }
    }
}
