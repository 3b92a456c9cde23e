//! 3x3 convolutions of stride 1 by Winograd's F(4x4, 3x3) (Lavin and Gray 2016): 36 products instead of 144.
//!
//! A tile of 6x6 inputs is transformed, multiplied channel by channel with the transformed kernel, and the sums are
//! transformed back to 4x4 outputs. With nearest enlargement by two, one row and one column in six of every transformed
//! tile are zero, so 25 products do.

mod gradient;
mod passes;
mod transform;

pub use gradient::winograd_kernel_gradient;

use std::ops::Range;

use super::disjoint::Disjoint;
use super::memory::zeros;
use super::multiply::{Product, packed_index};
use super::output::{Sink, Tally, Target, Turn};
use super::simd::{Backend, Block, Kernel, LANES, Simd};
use super::source::{Border, Growth, Source, Window};
use super::threads::ComputePool;
use transform::{InputTransform, OutputTransform};

/// Products of one tile.
const PRODUCTS: usize = 36;
/// Side of an output tile.
const TILE: usize = 4;

/// The transformed kernel of a 3x3 convolution.
#[derive(Clone, Debug)]
pub struct Winograd {
    inputs: usize,
    outputs: usize,
    direction: Direction,
    /// `[36]` packed matrices.
    matrices: Vec<Block>,
}

/// A kernel on its way into its transformed one.
struct Renewal<'a> {
    transformed: &'a mut Winograd,
    kernel: &'a [f32],
}

impl Kernel for Renewal<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Winograd { inputs, outputs, direction, matrices } = self.transformed;
        let (inputs, outputs) = (*inputs, *outputs);
        let (rows, blocks) = (inputs.next_multiple_of(LANES), outputs.div_ceil(LANES));
        let (kernels, _) = self.kernel.as_chunks::<9>();
        for kb in 0..blocks {
            let lanes = LANES.min(outputs - kb * LANES);
            for c in 0..inputs {
                let mut nine = [Block::ZERO; 9];
                for lane in 0..lanes {
                    let k = kb * LANES + lane;
                    match direction {
                        Direction::Forward => {
                            for (block, v) in nine.iter_mut().zip(kernels[k * inputs + c]) {
                                block.0[lane] = v;
                            }
                        }
                        Direction::Backward => {
                            for (block, v) in nine.iter_mut().rev().zip(kernels[c * outputs + k]) {
                                block.0[lane] = v;
                            }
                        }
                    }
                }
                let at = packed_index(rows, blocks, c, kb);
                let products = transform::kernel_transform(simd, &nine);
                for (product, v) in products.as_flattened().iter().enumerate() {
                    simd.store(*v, &mut matrices[product * rows * blocks + at]);
                }
            }
        }
    }
}

/// Which way a kernel `[outputs][inputs][3][3]` is gone through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    /// From the convolution's input to its output.
    Forward,
    /// From its output's gradient to its input's: turned by 180 degrees, the channels exchanged.
    Backward,
}

/// How the input of a 3x3 convolution is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Whether every pixel is first repeated twice in both directions.
    pub doubled: bool,
    /// What stands beyond the border.
    pub border: Border,
    /// How many pixels beyond it count: 1 keeps the size, 0 shrinks by two, 2 grows by two.
    pub pad: usize,
}

impl Geometry {
    /// The size is kept.
    #[must_use]
    pub fn same(border: Border) -> Self {
        Self { doubled: false, border, pad: 1 }
    }

    /// Returns the rows of the input that some rows of the output are made from.
    #[must_use]
    pub fn input_rows(self, rows: Range<usize>, input_height: usize) -> Range<usize> {
        let (growth, border) = match (self.doubled, self.border) {
            (true, Border::Reflect) => (Growth::Nearest(2), Border::Edge),
            (true, border) => (Growth::Nearest(2), border),
            (false, border) => (Growth::None, border),
        };
        let (top, height) = (rows.start as isize - self.pad as isize, rows.len() + 2);
        Window { growth, border, top, left: 0, height, width: 1, step: 1 }.source_rows(input_height)
    }

    fn output_side(self, side: usize) -> usize {
        side * (1 + usize::from(self.doubled)) + 2 * self.pad - 2
    }
}

