//! Decoded samples as a file stores them, and their way to 8-bit sRGB.

use std::io;

use image::{ColorType, ImageDecoder, ImageError};

use super::profile::{Convertible, ToSrgb};
use super::{Format, Picture, PictureError};

/// What the samples of one pixel mean, in storage order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Grey,
    GreyAlpha,
    Rgb,
    Rgba,
    /// Amounts of ink: 0 = none.
    Cmyk,
    CmykAlpha,
}

impl Colour {
    /// Samples per pixel.
    pub(super) fn channels(self) -> usize {
        self.inks() + usize::from(self.has_alpha())
    }

    /// Samples per pixel without alpha.
    pub(super) fn inks(self) -> usize {
        match self {
            Self::Grey | Self::GreyAlpha => 1,
            Self::Rgb | Self::Rgba => 3,
            Self::Cmyk | Self::CmykAlpha => 4,
        }
    }

    fn has_alpha(self) -> bool {
        matches!(self, Self::GreyAlpha | Self::Rgba | Self::CmykAlpha)
    }
}

/// Interleaved samples of either depth.
pub(super) enum Samples {
    Eight(Vec<u8>),
    Sixteen(Vec<u16>),
}

/// One decoded picture, before colour conversion and orientation.
pub(super) struct Raster {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) colour: Colour,
    pub(super) samples: Samples,
    /// The embedded ICC profile.
    pub(super) profile: Option<Vec<u8>>,
}

impl Raster {
    /// Reads a picture through one of `image`'s decoders.
    pub(super) fn through(mut decoder: impl ImageDecoder, format: Format) -> Result<Self, PictureError> {
        let (width, height) = decoder.dimensions();
        let refuse = |error| from_image(format, error);
        let (colour, wide) = match decoder.color_type() {
            ColorType::L8 => (Colour::Grey, false),
            ColorType::La8 => (Colour::GreyAlpha, false),
            ColorType::Rgb8 => (Colour::Rgb, false),
            ColorType::Rgba8 => (Colour::Rgba, false),
            ColorType::L16 => (Colour::Grey, true),
            ColorType::La16 => (Colour::GreyAlpha, true),
            ColorType::Rgb16 => (Colour::Rgb, true),
            ColorType::Rgba16 => (Colour::Rgba, true),
            other => {
                return Err(PictureError::UnsupportedFeature { format, feature: format!("{other:?} samples") });
            }
        };
        // A profile that can't be read is as good as none.
        let profile = decoder.icc_profile().unwrap_or(None);
        let bytes = usize::try_from(decoder.total_bytes()).unwrap_or(usize::MAX);
        let mut buffer = vec![0; bytes];
        decoder.read_image(&mut buffer).map_err(refuse)?;
        let samples = if wide {
            Samples::Sixteen(buffer.chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect())
        } else {
            Samples::Eight(buffer)
        };
        Ok(Self { width, height, colour, samples, profile })
    }

    /// Refuses a picture that has not as many samples as its size says.
    pub(super) fn check(&self, format: Format) -> Result<(), PictureError> {
        let samples = match &self.samples {
            Samples::Eight(samples) => samples.len(),
            Samples::Sixteen(samples) => samples.len(),
        };
        let pixels = u64::from(self.width) * u64::from(self.height);
        if samples as u64 == pixels * self.colour.channels() as u64 {
            return Ok(());
        }
        Err(PictureError::corrupt(format, format!("{samples} samples for {pixels} pixels")))
    }

    /// Converts the samples to 8-bit sRGB planes.
    pub(super) fn developed(self, format: Format) -> Result<Picture, PictureError> {
        self.check(format)?;
        let Self { width, height, colour, samples, profile } = self;
        let (rgb, alpha) = match samples {
            Samples::Eight(samples) => match ToSrgb::<u8>::of(profile.as_deref(), colour) {
                None if colour == Colour::Rgb => (samples, None),
                to_srgb => develop(&samples, colour, to_srgb.as_ref()),
            },
            Samples::Sixteen(samples) => {
                develop(&samples, colour, ToSrgb::<u16>::of(profile.as_deref(), colour).as_ref())
            }
        };
        Picture::new(width, height, rgb, alpha).map_err(|error| PictureError::corrupt(format, error))
    }
}

