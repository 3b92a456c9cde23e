//! Which folders the system reports changes of.
//!
//! The folder of styles and each style's folder are watched by themselves, never a whole tree.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;

use notify::event::ModifyKind;
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::is_change;
use crate::fingerprint::identity;

/// What came of watching all folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coverage {
    /// All were watched before.
    Same,
    /// All are watched, some only now.
    Grown,
    /// Some can't be watched.
    Lacking,
}

/// The folders that are watched.
pub(super) struct WatchedFolders {
    root: PathBuf,
    watcher: Option<RecommendedWatcher>,
    watched: BTreeMap<PathBuf, (u64, u64)>,
    /// Set when a folder was renamed or removed: notify then forgets its path, even if that is another folder's by now.
    has_moved: Arc<AtomicBool>,
    is_lacking: bool,
}

impl WatchedFolders {
    /// Begins to watch; `wake` hears of every change.
    pub(super) fn new(root: &Path, wake: SyncSender<()>) -> Self {
        let mut folders = Self::none(root);
        let has_moved = Arc::clone(&folders.has_moved);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if !is_change(&event) {
                return;
            }
            if let Ok(Event { kind: EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)), .. }) = event {
                has_moved.store(true, Ordering::Release);
            }
            // A signal that finds another one waiting is not needed.
            let _ = wake.try_send(());
        });
        match watcher {
            Ok(watcher) => folders.watcher = Some(watcher),
            Err(error) => tracing::warn!(%error, "no file events; the folder of styles is looked at twice a second"),
        }
        folders
    }

    /// Watches nothing.
    pub(super) fn none(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            watcher: None,
            watched: BTreeMap::new(),
            has_moved: Arc::default(),
            is_lacking: false,
        }
    }

    /// Watches the folder of styles and these in it, and forgets all others.
    pub(super) fn cover(&mut self, styles: &[PathBuf]) -> Coverage {
        if self.watcher.is_none() {
            return Coverage::Lacking;
        }
        // The system drops the watch of a folder that is gone by itself.
        self.watched.retain(|path, _| *path == self.root || styles.contains(path));
        if self.has_moved.swap(false, Ordering::AcqRel) {
            self.watched.clear();
        }
        let mut coverage = Coverage::Same;
        for folder in std::iter::once(self.root.clone()).chain(styles.iter().cloned()) {
            match self.watch(&folder) {
                Ok(false) => {}
                Ok(true) => coverage = Coverage::Grown,
                // A folder that may not be listed; its parent tells when that changes.
                Err(error) if is_forbidden(&error) && folder != self.root => {}
                Err(error) => {
                    self.tell_lacking(&error);
                    return Coverage::Lacking;
                }
            }
        }
        self.is_lacking = false;
        coverage
    }

    /// Watches one folder; returns whether it was not watched before.
    fn watch(&mut self, folder: &Path) -> notify::Result<bool> {
        let found = fs::metadata(folder).map(|about| identity(&about)).map_err(notify::Error::io)?;
        let Some(watcher) = self.watcher.as_mut().filter(|_| self.watched.get(folder) != Some(&found)) else {
            return Ok(false);
        };
        // Whatever had this path before is no longer of interest; mostly nothing had.
        let _ = watcher.unwatch(folder);
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
        self.watched.insert(folder.to_owned(), found);
        Ok(true)
    }

    fn tell_lacking(&mut self, error: &notify::Error) {
        if !self.is_lacking {
            tracing::warn!(%error, "some folders can't be watched; the folder of styles is looked at twice a second");
            self.is_lacking = true;
        }
    }
}

fn is_forbidden(error: &notify::Error) -> bool {
    matches!(&error.kind, ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use std::sync::mpsc::{Receiver, sync_channel};
    use std::time::Duration;

    use super::*;

    fn hears(signals: &Receiver<()>) -> bool {
        signals.recv_timeout(Duration::from_secs(20)).is_ok()
    }

    #[test]
    fn a_folder_that_can_not_be_watched_asks_to_be_looked_at_and_is_watched_when_it_is_there() {
        let ground = tempfile::tempdir().unwrap();
        let root = ground.path().join("styles");
        let (wake, signals) = sync_channel(1);
        let mut folders = WatchedFolders::new(&root, wake);
        assert_eq!(folders.cover(&[]), Coverage::Lacking);
        fs::create_dir(&root).unwrap();
        assert_eq!(folders.cover(&[]), Coverage::Grown);
        assert_eq!(folders.cover(&[]), Coverage::Same);
        fs::write(root.join("x"), "x").unwrap();
        assert!(hears(&signals));
        assert_eq!(WatchedFolders::none(&root).cover(&[]), Coverage::Lacking);
    }

    #[test]
    fn a_folder_that_moves_away_and_back_or_is_replaced_is_watched_anew() {
        let ground = tempfile::tempdir().unwrap();
        let (style, aside, other) =
            (ground.path().join("wave"), ground.path().join(".aside"), ground.path().join(".other"));
        fs::create_dir(&style).unwrap();
        fs::create_dir(&other).unwrap();
        let (wake, signals) = sync_channel(1);
        let mut folders = WatchedFolders::new(ground.path(), wake);
        let styles = [style.clone()];
        assert_eq!((folders.cover(&styles), folders.cover(&styles)), (Coverage::Grown, Coverage::Same));
        fs::rename(&style, &aside).unwrap();
        fs::rename(&aside, &style).unwrap();
        assert!(hears(&signals));
        assert_eq!(folders.cover(&styles), Coverage::Grown, "notify has dropped it");
        fs::rename(&style, &aside).unwrap();
        fs::rename(&other, &style).unwrap();
        assert!(hears(&signals));
        assert_eq!(folders.cover(&styles), Coverage::Grown);
    }
}
