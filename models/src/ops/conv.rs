//! Convolutions.

mod kernels;

use std::ops::Range;

use candle_core::{Result, Tensor};

use super::Ops;
use super::operation::{Operation, Pass, record};
use super::place::{enlarge, pad, spread, take};
use crate::kernels::source::{Border, Growth};

/// How a convolution reads its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Convolution {
    /// How the input grows first.
    pub(crate) growth: Growth,
    /// What stands beyond its border then.
    pub(crate) border: Border,
    /// How much of that, before and after, of rows and of columns.
    pub(crate) pads: [(usize, usize); 2],
    /// Step between two outputs.
    pub(crate) stride: usize,
}

impl Convolution {
    /// A convolution that keeps the size, with a border of zeros.
    pub(crate) fn same(kernel: usize) -> Self {
        let pads = [(kernel / 2, kernel / 2); 2];
        Self { growth: Growth::None, border: Border::Zero, pads, stride: 1 }
    }
}

impl Ops {
    /// Convolves `x` with `weight`, `(outputs, inputs, k, k)`, and adds a bias, one number an output.
    ///
    /// A weight without a history costs no gradient.
    pub(crate) fn conv(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, how: Convolution) -> Result<Tensor> {
        if let Some(pool) = &self.kernels {
            return kernels::conv(pool, x, weight, bias, how);
        }
        let x = enlarge(x, how.growth)?;
        let kernel = weight.dim(2)?;
        let [(before, _), _] = how.pads;
        let (x, zeros) = if how.border == Border::Zero && how.pads == [(before, before); 2] && before < kernel {
            (x, before)
        } else {
            (pad(&x, how.border, how.pads)?, 0)
        };
        let sliding = Sliding { stride: how.stride, zeros, unfolded: self.unfolded };
        let y = sliding.forward(&x.detach(), &weight.detach())?;
        let y = record(sliding, &[&x, weight], y)?;
        match bias {
            Some(bias) => y.broadcast_add(&bias.reshape((1, (), 1, 1))?),
            None => Ok(y),
        }
    }

    /// Convolves with every pixel of `x` making `stride` in both directions: pixel `i` adds `weight[u]`, of
    /// `(inputs, outputs, k, k)`, to the output `i * stride + u - (k - stride) / 2`.
    pub(crate) fn conv_transposed(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        stride: usize,
    ) -> Result<Tensor> {
        let kernel = weight.dim(2)?;
        let dropped = kernel.saturating_sub(stride) / 2;
        let how = Convolution { pads: [(kernel - 1 - dropped, dropped); 2], ..Convolution::same(kernel) };
        self.conv(&spread(x, stride)?, &turned(weight)?, bias, how)
    }
}

/// Turns kernels by half a circle and exchanges their inputs and outputs: what leads back through a convolution.
fn turned(weight: &Tensor) -> Result<Tensor> {
    let backwards: Vec<_> = (0..weight.dim(2)?).rev().collect();
    let turned = take(&take(weight, 2, &backwards)?, 3, &backwards)?;
    turned.transpose(0, 1)?.contiguous()
}

/// A convolution of `x` and a weight, put together from candle's forward one, which is right.
struct Sliding {
    stride: usize,
    /// Zeros on every side of the input, fewer than the kernel's side.
    zeros: usize,
    /// Numbers that a call of candle's may unfold its input to.
    unfolded: usize,
}

impl Sliding {
    fn forward(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        let (n, inputs, height, width) = x.dims4()?;
        let kernel = weight.dim(2)?;
        let [height, width] = [height, width].map(|side| (side + 2 * self.zeros - kernel) / self.stride + 1);
        let rows = self.unfolded / (n * inputs * kernel * kernel * width);
        let weight = weight.contiguous()?;
        if rows >= height {
            return x.contiguous()?.conv2d(&weight, self.zeros, self.stride, 1, 1);
        }
        let x = pad(x, Border::Zero, [(self.zeros, self.zeros); 2])?;
        let strip = |rows: Range<usize>| self.strip(&x, &rows, kernel)?.conv2d(&weight, 0, self.stride, 1, 1);
        Tensor::cat(&strips(height, rows).map(strip).collect::<Result<Vec<_>>>()?, 2)
    }

    /// Returns the rows of the padded input that some rows of the output are made from.
    fn strip(&self, x: &Tensor, rows: &Range<usize>, kernel: usize) -> Result<Tensor> {
        x.narrow(2, rows.start * self.stride, (rows.len() - 1) * self.stride + kernel)?.contiguous()
    }

    /// Returns the gradient with respect to `x`: a convolution too, of the gradient spread out.
    fn by_input(&self, x: &Tensor, weight: &Tensor, gradient: &Tensor) -> Result<Tensor> {
        let (kernel, (.., height, width)) = (weight.dim(2)?, x.dims4()?);
        let back = Self { stride: 1, zeros: kernel - 1 - self.zeros, ..*self };
        // The zeros that were spread after the last pixel may reach beyond the input, or the input beyond what was read.
        let mut fitted = back.forward(&spread(gradient, self.stride)?, &turned(weight)?)?;
        for (axis, side) in [(2, height), (3, width)] {
            let found = fitted.dim(axis)?;
            fitted = fitted.narrow(axis, 0, found.min(side))?.pad_with_zeros(axis, 0, side.saturating_sub(found))?;
        }
        Ok(fitted)
    }

    /// Returns the gradient with respect to the weight: pictures and channels change places.
    fn by_weight(&self, x: &Tensor, weight: &Tensor, gradient: &Tensor) -> Result<Tensor> {
        let ((_, inputs, kernel, _), (n, _, height, width)) = (weight.dims4()?, gradient.dims4()?);
        let rows = self.unfolded / (n * inputs * kernel * kernel * width);
        let x = pad(x, Border::Zero, [(self.zeros, self.zeros); 2])?;
        let strip = |rows: Range<usize>| {
            let x = self.strip(&x, &rows, kernel)?.transpose(0, 1)?.contiguous()?;
            let gradient = gradient.narrow(2, rows.start, rows.len())?.transpose(0, 1)?.contiguous()?;
            x.conv2d(&gradient, 0, 1, self.stride, 1)?.narrow(3, 0, kernel)
        };
        let mut sum: Option<Tensor> = None;
        for rows in strips(height, rows) {
            let own = strip(rows)?;
            sum = Some(match sum {
                Some(sum) => (sum + own)?,
                None => own,
            });
        }
        sum.expect("an output has rows").transpose(0, 1)?.contiguous()
    }
}

/// Returns ranges of at most `rows` rows, at least one, that together make up a height.
fn strips(height: usize, rows: usize) -> impl Iterator<Item = Range<usize>> {
    let rows = rows.max(1);
    (0..height).step_by(rows).map(move |top| top..height.min(top + rows))
}

impl Operation for Sliding {
    const NAME: &'static str = "convolution";

    fn backward(&self, pass: &Pass<'_>) -> Result<Vec<Option<Tensor>>> {
        let (x, weight) = (&pass.arguments[0], &pass.arguments[1]);
        let gradient = pass.gradient.contiguous()?;
        let by_input = pass.wants(0).then(|| self.by_input(x, weight, &gradient)).transpose()?;
        let by_weight = pass.wants(1).then(|| self.by_weight(x, weight, &gradient)).transpose()?;
        Ok(vec![by_input, by_weight])
    }
}
