//! `atelierd backup`: a copy of the data folder, taken while the daemon runs, from which a daemon can be started.
//!
//! It needs no help from the daemon, because of how the spool is written: every file is made under another name and
//! renamed in, never changed in place, and a job's pictures are there before the record that speaks of them. So each
//! job's record is copied first and its pictures after it; when the record has changed meanwhile, the job is copied
//! again. The index is left out: a start makes it from the spool. So is the journal of arrivals: whatever it holds is in
//! the folders, which only a power cut could take from them, and the copies are synced.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use super::{Failure, out};
use crate::config::{Config, Sources};
use crate::disk::sync_folder;

/// Files of the data folder beside the spool that a daemon goes on with: its event counter, the key of its links.
const LOOSE_FILES: [&str; 2] = ["sequence", "links.key"];

/// What is being copied has this name until it is whole.
const STAGED: &str = ".new";

/// How often what changes meanwhile is copied at most, and how long it is left alone after each time.
const MOST_COPIES: usize = 100;
const BETWEEN_COPIES: Duration = Duration::from_millis(50);

/// A backup that can't be taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum BackupError {
    /// There is nothing to copy.
    #[error("there is no data folder {}", .0.display())]
    NoData(PathBuf),
    /// The target holds something else.
    #[error("{} is neither empty nor an earlier backup; choose another folder", .0.display())]
    Occupied(PathBuf),
    /// The target lies within what is to be copied.
    #[error("{} lies within the data folder; choose a folder elsewhere", .0.display())]
    Within(PathBuf),
    /// The disk refuses.
    #[error("{}: {source}", path.display())]
    Disk {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What a backup did.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    /// Jobs copied, anew or again.
    copied: usize,
    /// Jobs that the backup had already as they are.
    kept: usize,
    /// Jobs that are no longer there, removed from the backup too.
    removed: usize,
}

pub(super) fn backup(sources: &Sources, target: &Path) -> Result<ExitCode, Failure> {
    let config = sources.load()?;
    let tally = copy_all(&config, target)?;
    out::line(&format!(
        "copied {} jobs, {} were there already, {} are forgotten; start from it with atelierd --data {}",
        tally.copied,
        tally.kept,
        tally.removed,
        target.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn copy_all(config: &Config, target: &Path) -> Result<Tally, BackupError> {
    let data = &config.data.dir;
    if !data.join("spool").is_dir() {
        return Err(BackupError::NoData(data.clone()));
    }
    make_target(data, target)?;
    let tally = copy_spool(&data.join("spool"), &target.join("spool"))?;
    for name in LOOSE_FILES {
        copy_if_there(&data.join(name), &target.join(name))?;
    }
    mirror(&data.join("outbox"), &target.join("outbox"))?;
    mirror(&config.models.dir, &target.join("styles"))?;
    sync_folder(target).map_err(at(target))?;
    Ok(tally)
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    |source| BackupError::Disk { path: path.to_owned(), source }
}

/// Makes the target, and refuses one that is not ours to change.
fn make_target(data: &Path, target: &Path) -> Result<(), BackupError> {
    let marker = target.join("atelier-backup");
    let is_empty = match fs::read_dir(target) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == ErrorKind::NotFound => true,
        Err(source) => return Err(BackupError::Disk { path: target.to_owned(), source }),
    };
    if !is_empty && !marker.exists() {
        return Err(BackupError::Occupied(target.to_owned()));
    }
    fs::create_dir_all(target.join("spool")).map_err(at(target))?;
    let (inner, outer) = (fs::canonicalize(target).map_err(at(target))?, fs::canonicalize(data).map_err(at(data))?);
    if inner.starts_with(outer) {
        let _ = fs::remove_dir(target.join("spool")).and_then(|()| fs::remove_dir(target));
        return Err(BackupError::Within(target.to_owned()));
    }
    File::create(&marker).map_err(at(&marker))?;
    Ok(())
}

fn copy_spool(from: &Path, to: &Path) -> Result<Tally, BackupError> {
    let (jobs, copies) = (job_folders(from)?, job_folders(to)?);
    let mut tally = Tally::default();
    for name in &jobs {
        match copy_job(&from.join(name), &to.join(name)) {
            Ok(Copied::Anew) => tally.copied += 1,
            Ok(Copied::Already) => tally.kept += 1,
            // Forgotten while we looked.
            Err(error) if error.kind() == ErrorKind::NotFound && !from.join(name).exists() => {}
            Err(source) => return Err(BackupError::Disk { path: from.join(name), source }),
        }
    }
    for name in copies.difference(&jobs) {
        fs::remove_dir_all(to.join(name)).map_err(at(&to.join(name)))?;
        tally.removed += 1;
    }
    remove(&to.join(STAGED)).map_err(at(to))?;
    sync_folder(to).map_err(at(to))?;
    Ok(tally)
}

fn job_folders(spool: &Path) -> Result<BTreeSet<OsString>, BackupError> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(spool).map_err(at(spool))? {
        let name = entry.map_err(at(spool))?.file_name();
        if name.to_str().is_some_and(|name| name.parse::<protocol::JobId>().is_ok()) {
            names.insert(name);
        }
    }
    Ok(names)
}

#[derive(Debug, PartialEq, Eq)]
enum Copied {
    Anew,
    Already,
}

/// Copies one job until its record has stayed the same from beginning to end.
fn copy_job(from: &Path, to: &Path) -> io::Result<Copied> {
    let record = from.join("job.json");
    loop {
        let before = fs::read(&record)?;
        if fs::read(to.join("job.json")).is_ok_and(|copy| copy == before) && has_same_checkpoint(from, to)? {
            return Ok(Copied::Already);
        }
        let staged = to.with_file_name(STAGED);
        remove(&staged)?;
        fs::create_dir(&staged)?;
        for entry in fs::read_dir(from)? {
            let name = entry?.file_name();
            if name == "job.json" || name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            match copy_synced(&from.join(&name), &staged.join(&name)) {
                // No longer kept: the record says so.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                copied => copied?,
            }
        }
        if fs::read(&record)? != before {
            fs::remove_dir_all(&staged)?;
            continue;
        }
        fs::write(staged.join("job.json"), &before)?;
        File::open(staged.join("job.json"))?.sync_all()?;
        sync_folder(&staged)?;
        if to.exists() {
            fs::remove_dir_all(to)?;
        }
        fs::rename(&staged, to)?;
        return Ok(Copied::Anew);
    }
}

/// Says whether a copy goes on from where its original does: checkpoints come without a change of the record. The curve
/// needs no such look, since a checkpoint holds its own.
fn has_same_checkpoint(from: &Path, to: &Path) -> io::Result<bool> {
    let read = |folder: &Path| match fs::read(folder.join("checkpoint")) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        bytes => bytes.map(Some),
    };
    Ok(read(from)? == read(to)?)
}

