//! Why a package is refused.

use crate::arch::ParameterError;
use crate::network::WeightsError;

/// Why a package is refused; the message is for people, [`PackageError::code`] for programs.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// There is no `style.toml`, or no metadata in the header of a single file.
    #[error("there is no style.toml, and no header that says which architecture the weights are for")]
    ManifestMissing,
    /// The manifest can't be understood or says nonsense.
    #[error("the manifest is not valid: {detail}")]
    ManifestInvalid {
        /// What is wrong, with the key or line where there is one.
        detail: String,
    },
    /// The weights file is not there (yet).
    #[error("the weights file `{file}` is missing")]
    WeightsMissing {
        /// Its name.
        file: String,
    },
    /// The weights file is no safetensors file, or one that contradicts itself.
    #[error("the weights are not a valid safetensors file: {detail}")]
    WeightsInvalid {
        /// What is wrong.
        detail: String,
    },
    /// A tensor of numbers that are neither `F32`, `F16` nor `BF16`.
    #[error("the tensor `{name}` holds {dtype} numbers; only F32, F16 and BF16 can be read")]
    DtypeUnknown {
        /// The tensor.
        name: String,
        /// Its type.
        dtype: String,
    },
    /// A file is larger than the limit.
    #[error("`{file}` is larger than the limit of {limit} bytes")]
    TooLarge {
        /// Its name.
        file: String,
        /// The most that is read.
        limit: u64,
    },
    /// A directory, pipe, socket or device where a file should be.
    #[error("`{file}` is not an ordinary file")]
    NotAFile {
        /// Its name.
        file: String,
    },
    /// A link that leads out of the folder.
    #[error("`{file}` is a link that leads out of the folder")]
    OutsideFolder {
        /// Its name.
        file: String,
    },
    /// The file system answered with an error.
    #[error("`{file}` can't be read: {source}")]
    Unreadable {
        /// Its name.
        file: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The weights are not those that the manifest was written for.
    #[error("the weights' SHA-256 is {found}, but the manifest says {expected}")]
    DigestMismatch {
        /// What the manifest says.
        expected: String,
        /// What there is.
        found: String,
    },
    /// No architecture of that name is in the table.
    #[error("the architecture `{name}` is not known here; known are {}", known_architectures())]
    ArchitectureUnknown {
        /// Its name.
        name: String,
    },
    /// The architecture can't make a network of these parameters.
    #[error("the architecture's parameters are not valid: {0}")]
    ParametersInvalid(#[from] ParameterError),
    /// The tensors are not those of the network.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The preview is no JPEG file.
    #[error("preview.jpg is not a JPEG file")]
    PreviewInvalid,
}

impl PackageError {
    /// Returns the stable code of the reason.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::ManifestMissing => "manifest_missing",
            Self::ManifestInvalid { .. } => "manifest_invalid",
            Self::WeightsMissing { .. } => "weights_missing",
            Self::WeightsInvalid { .. } => "weights_invalid",
            Self::DtypeUnknown { .. } => "dtype_unknown",
            Self::TooLarge { .. } => "too_large",
            Self::NotAFile { .. } => "not_a_file",
            Self::OutsideFolder { .. } => "outside_folder",
            Self::Unreadable { .. } => "unreadable",
            Self::DigestMismatch { .. } => "digest_mismatch",
            Self::ArchitectureUnknown { .. } => "architecture_unknown",
            Self::ParametersInvalid(_) => "parameters_invalid",
            Self::Weights(WeightsError::Missing { .. }) => "tensor_missing",
            Self::Weights(WeightsError::Surplus { .. }) => "tensor_surplus",
            Self::Weights(WeightsError::Shape { .. }) => "tensor_shape",
            Self::Weights(WeightsError::NotFinite { .. }) => "not_finite",
            Self::PreviewInvalid => "preview_invalid",
        }
    }
}

fn known_architectures() -> String {
    crate::arch::ARCHITECTURES.iter().map(|architecture| architecture.name).collect::<Vec<_>>().join(", ")
}
