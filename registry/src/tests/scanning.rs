//! The scan by itself: time is an argument.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use models::package::{PackageLimits, WEIGHTS_FILE};
use protocol::StyleState;

use super::{cut_weights, name, package, problem, state, write};
use crate::entry::{Change, Entry, diff};
use crate::scan::{Haste, Look, QUIET_READ, QUIET_REFUSE, Scan};

/// A folder, a clock that is moved by hand, and the newest scan.
struct Film {
    folder: tempfile::TempDir,
    now: Instant,
    scan: Scan,
}

impl Film {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), now: Instant::now(), scan: Scan::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Scans after a while and returns what changed.
    fn after(&mut self, wait: Duration) -> Vec<Change> {
        self.now += wait;
        let limits = PackageLimits::default();
        let look = Look { folder: self.folder.path(), limits: &limits, now: self.now, haste: Haste::None };
        let next = self.scan.next(look).unwrap();
        let changes = diff(&self.scan.snapshot(), &next.snapshot());
        self.scan = next;
        changes
    }

    /// Scans as often as the scan asks for it.
    fn settle(&mut self) {
        self.after(Duration::ZERO);
        while let Some(due) = self.scan.due() {
            self.after(due.saturating_duration_since(self.now));
        }
    }

    fn entry(&self, style: &str) -> Option<Arc<Entry>> {
        self.scan.snapshot().get(&name(style)).cloned()
    }
}

const MOMENT: Duration = Duration::from_millis(1);

#[test]
fn a_style_is_read_once_its_files_have_stood_still() {
    let mut film = Film::new();
    write(&film.path("wave"), 0.1);
    assert!(film.after(Duration::ZERO).is_empty());
    assert_eq!(film.scan.due(), Some(film.now + QUIET_READ));
    assert!(film.after(QUIET_READ.saturating_sub(MOMENT)).is_empty());
    fs::write(film.path("wave").join("note"), "still copying").unwrap();
    assert!(film.after(MOMENT).is_empty(), "it has just changed");
    let changes = film.after(QUIET_READ);
    assert_eq!(changes.len(), 1);
    assert_eq!(state(&film.entry("wave").unwrap()), (StyleState::Ready, None));
    assert_eq!(film.scan.due(), None);
}

#[test]
fn a_copy_in_progress_is_not_called_broken() {
    let mut film = Film::new();
    let (whole, wave) = (film.path(".whole"), film.path("wave"));
    write(&whole, 0.1);
    fs::create_dir(&wave).unwrap();
    film.after(Duration::ZERO);
    fs::copy(whole.join("style.toml"), wave.join("style.toml")).unwrap();
    let weights = fs::read(whole.join(WEIGHTS_FILE)).unwrap();
    for length in [0, 100, weights.len() / 2, weights.len() - 1] {
        fs::write(wave.join(WEIGHTS_FILE), &weights[..length]).unwrap();
        assert!(film.after(MOMENT).is_empty());
        assert!(film.after(QUIET_REFUSE.saturating_sub(MOMENT)).is_empty(), "a copy that stalls at {length} bytes");
    }
    fs::write(wave.join(WEIGHTS_FILE), &weights).unwrap();
    film.after(MOMENT);
    film.after(QUIET_READ);
    assert_eq!(state(&film.entry("wave").unwrap()), (StyleState::Ready, None));
}

#[test]
fn a_style_that_never_was_good_is_broken_and_says_why() {
    let mut film = Film::new();
    write(&film.path("wave"), 0.1);
    cut_weights(&film.path("wave"));
    fs::create_dir(film.path("empty")).unwrap();
    film.settle();
    assert_eq!(state(&film.entry("wave").unwrap()), (StyleState::Broken, Some("digest_mismatch")));
    assert_eq!(state(&film.entry("empty").unwrap()), (StyleState::Broken, Some("manifest_missing")));
    assert!(film.entry("wave").unwrap().package.is_none());
}

/// What makes a style a bad one.
type Break = fn(&Path);

#[test]
fn a_bad_package_never_replaces_a_good_one() {
    let mut film = Film::new();
    write(&film.path("wave"), 0.1);
    film.settle();
    let good = film.entry("wave").unwrap().package.clone().unwrap();
    let breaks: [(&str, Break); 4] = [
        ("digest_mismatch", cut_weights),
        ("weights_missing", |folder| fs::remove_file(folder.join(WEIGHTS_FILE)).unwrap()),
        ("manifest_invalid", |folder| fs::write(folder.join("style.toml"), "title = [").unwrap()),
        ("manifest_missing", |folder| fs::remove_file(folder.join("style.toml")).unwrap()),
    ];
    for (code, break_it) in breaks {
        break_it(&film.path("wave"));
        film.settle();
        let entry = film.entry("wave").unwrap();
        assert_eq!(state(&entry), (StyleState::Ready, Some(code)));
        assert!(Arc::ptr_eq(entry.package.as_ref().unwrap(), &good));
    }
    write(&film.path("wave"), 0.2);
    film.settle();
    let entry = film.entry("wave").unwrap();
    assert_eq!((state(&entry), entry.style.digest.as_ref()), ((StyleState::Ready, None), Some(&package(0.2).digest)));
}

#[test]
fn a_style_that_has_not_changed_is_not_read_again() {
    let mut film = Film::new();
    write(&film.path("wave"), 0.1);
    film.settle();
    let before = film.entry("wave").unwrap();
    assert!(film.after(Duration::from_secs(60)).is_empty());
    assert!(Arc::ptr_eq(&before, &film.entry("wave").unwrap()));
}

