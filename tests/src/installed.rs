//! Programs that a test needs and a machine may lack.

use std::path::{Path, PathBuf};

/// Returns where a program is, if it is on the path or where Debian puts servers.
#[must_use]
pub fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([Path::new("/usr/sbin").to_owned()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Says in one line what is not tested for want of a program. Where `ATELIER_REQUIRE_SERVERS=1` that is a failure.
pub fn not_tested(what: &str) {
    let line = format!("not tested {what}");
    assert!(std::env::var_os("ATELIER_REQUIRE_SERVERS").is_none_or(|value| value != "1"), "{line}");
    eprintln!("{line}");
}
