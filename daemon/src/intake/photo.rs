//! Decoding uploads: within a share of the memory, and never more at once than there are cores.

use std::sync::Arc;

use models::picture::{self, Header, Limits, PictureError};
use protocol::ErrorCode;
use tokio::sync::Semaphore;

use super::blocking;
use crate::config;
use crate::refusal::Refusal;
use crate::spool::Draft;

/// The unit in which decoding memory is handed out.
const UNIT: u64 = 1 << 20;

/// The pool of decoding memory and cores.
pub(super) struct Decoding {
    memory: Arc<Semaphore>,
    units: u32,
    cores: Arc<Semaphore>,
}

impl Decoding {
    /// Sets a quarter of the memory for jobs aside for decoding uploads.
    pub(super) fn new(limits: &config::Limits) -> Self {
        let units = u32::try_from((limits.memory_bytes / 4 / UNIT).max(1)).unwrap_or(u32::MAX).min(1 << 20);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { memory: Arc::new(Semaphore::new(units as usize)), units, cores: Arc::new(Semaphore::new(cores)) }
    }

    /// Decodes an upload whole, so that a bad one is refused now and not found out by its job.
    pub(super) async fn check(&self, draft: Draft, limits: Limits) -> Result<(Draft, Header), Refusal> {
        // The core comes first: only so many uploads are in memory at all. Neither semaphore is ever closed.
        let core = Arc::clone(&self.cores).acquire_owned().await;
        let (draft, bytes, header) = blocking(move || {
            let bytes = draft.read().map_err(|error| crate::spool::storage_refusal(&error))?;
            let header = picture::probe(&bytes, limits).map_err(|error| picture_refusal(&error))?;
            Ok((draft, bytes, header))
        })
        .await?;
        let needed = u32::try_from((header.decoding_bytes + bytes.len() as u64).div_ceil(UNIT)).unwrap_or(u32::MAX);
        if needed > self.units {
            return Err(Refusal::new(
                ErrorCode::TooMuchMemory,
                format!(
                    "decoding this picture takes {needed} MiB, and {} MiB are set aside for that; send a smaller \
                     picture or raise limits.memory",
                    self.units
                ),
            ));
        }
        let memory = Arc::clone(&self.memory).acquire_many_owned(needed).await;
        blocking(move || {
            let decoded = picture::decode(&bytes, limits);
            drop((memory, core));
            decoded.map_err(|error| picture_refusal(&error))?;
            Ok((draft, header))
        })
        .await
    }
}

/// Says what is wrong with a picture, by its code.
pub(crate) fn picture_refusal(error: &PictureError) -> Refusal {
    use PictureError as E;
    let code = match error {
        E::UnsupportedFormat { .. } => ErrorCode::UnsupportedMediaType,
        E::TooManyPixels { .. } => ErrorCode::TooManyPixels,
        E::SideTooLong { .. } => ErrorCode::InvalidField,
        _ => ErrorCode::InvalidPicture,
    };
    Refusal::new(code, error.to_string())
}
