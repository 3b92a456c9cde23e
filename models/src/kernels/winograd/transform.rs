//! The transforms of F(4x4, 3x3): kernel to 6x6, inputs to 6x6, sums to 4x4 (interpolation points 0, 1, -1, 2, -2, inf).

use std::ops::Range;

use super::{Geometry, TILE, Tiles};
use crate::kernels::disjoint::Disjoint;
use crate::kernels::output::{Running, Sink, Tally};
use crate::kernels::simd::{Block, Simd};
use crate::kernels::source::{Border, Modifier, Normed, Plain, Prelude, Source, at};

/// Returns `G k G'` of one 3x3 kernel.
pub(super) fn kernel_transform(kernel: &[f32; 9]) -> [f32; 36] {
    let line = |a: f32, b: f32, c: f32| {
        let (sixth, far) = (a + c, a / 24.0 + c / 6.0);
        [a / 4.0, -(sixth + b) / 6.0, -(sixth - b) / 6.0, far + b / 12.0, far - b / 12.0, c]
    };
    let mut columns = [[0.0; 3]; 6];
    for j in 0..3 {
        for (i, v) in line(kernel[j], kernel[3 + j], kernel[6 + j]).into_iter().enumerate() {
            columns[i][j] = v;
        }
    }
    let mut out = [0.0; 36];
    for (out, column) in out.as_chunks_mut::<6>().0.iter_mut().zip(columns) {
        *out = line(column[0], column[1], column[2]);
    }
    out
}

/// `B' d` of six inputs.
#[inline(always)]
fn input_line<S: Simd>(s: S, d: [S::V; 6]) -> [S::V; 6] {
    let (two, four, minus_four, minus_five) = (s.splat(2.0), s.splat(4.0), s.splat(-4.0), s.splat(-5.0));
    let first = s.mul_add(four, d[0], s.mul_add(minus_five, d[2], d[4]));
    let last = s.mul_add(four, d[1], s.mul_add(minus_five, d[3], d[5]));
    let (a, b) = (s.mul_add(minus_four, d[2], d[4]), s.mul_add(minus_four, d[1], d[3]));
    let (e, f) = (s.sub(d[4], d[2]), s.mul(two, s.sub(d[3], d[1])));
    [first, s.add(a, b), s.sub(a, b), s.add(e, f), s.sub(e, f), last]
}

/// `A' m` of six sums.
#[inline(always)]
fn output_line<S: Simd>(s: S, m: [S::V; 6]) -> [S::V; 4] {
    let (two, four, eight) = (s.splat(2.0), s.splat(4.0), s.splat(8.0));
    let (a, b) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
    let (c, d) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
    [s.add(m[0], s.add(a, c)), s.mul_add(two, d, b), s.mul_add(four, c, a), s.add(s.mul_add(eight, d, b), m[5])]
}

/// Transforms the tiles of one channel block of one picture.
#[derive(Clone, Copy)]
pub(super) struct InputTransform<'a> {
    pub(super) source: &'a Source<'a>,
    pub(super) geometry: Geometry,
    pub(super) tiles: Tiles,
    /// The output row at which the first row of tiles begins.
    pub(super) first_row: usize,
    pub(super) n: usize,
    pub(super) cb: usize,
    /// Blocks between two products of the same tile.
    pub(super) stride: usize,
}

impl InputTransform<'_> {
    /// Writes product `i` of the `t`-th tile of `range` to `out[i * stride + offset + t]`.
    #[inline(always)]
    pub(super) fn run<S: Simd>(self, simd: S, range: Range<usize>, out: Disjoint<'_, Block>, offset: usize) {
        match (self.source.prelude, self.source.affine(self.n, self.cb)) {
            (Prelude::NormRelu(_), Some(affine)) => {
                self.run_with(simd, Normed::<_, true>::new(simd, affine), range, out, offset);
            }
            (_, Some(affine)) => self.run_with(simd, Normed::<_, false>::new(simd, affine), range, out, offset),
            (_, None) => self.run_with(simd, Plain, range, out, offset),
        }
    }

    #[inline(always)]
    fn run_with<S: Simd>(
        self,
        simd: S,
        modifier: impl Modifier<S>,
        range: Range<usize>,
        out: Disjoint<'_, Block>,
        offset: usize,
    ) {
        for (row, column, t) in self.tiles.places(range) {
            let tile = if self.geometry.doubled {
                let (top, left) = (self.first_row / 2 + row * TILE / 2, column * TILE / 2);
                doubled(simd, self.patch::<S, 4>(simd, modifier, top as isize - 1, left as isize - 1))
            } else {
                let (top, left) = (self.first_row + row * TILE, column * TILE);
                let pad = self.geometry.pad as isize;
                plain(simd, self.patch::<S, 6>(simd, modifier, top as isize - pad, left as isize - pad))
            };
            for (y, line) in tile.iter().enumerate() {
                for (x, v) in line.iter().enumerate() {
                    if self.geometry.doubled && (y == 2 || x == 2) {
                        continue;
                    }
                    let at = (y * 6 + x) * self.stride + offset + t;
                    // SAFETY: a tile and channel block of one product is written by one task.
                    #[expect(unsafe_code, reason = "tasks write disjoint tiles or channel blocks")]
                    let to = unsafe { out.range(at..at + 1) };
                    simd.store(*v, &mut to[0]);
                }
            }
        }
    }

    /// Returns `N` by `N` inputs, prelude applied, border made up.
    #[inline(always)]
    fn patch<S: Simd, const N: usize>(
        &self,
        simd: S,
        modifier: impl Modifier<S>,
        top: isize,
        left: isize,
    ) -> [[S::V; N]; N] {
        let shape = &self.source.shape;
        let mut patch = [[simd.zero(); N]; N];
        let inside =
            |start: isize, first: usize, side: usize| start >= first as isize && start as usize + N <= first + side;
        if inside(top, self.source.first_row, self.source.rows) && inside(left, 0, shape.width) {
            for (y, line) in patch.iter_mut().enumerate() {
                let row = self.source.row(self.n, self.cb, top as usize + y);
                let from: &[Block; N] = row[left as usize..].first_chunk().expect("the patch is inside");
                for (v, from) in line.iter_mut().zip(from) {
                    *v = modifier.apply(simd, simd.load(from));
                }
            }
            return patch;
        }
        let border = match self.geometry.border {
            Border::Reflect if self.geometry.doubled => Border::Edge,
            border => border,
        };
        for (y, line) in patch.iter_mut().enumerate() {
            let Some(row) = at(border, top + y as isize, shape.height) else {
                continue;
            };
            // Rows that no output of this task needs may not be at hand.
            if row < self.source.first_row || row >= self.source.first_row + self.source.rows {
                continue;
            }
            let row = self.source.row(self.n, self.cb, row);
            for (x, v) in line.iter_mut().enumerate() {
                if let Some(column) = at(border, left + x as isize, shape.width) {
                    *v = modifier.apply(simd, simd.load(&row[column]));
                }
            }
        }
        patch
    }
}

