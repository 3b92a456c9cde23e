//! This machine's own devices.

mod courses;
mod eyes;
mod openings;
mod wanted;

use std::num::NonZeroUsize;
use std::sync::Arc;

use models::compute::{Compute, ComputeError};
use models::package::Package;
use models::picture::Picture;
use models::stylize::{Outcome, StylizeError, Stylizer};
use protocol::DeviceKind;

use wanted::{Wanted, wanted};

use super::{Engine, EngineError, Opening, Painted, PixelCommission, Profile, TrainLesson, Watch};

pub use eyes::LossEyes;

/// How many styles a device keeps ready. A house net takes a few megabytes, the largest about fifty.
const WARM_STYLES: usize = 8;

/// A share of the processor's cores, or a graphics processor.
struct Local {
    profile: Profile,
    compute: Arc<Compute>,
    eyes: LossEyes,
    /// Most recently used last.
    warm: Vec<(String, Stylizer)>,
}

/// A device that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// Not a device's name.
    #[error(
        "\"{0}\" is no device; there are \"auto\", \"cpu\", \"cpu:N\" (N devices that split the \
         cores), \"cuda:N\" and \"metal\""
    )]
    Unknown(String),
    /// More devices than cores.
    #[error("\"cpu:{wanted}\" asks for more devices than this machine has cores ({cores})")]
    TooMany {
        /// Devices asked for.
        wanted: usize,
        /// Cores at hand.
        cores: usize,
    },
    /// A graphics processor that this build has no code for.
    #[error(
        "\"{name}\" needs an atelierd that was built with the feature `{feature}`, and this one was not; \
         build it so, or use \"auto\" or \"cpu\""
    )]
    NotBuilt {
        /// The device.
        name: String,
        /// The cargo feature.
        feature: &'static str,
    },
    /// A graphics processor that is not there.
    #[error("{0}; name another device, or use \"auto\"")]
    Absent(String),
    /// Its threads can't be started.
    #[error("the device \"{0}\" can't be started: {1}")]
    Start(String, String),
}

/// Makes the devices that `devices.use` names; all of them learn with the same eyes.
///
/// `auto` takes the graphics processors that this build has code for; where there is none, the cores.
///
/// # Errors
/// For a name that is none, a device that is not there, more devices than cores, and threads that can't be started.
pub fn engines(names: &[String], memory_bytes: u64, eyes: &LossEyes) -> Result<Vec<Box<dyn Engine>>, DeviceError> {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let bench = Bench { cores, memory_bytes, eyes };
    let mut engines = Vec::new();
    for device in wanted(names, cores)? {
        match device {
            Wanted::Cpu { name, threads } => engines.push(bench.share(name, threads)?),
            Wanted::Cuda(index) => engines.push(bench.cuda(index)?),
            Wanted::Metal => engines.push(bench.metal()?),
            Wanted::Auto => engines.extend(bench.auto()?),
        }
    }
    Ok(engines)
}

/// What devices are made with.
struct Bench<'a> {
    cores: usize,
    memory_bytes: u64,
    eyes: &'a LossEyes,
}

