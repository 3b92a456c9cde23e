//! From a picture to a file's bytes: pixels only, no metadata of any kind.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::{OutputFormat, Picture, PictureError};

/// The JPEG quality of results: where a painting's brush strokes show no blocks yet.
const JPEG_QUALITY: u8 = 92;

/// Writes a picture as a file of the given format.
///
/// PNG and WebP are lossless and keep alpha; JPEG has quality 92, chroma at full resolution (a painting's edges are edges
/// of colour) and shows alpha on white.
///
/// # Errors
/// `SideTooLong` when the format can't say the size, `Encode` when the encoder fails.
pub fn encode(picture: &Picture, format: OutputFormat) -> Result<Vec<u8>, PictureError> {
    let (side_px, limit) = (picture.width().max(picture.height()), format.longest_side_px());
    if side_px > limit {
        return Err(PictureError::SideTooLong { format, side_px, limit });
    }
    let mut bytes = Vec::new();
    match format {
        OutputFormat::Jpeg => write_jpeg(picture, &mut bytes)?,
        OutputFormat::Png => {
            // Brush strokes leave little for slow compression to find.
            let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive);
            write_lossless(picture, format, encoder)?;
        }
        OutputFormat::WebP => {
            write_lossless(picture, format, WebPEncoder::new_lossless(&mut bytes))?;
        }
    }
    Ok(bytes)
}

/// Writes RGB, or RGBA where the picture has alpha, through one of `image`'s encoders.
fn write_lossless(picture: &Picture, format: OutputFormat, encoder: impl ImageEncoder) -> Result<(), PictureError> {
    let (width, height) = (picture.width(), picture.height());
    let written = match picture.rgba() {
        Some(rgba) => encoder.write_image(&rgba, width, height, ExtendedColorType::Rgba8),
        None => encoder.write_image(picture.rgb(), width, height, ExtendedColorType::Rgb8),
    };
    written.map_err(|source| PictureError::Encode { format, source: source.into() })
}

/// Writes a baseline JPEG.
fn write_jpeg(picture: &Picture, bytes: &mut Vec<u8>) -> Result<(), PictureError> {
    let format = OutputFormat::Jpeg;
    let side = |side_px: u32| side_px.try_into().expect("the sides were held against the format's longest");
    let flattened = picture.alpha().map(|_| picture.clone().flattened_on_white());
    let picture = flattened.as_ref().unwrap_or(picture);
    let mut encoder = Encoder::new(bytes, JPEG_QUALITY);
    encoder.set_sampling_factor(SamplingFactor::R_4_4_4);
    encoder
        .encode(picture.rgb(), side(picture.width()), side(picture.height()), ColorType::Rgb)
        .map_err(|source| PictureError::Encode { format, source: source.into() })
}
