//! The photos to practise on: a folder's, or the handful in the program.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::picture::{self, Limits, Picture, PictureError};

/// The most files of one folder that are looked at.
const MOST_FILES: usize = 1_000_000;
/// The largest file that is read, in bytes.
const FILE_BYTES: u64 = 256 << 20;
/// Decoded photos that are kept, in bytes: a set that fits is decoded once.
pub(super) const KEPT_BYTES: usize = 256 << 20;
/// Photos of more pixels are read one at a time.
const SMALL_PIXELS: u64 = 4_000_000;
/// What reading a photo takes at most for each of its pixels, decoded or being scaled.
const READING_BYTES: u64 = 13;
/// A set of fewer photos is varied more strongly.
const FEW: usize = 64;
/// The most files that are looked at before a training is accepted.
const LOOKED_AT: usize = 100;
/// The largest file that is looked at before, in bytes.
const LOOKED_AT_BYTES: u64 = 32 << 20;

/// A set of photos; cheap to clone, all clones share what has been decoded.
#[derive(Clone)]
pub struct Photos(Arc<Library>);

struct Library {
    name: String,
    files: Vec<File>,
    limits: Limits,
    kept: Mutex<Kept>,
    /// Held while a large photo is read.
    large: Mutex<()>,
    skipped: Mutex<BTreeMap<usize, String>>,
}

enum File {
    Path(PathBuf),
    Builtin(&'static str, &'static [u8]),
}

#[derive(Default)]
struct Kept {
    photos: HashMap<usize, Arc<Picture>>,
    bytes: usize,
}

/// Returns the bytes that reading a folder's photos takes at most, while a training uses them.
#[must_use]
pub fn reading_bytes(limits: Limits) -> u64 {
    limits.pixels.saturating_add(SMALL_PIXELS).saturating_mul(READING_BYTES)
}

/// A file that was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedFile {
    /// Its path, or its name in the program.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// Why a set of photos can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhotosError {
    /// The folder can't be read.
    #[error("the photos' folder {folder} can't be read: {detail}; mend that or use another dataset")]
    Unreadable {
        /// The folder.
        folder: String,
        /// What the system said.
        detail: String,
    },
    /// It holds no photos.
    #[error("the folder {folder} holds no JPEG, PNG or WebP file; put photos there or use another dataset")]
    Empty {
        /// The folder.
        folder: String,
    },
    /// None of them can be used.
    #[error(
        "none of the {count} photos of {set} can be used, for example {example}; replace them or use another dataset"
    )]
    AllBad {
        /// How many there are.
        count: usize,
        /// The set's name.
        set: String,
        /// One of them, and what is wrong with it.
        example: String,
    },
    /// The system refuses a thread to read them.
    #[error("no thread could be started to read photos: {0}")]
    Thread(String),
}

macro_rules! builtin {
    ($($name:literal),*) => {
        [$(($name, include_bytes!(concat!("../../assets/photos/", $name)).as_slice())),*]
    };
}

/// The photos in the program (their credits are in NOTICE).
pub(crate) static BUILTIN: [(&str, &[u8]); 6] =
    builtin!["astronaut.jpg", "chelsea.jpg", "china.jpg", "coffee.jpg", "flower.jpg", "hubble.jpg"];

impl Photos {
    /// Returns the photos in the program.
    #[must_use]
    pub fn builtin() -> Self {
        let files = BUILTIN.iter().map(|(name, bytes)| File::Builtin(name, bytes)).collect();
        Self::new("builtin".to_owned(), files, Limits { pixels: 1 << 24 })
    }

    /// Returns one of the photos in the program, to show a style on.
    ///
    /// # Panics
    /// Never: the photos are covered by a test.
    #[must_use]
    pub fn sample() -> Picture {
        let [_, _, (_, china), ..] = BUILTIN;
        picture::decode(china, Limits { pixels: 1 << 24 }).expect("the photos in the program are whole").1
    }

