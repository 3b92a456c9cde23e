//! What a style is painted on.

/// The threads of one logical CPU device.
///
/// Devices that split a machine's cores have one each; all work given to it stays on its own threads.
pub struct Compute {
    pool: rayon::ThreadPool,
}

/// Why a device could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("{threads} compute threads could not be started: {source}")]
pub struct ComputeError {
    threads: usize,
    source: rayon::ThreadPoolBuildError,
}

impl Compute {
    /// Starts `threads` threads, at least one.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn cpu(threads: usize) -> Result<Self, ComputeError> {
        let threads = threads.max(1);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("compute-{index}"))
            .build()
            .map_err(|source| ComputeError { threads, source })?;
        Ok(Self { pool })
    }

    /// Returns the number of threads.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Runs `work`, and everything it spreads over threads, on this device's threads.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.pool.install(work)
    }
}
