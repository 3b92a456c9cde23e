//! The gradient of a 3x3 convolution with respect to its kernel: `G' [sum over tiles (A' dy A) (B' x B)] G`.

use std::ops::Range;

use super::transform::InputTransform;
use super::{Geometry, PRODUCTS, TILE, Tiles, is_zero_when_doubled, odd_lines};
use crate::kernels::disjoint::Disjoint;
use crate::kernels::layout::Shape;
use crate::kernels::memory::resized;
use crate::kernels::multiply::packed_index;
use crate::kernels::outer::{ROWS, outer};
use crate::kernels::simd::{Block, Kernel, LANES, Simd};
use crate::kernels::source::Source;
use crate::kernels::threads::ComputePool;

/// Tiles that are summed between two visits of the sums.
const TILES_A_PASS: usize = 192;

/// Adds the gradient with respect to the kernel `[outputs][inputs][3][3]` to `out`, given that of the output.
pub fn winograd_kernel_gradient(
    pool: &ComputePool,
    source: &Source<'_>,
    geometry: Geometry,
    gradient: &[Block],
    shape: Shape,
    scratch: &mut Vec<Block>,
    out: &mut [f32],
) {
    let (inputs, outputs) = (source.shape.channels, shape.channels);
    assert_eq!(gradient.len(), shape.blocks(), "the gradient has the output's size");
    assert_eq!(out.len(), outputs * inputs * 9, "the gradient has the kernel's size");
    let tiles = Tiles { across: shape.width.div_ceil(TILE), down: shape.height.div_ceil(TILE) };
    let total = tiles.count() * shape.batch;
    let at_once = total.div_ceil(total.div_ceil(TILES_A_PASS));
    let (input_blocks, output_blocks) = (source.shape.channel_blocks(), shape.channel_blocks());
    let (input_stride, output_stride) = (odd_lines(input_blocks * at_once), odd_lines(output_blocks * at_once));
    let sums_len = input_blocks * LANES * output_blocks;
    let parts = [PRODUCTS * input_stride, PRODUCTS * output_stride, PRODUCTS * sums_len];
    let scratch = resized(scratch, parts.iter().sum());
    let (x, rest) = scratch.split_at_mut(parts[0]);
    let (dy, rest) = rest.split_at_mut(parts[1]);
    let sums = &mut rest[..parts[2]];
    sums.fill(Block::ZERO);
    for start in (0..total).step_by(at_once) {
        let range = start..total.min(start + at_once);
        let pass = Pass { source, geometry, gradient, shape, tiles, range, input_stride, output_stride };
        pass.run(pool, x, dy, sums);
    }
    // One task a pair of output blocks: its outputs lie next to each other.
    let sums = &*sums;
    pool.map_chunks(out, LANES * inputs * 9, |kb, out| {
        pool.backend().run(Back { sums, inputs, output_blocks, kb, out });
    });
}

/// Some tiles of all pictures.
struct Pass<'a> {
    source: &'a Source<'a>,
    geometry: Geometry,
    gradient: &'a [Block],
    shape: Shape,
    tiles: Tiles,
    range: Range<usize>,
    input_stride: usize,
    output_stride: usize,
}

impl Pass<'_> {
    fn run(&self, pool: &ComputePool, x: &mut [Block], dy: &mut [Block], sums: &mut [Block]) {
        let (input_blocks, output_blocks) = (self.source.shape.channel_blocks(), self.shape.channel_blocks());
        let (shared_x, shared_dy) = (Disjoint::new(&mut *x), Disjoint::new(&mut *dy));
        pool.for_each(input_blocks + output_blocks, |i| {
            pool.backend().run(Transform { pass: self, i, x: shared_x, dy: shared_dy });
        });
        let (x, dy) = (&*x, &*dy);
        let len = sums.len() / PRODUCTS;
        pool.map_chunks(sums, len, |i, sums| pool.backend().run(Sum { pass: self, i, x, dy, sums }));
    }

    fn pictures(&self) -> impl Iterator<Item = (usize, Range<usize>, usize)> {
        super::pictures(self.tiles, self.range.clone())
    }
}

/// Transforms one channel block: of the input, or of the gradient.
struct Transform<'a> {
    pass: &'a Pass<'a>,
    i: usize,
    x: Disjoint<'a, Block>,
    dy: Disjoint<'a, Block>,
}

impl Kernel for Transform<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (pass, count) = (self.pass, self.pass.range.len());
        let input_blocks = pass.source.shape.channel_blocks();
        for (n, range, offset) in pass.pictures() {
            if self.i < input_blocks {
                let input = InputTransform {
                    source: pass.source,
                    geometry: pass.geometry,
                    tiles: pass.tiles,
                    first_row: 0,
                    n,
                    cb: self.i,
                    stride: pass.input_stride,
                };
                input.run(simd, range, self.x, self.i * count + offset);
            } else {
                let kb = self.i - input_blocks;
                self.gradient(simd, n, kb, range, kb * count + offset);
            }
        }
    }
}

