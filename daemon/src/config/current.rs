//! The configuration in force, shared by everybody who works by it.

use std::sync::{Arc, PoisonError, RwLock};

use super::Config;

/// The configuration in force. Clones share it.
#[derive(Clone)]
pub(crate) struct Current(Arc<RwLock<Arc<Config>>>);

impl Current {
    /// Begins with a configuration.
    pub(crate) fn new(config: Config) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(config))))
    }

    /// Returns the configuration as it is now; what the caller holds never changes.
    pub(crate) fn now(&self) -> Arc<Config> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another configuration in force.
    pub(crate) fn replace(&self, config: Config) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }
}
