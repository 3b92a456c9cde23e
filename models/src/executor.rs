//! Runs a transform network on the CPU: planned before it starts, one arena, no tensor library.
//!
//! 1. [`Executor::prepare`] transforms the weights, once a loaded style.
//! 2. [`Executor::plan`] decides, for a photo's size and a memory budget, which tensors are kept whole. What is not kept
//!    is computed again, strip by strip, whenever it is needed. The norms' statistics are always those of the whole
//!    picture: a pass over all strips gathers them before anything that depends on them is computed.
//! 3. [`Executor::run`] carries the plan out. Norms are applied by the convolution that reads, statistics gathered by
//!    the one that writes.

mod finish;
mod pass;
mod plan;
mod stage;

use std::ops::ControlFlow;

pub use plan::Plan;

use crate::kernels::ComputePool;
use crate::kernels::memory::{aligned, zeroed};
use crate::kernels::simd::{Block, LANES};
use crate::kernels::source::Pixels;
use crate::network::{Network, Weights};
use stage::{Element, Stage};

/// A network ready to run.
#[derive(Debug)]
pub struct Executor {
    network: Network,
    stages: Vec<Stage>,
    elements: Vec<Element>,
}

/// Why a picture was not painted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecutorError {
    /// The caller asked to stop.
    #[error("the work was interrupted")]
    Interrupted,
    /// A layer's output holds NaN or an infinity.
    #[error("the layer `{layer}` produced numbers that are not finite; the style's weights do not fit its network")]
    NotFinite {
        /// The first such layer.
        layer: String,
    },
    /// Even in the thinnest strips the picture needs more memory than there is.
    #[error("the picture needs {needed} bytes of memory but only {budget} are allowed")]
    Memory {
        /// The least that would do.
        needed: usize,
        /// What was allowed.
        budget: usize,
    },
    /// A network of a kind that this executor has no way to run.
    #[error("the layer `{layer}` stands where it can't be run: {reason}")]
    Unsupported {
        /// The layer.
        layer: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// The memory that pictures are painted in, kept by a device from one picture to the next.
#[derive(Debug, Default)]
pub struct Arena {
    floats: Vec<f32>,
}

impl Arena {
    /// Returns how many bytes it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.floats.len() * size_of::<f32>()
    }

    /// Gives all memory back.
    pub fn release(&mut self) {
        self.floats = Vec::new();
    }

    fn take(&mut self, blocks: usize) -> &mut [Block] {
        if self.floats.len() < (blocks + 1) * LANES {
            // Freed first, so that old and new never stand side by side.
            self.release();
            self.floats = zeroed(blocks);
        }
        &mut aligned(&mut self.floats)[..blocks]
    }
}

/// Where the painting goes: RGB, as large as the photo.
#[derive(Debug)]
pub enum Painting<'a> {
    /// Interleaved bytes.
    Rgb8(&'a mut [u8]),
    /// Three planes of 0..1.
    Planar(&'a mut [f32]),
}

impl Executor {
    /// Transforms the weights of a network for the kernels.
    ///
    /// # Errors
    /// [`ExecutorError::Unsupported`] for a network whose first or last layer is no convolution from or to RGB.
    pub fn prepare(network: &Network, weights: &Weights) -> Result<Self, ExecutorError> {
        let (stages, elements) = stage::prepare(network, weights)?;
        Ok(Self { network: network.clone(), stages, elements })
    }

    /// Returns how many bytes the transformed weights take.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        self.stages.iter().map(Stage::bytes).sum()
    }

    /// Returns the fastest plan for a photo of that size within a budget of bytes, on that many threads.
    ///
    /// # Errors
    /// [`ExecutorError::Memory`] when no plan fits.
    pub fn plan(&self, height: usize, width: usize, budget: usize, threads: usize) -> Result<Plan, ExecutorError> {
        Plan::new(self, height, width, budget, threads)
    }

    /// Returns how many bytes the fastest way to paint a photo of that size needs on that many threads.
    #[must_use]
    pub fn memory(&self, height: usize, width: usize, threads: usize) -> usize {
        Plan::new(self, height, width, usize::MAX, threads).map_or(usize::MAX, |plan| plan.memory())
    }

    /// Paints.
    ///
    /// `progress` hears the share of the work that is done, many times a second, and may break it off.
    ///
    /// # Errors
    /// [`ExecutorError::Interrupted`] when `progress` breaks; [`ExecutorError::NotFinite`] with the first layer whose
    /// output is not finite.
    ///
    /// # Panics
    /// The photo or the painting have another size than the plan's.
    pub fn run(
        &self,
        pool: &ComputePool,
        arena: &mut Arena,
        plan: &Plan,
        photo: Pixels<'_>,
        painting: Painting<'_>,
        progress: &mut dyn FnMut(f32) -> ControlFlow<()>,
    ) -> Result<(), ExecutorError> {
        pass::Run::new(self, pool, plan, photo, painting, progress).all(arena.take(plan.arena_blocks()))
    }
}

#[cfg(test)]
mod tests;
