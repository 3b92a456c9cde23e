//! The 3x3 convolution of stride 1 of a network that stays as it is, the way that is fastest here: on the matrix unit
//! straight from the definition, on the vector unit by Winograd's algorithm.

use std::ops::Range;

use super::direct::{Direct, Form, Input};
use super::matrix_unit::Precision;
use super::output::Target;
use super::simd::{Block, LANES};
use super::source::{Border, Growth, Source};
use super::threads::ComputePool;
use super::winograd::{Geometry, Winograd};

/// A 3x3 convolution of stride 1 with its kernel prepared.
#[derive(Clone, Debug)]
pub struct Conv3x3 {
    geometry: Geometry,
    way: Way,
}

#[derive(Clone, Debug)]
enum Way {
    Winograd(Winograd),
    Direct(Direct),
}

impl Conv3x3 {
    /// Returns whether a convolution of that form is one, and has channels enough to gain from it.
    #[must_use]
    pub fn fits(form: Form, growth: Growth) -> bool {
        let Form { inputs, outputs, kernel, stride, .. } = form;
        let grows = matches!(growth, Growth::None | Growth::Nearest(2));
        kernel == 3 && stride == 1 && grows && inputs >= LANES && outputs >= LANES
    }

    /// Prepares a kernel `[outputs][inputs][3][3]`.
    #[must_use]
    pub fn new(kernel: &[f32], outputs: usize, inputs: usize, geometry: Geometry, precision: Precision) -> Self {
        let form = Form { inputs, outputs, kernel: 3, stride: 1, before: geometry.pad };
        let way = if precision.is_halved(inputs, outputs) {
            let growth = if geometry.doubled { Growth::Nearest(2) } else { Growth::None };
            Way::Direct(Direct::new(kernel, form, growth, geometry.border, precision))
        } else {
            Way::Winograd(Winograd::new(kernel, outputs, inputs))
        };
        Self { geometry, way }
    }

    /// Prepares the gradient with respect to the input of the convolution `[outputs][inputs][3][3]` of a tensor within one
    /// row of zeros.
    #[must_use]
    pub fn backward(kernel: &[f32], outputs: usize, inputs: usize, precision: Precision) -> Self {
        let way = if precision.is_halved(outputs, inputs) {
            let form = Form { inputs: outputs, outputs: inputs, kernel: 3, stride: 1, before: 1 };
            Way::Direct(Direct::transposed(kernel, form, precision))
        } else {
            Way::Winograd(Winograd::backward(kernel, outputs, inputs))
        };
        Self { geometry: Geometry::same(Border::Zero), way }
    }

    /// Returns how many bytes the prepared kernel takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.way {
            Way::Winograd(winograd) => winograd.bytes(),
            Way::Direct(direct) => direct.bytes(),
        }
    }

    /// Returns the rows of the input that some rows of the output are made from.
    #[must_use]
    pub fn input_rows(&self, rows: Range<usize>, input_height: usize) -> Range<usize> {
        self.geometry.input_rows(rows, input_height)
    }

    /// Convolves: `target` = the convolution of `source`. `shared` is scratch memory, grown as needed.
    pub fn run(&self, pool: &ComputePool, source: &Source<'_>, target: Target<'_>, shared: &mut Vec<Block>) {
        match &self.way {
            Way::Winograd(winograd) => winograd.run(pool, source, self.geometry, target, shared),
            Way::Direct(direct) => direct.run(pool, &Input::Blocked(*source), [0; 2], target),
        }
    }
}