impl Winograd {
    /// Transforms a kernel `[outputs][inputs][3][3]`.
    #[must_use]
    pub fn new(kernel: &[f32], outputs: usize, inputs: usize) -> Self {
        Self::transformed(kernel, outputs, inputs, Direction::Forward)
    }

    /// Transforms the kernel of the gradient with respect to the input of the convolution `[outputs][inputs][3][3]`.
    #[must_use]
    pub fn backward(kernel: &[f32], outputs: usize, inputs: usize) -> Self {
        Self::transformed(kernel, inputs, outputs, Direction::Backward)
    }

    fn transformed(kernel: &[f32], outputs: usize, inputs: usize, direction: Direction) -> Self {
        let blocks = PRODUCTS * inputs.next_multiple_of(LANES) * outputs.div_ceil(LANES);
        let mut transformed = Self { inputs, outputs, direction, matrices: zeros(blocks) };
        transformed.renew(kernel);
        transformed
    }

    /// Transforms another kernel of the same sides, as training has one at each step.
    pub fn renew(&mut self, kernel: &[f32]) {
        assert_eq!(kernel.len(), self.inputs * self.outputs * 9, "the kernel has the same sides");
        Backend::best().run(Renewal { transformed: self, kernel });
    }

    /// Returns how many bytes the transformed kernel takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.matrices.len() * size_of::<Block>()
    }

    /// Convolves: `target` = the convolution of `source`.
    ///
    /// `shared` is scratch memory that is only used, and then grown as needed, where the kernel is too large to be read
    /// once a task ([`Winograd::is_large`]).
    pub fn run(
        &self,
        pool: &ComputePool,
        source: &Source<'_>,
        geometry: Geometry,
        target: Target<'_>,
        shared: &mut Vec<Block>,
    ) {
        assert_eq!((source.shape.channels, target.shape.channels), (self.inputs, self.outputs), "channels fit");
        for (from, to) in [(source.shape.height, target.shape.height), (source.shape.width, target.shape.width)] {
            assert_eq!(geometry.output_side(from), to, "sizes fit");
        }
        assert!(!geometry.doubled || (geometry.pad == 1 && target.rows.start.is_multiple_of(2)), "doubled tiles fit");
        if self.is_large() && target.moments.is_none() {
            self.run_in_phases(pool, source, geometry, target, shared);
        } else {
            self.run_in_blocks(pool, source, geometry, target);
        }
    }

    /// Returns whether the transformed kernel is so large that all tiles are better sent through it together.
    #[must_use]
    pub fn is_large(&self) -> bool {
        self.inputs * self.outputs > 128 * 128
    }

    /// Returns how many tiles a task takes, so that what it keeps stays in the cache of its core.
    fn tiles_a_task(&self) -> usize {
        let blocks = self.inputs.div_ceil(LANES) + self.outputs.div_ceil(LANES).min(OUTPUT_BLOCKS_AT_ONCE);
        (112 / (1 + blocks / 4)).clamp(28, 56)
    }

    /// Each task transforms some tiles, multiplies and transforms them back.
    fn run_in_blocks(&self, pool: &ComputePool, source: &Source<'_>, geometry: Geometry, target: Target<'_>) {
        let tiles = Tiles::new(&target);
        let tasks = tiles.count().div_ceil(self.tiles_a_task());
        let at_once = tiles.count().div_ceil(tasks);
        let first_row = target.rows.start;
        let input_stride = odd_lines(self.inputs.div_ceil(LANES) * at_once);
        let output_stride = odd_lines(self.outputs.div_ceil(LANES).min(OUTPUT_BLOCKS_AT_ONCE) * at_once);
        let scratch = PRODUCTS * (input_stride + output_stride);
        target.in_tasks(pool, tasks, scratch, |sink, Turn { n, task, tallies }, scratch| {
            let (transformed, products) = scratch.split_at_mut(PRODUCTS * input_stride);
            pool.backend().run(BlockTask {
                kernel: self,
                source,
                geometry,
                sink,
                tiles,
                first_row,
                n,
                range: task * at_once..tiles.count().min((task + 1) * at_once),
                transformed,
                products,
                input_stride,
                output_stride,
                tallies,
            });
        });
    }
}

