//! The doors where strangers' bytes come in, each as a function of bytes: whatever they hold, they are read or refused.
//!
//! `tests/whole/mangled.rs` knocks at them with the files of `fuzz/corpus` and with mangled ones, and libFuzzer with what
//! it makes of them, through the targets of the same names in `fuzz/fuzz_targets`.

use std::fmt::Display;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use daemon::config::Config;
use models::import::read_bytes;
use models::package::{Package, PackageLimits};
use models::picture::{Limits, decode, probe, verify};
use models::vgg::VggWeights;
use tokio::runtime::Runtime;

use crate::{Served, puppet};

/// Smaller than the daemon's own, so that what is larger is refused soon.
const PACKAGE: PackageLimits =
    PackageLimits { manifest_bytes: 64 << 10, weights_bytes: 4 << 20, header_bytes: 1 << 20, preview_bytes: 1 << 20 };

/// A quarter of a megapixel.
const PICTURE: Limits = Limits { pixels: 1 << 18 };

/// What `torch.save` wrote before 1.6 ahead of the pickle of the weights: its number, its version, its machine.
const BEFORE_PICKLE: &[u8] =
    b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}(X\x0d\0\0\0little_endian\x88u.";

/// How long an answer may take before it counts as a hang.
const LONG: Duration = Duration::from_secs(20);

/// Reads a package of one file. One that is good can be written and comes back as it was.
pub fn package(bytes: &[u8]) {
    match Package::from_bytes(bytes, &PACKAGE) {
        Ok(package) => {
            let again = Package::from_bytes(&package.to_bytes(), &PackageLimits::default());
            assert_eq!(again.unwrap(), package);
        }
        Err(error) => refused(&error),
    }
}

/// Imports a file: an archive of anything, a state dict, a package.
pub fn import(bytes: &[u8]) {
    let read = |bytes: &[u8]| {
        if let Err(error) = read_bytes(bytes, "Strange", &PACKAGE) {
            refused(&error);
        }
    };
    read(bytes);
    if bytes.get(257..262) == Some(b"ustar") {
        read(&sealed(bytes));
    }
}

/// Imports a deeplearn.js checkpoint with this manifest. Each file that it can name holds as many numbers as its name
/// says, which is enough for the smallest net.
pub fn deeplearnjs(manifest: &[u8]) {
    let mut folder = tar::Builder::new(Vec::new());
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        folder.append_data(&mut header, name, bytes).unwrap();
    };
    add("manifest.json", manifest);
    for numbers in [0, 1, 3, 9, 243] {
        add(&numbers.to_string(), &vec![0; numbers * size_of::<f32>()]);
    }
    if let Err(error) = read_bytes(&folder.into_inner().unwrap(), "Strange", &PACKAGE) {
        refused(&error);
    }
}

/// Reads a picture: first its headers, then all of it, as the front door does, then the whole for a painting. All say the
/// same.
pub fn picture(bytes: &[u8]) {
    let (probed, verified) = (probe(bytes, PICTURE), verify(bytes, PICTURE));
    match decode(bytes, PICTURE) {
        Ok((header, picture)) => {
            assert_eq!((header.width, header.height), (picture.width(), picture.height()));
            assert_eq!((probed.unwrap(), verified.unwrap()), (header, header));
        }
        Err(error) => {
            assert_eq!(verified.unwrap_err().to_string(), error.to_string());
            refused(&error);
        }
    }
}

/// Reads a loss network, whatever its container.
pub fn network(bytes: &[u8]) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    if let Err(error) = VggWeights::read(file.path()) {
        refused(&error);
    }
}

/// Reads a loss network that begins as `torch.save` began it, up to the pickle of the weights.
pub fn pickle(bytes: &[u8]) {
    network(&[BEFORE_PICKLE, bytes].concat());
}

/// A refusal is shown on terminals and pages, so it commands none.
fn refused(error: &dyn Display) {
    let words = error.to_string();
    assert!(!words.contains(char::is_control), "{words:?}");
}

/// Writes the right sum into each header of a tar, which chance does not find.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut tar = bytes.to_vec();
    let mut at = 0;
    while let Some(block) = tar.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<512>()) {
        let mut header = tar::Header::from_byte_slice(block).clone();
        header.set_cksum();
        block.copy_from_slice(header.as_bytes());
        let Ok(bytes) = header.entry_size() else { break };
        let padded = bytes.checked_next_multiple_of(512).and_then(|bytes| usize::try_from(bytes).ok());
        at = at.saturating_add(512).saturating_add(padded.unwrap_or(usize::MAX));
    }
    tar
}

/// A route of a daemon of its own that takes bodies.
pub struct Route {
    path: &'static str,
    media_type: &'static str,
    daemon: Served,
    // Outlived by the daemon, which it serves.
    runtime: Runtime,
}

impl Route {
    /// Opens the daemon with a changed configuration; the form's boundary is `b`.
    pub fn form(change: impl FnOnce(&mut Config)) -> Self {
        Self::open("/v1/stylize", "multipart/form-data; boundary=b", change)
    }

    /// Opens the daemon with a changed configuration for the seed's JSON.
    pub fn transform(change: impl FnOnce(&mut Config)) -> Self {
        Self::open("/transform", "application/json", change)
    }

    fn open(path: &'static str, media_type: &'static str, change: impl FnOnce(&mut Config)) -> Self {
        let runtime = Runtime::new().unwrap();
        let daemon = runtime.block_on(Served::open_with(vec![puppet("a").0], |config| {
            config.mail.per_recipient_per_hour = u32::MAX;
            change(config);
        }));
        Self { path, media_type, daemon, runtime }
    }

    /// Sends a body, in pieces as long as its last byte says. It is taken or refused, and returns the status.
    pub fn send(&self, body: &[u8]) -> u16 {
        let Self { path, media_type, .. } = self;
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {media_type}\r\n\
             Transfer-Encoding: chunked\r\n\r\n"
        )
        .into_bytes();
        for piece in body.chunks(1 + body.last().copied().map_or(0, usize::from)) {
            request.extend(format!("{:x}\r\n", piece.len()).into_bytes());
            request.extend(piece);
            request.extend(b"\r\n");
        }
        request.extend(b"0\r\n\r\n");
        let socket = self.daemon.socket();
        let mut connection = UnixStream::connect(socket.trim_start_matches("unix:")).unwrap();
        connection.set_read_timeout(Some(LONG)).unwrap();
        let mut answer = Vec::new();
        // Whoever is refused early is not heard to the end; what counts is that there is an answer.
        let _ = connection.write_all(&request);
        let _ = connection.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no answer: {answer:?}"));
        assert!(matches!(status, 200..500 | 503), "{answer}");
        status
    }

    /// Closes the daemon.
    pub fn close(mut self) {
        self.runtime.block_on(self.daemon.close());
    }
}
