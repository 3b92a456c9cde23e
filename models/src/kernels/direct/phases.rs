//! The taps of each phase, and the kernel packed by them.

use std::ops::Range;

use super::Form;
use crate::kernels::multiply::packed_index;
use crate::kernels::simd::{Block, LANES};

/// All phases of a convolution: output `period * q + phase` reads the inputs `step * q + tap`.
#[derive(Clone, Debug)]
pub(super) struct Phases {
    pub(super) period: usize,
    pub(super) step: usize,
    /// The least and greatest tap of any phase.
    reach: (isize, isize),
    /// `[row phase][column phase]`.
    all: Vec<Phase>,
}

/// The taps of one phase, and the kernel `[pair of output blocks][input block][tap][channel][1 or 2 blocks]`.
#[derive(Clone, Debug)]
pub(super) struct Phase {
    pub(super) taps: Vec<(isize, isize)>,
    pub(super) kernel: Vec<Block>,
}

/// One tap along one side: where it reads, and which kernel elements it sums.
struct Line {
    at: isize,
    elements: Vec<usize>,
}

impl Phases {
    /// A convolution of a tensor whose pixels stand `repeat` times; kernel `[outputs][inputs][k][k]`.
    pub(super) fn forward(kernel: &[f32], form: Form, repeat: usize) -> Self {
        let period = repeat / gcd(repeat, form.stride);
        let lines = |phase: usize| {
            let mut lines: Vec<Line> = Vec::new();
            for t in 0..form.kernel {
                let at = ((form.stride * phase + t) as isize - form.before as isize).div_euclid(repeat as isize);
                match lines.last_mut() {
                    Some(line) if line.at == at => line.elements.push(t),
                    _ => lines.push(Line { at, elements: vec![t] }),
                }
            }
            lines
        };
        let at = |k: usize, c: usize| (k * form.inputs + c) * form.kernel * form.kernel;
        Self::pack(kernel, form, period, form.stride * period / repeat, lines, at)
    }

    /// A transposed convolution; kernel `[inputs][outputs][k][k]`.
    pub(super) fn transposed(kernel: &[f32], form: Form) -> Self {
        let lines = |phase: usize| {
            let whole = phase + form.before;
            let elements = (0..form.kernel).rev().filter(|u| whole % form.stride == u % form.stride);
            let line = |u| Line { at: (whole as isize - u as isize) / form.stride as isize, elements: vec![u] };
            elements.map(line).collect()
        };
        let at = |k: usize, c: usize| (c * form.outputs + k) * form.kernel * form.kernel;
        Self::pack(kernel, form, form.stride, 1, lines, at)
    }

    fn pack(
        kernel: &[f32],
        form: Form,
        period: usize,
        step: usize,
        lines: impl Fn(usize) -> Vec<Line>,
        at: impl Fn(usize, usize) -> usize,
    ) -> Self {
        let lines: Vec<_> = (0..period).map(lines).collect();
        let places = || lines.iter().flatten().map(|line| line.at);
        let reach = (places().min().unwrap_or(0), places().max().unwrap_or(0));
        let mut all = Vec::with_capacity(period * period);
        for rows in &lines {
            for columns in &lines {
                all.push(Phase::pack(kernel, form, rows, columns, &at));
            }
        }
        Self { period, step, reach, all }
    }

    pub(super) fn phase(&self, row: usize, column: usize) -> &Phase {
        &self.all[row * self.period + column]
    }

    /// Returns the first input and the number of inputs that a range of outputs reads along one side.
    pub(super) fn window(&self, outputs: Range<usize>) -> (isize, usize) {
        let (first, last) = (outputs.start / self.period * self.step, (outputs.end - 1) / self.period * self.step);
        let (least, greatest) = self.reach;
        (first as isize + least, last - first + (greatest - least) as usize + 1)
    }

    pub(super) fn bytes(&self) -> usize {
        self.all.iter().map(|p| p.kernel.len() * size_of::<Block>()).sum()
    }
}

impl Phase {
    fn pack(kernel: &[f32], form: Form, rows: &[Line], columns: &[Line], at: &impl Fn(usize, usize) -> usize) -> Self {
        let taps: Vec<_> = rows.iter().flat_map(|r| columns.iter().map(move |c| (r.at, c.at))).collect();
        let blocks = form.outputs.div_ceil(LANES);
        let channel_rows = taps.len() * form.inputs;
        let mut packed = vec![Block::ZERO; channel_rows * blocks];
        for k in 0..form.outputs {
            for c in 0..form.inputs {
                let (block, lane) = (c / LANES, c % LANES);
                let valid = LANES.min(form.inputs - block * LANES);
                let element = &kernel[at(k, c)..][..form.kernel * form.kernel];
                for (tap, (r, l)) in rows.iter().flat_map(|r| columns.iter().map(move |l| (r, l))).enumerate() {
                    let pairs = r.elements.iter().flat_map(|y| l.elements.iter().map(move |x| y * form.kernel + x));
                    let row = block * LANES * taps.len() + tap * valid + lane;
                    packed[packed_index(channel_rows, blocks, row, k / LANES)].0[k % LANES] =
                        pairs.map(|i| element[i]).sum();
                }
            }
        }
        Self { taps, kernel: packed }
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
