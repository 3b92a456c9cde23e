//! What a scan makes of one style: a package, or the reason why there is none.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use models::package::{Package, PackageError, PackageLimits};
use protocol::{Style, StyleName, StyleProblem, StyleState};

use crate::entry::Entry;
use crate::fingerprint::{Fingerprint, MOST_FILES};
use crate::listing::{Kind, Place};

/// What a scan makes of one style.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// It can be served.
    Good(Arc<Package>),
    /// It is not as it should be.
    Refused(StyleProblem),
    /// The system would not let it be read, which may pass without any change to the files.
    Unreadable(StyleProblem),
}

/// Reads and checks a style.
pub(crate) fn judge(place: &Place, fingerprint: &Fingerprint, limits: &PackageLimits) -> Verdict {
    let refuse = |code, detail| Verdict::Refused(problem(code, detail));
    if fingerprint.is_crowded {
        return refuse("too_many_files", format!("the folder holds more than {MOST_FILES} files"));
    }
    // A package is a stranger's: should reading one ever panic, it is that package that is at fault, not the daemon.
    let reading = catch_unwind(AssertUnwindSafe(|| match place.kind {
        Kind::Folder => Ok(Package::read_folder(&place.path, limits)),
        Kind::File => Ok(Package::read_file(&place.path, limits)),
        Kind::Link => Err(refuse("link", "it is a symbolic link; copy the style here instead".to_owned())),
        Kind::Special => Err(refuse("not_a_file", "it is not an ordinary file".to_owned())),
    }));
    match reading {
        Ok(Ok(Ok(package))) => Verdict::Good(Arc::new(package)),
        Ok(Ok(Err(error @ PackageError::Unreadable { .. }))) => Verdict::Unreadable(describe(&error)),
        Ok(Ok(Err(error))) => Verdict::Refused(describe(&error)),
        Ok(Err(verdict)) => verdict,
        Err(_) => refuse("reader_panicked", "reading it made the reader fail; the log says where".to_owned()),
    }
}

/// Returns the public form of a package's refusal.
pub(crate) fn describe(error: &PackageError) -> StyleProblem {
    problem(error.code(), error.to_string())
}

fn problem(code: &str, detail: String) -> StyleProblem {
    StyleProblem { code: code.to_owned(), detail }
}

/// Makes the entry of a style from its last good version and from what is wrong with the present one.
pub(crate) fn entry(name: &StyleName, package: Option<Arc<Package>>, problem: Option<StyleProblem>) -> Entry {
    let manifest = package.as_ref().map(|package| &package.manifest);
    let parameters =
        |package: &Arc<Package>| package.weights.iter().map(|(_, tensor)| tensor.values.len() as u64).sum();
    let style = Style {
        name: name.clone(),
        title: manifest.map(|m| m.title.clone()),
        state: if package.is_some() { StyleState::Ready } else { StyleState::Broken },
        architecture: manifest.map(|m| m.architecture.clone()),
        digest: package.as_ref().map(|package| package.digest.clone()),
        author: manifest.and_then(|m| m.author.clone()),
        licence: manifest.and_then(|m| m.licence.clone()),
        artwork: manifest.and_then(|m| m.artwork.clone()),
        trained_on: manifest.and_then(|m| m.trained_on.clone()),
        parameters: package.as_ref().map(parameters),
        has_preview: package.as_ref().is_some_and(|package| package.preview.is_some()),
        problem,
    };
    Entry { style, package }
}
