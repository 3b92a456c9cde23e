//! The blocked layout `[n][c / 16][h][w][16]`, and the way into and out of it.
//!
//! The last block of a tensor whose channel count is no multiple of sixteen is filled up with channels of zeros. Every
//! kernel keeps it so: weights, biases, scales and shifts are zero there.

use super::disjoint::Disjoint;
use super::simd::{Block, LANES};
use super::threads::ComputePool;

/// The sides of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Pictures.
    pub batch: usize,
    /// Channels that mean something.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Shape {
    /// Returns the number of channel blocks.
    #[must_use]
    pub fn channel_blocks(&self) -> usize {
        self.channels.div_ceil(LANES)
    }

    /// Returns the pixels of one channel.
    #[must_use]
    pub fn plane(&self) -> usize {
        self.height * self.width
    }

    /// Returns the number of blocks of the whole tensor.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.batch * self.channel_blocks() * self.plane()
    }

    /// Returns the number of floats of the whole tensor, one after the other without filling.
    #[must_use]
    pub fn elements(&self) -> usize {
        self.batch * self.channels * self.plane()
    }

    /// Returns the same with other channels.
    #[must_use]
    pub fn with_channels(self, channels: usize) -> Self {
        Self { channels, ..self }
    }
}

/// Spreads one number a channel over blocks, the rest zero.
#[must_use]
pub fn channel_vector(values: &[f32]) -> Vec<Block> {
    let block = |chunk: &[f32]| {
        let mut block = Block::ZERO;
        block.0[..chunk.len()].copy_from_slice(chunk);
        block
    };
    values.chunks(LANES).map(block).collect()
}

/// Copies `[n][c][h][w]` into the blocked layout.
pub fn to_blocked(pool: &ComputePool, shape: Shape, from: &[f32], to: &mut [Block]) {
    assert_eq!(from.len(), shape.elements(), "the tensor has its shape's size");
    assert_eq!(to.len(), shape.blocks(), "the tensor has its shape's size");
    let (plane, blocks) = (shape.plane(), shape.channel_blocks());
    let to = Disjoint::new(to);
    over_pieces(pool, shape, |n, cb, pixels| {
        let channels = LANES.min(shape.channels - cb * LANES);
        let start = (n * blocks + cb) * plane;
        // SAFETY: pieces are disjoint ranges of the plane.
        #[expect(unsafe_code, reason = "tasks write disjoint pieces")]
        let to = unsafe { to.range(start + pixels.start..start + pixels.end) };
        let from = &from[(n * shape.channels + cb * LANES) * plane..];
        for (group, x) in to.chunks_mut(LANES).zip(pixels.step_by(LANES)) {
            let mut rows = [[0.0; LANES]; LANES];
            for (c, row) in rows.iter_mut().enumerate().take(channels) {
                row[..group.len()].copy_from_slice(&from[c * plane + x..][..group.len()]);
            }
            for (i, block) in group.iter_mut().enumerate() {
                for (lane, row) in block.0.iter_mut().zip(&rows) {
                    *lane = row[i];
                }
            }
        }
    });
}

/// Copies the blocked layout into `[n][c][h][w]`.
pub fn from_blocked(pool: &ComputePool, shape: Shape, from: &[Block], to: &mut [f32]) {
    assert_eq!(from.len(), shape.blocks(), "the tensor has its shape's size");
    assert_eq!(to.len(), shape.elements(), "the tensor has its shape's size");
    let (plane, blocks) = (shape.plane(), shape.channel_blocks());
    let to = Disjoint::new(to);
    over_pieces(pool, shape, |n, cb, pixels| {
        let channels = LANES.min(shape.channels - cb * LANES);
        let from = &from[(n * blocks + cb) * plane..][pixels.clone()];
        let start = (n * shape.channels + cb * LANES) * plane;
        for (group, x) in from.chunks(LANES).zip(pixels.step_by(LANES)) {
            for c in 0..channels {
                let at = start + c * plane + x;
                // SAFETY: pieces are disjoint ranges of the planes of one channel block.
                #[expect(unsafe_code, reason = "tasks write disjoint pieces")]
                let row = unsafe { to.range(at..at + group.len()) };
                for (value, block) in row.iter_mut().zip(group) {
                    *value = block.0[c];
                }
            }
        }
    });
}

/// Runs `task(n, channel block, pixels)` for pieces that together make up the tensor.
fn over_pieces(pool: &ComputePool, shape: Shape, task: impl Fn(usize, usize, std::ops::Range<usize>) + Sync) {
    const PIECE: usize = 4096;
    let (plane, blocks) = (shape.plane(), shape.channel_blocks());
    let pieces = plane.div_ceil(PIECE);
    pool.for_each(shape.batch * blocks * pieces, |index| {
        let (piece, rest) = (index % pieces, index / pieces);
        task(rest / blocks, rest % blocks, piece * PIECE..plane.min((piece + 1) * PIECE));
    });
}
