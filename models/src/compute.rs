//! What a style is painted on: the processor's cores, or a graphics processor through candle.

use std::error::Error;
use std::sync::Mutex;

use candle_core::Device;

use crate::executor::Arena;
use crate::kernels::{ComputePool, PoolError};

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
    /// A device of candle's.
    Candle(Device),
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
        match device {
            Ok(device) => Ok(Self { kind: Kind::Candle(device) }),
            Err(source) => Err(ComputeError::Unavailable { name, source: source.into() }),
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
