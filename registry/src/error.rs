//! Why the registry could not do what it was asked for.

use std::io;
use std::path::{Path, PathBuf};

use protocol::{StyleName, StyleProblem};

/// Why the registry could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The folder of styles can't be made or listed: the daemon should not start.
    #[error("the folder of styles {} can't be used: {source}; make it writable or choose another with models.dir", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// There is no style of that name.
    #[error("there is no style \"{name}\"")]
    NotFound {
        /// The name asked for.
        name: StyleName,
    },
    /// There is a style of that name already.
    #[error("there is a style \"{name}\" already")]
    Exists {
        /// The name.
        name: StyleName,
    },
    /// The package, as written, would not be accepted by a scan; the style is as it was.
    #[error("the package for \"{name}\" is refused: {}", problem.detail)]
    Refused {
        /// The style it was for.
        name: StyleName,
        /// What is wrong with it.
        problem: StyleProblem,
    },
    /// The disk refused: full, read-only, or failing. The source tells which.
    #[error("{} can't be written: {source}", path.display())]
    Storage {
        /// What was being written.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl RegistryError {
    /// Names the path that an I/O error is about.
    pub(crate) fn storage(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Storage { path: path.to_owned(), source }
    }
}
