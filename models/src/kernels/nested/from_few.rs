//! From a picture to many channels: lanes are channels of the output.

use std::ops::Range;

use super::{POINTS, PRODUCTS, SIDE, SPAN, TILE, kernel_transform, output_tile};
use crate::kernels::direct::{Form, Input};
use crate::kernels::multiply::{packed_index, tile_rows, with_rows};
use crate::kernels::output::{Running, Sink, Tally, Target, Turn};
use crate::kernels::simd::{Block, Kernel, LANES, Simd, floats, floats_mut};
use crate::kernels::source::{Border, FEW, Growth, Window};
use crate::kernels::threads::ComputePool;

/// Rows of tiles of a task, and most tiles of a row: what it keeps stays in a core's second cache.
const TASK: [usize; 2] = [8, 56];

/// A 9x9 convolution of a picture, or of another tensor of few channels.
#[derive(Clone, Debug)]
pub(crate) struct FromFew {
    form: Form,
    border: Border,
    /// `[product]` packed matrices whose rows are `[inner kernel][channel]`.
    kernel: Vec<Block>,
}

impl FromFew {
    /// Transforms the kernel whose element for output `k`, input `c`, row and column is `kernel(k, c, y, x)`.
    pub(crate) fn new(kernel: impl Fn(usize, usize, usize, usize) -> f32, form: Form, border: Border) -> Self {
        assert!(form.inputs <= FEW, "few channels");
        let (rows, blocks) = (SPAN * SPAN * form.inputs, form.outputs.div_ceil(LANES));
        let mut transformed = vec![Block::ZERO; PRODUCTS * rows * blocks];
        for k in 0..form.outputs {
            for c in 0..form.inputs {
                for (j, inner) in kernel_transform(|y, x| kernel(k, c, y, x)).iter().enumerate() {
                    for (i, value) in inner.iter().enumerate() {
                        let at = packed_index(rows, blocks, j * form.inputs + c, k / LANES);
                        transformed[i * rows * blocks + at].0[k % LANES] = *value;
                    }
                }
            }
        }
        Self { form, border, kernel: transformed }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.kernel.len() * size_of::<Block>()
    }

    /// Returns the part of the input that some rows and columns of the output are made from.
    pub(crate) fn window(&self, rows: Range<usize>, columns: Range<usize>, before: [usize; 2]) -> Window {
        Window {
            growth: Growth::None,
            border: self.border,
            top: rows.start as isize - (self.form.before + before[0]) as isize,
            left: columns.start as isize - (self.form.before + before[1]) as isize,
            height: rows.len() + SIDE - 1,
            width: columns.len() + SIDE - 1,
            step: TILE,
        }
    }

    /// Convolves: `target` = the convolution of `input`, `before` pixels further up and to the left.
    pub(crate) fn run(&self, pool: &ComputePool, input: &Input<'_>, before: [usize; 2], target: Target<'_>) {
        let (rows, shape) = (target.rows.clone(), target.shape);
        let (tiles_down, tiles_across) = (rows.len().div_ceil(TILE), shape.width.div_ceil(TILE));
        let (down, across) = (tiles_down.div_ceil(TASK[0]), tiles_across.div_ceil(TASK[1]));
        let largest = Layout { rows: tiles_down.div_ceil(down), tiles: tiles_across.div_ceil(across) };
        target.in_tasks(pool, down * across, largest.blocks(), |sink, Turn { n, task, tallies }, scratch| {
            let (top, left) = (task / across * largest.rows * TILE, task % across * largest.tiles * TILE);
            pool.backend().run(Task {
                kernel: self,
                input,
                before,
                sink,
                first_row: rows.start,
                n,
                rows: top..rows.len().min(top + largest.rows * TILE),
                columns: left..shape.width.min(left + largest.tiles * TILE),
                scratch,
                tallies,
            });
        });
    }
}

/// How a task's scratch memory is used: its window, a row of it transformed downwards, all tiles transformed, sums.
#[derive(Clone, Copy)]
struct Layout {
    /// Rows of output tiles.
    rows: usize,
    /// Output tiles of a row.
    tiles: usize,
}

/// Most tiles that are in registers at once, by two blocks of channels.
const SUMS: usize = 2 * PRODUCTS * 14;

impl Layout {
    /// Returns the floats of a row of the window, columns sorted by their remainder.
    fn line(self) -> usize {
        (self.tiles + SPAN) * TILE * FEW
    }

    fn window(self) -> usize {
        ((self.rows * TILE + SIDE - 1) * self.line()).next_multiple_of(LANES)
    }

    fn half(self) -> usize {
        (POINTS * self.line()).next_multiple_of(LANES)
    }

    /// Returns the floats of a row of input tiles.
    fn tile_line(self) -> usize {
        (self.tiles + SPAN - 1) * FEW
    }

