//! From many channels to at most three: lanes are channels of the input, and sums over lanes come last.

use std::ops::Range;

use super::{POINTS, PRODUCTS, SPAN, TILE, input_line, kernel_transform, output_line};
use crate::kernels::direct::{FEWEST, Form};
use crate::kernels::disjoint::Disjoint;
use crate::kernels::layout::Shape;
use crate::kernels::simd::{Block, Kernel, LANES, Simd};
use crate::kernels::source::{Border, Growth, Source, Window};
use crate::kernels::threads::ComputePool;

/// Rows of tiles of a task: the first two rows of input tiles are for its neighbour above as well.
const TASK_ROWS: usize = 14;
/// Blocks of transformed input that a task keeps: half of a core's second cache.
const KEPT: usize = 8192;

/// A 9x9 convolution to a picture in planes.
#[derive(Clone, Debug)]
pub(crate) struct ToFew {
    form: Form,
    border: Border,
    /// `[product][row of inner kernels][input block][column of inner kernels][3]`.
    kernel: Vec<Block>,
    bias: [f32; FEWEST],
}

impl ToFew {
    /// Transforms the kernel whose element for output `k`, input `c`, row and column is `kernel(k, c, y, x)`.
    pub(crate) fn new(
        kernel: impl Fn(usize, usize, usize, usize) -> f32,
        bias: [f32; FEWEST],
        form: Form,
        border: Border,
    ) -> Self {
        let blocks = form.inputs.div_ceil(LANES);
        let mut transformed = vec![Block::ZERO; PRODUCTS * SPAN * SPAN * blocks * FEWEST];
        for k in 0..form.outputs {
            for c in 0..form.inputs {
                for (j, inner) in kernel_transform(|y, x| kernel(k, c, y, x)).iter().enumerate() {
                    for (i, value) in inner.iter().enumerate() {
                        let at = ((i * SPAN + j / SPAN) * blocks + c / LANES) * SPAN + j % SPAN;
                        let at = at * FEWEST + k;
                        transformed[at].0[c % LANES] = *value;
                    }
                }
            }
        }
        Self { form, border, kernel: transformed, bias }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.kernel.len() * size_of::<Block>()
    }

    /// Convolves into planes `[n][outputs][rows][width]`; `shape` is the whole output's.
    pub(crate) fn run(
        &self,
        pool: &ComputePool,
        source: &Source<'_>,
        shape: Shape,
        rows: Range<usize>,
        planes: &mut [f32],
    ) {
        let blocks = self.form.inputs.div_ceil(LANES);
        let (tiles_down, tiles_across) = (rows.len().div_ceil(TILE), shape.width.div_ceil(TILE));
        let most = (KEPT / (PRODUCTS * SPAN * blocks)).saturating_sub(SPAN - 1).clamp(AT_ONCE, 60);
        let across = tiles_across.div_ceil(most);
        let tiles = tiles_across.div_ceil(across).next_multiple_of(AT_ONCE);
        let across = tiles_across.div_ceil(tiles);
        let down = tiles_down.div_ceil(TASK_ROWS);
        let task_rows = tiles_down.div_ceil(down) * TILE;
        let scratch = Layout { blocks, tiles: tiles + SPAN - 1 };
        let planes = Disjoint::new(planes);
        pool.for_each_with_scratch(shape.batch * down * across, scratch.len(), |index, scratch| {
            let (n, task) = (index / (down * across), index % (down * across));
            let (top, left) = (rows.start + task / across * task_rows, task % across * tiles * TILE);
            let part = (top..rows.end.min(top + task_rows), left..shape.width.min(left + tiles * TILE));
            pool.backend().run(Task { kernel: self, source, shape, all_rows: rows.clone(), n, part, scratch, planes });
        });
    }
}

/// How a task's scratch memory is used: transformed rows of tiles in turns, five rows of inputs, sums, and outputs.
#[derive(Clone, Copy)]
struct Layout {
    blocks: usize,
    /// Input tiles of a row.
    tiles: usize,
}

/// Most tiles whose sums are in registers at once, beside the inputs of all of them.
const AT_ONCE: usize = 6;
/// Sums of one column of products.
const SUMS: usize = FEWEST * POINTS * AT_ONCE;
/// Sums of all, transformed back along the columns.
const HALF: usize = FEWEST * TILE * POINTS * AT_ONCE;
/// Lane sums are taken sixteen at a time.
const OUTPUTS: usize = (TILE * TILE * AT_ONCE).next_multiple_of(LANES);

impl Layout {
    fn transformed_row(self) -> usize {
        PRODUCTS * self.blocks * self.tiles
    }

    fn input_columns(self) -> usize {
        self.tiles * TILE + POINTS - TILE
    }

    fn len(self) -> usize {
        SPAN * self.transformed_row() + POINTS * self.input_columns() + SUMS + HALF + OUTPUTS
    }
}

struct Task<'a> {
    kernel: &'a ToFew,
    source: &'a Source<'a>,
    shape: Shape,
    all_rows: Range<usize>,
    n: usize,
    part: (Range<usize>, Range<usize>),
    scratch: &'a mut [Block],
    planes: Disjoint<'a, f32>,
}

