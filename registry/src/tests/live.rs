//! The folder while the registry watches it.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use models::package::WEIGHTS_FILE;
use protocol::StyleState;

use super::{Bench, cut_weights, name, package, state, write};
use crate::{Detection, Options, Registry, RegistryError};

/// Events alone: the reconciliation does not help within a test's deadline.
fn events() -> Options {
    Options { reconcile: Duration::from_secs(3600), ..Options::default() }
}

fn polling() -> Options {
    Options { detection: Detection::Polling, ..events() }
}

/// Lives through a style's whole life in the folder.
fn check_a_styles_life(options: Options) {
    let bench = Bench::new(options);
    // Copied.
    write(&bench.path("wave"), 0.1);
    bench.wait_ready("wave", 0.1);
    // Changed in place.
    write(&bench.path("wave"), 0.2);
    bench.wait_ready("wave", 0.2);
    // Broken and mended.
    cut_weights(&bench.path("wave"));
    let entry = bench.wait_problem("wave", "digest_mismatch");
    assert_eq!(entry.style.state, StyleState::Ready);
    write(&bench.path("wave"), 0.2);
    bench.wait_ready("wave", 0.2);
    // Renamed.
    fs::rename(bench.path("wave"), bench.path("sea")).unwrap();
    bench.wait_gone("wave");
    bench.wait_ready("sea", 0.2);
    // Changed after it was renamed.
    write(&bench.path("sea"), 0.3);
    bench.wait_ready("sea", 0.3);
    // Moved in, over a style of the name.
    write(&bench.beside("other"), 0.4);
    fs::rename(bench.path("sea"), bench.beside("old-sea")).unwrap();
    fs::rename(bench.beside("other"), bench.path("sea")).unwrap();
    bench.wait_ready("sea", 0.4);
    write(&bench.path("sea"), 0.5);
    bench.wait_ready("sea", 0.5);
    // Removed.
    fs::remove_dir_all(bench.path("sea")).unwrap();
    bench.wait_gone("sea");
    assert!(bench.registry.snapshot().is_empty());
}

#[test]
fn whatever_happens_to_a_folder_is_live() {
    check_a_styles_life(events());
}

#[test]
fn whatever_happens_to_a_folder_is_live_without_events() {
    check_a_styles_life(polling());
}

#[test]
fn what_the_events_did_not_tell_is_found_by_the_periodic_comparison() {
    check_a_styles_life(Options {
        reconcile: Duration::from_millis(100),
        detection: Detection::Polling,
        ..Options::default()
    });
}

#[test]
fn a_lone_file_is_live_too() {
    let bench = Bench::new(events());
    fs::write(bench.path("wave.safetensors"), package(0.1).to_bytes()).unwrap();
    bench.wait_ready("wave", 0.1);
    fs::write(bench.path("wave.safetensors"), package(0.2).to_bytes()).unwrap();
    bench.wait_ready("wave", 0.2);
    fs::remove_file(bench.path("wave.safetensors")).unwrap();
    bench.wait_gone("wave");
}

#[test]
fn a_change_is_live_within_a_second() {
    let bench = Bench::new(events());
    // The best of some, since other tests take the processor.
    let copies = (0..5u8).map(|i| {
        let style = format!("wave-{i}");
        let begin = Instant::now();
        write(&bench.path(&style), f32::from(i));
        bench.wait_ready(&style, f32::from(i));
        begin.elapsed()
    });
    let fastest = copies.min().unwrap();
    let problems = (0..5u8).map(|i| {
        let style = format!("wave-{i}");
        let begin = Instant::now();
        cut_weights(&bench.path(&style));
        bench.wait_problem(&style, "digest_mismatch");
        begin.elapsed()
    });
    let fastest_problem = problems.min().unwrap();
    assert!(fastest < Duration::from_secs(1), "{fastest:?}");
    assert!(fastest_problem < Duration::from_secs(1), "{fastest_problem:?}");
}

