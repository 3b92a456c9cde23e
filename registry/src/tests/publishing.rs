//! Writing into the folder.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use models::package::{Package, PackageLimits};
use protocol::StyleState;

use super::{Bench, cut_weights, name, package, state, write};
use crate::{Detection, Options, Registry, RegistryError};

/// No events and no polling to speak of: what is seen was seen by the call itself.
fn deaf() -> Options {
    Options { reconcile: Duration::from_secs(3600), ..Options::default() }
}

#[test]
fn a_published_style_is_in_the_snapshot_when_publish_returns() {
    let bench = Bench::new(deaf());
    for shade in [0.1, 0.2, 0.3] {
        let entry = bench.registry.publish(&name("wave"), &package(shade)).unwrap();
        assert_eq!(entry.style.digest, Some(package(shade).digest));
        assert!(Arc::ptr_eq(&entry, &bench.entry("wave").unwrap()));
        bench.wait_ready("wave", shade);
    }
    assert_eq!(Package::read_folder(&bench.path("wave"), &PackageLimits::default()).unwrap(), package(0.3));
    assert_eq!(leftovers(&bench.folder), [".lock"]);
}

#[test]
fn publishing_mends_a_broken_style_and_takes_the_place_of_a_lone_file() {
    let bench = Bench::filled(deaf(), |folder| {
        write(&folder.join("wave"), 0.1);
        cut_weights(&folder.join("wave"));
        fs::write(folder.join("sea.safetensors"), package(0.1).to_bytes()).unwrap();
        fs::write(folder.join("file"), "in the way").unwrap();
        std::os::unix::fs::symlink("/nowhere", folder.join("link")).unwrap();
    });
    for style in ["wave", "sea", "file", "link"] {
        let entry = bench.registry.publish(&name(style), &package(0.2)).unwrap();
        assert_eq!(state(&entry), (StyleState::Ready, None), "{style}");
    }
    assert!(!bench.path("sea.safetensors").exists());
}

#[test]
fn a_new_style_takes_no_name_that_is_taken_but_may_be_published_twice() {
    let bench = Bench::filled(deaf(), |folder| {
        write(&folder.join("wave"), 0.1);
        write(&folder.join("broken"), 0.1);
        cut_weights(&folder.join("broken"));
        fs::write(folder.join("sea.safetensors"), package(0.1).to_bytes()).unwrap();
    });
    for style in ["wave", "broken", "sea"] {
        let error = bench.registry.publish_new(&name(style), &package(0.2)).unwrap_err();
        assert!(matches!(error, RegistryError::Exists { .. }), "{style}: {error}");
    }
    for style in ["wave", "sea", "new", "new"] {
        let entry = bench.registry.publish_new(&name(style), &package(0.1)).unwrap();
        assert_eq!(entry.style.digest, Some(package(0.1).digest), "{style}");
    }
    assert!(bench.path("sea.safetensors").exists(), "it was there already");
}

#[test]
fn a_package_that_a_scan_would_refuse_is_not_published() {
    let options = Options { limits: PackageLimits { weights_bytes: 64, ..PackageLimits::default() }, ..deaf() };
    let bench = Bench::new(options);
    let error = bench.registry.publish(&name("wave"), &package(0.1)).unwrap_err();
    let RegistryError::Refused { problem, .. } = error else { panic!("{error}") };
    assert_eq!(problem.code, "too_large");
    assert!(bench.entry("wave").is_none() && !bench.path("wave").exists());
    assert_eq!(leftovers(&bench.folder), [".lock"]);
}

#[test]
fn a_removed_style_is_gone_when_remove_returns() {
    let bench = Bench::filled(deaf(), |folder| {
        write(&folder.join("wave"), 0.1);
        fs::write(folder.join("wave.safetensors"), package(0.2).to_bytes()).unwrap();
        fs::write(folder.join("sea.safetensors"), package(0.2).to_bytes()).unwrap();
        fs::create_dir(folder.join("broken")).unwrap();
        std::os::unix::fs::symlink(".", folder.join("link")).unwrap();
    });
    for style in ["wave", "sea", "broken", "link"] {
        bench.registry.remove(&name(style)).unwrap();
        assert!(bench.entry(style).is_none(), "{style}");
        let error = bench.registry.remove(&name(style)).unwrap_err();
        assert!(matches!(error, RegistryError::NotFound { .. }), "{error}");
    }
    assert_eq!(leftovers(&bench.folder), [".lock"]);
    assert!(bench.folder.exists(), "a link is removed, not what it points to");
}

