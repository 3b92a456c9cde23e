//! JPEG, through zune-jpeg in its strict mode, with what strict mode lets pass refused here.

use image::metadata::Orientation;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

use super::jpeg_outline::Outline;
use super::raster::{Colour, Raster, Samples};
use super::{Format, Limits, PictureError, Survey, jpeg_scan};

/// Reads the outline.
pub(super) fn survey(bytes: &[u8], limits: Limits) -> Result<Survey, PictureError> {
    let outline = Outline::of(bytes, limits)?;
    let (width, height) = (u32::from(outline.width), u32::from(outline.height));
    let orientation = outline.exif.and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms);
    let sampling = |of: fn(&super::jpeg_outline::Component) -> u8| {
        outline.components.iter().map(of).max().map_or(1, |factor| u32::from(factor.max(1)))
    };
    let padded_width = width.next_multiple_of(8 * sampling(|component| component.horizontal_sampling));
    let padded_height = height.next_multiple_of(8 * sampling(|component| component.vertical_sampling));
    let components = outline.components.len() as u64;
    // With several scans all coefficients wait as 16-bit numbers for the last one, and in a progressive file always; else
    // only a row of blocks does.
    let waiting_rows = if outline.scans > 1 || outline.is_progressive { padded_height } else { 64 };
    let decoder_bytes = u64::from(width) * u64::from(height) * components
        + u64::from(padded_width) * u64::from(waiting_rows) * components * 2
        + outline.end as u64;
    Ok(Survey { width, height, orientation, decoder_bytes })
}

/// How the decoder is to treat the components, and what they then are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Components {
    Grey,
    /// Luma and chroma, converted to RGB by the decoder.
    Coded,
    /// RGB as it is, told by Adobe's segment.
    Plain,
    /// RGB as it is, told by the components' names.
    NamedPlain,
    /// Four inks, in Adobe's inverted way, as everyone writes them.
    Inks,
    /// Luma and chroma of the first three (inverted) inks, and the fourth.
    CodedInks,
}

impl Components {
    fn of(outline: &Outline) -> Result<Self, PictureError> {
        let adobe = outline.adobe.map(|(transform, _)| transform);
        let is_named_rgb = outline.components.iter().map(|component| component.id).eq(*b"RGB");
        match (outline.components.len(), adobe) {
            (1, _) => Ok(Self::Grey),
            (3, _) if is_named_rgb => Ok(Self::NamedPlain),
            (3, Some(0)) => Ok(Self::Plain),
            (3, _) => Ok(Self::Coded),
            (4, Some(2)) => Ok(Self::CodedInks),
            (4, _) => Ok(Self::Inks),
            (count, _) => Err(PictureError::UnsupportedFeature {
                format: Format::Jpeg,
                feature: format!("{count} colour components"),
            }),
        }
    }

    /// The colour space to ask the decoder for, so that it converts nothing but `Coded`.
    fn requested(self) -> ColorSpace {
        match self {
            Self::Grey => ColorSpace::Luma,
            Self::Coded | Self::NamedPlain => ColorSpace::RGB,
            // The decoder takes the components for luma and chroma, and these for what is wanted: it copies them.
            Self::Plain => ColorSpace::YCbCr,
            Self::Inks => ColorSpace::CMYK,
            Self::CodedInks => ColorSpace::YCCK,
        }
    }
}

/// Says whether the picture can be decoded, where less than decoding it shows that: its headers are read, and all its coded
/// bits. False where [`read`] has to say it.
pub(super) fn is_sound(bytes: &[u8], limits: Limits) -> Result<bool, PictureError> {
    let outline = Outline::of(bytes, limits)?;
    if !has_usual_layout(&outline, Components::of(&outline)?) || !jpeg_scan::is_whole(bytes, &outline) {
        return Ok(false);
    }
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options());
    Ok(decoder.decode_headers().is_ok())
}

