//! Adding a style.

use std::path::Path;

use protocol::{Style, StyleName};
use tar::{Builder, HeaderMode};

use super::printer::Printer;
use super::{CliError, args, view};
use crate::conn::{CallError, Connection, Source};

/// Sends a package, a foreign weight file or a folder of one; a folder travels as a tar archive.
pub(super) async fn run(connection: &Connection, order: args::Import, printer: &Printer) -> Result<(), CliError> {
    let style = send(connection, &order.path, &order.name).await?;
    printer.value(&style, |look| view::style(&style, look))
}

/// Sends a package, a foreign weight file or a folder of one.
pub(crate) async fn send(connection: &Connection, path: &Path, name: &StyleName) -> Result<Style, CallError> {
    let failed = |source| CallError::File { what: path.display().to_string(), source };
    // The archive is a file of its own, so that a folder of any size passes through little memory.
    let archive;
    let source = if path.is_dir() {
        archive = pack(path).map_err(failed)?;
        Source::File(archive.path().to_owned())
    } else {
        Source::File(path.to_owned())
    };
    connection.import_style(name, &source).await
}

/// Packs the files of a folder, without its own name and without anything a link points to.
fn pack(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let archive = tempfile::NamedTempFile::new()?;
    let mut builder = Builder::new(std::io::BufWriter::new(archive.as_file()));
    builder.follow_symlinks(false);
    builder.mode(HeaderMode::Deterministic);
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let mut entries = std::fs::read_dir(&next)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let (path, kind) = (entry.path(), entry.file_type()?);
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                let name = path.strip_prefix(folder).map_err(std::io::Error::other)?;
                builder.append_path_with_name(&path, name)?;
            }
        }
    }
    std::io::Write::flush(&mut builder.into_inner()?)?;
    Ok(archive)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn a_folder_is_packed_by_its_content_and_links_stay_out() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("deep")).unwrap();
        std::fs::write(folder.path().join("manifest.json"), "{}").unwrap();
        std::fs::write(folder.path().join("deep/weights"), [7; 1000]).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
        let archive = pack(folder.path()).unwrap();
        let mut archive = tar::Archive::new(archive.reopen().unwrap());
        let entries: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.map(|entry| (entry.path().unwrap().display().to_string(), entry.size())).unwrap())
            .collect();
        assert_eq!(entries, [("manifest.json".to_owned(), 2), ("deep/weights".to_owned(), 1000)]);
    }
}
