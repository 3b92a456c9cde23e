//! Another size: Lanczos3, aware of alpha.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::{Limits, Picture, PictureError};

/// Returns `width × height` scaled so that the longest side is `side_px`; the other keeps the proportions, at least 1.
///
/// # Errors
/// `TooManyPixels` when the result is over the limit, `WrongSampleCount` for a side of zero.
pub fn size_with_longest(width: u32, height: u32, side_px: u32, limits: Limits) -> Result<(u32, u32), PictureError> {
    let longest = u64::from(width.max(height));
    if longest == 0 || side_px == 0 {
        return Err(PictureError::WrongSampleCount { width, height, bytes: 0 });
    }
    let scaled = |side: u32| ((u64::from(side) * u64::from(side_px) + longest / 2) / longest).max(1) as u32;
    let (width, height) = (scaled(width), scaled(height));
    limits.check(width, height)?;
    Ok((width, height))
}

impl Picture {
    /// Returns the picture scaled so that its longest side is `side_px`; it may grow.
    ///
    /// # Errors
    /// `TooManyPixels` when the result is over the limit, `WrongSampleCount` for a side of zero.
    pub fn resized_to_longest(&self, side_px: u32, limits: Limits) -> Result<Self, PictureError> {
        let (width, height) = size_with_longest(self.width(), self.height(), side_px, limits)?;
        self.resized(width, height)
    }

    /// Returns the picture scaled to exactly `width × height`, whatever its proportions.
    ///
    /// # Errors
    /// `WrongSampleCount` for a side of zero.
    pub fn resized(&self, width: u32, height: u32) -> Result<Self, PictureError> {
        if (width, height) == (self.width(), self.height()) {
            return Ok(self.clone());
        }
        if width == 0 || height == 0 {
            return Err(PictureError::WrongSampleCount { width, height, bytes: 0 });
        }
        let (from, to) = ((self.width(), self.height()), (width, height));
        let Some(rgba) = self.rgba() else {
            return Self::new(width, height, scaled(self.rgb(), from, PixelType::U8x3, to), None);
        };
        let rgba = scaled(&rgba, from, PixelType::U8x4, to);
        let alpha = rgba.iter().skip(3).step_by(4).copied().collect();
        let rgb = rgba.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
        Self::new(width, height, rgb, Some(alpha))
    }
}

/// Scales interleaved samples; of four channels the last is alpha.
fn scaled(samples: &[u8], from: (u32, u32), pixel: PixelType, to: (u32, u32)) -> Vec<u8> {
    let source = ImageRef::new(from.0, from.1, samples, pixel).expect("a picture's samples fill its rectangle");
    let mut target = Image::new(to.0, to.1, pixel);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3)).use_alpha(true);
    Resizer::new().resize(&source, &mut target, &options).expect("both images have the same pixel type");
    target.into_vec()
}
