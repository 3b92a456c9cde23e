//! Which styles a folder holds, by their names alone: nothing is opened.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use protocol::StyleName;

/// The ending of a style that is one file.
pub(crate) const FILE_ENDING: &str = ".safetensors";

/// The most remarks that a listing makes; a folder full of junk should not become a log full of it.
const MOST_REMARKS: usize = 50;

/// What stands in the folder under a style's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A package folder.
    Folder,
    /// A package in one file.
    File,
    /// A symbolic link, which is not followed.
    Link,
    /// A pipe, socket or device, or a directory with a file's ending.
    Special,
}

/// Where a style is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    pub(crate) kind: Kind,
}

/// The names in a folder, and what there is to say about them.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) places: BTreeMap<StyleName, Place>,
    pub(crate) remarks: BTreeSet<String>,
}

/// Lists a folder. Dot names and ordinary files that are no package are passed over in silence.
pub(crate) fn list(folder: &Path) -> io::Result<Listing> {
    let mut listing = Listing::default();
    for item in fs::read_dir(folder)? {
        let item = item?;
        let name = item.file_name();
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        // The kind comes with the listing on common file systems: junk costs no look at each file.
        let Ok(kind) = item.file_type() else { continue };
        let stem = stem(&name);
        let kind = match stem {
            _ if kind.is_symlink() => Kind::Link,
            Some(_) if kind.is_file() => Kind::File,
            Some(_) => Kind::Special,
            None if kind.is_dir() => Kind::Folder,
            None => continue,
        };
        let Some(style) = stem.or(name.to_str()).and_then(|name| name.parse().ok()) else {
            listing.remark(format!("{} is skipped: its name can't be a style's", name.display()));
            continue;
        };
        listing.add(style, Place { path: item.path(), kind });
    }
    Ok(listing)
}

impl Listing {
    fn add(&mut self, style: StyleName, place: Place) {
        use std::collections::btree_map::Entry;
        match self.places.entry(style) {
            Entry::Vacant(free) => {
                free.insert(place);
            }
            Entry::Occupied(mut taken) => {
                // Two places of one name differ in the ending alone, so one of them is the folder's.
                if stem(place.path.file_name().unwrap_or_default()).is_none() {
                    taken.insert(place);
                }
                let remark = format!("{0}{FILE_ENDING} is passed over: there is a folder {0} as well", taken.key());
                self.remark(remark);
            }
        }
    }

    fn remark(&mut self, remark: String) {
        if self.remarks.len() < MOST_REMARKS {
            self.remarks.insert(remark);
        }
    }
}

fn stem(name: &OsStr) -> Option<&str> {
    name.to_str()?.strip_suffix(FILE_ENDING)
}
