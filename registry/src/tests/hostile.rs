//! What strangers put into the folder.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

use models::package::{PREVIEW_FILE, PackageLimits, WEIGHTS_FILE};
use protocol::StyleState;

use super::{Bench, name, package, problem, state, write};
use crate::Options;
use crate::listing::list;
use crate::scan::{Haste, Look, Scan};

fn make_pipe(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
}

/// Opens a registry on a folder with one good style and one spoilt one; the good one always serves.
fn check(code: &str, spoil: impl FnOnce(&Path)) {
    let bench = Bench::filled(Options::default(), |folder| {
        write(&folder.join("good"), 0.1);
        write(&folder.join("wave"), 0.2);
        spoil(&folder.join("wave"));
    });
    assert_eq!(state(&bench.entry("wave").unwrap()), (StyleState::Broken, Some(code)));
    assert_eq!(state(&bench.entry("good").unwrap()), (StyleState::Ready, None));
    write(&bench.path("later"), 0.3);
    bench.wait_ready("later", 0.3);
}

fn replace(file: &Path, with: impl FnOnce(&Path)) {
    fs::remove_file(file).unwrap();
    with(file);
}

#[test]
fn a_pipe_for_weights_blocks_nothing() {
    check("not_a_file", |wave| replace(&wave.join(WEIGHTS_FILE), make_pipe));
}

#[test]
fn a_pipe_for_a_manifest_blocks_nothing() {
    check("not_a_file", |wave| replace(&wave.join("style.toml"), make_pipe));
}

#[test]
fn a_socket_for_a_preview_is_refused() {
    check("not_a_file", |wave| replace(&wave.join(PREVIEW_FILE), |file| drop(UnixListener::bind(file).unwrap())));
}

#[test]
fn a_directory_for_weights_is_refused() {
    check("not_a_file", |wave| replace(&wave.join(WEIGHTS_FILE), |file| fs::create_dir(file).unwrap()));
}

#[test]
fn a_device_for_weights_is_refused() {
    check("outside_folder", |wave| replace(&wave.join(WEIGHTS_FILE), |file| symlink("/dev/zero", file).unwrap()));
}

#[test]
fn a_link_out_of_the_folder_is_refused() {
    check("outside_folder", |wave| replace(&wave.join(PREVIEW_FILE), |file| symlink("/etc/passwd", file).unwrap()));
}

#[test]
fn oversized_weights_are_refused_without_reading_them() {
    check("too_large", |wave| {
        File::options().write(true).open(wave.join(WEIGHTS_FILE)).unwrap().set_len(1 << 40).unwrap();
    });
}

#[test]
fn a_folder_with_too_many_files_is_refused() {
    check("too_many_files", |wave| {
        (0..2000).for_each(|i| drop(File::create(wave.join(format!("junk-{i}"))).unwrap()));
    });
}

#[test]
fn garbage_is_refused() {
    check("digest_mismatch", |wave| fs::write(wave.join(WEIGHTS_FILE), [0xff; 4096]).unwrap());
    check("manifest_invalid", |wave| fs::write(wave.join("style.toml"), [0xff; 4096]).unwrap());
}

#[test]
fn a_style_that_is_a_link_is_refused() {
    let bench = Bench::filled(Options::default(), |folder| {
        write(&folder.join("wave"), 0.1);
        symlink("wave", folder.join("link")).unwrap();
        fs::write(folder.join(".file"), package(0.1).to_bytes()).unwrap();
        symlink(".file", folder.join("file.safetensors")).unwrap();
        symlink("/nowhere", folder.join("dangling")).unwrap();
        symlink(".", folder.join("loop")).unwrap();
    });
    for style in ["link", "file", "dangling", "loop"] {
        assert_eq!(state(&bench.entry(style).unwrap()), (StyleState::Broken, Some("link")), "{style}");
    }
}

#[test]
fn a_pipe_or_directory_with_a_files_ending_is_refused() {
    let bench = Bench::filled(Options::default(), |folder| {
        make_pipe(&folder.join("pipe.safetensors"));
        fs::create_dir(folder.join("directory.safetensors")).unwrap();
        make_pipe(&folder.join("pipe"));
    });
    for style in ["pipe", "directory"] {
        assert_eq!(problem(&bench.entry(style).unwrap()), Some("not_a_file"), "{style}");
    }
}

#[test]
fn a_style_that_may_not_be_read_becomes_good_when_it_may() {
    let bench = Bench::filled(Options::default(), |folder| {
        write(&folder.join("wave"), 0.1);
        fs::set_permissions(folder.join("wave"), Permissions::from_mode(0o000)).unwrap();
    });
    let wave = bench.path("wave");
    if fs::read_dir(&wave).is_ok() {
        eprintln!("skipped: this user may read everything");
        return;
    }
    assert_eq!(state(&bench.entry("wave").unwrap()), (StyleState::Broken, Some("unreadable")));
    fs::set_permissions(&wave, Permissions::from_mode(0o755)).unwrap();
    bench.wait_ready("wave", 0.1);
}

#[test]
fn a_folder_of_styles_that_may_not_be_listed_keeps_its_styles() {
    let bench = Bench::filled(Options::default(), |folder| write(&folder.join("wave"), 0.1));
    fs::set_permissions(&bench.folder, Permissions::from_mode(0o000)).unwrap();
    if fs::read_dir(&bench.folder).is_ok() {
        eprintln!("skipped: this user may read everything");
        return;
    }
    bench.registry.publish(&name("sea"), &package(0.2)).unwrap_err();
    bench.registry.shared.rescan(Haste::None).unwrap_err();
    assert_eq!(state(&bench.entry("wave").unwrap()), (StyleState::Ready, None));
    fs::set_permissions(&bench.folder, Permissions::from_mode(0o755)).unwrap();
    write(&bench.path("sea"), 0.2);
    bench.wait_ready("sea", 0.2);
}

#[test]
fn a_deep_tree_is_passed_over() {
    let bench = Bench::filled(Options::default(), |folder| {
        write(&folder.join("wave"), 0.1);
        let deep: String = "d/".repeat(1000);
        fs::create_dir_all(folder.join("wave").join(deep)).unwrap();
    });
    assert_eq!(state(&bench.entry("wave").unwrap()), (StyleState::Ready, None));
    write(&bench.path("wave"), 0.2);
    bench.wait_ready("wave", 0.2);
}

#[test]
fn ten_thousand_junk_files_do_not_slow_a_scan_down() {
    let ground = tempfile::tempdir().unwrap();
    let folder = ground.path();
    write(&folder.join("wave"), 0.1);
    for i in 0..10_000 {
        File::create(folder.join(format!("junk-{i}.tmp"))).unwrap();
        if i % 100 == 0 {
            fs::create_dir(folder.join(format!("Junk {i}"))).unwrap();
        }
    }
    let limits = PackageLimits::default();
    let look = Look { folder, limits: &limits, now: Instant::now(), haste: Haste::All };
    let mut scan = Scan::default().next(look).unwrap();
    let times = (0..5).map(|_| {
        let begin = Instant::now();
        scan = scan.next(look).unwrap();
        begin.elapsed()
    });
    let fastest = times.min().unwrap();
    assert!(fastest < Duration::from_millis(100), "{fastest:?}");
    assert_eq!(scan.snapshot().len(), 1);
    assert_eq!(list(folder).unwrap().remarks.len(), 50, "the log is not flooded");
}
