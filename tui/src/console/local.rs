//! Effects about files of this machine.

use std::path::{Path, PathBuf};

use tokio::sync::mpsc;

use crate::app::files::Entry;
use crate::app::{Answer, Effect, Input};
use crate::picture::Picture;

/// The largest file that is read to be looked at, in bytes.
const PHOTO_BYTES: u64 = 64 << 20;

/// Carries an effect out that needs no daemon, and sends its answer to `inputs`; hands any other one back.
pub(super) fn answer(effect: Effect, inputs: &mpsc::Sender<Input>) -> Option<Effect> {
    let work: Box<dyn FnOnce() -> Answer + Send> = match effect {
        Effect::List(folder) => Box::new(move || {
            list(&folder).map_or_else(
                |error| Answer::NoFolder(format!("{}: {error}", folder.display())),
                |(folder, entries)| Answer::Folder(folder, entries),
            )
        }),
        Effect::Photo(path) => Box::new(move || {
            let picture = photo(&path);
            Answer::Photo(path, picture)
        }),
        other => return Some(other),
    };
    let inputs = inputs.clone();
    tokio::task::spawn_blocking(move || {
        // Nobody listens once the console has been left.
        let _ = inputs.blocking_send(Input::Answer(work()));
    });
    None
}

/// Reads a folder: its whole path, and what is in it. What can't be looked at is left out.
fn list(folder: &Path) -> std::io::Result<(PathBuf, Vec<Entry>)> {
    let folder = folder.canonicalize()?;
    let entries = std::fs::read_dir(&folder)?.filter_map(|entry| {
        let entry = entry.ok()?;
        // Links are followed: a linked folder is one.
        let about = entry.path().metadata().ok()?;
        let name = entry.file_name().into_string().ok()?;
        (about.is_dir() || about.is_file()).then(|| Entry { name, is_folder: about.is_dir(), bytes: about.len() })
    });
    let entries = entries.collect();
    Ok((folder, entries))
}

fn photo(path: &Path) -> Result<Picture, String> {
    let bytes = path.metadata().map_err(|error| error.to_string())?.len();
    if bytes > PHOTO_BYTES {
        return Err("too large to be shown here".to_owned());
    }
    Picture::decode(&std::fs::read(path).map_err(|error| error.to_string())?)
}
