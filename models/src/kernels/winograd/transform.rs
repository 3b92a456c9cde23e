//! The transforms of F(4x4, 3x3): kernel to 6x6, inputs to 6x6, sums to 4x4 (interpolation points 0, 1, -1, 2, -2, inf).

use std::ops::Range;

use super::{Geometry, PRODUCTS, TILE, Tiles};
use crate::kernels::disjoint::Disjoint;
use crate::kernels::output::{Running, Sink, Tally};
use crate::kernels::simd::{Block, Simd};
use crate::kernels::source::{Border, Modifier, Normed, Plain, Prelude, Source, at};

/// Returns `G k G'` of sixteen 3x3 kernels, one a lane.
#[inline(always)]
pub(super) fn kernel_transform<S: Simd>(s: S, kernel: &[Block; 9]) -> [[S::V; 6]; 6] {
    let mut half = [[s.zero(); 3]; 6];
    for x in 0..3 {
        let column = kernel_line(s, [s.load(&kernel[x]), s.load(&kernel[3 + x]), s.load(&kernel[6 + x])]);
        for (half, v) in half.iter_mut().zip(column) {
            half[x] = v;
        }
    }
    let mut out = [[s.zero(); 6]; 6];
    for (line, half) in out.iter_mut().zip(half) {
        *line = kernel_line(s, half);
    }
    out
}

/// `G k` of three elements.
#[inline(always)]
fn kernel_line<S: Simd>(s: S, [a, b, c]: [S::V; 3]) -> [S::V; 6] {
    let by = |v, divisor: f32| s.mul(v, s.splat(1.0 / divisor));
    let (ends, far) = (s.add(a, c), s.add(by(a, 24.0), by(c, 6.0)));
    let middle = by(b, 12.0);
    [by(a, 4.0), by(s.add(ends, b), -6.0), by(s.sub(ends, b), -6.0), s.add(far, middle), s.sub(far, middle), c]
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
            let to = Place { out, first: offset + t, stride: self.stride };
            if self.geometry.doubled {
                let (top, left) = (self.first_row / 2 + row * TILE / 2, column * TILE / 2);
                self.tile::<S, 4>(simd, modifier, top as isize - 1, left as isize - 1, to);
            } else {
                let (top, left) = (self.first_row + row * TILE, column * TILE);
                let pad = self.geometry.pad as isize;
                self.tile::<S, 6>(simd, modifier, top as isize - pad, left as isize - pad, to);
            }
        }
    }

    /// Transforms the tile whose `N` by `N` inputs begin there.
    #[inline(always)]
    fn tile<S: Simd, const N: usize>(
        &self,
        simd: S,
        modifier: impl Modifier<S>,
        top: isize,
        left: isize,
        to: Place<'_>,
    ) {
        let (source, width) = (self.source, self.source.shape.width);
        let inside =
            |start: isize, first: usize, side: usize| start >= first as isize && start as usize + N <= first + side;
        if inside(top, source.first_row, source.rows) && inside(left, 0, width) {
            let start = (self.n * source.shape.channel_blocks() + self.cb) * source.rows + top as usize;
            let start = (start - source.first_row) * width + left as usize;
            let mut rows = [&[Block::ZERO; N]; N];
            for (y, row) in rows.iter_mut().enumerate() {
                *row = source.blocks[start + y * width..].first_chunk().expect("the tile is inside");
            }
            transform::<S, N>(simd, modifier, &rows, to);
        } else {
            let mut made_up = [[Block::ZERO; N]; N];
            self.make_up(simd, modifier, top, left, &mut made_up);
            transform::<S, N>(simd, Plain, &made_up.each_ref(), to);
        }
    }

    /// Collects `N` by `N` inputs, prelude applied, some of which lie beyond the border.
    #[inline(always)]
    fn make_up<S: Simd, const N: usize>(
        &self,
        simd: S,
        modifier: impl Modifier<S>,
        top: isize,
        left: isize,
        inputs: &mut [[Block; N]; N],
    ) {
        let shape = &self.source.shape;
        let border = match self.geometry.border {
            Border::Reflect if self.geometry.doubled => Border::Edge,
            border => border,
        };
        for (y, line) in inputs.iter_mut().enumerate() {
            let Some(row) = at(border, top + y as isize, shape.height) else {
                continue;
            };
            // Rows that no output of this task needs may not be at hand.
            if row < self.source.first_row || row >= self.source.first_row + self.source.rows {
                continue;
            }
            let row = self.source.row(self.n, self.cb, row);
            for (x, input) in line.iter_mut().enumerate() {
                if let Some(column) = at(border, left + x as isize, shape.width) {
                    simd.store(modifier.apply(simd, simd.load(&row[column])), input);
                }
            }
        }
    }
}

/// Where the products of one tile go: product `i` to `first + i * stride`.
#[derive(Clone, Copy)]
struct Place<'a> {
    out: Disjoint<'a, Block>,
    first: usize,
    stride: usize,
}

