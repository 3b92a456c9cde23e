//! The registry's rules, each a test named after it.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod beginning;
mod hostile;
mod live;
mod publishing;
mod scanning;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use models::arch;
use models::network::Tensor;
use models::package::{Manifest, Package, WEIGHTS_FILE};
use protocol::{StyleName, StyleState};

use crate::{Change, Entry, Options, Registry};

/// How long a change may take before a test fails: much longer than it should, since test machines are busy.
const DEADLINE: Duration = Duration::from_secs(20);

/// Returns a small package; each shade has its own weights.
fn package(shade: f32) -> Package {
    let parameters: arch::Parameters =
        [("widths".to_owned(), [2, 3, 4].as_slice().into()), ("residuals".to_owned(), 1.into())].into_iter().collect();
    let network = (arch::find("house").unwrap().describe)(&parameters).unwrap();
    let tensors: BTreeMap<_, _> = network
        .parameters()
        .into_iter()
        .map(|p| (p.name, Tensor { values: vec![shade; p.shape.iter().product()], shape: p.shape }))
        .collect();
    let manifest = Manifest {
        title: format!("Shade {shade}"),
        architecture: "house".to_owned(),
        parameters,
        ..Manifest::default()
    };
    Package::new(manifest, tensors, Some(vec![0xff, 0xd8, 0xff, 0xd9])).unwrap()
}

fn name(text: &str) -> StyleName {
    text.parse().unwrap()
}

/// Writes a package folder file by file, as a careless copy does.
fn write(folder: &Path, shade: f32) {
    fs::create_dir_all(folder).unwrap();
    package(shade).write_folder(folder).unwrap();
}

/// Cuts the weights in half, as a copy does that was broken off.
fn cut_weights(folder: &Path) {
    let file = folder.join(WEIGHTS_FILE);
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
}

/// A registry of its own on an empty folder.
struct Bench {
    folder: PathBuf,
    registry: Registry,
    changes: Receiver<Change>,
    ground: tempfile::TempDir,
}

impl Bench {
    fn new(options: Options) -> Self {
        Self::filled(options, |_| {})
    }

    /// Fills the folder before the registry opens it.
    fn filled(options: Options, fill: impl FnOnce(&Path)) -> Self {
        let ground = tempfile::tempdir().unwrap();
        let folder = ground.path().join("styles");
        fs::create_dir(&folder).unwrap();
        fill(&folder);
        let (sender, changes) = channel();
        let registry = Registry::open(&folder, options, move |change| drop(sender.send(change))).unwrap();
        Self { folder, registry, changes, ground }
    }

    /// Returns a place for things that are not in the folder.
    fn beside(&self, name: &str) -> PathBuf {
        self.ground.path().join(name)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn entry(&self, style: &str) -> Option<Arc<Entry>> {
        self.registry.snapshot().get(&name(style)).cloned()
    }

    /// Waits for the change of a style that fits.
    fn wait(&self, style: &str, fits: impl Fn(Option<&Entry>) -> bool) -> Option<Arc<Entry>> {
        let end = Instant::now() + DEADLINE;
        let mut met = Vec::new();
        while let Ok(change) = self.changes.recv_timeout(end.saturating_duration_since(Instant::now())) {
            if change.name == name(style) && fits(change.entry.as_deref()) {
                return change.entry;
            }
            met.push((change.name, change.entry.map(|entry| entry.style.clone())));
        }
        panic!("{style} did not become what it should; instead there were {met:#?}");
    }

    /// Waits until a style serves the package of a shade, with nothing wrong.
    fn wait_ready(&self, style: &str, shade: f32) -> Arc<Entry> {
        let digest = package(shade).digest;
        self.wait(style, |entry| {
            entry.is_some_and(|e| e.style.digest.as_ref() == Some(&digest) && e.style.problem.is_none())
        })
        .unwrap()
    }

    fn wait_problem(&self, style: &str, code: &str) -> Arc<Entry> {
        self.wait(style, |entry| entry.is_some_and(|e| problem(e) == Some(code))).unwrap()
    }

    fn wait_gone(&self, style: &str) {
        self.wait(style, |entry| entry.is_none());
        assert!(self.entry(style).is_none());
    }

    /// Returns every change that comes before one that a marker style makes now, so that silence can be told.
    fn changes_until_marker(&self) -> Vec<Change> {
        write(&self.path("marker"), 0.5);
        let end = Instant::now() + DEADLINE;
        let next = || self.changes.recv_timeout(end.saturating_duration_since(Instant::now())).unwrap();
        std::iter::repeat_with(next).take_while(|change| change.name != name("marker")).collect()
    }
}

fn problem(entry: &Entry) -> Option<&str> {
    entry.style.problem.as_ref().map(|problem| problem.code.as_str())
}

fn state(entry: &Entry) -> (StyleState, Option<&str>) {
    (entry.style.state, problem(entry))
}
