//! What training and painting see with: one VGG19 for all devices, loaded when it is first needed.

use std::sync::{Arc, Mutex, PoisonError};

use models::vgg::Vgg;

use crate::config::LossNetwork;
use crate::engine::EngineError;

/// A VGG19 that is loaded once. Clones share it.
#[derive(Clone)]
pub struct LossEyes(Arc<Shared>);

struct Shared {
    source: LossNetwork,
    loaded: Mutex<Option<Arc<Vgg>>>,
}

impl LossEyes {
    /// Chooses the network; nothing is read yet.
    #[must_use]
    pub fn new(source: LossNetwork) -> Self {
        Self(Arc::new(Shared { source, loaded: Mutex::default() }))
    }

    /// Returns the network, loading it the first time.
    ///
    /// # Errors
    /// When its file can't be read, or holds no VGG19.
    pub fn open(&self) -> Result<Arc<Vgg>, EngineError> {
        let mut loaded = self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(vgg) = &*loaded {
            return Ok(Arc::clone(vgg));
        }
        let vgg = Arc::new(match &self.0.source {
            LossNetwork::Builtin => Vgg::builtin(),
            LossNetwork::File(path) => {
                Vgg::read(path).map_err(|error| EngineError::Parameters(format!("models.loss_network: {error}")))?
            }
        });
        Ok(Arc::clone(loaded.insert(vgg)))
    }
}