    /// Lists all JPEG, PNG and WebP files of a folder and the folders in it, by name. Links to folders are not followed.
    ///
    /// Nothing is decoded yet. `name` is what the set is called, `limits` hold for each photo.
    ///
    /// # Errors
    /// The folder can't be read or has no such file.
    pub fn folder(name: &str, folder: &Path, limits: Limits) -> Result<Self, PhotosError> {
        let mut files = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            let entries = match fs::read_dir(&next) {
                Ok(entries) => entries,
                Err(error) if next == folder => {
                    let (folder, detail) = (folder.display().to_string(), error.to_string());
                    return Err(PhotosError::Unreadable { folder, detail });
                }
                Err(_) => continue,
            };
            for entry in entries.flatten() {
                let Ok(kind) = entry.file_type() else { continue };
                if kind.is_dir() {
                    folders.push(entry.path());
                } else if is_photo(&entry.path()) && files.len() < MOST_FILES {
                    files.push(entry.path());
                }
            }
        }
        if files.is_empty() {
            return Err(PhotosError::Empty { folder: folder.display().to_string() });
        }
        files.sort_unstable();
        Ok(Self::new(name.to_owned(), files.into_iter().map(File::Path).collect(), limits))
    }

    fn new(name: String, files: Vec<File>, limits: Limits) -> Self {
        Self(Arc::new(Library {
            name,
            files,
            limits,
            kept: Mutex::default(),
            large: Mutex::default(),
            skipped: Mutex::default(),
        }))
    }

    /// Looks, without decoding pixels, whether there is a photo for crops of `size` pixels.
    ///
    /// The first that could be one is enough. A set with more files than a hundred, or with large ones, is left for the
    /// training to find out.
    ///
    /// # Errors
    /// When all of them are bad.
    pub fn check(&self, size: u32) -> Result<(), PhotosError> {
        for number in 0..self.count().min(LOOKED_AT) {
            match self.could_be_used(number, size) {
                Ok(()) => return Ok(()),
                Err(reason) => lock(&self.0.skipped).insert(number, reason),
            };
        }
        if self.count() > LOOKED_AT { Ok(()) } else { Err(self.all_bad()) }
    }

    fn could_be_used(&self, number: usize, size: u32) -> Result<(), String> {
        if let File::Path(path) = &self.0.files[number]
            && fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() > LOOKED_AT_BYTES)
        {
            return Ok(());
        }
        let header = picture::probe(&self.bytes(number)?, self.0.limits).map_err(|error| error.to_string())?;
        check_side(header.width, header.height, size)
    }

    /// Returns how many files there are, usable or not.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.files.len()
    }

    /// Says whether the set is so small that its photos have to be varied strongly.
    pub(super) fn is_small(&self) -> bool {
        self.count() < FEW
    }

    /// Says the set in a few words, for a package.
    pub(super) fn describe(&self) -> String {
        format!("{} ({} photos)", self.0.name, self.count())
    }

    /// Returns the files that were passed over so far, by path.
    #[must_use]
    pub fn skipped(&self) -> Vec<SkippedFile> {
        let skipped = lock(&self.0.skipped);
        skipped.iter().map(|(i, reason)| SkippedFile { path: self.path(*i), reason: reason.clone() }).collect()
    }

    fn path(&self, number: usize) -> String {
        match &self.0.files[number] {
            File::Path(path) => path.display().to_string(),
            File::Builtin(name, _) => (*name).to_owned(),
        }
    }

    /// Returns a photo for crops of `size` pixels: its shorter side is between one and two crops. `None` for one that
    /// can't be used, which is then listed as skipped.
    pub(super) fn photo(&self, number: usize, size: u32) -> Option<Arc<Picture>> {
        if lock(&self.0.skipped).contains_key(&number) {
            return None;
        }
        if let Some(photo) = lock(&self.0.kept).photos.get(&number) {
            return Some(Arc::clone(photo));
        }
        match self.read(number, size) {
            Ok(photo) => {
                let photo = Arc::new(photo);
                let mut kept = lock(&self.0.kept);
                if kept.bytes + photo.rgb().len() <= KEPT_BYTES {
                    // Two readers may have decoded it at the same time.
                    if kept.photos.insert(number, Arc::clone(&photo)).is_none() {
                        kept.bytes += photo.rgb().len();
                    }
                }
                Some(photo)
            }
            Err(reason) => {
                lock(&self.0.skipped).insert(number, reason);
                None
            }
        }
    }

    fn read(&self, number: usize, size: u32) -> Result<Picture, String> {
        let bytes = self.bytes(number)?;
        let said = |error: PictureError| error.to_string();
        let header = picture::probe(&bytes, self.0.limits).map_err(said)?;
        let is_large = u64::from(header.width) * u64::from(header.height) > SMALL_PIXELS;
        let _alone = is_large.then(|| lock(&self.0.large));
        let (_, photo) = picture::decode(&bytes, self.0.limits).map_err(said)?;
        check_side(photo.width(), photo.height(), size)?;
        let shorter = photo.width().min(photo.height());
        Ok(super::lesson::with_shorter_side(&photo, shorter.clamp(size, 2 * size)))
    }

    fn bytes(&self, number: usize) -> Result<Cow<'static, [u8]>, String> {
        match &self.0.files[number] {
            File::Builtin(_, bytes) => Ok(Cow::Borrowed(bytes)),
            File::Path(path) => {
                let about = fs::metadata(path).map_err(|error| error.to_string())?;
                if !about.is_file() || about.len() > FILE_BYTES {
                    return Err(format!("it is no file of at most {} MiB", FILE_BYTES >> 20));
                }
                fs::read(path).map(Cow::Owned).map_err(|error| error.to_string())
            }
        }
    }

    /// Returns the error of a set in which no photo is left.
    pub(super) fn all_bad(&self) -> PhotosError {
        let example = self.skipped().first().map_or_else(String::new, |file| format!("{}: {}", file.path, file.reason));
        PhotosError::AllBad { count: self.count(), set: self.0.name.clone(), example }
    }
}

/// Refuses a photo that would have to be enlarged to more than twice its size.
fn check_side(width: u32, height: u32, size: u32) -> Result<(), String> {
    if width.min(height) >= size.div_ceil(2) {
        return Ok(());
    }
    Err(format!("its {width}×{height} pixels are too few for crops of {size}"))
}

fn is_photo(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    matches!(extension.as_deref(), Some("jpg" | "jpeg" | "png" | "webp"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
