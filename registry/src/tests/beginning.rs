//! The first start and those after it.

use std::fs;

use models::builtin::builtin_styles;
use protocol::StyleState;

use super::{name, package, state};
use crate::{Options, Registry};

fn names(registry: &Registry) -> Vec<String> {
    registry.snapshot().iter().map(|entry| entry.style.name.to_string()).collect()
}

#[test]
fn a_folder_that_is_first_made_holds_the_builtin_styles() {
    let ground = tempfile::tempdir().unwrap();
    let folder = ground.path().join("data").join("styles");
    let registry = Registry::open(&folder, Options::default(), |_| {}).unwrap();
    assert_eq!(names(&registry), builtin_styles().map(|style| style.name).collect::<Vec<_>>());
    let snapshot = registry.snapshot();
    assert!(snapshot.iter().all(|entry| state(entry) == (StyleState::Ready, None) && entry.style.has_preview));
    assert_eq!(fs::read_dir(ground.path().join("data")).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn a_deleted_builtin_style_stays_deleted() {
    let ground = tempfile::tempdir().unwrap();
    let folder = ground.path().join("styles");
    let registry = Registry::open(&folder, Options::default(), |_| {}).unwrap();
    for style in names(&registry) {
        registry.remove(&name(&style)).unwrap();
    }
    drop(registry);
    let registry = Registry::open(&folder, Options::default(), |_| {}).unwrap();
    assert!(registry.snapshot().is_empty());
}

#[test]
fn a_folder_that_exists_gets_no_builtin_styles() {
    let ground = tempfile::tempdir().unwrap();
    let registry = Registry::open(ground.path(), Options::default(), |_| {}).unwrap();
    assert!(registry.snapshot().is_empty());
    registry.publish(&name("wave"), &package(0.1)).unwrap();
    assert_eq!(names(&registry), ["wave"]);
}

#[test]
fn a_crash_half_way_through_the_first_start_leaves_nothing_that_counts() {
    let ground = tempfile::tempdir().unwrap();
    let half = ground.path().join(".styles.new");
    fs::create_dir_all(half.join("great-wave")).unwrap();
    fs::write(half.join("great-wave").join("style.toml"), "title = \"Gr").unwrap();
    let registry = Registry::open(&ground.path().join("styles"), Options::default(), |_| {}).unwrap();
    assert_eq!(registry.snapshot().len(), builtin_styles().count());
    assert!(registry.snapshot().iter().all(|entry| state(entry) == (StyleState::Ready, None)));
    assert!(!half.exists());
}
