//! Whether a style has changed, told without reading it.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::listing::{Kind, Place};

/// The most files that a style's folder may hold, so that looking at it stays quick.
pub(crate) const MOST_FILES: usize = 1000;

/// The state of a style's files; two that are equal stand for the same contents.
///
/// Holds what every write, rename, copy or change of permission alters. The time of change (`ctime`) is part of it, since
/// weights of one architecture have one length and a copy may preserve the time of modification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    own: Option<Stamp>,
    files: Vec<(OsString, Option<Stamp>)>,
    pub(crate) is_crowded: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: (u64, u64),
    bytes: u64,
    mode: u32,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Fingerprint {
    /// Takes the fingerprint; whatever can't be seen is part of it as absent.
    pub(crate) fn of(place: &Place) -> Self {
        let mut fingerprint = Self { own: Stamp::of(&place.path), files: Vec::new(), is_crowded: false };
        if place.kind != Kind::Folder {
            return fingerprint;
        }
        for file in fs::read_dir(&place.path).into_iter().flatten().flatten() {
            if fingerprint.files.len() == MOST_FILES {
                fingerprint.is_crowded = true;
                break;
            }
            fingerprint.files.push((file.file_name(), Stamp::of(&file.path())));
        }
        fingerprint.files.sort_by(|a, b| a.0.cmp(&b.0));
        fingerprint
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let about = fs::symlink_metadata(path).ok()?;
        Some(Self {
            inode: identity(&about),
            bytes: about.len(),
            mode: about.mode(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        })
    }
}

/// Returns what tells one file or folder from every other that exists.
pub(crate) fn identity(about: &Metadata) -> (u64, u64) {
    (about.dev(), about.ino())
}
