//! What is done to every number by itself.

use candle_core::{Result, Tensor};

use super::operation::{Operation, Pass, record};

/// `ReLU`, with the gradient 0 at 0; candle's has 1 there.
struct Relu;

impl Operation for Relu {
    const NAME: &'static str = "relu";

    fn backward(&self, pass: &Pass<'_>) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some((&pass.gradient * is_positive(&pass.result)?)?)])
    }
}

/// The square root, with the gradient 0 at 0, where the true one has no bounds.
struct Root;

impl Operation for Root {
    const NAME: &'static str = "root";

    fn backward(&self, pass: &Pass<'_>) -> Result<Vec<Option<Tensor>>> {
        let positive = is_positive(&pass.result)?;
        // Where the root is 0 it is taken for 1: the factor is 0 there anyway.
        let divisor = (&pass.result + positive.affine(-1.0, 1.0)?)?;
        Ok(vec![Some(((&pass.gradient * positive)? / divisor)?.affine(0.5, 0.0)?)])
    }
}

/// Returns 1 where a number is above 0, and 0 elsewhere.
fn is_positive(x: &Tensor) -> Result<Tensor> {
    x.gt(&x.zeros_like()?)?.to_dtype(x.dtype())
}

/// Makes negative numbers 0.
pub(crate) fn relu(x: &Tensor) -> Result<Tensor> {
    record(Relu, &[x], x.detach().relu()?)
}

/// Returns square roots; those of 0 do not move with it.
pub(crate) fn root(x: &Tensor) -> Result<Tensor> {
    record(Root, &[x], x.detach().sqrt()?)
}

/// Returns half the sum of the mean squared differences of neighbours in each direction.
pub(crate) fn total_variation(x: &Tensor) -> Result<Tensor> {
    let (_, _, height, width) = x.dims4()?;
    let mut total = Tensor::zeros((), x.dtype(), x.device())?;
    for (axis, side) in [(2, height), (3, width)] {
        if side > 1 {
            let difference = (x.narrow(axis, 1, side - 1)? - x.narrow(axis, 0, side - 1)?)?;
            total = (total + mean(&difference.sqr()?)?.affine(0.5, 0.0)?)?;
        }
    }
    Ok(total)
}

/// Returns the mean of all numbers, row by row first: one sum over millions loses digits in single precision.
pub(crate) fn mean(x: &Tensor) -> Result<Tensor> {
    let mut x = x.clone();
    while x.rank() > 0 {
        x = x.mean(candle_core::D::Minus1)?;
    }
    Ok(x)
}
