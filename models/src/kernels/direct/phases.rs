//! The taps of each phase, and the kernel packed by them.

use std::ops::Range;

use super::Form;
use crate::kernels::matrix_unit::{GROUP, Matrix, halves};
use crate::kernels::memory::zeros;
use crate::kernels::multiply::packed_index;
use crate::kernels::simd::{Block, LANES};

/// All phases of a convolution: output `period * q + phase` reads the inputs `step * q + tap`.
#[derive(Clone, Debug)]
pub(super) struct Phases<K> {
    pub(super) period: usize,
    pub(super) step: usize,
    /// The least and greatest tap of any phase.
    reach: (isize, isize),
    /// `[row phase][column phase]`.
    all: Vec<Phase<K>>,
}

/// The taps of one phase, and the kernel.
#[derive(Clone, Debug)]
pub(super) struct Phase<K> {
    pub(super) taps: Vec<(isize, isize)>,
    pub(super) kernel: K,
}

/// A kernel as the vector unit reads it: `[pair of output blocks][input block][tap][channel][1 or 2 blocks]`.
pub(super) type Floats = Vec<Block>;

/// A kernel as the matrix unit reads it: `[pair of output blocks][group of inputs][tap][low, high][1 or 2 blocks]`.
pub(super) type Halves = Vec<Matrix>;

/// A way to lay out the elements `(output, input, tap)` of a kernel.
pub(super) trait Packed {
    fn pack(form: Form, taps: usize, element: impl Fn(usize, usize, usize) -> f32) -> Self;
    fn bytes(&self) -> usize;
}

impl Packed for Floats {
    fn pack(form: Form, taps: usize, element: impl Fn(usize, usize, usize) -> f32) -> Self {
        let blocks = form.outputs.div_ceil(LANES);
        let rows = taps * form.inputs;
        let mut packed = zeros(rows * blocks);
        for k in 0..form.outputs {
            for c in 0..form.inputs {
                let (block, lane) = (c / LANES, c % LANES);
                let valid = LANES.min(form.inputs - block * LANES);
                for tap in 0..taps {
                    let row = block * LANES * taps + tap * valid + lane;
                    packed[packed_index(rows, blocks, row, k / LANES)].0[k % LANES] = element(k, c, tap);
                }
            }
        }
        packed
    }

    fn bytes(&self) -> usize {
        self.len() * size_of::<Block>()
    }
}

impl Packed for Halves {
    fn pack(form: Form, taps: usize, element: impl Fn(usize, usize, usize) -> f32) -> Self {
        let (groups, blocks) = (form.inputs.div_ceil(GROUP), form.outputs.div_ceil(LANES));
        let mut packed = vec![Matrix::ZERO; 2 * groups * taps * blocks];
        for kb in 0..blocks {
            let (pair, beside) = (kb & !1, kb % 2);
            let many = 2.min(blocks - pair);
            let outputs = kb * LANES..form.outputs.min((kb + 1) * LANES);
            for row in 0..groups * taps {
                let (group, tap) = (row / taps, row % taps);
                let inputs = group * GROUP..form.inputs.min((group + 1) * GROUP);
                let at = 2 * (pair * groups * taps + row * many) + beside;
                for k in outputs.clone() {
                    for c in inputs.clone() {
                        let [hi, lo] = halves(element(k, c, tap));
                        packed[at].set(c % GROUP, k % LANES, lo);
                        packed[at + many].set(c % GROUP, k % LANES, hi);
                    }
                }
            }
        }
        packed
    }

    fn bytes(&self) -> usize {
        self.len() * size_of::<Matrix>()
    }
}

/// Which way a kernel is gone through.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    /// A convolution of a tensor whose pixels stand `repeat` times; kernel `[outputs][inputs][k][k]`.
    Forward { repeat: usize },
    /// A transposed convolution; kernel `[inputs][outputs][k][k]`.
    Transposed,
}

impl Order {
    /// Returns the taps of one phase along one side.
    fn lines(self, form: Form, phase: usize) -> Vec<Line> {
        match self {
            Self::Forward { repeat } => {
                let mut lines: Vec<Line> = Vec::new();
                for t in 0..form.kernel {
                    let at = ((form.stride * phase + t) as isize - form.before as isize).div_euclid(repeat as isize);
                    match lines.last_mut() {
                        Some(line) if line.at == at => line.elements.push(t),
                        _ => lines.push(Line { at, elements: vec![t] }),
                    }
                }
                lines
            }
            Self::Transposed => {
                let whole = phase + form.before;
                let elements = (0..form.kernel).rev().filter(|u| whole % form.stride == u % form.stride);
                let line = |u| Line { at: (whole as isize - u as isize) / form.stride as isize, elements: vec![u] };
                elements.map(line).collect()
            }
        }
    }
}

/// One tap along one side: where it reads, and which kernel elements it sums.
struct Line {
    at: isize,
    elements: Vec<usize>,
}

impl<K: Packed> Phases<K> {
    pub(super) fn new(kernel: &[f32], form: Form, order: Order) -> Self {
        let (period, step) = match order {
            Order::Forward { repeat } => {
                let period = repeat / gcd(repeat, form.stride);
                (period, form.stride * period / repeat)
            }
            Order::Transposed => (form.stride, 1),
        };
        let lines: Vec<_> = (0..period).map(|phase| order.lines(form, phase)).collect();
        let places = || lines.iter().flatten().map(|line| line.at);
        let reach = (places().min().unwrap_or(0), places().max().unwrap_or(0));
        let phase = |(rows, columns): (&Vec<Line>, &Vec<Line>)| Phase::pack(kernel, form, order, rows, columns);
        let all = lines.iter().flat_map(|rows| lines.iter().map(move |columns| (rows, columns))).map(phase).collect();
        Self { period, step, reach, all }
    }

    /// Returns the least and the greatest tap of any phase.
    pub(super) fn reach(&self) -> (isize, isize) {
        self.reach
    }

    pub(super) fn phase(&self, row: usize, column: usize) -> &Phase<K> {
        &self.all[row * self.period + column]
    }

    /// Returns the first input and the number of inputs that a range of outputs reads along one side.
    pub(super) fn window(&self, outputs: Range<usize>) -> (isize, usize) {
        let (first, last) = (outputs.start / self.period * self.step, (outputs.end - 1) / self.period * self.step);
        let (least, greatest) = self.reach;
        (first as isize + least, last - first + (greatest - least) as usize + 1)
    }

    pub(super) fn bytes(&self) -> usize {
        self.all.iter().map(|p| p.kernel.bytes()).sum()
    }
}

impl<K: Packed> Phase<K> {
    fn pack(kernel: &[f32], form: Form, order: Order, rows: &[Line], columns: &[Line]) -> Self {
        let side = form.kernel;
        let lines = || rows.iter().flat_map(|r| columns.iter().map(move |c| (r, c)));
        let taps: Vec<_> = lines().map(|(r, c)| (r.at, c.at)).collect();
        // The elements of the kernel that each tap sums.
        let sums = |(r, c): (&Line, &Line)| {
            r.elements.iter().flat_map(|y| c.elements.iter().map(move |x| y * side + x)).collect::<Vec<_>>()
        };
        let sums: Vec<_> = lines().map(sums).collect();
        let element = |k, c, tap: usize| {
            let number = match order {
                Order::Forward { .. } => k * form.inputs + c,
                Order::Transposed => c * form.outputs + k,
            };
            let element = &kernel[number * side * side..][..side * side];
            sums[tap].iter().map(|i| element[*i]).sum()
        };
        Self { kernel: K::pack(form, taps.len(), element), taps }
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
