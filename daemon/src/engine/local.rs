//! This machine's own devices.

mod courses;
mod eyes;

use std::num::NonZeroUsize;
use std::sync::Arc;

use models::compute::Compute;
use models::package::Package;
use models::picture::Picture;
use models::stylize::{Outcome, StylizeError, Stylizer};
use protocol::DeviceKind;

use super::{Course, Engine, EngineError, Painted, PixelCommission, Profile, TrainLesson, Watch};

pub use eyes::LossEyes;

/// How many styles a device keeps ready. A house net takes a few megabytes, the largest about fifty.
const WARM_STYLES: usize = 8;

/// A share of the processor's cores.
struct Cpu {
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
        "devices.use: \"{0}\" is no device; there are \"auto\", \"cpu\" and \"cpu:N\" (N devices that split the cores)"
    )]
    Unknown(String),
    /// More devices than cores.
    #[error("devices.use: \"cpu:{wanted}\" asks for more devices than this machine has cores ({cores})")]
    TooMany {
        /// Devices asked for.
        wanted: usize,
        /// Cores at hand.
        cores: usize,
    },
    /// Its threads can't be started.
    #[error("the device \"{0}\" can't be started: {1}")]
    Start(String, String),
}

/// Makes the devices that `devices.use` names; all of them learn with the same eyes.
///
/// # Errors
/// For a name that is none, more devices than cores, and threads that can't be started.
pub fn engines(names: &[String], memory_bytes: u64, eyes: &LossEyes) -> Result<Vec<Box<dyn Engine>>, DeviceError> {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut shares = Vec::new();
    for name in names {
        match name.split_once(':') {
            None if name == "auto" || name == "cpu" => shares.push(("cpu".to_owned(), cores)),
            Some(("cpu", count)) => {
                let wanted = count.parse().map_err(|_| DeviceError::Unknown(name.clone()))?;
                if wanted > cores {
                    return Err(DeviceError::TooMany { wanted, cores });
                }
                shares.extend(
                    (0..wanted).map(|n| (format!("cpu:{n}"), cores / wanted + usize::from(n < cores % wanted))),
                );
            }
            _ => return Err(DeviceError::Unknown(name.clone())),
        }
    }
    if shares.is_empty() {
        return Err(DeviceError::Unknown(names.join(", ")));
    }
    let model = cpu_model();
    let engine = |(name, threads): (String, usize)| {
        let compute = Compute::cpu(threads).map_err(|error| DeviceError::Start(name.clone(), error.to_string()))?;
        let threads = threads as u32;
        let profile = Profile { name, kind: DeviceKind::Cpu, model: model.clone(), threads, memory_bytes };
        let (compute, eyes) = (Arc::new(compute), eyes.clone());
        Ok(Box::new(Cpu { profile, compute, eyes, warm: Vec::new() }) as Box<dyn Engine>)
    };
    shares.into_iter().map(engine).collect()
}

fn cpu_model() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim().to_owned())
}

impl Cpu {
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

impl Engine for Cpu {
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

    fn train(&mut self, lesson: TrainLesson<'_>) -> Result<Box<dyn Course>, EngineError> {
        courses::train(&self.compute, &self.eyes, lesson)
    }

    fn paint_pixels(&mut self, commission: PixelCommission<'_>) -> Result<Box<dyn Course>, EngineError> {
        courses::paint(&self.compute, &self.eyes, commission)
    }
}

fn engine_error(error: &StylizeError) -> EngineError {
    match error {
        StylizeError::NotFinite { .. } => EngineError::NotFinite(error.to_string()),
        StylizeError::Device { .. } => EngineError::Device(error.to_string()),
    }
}
