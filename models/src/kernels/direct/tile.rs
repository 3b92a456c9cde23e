//! The inner loops: a row of outputs of one phase by two blocks of channels, kept in registers.

use std::ops::Range;

use super::Phased;
use super::phases::{Floats, Phase};
use crate::kernels::multiply::{tile_rows, with_rows};
use crate::kernels::output::{Running, Sink, Tally};
use crate::kernels::simd::{Block, LANES, Simd};
use crate::kernels::source::Window;

/// A gathered window, to be convolved.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a> {
    pub(super) phased: &'a Phased<Floats>,
    pub(super) before: [usize; 2],
    pub(super) sink: &'a Sink<'a>,
    pub(super) first_row: usize,
    pub(super) n: usize,
    pub(super) window: Window,
    /// `[channel block][row][column][lanes]`.
    pub(super) values: &'a [f32],
}

/// One row of outputs of one phase.
#[derive(Clone, Copy)]
struct Line<'a> {
    kernel: &'a [Block],
    /// Where each tap reads for the row's first output, in pixels.
    offsets: &'a [usize],
    /// Index of the first output, and the distance to the next.
    index: usize,
    period: usize,
    kb: usize,
}

impl Tile<'_> {
    /// Convolves for the output blocks `kb` and `kb + 1`, if there is one.
    #[inline(always)]
    pub(super) fn pair<S: Simd, const L: usize>(
        self,
        simd: S,
        kb: usize,
        rows: Range<usize>,
        columns: Range<usize>,
        tallies: Option<&mut [Tally]>,
    ) {
        let phases = &self.phased.phases;
        let blocks = self.phased.form.outputs.div_ceil(LANES);
        let mut running = tallies.is_some().then(|| [Running::new(simd); 2]);
        let mut offsets = Vec::new();
        for y in rows {
            for phase_x in 0..phases.period {
                let start = columns.start + (phase_x + phases.period - columns.start % phases.period) % phases.period;
                if start >= columns.end {
                    continue;
                }
                let phase = phases.phase(y % phases.period, phase_x);
                self.offsets(phase, y, start, &mut offsets);
                let channel_rows = phase.taps.len() * self.phased.form.inputs;
                let line = Line {
                    kernel: &phase.kernel[kb * channel_rows..],
                    offsets: &offsets,
                    index: self.sink.index(self.n, kb, y - self.first_row, start),
                    period: phases.period,
                    kb,
                };
                let count = (columns.end - start).div_ceil(phases.period);
                self.line::<S, L>(simd, line, count, kb + 1 == blocks, running.as_mut());
            }
        }
        if let (Some(tallies), Some(running)) = (tallies, running) {
            for (tally, running) in tallies[kb..].iter_mut().zip(running) {
                *tally = running.finish(simd);
            }
        }
    }

    fn offsets(&self, phase: &Phase<Floats>, y: usize, x: usize, offsets: &mut Vec<usize>) {
        let phases = &self.phased.phases;
        let origin = |o: usize, start: isize| (o / phases.period * phases.step) as isize - start;
        let [above, beside] = self.before.map(|before| before as isize);
        let (top, left) = (origin(y, self.window.top) - above, origin(x, self.window.left) - beside);
        let place = |&(dy, dx): &(isize, isize)| {
            (top + dy) as usize * self.window.row_pixels() + self.window.place((left + dx) as usize)
        };
        offsets.clear();
        offsets.extend(phase.taps.iter().map(place));
    }

    #[inline(always)]
    fn line<S: Simd, const L: usize>(
        &self,
        simd: S,
        line: Line<'_>,
        count: usize,
        single: bool,
        mut running: Option<&mut [Running<S::V>; 2]>,
    ) {
        let mut next = 0;
        while next < count {
            let (q, many) = (next, tile_rows::<S>(count - next));
            next += many;
            let running = running.as_deref_mut();
            if single {
                with_rows!(many, piece::<S, _, 1, 1, L>(simd, self, line, q, 0, running));
            } else if S::WIDE {
                with_rows!(many, piece::<S, _, 2, 2, L>(simd, self, line, q, 0, running));
            } else {
                let mut running = running;
                with_rows!(many, piece::<S, _, 1, 2, L>(simd, self, line, q, 0, running.as_deref_mut()));
                with_rows!(many, piece::<S, _, 1, 2, L>(simd, self, line, q, 1, running));
            }
        }
    }
}

/// `R` outputs from the `q`-th of a line by `N` blocks, from a kernel in groups of `G`, beginning with block `first`;
/// pixels of `L` floats.
#[inline(always)]
fn piece<S: Simd, const R: usize, const N: usize, const G: usize, const L: usize>(
    simd: S,
    tile: &Tile<'_>,
    line: Line<'_>,
    q: usize,
    first: usize,
    running: Option<&mut [Running<S::V>; 2]>,
) {
    let (pixels, _) = tile.values.as_chunks::<L>();
    let inputs = tile.phased.form.inputs;
    let mut sums = [[simd.zero(); N]; R];
    let (mut kernel, _) = line.kernel.as_chunks::<G>();
    for (cb, plane) in pixels.chunks_exact(tile.window.pixels()).enumerate().take(inputs.div_ceil(L)) {
        let valid = L.min(inputs - cb * L);
        for offset in line.offsets {
            let pixels: &[[f32; L]; R] = plane[offset + q..].first_chunk().expect("all taps lie within the window");
            let (groups, rest) = kernel.split_at(valid);
            kernel = rest;
            for (i, group) in groups.iter().enumerate() {
                let mut vectors = [simd.zero(); N];
                for (n, v) in vectors.iter_mut().enumerate() {
                    *v = simd.load(&group[first + n]);
                }
                for r in 0..R {
                    let x = simd.splat(pixels[r][i]);
                    for n in 0..N {
                        sums[r][n] = simd.mul_add(x, vectors[n], sums[r][n]);
                    }
                }
            }
        }
    }
    // Left in memory for the rolled loop of `finish`, else the compiler would keep all sums there all the time.
    let mut stored = [[Block::ZERO; N]; R];
    for r in 0..R {
        for n in 0..N {
            simd.store(sums[r][n], &mut stored[r][n]);
        }
    }
    finish(simd, tile, line, q, first, &stored, running);
}

#[inline(always)]
fn finish<S: Simd, const R: usize, const N: usize>(
    simd: S,
    tile: &Tile<'_>,
    line: Line<'_>,
    q: usize,
    first: usize,
    sums: &[[Block; N]; R],
    mut running: Option<&mut [Running<S::V>; 2]>,
) {
    let plane = tile.sink.plane;
    for n in 0..N {
        let bias = tile.sink.bias(simd, line.kb + first + n);
        let start = line.index + (first + n) * plane + q * line.period;
        for (r, sums) in sums.iter().enumerate() {
            let running = running.as_deref_mut().map(|running| &mut running[first + n]);
            // SAFETY: each task has output pixels of its own.
            #[expect(unsafe_code, reason = "tasks write disjoint pixels")]
            unsafe {
                tile.sink.store(simd, start + r * line.period, simd.add(simd.load(&sums[n]), bias), running);
            }
        }
    }
}
