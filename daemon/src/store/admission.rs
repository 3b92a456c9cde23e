//! The threads that let new jobs into the spool while the store's own syncs the index.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use protocol::JobId;

use crate::refusal::Refusal;
use crate::spool::{Spool, Staged};

/// Lets jobs in, some at a time, beside whoever asks for it. The journal of arrivals is settled by a thread of its own,
/// which nobody waits for.
pub(super) struct Admission {
    waiting: Option<SyncSender<Vec<Staged>>>,
    refused: Receiver<Vec<(JobId, Refusal)>>,
    threads: Vec<JoinHandle<()>>,
}

impl Admission {
    /// Starts the threads.
    ///
    /// # Errors
    /// When one can't be started.
    pub(super) fn start(spool: Arc<Spool>) -> io::Result<Self> {
        let (waiting, arriving) = sync_channel::<Vec<Staged>>(1);
        let (answers, refused) = sync_channel(1);
        let (full, settling) = sync_channel(1);
        let settled = Arc::clone(&spool);
        let admit = move || {
            while let Ok(staged) = arriving.recv() {
                if answers.send(spool.admit(staged)).is_err() {
                    break;
                }
                if spool.wants_settling() {
                    // It may be at it already.
                    let _ = full.try_send(());
                }
            }
        };
        let settle = move || settling.iter().for_each(|()| settled.settle());
        let thread =
            |name: &str, work: Box<dyn FnOnce() + Send>| std::thread::Builder::new().name(name.to_owned()).spawn(work);
        let threads = vec![thread("admission", Box::new(admit))?, thread("settling", Box::new(settle))?];
        Ok(Self { waiting: Some(waiting), refused, threads })
    }

    /// Begins to let jobs in. [`Admission::refused`] tells how that went.
    pub(super) fn begin(&self, staged: Vec<Staged>) {
        if let Some(waiting) = &self.waiting {
            // A thread that has ended is told of when its answer does not come.
            let _ = waiting.send(staged);
        }
    }

    /// Waits for those that were begun with last, and returns which of them could not be let in.
    ///
    /// # Errors
    /// When the thread has ended.
    pub(super) fn refused(&self) -> io::Result<Vec<(JobId, Refusal)>> {
        self.refused.recv().map_err(|_| io::Error::other("the thread that lets jobs in has ended"))
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.waiting = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread that lets jobs in panicked");
            }
        }
    }
}