impl Transform<'_> {
    #[inline(always)]
    fn gradient<S: Simd>(&self, simd: S, n: usize, kb: usize, range: Range<usize>, offset: usize) {
        let (pass, shape) = (self.pass, self.pass.shape);
        let plane = &pass.gradient[(n * shape.channel_blocks() + kb) * shape.plane()..][..shape.plane()];
        for (row, column, t) in pass.tiles.places(range) {
            let (top, left) = (row * TILE, column * TILE);
            let mut d = [[simd.zero(); 4]; 4];
            for (y, d) in d.iter_mut().enumerate().take(shape.height - top) {
                let line = &plane[(top + y) * shape.width + left..(top + y + 1) * shape.width];
                for (d, from) in d.iter_mut().zip(line) {
                    *d = simd.load(from);
                }
            }
            let mut half = [[simd.zero(); 4]; 6];
            for x in 0..4 {
                let column = gradient_line(simd, [d[0][x], d[1][x], d[2][x], d[3][x]]);
                for y in 0..6 {
                    half[y][x] = column[y];
                }
            }
            for (y, half) in half.iter().enumerate() {
                for (x, v) in gradient_line(simd, *half).into_iter().enumerate() {
                    let at = (y * 6 + x) * pass.output_stride + offset + t;
                    // SAFETY: a tile and channel block of one product is written by one task.
                    #[expect(unsafe_code, reason = "tasks write disjoint channel blocks")]
                    let to = unsafe { self.dy.range(at..at + 1) };
                    simd.store(v, &mut to[0]);
                }
            }
        }
    }
}

/// `A d` of four gradients: the transpose of the output transform.
#[inline(always)]
fn gradient_line<S: Simd>(s: S, d: [S::V; 4]) -> [S::V; 6] {
    let (two, four, eight) = (s.splat(2.0), s.splat(4.0), s.splat(8.0));
    let (even, odd) = (s.add(d[0], d[2]), s.add(d[1], d[3]));
    let (far_even, far_odd) = (s.mul_add(four, d[2], d[0]), s.mul_add(eight, d[3], s.mul(two, d[1])));
    [d[0], s.add(even, odd), s.sub(even, odd), s.add(far_even, far_odd), s.sub(far_even, far_odd), d[3]]
}

/// Sums the outer products of one of the 36.
struct Sum<'a> {
    pass: &'a Pass<'a>,
    i: usize,
    x: &'a [Block],
    dy: &'a [Block],
    sums: &'a mut [Block],
}

impl Kernel for Sum<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (pass, count) = (self.pass, self.pass.range.len());
        if pass.geometry.doubled && is_zero_when_doubled(self.i) {
            return;
        }
        let x = &self.x[self.i * pass.input_stride..][..pass.input_stride];
        let dy = &self.dy[self.i * pass.output_stride..][..pass.output_stride];
        let (input_blocks, output_blocks) = (pass.source.shape.channel_blocks(), pass.shape.channel_blocks());
        for kb in (0..output_blocks).step_by(2) {
            for cb in 0..input_blocks {
                for first in [0, ROWS] {
                    let at = packed_index(input_blocks * LANES, output_blocks, cb * LANES + first, kb);
                    let (x, dy) = (&x[cb * count..(cb + 1) * count], &dy[kb * count..]);
                    if kb + 1 < output_blocks {
                        let (sums, _) = self.sums[at..].as_chunks_mut::<2>();
                        let sums = sums.first_chunk_mut().expect("rows lie within the sums");
                        outer::<S, 2>(simd, x, first, dy, count, sums);
                    } else {
                        let (sums, _) = self.sums[at..].as_chunks_mut::<1>();
                        let sums = sums.first_chunk_mut().expect("rows lie within the sums");
                        outer::<S, 1>(simd, x, first, dy, count, sums);
                    }
                }
            }
        }
    }
}

/// Transforms the sums of one output block back to 3x3.
struct Back<'a> {
    sums: &'a [Block],
    inputs: usize,
    output_blocks: usize,
    kb: usize,
    out: &'a mut [f32],
}

#[expect(clippy::needless_range_loop, reason = "columns of a matrix stored by rows")]
impl Kernel for Back<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let len = self.sums.len() / PRODUCTS;
        let rows = self.inputs.next_multiple_of(LANES);
        for c in 0..self.inputs {
            let at = packed_index(rows, self.output_blocks, c, self.kb);
            let mut half = [[simd.zero(); 6]; 3];
            for x in 0..6 {
                let mut column = [simd.zero(); 6];
                for (y, v) in column.iter_mut().enumerate() {
                    *v = simd.load(&self.sums[(y * 6 + x) * len + at]);
                }
                for (y, v) in kernel_line(simd, column).into_iter().enumerate() {
                    half[y][x] = v;
                }
            }
            let mut elements = [Block::ZERO; 9];
            for y in 0..3 {
                for (x, v) in kernel_line(simd, half[y]).into_iter().enumerate() {
                    simd.store(v, &mut elements[y * 3 + x]);
                }
            }
            for (lane, kernel) in self.out.chunks_exact_mut(self.inputs * 9).enumerate() {
                for (to, from) in kernel[c * 9..(c + 1) * 9].iter_mut().zip(&elements) {
                    *to += from.0[lane];
                }
            }
        }
    }
}

/// `G' u` of six sums: the transpose of the kernel transform.
#[inline(always)]
fn kernel_line<S: Simd>(s: S, u: [S::V; 6]) -> [S::V; 3] {
    let (p, q) = (s.add(u[1], u[2]), s.sub(u[2], u[1]));
    let (r, t) = (s.add(u[3], u[4]), s.sub(u[3], u[4]));
    let (sixth, minus_sixth) = (s.splat(1.0 / 6.0), s.splat(-1.0 / 6.0));
    let first = s.mul_add(s.splat(0.25), u[0], s.mul_add(minus_sixth, p, s.mul(s.splat(1.0 / 24.0), r)));
    let second = s.mul_add(sixth, q, s.mul(s.splat(1.0 / 12.0), t));
    [first, second, s.mul_add(minus_sixth, p, s.mul_add(sixth, r, u[5]))]
}
