//! The devices that the configuration asks for.

use crate::config::{Config, ConfigError, Origins};
use crate::engine::{self, Engine, LossEyes};

/// Makes them. That the machine does not have one shows only here; it is a bad value of `devices.use` all the same.
pub(super) fn engines(config: &Config, origins: &Origins) -> Result<Vec<Box<dyn Engine>>, ConfigError> {
    let eyes = LossEyes::new(config.models.loss_network.clone());
    let engines = engine::engines(&config.devices, config.limits.memory_bytes, &eyes);
    engines.map_err(|error| origins.wrong("devices.use", error.to_string()))
}
