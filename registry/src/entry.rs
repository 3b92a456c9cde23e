//! What the registry serves: entries, snapshots of them, and what differs between two.

use std::collections::BTreeMap;
use std::sync::Arc;

use models::package::Package;
use protocol::{Style, StyleName};

/// One style, as it stood when the snapshot was taken.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What the outside may know of it.
    pub style: Style,
    /// The last good version; `None` for a style that never had one.
    pub package: Option<Arc<Package>>,
}

impl Entry {
    fn is_same(&self, other: &Self) -> bool {
        let same_package = match (&self.package, &other.package) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        same_package && self.style == other.style
    }
}

/// All styles at one moment; it never changes.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    entries: BTreeMap<StyleName, Arc<Entry>>,
}

impl Snapshot {
    /// Finds a style.
    #[must_use]
    pub fn get(&self, name: &StyleName) -> Option<&Arc<Entry>> {
        self.entries.get(name)
    }

    /// Returns all styles in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.values()
    }

    /// Returns how many styles there are, broken ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Tells whether there is no style at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl FromIterator<Arc<Entry>> for Snapshot {
    fn from_iter<I: IntoIterator<Item = Arc<Entry>>>(entries: I) -> Self {
        Self { entries: entries.into_iter().map(|entry| (entry.style.name.clone(), entry)).collect() }
    }
}

/// A style that appeared, changed or went.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its name.
    pub name: StyleName,
    /// What it is now; `None` when it is gone.
    pub entry: Option<Arc<Entry>>,
}

/// Returns what happened between two snapshots, in the order of the names; a renamed style went and appeared.
pub(crate) fn diff(old: &Snapshot, new: &Snapshot) -> Vec<Change> {
    let gone = old.entries.keys().filter(|name| !new.entries.contains_key(*name));
    let gone = gone.map(|name| Change { name: name.clone(), entry: None });
    let is_new = |entry: &&Arc<Entry>| !old.get(&entry.style.name).is_some_and(|before| before.is_same(entry));
    let here = new.iter().filter(is_new);
    let here = here.map(|entry| Change { name: entry.style.name.clone(), entry: Some(Arc::clone(entry)) });
    let mut changes: Vec<_> = gone.chain(here).collect();
    changes.sort_by(|a, b| a.name.cmp(&b.name));
    changes
}
