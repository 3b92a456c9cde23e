//! What training and painting see with: one VGG19 for all devices, loaded when it is first needed and let go of with
//! the last course that sees with it, since the memory that a job was let in with includes it.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use models::vgg::{Unfolding, Vgg, VggWeights};

use crate::config::LossNetwork;
use crate::engine::EngineError;

/// A VGG19 that is in memory at most once. Clones share it.
#[derive(Clone)]
pub struct LossEyes(Arc<Shared>);

struct Shared {
    source: LossNetwork,
    network: Mutex<Network>,
}

/// How far the network is.
#[derive(Default)]
struct Network {
    /// Whole, while somebody sees with it.
    loaded: Weak<Vgg>,
    /// On its way, while somebody waits for it.
    unfolding: Weak<Mutex<Option<Unfolding>>>,
}

/// A wait for the network; whoever waits does the next piece.
pub(super) struct EyesOpening {
    eyes: LossEyes,
    unfolding: Option<Arc<Mutex<Option<Unfolding>>>>,
}

impl LossEyes {
    /// Chooses the network; nothing is read yet.
    #[must_use]
    pub fn new(source: LossNetwork) -> Self {
        Self(Arc::new(Shared { source, network: Mutex::default() }))
    }

    /// Begins to wait for the network.
    pub(super) fn opening(&self) -> EyesOpening {
        EyesOpening { eyes: self.clone(), unfolding: None }
    }

    /// Returns the network, loading it unless somebody has it.
    ///
    /// # Errors
    /// When its file can't be read, or holds no VGG19.
    pub fn open(&self) -> Result<Arc<Vgg>, EngineError> {
        let mut opening = self.opening();
        loop {
            if let Some(vgg) = opening.advance()? {
                return Ok(vgg);
            }
        }
    }
}

impl EyesOpening {
    /// Does the next piece of loading unless somebody has the network, and returns it once it is whole. Of a file that
    /// was configured, reading it and trying it out is one piece, of a second or two.
    ///
    /// # Errors
    /// When its file can't be read, or holds no VGG19.
    pub(super) fn advance(&mut self) -> Result<Option<Arc<Vgg>>, EngineError> {
        let Shared { source, network } = &*self.eyes.0;
        let mut network = network.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(vgg) = network.loaded.upgrade() {
            return Ok(Some(vgg));
        }
        if let LossNetwork::File(path) = source {
            let vgg =
                Vgg::read(path).map_err(|error| EngineError::Parameters(format!("models.loss_network: {error}")))?;
            return Ok(Some(network.keep(vgg)));
        }
        let unfolding = network.unfolding.upgrade().unwrap_or_default();
        network.unfolding = Arc::downgrade(&unfolding);
        self.unfolding = Some(Arc::clone(&unfolding));
        let mut place = unfolding.lock().unwrap_or_else(PoisonError::into_inner);
        match place.take() {
            None => *place = Some(Unfolding::new(VggWeights::builtin())),
            Some(mut begun) => {
                if !begun.advance() {
                    return Ok(Some(network.keep(begun.finish())));
                }
                *place = Some(begun);
            }
        }
        Ok(None)
    }
}

impl Network {
    fn keep(&mut self, vgg: Vgg) -> Arc<Vgg> {
        let vgg = Arc::new(vgg);
        self.loaded = Arc::downgrade(&vgg);
        vgg
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
        let network = || eyes.0.network.lock().unwrap();
        assert!(network().loaded.upgrade().is_none());
        let (mut one, mut other) = (eyes.opening(), eyes.opening());
        let mut pieces = 0;
        let vgg = loop {
            pieces += 1;
            if let Some(vgg) = one.advance().unwrap().or_else(|| other.advance().unwrap()) {
                break vgg;
            }
        };
        assert!((13..20).contains(&pieces), "two who wait share the work, {pieces} times both");
        assert!(Arc::ptr_eq(&vgg, &one.advance().unwrap().unwrap()));
        drop(vgg);
        let mut third = eyes.opening();
        assert!(third.advance().unwrap().is_none());
        drop(third);
        drop((one, other));
        assert!(network().unfolding.upgrade().is_none(), "who gives up waiting leaves nothing behind");
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
