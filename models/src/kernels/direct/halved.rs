//! Phase by phase on the matrix unit.

use std::ops::Range;

use super::phased::{Cut, Phased, WINDOW};
use super::phases::{Halves, Phase};
use crate::kernels::matrix_unit::{GROUP, Matrix, MatrixUnit, Pixel, Ready, SIDE, Sum, pixels_mut};
use crate::kernels::output::{Running, Sink, Tally, Target, Turn};
use crate::kernels::simd::{Block, Kernel, LANES, Simd};
use crate::kernels::source::{Source, Window};
use crate::kernels::threads::ComputePool;

impl Phased<Halves> {
    /// Returns how many groups its inputs are.
    fn groups(&self) -> usize {
        self.form.inputs.div_ceil(GROUP)
    }

    pub(super) fn run(&self, pool: &ComputePool, source: &Source<'_>, before: [usize; 2], target: Target<'_>) {
        let first_row = target.rows.start;
        // Tiles reach over the end of the last row.
        let blocks = |window: Window| 2 * (window.row_pixels() + self.groups() * window.pixels() + SIDE);
        let cut = Cut::new(self, target.rows.len(), target.shape.width, blocks, 2 * WINDOW);
        let unit = pool.backend().matrix_unit();
        target.in_tasks(pool, cut.tasks(), cut.scratch, |sink, Turn { n, task, tallies }, scratch| {
            let (rows, columns) = cut.part(task);
            let rows = first_row + rows.start..first_row + rows.end;
            let task = Task { phased: self, unit, source, before, sink, first_row, n, rows, columns, scratch, tallies };
            pool.backend().run(task);
        });
    }
}

struct Task<'a> {
    phased: &'a Phased<Halves>,
    unit: MatrixUnit,
    source: &'a Source<'a>,
    before: [usize; 2],
    sink: &'a Sink<'a>,
    first_row: usize,
    n: usize,
    rows: Range<usize>,
    columns: Range<usize>,
    scratch: &'a mut [Block],
    tallies: Option<&'a mut [Tally]>,
}

/// Sixteen outputs of one row and phase.
#[derive(Clone, Copy)]
struct Tile {
    /// The first output's place in the window.
    pixel: usize,
    y: usize,
    x: usize,
    /// Outputs that are there.
    count: usize,
}

impl Kernel for Task<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let window = self.phased.window(self.rows.clone(), self.columns.clone(), self.before);
        let groups = self.phased.groups();
        let (lines, pixels) = self.scratch.split_at_mut(2 * window.row_pixels());
        let pixels = pixels_mut(pixels);
        let pixels = &mut pixels[..groups * window.pixels() + SIDE];
        for g in 0..groups {
            for y in 0..window.height {
                let line = Window { top: window.top + y as isize, height: 1, ..window };
                let (even, odd) = lines.split_at_mut(window.row_pixels());
                line.gather(simd, self.source, self.n, 2 * g, even);
                if 2 * g + 1 < self.source.shape.channel_blocks() {
                    line.gather(simd, self.source, self.n, 2 * g + 1, odd);
                } else {
                    odd.fill(Block::ZERO);
                }
                let start = g * window.pixels() + y * window.row_pixels();
                self.unit.split(even, odd, &mut pixels[start..start + window.row_pixels()]);
            }
        }
        let outputs = self.phased.form.outputs.div_ceil(LANES);
        let mut tallies = self.tallies;
        let part = Part {
            phased: self.phased,
            unit: self.unit.ready(),
            sink: self.sink,
            first_row: self.first_row,
            n: self.n,
            rows: self.rows,
            columns: self.columns,
            window,
            pixels,
        };
        for kb in (0..outputs).step_by(2) {
            let tallies = tallies.as_deref_mut();
            if kb + 1 < outputs { part.pair::<S, 2>(simd, kb, tallies) } else { part.pair::<S, 1>(simd, kb, tallies) }
        }
    }
}

struct Part<'a> {
    phased: &'a Phased<Halves>,
    unit: Ready,
    sink: &'a Sink<'a>,
    first_row: usize,
    n: usize,
    rows: Range<usize>,
    columns: Range<usize>,
    window: Window,
    /// `[group][row][column]`.
    pixels: &'a [Pixel],
}

