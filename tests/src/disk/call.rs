//! What a watched program did to its files, and what it said.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// One call, as the disk saw it.
#[derive(Clone, Debug)]
pub struct Call {
    /// The file, relative to the watched folder; empty for the folder itself and for what was said.
    pub path: PathBuf,
    /// The number that the file has on its file system.
    pub inode: u64,
    /// What was done.
    pub what: What,
}

/// What a call does.
#[derive(Clone, Debug)]
pub enum What {
    /// A new file.
    Create,
    /// Bytes at an offset.
    Write(u64, Vec<u8>),
    /// A new length.
    Truncate(u64),
    /// What is in it survives a power cut from here on; a folder's names are what is in it.
    Sync,
    /// Everything in the watched folder survives a power cut from here on.
    SyncAll,
    /// Writing back was begun; nothing is promised.
    Flush,
    /// It has this name now.
    Rename(PathBuf),
    /// A new folder.
    MakeFolder,
    /// A file or an empty folder loses its name.
    Remove,
    /// An answer left by a socket.
    Said(Vec<u8>),
}

/// Reads the library's log.
pub(super) fn read(mut log: &[u8], root: &Path) -> Vec<Call> {
    let mut calls = Vec::new();
    while let Some((call, rest)) = next(log, root) {
        calls.push(call);
        log = rest;
    }
    assert!(log.is_empty(), "the log of the disk is cut short");
    calls
}

fn next<'a>(log: &'a [u8], root: &Path) -> Option<(Call, &'a [u8])> {
    let (head, rest) = log.split_first_chunk::<40>()?;
    let number = |at: usize| u64::from_ne_bytes(head[at * 8..][..8].try_into().expect("eight bytes"));
    let [operation, inode, offset, path_bytes, content_bytes] = [0, 1, 2, 3, 4].map(number);
    let (path, rest) = rest.split_at_checked(path_bytes as usize)?;
    let (content, rest) = rest.split_at_checked(content_bytes as usize)?;
    let below = |path: &[u8]| {
        let path = Path::new(OsStr::from_bytes(path));
        path.strip_prefix(root).map(Path::to_owned).unwrap_or_default()
    };
    let what = match operation as u8 {
        b'c' => What::Create,
        b'w' => What::Write(offset, content.to_owned()),
        b't' => What::Truncate(offset),
        b's' => What::Sync,
        b'e' => What::SyncAll,
        b'f' => What::Flush,
        b'r' => What::Rename(below(content)),
        b'm' => What::MakeFolder,
        b'd' => What::Remove,
        b'a' => What::Said(content.to_owned()),
        other => panic!("the log of the disk holds {other}"),
    };
    Some((Call { path: below(path), inode, what }, rest))
}
