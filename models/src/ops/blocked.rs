//! Tensors on the processor in and out of the kernels' blocked layout.

use candle_core::{Device, Result, Tensor};

use crate::kernels::layout::{Shape, from_blocked, to_blocked};
use crate::kernels::memory::zeros;
use crate::kernels::{Block, ComputePool};

/// A tensor in the kernels' layout.
pub(super) struct Blocked {
    pub(super) shape: Shape,
    pub(super) blocks: Vec<Block>,
}

impl Blocked {
    /// Copies a tensor.
    pub(super) fn of(pool: &ComputePool, tensor: &Tensor) -> Result<Self> {
        let (batch, channels, height, width) = tensor.dims4()?;
        let mut blocked = Self::zeros(Shape { batch, channels, height, width });
        to_blocked(pool, blocked.shape, &values(tensor)?, &mut blocked.blocks);
        Ok(blocked)
    }

    pub(super) fn zeros(shape: Shape) -> Self {
        Self { shape, blocks: zeros(shape.blocks()) }
    }

    /// Copies into a tensor.
    pub(super) fn tensor(&self, pool: &ComputePool) -> Result<Tensor> {
        let Shape { batch, channels, height, width } = self.shape;
        let mut values = vec![0.0; self.shape.elements()];
        from_blocked(pool, self.shape, &self.blocks, &mut values);
        Tensor::from_vec(values, (batch, channels, height, width), &Device::Cpu)
    }
}

/// Returns a tensor's numbers, row by row.
pub(super) fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}
