//! BMP: size from its header, pixels through `image`.

use std::io::Cursor;

use image::codecs::bmp::BmpDecoder;
use image::metadata::Orientation;

use super::bytes::{le16, le32};
use super::raster::{Raster, from_image};
use super::{Format, Limits, PictureError, Survey};

/// Reads the size from either generation of header.
pub(super) fn survey(bytes: &[u8], limits: Limits) -> Result<Survey, PictureError> {
    let truncated = PictureError::Truncated { format: Format::Bmp };
    let Some(header_bytes) = le32(bytes, 14) else {
        return Err(truncated);
    };
    let size = if header_bytes == 12 {
        le16(bytes, 18).map(u32::from).zip(le16(bytes, 20).map(u32::from))
    } else {
        // A negative height means that rows run from top to bottom.
        le32(bytes, 18).zip(le32(bytes, 22).map(|height| (height as i32).unsigned_abs()))
    };
    let Some((width, height)) = size else {
        return Err(truncated);
    };
    limits.check(width, height)?;
    BmpDecoder::new(Cursor::new(bytes)).map_err(|error| from_image(Format::Bmp, error))?;
    let decoder_bytes = u64::from(width) * u64::from(height) * 4;
    Ok(Survey { width, height, orientation: Orientation::NoTransforms, decoder_bytes })
}

/// Decodes the picture.
pub(super) fn read(bytes: &[u8]) -> Result<Raster, PictureError> {
    let decoder = BmpDecoder::new(Cursor::new(bytes)).map_err(|error| from_image(Format::Bmp, error))?;
    Raster::through(decoder, Format::Bmp)
}
