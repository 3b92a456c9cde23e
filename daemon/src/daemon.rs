//! The wiring: everything is made here, in the order in which it depends on each other, and taken down in reverse.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use protocol::{EventBody, StateName};
use registry::{Registry, RegistryError};
use rustix::fs::FlockOperation;
use tokio::sync::Notify;

use crate::config::{Config, Current};
use crate::disk::make_folder;
use crate::dispatch::{self, Dispatch, Threads};
use crate::engine::Engine;
use crate::intake::{Intake, Parts};
use crate::live::Live;
use crate::retention;
use crate::scheduler::Input;
use crate::spool::Spool;
use crate::store::{self, OpenError, Report, Store};
use crate::work::Workplace;

/// How long a start waits for an earlier daemon that is just ending.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);

/// A running daemon without its front doors: the queue, the devices, the styles.
pub struct Daemon {
    intake: Intake,
    store: Store,
    spool: Arc<Spool>,
    outbox: Arc<Notify>,
    dispatch: Dispatch,
    threads: Threads,
    store_thread: JoinHandle<()>,
    report: Report,
    /// Held as long as the daemon lives: one process owns the data folder.
    _lock: File,
}

/// The daemon can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder can't be used.
    #[error("the data folder {} can't be used: {source}; make it writable or choose another with data.dir", path.display())]
    Data {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another daemon uses the data folder.
    #[error("another atelierd already uses the data folder {}; stop it, or choose another with data.dir", .0.display())]
    Locked(PathBuf),
    /// The index can't be opened or rebuilt.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The models folder can't be used.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A thread can't be started.
    #[error("a thread can't be started: {0}")]
    Thread(io::Error),
}

impl Daemon {
    /// Opens the data folder, mends what a crash left, and starts the devices. `verifier` is this program, where it
    /// can be asked to verify an index in a process of its own.
    ///
    /// # Errors
    /// Each with one sentence for the person who starts it.
    pub fn start(config: Config, engines: Vec<Box<dyn Engine>>, verifier: Option<&Path>) -> Result<Self, StartError> {
        let data = config.data.dir.clone();
        let unusable = |source| StartError::Data { path: data.clone(), source };
        make_folder(&data).map_err(unusable)?;
        let lock = lock(&data)?;
        let spool = Arc::new(Spool::open(&data, config.data.reserve_bytes).map_err(unusable)?);
        let opened = store::open(&data, &spool, verifier)?;
        let report = opened.report.clone();
        let (store, store_thread) = Store::start(opened).map_err(StartError::Thread)?;
        let styles = store.clone();
        let registry = Registry::open(&config.models.dir, registry::Options::default(), move |change| {
            let style = change.entry.map(|entry| entry.style.clone());
            styles.show(EventBody::Style { name: change.name, style });
        })?;
        let config = Current::new(config);
        let live = Live::new(engines.iter().map(|engine| engine.profile()).collect());
        let outbox = Arc::new(Notify::new());
        let workplace = Workplace {
            store: store.clone(),
            spool: Arc::clone(&spool),
            registry: registry.clone(),
            live: live.clone(),
            config: config.clone(),
            outbox: Arc::clone(&outbox),
        };
        let (dispatch, threads) =
            dispatch::start(engines, &workplace, config.now().limits.memory_bytes).map_err(StartError::Thread)?;
        enqueue_waiting(&store, &dispatch);
        let parts = Parts {
            config,
            store: store.clone(),
            spool: Arc::clone(&spool),
            registry,
            dispatch: dispatch.clone(),
            live,
        };
        let intake = Intake::new(parts);
        Ok(Self { intake, store, spool, outbox, dispatch, threads, store_thread, report, _lock: lock })
    }

    /// Returns the use cases.
    #[must_use]
    pub fn intake(&self) -> &Intake {
        &self.intake
    }

    /// Returns what opening the store found and mended.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Returns the store, for the postman.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the spool, for the postman.
    #[must_use]
    pub fn spool(&self) -> &Arc<Spool> {
        &self.spool
    }

    /// Is woken when a mail becomes due.
    #[must_use]
    pub fn outbox(&self) -> &Arc<Notify> {
        &self.outbox
    }

    /// Lets go of what has been kept long enough. Blocks on the disk.
    pub fn sweep(&self) {
        let ends = || self.intake.is_draining();
        retention::sweep(&self.store, &self.spool, &self.intake.config().data, ends);
        retention::wake_those_with_room(&self.store, &self.spool, &self.dispatch, ends);
        self.spool.settle();
    }

    /// Accepts nothing more, stops the devices, and answers everyone who waits; the front doors then close by
    /// themselves.
    pub fn drain(&self) {
        self.intake.drain();
        self.dispatch.tell(Input::Drain);
        // Whoever waits for a job looks up and sees that the daemon is ending.
        self.store.feed().wake();
    }

    /// Ends: running work goes back to the queue, everything is on the disk, every thread has ended. Blocks.
    pub fn stop(self) {
        self.drain();
        self.threads.join();
        self.store.close();
        if self.store_thread.join().is_err() {
            tracing::error!("the store's thread panicked");
        }
        self.spool.settle();
    }
}

/// Puts the jobs that wait into the queue: in the order of their ids, which is the order of arrival; those that were
/// part of a crash behind the others, so that one that takes the daemon down does not block the rest.
fn enqueue_waiting(store: &Store, dispatch: &Dispatch) {
    let waiting = store.summaries(|jobs| {
        let queued = jobs.oldest_first().filter(|(_, job)| job.state == StateName::Queued);
        let mut waiting: Vec<_> = queued.map(|(id, job)| (job.crashes, id, job.class, job.memory_bytes)).collect();
        waiting.sort_by_key(|(crashes, id, ..)| (*crashes, *id));
        waiting
    });
    for (_, job, class, memory_bytes) in waiting {
        dispatch.tell(Input::Queued { job, class, memory_bytes });
    }
}

/// Takes the data folder for this process.
fn lock(data: &Path) -> Result<File, StartError> {
    let unusable = |source| StartError::Data { path: data.to_owned(), source };
    let file = File::options().create(true).truncate(false).write(true).open(data.join("lock")).map_err(unusable)?;
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => {
                std::thread::park_timeout(Duration::from_millis(20));
            }
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(StartError::Locked(data.to_owned())),
            Err(error) => return Err(unusable(error.into())),
        }
    }
}
