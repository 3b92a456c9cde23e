//! Phase by phase on the matrix unit.

use std::ops::Range;

use super::phased::{Part, Phased, Place, WINDOW};
use super::phases::{Halves, Phase};
use crate::kernels::matrix_unit::{GROUP, Matrix, MatrixUnit, Pixel, Ready, SIDE, Sum, pixels_mut};
use crate::kernels::output::{Running, Tally, Target};
use crate::kernels::simd::{Block, Kernel, LANES, Simd};
use crate::kernels::source::{Source, Window};
use crate::kernels::threads::ComputePool;

impl Phased<Halves> {
    /// Returns how many groups its inputs are.
    fn groups(&self) -> usize {
        self.form.inputs.div_ceil(GROUP)
    }

    pub(super) fn run(&self, pool: &ComputePool, source: &Source<'_>, before: [usize; 2], target: Target<'_>) {
        // Tiles reach over the end of the last row.
        let blocks = |window: Window| 2 * (window.row_pixels() + self.groups() * window.pixels() + SIDE);
        let unit = pool.backend().matrix_unit();
        self.in_parts(pool, before, target, 2 * WINDOW, blocks, |part| {
            pool.backend().run(Task { part, unit, source });
        });
    }
}

struct Task<'a> {
    part: Part<'a, Halves>,
    unit: MatrixUnit,
    source: &'a Source<'a>,
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
        let Self { part: Part { place, scratch, mut tallies }, unit, source } = self;
        let window = place.window();
        let (lines, pixels) = scratch.split_at_mut(2 * window.row_pixels());
        let pixels = &mut pixels_mut(pixels)[..place.phased.groups() * window.pixels() + SIDE];
        for g in 0..place.phased.groups() {
            for y in 0..window.height {
                let line = Window { top: window.top + y as isize, height: 1, ..window };
                let (even, odd) = lines.split_at_mut(window.row_pixels());
                line.gather(simd, source, place.n, 2 * g, even);
                if 2 * g + 1 < source.shape.channel_blocks() {
                    line.gather(simd, source, place.n, 2 * g + 1, odd);
                } else {
                    odd.fill(Block::ZERO);
                }
                let start = g * window.pixels() + y * window.row_pixels();
                unit.split(even, odd, &mut pixels[start..start + window.row_pixels()]);
            }
        }
        let outputs = place.phased.form.outputs.div_ceil(LANES);
        let tiles = Tiles { place, unit: unit.ready(), window, pixels };
        for kb in (0..outputs).step_by(2) {
            let tallies = tallies.as_deref_mut();
            if kb + 1 < outputs { tiles.pair::<S, 2>(simd, kb, tallies) } else { tiles.pair::<S, 1>(simd, kb, tallies) }
        }
    }
}

/// A gathered window in halves, to be convolved.
struct Tiles<'a> {
    place: Place<'a, Halves>,
    unit: Ready,
    window: Window,
    /// `[group][row][column]`.
    pixels: &'a [Pixel],
}

impl Tiles<'_> {
    /// Convolves for the `N` output blocks from `kb`.
    #[inline(always)]
    fn pair<S: Simd, const N: usize>(&self, simd: S, kb: usize, tallies: Option<&mut [Tally]>) {
        let phases = &self.place.phased.phases;
        let groups = self.place.phased.groups();
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
        let phases = &self.place.phased.phases;
        let first = |range: &Range<usize>, phase: usize| {
            range.start + (phase + phases.period - range.start % phases.period) % phases.period
        };
        let (top, left) = (first(&self.place.rows, phase_y), first(&self.place.columns, phase_x));
        let step = SIDE * phases.period;
        (top..self.place.rows.end).step_by(phases.period).flat_map(move |y| {
            (left..self.place.columns.end).step_by(step).map(move |x| Tile {
                pixel: self.origin(y, x),
                y,
                x,
                count: SIDE.min((self.place.columns.end - x).div_ceil(phases.period)),
            })
        })
    }

    /// Returns the place of an output in the window, from which its phase's offsets count.
    fn origin(&self, y: usize, x: usize) -> usize {
        let (place, window) = (&self.place, &self.window);
        let (period, step) = (place.phased.phases.period, place.phased.phases.step);
        // Counted from the task's first period, whose least tap is the window's corner.
        let (y, x) = (y / period - place.rows.start / period, x / period - place.columns.start / period);
        y * step * window.row_pixels() + x
    }

    /// Returns where each group and tap reads, from the origin of an output.
    fn offsets(&self, phase: &Phase<Halves>) -> Vec<usize> {
        let (window, phases) = (&self.window, &self.place.phased.phases);
        let (least, _) = phases.reach();
        let groups = self.place.phased.groups();
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
        let period = self.place.phased.phases.period;
        for (n, sums) in sums.iter().enumerate() {
            let bias = self.place.sink.bias(simd, kb + n);
            let start = self.place.sink.index(self.place.n, kb + n, tile.y - self.place.first_row, tile.x);
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
                    self.place.sink.store_row(simd, start + 4 * i * period, period, row, running.as_deref_mut());
                }
                for (i, sum) in rest.iter().enumerate() {
                    let v = simd.add(simd.load(sum), bias);
                    let index = start + (4 * fours.len() + i) * period;
                    self.place.sink.store(simd, index, v, running.as_deref_mut());
                }
            }
        }
    }
}
