//! The thread that syncs the spool's list while the store's own syncs the index.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::spool::Spool;

/// Syncs the spool's list, one list at a time, beside whoever asks for it.
pub(super) struct Names {
    lists: Option<SyncSender<File>>,
    outcomes: Receiver<io::Result<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Names {
    /// Starts the thread.
    ///
    /// # Errors
    /// When it can't be started.
    pub(super) fn start(spool: Arc<Spool>) -> io::Result<Self> {
        let (lists, opened) = sync_channel::<File>(1);
        let (synced, outcomes) = sync_channel(1);
        let sync = move || {
            while let Ok(list) = opened.recv() {
                if synced.send(spool.sync_list(&list)).is_err() {
                    break;
                }
            }
        };
        let thread = std::thread::Builder::new().name("store-names".to_owned()).spawn(sync)?;
        Ok(Self { lists: Some(lists), outcomes, thread: Some(thread) })
    }

    /// Begins to sync a list that was opened before names came into it. [`Names::synced`] tells how that went.
    pub(super) fn sync(&self, list: File) {
        if let Some(lists) = &self.lists {
            // A thread that has ended is told of when its answer does not come.
            let _ = lists.send(list);
        }
    }

    /// Waits for the sync that was begun last.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) fn synced(&self) -> io::Result<()> {
        self.outcomes.recv().unwrap_or_else(|_| Err(io::Error::other("the thread that syncs names has ended")))
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.lists = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that syncs names panicked");
        }
    }
}
