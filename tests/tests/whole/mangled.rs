//! Mangled files at every door where strangers' bytes are read: whatever they hold, they are read or refused.
//!
//! The good files are in `tests/data/mangled`. `ATELIER_MANGLE` gives each door so many seconds and another seed.

use std::path::Path;
use std::time::{Duration, Instant};

use models::builtin::builtin_styles;
use models::package::{Package, PackageLimits};
use models::picture::Limits;
use models::vgg::VggWeights;
use reqwest::Method;
use tests::{Door, House, Mangler, puppet};

/// How many files the default test mangles at each door.
const FILES: u32 = 300;

/// How many it may send to the daemon.
const REQUESTS: u32 = 150;

fn good(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/mangled").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// How long a door is tried, by files or by time.
struct Siege {
    left: u32,
    until: Option<Instant>,
    mangler: Mangler,
}

impl Siege {
    fn of(files: u32) -> Self {
        let seconds = std::env::var("ATELIER_MANGLE").ok().map(|text| text.parse().unwrap());
        let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        // The default test is the same every time, a long one never is.
        let seed = until.map_or(7878, |_| u64::from(std::process::id()));
        eprintln!("seed {seed}");
        Self { left: files, until, mangler: Mangler::new(seed) }
    }

    fn next(&mut self, good: &[Vec<u8>]) -> Option<Vec<u8>> {
        self.left = self.left.wrapping_sub(1);
        let goes_on = self.until.map_or(self.left != u32::MAX, |until| Instant::now() < until);
        goes_on.then(|| self.mangler.mangle(good))
    }
}

/// Opens a door to mangled files; it may refuse them, and must not panic or take more than its limits.
fn besiege(good: &[Vec<u8>], door: impl Fn(&[u8])) {
    let mut siege = Siege::of(FILES);
    for bytes in good {
        door(bytes);
    }
    while let Some(bytes) = siege.next(good) {
        door(&bytes);
    }
}

#[test]
fn mangled_pictures_are_read_or_refused() {
    let good = good("pictures");
    for bytes in &good {
        models::picture::decode(bytes, Limits { pixels: 1_000_000 }).unwrap();
    }
    besiege(&good, |bytes| {
        if let Ok((header, picture)) = models::picture::decode(bytes, Limits { pixels: 1_000_000 }) {
            assert_eq!((header.width, header.height), (picture.width(), picture.height()));
        }
    });
}

#[test]
fn mangled_packages_are_read_or_refused() {
    let limits = PackageLimits::default();
    let style = builtin_styles().next().unwrap().package(&limits).unwrap().to_bytes();
    let mut good = good("packages");
    // Its head is what is parsed; a cut body is refused all the same.
    good.push(style[..style.len().min(20_000)].to_vec());
    besiege(&good, |bytes| {
        let _ = models::import::read_bytes(bytes, "mangled", &limits);
        let _ = Package::from_bytes(bytes, &limits);
    });
}

#[test]
fn mangled_loss_networks_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("network");
    besiege(&good("networks"), |bytes| {
        std::fs::write(&file, bytes).unwrap();
        assert!(VggWeights::read(&file).is_err());
    });
}

/// Sends mangled bodies somewhere: each is answered with success or a refusal.
async fn besiege_route(path: &str, media_type: &str, good: &[Vec<u8>]) {
    let house = House::open_with(vec![puppet("a").0], |config| config.mail.per_recipient_per_hour = u32::MAX);
    let door = Door::open(&house).await;
    let mut siege = Siege::of(REQUESTS);
    while let Some(bytes) = siege.next(good) {
        let request = door.request(Method::POST, path).header("content-type", media_type).body(bytes);
        let status = request.send().await.unwrap().status();
        assert!(status.is_success() || status.is_client_error() || status == 503, "{status}");
    }
    assert_eq!(door.get("/livez").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn mangled_forms_are_taken_or_refused() {
    besiege_route("/v1/stylize", "multipart/form-data; boundary=b", &good("forms")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mangled_transforms_are_taken_or_refused() {
    besiege_route("/transform", "application/json", &good("transforms")).await;
}
