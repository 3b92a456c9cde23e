//! Painting photos in a style: the one entry for whoever has a picture and a [`Package`].

use std::error::Error;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::PoisonError;

use crate::compute::{Compute, Kind, trim};
use crate::executor::{Arena, Executor, ExecutorError, Painting, Plan};
use crate::kernels::ComputePool;
use crate::kernels::source::Pixels;
use crate::ops::{self, Ops};
use crate::package::Package;
use crate::picture::Picture;
use crate::training::planes;
use crate::transform::{Transform, TransformError};

/// A style, ready to paint on the device that it was loaded for.
pub struct Stylizer {
    net: Net,
}

/// A network in the form that its device wants.
enum Net {
    Planned(Executor),
    Layered(Transform, Ops),
}

/// How a painting ended that did not fail.
#[derive(Debug)]
pub enum Outcome {
    /// The painting, of exactly the photo's size and with its alpha.
    Painted(Picture),
    /// The watcher broke it off.
    Interrupted,
}

/// Why a photo could not be painted.
#[derive(Debug, thiserror::Error)]
pub enum StylizeError {
    /// The network overflows or divides by zero on this photo.
    #[error("the style's layer `{layer}` gave a number that is not finite for this photo; its weights are at fault")]
    NotFinite {
        /// The layer's name.
        layer: String,
    },
    /// The device failed, most often for want of memory, or is not the one that the style was loaded for.
    #[error("the device failed: {source}")]
    Device {
        /// What it said.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl From<TransformError> for StylizeError {
    fn from(error: TransformError) -> Self {
        match error {
            TransformError::NotFinite { layer } => Self::NotFinite { layer },
            TransformError::Device(source) => source.into(),
        }
    }
}

impl From<candle_core::Error> for StylizeError {
    fn from(source: candle_core::Error) -> Self {
        Self::Device { source: source.into() }
    }
}

impl From<ExecutorError> for StylizeError {
    fn from(error: ExecutorError) -> Self {
        match error {
            ExecutorError::NotFinite { layer } => Self::NotFinite { layer },
            other => Self::Device { source: other.into() },
        }
    }
}

impl Stylizer {
    /// Makes a package's network ready to paint on `compute`.
    ///
    /// # Errors
    /// `Device`: it has no room for the weights.
    pub fn load(package: &Package, compute: &Compute) -> Result<Self, StylizeError> {
        let (network, weights) = (package.network(), &package.weights);
        let net = match &compute.kind {
            Kind::Cpu { .. } => Net::Planned(Executor::prepare(network, weights)?),
            Kind::Layered { ops, .. } => Net::Layered(Transform::new(network, weights, ops)?, ops.clone()),
        };
        Ok(Self { net })
    }

    /// Paints a photo on the device that the style was loaded for.
    ///
    /// It takes no more than `budget` bytes, as [`Footprint`] counts them: a photo too large for the fastest way is
    /// painted in strips, with the same result to rounding. A graphics processor has no such choice.
    ///
    /// `report` hears which part of the work (0 to 1) is done, and may break the painting off. Equal photos give equal
    /// paintings, whatever the number of threads.
    ///
    /// # Errors
    /// `NotFinite` and `Device`, see [`StylizeError`]; `Device` also when no way fits the budget.
    pub fn paint(
        &self,
        photo: &Picture,
        compute: &Compute,
        budget: u64,
        report: &mut (dyn FnMut(f64) -> ControlFlow<()> + Send),
    ) -> Result<Outcome, StylizeError> {
        match (&self.net, &compute.kind) {
            (Net::Planned(executor), Kind::Cpu { pool, arena }) => {
                let mut arena = arena.lock().unwrap_or_else(PoisonError::into_inner);
                let fixed = fixed_bytes(executor, photo.width(), photo.height());
                let budget = usize::try_from(budget.saturating_sub(fixed)).unwrap_or(usize::MAX);
                let plan = executor.plan(photo.height() as usize, photo.width() as usize, budget, pool.threads())?;
                let outcome = paint_planned(executor, &plan, photo, pool, &mut arena, report);
                trim(&mut arena);
                outcome
            }
            (Net::Layered(transform, ops), Kind::Layered { .. }) => {
                let sides = [1, 3, photo.height() as usize, photo.width() as usize];
                let Some(painting) = transform.forward(&ops.tensor(&planes(photo), &sides)?, report)? else {
                    return Ok(Outcome::Interrupted);
                };
                let pixels = ops::values(&painting.squeeze(0)?.permute((1, 2, 0))?)?;
                Ok(painted(photo, pixels.iter().map(|v| (v * 255.0).round() as u8).collect()))
            }
            _ => Err(StylizeError::Device { source: "the style was loaded for another kind of device".into() }),
        }
    }
}

/// Knows what painting in one style takes, before any device is asked.
///
/// It plans for all cores of the machine; a device that has fewer takes less.
pub struct Footprint {
    executor: Executor,
    threads: usize,
}

impl Footprint {
    /// Looks at a style.
    ///
    /// # Errors
    /// `Device`: its network can't be run.
    pub fn of(package: &Package) -> Result<Self, StylizeError> {
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Ok(Self { executor: Executor::prepare(package.network(), &package.weights)?, threads })
    }

    /// Returns the bytes that painting a photo of this size takes at its peak: the fastest way within the budget.
    ///
    /// # Errors
    /// About the least that would do, when that is more than the budget.
    pub fn memory_bytes(&self, width: u32, height: u32, budget: u64) -> Result<u64, u64> {
        let fixed = fixed_bytes(&self.executor, width, height);
        let left = usize::try_from(budget.saturating_sub(fixed)).unwrap_or(usize::MAX);
        match self.executor.plan(height as usize, width as usize, left, self.threads) {
            Ok(plan) => Ok(plan.memory() as u64 + fixed),
            Err(ExecutorError::Memory { needed, .. }) => Err((needed as u64).saturating_add(fixed)),
            Err(_) => Err(u64::MAX),
        }
    }
}

/// Returns what is there beside the plan's own memory: the weights, the photo, the painting, the mix of both and the
/// file that is made of it.
fn fixed_bytes(executor: &Executor, width: u32, height: u32) -> u64 {
    executor.weight_bytes() as u64 + u64::from(width) * u64::from(height) * 16
}

fn paint_planned(
    executor: &Executor,
    plan: &Plan,
    photo: &Picture,
    pool: &ComputePool,
    arena: &mut Arena,
    report: &mut (dyn FnMut(f64) -> ControlFlow<()> + Send),
) -> Result<Outcome, StylizeError> {
    let mut rgb = vec![0; photo.rgb().len()];
    let mut progress = |done: f32| report(done.into());
    let (from, to) = (Pixels::Rgb8(photo.rgb()), Painting::Rgb8(&mut rgb));
    match executor.run(pool, arena, plan, from, to, &mut progress) {
        Ok(()) => Ok(painted(photo, rgb)),
        Err(ExecutorError::Interrupted) => Ok(Outcome::Interrupted),
        Err(error) => Err(error.into()),
    }
}

/// Gives a painting the photo's alpha.
fn painted(photo: &Picture, rgb: Vec<u8>) -> Outcome {
    let picture = Picture::new(photo.width(), photo.height(), rgb, photo.alpha().map(<[u8]>::to_vec));
    Outcome::Painted(picture.expect("a painting has the photo's size"))
}

#[cfg(test)]
mod tests;
