//! A picture in memory: 8-bit sRGB, with or without alpha.

use super::PictureError;

/// A picture of at least one pixel: 8-bit sRGB, rows from top to bottom, as displayed.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
    alpha: Option<Vec<u8>>,
}

impl Picture {
    /// Makes a picture of interleaved RGB samples (three bytes a pixel) and, where there is one, an alpha plane (one byte
    /// a pixel, 255 = opaque, colours not premultiplied). An alpha plane that is opaque everywhere is dropped.
    ///
    /// # Errors
    /// `WrongSampleCount` when a side is zero or a plane does not fit `width × height`.
    pub fn new(width: u32, height: u32, rgb: Vec<u8>, alpha: Option<Vec<u8>>) -> Result<Self, PictureError> {
        let pixels = u64::from(width) * u64::from(height);
        let wrong = |bytes: usize| PictureError::WrongSampleCount { width, height, bytes };
        if pixels == 0 || rgb.len() as u64 != pixels * 3 {
            return Err(wrong(rgb.len()));
        }
        if let Some(plane) = alpha.as_ref().filter(|plane| plane.len() as u64 != pixels) {
            return Err(wrong(plane.len()));
        }
        let alpha = alpha.filter(|plane| plane.iter().any(|&a| a != u8::MAX));
        Ok(Self { width, height, rgb, alpha })
    }

    /// Returns the width in pixels.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Returns the height in pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Returns the interleaved RGB samples, three bytes a pixel.
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// Returns the alpha plane, one byte a pixel, if any pixel is not opaque.
    #[must_use]
    pub fn alpha(&self) -> Option<&[u8]> {
        self.alpha.as_deref()
    }

    /// Returns the RGB samples and the alpha plane.
    #[must_use]
    pub fn into_planes(self) -> (Vec<u8>, Option<Vec<u8>>) {
        (self.rgb, self.alpha)
    }

    /// Returns the picture as it looks on white paper, without alpha.
    #[must_use]
    pub fn flattened_on_white(mut self) -> Self {
        if let Some(alpha) = self.alpha.take() {
            for (pixel, &a) in self.rgb.chunks_exact_mut(3).zip(&alpha) {
                for sample in pixel {
                    *sample = on_white(*sample, a);
                }
            }
        }
        self
    }

    /// Returns interleaved RGBA samples, if any pixel is not opaque.
    pub(super) fn rgba(&self) -> Option<Vec<u8>> {
        let alpha = self.alpha.as_ref()?;
        Some(self.rgb.chunks_exact(3).zip(alpha).flat_map(|(pixel, &a)| [pixel[0], pixel[1], pixel[2], a]).collect())
    }

    /// Refuses `other` unless it has this picture's size.
    pub(super) fn check_same_size(&self, other: &Self) -> Result<(), PictureError> {
        if (self.width, self.height) == (other.width, other.height) {
            return Ok(());
        }
        Err(PictureError::SizesDiffer {
            width: self.width,
            height: self.height,
            found_width: other.width,
            found_height: other.height,
        })
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let alpha = if self.alpha.is_some() { ", alpha" } else { "" };
        write!(f, "Picture({}×{}{alpha})", self.width, self.height)
    }
}

/// Composites one 8-bit sample on white.
fn on_white(sample: u8, alpha: u8) -> u8 {
    let (sample, alpha) = (u32::from(sample), u32::from(alpha));
    ((sample * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}
