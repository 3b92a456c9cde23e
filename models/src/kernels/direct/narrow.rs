//! Convolutions to at most three channels: lanes are channels of the input, and sums over lanes come last.

use std::ops::Range;

use super::{Form, WINDOW, window_blocks};
use crate::kernels::disjoint::Disjoint;
use crate::kernels::layout::Shape;
use crate::kernels::nested::{self, ToFew};
use crate::kernels::simd::{Block, Kernel, LANES, Simd};
use crate::kernels::source::{Border, Growth, Source, Window};
use crate::kernels::threads::ComputePool;

/// Most outputs: an RGB picture.
pub(crate) const FEWEST: usize = 3;

/// A convolution of stride 1 from many channels to a picture in planes.
#[derive(Clone, Debug)]
pub struct Narrow {
    form: Form,
    growth: Growth,
    border: Border,
    bias: [f32; FEWEST],
    kernel: Packed,
}

/// How its kernel is kept.
#[derive(Clone, Debug)]
enum Packed {
    /// `[input block][tap][3]`.
    Taps(Vec<Block>),
    Nested(ToFew),
}

impl Narrow {
    /// Packs a kernel `[outputs][inputs][k][k]`, at most three outputs, stride 1.
    #[must_use]
    pub fn new(kernel: &[f32], bias: &[f32], form: Form, growth: Growth, border: Border) -> Self {
        let side = form.kernel;
        let element = |k, c, y, x| kernel[((k * form.inputs + c) * side + y) * side + x];
        Self::packed(element, bias, form, growth, border)
    }

    /// Packs the gradient with respect to the input of the convolution `[inputs][outputs][k][k]` of stride 1 with
    /// `before` zeros around its input.
    #[must_use]
    pub fn backward(kernel: &[f32], form: Form) -> Self {
        let (side, last) = (form.kernel, form.kernel - 1);
        let element = |k, c, y, x| kernel[((c * form.outputs + k) * side + last - y) * side + last - x];
        Self::packed(element, &[], Form { before: last - form.before, ..form }, Growth::None, Border::Zero)
    }

    fn packed(
        element: impl Fn(usize, usize, usize, usize) -> f32,
        bias: &[f32],
        form: Form,
        growth: Growth,
        border: Border,
    ) -> Self {
        assert!(form.outputs <= FEWEST && form.stride == 1, "a narrow convolution has three outputs and stride 1");
        let mut all = [0.0; FEWEST];
        all[..bias.len()].copy_from_slice(bias);
        let kernel = if nested::fits(form, growth) {
            Packed::Nested(ToFew::new(element, all, form, border))
        } else {
            let taps = form.kernel * form.kernel;
            let mut blocks = vec![Block::ZERO; form.inputs.div_ceil(LANES) * taps * FEWEST];
            for k in 0..form.outputs {
                for c in 0..form.inputs {
                    for tap in 0..taps {
                        let value = element(k, c, tap / form.kernel, tap % form.kernel);
                        blocks[(c / LANES * taps + tap) * FEWEST + k].0[c % LANES] = value;
                    }
                }
            }
            Packed::Taps(blocks)
        };
        Self { form, growth, border, bias: all, kernel }
    }

    /// Returns how many bytes the packed kernel takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.kernel {
            Packed::Taps(blocks) => blocks.len() * size_of::<Block>(),
            Packed::Nested(nested) => nested.bytes(),
        }
    }

    /// Returns the rows of the input that some rows of the output are made from.
    #[must_use]
    pub fn input_rows(&self, rows: Range<usize>, input_height: usize) -> Range<usize> {
        self.window(rows, 0..1).source_rows(input_height)
    }

    fn window(&self, rows: Range<usize>, columns: Range<usize>) -> Window {
        Window {
            growth: self.growth,
            border: self.border,
            top: rows.start as isize - self.form.before as isize,
            left: columns.start as isize - self.form.before as isize,
            height: rows.len() + self.form.kernel - 1,
            width: columns.len() + self.form.kernel - 1,
            step: 1,
        }
    }

    /// Convolves into planes `[n][outputs][rows][width]`; `shape` is the whole output's.
    pub fn run(&self, pool: &ComputePool, source: &Source<'_>, shape: Shape, rows: Range<usize>, planes: &mut [f32]) {
        assert_eq!((source.shape.channels, shape.channels), (self.form.inputs, self.form.outputs), "channels fit");
        assert_eq!(planes.len(), shape.batch * shape.channels * rows.len() * shape.width, "the output holds its rows");
        let kernel = match &self.kernel {
            Packed::Taps(kernel) => kernel,
            Packed::Nested(nested) => return nested.run(pool, source, shape, rows, planes),
        };
        let (row_step, column_step) = self.steps(shape.width);
        let (down, across) = (rows.len().div_ceil(row_step), shape.width.div_ceil(column_step));
        let largest = self.window(0..row_step, 0..column_step);
        let scratch = window_blocks(largest.height * largest.width, source.shape.channels.max(LANES));
        let planes = Disjoint::new(planes);
        pool.for_each_with_scratch(shape.batch * down * across, scratch, |index, values| {
            let (n, task) = (index / (down * across), index % (down * across));
            let (top, left) = (rows.start + task / across * row_step, task % across * column_step);
            let part = (top..rows.end.min(top + row_step), left..shape.width.min(left + column_step));
            let (narrow, all_rows) = (self, rows.clone());
            pool.backend().run(Task { narrow, kernel, source, shape, all_rows, n, part, values, planes });
        });
    }

    /// Returns the rows and columns of a task: its window is to fit the cache.
    fn steps(&self, width: usize) -> (usize, usize) {
        let blocks = |r: usize, c: usize| {
            let halo = self.form.kernel - 1;
            (r + halo) * (c + halo) * self.form.inputs.div_ceil(LANES)
        };
        let (mut rows, mut columns) = (16, width.min(256));
        while blocks(rows, columns) > WINDOW && columns > 32 {
            columns = columns.div_ceil(2).next_multiple_of(8);
        }
        while blocks(rows, columns) > WINDOW && rows > 4 {
            rows /= 2;
        }
        (rows, columns)
    }
}

