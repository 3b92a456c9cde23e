//! Photo and painting together: how strong the painting shows, and whose colours it has.

use super::{Picture, PictureError};

impl Picture {
    /// Mixes the photo and its painting linearly in 8-bit sRGB: 0 gives the photo's own pixels, 1 the painting's, exactly.
    /// The result has the photo's alpha. `strength` outside 0..1 counts as the nearer end, NaN as 1.
    ///
    /// # Errors
    /// `SizesDiffer` unless both have the same size.
    pub fn mix(photo: &Self, painting: &Self, strength: f32) -> Result<Self, PictureError> {
        photo.check_same_size(painting)?;
        let alpha = photo.alpha().map(<[u8]>::to_vec);
        let strength = if strength.is_nan() { 1.0 } else { strength.clamp(0.0, 1.0) };
        let mixed = |(&from, &to): (&u8, &u8)| {
            let (from, to) = (f32::from(from), f32::from(to));
            // Exact at both ends: sums of small whole numbers. The half rounds to nearest.
            (from + (to - from) * strength + 0.5) as u8
        };
        let rgb = photo.rgb().iter().zip(painting.rgb()).map(mixed).collect();
        Self::new(photo.width(), photo.height(), rgb, alpha)
    }

    /// Gives this painting the colours of its photo: luma of the painting, chroma of the photo (BT.601, full range, as in
    /// JPEG), clipped to 8-bit sRGB. The painting's alpha stays.
    ///
    /// # Errors
    /// `SizesDiffer` unless both have the same size.
    pub fn with_chroma_of(&self, photo: &Self) -> Result<Self, PictureError> {
        self.check_same_size(photo)?;
        let mut rgb = Vec::with_capacity(self.rgb().len());
        for (painted, seen) in self.rgb().chunks_exact(3).zip(photo.rgb().chunks_exact(3)) {
            // Chroma is a sample's difference to its own luma, so exchanging the luma is adding the difference of lumas.
            let shift = luma(painted) - luma(seen);
            rgb.extend(seen.iter().map(|&sample| (f32::from(sample) + shift + 0.5) as u8));
        }
        Self::new(self.width(), self.height(), rgb, self.alpha().map(<[u8]>::to_vec))
    }
}

/// Returns the BT.601 luma of one RGB pixel, 0..=255.
fn luma(pixel: &[u8]) -> f32 {
    0.299 * f32::from(pixel[0]) + 0.587 * f32::from(pixel[1]) + 0.114 * f32::from(pixel[2])
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn picture(rgb: Vec<u8>) -> Picture {
        Picture::new(rgb.len() as u32 / 3, 1, rgb, None).unwrap()
    }

    proptest! {
        #[test]
        fn strength_zero_is_the_photo_and_one_the_painting(
            photo in prop::collection::vec(any::<u8>(), 30),
            painting in prop::collection::vec(any::<u8>(), 30),
        ) {
            let (photo, painting) = (picture(photo), picture(painting));
            prop_assert_eq!(&Picture::mix(&photo, &painting, 0.0).unwrap(), &photo);
            prop_assert_eq!(&Picture::mix(&photo, &painting, 1.0).unwrap(), &painting);
        }

        #[test]
        fn the_photos_colours_on_the_photo_itself_change_nothing(photo in prop::collection::vec(any::<u8>(), 30)) {
            let photo = picture(photo);
            prop_assert_eq!(&photo.with_chroma_of(&photo).unwrap(), &photo);
        }

        #[test]
        fn luma_is_the_paintings_wherever_nothing_clips(
            photo in prop::collection::vec(100..150u8, 30),
            painting in prop::collection::vec(100..150u8, 30),
        ) {
            let (photo, painting) = (picture(photo), picture(painting));
            let coloured = painting.with_chroma_of(&photo).unwrap();
            for (pixel, painted) in coloured.rgb().chunks_exact(3).zip(painting.rgb().chunks_exact(3)) {
                prop_assert!((luma(pixel) - luma(painted)).abs() <= 0.51);
            }
        }
    }

    #[test]
    fn a_half_mix_lies_in_the_middle_and_keeps_the_photos_alpha() {
        let photo = Picture::new(1, 1, vec![0, 100, 255], Some(vec![7])).unwrap();
        let mixed = Picture::mix(&photo, &picture(vec![10, 101, 0]), 0.5).unwrap();
        assert_eq!(mixed, Picture::new(1, 1, vec![5, 101, 128], Some(vec![7])).unwrap());
    }

    #[test]
    fn pictures_of_different_sizes_do_not_mix() {
        let (one, two) = (picture(vec![0; 3]), picture(vec![0; 6]));
        assert!(matches!(Picture::mix(&one, &two, 0.5), Err(PictureError::SizesDiffer { .. })));
        assert!(matches!(one.with_chroma_of(&two), Err(PictureError::SizesDiffer { .. })));
    }
}
