//! WebP: size from its first chunk, pixels through `image`.

use std::io::Cursor;

use image::ImageDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;

use super::bytes::{array, le16, le32};
use super::raster::{Raster, from_image};
use super::{Format, Limits, PictureError, Survey};

/// Reads the size and holds the container's length against the file's.
pub(super) fn survey(bytes: &[u8], limits: Limits) -> Result<Survey, PictureError> {
    let truncated = PictureError::Truncated { format: Format::WebP };
    let Some((width, height)) = size(bytes)? else {
        return Err(truncated);
    };
    limits.check(width, height)?;
    let declared = le32(bytes, 4).map_or(u64::MAX, u64::from) + 8;
    if (bytes.len() as u64) < declared {
        return Err(truncated);
    }
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(|error| from_image(Format::WebP, error))?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    // The lossless decoder unpacks to RGBA and has sub-images for its transforms; the lossy one has planes with whole
    // macroblocks beside its output; an animation adds a canvas and its frame.
    let pixels = u64::from(width.next_multiple_of(16)) * u64::from(height.next_multiple_of(16));
    Ok(Survey { width, height, orientation, decoder_bytes: pixels * 16 })
}

/// Reads the size from whichever of the three headers comes first.
fn size(bytes: &[u8]) -> Result<Option<(u32, u32)>, PictureError> {
    let Some(kind) = array::<4>(bytes, 12) else {
        return Ok(None);
    };
    Ok(match &kind {
        b"VP8X" => {
            let side = |at| le32(bytes, at).map(|side| (side & 0x00ff_ffff) + 1);
            // The height's fourth byte is already the next chunk's.
            side(24).zip(side(27))
        }
        b"VP8 " => {
            let side = |at| le16(bytes, at).map(|side| u32::from(side & 0x3fff));
            side(26).zip(side(28))
        }
        b"VP8L" => le32(bytes, 21).map(|bits| ((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1)),
        _ => {
            return Err(PictureError::corrupt(Format::WebP, "it does not begin with a picture"));
        }
    })
}

/// Decodes the picture, of an animation the first frame.
pub(super) fn read(bytes: &[u8]) -> Result<Raster, PictureError> {
    let decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(|error| from_image(Format::WebP, error))?;
    Raster::through(decoder, Format::WebP)
}
