//! Turning a stored picture upright, as EXIF's orientation says.

use image::metadata::Orientation;

use super::Picture;

/// Returns the size that a stored picture has once it is upright.
pub(super) fn upright_size(width: u32, height: u32, orientation: Orientation) -> (u32, u32) {
    if is_transposing(orientation) { (height, width) } else { (width, height) }
}

/// Whether rows become columns.
fn is_transposing(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate90FlipH | Rotate270 | Rotate270FlipH)
}

impl Picture {
    /// Returns the picture turned upright.
    pub(super) fn turned(self, orientation: Orientation) -> Self {
        if orientation == Orientation::NoTransforms {
            return self;
        }
        let stored = (self.width() as usize, self.height() as usize);
        let (width, height) = upright_size(self.width(), self.height(), orientation);
        let (rgb, alpha) = self.into_planes();
        let rgb = turn::<3>(&rgb, stored, orientation);
        let alpha = alpha.map(|plane| turn::<1>(&plane, stored, orientation));
        Self::new(width, height, rgb, alpha).expect("turning keeps the number of samples")
    }
}

/// Turns one plane of `N` bytes a pixel, walking the upright picture row by row.
fn turn<const N: usize>(plane: &[u8], (width, height): (usize, usize), orientation: Orientation) -> Vec<u8> {
    use Orientation::{
        FlipHorizontal, FlipVertical, NoTransforms, Rotate90, Rotate90FlipH, Rotate180, Rotate270, Rotate270FlipH,
    };
    let (right, bottom) = (width - 1, height - 1);
    // For each upright (x, y): the stored column and row.
    let source = |x: usize, y: usize| match orientation {
        NoTransforms => (x, y),
        FlipHorizontal => (right - x, y),
        Rotate180 => (right - x, bottom - y),
        FlipVertical => (x, bottom - y),
        Rotate90FlipH => (y, x),
        Rotate90 => (y, bottom - x),
        Rotate270FlipH => (right - y, bottom - x),
        Rotate270 => (right - y, x),
    };
    let (upright_width, upright_height) = if is_transposing(orientation) { (height, width) } else { (width, height) };
    let mut turned = Vec::with_capacity(plane.len());
    for y in 0..upright_height {
        for x in 0..upright_width {
            let (column, row) = source(x, y);
            let at = (row * width + column) * N;
            turned.extend_from_slice(&plane[at..at + N]);
        }
    }
    turned
}
