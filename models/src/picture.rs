//! Pictures: the way in from files of six formats, and the way out as PNG, JPEG or WebP.
//!
//! [`probe`] judges a file by its headers, [`verify`] by all of it, [`decode`] reads it; they refuse before they allocate, and
//! none panics, whatever the bytes. What comes in is upright (EXIF orientation applied) 8-bit sRGB (embedded colour profiles converted);
//! what goes out carries pixels only: no profile, no location, no other metadata.

mod blend;
mod encode;
mod error;
mod format;
mod pixels;
mod read;
mod resize;

pub use encode::encode;
pub use error::PictureError;
pub use format::{Format, OutputFormat, UnknownOutputFormat};
pub use pixels::Picture;
pub use read::{Header, decode, probe, verify};
pub use resize::size_with_longest;

/// How large a picture may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most pixels of a decoded or enlarged picture. Bounds the memory of every decoder too.
    pub pixels: u64,
}

impl Default for Limits {
    /// Forty million pixels.
    fn default() -> Self {
        Self { pixels: 40_000_000 }
    }
}

impl Limits {
    /// Refuses `width × height` when it has more pixels than allowed.
    ///
    /// # Errors
    /// `TooManyPixels`.
    pub fn check(self, width: u32, height: u32) -> Result<(), PictureError> {
        if u64::from(width) * u64::from(height) > self.pixels {
            return Err(PictureError::TooManyPixels { width, height, limit: self.pixels });
        }
        Ok(())
    }
}
