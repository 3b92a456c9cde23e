//! The gradient of a direct convolution with respect to its kernel.

use std::ops::Range;

use super::{Form, WINDOW};
use crate::kernels::layout::Shape;
use crate::kernels::outer::{ROWS, outer};
use crate::kernels::simd::{Block, Kernel, LANES, Simd};
use crate::kernels::source::{Border, Growth, Source, Window};
use crate::kernels::threads::ComputePool;

/// What a convolution reads, once more: see [`super::Direct::sliding`].
#[derive(Clone, Copy, Debug)]
pub struct KernelGradient {
    /// The sides of the kernel.
    pub form: Form,
    /// How the input grows first.
    pub growth: Growth,
    /// What stands beyond its border.
    pub border: Border,
    /// Padding beyond the form's own, rows and columns.
    pub before: [usize; 2],
}

impl KernelGradient {
    /// Adds the gradient with respect to the kernel `[outputs][inputs][k][k]` to `out`, given that of the output.
    pub fn run(&self, pool: &ComputePool, source: &Source<'_>, gradient: &[Block], shape: Shape, out: &mut [f32]) {
        let Form { inputs, outputs, kernel, .. } = self.form;
        assert_eq!((source.shape.channels, shape.channels), (inputs, outputs), "channels fit");
        assert_eq!(gradient.len(), shape.blocks(), "the gradient has the output's size");
        assert_eq!(out.len(), outputs * inputs * kernel * kernel, "the gradient has the kernel's size");
        // Few outputs change places with the inputs: lanes are better used by the many.
        let exchanged = outputs <= ROWS;
        let (rows, blocks) = if exchanged {
            (ROWS, source.shape.channel_blocks())
        } else {
            (if inputs <= ROWS { ROWS } else { source.shape.channel_blocks() * LANES }, shape.channel_blocks())
        };
        let len = kernel * kernel * rows * blocks;
        let step = self.rows_a_task(source.shape, shape);
        let tasks = shape.height.div_ceil(step);
        let largest = self.window(0..step, shape.width).pixels() * source.shape.channel_blocks();
        let mut sums = vec![Block::ZERO; shape.batch * tasks * len];
        pool.map_chunks_with_scratch(&mut sums, len, largest, |index, sums, values| {
            let (n, top) = (index / tasks, index % tasks * step);
            let rows_out = top..shape.height.min(top + step);
            let task = Task {
                gradient: self,
                source,
                dy: gradient,
                shape,
                n,
                rows_out,
                exchanged,
                rows,
                blocks,
                values,
                sums,
            };
            pool.backend().run(task);
        });
        self.add(&sums, len, exchanged, rows, blocks, out);
    }

    fn window(&self, rows: Range<usize>, width: usize) -> Window {
        let Form { kernel, stride, before, .. } = self.form;
        let first = |start: usize, extra: usize| (start * stride) as isize - (before + extra) as isize;
        let (growth, border, step) = (self.growth, self.border, stride);
        let [top, left] = [first(rows.start, self.before[0]), first(0, self.before[1])];
        let reach = |count: usize| (count - 1) * stride + kernel;
        Window { growth, border, top, left, height: reach(rows.len()), width: reach(width), step }
    }

    fn rows_a_task(&self, input: Shape, output: Shape) -> usize {
        let blocks = |rows: usize| self.window(0..rows, output.width).pixels() * input.channel_blocks();
        let mut rows = 16;
        while rows > 2 && blocks(rows) > 2 * WINDOW {
            rows /= 2;
        }
        rows.min(output.height)
    }

    fn add(&self, sums: &[Block], len: usize, exchanged: bool, rows: usize, blocks: usize, out: &mut [f32]) {
        let Form { inputs, outputs, kernel, .. } = self.form;
        let taps = kernel * kernel;
        for k in 0..outputs {
            for c in 0..inputs {
                let (row, lane) = if exchanged { (k, c) } else { (c, k) };
                for t in 0..taps {
                    let at = (t * rows + row) * blocks + lane / LANES;
                    let sum: f64 = sums.chunks_exact(len).map(|s| f64::from(s[at].0[lane % LANES])).sum();
                    out[(k * inputs + c) * taps + t] += sum as f32;
                }
            }
        }
    }
}

struct Task<'a> {
    gradient: &'a KernelGradient,
    source: &'a Source<'a>,
    dy: &'a [Block],
    shape: Shape,
    n: usize,
    rows_out: Range<usize>,
    exchanged: bool,
    rows: usize,
    blocks: usize,
    values: &'a mut [Block],
    /// `[tap][row][block]`.
    sums: &'a mut [Block],
}

impl Kernel for Task<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (shape, input_blocks) = (self.shape, self.source.shape.channel_blocks());
        let window = self.gradient.window(self.rows_out.clone(), shape.width);
        for (cb, out) in self.values.chunks_exact_mut(window.pixels()).enumerate().take(input_blocks) {
            window.gather(simd, self.source, self.n, cb, out);
        }
        let (values, dy_blocks) = (&*self.values, shape.channel_blocks());
        let Form { kernel, stride, .. } = self.gradient.form;
        for (tap, sums) in self.sums.chunks_exact_mut(self.rows * self.blocks).enumerate() {
            let (ky, kx) = (tap / kernel, tap % kernel);
            for first in (0..self.rows).step_by(ROWS) {
                for block in 0..self.blocks {
                    let mut acc = [[Block::ZERO; 1]; ROWS];
                    for (i, y) in self.rows_out.clone().enumerate() {
                        let pixel = (i * stride + ky) * window.row_pixels() + window.place(kx);
                        let x = |cb: usize| &values[cb * window.pixels() + pixel..][..shape.width];
                        let dy = |kb: usize| {
                            let row = ((self.n * dy_blocks + kb) * shape.height + y) * shape.width;
                            &self.dy[row..row + shape.width]
                        };
                        let (row_values, lanes) =
                            if self.exchanged { (dy(0), x(block)) } else { (x(first / LANES), dy(block)) };
                        outer::<S, 1>(simd, row_values, first % LANES, lanes, 0, &mut acc);
                    }
                    for (r, acc) in acc.iter().enumerate() {
                        sums[(first + r) * self.blocks + block] = acc[0];
                    }
                }
            }
        }
    }
}
