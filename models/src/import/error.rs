//! Why something can't be imported.

use crate::package::PackageError;

/// Why something can't be imported; the message is for people, [`ImportError::code`] for programs.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// None of the formats that can be imported.
    #[error(
        "this is none of the formats that can be imported: a style package (folder or .safetensors), a deeplearn.js \
         checkpoint folder, a pytorch/examples state dict as .safetensors, or a tar, tar.gz or zip archive of one of these"
    )]
    FormatUnknown,
    /// A file of `torch.save`.
    #[error(
        "this is a file of torch.save, and only its tensors can be imported: where there is Python, \
         `safetensors.torch.save_file(torch.load(\"style.pth\", weights_only=True), \"style.safetensors\")` makes a file of \
         them"
    )]
    Pickled,
    /// The archive is damaged or uses a part of its format that can't be read.
    #[error("the archive can't be read: {detail}")]
    ArchiveInvalid {
        /// What is wrong.
        detail: String,
    },
    /// The archive holds a path that leads elsewhere, a link or a device.
    #[error("the archive's entry `{entry}` is {what}, which no style needs")]
    ArchiveHostile {
        /// The entry's name.
        entry: String,
        /// What it is.
        what: &'static str,
    },
    /// The archive holds too much.
    #[error("the archive holds more than {limit}")]
    ArchiveTooLarge {
        /// The limit, with its unit.
        limit: String,
    },
    /// A checkpoint of another program that is not what such checkpoints are.
    #[error("the checkpoint can't be read: {detail}")]
    CheckpointInvalid {
        /// What is wrong.
        detail: String,
    },
    /// What was found is refused as a package.
    #[error(transparent)]
    Package(#[from] PackageError),
}

impl ImportError {
    /// Returns the stable code of the reason.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::FormatUnknown | Self::Pickled => "format_unknown",
            Self::ArchiveInvalid { .. } => "archive_invalid",
            Self::ArchiveHostile { .. } => "archive_hostile",
            Self::ArchiveTooLarge { .. } => "too_large",
            Self::CheckpointInvalid { .. } => "checkpoint_invalid",
            Self::Package(error) => error.code(),
        }
    }
}
