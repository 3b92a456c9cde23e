//! From a file's bytes to a picture: survey the headers, decode, convert to sRGB, turn upright.

mod bmp;
mod bytes;
mod gif;
mod jpeg;
mod jpeg_outline;
mod jpeg_scan;
mod orient;
mod png;
mod profile;
mod raster;
mod tiff;
mod tiff_directory;
mod tiff_palette;
mod webp;

use std::panic::{AssertUnwindSafe, catch_unwind};

use image::metadata::Orientation;
use raster::Raster;

use super::{Format, Limits, Picture, PictureError};

/// What a picture file's headers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The file's format.
    pub format: Format,
    /// Width in pixels as displayed, that is after EXIF orientation.
    pub width: u32,
    /// Height in pixels as displayed.
    pub height: u32,
    /// Most memory that decoding will take, the decoded picture included and the file itself not.
    pub decoding_bytes: u64,
}

/// What a format's own headers say, before orientation.
#[derive(Debug, Clone, Copy)]
struct Survey {
    /// Stored width in pixels.
    width: u32,
    /// Stored height in pixels.
    height: u32,
    /// How the stored picture is to be turned.
    orientation: Orientation,
    /// Most memory the decoder takes until its samples are there, the samples included.
    decoder_bytes: u64,
}

/// Reads the headers of a picture file and holds them against the limits, without decoding any pixels.
///
/// # Errors
/// `Empty` or `UnsupportedFormat` by the first bytes, `TooManyPixels` as soon as the size is known, `Truncated` when the
/// file ends early, `Corrupt` and `UnsupportedFeature` as far as the headers show it.
pub fn probe(bytes: &[u8], limits: Limits) -> Result<Header, PictureError> {
    let format = Format::sniff(bytes)?;
    let survey = behind_wall(format, || survey(format, bytes, limits))?;
    Ok(header(format, &survey))
}

/// Reads a picture file whole and keeps nothing of it: what this takes, [`decode`] takes. It costs less by what making
/// colours and turning the picture upright takes.
///
/// # Errors
/// Those of [`decode`].
pub fn verify(bytes: &[u8], limits: Limits) -> Result<Header, PictureError> {
    let format = Format::sniff(bytes)?;
    behind_wall(format, || {
        let survey = survey(format, bytes, limits)?;
        // Only decoding itself refuses, and says why.
        let is_sound = format == Format::Jpeg && behind_wall(format, || jpeg::is_sound(bytes, limits)).unwrap_or(false);
        if !is_sound {
            raster(format, bytes, &survey, limits)?.check(format)?;
        }
        Ok(header(format, &survey))
    })
}

/// Decodes a picture file whole: upright, in 8-bit sRGB, with alpha where a pixel is not opaque.
///
/// # Errors
/// As [`probe`], and `Truncated` or `Corrupt` for whatever only decoding shows: a part of a picture is never returned as
/// the whole.
pub fn decode(bytes: &[u8], limits: Limits) -> Result<(Header, Picture), PictureError> {
    let format = Format::sniff(bytes)?;
    behind_wall(format, || {
        let survey = survey(format, bytes, limits)?;
        let picture = raster(format, bytes, &survey, limits)?.developed(format)?.turned(survey.orientation);
        Ok((header(format, &survey), picture))
    })
}

/// Decodes the samples as the file stores them.
fn raster(format: Format, bytes: &[u8], survey: &Survey, limits: Limits) -> Result<Raster, PictureError> {
    match format {
        Format::Png => png::read(bytes, survey),
        Format::Jpeg => jpeg::read(bytes, limits),
        Format::WebP => webp::read(bytes),
        Format::Gif => gif::read(bytes, survey),
        Format::Bmp => bmp::read(bytes),
        Format::Tiff => tiff::read(bytes, survey),
    }
}

/// Reads the headers with the format's own rules.
fn survey(format: Format, bytes: &[u8], limits: Limits) -> Result<Survey, PictureError> {
    let survey = match format {
        Format::Png => png::survey(bytes, limits),
        Format::Jpeg => jpeg::survey(bytes, limits),
        Format::WebP => webp::survey(bytes, limits),
        Format::Gif => gif::survey(bytes, limits),
        Format::Bmp => bmp::survey(bytes, limits),
        Format::Tiff => tiff::survey(bytes, limits),
    }?;
    if survey.width == 0 || survey.height == 0 {
        return Err(PictureError::corrupt(format, "it has no pixels"));
    }
    Ok(survey)
}

/// Tells what a survey means for the caller.
fn header(format: Format, survey: &Survey) -> Header {
    /// Colour tables, row buffers and other small change.
    const SLACK: u64 = 8 << 20;
    let pixels = u64::from(survey.width) * u64::from(survey.height);
    let (width, height) = orient::upright_size(survey.width, survey.height, survey.orientation);
    // The samples and the 8-bit planes made of them exist together; turning them needs a second set of planes, but by
    // then the samples are gone.
    let decoding_bytes = survey.decoder_bytes.max(pixels * 4) + pixels * 4 + SLACK;
    Header { format, width, height, decoding_bytes }
}

/// Runs a decoder so that a panic in it refuses the file instead of ending the thread.
///
/// The decoders are other people's code fed with strangers' bytes. They are memory-safe, but an index or an arithmetic
/// check that fires in one would be a crash at the sender's will. Nothing shared is touched inside, so unwinding leaves
/// nothing half-done.
fn behind_wall<T>(format: Format, work: impl FnOnce() -> Result<T, PictureError>) -> Result<T, PictureError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(PictureError::corrupt(format, "its decoder gave up on it")))
}
