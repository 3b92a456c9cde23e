//! Convolutions of any kernel, stride and enlargement, straight from the definition.
//!
//! Outputs fall into phases: the outputs of one phase see their inputs through the same taps. A plain convolution has one
//! phase; a transposed one of stride 2 has two a side; a nearest enlargement by 4 with stride 2 has two a side as well,
//! whose taps are sums of the kernel's, because repeated pixels meet several of them. Each task copies the window of the
//! input that it needs (`Window`) and convolves it from the cache.

mod gradient;
mod narrow;
mod phases;
mod tile;

pub use gradient::KernelGradient;
pub use narrow::Narrow;

use std::ops::Range;

use super::layout::Shape;
use super::output::{Sink, Tally, Target};
use super::simd::{Block, Kernel, LANES, Simd, floats, floats_mut};
use super::source::{Border, FEW, Growth, Photo, Source, Window, packed_lanes};
use super::threads::ComputePool;
use phases::{Phase, Phases};

/// The sides and the place of a convolution's kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// Channels in.
    pub inputs: usize,
    /// Channels out.
    pub outputs: usize,
    /// Side of the square kernel.
    pub kernel: usize,
    /// Step between two outputs; of a transposed convolution, between what two inputs add to.
    pub stride: usize,
    /// How many pixels before the input's first the first output begins (a transposed one: how many outputs are dropped
    /// before the first).
    pub before: usize,
}

/// What a direct convolution reads.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A blocked tensor.
    Blocked(Source<'a>),
    /// A photo.
    Photo(Photo<'a>),
}

impl Input<'_> {
    /// Returns its sides.
    #[must_use]
    pub fn shape(&self) -> Shape {
        match self {
            Self::Blocked(source) => source.shape,
            Self::Photo(photo) => Shape { batch: 1, channels: 3, height: photo.rows.len(), width: photo.columns.len() },
        }
    }

    /// Copies a window into `out`: `[channel block][row][column][packed lanes]`; `scratch` holds one channel block.
    #[inline(always)]
    fn gather<S: Simd>(&self, simd: S, window: &Window, n: usize, out: &mut [Block], scratch: &mut [Block]) {
        match self {
            Self::Photo(photo) => photo.gather(window, floats_mut(out).as_chunks_mut().0),
            Self::Blocked(source) if packed_lanes(source.shape.channels) == LANES => {
                for (cb, out) in out.chunks_exact_mut(window.pixels()).enumerate().take(source.shape.channel_blocks()) {
                    window.gather(simd, source, n, cb, out);
                }
            }
            Self::Blocked(source) => {
                window.gather(simd, source, n, 0, scratch);
                let (pixels, _) = floats_mut(out).as_chunks_mut::<FEW>();
                for (to, from) in pixels.iter_mut().zip(scratch.iter()) {
                    *to = *from.0.first_chunk().expect("a block has more lanes");
                }
            }
        }
    }
}

/// A direct convolution, its kernel packed.
#[derive(Clone, Debug)]
pub struct Direct {
    form: Form,
    growth: Growth,
    border: Border,
    phases: Phases,
}

impl Direct {
    /// Packs a kernel `[outputs][inputs][k][k]` of a convolution after an enlargement.
    #[must_use]
    pub fn new(kernel: &[f32], form: Form, growth: Growth, border: Border) -> Self {
        // Mirroring by one pixel what stands at least twice is repeating the edge, which needs no enlarged tensor.
        let (growth, border, repeat) = match (growth, border) {
            (Growth::Nearest(factor), Border::Zero) => (Growth::None, border, factor),
            (Growth::Nearest(factor), Border::Reflect) if factor > 1 && form.kernel <= 3 && form.before <= 1 => {
                (Growth::None, Border::Edge, factor)
            }
            (growth, border) => (growth, border, 1),
        };
        Self { form, growth, border, phases: Phases::forward(kernel, form, repeat) }
    }

    /// The same, but with padding that each call may choose anew: see [`Self::run`].
    #[must_use]
    pub fn sliding(kernel: &[f32], form: Form, growth: Growth, border: Border) -> Self {
        Self { form, growth, border, phases: Phases::forward(kernel, form, 1) }
    }

    /// Packs a kernel `[inputs][outputs][k][k]` of a transposed convolution: input `i` adds `kernel[u]` to the output
    /// `i * stride + u - before`.
    ///
    /// The gradient with respect to the input of the convolution `[outputs][inputs][k][k]` with a border of zeros is the
    /// same kernel's transposed convolution, its channels exchanged.
    #[must_use]
    pub fn transposed(kernel: &[f32], form: Form) -> Self {
        Self { form, growth: Growth::None, border: Border::Zero, phases: Phases::transposed(kernel, form) }
    }

