//! What a power cut can leave of a folder on a disk that honours flushes.
//!
//! A file's bytes are safe once the file is synced, and a name is safe once its folder is: whether a synced file is
//! found again is for its folder's sync to say. Of everything else a power cut may leave any part: writes in any
//! combination, the last one cut short, and each name with or without its last change. That is less than the file
//! systems in use promise, and therefore holds on all of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use super::call::{Call, What};
use crate::Chance;

/// Disks write whole sectors.
const SECTOR_BYTES: u64 = 512;

/// How a power cut treats what is not safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// All of it is gone.
    Everything,
    /// Nothing is gone, as when only the program is killed.
    Nothing,
    /// Chance decides about each change, from this seed.
    Chance(u64),
}

/// A folder, with what is safe in it and what is not.
#[derive(Clone, Debug)]
pub struct Platter {
    nodes: Vec<Node>,
    by_inode: HashMap<u64, usize>,
}

#[derive(Clone, Debug)]
enum Node {
    File { safe: Vec<u8>, since: Vec<Change> },
    Folder { safe: Names, now: Names },
}

type Names = BTreeMap<OsString, usize>;

#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

impl Platter {
    /// Begins with an empty folder.
    #[must_use]
    pub fn empty() -> Self {
        Self { nodes: vec![Node::Folder { safe: Names::new(), now: Names::new() }], by_inode: HashMap::new() }
    }

    /// Does what the program did.
    pub fn apply(&mut self, call: &Call) {
        match &call.what {
            What::Create => {
                let node = self.add(call.inode, Node::File { safe: Vec::new(), since: Vec::new() });
                self.name(&call.path, Some(node));
            }
            What::MakeFolder => {
                let node = self.add(call.inode, Node::Folder { safe: Names::new(), now: Names::new() });
                self.name(&call.path, Some(node));
            }
            What::Write(offset, bytes) => self.change(call, Change::Write(*offset, bytes.clone())),
            What::Truncate(bytes) => self.change(call, Change::Length(*bytes)),
            What::Sync => self.of(call).sync(),
            What::SyncAll => self.nodes.iter_mut().for_each(Node::sync),
            What::Rename(to) => {
                let node = self.find(&call.path).unwrap_or_else(|| panic!("{} is unknown", call.path.display()));
                self.name(&call.path, None);
                self.name(to, Some(node));
            }
            What::Remove => self.name(&call.path, None),
            What::Flush | What::Said(_) => {}
        }
    }

    /// Writes what a power cut leaves into an empty folder.
    pub fn leave(&self, cut: Cut, target: &Path) {
        let mut chance = match cut {
            Cut::Chance(seed) => Chance(seed),
            Cut::Everything | Cut::Nothing => Chance(0),
        };
        self.leave_node(0, cut, &mut chance, target);
    }

    /// Writes what a power cut leaves of one file or folder, if it is there.
    pub fn leave_part(&self, cut: Cut, part: &Path, target: &Path) {
        if let Some(node) = self.find(part) {
            self.leave_node(node, cut, &mut Chance(0), target);
        }
    }

    fn leave_node(&self, node: usize, cut: Cut, chance: &mut Chance, target: &Path) {
        match &self.nodes[node] {
            Node::File { safe, since } => fs::write(target, content(safe, since, cut, chance)).unwrap(),
            Node::Folder { safe, now } => {
                fs::create_dir_all(target).unwrap();
                let names: BTreeSet<_> = safe.keys().chain(now.keys()).collect();
                for name in names {
                    let (safe, now) = (safe.get(name), now.get(name));
                    let is_kept = match cut {
                        Cut::Everything => false,
                        Cut::Nothing => true,
                        Cut::Chance(_) => safe == now || chance.is_lucky(),
                    };
                    if let Some(node) = if is_kept { now } else { safe } {
                        self.leave_node(*node, cut, chance, &target.join(name));
                    }
                }
            }
        }
    }

    fn add(&mut self, inode: u64, node: Node) -> usize {
        self.nodes.push(node);
        self.by_inode.insert(inode, self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    fn find(&self, path: &Path) -> Option<usize> {
        path.iter().try_fold(0, |folder, name| match &self.nodes[folder] {
            Node::Folder { now, .. } => now.get(name).copied(),
            Node::File { .. } => None,
        })
    }

    fn name(&mut self, path: &Path, node: Option<usize>) {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return };
        let parent = self.find(parent).unwrap_or_else(|| panic!("{} is unknown", parent.display()));
        let Node::Folder { now, .. } = &mut self.nodes[parent] else { panic!("{} is a file", path.display()) };
        match node {
            Some(node) => now.insert(name.to_owned(), node),
            None => now.remove(name),
        };
    }

    /// Finds the file that a call is about by its number: it may have another name by now, or none.
    fn of(&mut self, call: &Call) -> &mut Node {
        let node = if call.path.as_os_str().is_empty() { Some(0) } else { self.by_inode.get(&call.inode).copied() };
        &mut self.nodes[node.unwrap_or_else(|| panic!("{} is unknown", call.path.display()))]
    }

    fn change(&mut self, call: &Call, change: Change) {
        let Node::File { since, .. } = self.of(call) else { panic!("{} is a folder", call.path.display()) };
        since.push(change);
    }
}

impl Node {
    fn sync(&mut self) {
        match self {
            Self::File { safe, since } => {
                for change in since.drain(..) {
                    change.make(safe);
                }
            }
            Self::Folder { safe, now } => safe.clone_from(now),
        }
    }
}

fn content(safe: &[u8], since: &[Change], cut: Cut, chance: &mut Chance) -> Vec<u8> {
    let mut bytes = safe.to_vec();
    for (number, change) in (1..).zip(since) {
        match cut {
            Cut::Nothing => change.make(&mut bytes),
            Cut::Chance(_) if chance.is_lucky() => change.make(&mut bytes),
            Cut::Chance(_) if number == since.len() => change.torn(chance).make(&mut bytes),
            Cut::Chance(_) | Cut::Everything => {}
        }
    }
    bytes
}

impl Change {
    fn make(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Length(length) => bytes.resize(*length as usize, 0),
            Self::Write(offset, written) => {
                let (begin, end) = (*offset as usize, *offset as usize + written.len());
                bytes.resize(bytes.len().max(end), 0);
                bytes[begin..end].copy_from_slice(written);
            }
        }
    }

    /// Returns the change with its last sectors missing.
    fn torn(&self, chance: &mut Chance) -> Self {
        match self {
            Self::Length(length) => Self::Length(*length),
            Self::Write(offset, written) => {
                let sectors = (written.len() as u64).div_ceil(SECTOR_BYTES);
                let kept = chance.below(sectors + 1) * SECTOR_BYTES;
                Self::Write(*offset, written[..written.len().min(kept as usize)].to_vec())
            }
        }
    }
}