impl Bench<'_> {
    fn auto(&self) -> Result<Vec<Box<dyn Engine>>, DeviceError> {
        let first = if cfg!(feature = "cuda") {
            self.cuda(0)
        } else if cfg!(feature = "metal") {
            self.metal()
        } else {
            return Ok(vec![self.share("cpu".to_owned(), self.cores)?]);
        };
        let error = match first {
            Ok(first) => {
                let others = (1..).map_while(|index| if cfg!(feature = "cuda") { self.cuda(index).ok() } else { None });
                return Ok(std::iter::once(first).chain(others).collect());
            }
            Err(DeviceError::Absent(reason)) => reason,
            Err(error) => error.to_string(),
        };
        tracing::warn!(error, "no graphics processor can be used, so the cores do the work");
        Ok(vec![self.share("cpu".to_owned(), self.cores)?])
    }

    fn share(&self, name: String, threads: usize) -> Result<Box<dyn Engine>, DeviceError> {
        let started = Compute::cpu(threads);
        let compute = started.map_err(|error| DeviceError::Start(name.clone(), error.to_string()))?;
        let threads = threads as u32;
        let profile =
            Profile { name, kind: DeviceKind::Cpu, model: cpu_model(), threads, memory_bytes: self.memory_bytes };
        Ok(self.engine(profile, compute))
    }

    fn cuda(&self, index: usize) -> Result<Box<dyn Engine>, DeviceError> {
        let name = format!("cuda:{index}");
        if !cfg!(feature = "cuda") {
            return Err(DeviceError::NotBuilt { name, feature: "cuda" });
        }
        self.card(name, DeviceKind::Cuda, Compute::cuda(index))
    }

    fn metal(&self) -> Result<Box<dyn Engine>, DeviceError> {
        let name = "metal".to_owned();
        if !cfg!(feature = "metal") {
            return Err(DeviceError::NotBuilt { name, feature: "metal" });
        }
        self.card(name, DeviceKind::Metal, Compute::metal())
    }

    fn card(
        &self,
        name: String,
        kind: DeviceKind,
        compute: Result<Compute, ComputeError>,
    ) -> Result<Box<dyn Engine>, DeviceError> {
        // What a driver says may go on for pages; its first line tells.
        let reason = |error: ComputeError| error.to_string().lines().next().unwrap_or_default().to_owned();
        let compute = compute.map_err(|error| DeviceError::Absent(reason(error)))?;
        let profile = Profile { name, kind, model: None, threads: 0, memory_bytes: self.memory_bytes };
        Ok(self.engine(profile, compute))
    }

    fn engine(&self, profile: Profile, compute: Compute) -> Box<dyn Engine> {
        Box::new(Local { profile, compute: Arc::new(compute), eyes: self.eyes.clone(), warm: Vec::new() })
    }
}

fn cpu_model() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim().to_owned())
}

impl Local {
    /// Makes a style the last of the warm ones, loading it unless it is among them.
    fn warm_up(&mut self, style: &Arc<Package>) -> Result<(), EngineError> {
        let ready = match self.warm.iter().position(|(digest, _)| *digest == style.digest) {
            Some(place) => self.warm.remove(place),
            None => (style.digest.clone(), Stylizer::load(style, &self.compute).map_err(|error| engine_error(&error))?),
        };
        if self.warm.len() == WARM_STYLES {
            self.warm.remove(0);
        }
        self.warm.push(ready);
        Ok(())
    }
}

impl Engine for Local {
    fn profile(&self) -> Profile {
        self.profile.clone()
    }

    fn paint(
        &mut self,
        style: &Arc<Package>,
        photo: &Picture,
        memory_bytes: u64,
        watch: Watch<'_>,
    ) -> Result<Painted, EngineError> {
        self.warm_up(style)?;
        let Some((_, stylizer)) = self.warm.last() else { return Ok(Painted::Interrupted) };
        match stylizer.paint(photo, &self.compute, memory_bytes, watch).map_err(|error| engine_error(&error))? {
            Outcome::Painted(painting) => Ok(Painted::Finished(painting)),
            Outcome::Interrupted => Ok(Painted::Interrupted),
        }
    }

    fn train(&mut self, lesson: TrainLesson) -> Box<dyn Opening> {
        Box::new(openings::TrainingOpening::new(&self.compute, &self.eyes, lesson))
    }

    fn paint_pixels(&mut self, commission: PixelCommission) -> Box<dyn Opening> {
        openings::painting(&self.compute, &self.eyes, commission)
    }
}

fn engine_error(error: &StylizeError) -> EngineError {
    match error {
        StylizeError::NotFinite { .. } => EngineError::NotFinite(error.to_string()),
        StylizeError::Device { .. } => EngineError::Device(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
