//! The index of all jobs: sled, and nothing but sled.
//!
//! One thread writes. A write is a closure over [`Ledger`], so reading, deciding and writing are one step and no
//! two callers race. The thread runs all closures that wait, makes them durable with one sync, and only then
//! answers their callers and shows their events: what a caller has been told survives a power cut.
//!
//! The spool is written first and the index second; whatever the index loses is rebuilt from the spool at the next start.
//! So a new job is safe, and its caller answered, once the spool has let it in; its row is synced with the next write, or
//! a moment later.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;

use protocol::{Event, EventBody, JobId};
use tokio::sync::oneshot;

use crate::feed::Feed;
use crate::record::Record;
use crate::refusal::Refusal;
use crate::spool::{Draft, Spool, storage_refusal};

mod index;
mod ledger;
mod open;
mod settling;
mod summary;
#[cfg(test)]
mod tests;

pub use index::{Index, IndexError};
use ledger::Admission;
pub use ledger::Ledger;
pub use open::{OpenError, Opened, Report, open};
pub(crate) use open::{ids, verify};
pub use summary::{Summaries, Summary};

/// How many writes may wait; more callers wait to be let in.
const WAITING_WRITES: usize = 1024;

/// How many writes share one sync at most.
const WRITES_PER_SYNC: usize = 256;

/// The data folder is broken: a write of the index or a sync failed, and nothing is accepted until the daemon is restarted.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the data folder failed ({0}); nothing is accepted until atelierd is restarted")]
pub struct Failed(pub String);

type Answer = Box<dyn FnOnce(Result<(), Failed>) + Send>;
type Work = Box<dyn FnOnce(&mut Ledger) -> Option<Answer> + Send>;

enum Command {
    Admit(Box<Admission>),
    Write(Work),
    Close,
}

/// The index's handle: reads go straight to it, writes through its one thread. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    commands: SyncSender<Command>,
    index: Arc<Index>,
    summaries: Arc<RwLock<Summaries>>,
    failed: Arc<AtomicBool>,
    spool: Arc<Spool>,
    feed: Feed,
}

/// A write on its way: wait for it, or let it happen.
#[must_use = "a write that nobody waits for may still fail"]
pub struct Pending<R>(oneshot::Receiver<Result<R, Failed>>);

impl<R> Pending<R> {
    /// Waits until the write is durable.
    ///
    /// # Errors
    /// When the index is broken.
    pub async fn durable(self) -> Result<R, Failed> {
        self.0.await.unwrap_or_else(|_| Err(Failed::stopped()))
    }

    /// Waits on a thread of its own until the write is durable.
    ///
    /// # Errors
    /// When the index is broken.
    pub fn durable_blocking(self) -> Result<R, Failed> {
        self.0.blocking_recv().unwrap_or_else(|_| Err(Failed::stopped()))
    }
}

impl Failed {
    /// Says that the writing thread has ended, and nobody will answer.
    pub(crate) fn stopped() -> Self {
        Self("its thread has ended".to_owned())
    }
}