/// Transforms 6x6 inputs, or 4x4 of which the inner ones stand twice, and stores what is not always zero.
#[inline(always)]
fn transform<S: Simd, const N: usize>(simd: S, modifier: impl Modifier<S>, inputs: &[&[Block; N]; N], to: Place<'_>) {
    let doubled = N == 4;
    let mut half = [[simd.zero(); N]; 6];
    for x in 0..N {
        let mut d = [simd.zero(); N];
        for y in 0..N {
            d[y] = modifier.apply(simd, simd.load(&inputs[y][x]));
        }
        let column = input_line(simd, six(d));
        for y in 0..6 {
            half[y][x] = column[y];
        }
    }
    for (y, line) in half.into_iter().enumerate() {
        if doubled && y == 2 {
            continue;
        }
        for (x, v) in input_line(simd, six(line)).into_iter().enumerate() {
            if doubled && x == 2 {
                continue;
            }
            let at = to.first + (y * 6 + x) * to.stride;
            // SAFETY: a tile and channel block of one product is written by one task.
            #[expect(unsafe_code, reason = "tasks write disjoint tiles or channel blocks")]
            let block = unsafe { to.out.range(at..at + 1) };
            simd.store(v, &mut block[0]);
        }
    }
}

/// Returns six inputs as they are, or made of four of which the inner ones stand twice.
#[inline(always)]
fn six<V: Copy, const N: usize>(d: [V; N]) -> [V; 6] {
    if N == 4 { [d[0], d[1], d[1], d[2], d[2], d[3]] } else { [d[0], d[1], d[2], d[3], d[4 % N], d[5 % N]] }
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
        let rows = std::array::from_fn(|i| &products[i * self.stride..][..range.len()]);
        let mut running = tally.is_some().then(|| Running::new(simd));
        if self.doubled {
            self.run_with::<S, true>(simd, range, &rows, running.as_mut());
        } else {
            self.run_with::<S, false>(simd, range, &rows, running.as_mut());
        }
        if let (Some(tally), Some(running)) = (tally, running) {
            *tally = running.finish(simd);
        }
    }

    #[inline(always)]
    fn run_with<S: Simd, const DOUBLED: bool>(
        self,
        simd: S,
        range: Range<usize>,
        products: &[&[Block]; PRODUCTS],
        mut running: Option<&mut Running<S::V>>,
    ) {
        let bias = self.sink.bias(simd, self.kb);
        let (height, width) = (self.sink.rows, self.sink.shape.width);
        for (row, column, t) in self.tiles.places(range) {
            let tile = tile::<S, DOUBLED>(simd, products, t);
            let (top, left) = (row * TILE, column * TILE);
            for (y, mut line) in tile.into_iter().enumerate().take(height - top) {
                let start = self.sink.index(self.n, self.kb, top + y, left);
                for v in &mut line {
                    *v = simd.add(*v, bias);
                }
                // SAFETY: a tile of one channel block is written by one task.
                #[expect(unsafe_code, reason = "tasks write disjoint tiles")]
                unsafe {
                    if left + TILE <= width {
                        self.sink.store_row(simd, start, 1, line, running.as_deref_mut());
                    } else {
                        for (x, v) in line.into_iter().enumerate().take(width - left) {
                            self.sink.store(simd, start + x, v, running.as_deref_mut());
                        }
                    }
                }
            }
        }
    }
}

/// Transforms the products of tile `t` back. Written out column by column: a loop would keep them all in memory.
#[inline(always)]
fn tile<S: Simd, const DOUBLED: bool>(simd: S, products: &[&[Block]; PRODUCTS], t: usize) -> [[S::V; 4]; 4] {
    let zero = [simd.zero(); 4];
    let a = column::<S, DOUBLED, 0>(simd, products, t);
    let b = column::<S, DOUBLED, 1>(simd, products, t);
    let c = if DOUBLED { zero } else { column::<S, DOUBLED, 2>(simd, products, t) };
    let d = column::<S, DOUBLED, 3>(simd, products, t);
    let e = column::<S, DOUBLED, 4>(simd, products, t);
    let f = column::<S, DOUBLED, 5>(simd, products, t);
    let mut tile = [zero; 4];
    for (y, line) in tile.iter_mut().enumerate() {
        *line = output_line(simd, [a[y], b[y], c[y], d[y], e[y], f[y]]);
    }
    tile
}

/// Transforms one column of the products of tile `t`.
#[inline(always)]
fn column<S: Simd, const DOUBLED: bool, const X: usize>(
    simd: S,
    products: &[&[Block]; PRODUCTS],
    t: usize,
) -> [S::V; 4] {
    let mut column = [simd.zero(); 6];
    for (y, v) in column.iter_mut().enumerate() {
        if !(DOUBLED && y == 2) {
            *v = simd.load(&products[y * 6 + X][t]);
        }
    }
    output_line(simd, column)
}