impl Kernel for Task<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { kernel, source, shape, all_rows, n, part: (rows, columns), scratch, planes } = self;
        let tiles = columns.len().div_ceil(TILE);
        let layout = Layout { blocks: source.shape.channel_blocks(), tiles: tiles + SPAN - 1 };
        let (ring, scratch) = scratch.split_at_mut(SPAN * layout.transformed_row());
        let (inputs, scratch) = scratch.split_at_mut(POINTS * layout.input_columns());
        let (sums, scratch) = scratch.split_at_mut(SUMS);
        let (half, outputs) = scratch.split_at_mut(HALF);
        let sums = sums.first_chunk_mut().expect("scratch memory holds all");
        let half = half.first_chunk_mut().expect("scratch memory holds all");
        let outputs = outputs.first_chunk_mut().expect("scratch memory holds all");
        let reader = Reader { kernel, source, n, rows: rows.clone(), left: columns.start, layout };
        let output = Output { kernel, layout, shape, all_rows, n, rows: rows.clone(), columns, planes };
        for row in 0..rows.len().div_ceil(TILE) + SPAN - 1 {
            let slot = row % SPAN * layout.transformed_row();
            reader.transform(simd, row, inputs, &mut ring[slot..slot + layout.transformed_row()]);
            let Some(ready) = row.checked_sub(SPAN - 1) else { continue };
            let [a, b, c] = std::array::from_fn(|i| (ready + i) % SPAN * layout.transformed_row());
            let ring = [&ring[a..], &ring[b..], &ring[c..]];
            match tiles {
                AT_ONCE.. if S::WIDE => output.row::<S, AT_ONCE>(simd, ready, ring, sums, half, outputs),
                3.. if S::WIDE => output.row::<S, 3>(simd, ready, ring, sums, half, outputs),
                2.. => output.row::<S, 2>(simd, ready, ring, sums, half, outputs),
                _ => output.row::<S, 1>(simd, ready, ring, sums, half, outputs),
            }
        }
    }
}

/// Transforms rows of input tiles.
struct Reader<'a> {
    kernel: &'a ToFew,
    source: &'a Source<'a>,
    n: usize,
    /// The rows of the output, and its first column.
    rows: Range<usize>,
    left: usize,
    layout: Layout,
}

impl Reader<'_> {
    /// Transforms the `row`-th row of input tiles into `out`, `[product][input block][tile]`.
    #[inline(always)]
    fn transform<S: Simd>(&self, simd: S, row: usize, inputs: &mut [Block], out: &mut [Block]) {
        let Layout { blocks, tiles } = self.layout;
        let width = self.layout.input_columns();
        let before = self.kernel.form.before as isize;
        // Rows that no output needs may not be at hand; the last one stands in for them, so that what is flat stays so.
        let needed = self.rows.len() + super::SIDE - 1;
        let window = Window {
            growth: Growth::None,
            border: self.kernel.border,
            top: (self.rows.start + row * TILE) as isize - before,
            left: self.left as isize - before,
            height: POINTS.min(needed - row * TILE),
            width,
            step: 1,
        };
        for cb in 0..blocks {
            window.gather(simd, self.source, self.n, cb, &mut inputs[..window.height * width]);
            for y in window.height..POINTS {
                inputs.copy_within((y - 1) * width..y * width, y * width);
            }
            for t in 0..tiles {
                let rows: [&[Block; POINTS]; POINTS] = std::array::from_fn(|y| {
                    inputs[y * width + t * TILE..].first_chunk().expect("a tile lies within the inputs")
                });
                let mut half = [[simd.zero(); POINTS]; POINTS];
                for x in 0..POINTS {
                    let mut d = [simd.zero(); POINTS];
                    for y in 0..POINTS {
                        d[y] = simd.load(&rows[y][x]);
                    }
                    let column = input_line(simd, d);
                    for y in 0..POINTS {
                        half[y][x] = column[y];
                    }
                }
                for (y, line) in half.into_iter().enumerate() {
                    for (x, v) in input_line(simd, line).into_iter().enumerate() {
                        simd.store(v, &mut out[((x * POINTS + y) * blocks + cb) * tiles + t]);
                    }
                }
            }
        }
    }
}

/// Multiplies, sums and transforms back.
struct Output<'a> {
    kernel: &'a ToFew,
    layout: Layout,
    shape: Shape,
    all_rows: Range<usize>,
    n: usize,
    rows: Range<usize>,
    columns: Range<usize>,
    planes: Disjoint<'a, f32>,
}

