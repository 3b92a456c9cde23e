//! Choosing files of this machine.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use protocol::StyleName;

use super::Effect;
use super::filter::Filter;
use super::list::{Cursor, Motion};
use crate::cost::SizePx;
use crate::picture::Picture;

/// What files are chosen for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To paint them, in this style where one was chosen already.
    Submit(Option<StyleName>),
    /// To paint one after artworks, which are chosen next.
    Photo,
    /// To paint this photo after them; its size is known where it can be looked at.
    Artworks(PathBuf, Option<SizePx>),
    /// To learn the style of one.
    Train,
    /// To import one as a style.
    Import,
}

/// Something in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its name.
    pub(crate) name: String,
    /// Whether it is a folder.
    pub(crate) is_folder: bool,
    /// Its size in bytes.
    pub(crate) bytes: u64,
}

/// A folder and what has been chosen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Files {
    pub(crate) purpose: Purpose,
    /// The folder; none until it has been read.
    pub(crate) folder: Option<PathBuf>,
    entries: Vec<Entry>,
    pub(crate) marks: BTreeSet<PathBuf>,
    pub(crate) cursor: Cursor<String>,
    pub(crate) filter: String,
    /// Whether the filter is being typed.
    pub(crate) is_typing: bool,
    shows_hidden: bool,
    /// The file that is looked at, and what it looks like.
    pub(crate) preview: Option<(PathBuf, Result<Picture, String>)>,
    /// Why a folder can't be read.
    pub(crate) problem: Option<String>,
}

impl Files {
    /// Begins where the console was started.
    pub(crate) fn new(purpose: Purpose) -> Self {
        Self {
            purpose,
            folder: None,
            entries: Vec::new(),
            marks: BTreeSet::new(),
            cursor: Cursor::default(),
            filter: String::new(),
            is_typing: false,
            shows_hidden: false,
            preview: None,
            problem: None,
        }
    }

    /// Says what is to be chosen.
    pub(crate) const fn title(&self) -> &'static str {
        match self.purpose {
            Purpose::Submit(_) => "Choose photos",
            Purpose::Photo => "Choose a photo to paint after artworks",
            Purpose::Artworks(..) => "Choose the artworks to paint it after",
            Purpose::Train => "Choose an artwork to learn",
            Purpose::Import => "Choose a package, a weight file or a checkpoint's folder",
        }
    }

    /// Takes note of a folder's content.
    pub(crate) fn set_folder(&mut self, folder: PathBuf, mut entries: Vec<Entry>) -> Option<Effect> {
        entries.sort_by(|a, b| b.is_folder.cmp(&a.is_folder).then_with(|| a.name.cmp(&b.name)));
        let came_from = self.folder.take().filter(|before| before.parent() == Some(&folder));
        self.entries = entries;
        self.cursor = Cursor::default();
        self.filter.clear();
        if let Some(name) = came_from.as_deref().and_then(Path::file_name) {
            self.cursor.choose(name.to_string_lossy().into_owned());
        }
        self.folder = Some(folder);
        self.problem = None;
        self.look()
    }

    /// Returns the entries to show.
    pub(crate) fn shown(&self) -> Vec<&Entry> {
        let filter = Filter::new(&self.filter);
        let fits =
            |entry: &&Entry| (self.shows_hidden || !entry.name.starts_with('.')) && filter.fits_text(&entry.name);
        self.entries.iter().filter(fits).collect()
    }

    fn names(&self) -> Vec<String> {
        self.shown().iter().map(|entry| entry.name.clone()).collect()
    }

    /// Returns the chosen entry's index.
    pub(crate) fn index(&self) -> Option<usize> {
        self.cursor.index(&self.names())
    }

    /// Returns the chosen entry and its path.
    pub(crate) fn chosen(&self) -> Option<(&Entry, PathBuf)> {
        let entry = *self.shown().get(self.index()?)?;
        Some((entry, self.folder.as_ref()?.join(&entry.name)))
    }

    /// Moves, and looks at what is there.
    pub(crate) fn go(&mut self, motion: Motion) -> Option<Effect> {
        let names = self.names();
        self.cursor.go(&names, motion);
        self.look()
    }

    /// Asks for the chosen file's picture, unless it is here.
    pub(crate) fn look(&self) -> Option<Effect> {
        let (entry, path) = self.chosen()?;
        let known = self.preview.as_ref().is_some_and(|(known, _)| *known == path);
        (!entry.is_folder && !known && self.purpose != Purpose::Import).then_some(Effect::Photo(path))
    }

    /// Returns the size of the picture at a path, where it is the one that is looked at.
    pub(crate) fn size_px(&self, path: &Path) -> Option<SizePx> {
        let (_, picture) = self.preview.as_ref().filter(|(known, _)| known == path)?;
        Some(picture.as_ref().ok()?.full_size())
    }

    /// Goes to the folder above.
    pub(crate) fn parent(&self) -> Option<Effect> {
        Some(Effect::List(self.folder.as_ref()?.parent()?.to_owned()))
    }

    /// Shows hidden files, or hides them.
    pub(crate) fn toggle_hidden(&mut self) {
        self.shows_hidden ^= true;
    }

    /// Marks the chosen entry, or unmarks it. Folders are only for imports.
    pub(crate) fn mark(&mut self) -> Option<Effect> {
        let (entry, path) = self.chosen()?;
        if entry.is_folder && self.purpose != Purpose::Import {
            return None;
        }
        if !self.marks.remove(&path) {
            if !matches!(self.purpose, Purpose::Submit(_) | Purpose::Artworks(..)) {
                self.marks.clear();
            }
            self.marks.insert(path);
        }
        self.go(Motion::By(1))
    }

    /// Takes what is chosen: a folder to go into, or files.
    pub(crate) fn accept(&self) -> Option<Result<Vec<PathBuf>, Effect>> {
        let (entry, path) = self.chosen()?;
        if !self.marks.is_empty() && (!entry.is_folder || self.marks.contains(&path)) {
            return Some(Ok(self.marks.iter().cloned().collect()));
        }
        Some(if entry.is_folder { Err(Effect::List(path)) } else { Ok(vec![path]) })
    }
}