impl Part<'_> {
    /// Convolves for the `N` output blocks from `kb`.
    #[inline(always)]
    fn pair<S: Simd, const N: usize>(&self, simd: S, kb: usize, tallies: Option<&mut [Tally]>) {
        let phases = &self.phased.phases;
        let groups = self.phased.groups();
        let mut running = tallies.is_some().then(|| [Running::new(simd); N]);
        let mut sums = [[[Block::ZERO; SIDE]; N]; 2];
        for phase_y in 0..phases.period {
            for phase_x in 0..phases.period {
                let phase = phases.phase(phase_y, phase_x);
                let offsets = self.offsets(phase);
                let kernel = &phase.kernel[kb * 2 * groups * phase.taps.len()..][..2 * N * offsets.len()];
                let mut waiting = None;
                for tile in self.tiles(phase_y, phase_x) {
                    let Some(first) = waiting.take() else {
                        waiting = Some(tile);
                        continue;
                    };
                    self.sum([first, tile], &offsets, kernel, &mut sums);
                    self.finish(simd, kb, first, &sums[0], running.as_mut());
                    self.finish(simd, kb, tile, &sums[1], running.as_mut());
                }
                if let Some(tile) = waiting {
                    self.sum([tile; 2], &offsets, kernel, &mut sums);
                    self.finish(simd, kb, tile, &sums[0], running.as_mut());
                }
            }
        }
        if let (Some(tallies), Some(running)) = (tallies, running) {
            for (tally, running) in tallies[kb..].iter_mut().zip(running) {
                *tally = running.finish(simd);
            }
        }
    }

    fn sum<const N: usize>(
        &self,
        tiles: [Tile; 2],
        offsets: &[usize],
        kernel: &[Matrix],
        out: &mut [[[Block; SIDE]; N]; 2],
    ) {
        self.unit.sum(&Sum { pixels: self.pixels, offsets, kernel, tiles: tiles.map(|tile| tile.pixel) }, out);
    }

    /// Returns the tiles of one phase.
    fn tiles(&self, phase_y: usize, phase_x: usize) -> impl Iterator<Item = Tile> {
        let phases = &self.phased.phases;
        let first = |range: &Range<usize>, phase: usize| {
            range.start + (phase + phases.period - range.start % phases.period) % phases.period
        };
        let (top, left) = (first(&self.rows, phase_y), first(&self.columns, phase_x));
        let step = SIDE * phases.period;
        (top..self.rows.end).step_by(phases.period).flat_map(move |y| {
            (left..self.columns.end).step_by(step).map(move |x| Tile {
                pixel: self.origin(y, x),
                y,
                x,
                count: SIDE.min((self.columns.end - x).div_ceil(phases.period)),
            })
        })
    }

    /// Returns the place of an output in the window, from which its phase's offsets count.
    fn origin(&self, y: usize, x: usize) -> usize {
        let Self { phased, window, .. } = self;
        let (period, step) = (phased.phases.period, phased.phases.step);
        // Counted from the task's first period, whose least tap is the window's corner.
        let (y, x) = (y / period - self.rows.start / period, x / period - self.columns.start / period);
        y * step * window.row_pixels() + x
    }

    /// Returns where each group and tap reads, from the origin of an output.
    fn offsets(&self, phase: &Phase<Halves>) -> Vec<usize> {
        let (window, phases) = (&self.window, &self.phased.phases);
        let (least, _) = phases.reach();
        let groups = self.phased.groups();
        let place =
            |&(y, x): &(isize, isize)| (y - least) as usize * window.row_pixels() + window.place((x - least) as usize);
        (0..groups).flat_map(|g| phase.taps.iter().map(move |tap| g * window.pixels() + place(tap))).collect()
    }

    #[inline(always)]
    fn finish<S: Simd, const N: usize>(
        &self,
        simd: S,
        kb: usize,
        tile: Tile,
        sums: &[[Block; SIDE]; N],
        mut running: Option<&mut [Running<S::V>; N]>,
    ) {
        let period = self.phased.phases.period;
        for (n, sums) in sums.iter().enumerate() {
            let bias = self.sink.bias(simd, kb + n);
            let start = self.sink.index(self.n, kb + n, tile.y - self.first_row, tile.x);
            let mut running = running.as_deref_mut().map(|running| &mut running[n]);
            // SAFETY: each task has output pixels of its own.
            #[expect(unsafe_code, reason = "tasks write disjoint pixels")]
            unsafe {
                let (fours, rest) = sums[..tile.count].as_chunks::<4>();
                for (i, four) in fours.iter().enumerate() {
                    let mut row = [simd.zero(); 4];
                    for (v, sum) in row.iter_mut().zip(four) {
                        *v = simd.add(simd.load(sum), bias);
                    }
                    self.sink.store_row(simd, start + 4 * i * period, period, row, running.as_deref_mut());
                }
                for (i, sum) in rest.iter().enumerate() {
                    let v = simd.add(simd.load(sum), bias);
                    let index = start + (4 * fours.len() + i) * period;
                    self.sink.store(simd, index, v, running.as_deref_mut());
                }
            }
        }
    }
}
