//! The house's walls: which crate may know which.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Our own crates that each of our crates may depend on.
const INTERNAL: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("models", &[]),
    ("registry", &["models", "protocol"]),
    ("daemon", &["models", "protocol", "registry"]),
    ("tui", &["protocol"]),
];

/// Crates of others that only one of ours may name.
const EXCLUSIVE: &[(&str, &str)] = &[
    ("candle-core", "models"),
    ("candle-nn", "models"),
    ("notify", "registry"),
    ("sled", "daemon"),
    ("lettre", "daemon"),
    ("axum", "daemon"),
    ("ratatui", "tui"),
];

/// Reads every workspace member's direct, non-development dependencies.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--locked"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let names = |package: &serde_json::Value| {
        let all = package["dependencies"].as_array().unwrap().iter();
        let kept = all.filter(|dependency| dependency["kind"].as_str() != Some("dev"));
        kept.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect()
    };
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages.map(|package| (package["name"].as_str().unwrap().to_owned(), names(package))).collect()
}

#[test]
fn crates_know_only_whom_they_may_know() {
    let dependencies = dependencies();
    let own: BTreeSet<_> = INTERNAL.iter().map(|(name, _)| (*name).to_owned()).chain(["tests".to_owned()]).collect();
    assert_eq!(dependencies.keys().cloned().collect::<BTreeSet<_>>(), own, "a new crate needs its place here");
    for (name, allowed) in INTERNAL {
        let known: BTreeSet<_> = dependencies[*name].intersection(&own).map(String::as_str).collect();
        let allowed: BTreeSet<_> = allowed.iter().copied().collect();
        assert!(known.is_subset(&allowed), "{name} must not know {:?}", &known - &allowed);
    }
}

#[test]
fn what_belongs_to_one_crate_stays_there() {
    for (name, known) in dependencies() {
        for (theirs, owner) in EXCLUSIVE {
            assert!(name == *owner || name == "tests" || !known.contains(*theirs), "{name} must not know {theirs}");
        }
    }
}
