//! What networks and losses are made of, on candle tensors and with gradients: one set of operations for every device.
//!
//! Tensors are `(n, c, h, w)`. On the processor, given threads, an operation runs on this crate's kernels; everywhere else
//! it is put together from what candle does right. What candle 0.11 does wrong is not used: the gradients of its max pool
//! (divided by four) and of its nearest enlargement (overwrites), its reflection (missing), and its convolution's gradient,
//! which always works out the kernel's too. An operation that needs a gradient of its own says so in `operation`; being
//! made of tensors as well, that gradient is the same code on a card as in the tests, which run it in `f64` on the
//! processor.

mod blocked;
mod conv;
mod max_pool;
mod norm;
mod operation;
mod place;
mod pointwise;
mod products;

use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor};

use crate::kernels::ComputePool;

pub(crate) use conv::Convolution;
pub(crate) use norm::{Moments, moments, norm_by};
pub(crate) use place::take;
pub(crate) use pointwise::{mean, relu, root, total_variation};
pub(crate) use products::channel_means;

/// Numbers that a convolution may unfold its input to at a time where it has no kernel of this crate's: 256 MiB of them. A
/// 9x9 kernel makes 81 of each.
const UNFOLDED: usize = 64 << 20;

/// The operations of one device.
#[derive(Clone, Debug)]
pub(crate) struct Ops {
    device: Device,
    dtype: DType,
    /// The threads that this crate's kernels run on, where they are to be used.
    kernels: Option<Arc<ComputePool>>,
    unfolded: usize,
}

impl Ops {
    /// Takes a graphics processor of candle's.
    pub(crate) fn on_card(device: Device) -> Self {
        Self { device, dtype: DType::F32, kernels: None, unfolded: UNFOLDED }
    }

    /// Takes threads of the processor, and this crate's kernels.
    pub(crate) fn on_cores(pool: Arc<ComputePool>) -> Self {
        Self { device: Device::Cpu, dtype: DType::F32, kernels: Some(pool), unfolded: UNFOLDED }
    }

    /// Takes the processor, but what a card would run, and as exactly as asked for.
    #[cfg(test)]
    pub(crate) fn as_on_card(dtype: DType) -> Self {
        Self { device: Device::Cpu, dtype, kernels: None, unfolded: UNFOLDED }
    }

    /// Puts numbers on the device.
    pub(crate) fn tensor(&self, values: &[f32], shape: &[usize]) -> Result<Tensor> {
        Tensor::from_slice(values, shape, &self.device)?.to_dtype(self.dtype)
    }

    /// Returns zeros, or another number, one after the other.
    pub(crate) fn filled(&self, value: f64, count: usize) -> Result<Tensor> {
        Tensor::full(value as f32, count, &self.device)?.to_dtype(self.dtype)
    }
}

/// Fetches numbers from the device, row by row.
pub(crate) fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.detach().to_dtype(DType::F32)?.flatten_all()?.to_vec1()
}

/// Fetches single numbers, all at once: each fetch waits for the device.
pub(crate) fn scalars(scalars: &[Tensor]) -> Result<Vec<f64>> {
    if scalars.is_empty() {
        return Ok(Vec::new());
    }
    let flat = scalars.iter().map(|s| s.detach().reshape(())).collect::<Result<Vec<_>>>()?;
    // Cards that know no `f64` leave it to the processor.
    Tensor::stack(&flat, 0)?.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.to_vec1()
}

#[cfg(test)]
mod tests;