#[test]
fn a_job_keeps_the_weights_it_started_with() {
    let bench = Bench::filled(events(), |folder| write(&folder.join("wave"), 0.1));
    let job = bench.entry("wave").unwrap().package.clone().unwrap();
    let snapshot = bench.registry.snapshot();
    write(&bench.path("wave"), 0.2);
    bench.wait_ready("wave", 0.2);
    fs::remove_dir_all(bench.path("wave")).unwrap();
    bench.wait_gone("wave");
    assert_eq!(*job, package(0.1));
    assert_eq!(snapshot.get(&name("wave")).unwrap().style.digest, Some(package(0.1).digest));
}

#[test]
fn a_style_that_lost_its_good_version_over_a_restart_is_broken() {
    let bench = Bench::filled(events(), |folder| write(&folder.join("wave"), 0.1));
    cut_weights(&bench.path("wave"));
    let entry = bench.wait_problem("wave", "digest_mismatch");
    assert_eq!(entry.style.state, StyleState::Ready);
    let again = Registry::open(&bench.folder, events(), |_| {}).unwrap();
    let snapshot = again.snapshot();
    assert_eq!(state(snapshot.get(&name("wave")).unwrap()), (StyleState::Broken, Some("digest_mismatch")));
}

#[test]
fn a_folder_of_styles_that_disappears_and_returns_is_followed() {
    let bench = Bench::filled(events(), |folder| write(&folder.join("wave"), 0.1));
    for shade in [0.2, 0.3] {
        fs::rename(&bench.folder, bench.beside("elsewhere")).unwrap();
        bench.wait_gone("wave");
        fs::rename(bench.beside("elsewhere"), &bench.folder).unwrap();
        bench.wait("wave", |entry| entry.is_some());
        write(&bench.path("wave"), shade);
        bench.wait_ready("wave", shade);
    }
    fs::remove_dir_all(&bench.folder).unwrap();
    bench.wait_gone("wave");
    write(&bench.path("sea"), 0.4);
    bench.wait_ready("sea", 0.4);
    write(&bench.path("sea"), 0.5);
    bench.wait_ready("sea", 0.5);
}

#[test]
fn weights_that_arrive_piece_by_piece_are_served_when_they_are_whole() {
    let bench = Bench::new(events());
    write(&bench.beside("whole"), 0.1);
    let weights = fs::read(bench.beside("whole").join(WEIGHTS_FILE)).unwrap();
    let wave = bench.path("wave");
    fs::create_dir(&wave).unwrap();
    fs::copy(bench.beside("whole").join("style.toml"), wave.join("style.toml")).unwrap();
    let mut file = fs::File::create(wave.join(WEIGHTS_FILE)).unwrap();
    for piece in weights.chunks(512) {
        std::io::Write::write_all(&mut file, piece).unwrap();
    }
    let entry = bench.wait("wave", |entry| entry.is_some_and(|entry| entry.package.is_some())).unwrap();
    assert_eq!(entry.style.digest, Some(package(0.1).digest));
}

#[test]
fn reading_the_folder_does_not_wake_the_watch() {
    let bench = Bench::filled(events(), |folder| {
        write(&folder.join("wave"), 0.1);
        cut_weights(&folder.join("wave"));
    });
    let before = bench.entry("wave").unwrap();
    let _ = fs::read(bench.path("wave").join(WEIGHTS_FILE)).unwrap();
    assert!(bench.changes_until_marker().is_empty());
    assert!(Arc::ptr_eq(&before, &bench.entry("wave").unwrap()));
}

#[test]
fn the_thread_ends_with_the_last_registry() {
    let bench = Bench::new(events());
    let clone = bench.registry.clone();
    let Bench { registry, changes, .. } = bench;
    drop(registry);
    assert_eq!(changes.try_recv().unwrap_err(), std::sync::mpsc::TryRecvError::Empty);
    drop(clone);
    // The callback, and with it the sender, is gone: the thread was joined.
    assert_eq!(changes.try_recv().unwrap_err(), std::sync::mpsc::TryRecvError::Disconnected);
}

#[test]
fn a_folder_that_can_not_be_one_is_refused_at_the_start() {
    let ground = tempfile::tempdir().unwrap();
    let file = ground.path().join("styles");
    fs::write(&file, "a file").unwrap();
    for path in [file.as_path(), &file.join("below"), Path::new("/proc/styles")] {
        let error = Registry::open(path, events(), |_| {}).unwrap_err();
        assert!(matches!(error, RegistryError::Folder { .. }), "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}
