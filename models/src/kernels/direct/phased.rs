//! Phase by phase, straight from the definition.

use std::ops::Range;

use super::phases::{Floats, Packed, Phases};
use super::{Form, Input, tile};
use crate::kernels::output::{Sink, Tally, Target, Turn};
use crate::kernels::simd::{Block, Kernel, LANES, Simd, floats};
use crate::kernels::source::{Border, FEW, Growth, Window, packed_lanes};
use crate::kernels::threads::ComputePool;

/// A convolution with its taps sorted by phase.
#[derive(Clone, Debug)]
pub(super) struct Phased<K> {
    pub(super) form: Form,
    pub(super) growth: Growth,
    pub(super) border: Border,
    pub(super) phases: Phases<K>,
}

impl<K: Packed> Phased<K> {
    pub(super) fn window(&self, rows: Range<usize>, columns: Range<usize>, before: [usize; 2]) -> Window {
        let ((top, height), (left, width)) = (self.phases.window(rows), self.phases.window(columns));
        let (top, left) = (top - before[0] as isize, left - before[1] as isize);
        let (growth, border, step) = (self.growth, self.border, self.phases.step);
        Window { growth, border, top, left, height, width, step }
    }
}

impl Phased<Floats> {
    pub(super) fn run(&self, pool: &ComputePool, input: &Input<'_>, before: [usize; 2], target: Target<'_>) {
        let blocks = |window: Window| window_blocks(window.pixels(), self.form.inputs) + window.pixels();
        self.in_parts(pool, before, target, WINDOW, blocks, |part| pool.backend().run(Task { part, input }));
    }
}

/// What one task convolves.
pub(super) struct Part<'a, K> {
    pub(super) place: Place<'a, K>,
    pub(super) scratch: &'a mut [Block],
    /// Where its statistics go, one of each channel block, if they are wanted.
    pub(super) tallies: Option<&'a mut [Tally]>,
}

/// Where a task is, and where it writes.
pub(super) struct Place<'a, K> {
    pub(super) phased: &'a Phased<K>,
    pub(super) before: [usize; 2],
    pub(super) sink: &'a Sink<'a>,
    /// The first row that any task writes.
    pub(super) first_row: usize,
    /// The picture.
    pub(super) n: usize,
    pub(super) rows: Range<usize>,
    pub(super) columns: Range<usize>,
}

impl<K: Packed + Sync> Phased<K> {
    /// Runs `work` for parts of the output whose windows take at most `most` of what `blocks` says they take.
    pub(super) fn in_parts(
        &self,
        pool: &ComputePool,
        before: [usize; 2],
        target: Target<'_>,
        most: usize,
        blocks: impl Fn(Window) -> usize,
        work: impl Fn(Part<'_, K>) + Sync,
    ) {
        let first_row = target.rows.start;
        let cut = Cut::new(self, target.rows.len(), target.shape.width, most, blocks);
        target.in_tasks(pool, cut.tasks(), cut.scratch, |sink, Turn { n, task, tallies }, scratch| {
            let (rows, columns) = cut.part(task);
            let rows = first_row + rows.start..first_row + rows.end;
            let place = Place { phased: self, before, sink, first_row, n, rows, columns };
            work(Part { place, scratch, tallies });
        });
    }
}

impl<K: Packed> Place<'_, K> {
    /// Returns the window of the input that it reads.
    pub(super) fn window(&self) -> Window {
        self.phased.window(self.rows.clone(), self.columns.clone(), self.before)
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
pub(super) const WINDOW: usize = 8192;

impl Cut {
    /// Cuts `rows` by `width` outputs into tasks whose windows take at most `most` of what `blocks` says they take.
    fn new<K: Packed>(
        phased: &Phased<K>,
        rows: usize,
        width: usize,
        most: usize,
        blocks: impl Fn(Window) -> usize,
    ) -> Self {
        let blocks = |height: usize, width: usize| blocks(phased.window(0..height, 0..width, [0; 2]));
        let period = phased.phases.period;
        let (mut row_step, mut column_step) = (16, 256);
        while blocks(row_step, column_step) > most && (row_step > 4 || column_step > 16) {
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
    part: Part<'a, Floats>,
    input: &'a Input<'a>,
}

impl Kernel for Task<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Part { place, scratch, mut tallies } = self.part;
        let window = place.window();
        let Place { phased, before, sink, first_row, n, rows, columns } = place;
        let (values, rest) = scratch.split_at_mut(window_blocks(window.pixels(), phased.form.inputs));
        self.input.gather(simd, &window, n, values, &mut rest[..window.pixels()]);
        let tile = tile::Tile { phased, before, sink, first_row, n, window, values: floats(values) };
        for kb in (0..phased.form.outputs.div_ceil(LANES)).step_by(2) {
            let (rows, columns, tallies) = (rows.clone(), columns.clone(), tallies.as_deref_mut());
            if packed_lanes(phased.form.inputs) == FEW {
                tile.pair::<S, FEW>(simd, kb, rows, columns, tallies);
            } else {
                tile.pair::<S, LANES>(simd, kb, rows, columns, tallies);
            }
        }
    }
}

/// Returns how many blocks a gathered window takes.
pub(super) fn window_blocks(pixels: usize, channels: usize) -> usize {
    let lanes = packed_lanes(channels);
    if lanes == LANES { pixels * channels.div_ceil(LANES) } else { (pixels * lanes).div_ceil(LANES) }
}
