//! The thread that settles the journal of arrivals, so that nobody waits for that.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use crate::spool::Spool;

/// The thread. Dropping this waits until it is done.
pub(super) struct Settling {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Settling {
    /// Starts the thread.
    ///
    /// # Errors
    /// When it can't be started.
    pub(super) fn start(spool: Arc<Spool>) -> io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let settle = move || woken.iter().for_each(|()| spool.settle());
        let thread = std::thread::Builder::new().name("settling".to_owned()).spawn(settle)?;
        Ok(Self { wake: Some(wake), thread: Some(thread) })
    }

    /// Lets it settle the journal once more, if it is not about to.
    pub(super) fn begin(&self) {
        if let Some(Err(TrySendError::Disconnected(()))) = self.wake.as_ref().map(|wake| wake.try_send(())) {
            tracing::error!("the thread that settles the journal of arrivals has ended");
        }
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        self.wake = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that settles the journal of arrivals panicked");
        }
    }
}
