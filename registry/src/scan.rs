//! From a folder to entries with a verdict each, given what the scan before found: pure but for reading files.
//!
//! A style is read once its files have stood still for a moment, since whoever copies one writes it piece by piece. A
//! good package is served at once; a refusal waits a little longer, so that a copy that stalls is not called broken. A
//! fingerprint taken again after the reading shows a file that changed meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use models::package::PackageLimits;
use protocol::StyleName;

use crate::entry::{Entry, Snapshot};
use crate::fingerprint::Fingerprint;
use crate::listing::{Kind, Place, list};
use crate::verdict::{self, Verdict};

/// How long a style's files must have stood still before they are read.
pub(crate) const QUIET_READ: Duration = Duration::from_millis(150);

/// How long they must have stood still before a problem with them is told.
pub(crate) const QUIET_REFUSE: Duration = Duration::from_millis(500);

/// How often a style that changes while it is read is read again at once, where waiting is not wanted.
const HASTY_READS: usize = 3;

/// Which styles are judged without waiting for them to stand still.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Haste<'a> {
    /// None: somebody may be copying.
    None,
    /// The one just published.
    One(&'a StyleName),
    /// All of them: the daemon starts.
    All,
}

/// How to look at the folder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) limits: &'a PackageLimits,
    pub(crate) now: Instant,
    pub(crate) haste: Haste<'a>,
}

/// What a scan found.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    styles: BTreeMap<StyleName, Seen>,
    /// What people should know about the names in the folder.
    pub(crate) remarks: BTreeSet<String>,
}

#[derive(Clone, Debug)]
struct Seen {
    place: Place,
    fingerprint: Fingerprint,
    /// When this fingerprint was first seen.
    since: Instant,
    verdict: Option<Verdict>,
    /// What is served; follows the verdict with the delays described above.
    entry: Option<Arc<Entry>>,
    /// When the entry should be looked at again.
    due: Option<Instant>,
}

impl Scan {
    /// Scans the folder anew; styles that have not changed are not read again.
    ///
    /// # Errors
    /// The folder can't be listed.
    pub(crate) fn next(&self, look: Look<'_>) -> io::Result<Self> {
        let listing = list(look.folder)?;
        // All fingerprints first: reading takes time, and how long a style has stood still is measured from `now`.
        let seen = listing.places.into_iter().map(|(name, place)| {
            let fingerprint = Fingerprint::of(&place);
            (name, place, fingerprint)
        });
        let seen: Vec<_> = seen.collect();
        let styles = seen.into_iter().map(|(name, place, fingerprint)| {
            let seen = Seen::next(self.styles.get(&name), place, fingerprint, look.now).judge(&name, look);
            (name, seen)
        });
        Ok(Self { styles: styles.collect(), remarks: listing.remarks })
    }

    /// Returns what is to be served.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.styles.values().filter_map(|seen| seen.entry.clone()).collect()
    }

    /// Returns when the next scan is due because a style has yet to stand still.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.styles.values().filter_map(|seen| seen.due).min()
    }

    /// Returns the folders of styles, in which changes should be watched for.
    pub(crate) fn folders(&self) -> impl Iterator<Item = &Path> {
        let folders = self.styles.values().filter(|seen| seen.place.kind == Kind::Folder);
        folders.map(|seen| seen.place.path.as_path())
    }
}

impl Seen {
    /// Carries over what is known of a style: all of it when nothing changed, else only what is served.
    fn next(before: Option<&Self>, place: Place, fingerprint: Fingerprint, now: Instant) -> Self {
        match before {
            Some(seen) if seen.place == place && seen.fingerprint == fingerprint => seen.clone(),
            _ => Self {
                place,
                fingerprint,
                since: now,
                verdict: None,
                entry: before.and_then(|seen| seen.entry.clone()),
                due: None,
            },
        }
    }

    fn judge(mut self, name: &StyleName, look: Look<'_>) -> Self {
        let is_final = matches!(self.verdict, Some(Verdict::Good(_) | Verdict::Refused(_)));
        if is_final && self.due.is_none() {
            return self;
        }
        let is_hasty = match look.haste {
            Haste::None => false,
            Haste::One(style) => style == name,
            Haste::All => true,
        };
        if !is_hasty && look.now < self.since + QUIET_READ {
            self.due = Some(self.since + QUIET_READ);
            return self;
        }
        if matches!(self.verdict, None | Some(Verdict::Unreadable(_))) {
            self.read(look, if is_hasty { HASTY_READS } else { 1 });
        }
        let package = self.entry.as_ref().and_then(|entry| entry.package.clone());
        self.due = None;
        let (package, problem) = match &self.verdict {
            None => {
                self.due = Some(self.since + QUIET_READ);
                return self;
            }
            // An equal package keeps its identity, so that a touched file is no change.
            Some(Verdict::Good(new)) => match package {
                Some(old) if old == *new => (Some(old), None),
                _ => (Some(Arc::clone(new)), None),
            },
            Some(Verdict::Refused(_) | Verdict::Unreadable(_)) if !is_hasty && look.now < self.since + QUIET_REFUSE => {
                self.due = Some(self.since + QUIET_REFUSE);
                return self;
            }
            Some(Verdict::Refused(problem) | Verdict::Unreadable(problem)) => (package, Some(problem.clone())),
        };
        self.entry = Some(Arc::new(verdict::entry(name, package, problem)));
        self
    }

    /// Reads the style; the verdict stays open when its files change meanwhile.
    fn read(&mut self, look: Look<'_>, tries: usize) {
        self.verdict = None;
        for _ in 0..tries {
            let verdict = verdict::judge(&self.place, &self.fingerprint, look.limits);
            let after = Fingerprint::of(&self.place);
            if after == self.fingerprint {
                self.verdict = Some(verdict);
                return;
            }
            // Not `now`, which is when the scan began: the reading may have taken long.
            (self.fingerprint, self.since) = (after, Instant::now());
        }
    }
}