    fn tile_plane(self) -> usize {
        (self.rows + SPAN - 1) * self.tile_line()
    }

    fn transformed(self) -> usize {
        (PRODUCTS * self.tile_plane()).next_multiple_of(LANES)
    }

    /// Returns the blocks of all; gathering takes a block a pixel where the input is blocked.
    fn blocks(self) -> usize {
        (self.window() + self.half() + self.transformed()) / LANES + SUMS.max(self.window() / FEW)
    }
}

struct Task<'a> {
    kernel: &'a FromFew,
    input: &'a Input<'a>,
    before: [usize; 2],
    sink: &'a Sink<'a>,
    first_row: usize,
    n: usize,
    /// Counted from the first row that is written.
    rows: Range<usize>,
    columns: Range<usize>,
    scratch: &'a mut [Block],
    tallies: Option<&'a mut [Tally]>,
}

impl Kernel for Task<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let layout = Layout { rows: self.rows.len().div_ceil(TILE), tiles: self.columns.len().div_ceil(TILE) };
        let scratch = std::mem::take(&mut self.scratch);
        let (window, scratch) = scratch.split_at_mut(layout.window() / LANES);
        let (half, scratch) = scratch.split_at_mut(layout.half() / LANES);
        let (transformed, sums) = scratch.split_at_mut(layout.transformed() / LANES);
        let rows = self.first_row + self.rows.start..self.first_row + self.rows.end;
        // As wide as whole tiles are; but rows that no output needs may not be at hand. The last one stands in for them, so
        // that what is flat stays so.
        let columns = self.columns.start..self.columns.start + layout.tiles * TILE;
        let part = Window { width: (layout.tiles + SPAN) * TILE, ..self.kernel.window(rows, columns, self.before) };
        self.input.gather(simd, &part, self.n, window, &mut sums[..part.pixels()]);
        let line = layout.line();
        for y in part.height..layout.rows * TILE + SIDE - 1 {
            floats_mut(window).copy_within((y - 1) * line..y * line, y * line);
        }
        for row in 0..layout.rows + SPAN - 1 {
            transform(layout, row, floats(window), floats_mut(half), floats_mut(transformed));
        }
        for kb in (0..self.sink.shape.channel_blocks()).step_by(2) {
            self.pair(simd, layout, kb, floats(transformed), sums);
        }
    }
}

/// Transforms a row of input tiles to `out`, `[product][row][tile][FEW]`.
#[inline(always)]
fn transform(layout: Layout, row: usize, window: &[f32], half: &mut [f32], out: &mut [f32]) {
    let line = layout.line();
    let rows: [&[f32]; POINTS] = std::array::from_fn(|y| &window[(row * TILE + y) * line..][..line]);
    {
        let (lines, _) = half.split_at_mut(POINTS * line);
        let mut lines = lines.chunks_exact_mut(line);
        let mut to: [&mut [f32]; POINTS] = std::array::from_fn(|_| lines.next().expect("a line a point"));
        input_lines(rows, &mut to);
    }
    for y in 0..POINTS {
        let half = &half[y * line..(y + 1) * line];
        let (third, count) = (line / TILE, layout.tile_line());
        let inputs = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1)];
        let inputs = inputs.map(|(remainder, later)| &half[remainder * third + later * FEW..][..count]);
        // Of every fifth product from the `y`-th.
        let mut planes = out.chunks_exact_mut(layout.tile_plane()).skip(y).step_by(POINTS);
        let mut to: [&mut [f32]; POINTS] =
            std::array::from_fn(|_| &mut planes.next().expect("a plane a product")[row * count..(row + 1) * count]);
        input_lines(inputs, &mut to);
    }
}

/// `B' d` of five inputs, many times: the same as [`super::input_line`], for the compiler to make vectors of.
#[inline(always)]
fn input_lines(d: [&[f32]; POINTS], to: &mut [&mut [f32]; POINTS]) {
    let count = d[0].len();
    let [d0, d1, d2, d3, d4] = d.map(|d| &d[..count]);
    let [a, b, c, e, f] = to;
    let (a, b, c, e, f) = (&mut a[..count], &mut b[..count], &mut c[..count], &mut e[..count], &mut f[..count]);
    for i in 0..count {
        let (odd, step) = (d3[i] - d1[i], d3[i] - d2[i]);
        a[i] = 2.0 * (d0[i] - d2[i]) + odd;
        b[i] = step - 2.0 * d1[i];
        c[i] = step + 2.0 * (d1[i] - d2[i]);
        e[i] = odd;
        f[i] = d4[i] - d2[i] - 2.0 * odd;
    }
}

