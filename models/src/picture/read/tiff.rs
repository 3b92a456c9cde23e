//! TIFF, the first page of it, through the `tiff` crate (`image` reads neither its palettes nor its inks).

use std::io::{self, Cursor};

use image::metadata::Orientation;
use tiff::decoder::{BufferLayoutPreference, Decoder, DecodingResult, Limits as DecoderLimits};
use tiff::tags::{Tag, Type, ValueBuffer};
use tiff::{ColorType, TiffError};

use super::raster::{Colour, Raster, Sample, Samples};
use super::tiff_directory;
use super::tiff_palette::{self, Palette};
use super::{Format, Limits, PictureError, Survey};

/// What a tag may hold: profiles, tables of strips. The decoder makes several copies of the latter.
const TAG_BYTES: usize = 4 << 20;

/// How a page's samples are stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) colour: Colour,
    pub(super) bits: u8,
}

/// Reads the first page's directory.
pub(super) fn survey(bytes: &[u8], limits: Limits) -> Result<Survey, PictureError> {
    tiff_directory::check(bytes)?;
    let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(refuse)?;
    let (width, height) = decoder.dimensions().map_err(refuse)?;
    limits.check(width, height)?;
    if decoder.find_tag_unsigned::<u32>(Tag::NewSubfileType).map_err(refuse)?.is_some_and(|kind| kind & 1 == 1) {
        return Err(PictureError::UnsupportedFormat {
            found: "a camera raw file (a TIFF that begins with a thumbnail)",
            hint: "develop it to JPEG, PNG or TIFF and send that",
        });
    }
    let orientation = decoder.find_tag_unsigned::<u8>(Tag::Orientation).unwrap_or(None);
    let orientation = orientation.and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms);
    let layout = if tiff_palette::is_used(&mut decoder) {
        if decoder.find_tag_unsigned::<u16>(Tag::BitsPerSample).map_err(refuse)?.is_some_and(|bits| bits > 8) {
            return Err(unsupported("a palette of more than 256 colours"));
        }
        Layout { colour: Colour::Rgb, bits: 8 }
    } else {
        layout(&mut decoder)?
    };
    // Planes are interleaved, and packed bits unpacked, into a second set; a palette needs a copy of the file.
    let decoder_bytes = raw_bytes(width, height, layout) * 2 + bytes.len() as u64 + TAG_BYTES as u64 * 4;
    Ok(Survey { width, height, orientation, decoder_bytes })
}

/// Most bytes that the samples take as stored.
fn raw_bytes(width: u32, height: u32, layout: Layout) -> u64 {
    u64::from(width) * u64::from(height) * layout.colour.channels() as u64 * u64::from(layout.bits.div_ceil(8))
}

/// Decodes the first page.
pub(super) fn read(bytes: &[u8], survey: &Survey) -> Result<Raster, PictureError> {
    let mut decoder = limited(bytes, survey)?;
    let profile = embedded_profile(&mut decoder)?;
    let (palette, patched);
    if tiff_palette::is_used(&mut decoder) {
        palette = Some(Palette::of(&mut decoder)?);
        patched = tiff_palette::with_indices_as_grey(bytes)?;
        decoder = limited(&patched, survey)?;
    } else {
        palette = None;
    }
    let layout = layout(&mut decoder)?;
    let mut result = DecodingResult::U8(Vec::new());
    let planes = decoder.read_image_to_buffer(&mut result).map_err(refuse)?;
    let extra = decoder
        .find_tag_unsigned_vec::<u16>(Tag::ExtraSamples)
        .unwrap_or(None)
        .and_then(|kinds| kinds.first().copied());
    let (width, height) = (survey.width, survey.height);
    let samples = match result {
        DecodingResult::U8(packed) => {
            let mut samples = unpacked(interleaved(packed, &planes, 1), width, layout.bits, palette.is_some());
            settle_alpha(&mut samples, layout.colour, extra);
            Samples::Eight(samples)
        }
        DecodingResult::U16(samples) => {
            let mut samples = interleaved(samples, &planes, 2);
            settle_alpha(&mut samples, layout.colour, extra);
            Samples::Sixteen(samples)
        }
        _ => {
            return Err(unsupported("samples other than whole numbers of 8 or 16 bits"));
        }
    };
    match (palette, samples) {
        (Some(palette), Samples::Eight(indices)) => {
            let samples = Samples::Eight(palette.looked_up(&indices)?);
            Ok(Raster { width, height, colour: Colour::Rgb, samples, profile })
        }
        (_, samples) => Ok(Raster { width, height, colour: layout.colour, samples, profile }),
    }
}

