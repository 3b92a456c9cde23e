//! Another size: Lanczos3, aware of alpha.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U16x3, U16x4};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

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
        let colours = self.rgb().chunks_exact(3);
        let Some(alpha) = self.alpha() else {
            let pixels: Vec<_> = colours.map(|rgb| U16x3::new([rgb[0], rgb[1], rgb[2]].map(widened))).collect();
            let rgb = scaled(&pixels, from, to).iter().flat_map(|pixel| pixel.0.map(narrowed)).collect();
            return Self::new(width, height, rgb, None);
        };
        let pixels: Vec<_> =
            colours.zip(alpha).map(|(rgb, &a)| U16x4::new([rgb[0], rgb[1], rgb[2], a].map(widened))).collect();
        let pixels = scaled(&pixels, from, to);
        let rgb = pixels.iter().flat_map(|pixel| [pixel.0[0], pixel.0[1], pixel.0[2]].map(narrowed)).collect();
        let alpha = pixels.iter().map(|pixel| narrowed(pixel.0[3])).collect();
        Self::new(width, height, rgb, Some(alpha))
    }
}

/// Scales pixels of one type; of four channels the last is alpha.
///
/// The type is chosen at compile time, and it is one of 16 bits: the resizer's code for 8 bits is generated thirty times
/// over for every type, which takes minutes of an optimised build. Colours also survive alpha's multiplication better.
fn scaled<P: PixelTrait>(pixels: &[P], from: (u32, u32), to: (u32, u32)) -> Vec<P> {
    let mut scaled = vec![P::default(); to.0 as usize * to.1 as usize];
    let source = TypedImageRef::new(from.0, from.1, pixels).expect("a picture's pixels fill its rectangle");
    let target = TypedImage::from_pixels_slice(to.0, to.1, &mut scaled);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3)).use_alpha(true);
    Resizer::new()
        .resize_typed(&source, &mut target.expect("the buffer was made to measure"), &options)
        .expect("the whole of a picture can be scaled");
    scaled
}

fn widened(sample: u8) -> u16 {
    u16::from(sample) * 257
}

fn narrowed(sample: u16) -> u8 {
    ((u32::from(sample) + 128) / 257) as u8
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { pixels: 1_000_000 };

    #[test]
    fn the_longest_side_becomes_what_is_asked_and_the_other_keeps_the_proportions() {
        let check = |from: (u32, u32), side_px, to| {
            assert_eq!(size_with_longest(from.0, from.1, side_px, LIMITS).unwrap(), to);
        };
        check((400, 300), 200, (200, 150));
        check((300, 400), 800, (600, 800));
        check((3, 1000), 100, (1, 100));
        check((1, 1), 7, (7, 7));
        check((u32::MAX, 1), 5, (5, 1));
    }

    #[test]
    fn a_size_over_the_limit_or_of_nothing_is_refused() {
        assert!(matches!(size_with_longest(4, 4, 1001, LIMITS), Err(PictureError::TooManyPixels { .. })));
        assert!(size_with_longest(4, 4, u32::MAX, LIMITS).is_err());
        assert!(size_with_longest(4, 4, 0, LIMITS).is_err());
    }

    #[test]
    fn a_single_colour_stays_itself_at_any_size() {
        let row = Picture::new(7, 1, [20, 130, 250].repeat(7), None).unwrap();
        for side_px in [1, 3, 50] {
            let resized = row.resized_to_longest(side_px, LIMITS).unwrap();
            assert!(resized.rgb().chunks_exact(3).all(|pixel| pixel == [20, 130, 250]), "{side_px}");
        }
    }

    /// Without regard to alpha the hidden green would bleed into the visible red.
    #[test]
    fn what_is_transparent_lends_no_colour_to_its_neighbours() {
        let (hidden, seen) = ([0, 255, 0].repeat(8), [255, 0, 0].repeat(8));
        let alpha = [vec![0; 8], vec![255; 8]].concat();
        let picture = Picture::new(16, 1, [hidden, seen].concat(), Some(alpha)).unwrap();
        let resized = picture.resized(4, 1).unwrap();
        for (pixel, &alpha) in resized.rgb().chunks_exact(3).zip(resized.alpha().unwrap()) {
            assert!(alpha == 0 || pixel[1] == 0, "{pixel:?} at alpha {alpha}");
        }
    }
}
