//! The patches of `tests/broken`, each of which breaks a promise for a test to notice, keep up with what they break.
//! `just broken` builds them and runs the tests.

use std::fs;
use std::path::Path;

/// Returns the files that a patch changes, each with the lines that it expects to find there, one text a hunk.
fn expected(patch: &str) -> Vec<(&str, Vec<String>)> {
    let mut files: Vec<(&str, Vec<String>)> = Vec::new();
    for line in patch.lines() {
        if let Some(file) = line.strip_prefix("--- ") {
            files.push((file, Vec::new()));
        } else if let Some((_, hunks)) = files.last_mut() {
            match (line.split_at_checked(1), hunks.last_mut()) {
                (Some(("@", _)), _) => hunks.push(String::new()),
                (Some((" " | "-", found)), Some(hunk)) => hunk.extend([found, "\n"]),
                _ => {}
            }
        }
    }
    files
}

#[test]
fn every_patch_finds_what_it_breaks_and_a_test_that_shall_notice() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut patches = 0;
    for entry in fs::read_dir(root.join("tests/broken")).unwrap() {
        let path = entry.unwrap().path();
        let patch = fs::read_to_string(&path).unwrap();
        let files = expected(&patch);
        assert!(!files.is_empty(), "{path:?}");
        for (file, hunks) in files {
            let source = fs::read_to_string(root.join(file)).unwrap();
            for hunk in hunks {
                assert!(source.contains(&hunk), "{path:?} no longer finds this in {file}:\n{hunk}");
            }
        }
        let said = |what: &str| patch.lines().find_map(|line| line.strip_prefix(what)).unwrap();
        assert!(!said("Promise: ").is_empty());
        let (module, function) = said("Test: ").split_once("::").unwrap();
        let tests = fs::read_to_string(root.join(format!("tests/tests/whole/{module}.rs"))).unwrap();
        assert!(tests.contains(&format!("fn {function}")), "{path:?}: {module} has no such test");
        patches += 1;
    }
    assert!(patches > 0);
}
