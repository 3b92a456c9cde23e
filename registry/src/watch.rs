//! The thread that keeps the snapshot true: events → a short wait → scan → watches for new folders → again.
//!
//! Events only say *that* something happened; a scan finds out what. So an event lost, doubled or misnamed costs at
//! most one scan, and all of them lost costs one period of reconciliation.

mod folders;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind};

use crate::registry::{Detection, Shared};
use crate::scan::Haste;
use folders::{Coverage, WatchedFolders};

/// How long events are gathered before a scan.
const DEBOUNCE: Duration = Duration::from_millis(50);

/// How often the folder is looked at where events can't be had.
const POLL: Duration = Duration::from_millis(500);

/// The running thread; dropping this ends it and waits for it.
pub(crate) struct WatchThread {
    wake: SyncSender<()>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl WatchThread {
    pub(crate) fn start(shared: Arc<Shared>) -> io::Result<Self> {
        // One place is enough: a signal only says that there is something to look at.
        let (wake, signals) = sync_channel(1);
        let stop = Arc::new(AtomicBool::new(false));
        let watch = Watch { shared, wake: wake.clone(), signals, stop: Arc::clone(&stop) };
        let thread = thread::Builder::new().name("style-watch".to_owned()).spawn(move || watch.run())?;
        Ok(Self { wake, stop, thread: Some(thread) })
    }
}

impl Drop for WatchThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // A full channel wakes the thread as well.
        let _ = self.wake.try_send(());
        // The last registry may be dropped by the change callback, on the very thread that would be waited for.
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != thread::current().id()) {
            let _ = thread.join();
        }
    }
}

struct Watch {
    shared: Arc<Shared>,
    wake: SyncSender<()>,
    signals: Receiver<()>,
    stop: Arc<AtomicBool>,
}

impl Watch {
    fn run(self) {
        let mut folders = match self.shared.options.detection {
            Detection::Events => WatchedFolders::new(&self.shared.folder, self.wake.clone()),
            Detection::Polling => WatchedFolders::none(&self.shared.folder),
        };
        let mut next_scan = Instant::now();
        while !self.stop.load(Ordering::Acquire) {
            let wait = next_scan.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                match self.signals.recv_timeout(wait) {
                    // The time already set stays when it is nearer, or a stream of events would put scans off for ever.
                    Ok(()) => next_scan = next_scan.min(Instant::now() + DEBOUNCE),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
                continue;
            }
            next_scan = self.scan(&mut folders);
        }
    }

    /// Scans once and returns when to scan again at the latest.
    fn scan(&self, folders: &mut WatchedFolders) -> Instant {
        // An error is logged where it is met; the folder is looked at again with the next period.
        let due = self.shared.rescan(Haste::None).unwrap_or_default();
        let period = match folders.cover(&self.shared.style_folders()) {
            Coverage::Same => self.shared.options.reconcile,
            // What happened in a folder before it was watched has been told by nobody.
            Coverage::Grown => DEBOUNCE,
            Coverage::Lacking => self.shared.options.reconcile.min(POLL),
        };
        let latest = Instant::now() + period;
        due.map_or(latest, |due| due.min(latest))
    }
}

/// Tells whether an event can mean a change of a style: reading does not, and this thread reads.
fn is_change(event: &notify::Result<Event>) -> bool {
    match event {
        Ok(event) if event.need_rescan() => true,
        Ok(Event { kind: EventKind::Access(access), .. }) => *access == AccessKind::Close(AccessMode::Write),
        Ok(_) | Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, Flag, ModifyKind};

    use super::*;

    fn check(kind: EventKind, expected: bool) {
        assert_eq!(is_change(&Ok(Event::new(kind))), expected, "{kind:?}");
    }

    #[test]
    fn reading_is_no_change_but_closing_after_writing_is() {
        check(EventKind::Access(AccessKind::Open(AccessMode::Any)), false);
        check(EventKind::Access(AccessKind::Read), false);
        check(EventKind::Access(AccessKind::Close(AccessMode::Read)), false);
        check(EventKind::Access(AccessKind::Close(AccessMode::Write)), true);
        check(EventKind::Create(CreateKind::Folder), true);
        check(EventKind::Modify(ModifyKind::Any), true);
    }

    #[test]
    fn lost_events_and_errors_ask_for_a_scan() {
        let read = Event::new(EventKind::Access(AccessKind::Read));
        assert!(is_change(&Ok(read.set_flag(Flag::Rescan))));
        assert!(is_change(&Err(notify::Error::generic("anything"))));
    }
}