/// Says whether there are as many samples of luma as pixels, and as many of chroma, or half along the rows, or half along
/// both sides.
fn has_usual_layout(outline: &Outline, components: Components) -> bool {
    let mut layouts = outline.components.iter().map(|of| (of.horizontal_sampling, of.vertical_sampling));
    match (components, layouts.next()) {
        (Components::Grey, Some(luma)) => luma == (1, 1),
        (Components::Coded, Some((1 | 2, 1) | (2, 2))) => layouts.all(|chroma| chroma == (1, 1)),
        _ => false,
    }
}

/// Decodes the picture.
pub(super) fn read(bytes: &[u8], limits: Limits) -> Result<Raster, PictureError> {
    let outline = Outline::of(bytes, limits)?;
    let components = Components::of(&outline)?;
    let options = options().jpeg_set_out_colorspace(components.requested());
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(prepared(bytes, &outline, components)), options);
    let mut samples = decoder.decode().map_err(refuse)?;
    let colour = match components {
        Components::Grey => Colour::Grey,
        Components::Coded | Components::Plain | Components::NamedPlain => Colour::Rgb,
        Components::Inks | Components::CodedInks => Colour::Cmyk,
    };
    if components == Components::CodedInks {
        samples.chunks_exact_mut(4).for_each(decode_inks);
    } else if components == Components::Inks {
        for sample in &mut samples {
            *sample = !*sample;
        }
    }
    let (width, height) = (outline.width.into(), outline.height.into());
    Ok(Raster { width, height, colour, samples: Samples::Eight(samples), profile: outline.profile() })
}

fn options() -> DecoderOptions {
    DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
}

/// Copies the file up to its end mark in a form that makes the decoder say what it would pass over.
///
/// * Where the coded bits run out before the picture is full (a cut-off file that got an end mark from whoever repaired
///   it), the decoder would go on with zero bits and paint the rest flat. A run of one bits before the end mark is never
///   looked at in a whole picture, and no Huffman code consists of ones alone, so there it is an error.
/// * Adobe's segment with transform 0 would count as four inks also for three components: there it is made a comment.
fn prepared(bytes: &[u8], outline: &Outline, components: Components) -> Vec<u8> {
    let mut copy = Vec::with_capacity(outline.end + 64);
    copy.extend_from_slice(&bytes[..outline.end]);
    // The decoder wants the mark right behind the only scan of a progressive file.
    if !outline.is_progressive || outline.scans > 1 {
        copy.extend_from_slice(&[0xff, 0].repeat(24));
    }
    copy.extend_from_slice(&[0xff, 0xd9]);
    if let (Components::Plain | Components::NamedPlain, Some((_, at))) = (components, outline.adobe) {
        copy[at + 1] = 0xfe;
    }
    copy
}

/// Turns luma, chroma and key of Adobe's kind into amounts of ink.
fn decode_inks(pixel: &mut [u8]) {
    let (luma, blue, red) = (f32::from(pixel[0]), f32::from(pixel[1]) - 128.0, f32::from(pixel[2]) - 128.0);
    let rounded = |value: f32| (value + 0.5) as u8;
    // What decodes as RGB here is the amount of ink already: the inks were inverted before they were coded.
    pixel[0] = rounded(luma + 1.402 * red);
    pixel[1] = rounded(luma - 0.344_136 * blue - 0.714_136 * red);
    pixel[2] = rounded(luma + 1.772 * blue);
    pixel[3] = !pixel[3];
}

/// Sorts the decoder's errors by what the sender can do.
fn refuse(error: DecodeErrors) -> PictureError {
    match error {
        DecodeErrors::ExhaustedData => PictureError::Truncated { format: Format::Jpeg },
        DecodeErrors::Unsupported(scheme) => {
            PictureError::UnsupportedFeature { format: Format::Jpeg, feature: format!("{scheme:?}") }
        }
        error => PictureError::corrupt(Format::Jpeg, format!("{error:?}").trim_matches('"').trim_end_matches('\n')),
    }
}
