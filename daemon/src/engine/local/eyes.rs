//! What training and painting see with: one VGG19 for all devices, loaded when it is first needed and let go of with
//! the last course that sees with it, since the memory that a job was let in with includes it.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use models::vgg::Vgg;

use crate::config::LossNetwork;
use crate::engine::EngineError;

/// A VGG19 that is in memory at most once. Clones share it.
#[derive(Clone)]
pub struct LossEyes(Arc<Shared>);

struct Shared {
    source: LossNetwork,
    loaded: Mutex<Weak<Vgg>>,
}

impl LossEyes {
    /// Chooses the network; nothing is read yet.
    #[must_use]
    pub fn new(source: LossNetwork) -> Self {
        Self(Arc::new(Shared { source, loaded: Mutex::default() }))
    }

    /// Returns the network, loading it unless somebody has it.
    ///
    /// # Errors
    /// When its file can't be read, or holds no VGG19.
    pub fn open(&self) -> Result<Arc<Vgg>, EngineError> {
        let mut loaded = self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(vgg) = loaded.upgrade() {
            return Ok(vgg);
        }
        let vgg = Arc::new(match &self.0.source {
            LossNetwork::Builtin => Vgg::builtin(),
            LossNetwork::File(path) => {
                Vgg::read(path).map_err(|error| EngineError::Parameters(format!("models.loss_network: {error}")))?
            }
        });
        *loaded = Arc::downgrade(&vgg);
        Ok(vgg)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn the_network_is_in_memory_once_and_only_while_somebody_sees_with_it() {
        let eyes = LossEyes::new(LossNetwork::Builtin);
        let first = eyes.open().unwrap();
        assert!(Arc::ptr_eq(&first, &eyes.clone().open().unwrap()));
        drop(first);
        assert!(eyes.0.loaded.lock().unwrap().upgrade().is_none());
        eyes.open().unwrap();
    }

    #[test]
    fn a_file_that_is_no_network_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vgg.safetensors");
        let refused = |path: &std::path::Path| {
            let error = LossEyes::new(LossNetwork::File(path.to_owned())).open().map(drop).unwrap_err().to_string();
            assert!(error.starts_with("models.loss_network: ") && error.contains("vgg.safetensors"), "{error}");
        };
        refused(&path);
        std::fs::write(&path, "no network").unwrap();
        refused(&path);
    }
}
