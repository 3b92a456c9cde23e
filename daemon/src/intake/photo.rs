//! Decoding uploads: within a share of the memory, and never more at once than there are cores.

use std::sync::{Arc, Mutex, PoisonError};

use models::picture::{self, Header, Limits, Picture, PictureError};
use protocol::{ErrorCode, OutputFormat};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::submit::invalid;
use super::{Intake, blocking};
use crate::config;
use crate::record::Input;
use crate::refusal::Refusal;
use crate::spool::{Draft, storage_refusal};

/// The unit in which decoding memory is handed out.
const UNIT: u64 = 1 << 20;

/// An upload that is a picture.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) draft: Draft,
    pub(super) header: Header,
}

impl Checked {
    /// Describes the upload for the job's record.
    pub(super) fn described(&self) -> Input {
        let Self { draft, header } = self;
        Input { bytes: draft.len(), sha256: draft.sha256(), width: header.width, height: header.height }
    }
}

/// The pool of decoding memory and cores.
pub(super) struct Decoding {
    memory: Mutex<Memory>,
    cores: Arc<Semaphore>,
}

/// What is set aside for decoding uploads.
#[derive(Clone)]
struct Memory {
    free: Arc<Semaphore>,
    units: u32,
}

impl Memory {
    fn new(units: u32) -> Self {
        Self { free: Arc::new(Semaphore::new(units as usize)), units }
    }

    /// Waits until so much is free, and takes it.
    fn take_blocking(&self, bytes: u64) -> Result<OwnedSemaphorePermit, Refusal> {
        let (needed, units) = (u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX), self.units);
        if needed > units {
            return Err(Refusal::new(
                ErrorCode::TooMuchMemory,
                format!(
                    "decoding this picture takes {needed} MiB, and {units} MiB are set aside for that; send a \
                     smaller picture or raise limits.memory"
                ),
            ));
        }
        let free = Arc::clone(&self.free).acquire_many_owned(needed);
        Ok(Handle::current().block_on(free).expect("it is never closed"))
    }
}

impl Default for Decoding {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { memory: Mutex::new(Memory::new(0)), cores: Arc::new(Semaphore::new(cores)) }
    }
}

impl Decoding {
    /// Returns the pool that a quarter of the memory for jobs is set aside in. When that has changed it is a new one;
    /// what is being decoded then soon lets go of the old one.
    fn memory(&self, limits: &config::Limits) -> Memory {
        let units = u32::try_from((limits.memory_bytes / 4 / UNIT).max(1)).unwrap_or(u32::MAX).min(1 << 20);
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.units != units {
            *memory = Memory::new(units);
        }
        memory.clone()
    }

    /// Waits for a core: only as many files as there are cores are looked at, and in memory, at a time.
    pub(super) async fn core(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.cores).acquire_owned().await.expect("the semaphore is never closed")
    }

    /// Reads an upload whole, as decoding would, so that a bad one is refused now and not found out by its job, and goes on from its header
    /// on the same thread.
    pub(super) async fn verify<R: Send + 'static>(
        &self,
        draft: Draft,
        limits: &config::Limits,
        then: impl FnOnce(&Header) -> Result<R, Refusal> + Send + 'static,
    ) -> Result<(Checked, R), Refusal> {
        self.read(draft, limits, |bytes, limits| picture::verify(bytes, limits).map(|header| then(&header))).await
    }

    /// Decodes an upload whole and looks at the picture.
    pub(super) async fn look(
        &self,
        draft: Draft,
        limits: &config::Limits,
        look: impl FnOnce(&Picture) -> Result<(), Refusal> + Send + 'static,
    ) -> Result<Checked, Refusal> {
        let decode = |bytes: &[u8], limits| picture::decode(bytes, limits).map(|(_, picture)| look(&picture));
        self.read(draft, limits, decode).await.map(|(checked, ())| checked)
    }

    /// Reads an upload with a core to do so and the memory that it takes.
    async fn read<R: Send + 'static>(
        &self,
        draft: Draft,
        limits: &config::Limits,
        read: impl FnOnce(&[u8], Limits) -> Result<Result<R, Refusal>, PictureError> + Send + 'static,
    ) -> Result<(Checked, R), Refusal> {
        let memory = self.memory(limits);
        let limits = Limits { pixels: limits.pixels };
        // The core comes first: only so many uploads are in memory at all.
        let core = self.core().await;
        blocking(move || {
            let _core = core;
            let bytes = draft.read().map_err(|error| storage_refusal(&error))?;
            let header = picture::probe(&bytes, limits).map_err(|error| picture_refusal(&error))?;
            let _memory = memory.take_blocking(header.decoding_bytes + bytes.len() as u64)?;
            let read = read(&bytes, limits).map_err(|error| picture_refusal(&error))??;
            Ok((Checked { draft, header }, read))
        })
        .await
    }
}

/// Returns the format that a photo came in, as far as results can have it.
pub(super) fn own_format(photo: &Header) -> OutputFormat {
    match photo.format {
        picture::Format::Jpeg => OutputFormat::Jpeg,
        picture::Format::WebP => OutputFormat::Webp,
        _ => OutputFormat::Png,
    }
}

/// Refuses a result with more pixels on a side than its format can have.
pub(super) fn check_side(format: OutputFormat, side_px: u32) -> Result<(), Refusal> {
    let longest = match format {
        OutputFormat::Png => picture::OutputFormat::Png,
        OutputFormat::Jpeg => picture::OutputFormat::Jpeg,
        OutputFormat::Webp => picture::OutputFormat::WebP,
    }
    .longest_side_px();
    if side_px <= longest {
        return Ok(());
    }
    Err(invalid(format!(
        "a {format} file is at most {longest} pixels on a side and this one would have {side_px}; ask for format=png \
         or a smaller size"
    )))
}

impl Intake {
    /// Returns the width and height of a photo's result.
    pub(super) fn result_size(&self, photo: &Header, size: Option<u32>) -> Result<(u32, u32), Refusal> {
        let Header { width, height, .. } = *photo;
        let Some(side_px) = size else { return Ok((width, height)) };
        picture::size_with_longest(width, height, side_px, self.picture_limits())
            .map_err(|error| picture_refusal(&error))
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