fn copy_synced(from: &Path, to: &Path) -> io::Result<()> {
    fs::copy(from, to)?;
    File::open(to)?.sync_all()
}

fn copy_if_there(from: &Path, to: &Path) -> Result<(), BackupError> {
    match copy_synced(from, to) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        copied => copied.map_err(at(from)),
    }
}

/// Makes `to` have the same files and folders as `from`, dot names and links left out. Each is copied until it has stayed
/// the same meanwhile, and then takes the place of its earlier copy: of a style that is replaced there is never half.
fn mirror(from: &Path, to: &Path) -> Result<(), BackupError> {
    if !from.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(to).map_err(at(to))?;
    let mut present = BTreeSet::new();
    for entry in fs::read_dir(from).map_err(at(from))? {
        let entry = entry.map_err(at(from))?;
        let (name, source) = (entry.file_name(), entry.path());
        if name.as_encoded_bytes().starts_with(b".") || entry.file_type().map_err(at(from))?.is_symlink() {
            continue;
        }
        if copy_steady(&source, &to.join(&name)).map_err(at(&source))? {
            present.insert(name);
        }
    }
    for entry in fs::read_dir(to).map_err(at(to))? {
        let entry = entry.map_err(at(to))?;
        if !present.contains(&entry.file_name()) {
            remove(&entry.path()).map_err(at(&entry.path()))?;
        }
    }
    sync_folder(to).map_err(at(to))
}

/// Copies a file or folder as it was at one moment; false when it is gone.
fn copy_steady(from: &Path, to: &Path) -> io::Result<bool> {
    let staged = to.with_file_name(STAGED);
    let mut is_absent = false;
    for _ in 0..MOST_COPIES {
        remove(&staged)?;
        match copy_once(from, &staged) {
            Ok(true) => return remove(to).and_then(|()| fs::rename(&staged, to)).map(|()| true),
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Whoever replaces it by hand leaves its place empty for a moment.
        if std::mem::replace(&mut is_absent, !from.exists()) && is_absent {
            return Ok(false);
        }
        thread::park_timeout(BETWEEN_COPIES);
    }
    Err(io::Error::other("it changes as often as it is copied; wait until nobody writes to it, and try again"))
}

/// Copies a file or folder, and says whether it has stayed the same meanwhile.
fn copy_once(from: &Path, to: &Path) -> io::Result<bool> {
    let before = stamps(from)?;
    copy_tree(from, to)?;
    Ok(stamps(from)? == before)
}

/// Returns what any change of a file or folder alters, and of all that lies in it.
fn stamps(path: &Path) -> io::Result<Vec<[i64; 4]>> {
    let about = fs::symlink_metadata(path)?;
    let mut stamps = vec![[about.ino() as i64, about.len() as i64, about.ctime(), about.ctime_nsec()]];
    for inner in inner(path, &about)? {
        stamps.extend(self::stamps(&inner)?);
    }
    Ok(stamps)
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    let about = fs::symlink_metadata(from)?;
    if !about.is_dir() {
        return copy_synced(from, to);
    }
    fs::create_dir(to)?;
    for inner in inner(from, &about)? {
        if let Some(name) = inner.file_name() {
            copy_tree(&inner, &to.join(name))?;
        }
    }
    sync_folder(to)
}

/// Lists what lies in a folder, dot names and links left out; nothing for a file.
fn inner(path: &Path, about: &fs::Metadata) -> io::Result<BTreeSet<PathBuf>> {
    let mut inner = BTreeSet::new();
    if about.is_dir() {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if !entry.file_name().as_encoded_bytes().starts_with(b".") && !entry.file_type()?.is_symlink() {
                inner.insert(entry.path());
            }
        }
    }
    Ok(inner)
}