/// A sample of 8 or 16 bits.
pub(super) trait Sample: Copy + Default {
    /// Full intensity, full opacity.
    const FULL: Self;
    /// Returns the nearest 8-bit value.
    fn to_byte(self) -> u8;
    /// Returns the sample that was premultiplied with `alpha`; nothing can be told of a wholly transparent one.
    fn divided_by(self, alpha: Self) -> Self;
}

impl Sample for u8 {
    const FULL: Self = Self::MAX;

    fn to_byte(self) -> u8 {
        self
    }

    fn divided_by(self, alpha: Self) -> Self {
        divided(self.into(), alpha.into(), Self::MAX.into()) as Self
    }
}

impl Sample for u16 {
    const FULL: Self = Self::MAX;

    fn to_byte(self) -> u8 {
        ((u64::from(self) * 255 + 32_767) / 65_535) as u8
    }

    fn divided_by(self, alpha: Self) -> Self {
        divided(self.into(), alpha.into(), Self::MAX.into()) as Self
    }
}

/// Divides by alpha as a fraction of `full`, rounded, at most `full`.
fn divided(sample: u64, alpha: u64, full: u64) -> u64 {
    (sample * full + alpha / 2).checked_div(alpha).map_or(sample, |quotient| quotient.min(full))
}

/// Splits off alpha and converts the rest, a few rows' worth at a time so that no third copy of the picture exists.
fn develop<S: Convertible>(samples: &[S], colour: Colour, to_srgb: Option<&ToSrgb<S>>) -> (Vec<u8>, Option<Vec<u8>>) {
    const STRIP_PIXELS: usize = 4096;
    let (channels, inks) = (colour.channels(), colour.inks());
    let pixels = samples.len() / channels;
    let mut rgb = Vec::with_capacity(pixels * 3);
    let mut alpha = colour.has_alpha().then(|| Vec::with_capacity(pixels));
    let mut strip_inks = Vec::with_capacity(STRIP_PIXELS * inks);
    let mut converted = Vec::new();
    for strip in samples.chunks(STRIP_PIXELS * channels) {
        strip_inks.clear();
        for pixel in strip.chunks_exact(channels) {
            strip_inks.extend_from_slice(&pixel[..inks]);
            if let Some(alpha) = &mut alpha {
                alpha.push(pixel[inks].to_byte());
            }
        }
        converted.resize(strip_inks.len() / inks * 3, S::default());
        if to_srgb.is_some_and(|to_srgb| to_srgb.convert(&strip_inks, &mut converted)) {
            rgb.extend(converted.iter().map(|sample| sample.to_byte()));
        } else {
            extend_without_profile(&mut rgb, &strip_inks, inks);
        }
    }
    (rgb, alpha)
}

/// Converts pixels that carry no profile: grey and RGB are sRGB already, inks are taken as ideal.
fn extend_without_profile<S: Sample>(rgb: &mut Vec<u8>, samples: &[S], inks: usize) {
    match inks {
        1 => rgb.extend(samples.iter().flat_map(|sample| [sample.to_byte(); 3])),
        3 => rgb.extend(samples.iter().map(|sample| sample.to_byte())),
        _ => rgb.extend(samples.chunks_exact(4).flat_map(|cmyk| {
            let key = 255 - u32::from(cmyk[3].to_byte());
            [cmyk[0], cmyk[1], cmyk[2]].map(|ink| (((255 - u32::from(ink.to_byte())) * key + 127) / 255) as u8)
        })),
    }
}

/// Sorts an error of `image` by what the sender can do.
pub(super) fn from_image(format: Format, error: ImageError) -> PictureError {
    match error {
        ImageError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            PictureError::Truncated { format }
        }
        ImageError::Unsupported(error) => PictureError::UnsupportedFeature { format, feature: error.to_string() },
        error => PictureError::corrupt(format, error),
    }
}
