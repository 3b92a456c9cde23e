//! The one seam of the house: what a device can do. The daemon runs [`Engine`]s without knowing what is behind
//! them; tests bring scripted ones that stop or fail at named points.

mod local;

use std::ops::ControlFlow;
use std::sync::Arc;

use models::package::Package;
use models::picture::Picture;
use protocol::DeviceKind;

pub use local::{DeviceError, engines};

/// What a device is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name: `cpu`, `cpu:0`, `cuda:0`.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// What its maker calls it, where known.
    pub model: Option<String>,
    /// Its share of the machine's cores; 0 for a card.
    pub threads: u32,
    /// Memory it can use, in bytes.
    pub memory_bytes: u64,
}

/// One device at work. It belongs to one thread.
pub trait Engine: Send {
    /// Says what the device is.
    fn profile(&self) -> Profile;

    /// Paints a photo within `memory_bytes`. The painting has the photo's size. `watch` is told the share that is done, from 0 to 1, at
    /// least ten times a second, and stops the work by breaking.
    ///
    /// # Errors
    /// By what the person can do about it.
    fn paint(
        &mut self,
        style: &Arc<Package>,
        photo: &Picture,
        memory_bytes: u64,
        watch: Watch<'_>,
    ) -> Result<Painted, EngineError>;
}

/// Hears of progress, and decides whether to go on.
pub type Watch<'a> = &'a mut (dyn FnMut(f64) -> ControlFlow<()> + Send);

/// How painting ended.
#[derive(Debug, PartialEq)]
pub enum Painted {
    /// With a painting.
    Finished(Picture),
    /// Stopped by `watch`; being interrupted is an outcome, not an error.
    Interrupted,
}

/// Why painting failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The network produced NaN or infinity.
    #[error("{0}")]
    NotFinite(String),
    /// The device failed.
    #[error("{0}")]
    Device(String),
}
