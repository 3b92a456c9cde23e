//! What works: the processor's cores, or a graphics processor through candle.

use std::error::Error;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use candle_core::Device;

use crate::executor::Arena;
use crate::kernels::{ComputePool, PoolError};
use crate::ops::Ops;

/// The most memory that a device keeps from one painting to the next.
const KEPT_BYTES: usize = 128 << 20;

/// One logical device.
///
/// CPU devices that split a machine's cores have threads of their own; all work given to one stays on them.
pub struct Compute {
    pub(crate) kind: Kind,
}

/// What a device is made of.
pub(crate) enum Kind {
    /// Threads, and the memory that they paint in.
    Cpu { pool: ComputePool, arena: Mutex<Arena> },
    /// Operations on tensors, layer by layer; and threads for what is left to the processor, such as an optimiser's step.
    Layered { ops: Ops, pool: Arc<ComputePool> },
}

/// Why a device could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum ComputeError {
    /// The system refuses a thread.
    #[error(transparent)]
    Threads(#[from] PoolError),
    /// There is no such graphics processor, or this build can't use it.
    #[error("the device `{name}` is not at hand: {source}")]
    Unavailable {
        /// The device's name.
        name: String,
        /// What the driver, or its lack, says.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl Compute {
    /// Takes `threads` threads, at least one.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn cpu(threads: usize) -> Result<Self, ComputeError> {
        let (pool, arena) = (ComputePool::new(threads)?, Mutex::default());
        Ok(Self { kind: Kind::Cpu { pool, arena } })
    }

    /// Takes the NVIDIA graphics processor of that number, in builds with the feature `cuda`.
    ///
    /// # Errors
    /// There is none, or the build lacks the feature.
    pub fn cuda(index: usize) -> Result<Self, ComputeError> {
        Self::candle(format!("cuda:{index}"), Device::new_cuda(index))
    }

    /// Takes the Apple graphics processor, in builds with the feature `metal`.
    ///
    /// # Errors
    /// There is none, or the build lacks the feature.
    pub fn metal() -> Result<Self, ComputeError> {
        Self::candle("metal".to_owned(), Device::new_metal(0))
    }

    fn candle(name: String, device: candle_core::Result<Device>) -> Result<Self, ComputeError> {
        let device = device.map_err(|source| ComputeError::Unavailable { name, source: source.into() })?;
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let pool = Arc::new(ComputePool::new(threads)?);
        Ok(Self { kind: Kind::Layered { ops: Ops::on_card(device), pool } })
    }

    /// Takes `threads` threads, at least one, but works as a graphics processor does: layer by layer.
    ///
    /// It takes several times as long as [`Self::cpu`], and comes to the same to rounding: it is there to hold the two
    /// ways against each other where there is no graphics processor.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn layered(threads: usize) -> Result<Self, ComputeError> {
        let pool = Arc::new(ComputePool::new(threads)?);
        Ok(Self { kind: Kind::Layered { ops: Ops::on_cores(Arc::clone(&pool)), pool } })
    }

    /// Takes the processor, and works with exactly what a graphics processor would run.
    #[cfg(test)]
    pub(crate) fn as_on_card(dtype: candle_core::DType) -> Self {
        let pool = Arc::new(ComputePool::new(2).expect("threads start"));
        Self { kind: Kind::Layered { ops: Ops::as_on_card(dtype), pool } }
    }

    /// Returns its threads of the processor.
    pub(crate) fn pool(&self) -> &ComputePool {
        match &self.kind {
            Kind::Cpu { pool, .. } => pool,
            Kind::Layered { pool, .. } => pool,
        }
    }
}

/// Gives memory of an unusually large painting back.
pub(crate) fn trim(arena: &mut Arena) {
    if arena.bytes() > KEPT_BYTES {
        arena.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graphics_processor_that_is_not_there_is_named() {
        let error = Compute::cuda(99).err().map(|error| error.to_string());
        assert!(error.is_some_and(|text| text.starts_with("the device `cuda:99` is not at hand: ")));
    }
}
