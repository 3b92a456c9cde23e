//! Maximum over 2x2 pixels, as VGG has it: an odd last row or column is dropped.

use std::sync::Arc;

use candle_core::{Result, Tensor};

use super::Ops;
use super::blocked::Blocked;
use super::operation::{Operation, Pass, record};
use crate::kernels::ComputePool;
use crate::kernels::max_pool::{max_pool, max_pool_backward, pooled};

/// The pool. The gradient of a maximum goes to the first pixel that has it; where the maximum is not positive it is
/// dropped, as the `ReLU` before the pool would drop it.
struct MaxPool {
    kernels: Option<Arc<ComputePool>>,
}

impl Operation for MaxPool {
    const NAME: &'static str = "max pool";

    fn backward(&self, pass: &Pass<'_>) -> Result<Vec<Option<Tensor>>> {
        let (x, maxima, gradient) = (&pass.arguments[0], &pass.result, &pass.gradient);
        let gradient = match &self.kernels {
            Some(pool) => on_kernels(pool, x, maxima, gradient)?,
            None => put_together(x, maxima, gradient)?,
        };
        Ok(vec![Some(gradient)])
    }
}

fn on_kernels(pool: &ComputePool, x: &Tensor, maxima: &Tensor, gradient: &Tensor) -> Result<Tensor> {
    let (x, maxima, gradient) = (Blocked::of(pool, x)?, Blocked::of(pool, maxima)?, Blocked::of(pool, gradient)?);
    let mut out = Blocked::zeros(x.shape);
    max_pool_backward(pool, x.shape, &x.blocks, &maxima.blocks, &gradient.blocks, &mut out.blocks);
    out.tensor(pool)
}

fn put_together(x: &Tensor, maxima: &Tensor, gradient: &Tensor) -> Result<Tensor> {
    let ((n, c, h, w), (_, _, small_h, small_w)) = (x.dims4()?, maxima.dims4()?);
    let even = x.narrow(2, 0, 2 * small_h)?.narrow(3, 0, 2 * small_w)?.contiguous()?;
    let cells = even.reshape((n, c, small_h, 2, small_w, 2))?;
    let maxima = maxima.reshape((n, c, small_h, 1, small_w, 1))?;
    let mut left = (gradient * maxima.gt(&maxima.zeros_like()?)?.to_dtype(x.dtype())?.reshape(gradient.shape())?)?
        .reshape(maxima.shape())?;
    let mut rows = Vec::new();
    for row in 0..2 {
        let mut columns = Vec::new();
        for column in 0..2 {
            let own = cells.narrow(3, row, 1)?.narrow(5, column, 1)?.contiguous()?;
            let given = (&left * own.eq(&maxima)?.to_dtype(x.dtype())?)?;
            left = (left - &given)?;
            columns.push(given);
        }
        rows.push(Tensor::cat(&columns, 5)?);
    }
    let out = Tensor::cat(&rows, 3)?.reshape((n, c, 2 * small_h, 2 * small_w))?;
    out.pad_with_zeros(2, 0, h - 2 * small_h)?.pad_with_zeros(3, 0, w - 2 * small_w)
}

impl Ops {
    /// Returns the maxima of 2x2 pixels of what a `ReLU` gave; both sides are at least two.
    pub(crate) fn max_pool(&self, x: &Tensor) -> Result<Tensor> {
        let result = match &self.kernels {
            Some(pool) => {
                let x = Blocked::of(pool, x)?;
                let mut out = Blocked::zeros(pooled(x.shape));
                max_pool(pool, x.shape, &x.blocks, &mut out.blocks);
                out.tensor(pool)?
            }
            None => x.detach().contiguous()?.max_pool2d(2)?,
        };
        record(MaxPool { kernels: self.kernels.clone() }, &[x], result)
    }
}
