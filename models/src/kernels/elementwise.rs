//! Passes over whole tensors: the sum of a residual block, and the picture at a network's end.

use std::ops::Range;

use super::disjoint::Disjoint;
use super::layout::Shape;
use super::simd::{Block, Kernel, LANES, Simd};
use super::source::{Affine, Prelude, Source};
use super::threads::ComputePool;

/// Rows of one channel block that a task takes.
const ROWS: usize = 16;

/// Adds `b` to the rows `rows` of the one picture `x`, each value after its prelude, in place.
pub fn residual_sum(
    pool: &ComputePool,
    x: &mut [Block],
    shape: Shape,
    prelude: Prelude<'_>,
    b: &Source<'_>,
    rows: Range<usize>,
) {
    assert_eq!((x.len(), shape.batch), (shape.blocks(), 1), "one picture of that size");
    let pieces = rows.len().div_ceil(ROWS);
    let x = Disjoint::new(x);
    pool.for_each(shape.channel_blocks() * pieces, |index| {
        let (cb, piece) = (index / pieces, index % pieces);
        let rows = rows.start + piece * ROWS..rows.end.min(rows.start + (piece + 1) * ROWS);
        for y in rows {
            let start = (cb * shape.height + y) * shape.width;
            // SAFETY: each row of each channel block is written by one task.
            #[expect(unsafe_code, reason = "tasks write disjoint rows")]
            let x = unsafe { x.range(start..start + shape.width) };
            let affines = [Source { prelude, ..*b }.affine(0, cb), b.affine(0, cb)];
            let relus = [prelude, b.prelude].map(|p| matches!(p, Prelude::NormRelu(_)));
            pool.backend().run(Sum { x, b: b.row(0, cb, y), affines, relus });
        }
    });
}

struct Sum<'a> {
    x: &'a mut [Block],
    b: &'a [Block],
    affines: [Option<&'a Affine>; 2],
    relus: [bool; 2],
}

impl Kernel for Sum<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let one = Affine { scale: Block([1.0; LANES]), shift: Block::ZERO };
        let [x_affine, b_affine] = self.affines.map(|affine| affine.unwrap_or(&one));
        let (x_scale, x_shift) = (simd.load(&x_affine.scale), simd.load(&x_affine.shift));
        let (b_scale, b_shift) = (simd.load(&b_affine.scale), simd.load(&b_affine.shift));
        for (x, b) in self.x.iter_mut().zip(self.b) {
            let mut old = simd.mul_add(simd.load(x), x_scale, x_shift);
            let mut new = simd.mul_add(simd.load(b), b_scale, b_shift);
            if self.relus[0] {
                old = simd.relu(old);
            }
            if self.relus[1] {
                new = simd.relu(new);
            }
            simd.store(simd.add(old, new), x);
        }
    }
}

/// What makes RGB 0..1 of a network's last channels, the norm of the last convolution included.
#[derive(Clone, Copy, Debug)]
pub struct Finish {
    /// `x * gain + offset` of each channel, before anything else.
    pub gain: [f32; 3],
    /// See `gain`.
    pub offset: [f32; 3],
    /// Whether a `ReLU` follows.
    pub relu: bool,
    /// Whether the hyperbolic tangent is taken then.
    pub tanh: bool,
    /// Factor and summand at last.
    pub scale: f32,
    /// See `scale`.
    pub shift: f32,
}

impl Finish {
    /// Finishes a row of one channel in place, clamped to 0..1; returns whether all its values were finite.
    pub fn apply(&self, pool: &ComputePool, channel: usize, row: &mut [f32]) -> bool {
        pool.backend().run(FinishRow { finish: self, channel, row })
    }
}

struct FinishRow<'a> {
    finish: &'a Finish,
    channel: usize,
    row: &'a mut [f32],
}

impl Kernel for FinishRow<'_> {
    type Output = bool;
    /// Plain code, which the compiler makes vectors of in each backend's entry.
    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> bool {
        let finish = *self.finish;
        let (gain, offset) = (finish.gain[self.channel], finish.offset[self.channel]);
        // A sum of zeros, unless a value is not finite.
        let mut zero = 0.0;
        for v in self.row.iter_mut() {
            let x = *v * gain + offset;
            zero += x * 0.0;
            let x = if finish.relu && x < 0.0 { 0.0 } else { x };
            let x = if finish.tanh { tanh(x) } else { x };
            let x = x * finish.scale + finish.shift;
            *v = if x < 0.0 { 0.0 } else { x }.min(1.0);
        }
        zero == 0.0
    }
}

/// Returns the hyperbolic tangent within 2e-7: `1 - 2 / (exp(2 x) + 1)`, the exponential by a polynomial.
#[inline(always)]
#[must_use]
pub fn tanh(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer
    let t = x.clamp(-9.5, 9.5) * (2.0 * std::f32::consts::LOG2_E);
    let n = (t + ROUND) - ROUND;
    let f = t - n;
    let p = 1.339_887_4e-3 + f * 1.535_336_2e-4;
    let p = 9.618_437e-3 + f * p;
    let p = 5.550_332_5e-2 + f * p;
    let p = 2.402_264_8e-1 + f * p;
    let p = 6.931_472e-1 + f * p;
    let p = 1.0 + f * p;
    let power = f32::from_bits((((n + ROUND).to_bits() as i32 - ROUND.to_bits() as i32 + 127) as u32) << 23);
    1.0 - 2.0 / (p * power + 1.0)
}

/// Blocks that a task takes.
const PIECE: usize = 4096;

/// Zeroes `gradient` where `values` is not positive: the gradient of a `ReLU`.
pub fn gate(pool: &ComputePool, values: &[Block], gradient: &mut [Block]) {
    assert_eq!(values.len(), gradient.len(), "a gradient has its tensor's size");
    pool.map_chunks(gradient, PIECE, |i, gradient| {
        let values = &values[i * PIECE..][..gradient.len()];
        pool.backend().run(Gate { values, gradient });
    });
}

struct Gate<'a> {
    values: &'a [Block],
    gradient: &'a mut [Block],
}

impl Kernel for Gate<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (gradient, value) in self.gradient.iter_mut().zip(self.values) {
            simd.store(simd.gate(simd.load(value), simd.load(gradient)), gradient);
        }
    }
}
