//! The configuration in force, shared by everybody who works by it.

use std::sync::Arc;

use tokio::sync::watch;

use super::Config;

/// The configuration in force. Clones share it.
#[derive(Clone)]
pub(crate) struct Current(Arc<watch::Sender<Arc<Config>>>);

impl Current {
    /// Begins with a configuration.
    pub(crate) fn new(config: Config) -> Self {
        Self(Arc::new(watch::Sender::new(Arc::new(config))))
    }

    /// Returns the configuration as it is now; what the caller holds never changes.
    pub(crate) fn now(&self) -> Arc<Config> {
        Arc::clone(&self.0.borrow())
    }

    /// Puts another configuration in force.
    pub(crate) fn replace(&self, config: Config) {
        self.0.send_replace(Arc::new(config));
    }

    /// Begins to look out for another configuration.
    pub(crate) fn follow(&self) -> watch::Receiver<Arc<Config>> {
        self.0.subscribe()
    }
}