/// Output channel blocks that a task multiplies before it transforms them back.
const OUTPUT_BLOCKS_AT_ONCE: usize = 4;

/// Rounds a stride to an odd number of cache lines, so that 36 streams do not fall on the same cache set.
fn odd_lines(blocks: usize) -> usize {
    blocks | 1
}

/// The tiles of the rows of one picture.
#[derive(Clone, Copy)]
struct Tiles {
    across: usize,
    down: usize,
}

impl Tiles {
    fn new(target: &Target<'_>) -> Self {
        Self { across: target.shape.width.div_ceil(TILE), down: target.rows.len().div_ceil(TILE) }
    }

    fn count(self) -> usize {
        self.across * self.down
    }

    /// Returns the row of tiles, the column, and the offset in `range` of each.
    #[inline(always)]
    fn places(self, range: Range<usize>) -> impl Iterator<Item = (usize, usize, usize)> {
        let start = range.start;
        range.map(move |t| (t / self.across, t % self.across, t - start))
    }
}

struct BlockTask<'a> {
    kernel: &'a Winograd,
    source: &'a Source<'a>,
    geometry: Geometry,
    sink: &'a Sink<'a>,
    tiles: Tiles,
    first_row: usize,
    n: usize,
    range: Range<usize>,
    transformed: &'a mut [Block],
    products: &'a mut [Block],
    input_stride: usize,
    output_stride: usize,
    tallies: Option<&'a mut [Tally]>,
}

impl Kernel for BlockTask<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let count = self.range.len();
        let (input_blocks, output_blocks) = (self.kernel.inputs.div_ceil(LANES), self.kernel.outputs.div_ceil(LANES));
        for cb in 0..input_blocks {
            let out = Disjoint::new(&mut *self.transformed);
            let input = InputTransform {
                source: self.source,
                geometry: self.geometry,
                tiles: self.tiles,
                first_row: self.first_row,
                n: self.n,
                cb,
                stride: self.input_stride,
            };
            input.run(simd, self.range.clone(), out, cb * count);
        }
        for kb in (0..output_blocks).step_by(OUTPUT_BLOCKS_AT_ONCE) {
            let now = OUTPUT_BLOCKS_AT_ONCE.min(output_blocks - kb);
            self.multiply(simd, kb, now);
            for k in 0..now {
                let products = &self.products[k * count..];
                let output = OutputTransform {
                    sink: self.sink,
                    tiles: self.tiles,
                    n: self.n,
                    kb: kb + k,
                    stride: self.output_stride,
                    doubled: self.geometry.doubled,
                };
                let tally = self.tallies.as_deref_mut().map(|t| &mut t[kb + k]);
                output.run(simd, self.range.clone(), products, tally);
            }
        }
    }
}

impl BlockTask<'_> {
    #[inline(always)]
    fn multiply<S: Simd>(&mut self, simd: S, kb: usize, now: usize) {
        let count = self.range.len();
        let input_blocks = self.kernel.inputs.div_ceil(LANES);
        let matrix_len = self.kernel.matrices.len() / PRODUCTS;
        for i in 0..PRODUCTS {
            if self.geometry.doubled && is_zero_when_doubled(i) {
                continue;
            }
            let product = Product {
                rows: &self.transformed[i * self.input_stride..(i + 1) * self.input_stride],
                matrix: &self.kernel.matrices[i * matrix_len + kb * input_blocks * LANES..(i + 1) * matrix_len],
                count,
                stride: count,
                input_blocks,
                output_blocks: now,
            };
            product.run(simd, &mut self.products[i * self.output_stride..(i + 1) * self.output_stride]);
        }
    }
}

/// Returns whether that product of a tile is zero where every pixel is repeated twice.
#[inline(always)]
fn is_zero_when_doubled(product: usize) -> bool {
    product / 6 == 2 || product % 6 == 2
}

/// Returns each picture in a range of tiles of all pictures, the range of its tiles, and where they begin.
#[inline(always)]
fn pictures(tiles: Tiles, range: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>, usize)> {
    let count = tiles.count();
    (range.start / count..range.end.div_ceil(count)).map(move |n| {
        let (start, end) = (range.start.max(n * count), range.end.min((n + 1) * count));
        (n, start - n * count..end - n * count, start - range.start)
    })
}
