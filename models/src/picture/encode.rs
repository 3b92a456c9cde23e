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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use crate::picture::{Limits, decode};

    fn sample(alpha: bool) -> Picture {
        let (width, height) = (61u32, 43u32);
        let rgb = (0..width * height).flat_map(|at| [at % width * 4, at / width * 5, at / 11].map(|value| value as u8));
        let alpha = alpha.then(|| (0..width * height).map(|at| (at / 7) as u8).collect());
        Picture::new(width, height, rgb.collect(), alpha).unwrap()
    }

    fn reread(picture: &Picture, format: OutputFormat) -> Picture {
        decode(&encode(picture, format).unwrap(), Limits::default()).unwrap().1
    }

    #[test]
    fn png_and_webp_give_back_every_pixel_and_its_alpha() {
        for picture in [sample(false), sample(true)] {
            assert_eq!(reread(&picture, OutputFormat::Png), picture);
            assert_eq!(reread(&picture, OutputFormat::WebP), picture);
        }
    }

    #[test]
    fn jpeg_comes_close_and_shows_alpha_on_white() {
        for picture in [sample(false), sample(true)] {
            let reread = reread(&picture, OutputFormat::Jpeg);
            let flat = picture.flattened_on_white();
            let worst = reread.rgb().iter().zip(flat.rgb()).map(|(&a, &b)| a.abs_diff(b)).max().unwrap();
            assert!(worst <= 24, "off by {worst}");
            assert!(reread.alpha().is_none());
        }
    }

    #[test]
    fn thin_pictures_of_any_length_survive_every_format() {
        for (width, height) in [(1, 1), (1, 3000), (3000, 1), (7, 9)] {
            let picture = Picture::new(width, height, vec![99; (width * height * 3) as usize], None).unwrap();
            for format in OutputFormat::ALL {
                let reread = reread(&picture, format);
                assert!(reread.rgb().iter().all(|&sample| sample.abs_diff(99) <= 1), "{format} {width}×{height}");
            }
        }
    }

    #[test]
    fn a_side_longer_than_the_format_allows_is_refused() {
        let picture = Picture::new(70_000, 1, vec![0; 210_000], None).unwrap();
        for format in [OutputFormat::Jpeg, OutputFormat::WebP] {
            assert!(matches!(encode(&picture, format), Err(PictureError::SideTooLong { .. })), "{format}");
        }
        assert_eq!(reread(&picture, OutputFormat::Png), picture);
    }

    #[test]
    fn results_hold_the_picture_alone() {
        let bytes = encode(&sample(true), OutputFormat::Png).unwrap();
        for chunk in ["eXIf", "iCCP", "tEXt", "iTXt", "zTXt", "tIME", "gAMA"] {
            assert!(!bytes.windows(4).any(|window| window == chunk.as_bytes()), "{chunk}");
        }
        let bytes = encode(&sample(false), OutputFormat::Jpeg).unwrap();
        for segment in ["Exif", "ICC_PROFILE", "http", "Adobe"] {
            assert!(!bytes.windows(segment.len()).any(|window| window == segment.as_bytes()), "{segment}");
        }
    }
}