impl Output<'_> {
    /// Makes the `row`-th row of output tiles, at least `R` of them, from three rows of transformed input tiles.
    #[inline(always)]
    fn row<S: Simd, const R: usize>(
        &self,
        simd: S,
        row: usize,
        ring: [&[Block]; SPAN],
        sums: &mut [Block; SUMS],
        half: &mut [Block; HALF],
        outputs: &mut [Block; OUTPUTS],
    ) {
        let count = self.layout.tiles + 1 - SPAN;
        for t in (0..count).step_by(R) {
            // Tiles that would hang over the right edge are moved to the left; some are computed twice.
            let t = t.min(count - R);
            self.multiply::<S, R>(simd, ring, t, sums, half);
            for k in 0..self.shape.channels {
                for y in 0..TILE {
                    for r in 0..R {
                        let mut line = [simd.zero(); POINTS];
                        for (x, v) in line.iter_mut().enumerate() {
                            *v = simd.load(&half[((k * TILE + y) * POINTS + x) * R + r]);
                        }
                        for (x, v) in output_line(simd, line).into_iter().enumerate() {
                            simd.store(v, &mut outputs[(y * R + r) * TILE + x]);
                        }
                    }
                }
                for group in outputs.as_chunks_mut::<LANES>().0.iter_mut().take((TILE * TILE * R).div_ceil(LANES)) {
                    let mut all = [simd.zero(); LANES];
                    for (v, output) in all.iter_mut().zip(group.iter()) {
                        *v = simd.load(output);
                    }
                    simd.store(simd.add(simd.sums(&all), simd.splat(self.kernel.bias[k])), &mut group[0]);
                }
                self.store::<R>(row, k, t, outputs);
            }
        }
    }

    /// Writes the sums over tiles and channel blocks of `R` tiles, transformed back along the columns, to `half`,
    /// `[output][row][column of products][tile]`, one term a lane.
    #[inline(always)]
    fn multiply<S: Simd, const R: usize>(
        &self,
        simd: S,
        ring: [&[Block]; SPAN],
        t: usize,
        sums: &mut [Block; SUMS],
        half: &mut [Block; HALF],
    ) {
        let blocks = self.layout.blocks;
        let (kernel, _) = self.kernel.kernel.as_chunks::<FEWEST>();
        let (kernel, _) = kernel.as_chunks::<SPAN>();
        for x in 0..POINTS {
            for y in 0..POINTS {
                let product = x * POINTS + y;
                let kernel = &kernel[product * SPAN * blocks..(product + 1) * SPAN * blocks];
                let sum = self.sum::<S, R>(simd, kernel, ring, product, t);
                for k in 0..FEWEST {
                    for r in 0..R {
                        simd.store(sum[k][r], &mut sums[(k * POINTS + y) * R + r]);
                    }
                }
            }
            for k in 0..FEWEST {
                for r in 0..R {
                    let mut column = [simd.zero(); POINTS];
                    for (y, v) in column.iter_mut().enumerate() {
                        *v = simd.load(&sums[(k * POINTS + y) * R + r]);
                    }
                    for (y, v) in output_line(simd, column).into_iter().enumerate() {
                        simd.store(v, &mut half[((k * TILE + y) * POINTS + x) * R + r]);
                    }
                }
            }
        }
    }

    /// Returns one product's sums over tiles and channel blocks, `[output][tile]`.
    #[inline(always)]
    fn sum<S: Simd, const R: usize>(
        &self,
        simd: S,
        kernel: &[[[Block; FEWEST]; SPAN]],
        ring: [&[Block]; SPAN],
        product: usize,
        t: usize,
    ) -> [[S::V; R]; FEWEST] {
        let Layout { blocks, tiles } = self.layout;
        let mut sum = [[simd.zero(); R]; FEWEST];
        for (kernel, row) in kernel.chunks_exact(blocks).zip(ring) {
            let row = &row[product * blocks * tiles..(product + 1) * blocks * tiles];
            for (kernel, row) in kernel.iter().zip(row.chunks_exact(tiles)) {
                let inputs = &row[t..t + R + SPAN - 1];
                for (b, weights) in kernel.iter().enumerate() {
                    let weights = [simd.load(&weights[0]), simd.load(&weights[1]), simd.load(&weights[2])];
                    for r in 0..R {
                        let x = simd.load(&inputs[b + r]);
                        for k in 0..FEWEST {
                            sum[k][r] = simd.mul_add(x, weights[k], sum[k][r]);
                        }
                    }
                }
            }
        }
        sum
    }

    /// Stores `R` tiles of one output: its pixels are the lanes of every sixteenth block.
    #[inline(always)]
    fn store<const R: usize>(&self, row: usize, k: usize, t: usize, outputs: &[Block; OUTPUTS]) {
        let left = self.columns.start + t * TILE;
        let count = (R * TILE).min(self.columns.end - left);
        for y in 0..TILE.min(self.rows.len() - row * TILE) {
            let plane = (self.n * self.shape.channels + k) * self.all_rows.len();
            let line = self.rows.start + row * TILE + y - self.all_rows.start;
            let start = (plane + line) * self.shape.width + left;
            // SAFETY: each task has output pixels of its own.
            #[expect(unsafe_code, reason = "tasks write disjoint pixels")]
            let to = unsafe { self.planes.range(start..start + count) };
            for (x, to) in to.iter_mut().enumerate() {
                let at = y * R * TILE + x;
                *to = outputs[at / LANES * LANES].0[at % LANES];
            }
        }
    }
}
