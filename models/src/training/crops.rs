//! One crop of one photo, varied: where, how large, mirrored, turned, lighter or darker.

use std::array;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::picture::Picture;

/// How much crops differ from the photo they are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variation {
    /// For sets in which every photo comes up a few times.
    Mild,
    /// For a handful of photos: any size, quarter turns, strongly changed colours.
    Strong,
}

/// Returns a crop of `size` pixels, `[3][size][size]` in 0..1.
///
/// The photo's shorter side is at least `size`.
pub(super) fn crop(photo: &Picture, size: u32, variation: Variation, random: &mut ChaCha8Rng) -> Vec<f32> {
    let shorter = photo.width().min(photo.height());
    let widest = match variation {
        Variation::Mild => shorter.min(size + size / 2),
        Variation::Strong => shorter,
    };
    let side = random.random_range(size..=widest.max(size));
    let left = random.random_range(0..=photo.width() - side);
    let top = random.random_range(0..=photo.height() - side);
    let square = cut(photo, left, top, side).resized(size, size).expect("a crop has at least one pixel");
    let is_mirrored = random.random_bool(0.5);
    let turns = if variation == Variation::Strong && random.random_bool(0.4) { random.random_range(1..4) } else { 0 };
    let light = Light::any(&square, variation, random);
    let n = size as usize;
    let mut planes = vec![0.0; 3 * n * n];
    for (i, value) in planes.iter_mut().enumerate() {
        let (c, y, x) = (i / (n * n), i / n % n, i % n);
        let x = if is_mirrored { n - 1 - x } else { x };
        let (column, row) = match turns {
            0 => (x, y),
            1 => (y, n - 1 - x),
            2 => (n - 1 - x, n - 1 - y),
            _ => (n - 1 - y, x),
        };
        *value = light.on(c, f32::from(square.rgb()[(row * n + column) * 3 + c]) / 255.0);
    }
    planes
}

fn cut(photo: &Picture, left: u32, top: u32, side: u32) -> Picture {
    let row = |y: u32| {
        let start = 3 * (y as usize * photo.width() as usize + left as usize);
        &photo.rgb()[start..start + 3 * side as usize]
    };
    let rgb = (top..top + side).flat_map(row).copied().collect();
    Picture::new(side, side, rgb, None).expect("the rows make up the square")
}

/// Another light: contrast about the mean, brightness, and a tint.
struct Light {
    mean: f32,
    contrast: f32,
    gain: [f32; 3],
}

impl Light {
    fn any(square: &Picture, variation: Variation, random: &mut ChaCha8Rng) -> Self {
        let (light, tint) = match variation {
            Variation::Mild => (0.85..1.15, 0.92..1.08),
            Variation::Strong => (0.6..1.3, 0.7..1.3),
        };
        let sum: u64 = square.rgb().iter().map(|v| u64::from(*v)).sum();
        let mean = sum as f32 / 255.0 / square.rgb().len() as f32;
        let contrast = random.random_range(light.clone());
        let brightness: f32 = random.random_range(light);
        Self { mean, contrast, gain: array::from_fn(|_| brightness * random.random_range(tint.clone())) }
    }

    fn on(&self, channel: usize, value: f32) -> f32 {
        (((value - self.mean) * self.contrast + self.mean) * self.gain[channel]).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn crops_of_any_photo_are_whole_and_differ() {
        for (width, height) in [(64, 64), (65, 200), (128, 64)] {
            let rgb = (0..width * height * 3).map(|i| (i * 7 % 251) as u8).collect();
            let photo = Picture::new(width, height, rgb, None).unwrap();
            for variation in [Variation::Mild, Variation::Strong] {
                let mut random = ChaCha8Rng::seed_from_u64(3);
                let crops: Vec<_> = (0..20).map(|_| crop(&photo, 64, variation, &mut random)).collect();
                assert!(crops.iter().all(|crop| crop.len() == 3 * 64 * 64));
                assert!(crops.iter().flatten().all(|v| (0.0..=1.0).contains(v)));
                assert!(crops.windows(2).all(|pair| pair[0] != pair[1]));
            }
        }
    }
}