#[test]
fn a_touched_file_is_no_change() {
    let mut film = Film::new();
    write(&film.path("wave"), 0.1);
    film.settle();
    let before = film.entry("wave").unwrap();
    let file = File::options().write(true).open(film.path("wave").join(WEIGHTS_FILE)).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert!(film.after(Duration::ZERO).is_empty() && film.scan.due().is_some(), "it is looked at again");
    assert!(film.after(QUIET_READ).is_empty());
    assert!(Arc::ptr_eq(before.package.as_ref().unwrap(), film.entry("wave").unwrap().package.as_ref().unwrap()));
}

#[test]
fn weights_of_the_same_length_and_age_are_a_change() {
    let mut film = Film::new();
    let file = film.path("wave.safetensors");
    fs::write(&file, package(0.1).to_bytes()).unwrap();
    let before = fs::metadata(&file).unwrap();
    film.settle();
    fs::write(&file, package(0.2).to_bytes()).unwrap();
    File::options().write(true).open(&file).unwrap().set_modified(before.modified().unwrap()).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().len(), before.len());
    film.settle();
    assert_eq!(film.entry("wave").unwrap().style.digest, Some(package(0.2).digest));
}

#[test]
fn a_lone_file_is_a_style_too() {
    let mut film = Film::new();
    fs::write(film.path("wave.safetensors"), package(0.1).to_bytes()).unwrap();
    film.settle();
    let style = &film.entry("wave").unwrap().style;
    assert_eq!((style.digest.as_ref(), style.has_preview), (Some(&package(0.1).digest), true));
    assert_eq!((style.title.as_deref(), style.architecture.as_deref()), (Some("Shade 0.1"), Some("house")));
    assert!(style.parameters.is_some_and(|count| count > 500));
}

#[test]
fn a_folder_wins_over_a_lone_file_of_its_name() {
    let mut film = Film::new();
    fs::write(film.path("wave.safetensors"), package(0.1).to_bytes()).unwrap();
    write(&film.path("wave"), 0.2);
    film.settle();
    let style = &film.entry("wave").unwrap().style;
    assert_eq!((style.digest.as_ref(), style.problem.as_ref()), (Some(&package(0.2).digest), None));
    assert!(film.scan.remarks.iter().any(|remark| remark.starts_with("wave.safetensors is passed over")));
    fs::remove_dir_all(film.path("wave")).unwrap();
    film.settle();
    assert_eq!(film.entry("wave").unwrap().style.digest, Some(package(0.1).digest));
}

#[test]
fn the_name_is_the_folders_alone() {
    let mut film = Film::new();
    write(&film.path("wave"), 0.1);
    write(&film.path("copy_of-wave-2"), 0.1);
    film.settle();
    assert_eq!(film.entry("wave").unwrap().style.digest, film.entry("copy_of-wave-2").unwrap().style.digest);
}

#[test]
fn names_that_begin_with_a_dot_are_ignored_and_impossible_ones_are_skipped_with_a_remark() {
    let mut film = Film::new();
    for folder in [".wave", ".staging", "Wave", "a b", "-wave", "good"] {
        write(&film.path(folder), 0.1);
    }
    fs::write(film.path(".x.safetensors"), package(0.1).to_bytes()).unwrap();
    fs::write(film.path("Ä.safetensors"), package(0.1).to_bytes()).unwrap();
    fs::write(film.path("README.md"), "no style").unwrap();
    fs::write(film.path("wave"), "a file without the ending").unwrap();
    film.settle();
    let names: Vec<_> = film.scan.snapshot().iter().map(|entry| entry.style.name.to_string()).collect();
    assert_eq!(names, ["good"]);
    assert_eq!(film.scan.remarks.len(), 4, "{:?}", film.scan.remarks);
}

#[test]
fn a_renamed_style_went_and_appeared() {
    let mut film = Film::new();
    write(&film.path("wave"), 0.1);
    film.settle();
    fs::rename(film.path("wave"), film.path("sea")).unwrap();
    let mut changes = film.after(Duration::ZERO);
    changes.extend(film.after(QUIET_READ));
    let told: Vec<_> = changes.iter().map(|change| (change.name.as_str(), change.entry.is_some())).collect();
    assert_eq!(told, [("wave", false), ("sea", true)]);
}

#[test]
fn a_style_that_could_not_be_read_is_tried_again_though_nothing_changed() {
    let mut film = Film::new();
    write(&film.path("wave"), 0.1);
    // A link in a circle: the system answers with an error, as it does when files run out.
    let loops = film.path("wave").join("style.toml");
    fs::remove_file(&loops).unwrap();
    std::os::unix::fs::symlink("style.toml", &loops).unwrap();
    film.settle();
    assert_eq!(problem(&film.entry("wave").unwrap()), Some("unreadable"));
    let before = film.entry("wave").unwrap();
    assert!(film.after(Duration::from_secs(30)).is_empty(), "the same problem is no news");
    assert!(!Arc::ptr_eq(&before, &film.entry("wave").unwrap()), "it was judged anew");
}

#[test]
fn at_the_start_everything_is_judged_at_once() {
    let film = Film::new();
    write(&film.path("wave"), 0.1);
    fs::create_dir(film.path("empty")).unwrap();
    let limits = PackageLimits::default();
    let look = Look { folder: film.folder.path(), limits: &limits, now: film.now, haste: Haste::All };
    let scan = Scan::default().next(look).unwrap();
    let states: Vec<_> = scan.snapshot().iter().map(|entry| entry.style.state).collect();
    assert_eq!((states.as_slice(), scan.due()), ([StyleState::Broken, StyleState::Ready].as_slice(), None));
}