struct Task<'a> {
    narrow: &'a Narrow,
    kernel: &'a [Block],
    source: &'a Source<'a>,
    shape: Shape,
    all_rows: Range<usize>,
    n: usize,
    part: (Range<usize>, Range<usize>),
    values: &'a mut [Block],
    planes: Disjoint<'a, f32>,
}

impl Kernel for Task<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (rows, columns) = self.part.clone();
        let window = self.narrow.window(rows.clone(), columns.clone());
        let pixels = window.height * window.width;
        for (cb, out) in self.values.chunks_exact_mut(pixels).enumerate().take(self.source.shape.channel_blocks()) {
            window.gather(simd, self.source, self.n, cb, out);
        }
        for y in 0..rows.len() {
            match columns.len() {
                8.. if S::WIDE => self.row::<S, 8>(simd, window, y),
                4.. if S::WIDE => self.row::<S, 4>(simd, window, y),
                2.. => self.row::<S, 2>(simd, window, y),
                _ => self.row::<S, 1>(simd, window, y),
            }
        }
    }
}

impl Task<'_> {
    /// Convolves for one row of the part, of at least `R` pixels.
    #[inline(always)]
    fn row<S: Simd, const R: usize>(&self, simd: S, window: Window, y: usize) {
        let columns = self.part.1.len();
        for x in (0..columns).step_by(R) {
            // A tile that would hang over the right edge is moved to the left; some pixels are computed twice.
            self.piece::<S, R>(simd, window, y, x.min(columns - R));
        }
    }

    #[inline(always)]
    fn piece<S: Simd, const R: usize>(&self, simd: S, window: Window, y: usize, x: usize) {
        let k = self.narrow.form.kernel;
        let mut sums = [[simd.zero(); R]; FEWEST];
        let (kernel, _) = self.kernel.as_chunks::<FEWEST>();
        for (cb, kernel) in kernel.chunks_exact(k * k).enumerate() {
            let plane = &self.values[cb * window.height * window.width..][..window.height * window.width];
            for (ky, kernel) in kernel.chunks_exact(k).enumerate() {
                let row = &plane[(y + ky) * window.width + x..(y + ky + 1) * window.width];
                for (weights, pixels) in kernel.iter().zip(row.windows(R)) {
                    let weights = [simd.load(&weights[0]), simd.load(&weights[1]), simd.load(&weights[2])];
                    let pixels: &[Block; R] = pixels.try_into().expect("a window of R pixels");
                    for r in 0..R {
                        let x = simd.load(&pixels[r]);
                        for o in 0..FEWEST {
                            sums[o][r] = simd.mul_add(x, weights[o], sums[o][r]);
                        }
                    }
                }
            }
        }
        // Left in memory for the rolled loop of `store`, else the compiler would keep all sums there all the time.
        let mut stored = [[Block::ZERO; R]; FEWEST];
        for o in 0..FEWEST {
            for r in 0..R {
                simd.store(sums[o][r], &mut stored[o][r]);
            }
        }
        self.store(simd, y, x, &stored);
    }

    #[inline(always)]
    fn store<S: Simd, const R: usize>(&self, simd: S, y: usize, x: usize, sums: &[[Block; R]; FEWEST]) {
        let (rows, columns) = &self.part;
        for (o, sums) in sums.iter().enumerate().take(self.shape.channels) {
            let mut all = [simd.zero(); LANES];
            for (v, sums) in all.iter_mut().zip(sums) {
                *v = simd.load(sums);
            }
            let mut out = Block::ZERO;
            simd.store(simd.add(simd.sums(&all), simd.splat(self.narrow.bias[o])), &mut out);
            let plane = (self.n * self.shape.channels + o) * self.all_rows.len();
            let start = (plane + rows.start + y - self.all_rows.start) * self.shape.width + columns.start + x;
            // SAFETY: each task has output pixels of its own.
            #[expect(unsafe_code, reason = "tasks write disjoint pixels")]
            let to = unsafe { self.planes.range(start..start + R) };
            to.copy_from_slice(&out.0[..R]);
        }
    }
}
