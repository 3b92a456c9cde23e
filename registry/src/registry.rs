//! The registry: the folder, the snapshot made of it, and the thread that keeps the two together.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use models::package::{Package, PackageLimits};
use protocol::{Style, StyleName, StyleProblem};

use crate::entry::{Change, Entry, Snapshot, diff};
use crate::error::RegistryError;
use crate::first;
use crate::publish::{Existing, Writer};
use crate::scan::{Haste, Look, Scan};
use crate::watch::WatchThread;

/// How changes of the folder are noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detection {
    /// By the system's events; by looking twice a second where it has none to give.
    Events,
    /// By looking twice a second, as for a network folder that other machines write to.
    Polling,
}

/// How a registry reads and watches its folder.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How large packages may be.
    pub limits: PackageLimits,
    /// How changes are noticed.
    pub detection: Detection,
    /// How often the whole folder is compared with the snapshot, whatever the events said.
    pub reconcile: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { limits: PackageLimits::default(), detection: Detection::Events, reconcile: Duration::from_secs(30) }
    }
}

/// The folder of styles; clones share it. The last clone that is dropped ends the watching thread.
#[derive(Clone)]
pub struct Registry {
    pub(crate) shared: Arc<Shared>,
    _watch: Arc<WatchThread>,
}

/// What the registry and its thread share.
pub(crate) struct Shared {
    pub(crate) folder: PathBuf,
    pub(crate) options: Options,
    snapshot: ArcSwap<Snapshot>,
    scanner: Mutex<Scanner>,
    writer: Writer,
}

/// Who scans owns this: scans follow each other, and so do the changes they announce.
struct Scanner {
    scan: Scan,
    /// Why the folder could not be listed, as far as it has been logged.
    trouble: Option<String>,
    on_change: Box<dyn FnMut(Change) + Send>,
}

/// Judges everything in a folder of styles as it is, without changing anything.
///
/// # Errors
/// [`RegistryError::Folder`] when the folder can't be listed.
pub fn look(folder: &Path, limits: &PackageLimits) -> Result<Snapshot, RegistryError> {
    let look = Look { folder, limits, now: Instant::now(), haste: Haste::All };
    let scan = Scan::default().next(look);
    Ok(scan.map_err(|source| RegistryError::Folder { path: folder.to_owned(), source })?.snapshot())
}

impl Registry {
    /// Opens the folder of styles, scans it, and begins to watch it.
    ///
    /// A folder that does not exist is made, with the built-in styles in it; after that the folder alone counts.
    /// Everything in it is judged before this returns.
    ///
    /// `on_change` hears of every later change, in order, on the thread that noticed it. It should only pass it on: while
    /// it runs no other change is made, and [`Registry::publish`] and [`Registry::remove`] must not be called from it.
    ///
    /// # Errors
    /// [`RegistryError::Folder`] when the folder can't be made or listed.
    pub fn open(
        folder: &Path,
        options: Options,
        on_change: impl FnMut(Change) + Send + 'static,
    ) -> Result<Self, RegistryError> {
        let unusable = |source| RegistryError::Folder { path: folder.to_owned(), source };
        let folder = std::path::absolute(folder).map_err(unusable)?;
        first::make_folder(&folder).map_err(unusable)?;
        let writer = Writer::new(&folder);
        writer.clear_leftovers();
        let look = Look { folder: &folder, limits: &options.limits, now: Instant::now(), haste: Haste::All };
        let scan = Scan::default().next(look).map_err(unusable)?;
        log_remarks(&Scan::default(), &scan);
        let snapshot = scan.snapshot();
        diff(&Snapshot::default(), &snapshot).iter().for_each(log_change);
        let scanner = Scanner { scan, trouble: None, on_change: Box::new(on_change) };
        let shared = Arc::new(Shared {
            folder,
            options,
            snapshot: ArcSwap::from_pointee(snapshot),
            scanner: Mutex::new(scanner),
            writer,
        });
        let watch = WatchThread::start(Arc::clone(&shared)).map_err(unusable)?;
        Ok(Self { shared, _watch: Arc::new(watch) })
    }