impl Store {
    /// Starts the writing thread over an opened index.
    ///
    /// # Errors
    /// When the thread can't be started.
    pub fn start(opened: Opened) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (commands, receiver) = sync_channel(WAITING_WRITES);
        let store = Self {
            commands,
            index: Arc::clone(&opened.ledger.index),
            summaries: Arc::clone(&opened.ledger.summaries),
            failed: Arc::new(AtomicBool::new(false)),
            spool: Arc::clone(&opened.ledger.spool),
            feed: opened.feed.clone(),
        };
        let failed = Arc::clone(&store.failed);
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(move || {
            // sled panics on some damage that it meets.
            let written = AssertUnwindSafe(|| write_loop(&receiver, opened.ledger, &opened.feed, &failed));
            if catch_unwind(written).is_err() {
                failed.store(true, Ordering::Release);
                tracing::error!("the writing thread crashed; nothing is accepted until a restart");
            }
        })?;
        Ok((store, thread))
    }

    /// Hands a write to the writing thread.
    pub fn write<R: Send + 'static>(&self, work: impl FnOnce(&mut Ledger) -> R + Send + 'static) -> Pending<R> {
        let (sender, receiver) = oneshot::channel();
        let work: Work = Box::new(move |ledger| {
            let value = work(ledger);
            // A caller that has gone away does not mind.
            Some(Box::new(move |synced| drop(sender.send(synced.map(|()| value)))))
        });
        // When the thread has ended, dropping the work drops the sender, and the waiter learns of it.
        let _ = self.commands.send(Command::Write(work));
        Pending(receiver)
    }

    /// Writes a new job with its uploads, the picture and the artworks of a painting, and has the writing thread let it
    /// in. Blocks on the disk. `then` is called once the job is safe and can be found, or when nothing of it remains;
    /// whether or not anybody still waits for the job, so what must follow belongs there.
    pub fn admit(
        &self,
        record: Record,
        input: Draft,
        artworks: Vec<Draft>,
        then: impl FnOnce(Result<Record, Refusal>) + Send + 'static,
    ) {
        let (id, json) = (record.job.id, record.to_json());
        match self.spool.bring(id, &json, input, artworks) {
            Ok((job, folder)) => {
                let admission = Admission { job: Some(job), record, refusal: None, then: Box::new(then) };
                let _ = self.commands.send(Command::Admit(Box::new(admission)));
                if let Some(folder) = folder {
                    folder.write();
                }
            }
            Err(error) => then(Err(storage_refusal(&error))),
        }
    }

    /// Shows an event that is not worth keeping, in its order among the others.
    pub fn show(&self, event: EventBody) {
        let show = move |ledger: &mut Ledger| {
            ledger.show(event);
            None
        };
        let _ = self.commands.send(Command::Write(Box::new(show)));
    }

    /// Ends the writing thread once everything before this is written. Later writes fail.
    pub fn close(&self) {
        let _ = self.commands.send(Command::Close);
    }

    /// Reads a job's record.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn record(&self, id: JobId) -> Result<Option<Record>, IndexError> {
        self.index.record(id)
    }

    /// Finds the job that an idempotency key stands for.
    ///
    /// # Errors
    /// When the index can't be read.
    pub fn job_of_key(&self, caller: &str, key: &str) -> Result<Option<JobId>, IndexError> {
        self.index.job_of_key(caller, key)
    }

    /// Looks at the summaries of all jobs.
    pub fn summaries<R>(&self, look: impl FnOnce(&Summaries) -> R) -> R {
        look(&self.summaries.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the event feed.
    #[must_use]
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Says whether a write has failed since the start, or a sync of the spool.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire) || self.spool.failure().is_some()
    }
}

fn write_loop(commands: &Receiver<Command>, mut ledger: Ledger, feed: &Feed, failed: &AtomicBool) {
    // Only what a crash can't undo is shown, and it is shown before its caller knows.
    let show = |outcome: Result<Vec<Event>, Failed>| {
        if let Err(error) = &outcome
            && !failed.swap(true, Ordering::AcqRel)
        {
            tracing::error!(%error, "the data folder failed; nothing is accepted until a restart");
        }
        outcome.map(|events| feed.publish(events))
    };
    let mut open = true;
    while open {
        let first = match ledger.patience() {
            Some(patience) => commands.recv_timeout(patience).ok(),
            None => match commands.recv() {
                Ok(command) => Some(command),
                Err(_) => break,
            },
        };
        let more = commands.try_iter().take(WRITES_PER_SYNC - 1);
        let (mut admissions, mut writes) = (Vec::new(), Vec::new());
        for command in first.into_iter().chain(more) {
            match command {
                Command::Admit(admission) => admissions.push(*admission),
                Command::Write(work) => writes.push(work),
                Command::Close => open = false,
            }
        }
        // New jobs first: nobody speaks of them yet, and the index's sync is not theirs to wait for.
        if !admissions.is_empty() {
            let safe = show(ledger.let_in(&mut admissions));
            for Admission { record, refusal, then, .. } in admissions {
                then(safe.clone().map_err(Refusal::from).and_then(|()| refusal.map_or(Ok(record), Err)));
            }
        }
        let answers: Vec<_> = writes.into_iter().filter_map(|work| work(&mut ledger)).collect();
        if !open {
            ledger.catch_up();
        }
        let synced = show(ledger.commit());
        for answer in answers {
            answer(synced.clone());
        }
    }
}
