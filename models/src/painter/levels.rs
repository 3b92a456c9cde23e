//! From coarse to fine: large forms are found where a step is cheap, detail where it counts.

use super::Commission;
use crate::kernels::layout::Shape;

/// The most levels.
const MOST: usize = 3;
/// The coarsest level's longer side is at least this.
const COARSEST_PX: u32 = 128;
/// Each side of a level has at least this, also where the photo's has less: VGG halves it four times before its last look.
pub(super) const LEAST_PX: u32 = 16;
/// The shorter side of artworks is at least this.
const SMALLEST_ARTWORK_PX: u32 = 64;
/// The shorter side of artworks is at most this.
const LARGEST_ARTWORK_PX: u32 = 1024;

/// One size of the painting, and the steps taken in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Level {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Shorter side of the artworks in pixels.
    pub(super) artwork_side: u32,
    /// Steps on all levels before this one is entered.
    pub(super) begin: u32,
    /// Steps on all levels when it is left.
    pub(super) end: u32,
}

impl Level {
    pub(super) fn shape(&self) -> Shape {
        Shape { batch: 1, channels: 3, height: self.height as usize, width: self.width as usize }
    }
}

/// Returns the shorter side of artworks on the finest level.
pub(super) fn longest_artwork_side(width: u32, height: u32) -> u32 {
    width.min(height).clamp(SMALLEST_ARTWORK_PX, LARGEST_ARTWORK_PX)
}

/// Returns the levels, each with half the sides of the next; the steps are shared out evenly.
pub(super) fn levels(commission: &Commission) -> Vec<Level> {
    let (width, height) = (commission.photo.width(), commission.photo.height());
    let steps = commission.recipe.steps;
    let is_large = |level: usize| width.max(height) >> level >= COARSEST_PX && width.min(height) >> level >= LEAST_PX;
    let fits = |level: &usize| *level == 0 || is_large(*level);
    let count = (0..MOST.min(steps as usize)).take_while(fits).count() as u32;
    let level = |i: u32| {
        let halvings = count - 1 - i;
        let side = |side: u32| (side >> halvings).max(LEAST_PX);
        Level {
            width: side(width),
            height: side(height),
            artwork_side: (longest_artwork_side(width, height) >> halvings).max(SMALLEST_ARTWORK_PX),
            begin: steps * i / count,
            end: steps * (i + 1) / count,
        }
    };
    (0..count).map(level).collect()
}

/// Returns pixels, `[3][h][w]`, of one shape in another: bilinear between pixel centres.
pub(super) fn enlarged(pixels: &[f32], from: Shape, to: Shape) -> Vec<f32> {
    let place = |i: usize, from: usize, to: usize| {
        let at = ((i as f32 + 0.5) * from as f32 / to as f32 - 0.5).clamp(0.0, (from - 1) as f32);
        let low = at as usize;
        (low, (low + 1).min(from - 1), at - low as f32)
    };
    let mut enlarged = Vec::with_capacity(to.elements());
    for plane in pixels.chunks_exact(from.plane()) {
        for y in 0..to.height {
            let (top, bottom, down) = place(y, from.height, to.height);
            for x in 0..to.width {
                let (left, right, along) = place(x, from.width, to.width);
                let row =
                    |y: usize| plane[y * from.width + left] * (1.0 - along) + plane[y * from.width + right] * along;
                enlarged.push(row(top) * (1.0 - down) + row(bottom) * down);
            }
        }
    }
    enlarged
}
