//! GIF: sizes from its blocks, the first frame through `image`.

use std::io::Cursor;

use image::ImageDecoder;
use image::codecs::gif::GifDecoder;
use image::metadata::Orientation;

use super::bytes::le16;
use super::raster::{Raster, from_image};
use super::{Format, Limits, PictureError, Survey};

/// Walks all blocks without unpacking any: a file cut off in a later frame is refused too, but only the first costs memory.
pub(super) fn survey(bytes: &[u8], limits: Limits) -> Result<Survey, PictureError> {
    let truncated = PictureError::Truncated { format: Format::Gif };
    let (Some(width), Some(height), Some(&flags)) = (le16(bytes, 6), le16(bytes, 8), bytes.get(10)) else {
        return Err(truncated);
    };
    limits.check(width.into(), height.into())?;
    let mut first_frame_pixels = None;
    let mut at = 13 + colour_table_bytes(flags);
    loop {
        at = match bytes.get(at) {
            Some(0x21) => after_sub_blocks(bytes, at + 2),
            Some(0x2c) => {
                let (Some(frame_width), Some(frame_height), Some(&flags)) =
                    (le16(bytes, at + 5), le16(bytes, at + 7), bytes.get(at + 9))
                else {
                    return Err(truncated);
                };
                if first_frame_pixels.is_none() {
                    limits.check(frame_width.into(), frame_height.into())?;
                    first_frame_pixels = Some(u64::from(frame_width) * u64::from(frame_height));
                }
                // After the descriptor and its colours comes one byte, the code size.
                after_sub_blocks(bytes, at + 10 + colour_table_bytes(flags) + 1)
            }
            Some(0x3b) => break,
            Some(_) => return Err(PictureError::corrupt(Format::Gif, "an unknown block")),
            None => None,
        }
        .ok_or(PictureError::Truncated { format: Format::Gif })?;
    }
    let Some(frame_pixels) = first_frame_pixels else {
        return Err(PictureError::corrupt(Format::Gif, "it has no frames"));
    };
    let (width, height) = (u32::from(width), u32::from(height));
    let decoder_bytes = (u64::from(width) * u64::from(height) + frame_pixels) * 4;
    Ok(Survey { width, height, orientation: Orientation::NoTransforms, decoder_bytes })
}

/// Size of the colour table that follows a descriptor with these flags.
fn colour_table_bytes(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// Returns the place after a chain of length-prefixed sub-blocks.
fn after_sub_blocks(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            length => at += 1 + usize::from(length),
        }
    }
}

/// Decodes the first frame on a transparent canvas.
pub(super) fn read(bytes: &[u8], survey: &Survey) -> Result<Raster, PictureError> {
    let refuse = |error| from_image(Format::Gif, error);
    let mut decoder = GifDecoder::new(Cursor::new(bytes)).map_err(refuse)?;
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(survey.decoder_bytes);
    decoder.set_limits(limits).map_err(refuse)?;
    Raster::through(decoder, Format::Gif)
}
