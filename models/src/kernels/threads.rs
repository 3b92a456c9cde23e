//! The threads of one logical device, and what each of them keeps between calls.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::disjoint::Disjoint;
use super::memory::resized;
use super::simd::{Backend, Block};

/// How far compute threads step back behind others that want the same core: where both are busy, they get a third of
/// what the others get.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// Lets the calling thread step back, so that a machine that computes still answers people. Nothing else waits then: a
/// core that nobody else wants is used in full.
fn step_back() {
    // Only Linux has a niceness for each thread; a system that refuses it computes as it would have.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, NICENESS);
}

/// The threads that one logical device computes on.
///
/// Devices that split a machine's cores have a pool each. Kernels take the pool by reference; nothing is global.
pub struct ComputePool {
    pool: rayon::ThreadPool,
    backend: Backend,
    scratch: Vec<Mutex<Vec<Block>>>,
}

/// Why a pool could not be made.
#[derive(Debug, thiserror::Error)]
#[error("{threads} compute threads could not be started")]
pub struct PoolError {
    threads: usize,
    source: rayon::ThreadPoolBuildError,
}

impl ComputePool {
    /// Starts `threads` threads (at least one) with the fastest backend of this processor.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn new(threads: usize) -> Result<Self, PoolError> {
        Self::with_backend(threads, Backend::best())
    }

    /// Starts `threads` threads with a given backend, as tests do that compare two of them.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn with_backend(threads: usize, backend: Backend) -> Result<Self, PoolError> {
        let threads = threads.max(1);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("compute-{i}"))
            .start_handler(|_| step_back())
            .build()
            .map_err(|source| PoolError { threads, source })?;
        let scratch = (0..threads).map(|_| Mutex::new(Vec::new())).collect();
        Ok(Self { pool, backend, scratch })
    }

    /// Returns the number of threads.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.scratch.len()
    }

    /// Returns the instructions that the kernels use.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// Runs `task` for every index below `count`, in ascending order of starting, on all threads.
    pub(crate) fn for_each(&self, count: usize, task: impl Fn(usize) + Sync) {
        self.for_each_with_scratch(count, 0, |index, _| task(index));
    }

    /// As [`Self::for_each`], with `blocks` blocks of scratch memory each, whose content is left from earlier use.
    pub(crate) fn for_each_with_scratch(&self, count: usize, blocks: usize, task: impl Fn(usize, &mut [Block]) + Sync) {
        if count == 0 {
            return;
        }
        let next = AtomicUsize::new(0);
        self.pool.broadcast(|thread| {
            let mut scratch = lock(&self.scratch[thread.index()]);
            let scratch = resized(&mut scratch, blocks);
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    break;
                }
                task(index, scratch);
            }
        });
    }

    /// Runs `task` for every chunk of a slice (the last one may be shorter) and returns the answers in order.
    pub(crate) fn map_chunks<T: Send, R: Send + Default + Clone>(
        &self,
        slice: &mut [T],
        chunk: usize,
        task: impl Fn(usize, &mut [T]) -> R + Sync,
    ) -> Vec<R> {
        self.map_chunks_with_scratch(slice, chunk, 0, |i, part, _| task(i, part))
    }

    /// As [`Self::map_chunks`], with scratch memory as in [`Self::for_each_with_scratch`].
    pub(crate) fn map_chunks_with_scratch<T: Send, R: Send + Default + Clone>(
        &self,
        slice: &mut [T],
        chunk: usize,
        blocks: usize,
        task: impl Fn(usize, &mut [T], &mut [Block]) -> R + Sync,
    ) -> Vec<R> {
        let len = slice.len();
        let mut answers = vec![R::default(); len.div_ceil(chunk)];
        let (slice, slots) = (Disjoint::new(slice), Disjoint::new(&mut answers));
        self.for_each_with_scratch(len.div_ceil(chunk), blocks, |i, scratch| {
            // SAFETY: each chunk and each slot goes to one task.
            #[expect(unsafe_code, reason = "tasks write disjoint chunks")]
            let (part, slot) = unsafe { (slice.range(i * chunk..len.min((i + 1) * chunk)), slots.range(i..i + 1)) };
            slot[0] = task(i, part, scratch);
        });
        answers
    }

    /// Runs `task(plane, start, piece)` for pieces of planes: no piece reaches over a plane's end.
    pub(crate) fn map_planes<T: Send>(
        &self,
        slice: &mut [T],
        plane: usize,
        piece: usize,
        task: impl Fn(usize, usize, &mut [T]) + Sync,
    ) {
        let (planes, pieces) = (slice.len() / plane, plane.div_ceil(piece));
        let slice = Disjoint::new(slice);
        self.for_each(planes * pieces, |i| {
            let (p, start) = (i / pieces, i % pieces * piece);
            let end = plane.min(start + piece);
            // SAFETY: each piece goes to one task.
            #[expect(unsafe_code, reason = "tasks write disjoint pieces")]
            let part = unsafe { slice.range(p * plane + start..p * plane + end) };
            task(p, start, part);
        });
    }

    /// Runs `work` so that rayon's parallel iterators in it use these threads.
    pub(crate) fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.pool.install(work)
    }

    /// Gives the scratch memory of all threads back to the system.
    pub fn release_scratch(&self) {
        for scratch in &self.scratch {
            *lock(scratch) = Vec::new();
        }
    }
}

/// Locks scratch memory; one whose last user panicked is as good as any, since nobody relies on its content.
fn lock(scratch: &Mutex<Vec<Block>>) -> std::sync::MutexGuard<'_, Vec<Block>> {
    scratch.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl std::fmt::Debug for ComputePool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ComputePool({} threads, {})", self.threads(), self.backend.name())
    }
}
