//! Bringing a finished job's result home.

use std::path::PathBuf;

use protocol::{JobId, JobRef};

use super::CliError;
use super::files::{self, Existing, pour, save, stream, takes_bytes};
use super::printer::Printer;
use super::submit::{Patience, Place};
use crate::conn::{Connection, Download};

/// A result that is here, or on its way to where nothing can be taken back.
enum Fetched {
    Written(PathBuf),
    Stdout(Download),
    Stream(Download, PathBuf),
}

/// Writes a result to its place, and returns where that is unless it is stdout. A file is written anew when the
/// connection breaks.
pub(super) async fn fetch(
    connection: &Connection,
    id: JobId,
    place: &Place,
    existing: Existing,
    printer: &Printer,
) -> Result<Option<String>, CliError> {
    let attempt = async || {
        let download = connection.result(JobRef::Id(id)).await?;
        let path = match place {
            Place::Stdout => return Ok(Fetched::Stdout(download)),
            Place::File(path) => path.clone(),
            Place::Named(folder, stem) => folder.join(format!("{stem}.{}", files::extension(download.media_type()))),
        };
        if takes_bytes(&path) {
            return Ok(Fetched::Stream(download, path));
        }
        save(download, &path, existing).await?;
        Ok(Fetched::Written(path))
    };
    let path = match Patience::Single.with(|_| {}, attempt).await? {
        Fetched::Written(path) => path,
        Fetched::Stdout(download) => return pour(download, printer).await.map(|()| None),
        Fetched::Stream(download, path) => {
            stream(download, &path).await?;
            path
        }
    };
    Ok(Some(path.display().to_string()))
}