/// Removes a file or folder, if it is there.
fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(about) if about.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    removed.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::fixtures::{self, House};

    fn config(data: &Path) -> Config {
        let mut config = Config::default();
        config.data.dir = data.to_owned();
        config.models.dir = data.join("styles");
        config
    }

    #[test]
    fn a_daemon_can_be_started_from_a_backup_that_was_taken_while_it_ran() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (config, target) = (config(folder.path()), elsewhere.path().join("copy"));
        let house = House::open(folder.path());
        let [first, second] = [fixtures::record(), fixtures::record()];
        house.accept(&first);
        house.accept(&second);
        fs::create_dir_all(folder.path().join("styles/mine")).unwrap();
        fs::write(folder.path().join("styles/mine/style.toml"), "title = \"x\"").unwrap();
        assert_eq!(copy_all(&config, &target).unwrap(), Tally { copied: 2, kept: 0, removed: 0 });

        let restored = House::open(&target);
        assert_eq!(restored.report.jobs, 2);
        assert_eq!(restored.store.record(first.job.id).unwrap().unwrap(), first);
        assert_eq!(fs::read(restored.spool.input(second.job.id)).unwrap(), b"a photo");
        restored.close();
        assert!(target.join("styles/mine/style.toml").exists());

        // A training that has come further is copied again, though its record says the same.
        let checkpoint = |step| crate::spool::Checkpoint { step, curve: Vec::new(), state: vec![1, 2, 3] };
        for step in [50, 100] {
            house.spool.put_checkpoint(second.job.id, &checkpoint(step)).unwrap();
            fs::write(house.spool.artwork(second.job.id, 1), b"an artwork").unwrap();
            assert_eq!(copy_all(&config, &target).unwrap(), Tally { copied: 1, kept: 1, removed: 0 });
        }
        let copied = target.join("spool").join(second.job.id.to_string());
        assert_eq!(fs::read(copied.join("artwork-1")).unwrap(), b"an artwork");
        assert_eq!(fs::read(copied.join("checkpoint")).unwrap(), checkpoint(100).to_bytes());

        // The next one copies what is new and forgets what is forgotten.
        let third = fixtures::record();
        house.accept(&third);
        house.spool.remove(first.job.id).unwrap();
        fs::remove_dir_all(folder.path().join("styles/mine")).unwrap();
        assert_eq!(copy_all(&config, &target).unwrap(), Tally { copied: 1, kept: 1, removed: 1 });
        assert!(!target.join("styles/mine").exists());
        house.close();
    }

    #[test]
    fn nothing_that_is_no_backup_is_touched() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let config = config(folder.path());
        assert!(matches!(copy_all(&config, elsewhere.path()), Err(BackupError::NoData(_))));
        House::open(folder.path()).close();
        fs::write(elsewhere.path().join("mine"), "precious").unwrap();
        assert!(matches!(copy_all(&config, elsewhere.path()), Err(BackupError::Occupied(_))));
        let within = folder.path().join("copy");
        assert!(matches!(copy_all(&config, &within), Err(BackupError::Within(_))));
        assert!(!within.exists());
    }

    #[test]
    fn what_is_replaced_while_it_is_copied_is_copied_as_one_or_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to, old] = ["styles", "copies", "old"].map(|name| folder.path().join(name));
        let make = |number: usize| {
            let style = folder.path().join(format!("version-{number}"));
            fs::create_dir(&style).unwrap();
            for name in ["style.toml", "weights"] {
                fs::write(style.join(name), number.to_string()).unwrap();
            }
            style
        };
        fs::create_dir(&from).unwrap();
        fs::rename(make(0), from.join("wave")).unwrap();
        let (begin, begun) = std::sync::mpsc::channel();
        let style = from.join("wave");
        let replacing = std::thread::spawn(move || {
            for version in begun {
                fs::rename(&style, &old).unwrap();
                fs::rename(version, &style).unwrap();
                fs::remove_dir_all(&old).unwrap();
            }
        });
        for number in 1..=100 {
            begin.send(make(number)).unwrap();
            mirror(&from, &to).unwrap();
            // Between its two steps there may be none for as long as the system likes.
            let [style, weights] = ["style.toml", "weights"].map(|name| fs::read(to.join("wave").join(name)).ok());
            assert_eq!(style, weights);
        }
        drop(begin);
        replacing.join().unwrap();
        mirror(&from, &to).unwrap();
        assert_eq!(fs::read(to.join("wave/weights")).unwrap(), b"100");
        assert_eq!(fs::read_dir(&to).unwrap().count(), 1);
    }
}
