//! Mangled files at every door where strangers' bytes are read: whatever they hold, they are read or refused.
//!
//! The files are in `fuzz/corpus`, a folder a door: good ones, by names of their own, and what libFuzzer has found beside
//! them (`just fuzz`), by digests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use models::import::read_bytes;
use models::package::{Package, PackageLimits};
use models::picture::{Limits, decode};
use tests::Mangler;
use tests::doors::{self, Route};

/// How many files are mangled at each door.
const FILES: usize = 300;

/// How many are sent to the daemon.
const REQUESTS: usize = 150;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// Returns the files of a door, with their paths.
fn corpus(door: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(folder("corpus").join(door)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), std::fs::read(file).unwrap())).collect()
}

/// Returns the files of a door that have an extension: the good ones.
fn good(door: &str) -> impl Iterator<Item = (PathBuf, Vec<u8>)> {
    corpus(door).into_iter().filter(|(file, _)| file.extension().is_some())
}

/// Knocks at a door with its files and with mangled ones, the same every time.
fn besiege(name: &str, mangled: usize, door: impl Fn(&[u8])) {
    let files: Vec<_> = corpus(name).into_iter().map(|(_, bytes)| bytes).collect();
    for bytes in &files {
        door(bytes);
    }
    let mut mangler = Mangler::new(7878);
    for _ in 0..mangled {
        door(&mangler.mangle(&files));
    }
}

#[test]
fn each_target_has_a_corpus_that_is_read_here() {
    let doors = ["deeplearnjs", "form", "import", "network", "package", "pickle", "picture", "transform"];
    let doors: BTreeSet<_> = doors.map(str::to_owned).into();
    assert_eq!(names(&folder("corpus")), doors);
    assert_eq!(names(&folder("fuzz_targets")), doors);
}

#[test]
fn mangled_pictures_are_read_or_refused() {
    for (file, bytes) in good("picture") {
        decode(&bytes, Limits::default()).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
    besiege("picture", FILES, doors::picture);
}

#[test]
fn mangled_packages_are_read_or_refused() {
    for (file, bytes) in good("package") {
        let read = Package::from_bytes(&bytes, &PackageLimits::default());
        read.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
    besiege("package", FILES, doors::package);
}

#[test]
fn mangled_imports_are_read_or_refused() {
    for (file, bytes) in good("import") {
        let read = read_bytes(&bytes, "Good", &PackageLimits::default());
        read.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
    besiege("import", FILES, doors::import);
    besiege("deeplearnjs", FILES, doors::deeplearnjs);
}

#[test]
fn mangled_loss_networks_are_read_or_refused() {
    besiege("network", FILES, doors::network);
    besiege("pickle", FILES, doors::pickle);
}

/// Sends files to a route whose good ones are accepted.
fn besiege_route(name: &str, route: Route) {
    for (file, bytes) in good(name) {
        let status = route.send(&bytes);
        assert!(matches!(status, 200 | 202), "{}: {status}", file.display());
    }
    besiege(name, REQUESTS, |bytes| {
        route.send(bytes);
    });
    route.close();
}

#[test]
fn mangled_forms_are_taken_or_refused() {
    besiege_route("form", Route::form(|_| {}));
}

#[test]
fn mangled_transforms_are_taken_or_refused() {
    besiege_route("transform", Route::transform(|_| {}));
}
