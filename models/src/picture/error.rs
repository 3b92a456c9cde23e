//! What can be wrong with a picture, by what its sender can do about it.

use std::error::Error;

use super::{Format, OutputFormat};

/// Why a picture was refused, or could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// There are no bytes at all.
    #[error("the picture is empty; send the file's content")]
    Empty,
    /// The bytes are not one of the formats that can be read.
    #[error("the file is {found}, which can't be read; {hint}")]
    UnsupportedFormat {
        /// What the file is, with its article.
        found: &'static str,
        /// What to send instead.
        hint: &'static str,
    },
    /// The format is known, but this file uses a part of it that can't be read.
    #[error("the {format} file uses {feature}, which can't be read; save it as an ordinary JPEG or PNG and send that")]
    UnsupportedFeature {
        /// The file's format.
        format: Format,
        /// The part of the format, as its decoder names it.
        feature: String,
    },
    /// The picture has more pixels than the limit allows.
    #[error("a picture of {width}×{height} pixels is over the limit of {limit} pixels; make it smaller")]
    TooManyPixels {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Most pixels allowed.
        limit: u64,
    },
    /// The file ends before the picture does.
    #[error("the {format} file is cut short; send it again, whole")]
    Truncated {
        /// The file's format.
        format: Format,
    },
    /// The file breaks the rules of its format.
    #[error("the {format} file is damaged ({source}); open it in an image editor, save it anew and send that")]
    Corrupt {
        /// The file's format.
        format: Format,
        /// What the decoder said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Two pictures that belong together have different sizes.
    #[error("a picture of {width}×{height} pixels was expected, not one of {found_width}×{found_height}")]
    SizesDiffer {
        /// Expected width in pixels.
        width: u32,
        /// Expected height in pixels.
        height: u32,
        /// Width found in pixels.
        found_width: u32,
        /// Height found in pixels.
        found_height: u32,
    },
    /// The samples given do not fill the picture's rectangle exactly, or it has no pixels.
    #[error("{bytes} bytes of samples do not make a picture of {width}×{height} pixels")]
    WrongSampleCount {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Samples given.
        bytes: usize,
    },
    /// A side is longer than the output format can say.
    #[error(
        "{format} files are at most {limit} pixels on a side, the picture has {side_px}; ask for another format or size"
    )]
    SideTooLong {
        /// The output format.
        format: OutputFormat,
        /// The picture's longest side in pixels.
        side_px: u32,
        /// The longest side the format allows.
        limit: u32,
    },
    /// The encoder failed.
    #[error("the picture can't be written as {format} ({source})")]
    Encode {
        /// The output format.
        format: OutputFormat,
        /// What the encoder said.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl PictureError {
    /// Returns the error of a file that breaks its format's rules.
    pub(super) fn corrupt(format: Format, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Corrupt { format, source: source.into() }
    }
}