    /// Returns the styles as they are now. What the caller holds never changes.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot.load_full()
    }

    /// Writes a style into the folder, in place of one that has the name, and returns it as the scan then finds it.
    ///
    /// Whatever happens meanwhile, the name stands for the whole old version or for the whole new one. Returns once the
    /// new one is safe on the disk and in the snapshot.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] and [`RegistryError::Storage`]; the style is then as it was, unless someone else
    /// changed it at the same moment.
    pub fn publish(&self, name: &StyleName, package: &Package) -> Result<Arc<Entry>, RegistryError> {
        self.publish_over(name, package, Existing::Replaced)
    }

    /// Writes a style into the folder under a name that nothing has, as [`Self::publish`] does. A style that is there
    /// already and paints the same is taken for this one, so that a caller who lost the answer can ask again.
    ///
    /// # Errors
    /// [`RegistryError::Exists`], and those of [`Self::publish`].
    pub fn publish_new(&self, name: &StyleName, package: &Package) -> Result<Arc<Entry>, RegistryError> {
        self.publish_over(name, package, Existing::Respected)
    }

    fn publish_over(
        &self,
        name: &StyleName,
        package: &Package,
        existing: Existing,
    ) -> Result<Arc<Entry>, RegistryError> {
        self.shared.writer.publish(name, package, &self.shared.options.limits, existing)?;
        self.shared.rescan(Haste::One(name)).map_err(RegistryError::storage(&self.shared.folder))?;
        let entry = self.snapshot().get(name).cloned();
        let entry = entry.ok_or_else(|| RegistryError::NotFound { name: name.clone() })?;
        match &entry.style.problem {
            Some(problem) => Err(RegistryError::Refused { name: name.clone(), problem: problem.clone() }),
            None => Ok(entry),
        }
    }

    /// Deletes a style, folder or file, good or broken; it is out of the snapshot when this returns.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`] and [`RegistryError::Storage`].
    pub fn remove(&self, name: &StyleName) -> Result<(), RegistryError> {
        self.shared.writer.remove(name)?;
        self.shared.rescan(Haste::None).map(|_| ()).map_err(RegistryError::storage(&self.shared.folder))
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("folder", &self.shared.folder).finish_non_exhaustive()
    }
}

impl Shared {
    /// Scans the folder, swaps the snapshot and announces what changed; returns when the next scan is due.
    ///
    /// A folder that is gone has no styles. One that can't be listed keeps those it had.
    ///
    /// # Errors
    /// The folder can't be listed.
    pub(crate) fn rescan(&self, haste: Haste<'_>) -> io::Result<Option<Instant>> {
        let mut scanner = self.scanner();
        let look = Look { folder: &self.folder, limits: &self.options.limits, now: Instant::now(), haste };
        let answer = scanner.scan.next(look);
        scanner.note_trouble(&self.folder, answer.as_ref().err());
        let scan = match answer {
            Ok(scan) => scan,
            Err(error) if is_gone(&error) => Scan::default(),
            Err(error) => return Err(error),
        };
        log_remarks(&scanner.scan, &scan);
        let due = scan.due();
        let (old, new) = (self.snapshot.load_full(), scan.snapshot());
        scanner.scan = scan;
        let changes = diff(&old, &new);
        if !changes.is_empty() {
            self.snapshot.store(Arc::new(new));
        }
        for change in changes {
            log_change(&change);
            (scanner.on_change)(change);
        }
        Ok(due)
    }

    /// Returns the folders that are styles, as the last scan found them.
    pub(crate) fn style_folders(&self) -> Vec<PathBuf> {
        self.scanner().scan.folders().map(Path::to_owned).collect()
    }

    fn scanner(&self) -> MutexGuard<'_, Scanner> {
        // Only `on_change` could panic in here, after everything is stored.
        self.scanner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Scanner {
    fn note_trouble(&mut self, folder: &Path, error: Option<&io::Error>) {
        let trouble = error.map(ToString::to_string);
        if trouble != self.trouble {
            if let Some(error) = &trouble {
                tracing::error!(folder = %folder.display(), error, "folder of styles can't be listed");
            } else {
                tracing::info!(folder = %folder.display(), "folder of styles is back");
            }
            self.trouble = trouble;
        }
    }
}

/// Tells whether an error means that there is no folder, rather than one that can't be seen.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn log_remarks(old: &Scan, new: &Scan) {
    for remark in new.remarks.difference(&old.remarks) {
        tracing::warn!("{remark}");
    }
}

fn log_change(change: &Change) {
    let style = change.entry.as_ref().map(|entry| &entry.style);
    let problem = style.and_then(|style| style.problem.as_ref());
    match (style, problem) {
        (None, _) => tracing::info!(style = %change.name, "style is gone"),
        (Some(style), None) => tracing::info!(style = %style.name, digest = style.digest, "style is ready"),
        (Some(Style { name, state, .. }), Some(StyleProblem { code, detail })) => {
            tracing::warn!(style = %name, %state, code, detail, "style is refused");
        }
    }
}
