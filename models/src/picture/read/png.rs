//! PNG: header and orientation from its chunks, pixels through `image`.

use std::io::Cursor;

use image::codecs::png::PngDecoder;
use image::metadata::Orientation;

use super::bytes::be32;
use super::raster::{Raster, from_image};
use super::{Format, Limits, PictureError, Survey};

/// What a colour profile and other ancillary chunks may unpack to. They are compressed: a few kilobytes could claim gigabytes.
const ANCILLARY_BYTES: u64 = 8 << 20;

/// Walks the chunks from the header to the end mark.
pub(super) fn survey(bytes: &[u8], limits: Limits) -> Result<Survey, PictureError> {
    let truncated = PictureError::Truncated { format: Format::Png };
    let (Some(width), Some(height), Some(&[depth, colour])) =
        (be32(bytes, 16), be32(bytes, 20), bytes.get(24..26).and_then(|pair| pair.first_chunk()))
    else {
        return Err(truncated);
    };
    if &bytes[12..16] != b"IHDR" {
        return Err(PictureError::corrupt(Format::Png, "it does not begin with its header"));
    }
    limits.check(width, height)?;
    let mut orientation = Orientation::NoTransforms;
    let mut at = 8;
    loop {
        let length = be32(bytes, at).and_then(|length| usize::try_from(length).ok());
        let Some((length, kind)) = length.zip(bytes.get(at + 4..at + 8)) else {
            return Err(truncated);
        };
        let Some(content) = bytes.get(at + 8..).and_then(|rest| rest.get(..length)) else {
            return Err(truncated);
        };
        match kind {
            b"eXIf" => orientation = Orientation::from_exif_chunk(content).unwrap_or(orientation),
            b"IEND" if bytes.len() < at + 12 => return Err(truncated),
            b"IEND" => break,
            _ => {}
        }
        // Length, kind, content and checksum; a missing checksum shows at the next chunk.
        at += 12 + length;
    }
    let pixels = u64::from(width) * u64::from(height);
    let sample_bytes = if depth == 16 { 2 } else { 1 };
    // A palette unpacks to RGB, or RGBA when it has transparent entries; so can grey and RGB gain an alpha channel.
    let channels = if colour & 2 == 0 { 2 } else { 4 };
    // 16-bit samples exist twice for a moment: as bytes and as numbers.
    let decoder_bytes = pixels * channels * sample_bytes * sample_bytes + u64::from(width) * 64 + ANCILLARY_BYTES;
    Ok(Survey { width, height, orientation, decoder_bytes })
}

/// Decodes the (default) image.
pub(super) fn read(bytes: &[u8], survey: &Survey) -> Result<Raster, PictureError> {
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(ANCILLARY_BYTES + u64::from(survey.width) * 64);
    let decoder =
        PngDecoder::with_limits(Cursor::new(bytes), limits).map_err(|error| from_image(Format::Png, error))?;
    Raster::through(decoder, Format::Png)
}
