//! Where results go: names that say what they are, and files that are never overwritten unasked.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use protocol::{Job, JobKind, StyleName};
use tempfile::{Builder, NamedTempFile};
use tokio::io::AsyncWriteExt as _;

use super::CliError;
use super::printer::Printer;
use crate::conn::{CallError, Download};

/// Where results go, as `--output` says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Into a folder, under names of our own.
    Folder(PathBuf),
    /// Into this one file.
    File(PathBuf),
    /// To whoever reads our stdout.
    Stdout,
}

impl Target {
    /// Reads `--output` for so many results. What ends with a slash or is a folder is one; so is what several results
    /// go to.
    pub(crate) fn new(output: Option<PathBuf>, results: usize) -> Result<Self, CliError> {
        let Some(path) = output else { return Ok(Self::Folder(PathBuf::new())) };
        if is_stdout(&path) {
            return if results == 1 {
                Ok(Self::Stdout)
            } else {
                Err(CliError::Usage("only one painting fits into stdout; give -o a folder".to_owned()))
            };
        }
        let slashed =
            path.as_os_str().as_encoded_bytes().last().is_some_and(|&byte| std::path::is_separator(byte.into()));
        if slashed || path.is_dir() {
            return Ok(Self::Folder(path));
        }
        if results == 1 {
            return Ok(Self::File(path));
        }
        if path.exists() {
            return Err(CliError::Usage(format!("{} is a file, and several paintings need a folder", path.display())));
        }
        Ok(Self::Folder(path))
    }
}

/// Says whether a path means our stdout.
fn is_stdout(path: &Path) -> bool {
    // By these names it is no file of its own: what is printed besides would land in the middle of the picture.
    ["-", "/dev/stdout", "/dev/fd/1"].iter().any(|name| path.as_os_str() == *name)
}

/// Says whether what is at a path takes bytes without being replaced: a pipe, a terminal, a device.
pub(crate) fn takes_bytes(path: &Path) -> bool {
    path.metadata().is_ok_and(|about| !about.is_file() && !about.is_dir())
}

/// Whether a file that exists may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// It stays, and the result is not written.
    Keep,
    /// It goes.
    Replace,
}

/// Returns the usual file name extension for a result's media type.
pub(crate) fn extension(media_type: &str) -> &'static str {
    match media_type {
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/webp" => "webp",
        _ => "safetensors",
    }
}

/// Returns the name under which a job's result is kept where nobody chose another.
pub(crate) fn result_name(job: &Job, media_type: &str) -> String {
    let style = job.style().map_or("painting", StyleName::as_str);
    match job.kind() {
        // In a models folder the file's name is the style's.
        JobKind::Train => format!("{style}.safetensors"),
        JobKind::Stylize | JobKind::Paint => format!("{style}-{}.{}", job.id.short(), extension(media_type)),
    }
}

/// Writes a download to a file, which appears only when it is whole. A pipe or a device gets the bytes as they come.
pub(crate) async fn save(mut download: Download, path: &Path, existing: Existing) -> Result<(), CallError> {
    if takes_bytes(path) {
        return stream(download, path).await;
    }
    let failed = |source| CallError::File { what: path.display().to_string(), source };
    // A link stays one: the file that it leads to is replaced.
    let target = if path.is_file() { path.canonicalize().map_err(failed)? } else { path.to_owned() };
    let mut file = beside(&target).map_err(failed)?;
    while let Some(bytes) = download.next().await? {
        file.write_all(&bytes).map_err(failed)?;
    }
    let kept = match existing {
        Existing::Keep => file.persist_noclobber(&target),
        Existing::Replace => file.persist(&target),
    };
    match kept {
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(exists(path)),
        other => other.map(drop).map_err(|error| failed(error.error)),
    }
}

/// Writes a download into what is there already, and waits for whoever reads it.
pub(crate) async fn stream(mut download: Download, path: &Path) -> Result<(), CallError> {
    let failed = |source| CallError::File { what: path.display().to_string(), source };
    let mut file = tokio::fs::OpenOptions::new().write(true).open(path).await.map_err(failed)?;
    while let Some(bytes) = download.next().await? {
        file.write_all(&bytes).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)
}

/// Says that a file is in the way, and the way out.
pub(crate) fn exists(path: &Path) -> CallError {
    let source = io::Error::new(io::ErrorKind::AlreadyExists, "it exists already; --force overwrites it");
    CallError::File { what: path.display().to_string(), source }
}

/// Writes a download to stdout.
pub(crate) async fn pour(mut download: Download, printer: &Printer) -> Result<(), CliError> {
    while let Some(bytes) = download.next().await? {
        printer.bytes(&bytes)?;
    }
    Ok(())
}

/// Opens a temporary file in the folder of `path`, which is made where it is missing.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder)?;
    let mut builder = Builder::new();
    builder.prefix(".atelier-");
    #[cfg(unix)]
    builder.permissions(<Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o666));
    builder.tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn an_output_is_a_folder_where_it_looks_like_one_or_must_be() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("taken.jpg");
        std::fs::write(&file, "x").unwrap();
        let new = |path: &Path, results| Target::new(Some(path.to_owned()), results);
        let out = |name: &str| PathBuf::from(name);
        assert_eq!(Target::new(None, 3).unwrap(), Target::Folder(out("")));
        assert_eq!(new(&out("new/"), 1).unwrap(), Target::Folder(out("new/")));
        assert_eq!(new(&out("new"), 2).unwrap(), Target::Folder(out("new")));
        assert_eq!(new(&out("new.jpg"), 1).unwrap(), Target::File(out("new.jpg")));
        assert_eq!(new(folder.path(), 1).unwrap(), Target::Folder(folder.path().to_owned()));
        assert_eq!(new(&out("-"), 1).unwrap(), Target::Stdout);
        assert_eq!(new(&out("/dev/stdout"), 1).unwrap(), Target::Stdout);
        assert!(matches!(new(&out("-"), 2), Err(CliError::Usage(_))));
        assert!(matches!(new(&file, 2), Err(CliError::Usage(_))));
    }
}