#[test]
fn the_name_never_stands_for_nothing_while_it_is_published_anew() {
    let bench = Bench::new(deaf());
    bench.registry.publish(&name("wave"), &package(0.0)).unwrap();
    let is_done = AtomicBool::new(false);
    let (manifest, registry) = (bench.path("wave").join("style.toml"), bench.registry.clone());
    thread::scope(|scope| {
        let is_done = &is_done;
        let reader = scope.spawn(move || {
            while !is_done.load(Ordering::Relaxed) {
                fs::metadata(&manifest).unwrap();
                assert!(registry.snapshot().get(&name("wave")).unwrap().package.is_some());
            }
        });
        (1..50u8).for_each(|i| drop(bench.registry.publish(&name("wave"), &package(f32::from(i))).unwrap()));
        is_done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
}

#[test]
fn many_may_publish_at_once() {
    let bench = Bench::new(deaf());
    thread::scope(|scope| {
        for i in 0..8u8 {
            let registry = bench.registry.clone();
            scope.spawn(move || {
                let style = name(&format!("wave-{}", i % 4));
                registry.publish(&style, &package(f32::from(i))).unwrap();
            });
        }
    });
    assert_eq!(bench.registry.snapshot().iter().filter(|entry| entry.package.is_some()).count(), 4);
}

#[test]
fn publishing_makes_a_folder_of_styles_that_is_gone() {
    let bench = Bench::new(deaf());
    fs::remove_dir_all(&bench.folder).unwrap();
    assert!(matches!(bench.registry.remove(&name("wave")).unwrap_err(), RegistryError::NotFound { .. }));
    bench.registry.publish(&name("wave"), &package(0.1)).unwrap();
    write(&bench.path("sea"), 0.2);
    bench.wait_ready("sea", 0.2);
}

#[test]
fn what_a_crash_left_behind_is_put_right_at_the_start() {
    let bench = Bench::filled(deaf(), |folder| {
        write(&folder.join(".staging"), 0.1);
        cut_weights(&folder.join(".staging"));
        write(&folder.join(".removed"), 0.2);
        // Stepped aside for a version that never came, and for one that did.
        write(&folder.join(".replaced-wave"), 0.3);
        write(&folder.join(".replaced-sea"), 0.4);
        write(&folder.join("sea"), 0.5);
    });
    assert_eq!(leftovers(&bench.folder), [".lock"]);
    assert_eq!(bench.entry("wave").unwrap().style.digest, Some(package(0.3).digest));
    assert_eq!(bench.entry("sea").unwrap().style.digest, Some(package(0.5).digest));
}

#[test]
fn a_kill_while_publishing_leaves_a_whole_version() {
    let ground = tempfile::tempdir().unwrap();
    let folder = ground.path().join("styles");
    for round in 0..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tests::publishing::publishes_until_it_is_killed", "--nocapture", "--ignored"])
            .env(FOLDER, &folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let published = lines.map_while(Result::ok).filter(|line| line.ends_with("published"));
        assert_eq!(published.take(round % 5 + 1).count(), round % 5 + 1);
        child.kill().unwrap();
        child.wait().unwrap();
        let registry = Registry::open(&folder, deaf(), |_| {}).unwrap();
        let snapshot = registry.snapshot();
        assert_eq!(state(snapshot.get(&name("wave")).unwrap()), (StyleState::Ready, None), "round {round}");
        assert_eq!(leftovers(&folder), [".lock"]);
    }
}

const FOLDER: &str = "REGISTRY_TEST_FOLDER";

#[test]
#[ignore = "is the child process of the test above"]
fn publishes_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let options = Options { detection: Detection::Polling, ..deaf() };
    let registry = Registry::open(Path::new(&folder), options, |_| {}).unwrap();
    for shade in 0u16.. {
        registry.publish(&name("wave"), &package(f32::from(shade))).unwrap();
        writeln!(std::io::stdout(), "published").unwrap();
    }
}

fn leftovers(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|item| item.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with('.')).collect()
}