impl Task<'_> {
    /// Makes the output blocks `kb` and `kb + 1`, if there is one.
    #[inline(always)]
    fn pair<S: Simd>(&mut self, simd: S, layout: Layout, kb: usize, transformed: &[f32], sums: &mut [Block]) {
        let single = kb + 1 == self.sink.shape.channel_blocks();
        let mut running = self.tallies.is_some().then(|| [Running::new(simd); 2]);
        for row in 0..layout.rows {
            let mut t = 0;
            while t < layout.tiles {
                let many = tile_rows::<S>(layout.tiles - t);
                let at = Piece { layout, kb, row, t };
                let running = running.as_mut();
                if single {
                    with_rows!(many, piece::<S, _, 1, 1>(simd, self, at, 0, transformed, sums, running));
                } else if S::WIDE {
                    with_rows!(many, piece::<S, _, 2, 2>(simd, self, at, 0, transformed, sums, running));
                } else {
                    let mut running = running;
                    with_rows!(many, piece::<S, _, 1, 2>(simd, self, at, 0, transformed, sums, running.as_deref_mut()));
                    with_rows!(many, piece::<S, _, 1, 2>(simd, self, at, 1, transformed, sums, running));
                }
                t += many;
            }
        }
        if let (Some(tallies), Some(running)) = (self.tallies.as_deref_mut(), running) {
            for (tally, running) in tallies[kb..].iter_mut().zip(running) {
                *tally = running.finish(simd);
            }
        }
    }

    /// Finishes and stores one tile of one channel block.
    #[inline(always)]
    fn store<S: Simd>(
        &self,
        simd: S,
        tile: [[S::V; TILE]; TILE],
        kb: usize,
        (row, t): (usize, usize),
        mut running: Option<&mut Running<S::V>>,
    ) {
        let bias = self.sink.bias(simd, kb);
        let (top, left) = (self.rows.start + row * TILE, self.columns.start + t * TILE);
        for (y, mut line) in tile.into_iter().enumerate().take(self.rows.end - top) {
            let start = self.sink.index(self.n, kb, top + y, left);
            for v in &mut line {
                *v = simd.add(*v, bias);
            }
            // SAFETY: a tile of one channel block is written by one task.
            #[expect(unsafe_code, reason = "tasks write disjoint tiles")]
            unsafe {
                if left + TILE <= self.columns.end {
                    self.sink.store_row(simd, start, 1, line, running.as_deref_mut());
                } else {
                    for (x, v) in line.into_iter().enumerate().take(self.columns.end - left) {
                        self.sink.store(simd, start + x, v, running.as_deref_mut());
                    }
                }
            }
        }
    }
}

/// Tiles of a row from the `t`-th.
#[derive(Clone, Copy)]
struct Piece {
    layout: Layout,
    kb: usize,
    row: usize,
    t: usize,
}

/// `R` tiles by `N` blocks, from a kernel in groups of `G`, beginning with block `first`.
#[inline(always)]
fn piece<S: Simd, const R: usize, const N: usize, const G: usize>(
    simd: S,
    task: &Task<'_>,
    at: Piece,
    first: usize,
    transformed: &[f32],
    sums: &mut [Block],
    mut running: Option<&mut [Running<S::V>; 2]>,
) {
    let Piece { layout, kb, row, t } = at;
    let inputs = task.kernel.form.inputs;
    let rows = SPAN * SPAN * inputs;
    let matrix_len = task.kernel.kernel.len() / PRODUCTS;
    let (tiles, _) = transformed.as_chunks::<FEW>();
    let (line, plane) = (layout.tile_line() / FEW, layout.tile_plane() / FEW);
    for product in 0..PRODUCTS {
        let matrix = &task.kernel.kernel[product * matrix_len + kb * rows..][..G * rows];
        let (groups, _) = matrix.as_chunks::<G>();
        let mut sum = [[simd.zero(); N]; R];
        for (inner, groups) in groups.chunks_exact(inputs).enumerate() {
            let start = product * plane + (row + inner / SPAN) * line + t + inner % SPAN;
            let tiles: &[[f32; FEW]; R] = tiles[start..].first_chunk().expect("all tiles lie within the row");
            for (c, group) in groups.iter().enumerate() {
                let mut vectors = [simd.zero(); N];
                for (n, v) in vectors.iter_mut().enumerate() {
                    *v = simd.load(&group[first + n]);
                }
                for r in 0..R {
                    let x = simd.splat(tiles[r][c]);
                    for n in 0..N {
                        sum[r][n] = simd.mul_add(x, vectors[n], sum[r][n]);
                    }
                }
            }
        }
        for n in 0..N {
            for r in 0..R {
                simd.store(sum[r][n], &mut sums[(n * PRODUCTS + product) * R + r]);
            }
        }
    }
    for n in 0..N {
        for r in 0..R {
            let tile = output_tile(simd, |product| simd.load(&sums[(n * PRODUCTS + product) * R + r]));
            let running = running.as_deref_mut().map(|running| &mut running[first + n]);
            task.store(simd, tile, kb + first + n, (row, t + r), running);
        }
    }
}
