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
