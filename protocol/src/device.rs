//! The devices that do the work.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::JobId;
use crate::words::{UnknownWord, words};

words! {
    /// What a device is.
    DeviceKind {
        /// Processor cores.
        Cpu = "cpu",
        /// An NVIDIA card.
        Cuda = "cuda",
        /// An Apple GPU.
        Metal = "metal",
    }
}

/// One logical device: it works on one job at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Device {
    /// Its name, as in the configuration: `cpu`, `cpu:0`, `cuda:0`.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// What it is called by its maker, where known.
    pub model: Option<String>,
    /// Its share of the machine's cores; 0 for a card.
    pub threads: u32,
    /// Memory it can use, in bytes.
    pub memory_bytes: u64,
    /// Whether it works right now.
    pub busy: bool,
    /// The job it works on.
    pub job: Option<JobId>,
    /// Share of the last seconds it was busy, 0 to 1.
    pub utilisation: Option<f64>,
    /// Degrees Celsius, where the driver tells.
    pub temperature: Option<f64>,
}
