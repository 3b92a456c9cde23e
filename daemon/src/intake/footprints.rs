//! What painting takes, for the styles that were asked for last.

use std::sync::{Arc, Mutex, PoisonError};

use models::package::Package;
use models::stylize::Footprint;
use protocol::ErrorCode;

use crate::refusal::Refusal;

/// How many styles are remembered.
const REMEMBERED: usize = 8;

/// The styles asked for last, most recent last, by their digests.
#[derive(Default)]
pub(super) struct Footprints(Mutex<Vec<(String, Arc<Footprint>)>>);

impl Footprints {
    /// Returns what painting in a style takes. Looking at one for the first time takes some milliseconds.
    pub(super) fn of(&self, style: &Package) -> Result<Arc<Footprint>, Refusal> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = if let Some(place) = known.iter().position(|(digest, _)| *digest == style.digest) {
            known.remove(place)
        } else {
            let unusable = |error| Refusal::new(ErrorCode::InvalidPackage, format!("the style can't be used: {error}"));
            (style.digest.clone(), Arc::new(Footprint::of(style).map_err(unusable)?))
        };
        if known.len() == REMEMBERED {
            known.remove(0);
        }
        let footprint = Arc::clone(&entry.1);
        known.push(entry);
        Ok(footprint)
    }
}
