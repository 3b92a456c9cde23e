//! Effects about files of this machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::app::files::Entry;
use crate::app::{Answer, Effect, Input};
use crate::picture::Picture;

/// The largest file that is read to be looked at, in bytes.
const PHOTO_BYTES: u64 = 64 << 20;

/// Carries an effect out that needs no daemon, and sends its answer to `inputs`; hands any other one back.
pub(super) fn answer(effect: Effect, inputs: &mpsc::Sender<Input>) -> Option<Effect> {
    let Effect::List(folder) = effect else { return Some(effect) };
    let inputs = inputs.clone();
    tokio::task::spawn_blocking(move || {
        let answer = match list(&folder) {
            Ok((folder, entries)) => Answer::Folder(folder, entries),
            Err(error) => Answer::NoFolder(format!("{}: {error}", folder.display())),
        };
        // Nobody listens once the console has been left.
        let _ = inputs.blocking_send(Input::Answer(answer));
    });
    None
}

/// Looks at photos, one at a time: of those that are wanted meanwhile only at the newest.
pub(super) struct Photos {
    wanted: watch::Sender<PathBuf>,
}

impl Photos {
    /// Begins with none; what a photo looks like goes to `inputs`.
    pub(super) fn new(inputs: mpsc::Sender<Input>) -> Self {
        Self::with(inputs, photo)
    }

    fn with(
        inputs: mpsc::Sender<Input>,
        look: impl Fn(&Path) -> Result<Picture, String> + Send + Sync + 'static,
    ) -> Self {
        let look = Arc::new(look);
        let (wanted, mut newest) = watch::channel(PathBuf::new());
        tokio::spawn(async move {
            while newest.changed().await.is_ok() {
                let path = newest.borrow_and_update().clone();
                let (look, looked_at) = (Arc::clone(&look), path.clone());
                let picture = tokio::task::spawn_blocking(move || look(&looked_at)).await;
                let picture = picture.unwrap_or_else(|_| Err("it can't be shown here".to_owned()));
                // Nobody listens once the console has been left.
                let _ = inputs.send(Input::Answer(Answer::Photo(path, picture))).await;
            }
        });
        Self { wanted }
    }

    /// Looks at a photo next.
    pub(super) fn want(&self, path: PathBuf) {
        self.wanted.send_replace(path);
    }
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn photos_are_looked_at_one_by_one_and_those_passed_by_are_not() {
        let (inputs, mut heard) = mpsc::channel(16);
        let (begin, mut begun) = mpsc::unbounded_channel();
        let (go_on, told) = std::sync::mpsc::channel();
        let told = Mutex::new(told);
        let photos = Photos::with(inputs, move |path| {
            begin.send(path.to_owned()).unwrap();
            told.lock().unwrap().recv().unwrap();
            Err(String::new())
        });
        photos.want("a".into());
        assert_eq!(begun.recv().await, Some("a".into()));
        for name in ["b", "c", "d"] {
            photos.want(name.into());
        }
        for name in ["a", "d"] {
            go_on.send(()).unwrap();
            let Some(Input::Answer(Answer::Photo(path, _))) = heard.recv().await else { panic!("no photo") };
            assert_eq!(path, PathBuf::from(name));
        }
        assert_eq!(begun.recv().await, Some("d".into()));
        assert!(begun.try_recv().is_err(), "nothing else is looked at");
    }
}
