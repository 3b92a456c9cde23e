//! The transport of a machine without mail: a folder of `.eml` files that any mail program opens.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use lettre::Message;
use protocol::JobId;

use super::transport::Outcome;
use crate::disk::{make_folder, sync_folder, write_synced};

/// Puts a letter into the folder; a second try replaces the first.
pub(super) async fn put(folder: &Path, name: &str, message: &Message) -> Outcome {
    let place = folder.join(format!("{name}.eml"));
    let (folder, shown, bytes) = (folder.to_owned(), place.display().to_string(), message.formatted());
    match off_the_edge(move || write(&folder, &place, &bytes)).await {
        Ok(()) => Outcome::Delivered(format!("written to {shown}")),
        Err(error) => Outcome::TryAgain(format!("{shown} can't be written: {error}")),
    }
}

/// Tries whether the folder takes files, or whether it can be made where there is none yet.
pub(super) async fn probe(folder: &Path) -> Result<(), String> {
    let (path, shown) = (folder.to_owned(), folder.display());
    let tried = off_the_edge(move || {
        let there = path.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
        let probe = there.join(format!(".probe-{}", JobId::new()));
        File::create_new(&probe)?;
        fs::remove_file(probe)
    });
    tried.await.map_err(|error| format!("the folder {shown} can't be written: {error}"))
}

fn write(folder: &Path, place: &PathBuf, bytes: &[u8]) -> io::Result<()> {
    make_folder(folder)?;
    let staged = place.with_extension("new");
    write_synced(&staged, bytes)?;
    fs::rename(&staged, place)?;
    sync_folder(folder)
}

async fn off_the_edge(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::mail::test_server::message;

    #[tokio::test]
    async fn a_letter_becomes_one_file_however_often_it_is_tried() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = folder.path().join("outbox");
        assert_eq!((probe(&outbox).await, outbox.exists()), (Ok(()), false), "looking makes nothing");
        for _ in 0..2 {
            assert!(matches!(put(&outbox, "a.1", &message()).await, Outcome::Delivered(_)));
            assert_eq!(probe(&outbox).await, Ok(()));
        }
        let files: Vec<_> = fs::read_dir(&outbox).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(files, ["a.1.eml"]);
        assert_eq!(fs::read(outbox.join("a.1.eml")).unwrap(), message().formatted());
    }

    #[tokio::test]
    async fn a_folder_that_takes_nothing_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("outbox");
        fs::write(&file, "in the way").unwrap();
        assert!(matches!(put(&file, "a.1", &message()).await, Outcome::TryAgain(_)));
        assert!(probe(&file).await.is_err());
    }
}
