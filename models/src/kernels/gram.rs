//! Gram matrices: products of channels, summed over the pixels of each picture; and their gradient.

use super::direct::{Direct, Form, Input};
use super::disjoint::Disjoint;
use super::layout::{Shape, channel_vector};
use super::matrix_unit::Precision;
use super::outer::{ROWS, outer};
use super::output::{Epilogue, Target};
use super::simd::{Block, Kernel, LANES, Simd};
use super::source::{Border, Growth, Source};
use super::threads::ComputePool;

/// Pixels that are summed in f32 before the sum goes on in f64.
const PIXELS: usize = 2048;

/// Products of channels and sums of channels of one picture.
#[derive(Clone, Debug)]
pub struct Gram {
    /// Number of channels.
    pub channels: usize,
    /// `[c][k]`: the sum over pixels of `f[c] * f[k]`.
    pub products: Vec<f64>,
    /// The sum over pixels of `f[c]`.
    pub sums: Vec<f64>,
}

/// Returns the Gram matrix and the sums of each picture of a blocked tensor.
#[must_use]
pub fn gram(pool: &ComputePool, shape: Shape, blocks: &[Block]) -> Vec<Gram> {
    assert_eq!(blocks.len(), shape.blocks(), "the tensor has its shape's size");
    (0..shape.batch)
        .map(|n| {
            let picture = shape.channel_blocks() * shape.plane();
            one(pool, Shape { batch: 1, ..shape }, &blocks[n * picture..(n + 1) * picture])
        })
        .collect()
}

fn one(pool: &ComputePool, shape: Shape, blocks: &[Block]) -> Gram {
    let (plane, channel_blocks) = (shape.plane(), shape.channel_blocks());
    let lanes = channel_blocks * LANES;
    let pieces = plane.div_ceil(PIXELS);
    // `[piece][c][k / 16]`, and a row for the sums.
    let piece_len = (lanes + 1) * channel_blocks;
    let mut partial = vec![Block::ZERO; pieces * piece_len];
    let shared = Disjoint::new(&mut partial);
    pool.for_each(pieces * (channel_blocks + 1), |index| {
        let (piece, cb) = (index / (channel_blocks + 1), index % (channel_blocks + 1));
        let pixels = piece * PIXELS..plane.min((piece + 1) * PIXELS);
        let rows = if cb == channel_blocks { 1 } else { LANES };
        let start = piece * piece_len + cb * LANES * channel_blocks;
        // SAFETY: each task has rows of its own.
        #[expect(unsafe_code, reason = "tasks write disjoint rows")]
        let out = unsafe { shared.range(start..start + rows * channel_blocks) };
        pool.backend().run(Rows { blocks, plane, channel_blocks, pixels, cb, out });
    });
    let total =
        |at: usize| -> f64 { (0..pieces).map(|p| f64::from(partial[p * piece_len + at / LANES].0[at % LANES])).sum() };
    let channels = shape.channels;
    let products = (0..channels * channels).map(|i| total(i / channels * lanes + i % channels)).collect();
    Gram { channels, products, sums: (0..channels).map(|k| total(lanes * lanes + k)).collect() }
}

/// The products of one channel block with all, or the sums.
struct Rows<'a> {
    blocks: &'a [Block],
    plane: usize,
    channel_blocks: usize,
    pixels: std::ops::Range<usize>,
    cb: usize,
    out: &'a mut [Block],
}

impl Kernel for Rows<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let pixels = |cb: usize| &self.blocks[cb * self.plane + self.pixels.start..];
        let count = self.pixels.len();
        if self.cb == self.channel_blocks {
            for (kb, out) in self.out.iter_mut().enumerate() {
                let mut sum = simd.zero();
                for block in &pixels(kb)[..count] {
                    sum = simd.add(sum, simd.load(block));
                }
                simd.store(sum, out);
            }
            return;
        }
        let x = &pixels(self.cb)[..count];
        for kb in (0..self.channel_blocks).step_by(2) {
            for first in [0, ROWS] {
                if kb + 1 < self.channel_blocks {
                    let mut sums = [[Block::ZERO; 2]; ROWS];
                    outer::<S, 2>(simd, x, first, pixels(kb), self.plane, &mut sums);
                    for (r, sums) in sums.iter().enumerate() {
                        let at = (first + r) * self.channel_blocks + kb;
                        self.out[at..at + 2].copy_from_slice(sums);
                    }
                } else {
                    let mut sums = [[Block::ZERO; 1]; ROWS];
                    outer::<S, 1>(simd, x, first, pixels(kb), self.plane, &mut sums);
                    for (r, sums) in sums.iter().enumerate() {
                        self.out[(first + r) * self.channel_blocks + kb] = sums[0];
                    }
                }
            }
        }
    }
}

/// Writes `matrix * f + bias` of one picture: the gradient of whatever depends on its Gram matrix and sums.
///
/// `matrix` is `[c][k]`, row by row.
pub fn mix(pool: &ComputePool, shape: Shape, f: &[Block], matrix: &[f32], bias: &[f32], out: &mut [Block]) {
    let c = shape.channels;
    let form = Form { inputs: c, outputs: c, kernel: 1, stride: 1, before: 0 };
    let direct = Direct::new(matrix, form, Growth::None, Border::Zero, Precision::Floats);
    let bias = channel_vector(bias);
    let epilogue = Epilogue { bias: Some(&bias), ..Epilogue::default() };
    direct.run(pool, &Input::Blocked(Source::whole(f, shape)), [0; 2], Target::whole(out, shape).with(epilogue));
}
