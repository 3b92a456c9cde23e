//! Convolutions of any kernel, stride and enlargement, straight from the definition.
//!
//! Outputs fall into phases: the outputs of one phase see their inputs through the same taps. A plain convolution has one
//! phase; a transposed one of stride 2 has two a side; a nearest enlargement by 4 with stride 2 has two a side as well,
//! whose taps are sums of the kernel's, because repeated pixels meet several of them. Each task copies the window of the
//! input that it needs (`Window`) and convolves it from the cache. Kernels of 9x9 between pictures and channels take
//! another way, with a third of the products: `nested`. Where the processor has a matrix unit, phases of many channels are
//! computed on it (`halved`).

mod gradient;
mod halved;
mod narrow;
mod phased;
mod phases;
mod tile;

pub use gradient::KernelGradient;
pub(crate) use narrow::FEWEST;
pub use narrow::Narrow;

use std::ops::Range;

use super::layout::Shape;
use super::matrix_unit::Precision;
use super::nested::{self, FromFew};
use super::output::Target;
use super::simd::{Block, LANES, Simd, floats_mut};
use super::source::{Border, FEW, Growth, Photo, Source, Window, packed_lanes};
use super::threads::ComputePool;
use phased::{Phased, WINDOW, window_blocks};
use phases::{Floats, Halves, Order, Phases};

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
    pub(super) fn gather<S: Simd>(&self, simd: S, window: &Window, n: usize, out: &mut [Block], scratch: &mut [Block]) {
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
    way: Way,
}

/// How it is computed.
#[derive(Clone, Debug)]
enum Way {
    /// Phase by phase on the vector unit.
    Phased(Phased<Floats>),
    /// The same on the matrix unit.
    Halved(Phased<Halves>),
    Nested(FromFew),
}

impl Way {
    fn by_phases(kernel: &[f32], form: Form, growth: Growth, border: Border, order: Order, halved: bool) -> Self {
        if halved {
            Self::Halved(Phased { form, growth, border, phases: Phases::new(kernel, form, order) })
        } else {
            Self::Phased(Phased { form, growth, border, phases: Phases::new(kernel, form, order) })
        }
    }
}

impl Direct {
    /// Packs a kernel `[outputs][inputs][k][k]` of a convolution after an enlargement.
    #[must_use]
    pub fn new(kernel: &[f32], form: Form, growth: Growth, border: Border, precision: Precision) -> Self {
        let (growth, border, repeat) = without_growth(form, growth, border);
        Self::repeating(kernel, form, growth, border, precision, repeat)
    }

    /// The same, but with padding that each call may choose anew: see [`Self::run`].
    #[must_use]
    pub fn sliding(kernel: &[f32], form: Form, growth: Growth, border: Border, precision: Precision) -> Self {
        Self::repeating(kernel, form, growth, border, precision, 1)
    }

    /// Packs for the matrix unit, whether or not there is one: [`Self::new`] and [`Self::transposed`].
    #[cfg(test)]
    pub(super) fn halved(kernel: &[f32], form: Form, growth: Growth, border: Border) -> [Self; 2] {
        let (growth, border, repeat) = without_growth(form, growth, border);
        let way = |growth, border, order| Way::by_phases(kernel, form, growth, border, order, true);
        [
            Self { form, way: way(growth, border, Order::Forward { repeat }) },
            Self { form, way: way(Growth::None, Border::Zero, Order::Transposed) },
        ]
    }

    fn repeating(
        kernel: &[f32],
        form: Form,
        growth: Growth,
        border: Border,
        precision: Precision,
        repeat: usize,
    ) -> Self {
        let way = if repeat == 1 && nested::fits(form, growth) && form.inputs <= FEW {
            let element = |k, c, y, x| kernel[((k * form.inputs + c) * form.kernel + y) * form.kernel + x];
            Way::Nested(FromFew::new(element, form, border))
        } else {
            Way::by_phases(
                kernel,
                form,
                growth,
                border,
                Order::Forward { repeat },
                precision.is_halved(form.inputs, form.outputs),
            )
        };
        Self { form, way }
    }

    /// Packs a kernel `[inputs][outputs][k][k]` of a transposed convolution: input `i` adds `kernel[u]` to the output
    /// `i * stride + u - before`.
    ///
    /// The gradient with respect to the input of the convolution `[outputs][inputs][k][k]` with a border of zeros is the
    /// same kernel's transposed convolution, its channels exchanged.
    #[must_use]
    pub fn transposed(kernel: &[f32], form: Form, precision: Precision) -> Self {
        let (growth, border, last) = (Growth::None, Border::Zero, form.kernel - 1);
        let way = if nested::fits(form, growth) && form.inputs <= FEW {
            // With stride 1 it is a convolution with the kernel turned by 180 degrees.
            let element =
                |k, c, y, x| kernel[((c * form.outputs + k) * form.kernel + last - y) * form.kernel + last - x];
            Way::Nested(FromFew::new(element, Form { before: last - form.before, ..form }, border))
        } else {
            Way::by_phases(
                kernel,
                form,
                growth,
                border,
                Order::Transposed,
                precision.is_halved(form.inputs, form.outputs),
            )
        };
        Self { form, way }
    }

    /// Returns how many bytes the packed kernel takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.way {
            Way::Phased(phased) => phased.phases.bytes(),
            Way::Halved(phased) => phased.phases.bytes(),
            Way::Nested(nested) => nested.bytes(),
        }
    }

    /// Returns the rows of the input that some rows of the output are made from; `before` as in [`Self::run`].
    #[must_use]
    pub fn input_rows(&self, rows: Range<usize>, input_height: usize, before: usize) -> Range<usize> {
        let window = match &self.way {
            Way::Phased(phased) => phased.window(rows, 0..1, [before, 0]),
            Way::Halved(phased) => phased.window(rows, 0..1, [before, 0]),
            Way::Nested(nested) => nested.window(rows, 0..1, [before, 0]),
        };
        window.source_rows(input_height)
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
        match &self.way {
            Way::Phased(phased) => phased.run(pool, input, before, target),
            Way::Halved(phased) => {
                let Input::Blocked(source) = input else { unreachable!("a photo has fewer channels") };
                phased.run(pool, source, before, target);
            }
            Way::Nested(nested) => nested.run(pool, input, before, target),
        }
    }
}

/// Returns a growth, border and repetition that show the kernel the same, by repeated taps rather than pixels where that can
/// be: mirroring by one pixel what stands at least twice is repeating the edge, which needs no enlarged tensor.
fn without_growth(form: Form, growth: Growth, border: Border) -> (Growth, Border, usize) {
    match (growth, border) {
        (Growth::Nearest(factor), Border::Zero) => (Growth::None, border, factor),
        (Growth::Nearest(factor), Border::Reflect) if factor > 1 && form.kernel <= 3 && form.before <= 1 => {
            (Growth::None, Border::Edge, factor)
        }
        (growth, border) => (growth, border, 1),
    }
}