    /// Returns how many bytes the packed kernel takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.phases.bytes()
    }

    /// Returns the rows of the input that some rows of the output are made from; `before` as in [`Self::run`].
    #[must_use]
    pub fn input_rows(&self, rows: Range<usize>, input_height: usize, before: usize) -> Range<usize> {
        self.window(rows, 0..1, [before, 0]).source_rows(input_height)
    }

    fn window(&self, rows: Range<usize>, columns: Range<usize>, before: [usize; 2]) -> Window {
        let ((top, height), (left, width)) = (self.phases.window(rows), self.phases.window(columns));
        let (top, left) = (top - before[0] as isize, left - before[1] as isize);
        let (growth, border, step) = (self.growth, self.border, self.phases.step);
        Window { growth, border, top, left, height, width, step }
    }

    /// Convolves: `target` = the convolution of `input`.
    ///
    /// `before` is added to the form's `before` in both directions; only a sliding convolution has use for it.
    pub fn run(&self, pool: &ComputePool, input: &Input<'_>, before: [usize; 2], target: Target<'_>) {
        assert_eq!(
            (input.shape().channels, target.shape.channels),
            (self.form.inputs, self.form.outputs),
            "channels fit"
        );
        assert_eq!(input.shape().batch, target.shape.batch, "pictures fit");
        let (rows, batch, first_row) = (target.rows.len(), target.shape.batch, target.rows.start);
        let cut = Cut::new(self, rows, target.shape.width);
        let tasks = cut.tasks();
        let output_blocks = target.shape.channel_blocks();
        let (sink, mut tallies) = target.split(tasks);
        let slots = tallies.slots();
        pool.for_each_with_scratch(batch * tasks, cut.scratch, |index, scratch| {
            let (n, task) = (index / tasks, index % tasks);
            let tallies = slots.map(|slots| {
                // SAFETY: each task has slots of its own.
                #[expect(unsafe_code, reason = "tasks write disjoint tallies")]
                unsafe {
                    slots.range(index * output_blocks..(index + 1) * output_blocks)
                }
            });
            let (rows, columns) = cut.part(task);
            pool.backend().run(Task {
                direct: self,
                input,
                before,
                sink: &sink,
                first_row,
                n,
                rows,
                columns,
                scratch,
                tallies,
            });
        });
        tallies.finish();
    }
}

/// How an output is cut into tasks whose windows fit the cache.
#[derive(Clone, Copy, Debug)]
struct Cut {
    rows: usize,
    columns: usize,
    row_step: usize,
    column_step: usize,
    scratch: usize,
}

/// Blocks of a window: half of a core's second cache.
const WINDOW: usize = 8192;

impl Cut {
    fn new(direct: &Direct, rows: usize, width: usize) -> Self {
        let blocks = |height: usize, width: usize| {
            let pixels = direct.window(0..height, 0..width, [0; 2]).pixels();
            window_blocks(pixels, direct.form.inputs) + pixels
        };
        let period = direct.phases.period;
        let (mut row_step, mut column_step) = (16, 256);
        while blocks(row_step, column_step) > WINDOW && (row_step > 4 || column_step > 16) {
            if column_step > 32 * row_step || row_step <= 4 {
                column_step /= 2;
            } else {
                row_step /= 2;
            }
        }
        row_step = row_step.next_multiple_of(period).min(rows.next_multiple_of(period));
        column_step = column_step.next_multiple_of(period).min(width.next_multiple_of(period));
        // One more of each: a strip may begin between two phases.
        let scratch = blocks(row_step + period, column_step + period);
        Self { rows, columns: width, row_step, column_step, scratch }
    }

    fn tasks(&self) -> usize {
        self.rows.div_ceil(self.row_step) * self.columns.div_ceil(self.column_step)
    }

    fn part(&self, task: usize) -> (Range<usize>, Range<usize>) {
        let across = self.columns.div_ceil(self.column_step);
        let (top, left) = (task / across * self.row_step, task % across * self.column_step);
        (top..self.rows.min(top + self.row_step), left..self.columns.min(left + self.column_step))
    }
}

struct Task<'a> {
    direct: &'a Direct,
    input: &'a Input<'a>,
    before: [usize; 2],
    sink: &'a Sink<'a>,
    first_row: usize,
    n: usize,
    rows: Range<usize>,
    columns: Range<usize>,
    scratch: &'a mut [Block],
    tallies: Option<&'a mut [Tally]>,
}

impl Kernel for Task<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { direct, input, before, sink, first_row, n, rows, columns, scratch, mut tallies } = self;
        let rows = first_row + rows.start..first_row + rows.end;
        let window = direct.window(rows.clone(), columns.clone(), before);
        let (values, rest) = scratch.split_at_mut(window_blocks(window.pixels(), direct.form.inputs));
        input.gather(simd, &window, n, values, &mut rest[..window.pixels()]);
        let tile = tile::Tile { direct, before, sink, first_row, n, window, values: floats(values) };
        for kb in (0..direct.form.outputs.div_ceil(LANES)).step_by(2) {
            let (rows, columns, tallies) = (rows.clone(), columns.clone(), tallies.as_deref_mut());
            if packed_lanes(direct.form.inputs) == FEW {
                tile.pair::<S, FEW>(simd, kb, rows, columns, tallies);
            } else {
                tile.pair::<S, LANES>(simd, kb, rows, columns, tallies);
            }
        }
    }
}

/// Returns how many blocks a gathered window takes.
fn window_blocks(pixels: usize, channels: usize) -> usize {
    let lanes = packed_lanes(channels);
    if lanes == LANES { pixels * channels.div_ceil(LANES) } else { (pixels * lanes).div_ceil(LANES) }
}