#[inline(always)]
fn plain<S: Simd>(simd: S, d: [[S::V; 6]; 6]) -> [[S::V; 6]; 6] {
    let mut out = [[simd.zero(); 6]; 6];
    for x in 0..6 {
        let column = input_line(simd, [d[0][x], d[1][x], d[2][x], d[3][x], d[4][x], d[5][x]]);
        for y in 0..6 {
            out[y][x] = column[y];
        }
    }
    for line in &mut out {
        *line = input_line(simd, *line);
    }
    out
}

/// The same of 4x4 inputs of which the inner ones stand twice.
#[inline(always)]
fn doubled<S: Simd>(simd: S, d: [[S::V; 4]; 4]) -> [[S::V; 6]; 6] {
    let mut half = [[simd.zero(); 4]; 6];
    for x in 0..4 {
        let column = input_line(simd, [d[0][x], d[1][x], d[1][x], d[2][x], d[2][x], d[3][x]]);
        for y in 0..6 {
            half[y][x] = column[y];
        }
    }
    let mut out = [[simd.zero(); 6]; 6];
    for (out, h) in out.iter_mut().zip(half) {
        *out = input_line(simd, [h[0], h[1], h[1], h[2], h[2], h[3]]);
    }
    out
}

/// Transforms the products of one channel block back and stores them.
#[derive(Clone, Copy)]
pub(super) struct OutputTransform<'a> {
    pub(super) sink: &'a Sink<'a>,
    pub(super) tiles: Tiles,
    pub(super) n: usize,
    pub(super) kb: usize,
    /// Blocks between two products of the same tile.
    pub(super) stride: usize,
    pub(super) doubled: bool,
}

impl OutputTransform<'_> {
    /// Reads product `i` of the `t`-th tile of `range` from `products[i * stride + t]`.
    #[inline(always)]
    pub(super) fn run<S: Simd>(self, simd: S, range: Range<usize>, products: &[Block], tally: Option<&mut Tally>) {
        let mut running = tally.is_some().then(|| Running::new(simd));
        let bias = self.sink.bias(simd, self.kb);
        let (height, width) = (self.sink.rows, self.sink.shape.width);
        for (row, column, t) in self.tiles.places(range) {
            let tile = self.tile(simd, products, t);
            let (top, left) = (row * TILE, column * TILE);
            for (y, line) in tile.iter().enumerate().take(height - top) {
                let start = self.sink.index(self.n, self.kb, top + y, left);
                for (x, v) in line.iter().enumerate().take(width - left) {
                    // SAFETY: a tile of one channel block is written by one task.
                    #[expect(unsafe_code, reason = "tasks write disjoint tiles")]
                    unsafe {
                        self.sink.store(simd, start + x, simd.add(*v, bias), running.as_mut());
                    }
                }
            }
        }
        if let (Some(tally), Some(running)) = (tally, running) {
            *tally = running.finish(simd);
        }
    }

    #[inline(always)]
    fn tile<S: Simd>(&self, simd: S, products: &[Block], t: usize) -> [[S::V; 4]; 4] {
        let mut half = [[simd.zero(); 6]; 4];
        for x in 0..6 {
            if self.doubled && x == 2 {
                continue;
            }
            let mut column = [simd.zero(); 6];
            for (y, v) in column.iter_mut().enumerate() {
                if !(self.doubled && y == 2) {
                    *v = simd.load(&products[(y * 6 + x) * self.stride + t]);
                }
            }
            for (y, v) in output_line(simd, column).into_iter().enumerate() {
                half[y][x] = v;
            }
        }
        let mut out = [[simd.zero(); 4]; 4];
        for (out, half) in out.iter_mut().zip(half) {
            *out = output_line(simd, half);
        }
        out
    }
}