/// Opens a file with limits on what decoding it may allocate.
fn limited<'a>(bytes: &'a [u8], survey: &Survey) -> Result<Decoder<Cursor<&'a [u8]>>, PictureError> {
    let mut limits = DecoderLimits::default();
    // Lists of a tag's values count here too.
    limits.decoding_buffer_size = usize::try_from(survey.decoder_bytes).unwrap_or(usize::MAX).saturating_add(TAG_BYTES);
    limits.intermediate_buffer_size = bytes.len();
    limits.ifd_value_size = TAG_BYTES;
    Ok(Decoder::new(Cursor::new(bytes)).map_err(refuse)?.with_limits(limits))
}

/// Tells how the samples are stored, as far as they can be read.
fn layout(decoder: &mut Decoder<Cursor<&[u8]>>) -> Result<Layout, PictureError> {
    let (colour, bits) = match decoder.colortype().map_err(refuse)? {
        ColorType::Gray(bits) => (Colour::Grey, bits),
        ColorType::GrayA(bits) | ColorType::Multiband { bit_depth: bits, num_samples: 2 } => (Colour::GreyAlpha, bits),
        ColorType::RGB(bits) => (Colour::Rgb, bits),
        ColorType::RGBA(bits) => (Colour::Rgba, bits),
        ColorType::CMYK(bits) => (Colour::Cmyk, bits),
        ColorType::CMYKA(bits) => (Colour::CmykAlpha, bits),
        other => return Err(unsupported(&format!("{other:?} samples"))),
    };
    match (colour, bits) {
        (_, 8 | 16) | (Colour::Grey, 1 | 2 | 4) => Ok(Layout { colour, bits }),
        _ => Err(unsupported(&format!("samples of {bits} bits"))),
    }
}

/// Reads the ICC profile; one that lies past the file's end means that the file is cut short.
fn embedded_profile(decoder: &mut Decoder<Cursor<&[u8]>>) -> Result<Option<Vec<u8>>, PictureError> {
    // As bytes: the decoder's usual way makes a 32-byte value of each.
    let mut profile = ValueBuffer::empty(Type::BYTE);
    match decoder.image_ifd().find_tag_buf(Tag::IccProfile, &mut profile) {
        Ok(found) => Ok(found.map(|_| profile.as_bytes().to_vec())),
        Err(TiffError::IoError(error)) => Err(refuse(TiffError::IoError(error))),
        Err(_) => Ok(None),
    }
}

/// Interleaves samples that are stored plane after plane.
fn interleaved<S: Copy>(samples: Vec<S>, layout: &BufferLayoutPreference, sample_bytes: usize) -> Vec<S> {
    let plane_samples = layout.plane_stride.map_or(0, |stride| stride.get() / sample_bytes);
    if layout.planes < 2 || plane_samples == 0 {
        return samples;
    }
    let planes: Vec<&[S]> = samples.chunks_exact(plane_samples).collect();
    (0..plane_samples).flat_map(|at| planes.iter().map(move |plane| plane[at])).collect()
}

/// Unpacks grey samples of 1, 2 or 4 bits (rows begin at whole bytes), scaled to 8 bits unless they are palette indices.
fn unpacked(packed: Vec<u8>, width: u32, bits: u8, are_indices: bool) -> Vec<u8> {
    if bits >= 8 {
        return packed;
    }
    let width = width as usize;
    let (per_byte, mask) = (usize::from(8 / bits), u8::MAX >> (8 - bits));
    let scale = if are_indices { 1 } else { u8::MAX / mask };
    let row = |row: &[u8]| -> Vec<u8> {
        (0..width).map(|x| (row[x / per_byte] >> (8 - usize::from(bits) * (x % per_byte + 1)) & mask) * scale).collect()
    };
    packed.chunks_exact(width.div_ceil(per_byte)).flat_map(row).collect()
}

/// Brings the extra channel to what alpha means here: premultiplied colours are divided, a channel that is not alpha is
/// made opaque.
fn settle_alpha<S: Sample>(samples: &mut [S], colour: Colour, extra: Option<u16>) {
    let channels = colour.channels();
    if channels == colour.inks() {
        return;
    }
    for pixel in samples.chunks_exact_mut(channels) {
        let (alpha, colours) = pixel.split_last_mut().expect("a pixel has channels");
        match extra {
            Some(0) => *alpha = S::FULL,
            Some(1) => colours.iter_mut().for_each(|sample| *sample = sample.divided_by(*alpha)),
            _ => {}
        }
    }
}

/// Returns the error for a part of TIFF that can't be read.
pub(super) fn unsupported(feature: &str) -> PictureError {
    PictureError::UnsupportedFeature { format: Format::Tiff, feature: feature.into() }
}

/// Sorts the decoder's errors by what the sender can do.
pub(super) fn refuse(error: TiffError) -> PictureError {
    match error {
        TiffError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            PictureError::Truncated { format: Format::Tiff }
        }
        TiffError::UnsupportedError(feature) => unsupported(&feature.to_string()),
        error => PictureError::corrupt(Format::Tiff, error),
    }
}
