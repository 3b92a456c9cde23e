//! A checkpoint: what a training or painting goes on from, in one file that is replaced whole.
//!
//! ```text
//! atelier-checkpoint 1\n · step u64 · bytes of the curve u64 · curve · state · SHA-256 of all before
//! ```
//! The curve up to that step is part of it, so the two never disagree, whatever a crash leaves of the curve's own file.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

const TITLE: &[u8] = b"atelier-checkpoint 1\n";
const HEADER_BYTES: usize = TITLE.len() + 16;
const DIGEST_BYTES: usize = 32;

/// What a training or painting goes on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last step that it holds.
    pub step: u64,
    /// The curve's file up to that step.
    pub curve: Vec<u8>,
    /// The state, as the device's work wrote it.
    pub state: Vec<u8>,
}

/// A checkpoint that can't be used.
#[derive(Debug, thiserror::Error)]
#[error("the checkpoint is damaged")]
pub struct Damaged;

impl Checkpoint {
    /// Writes the checkpoint.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self { step, curve, state } = self;
        let mut bytes = Vec::with_capacity(HEADER_BYTES + curve.len() + state.len() + DIGEST_BYTES);
        bytes.extend(TITLE);
        bytes.extend(step.to_le_bytes());
        bytes.extend((curve.len() as u64).to_le_bytes());
        bytes.extend(curve);
        bytes.extend(state);
        let digest = Sha256::digest(&bytes);
        bytes.extend(digest);
        bytes
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// When a byte of it has changed or is missing.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Damaged> {
        let (content, digest) = bytes.split_last_chunk::<DIGEST_BYTES>().ok_or(Damaged)?;
        if Sha256::digest(content).as_slice() != digest {
            return Err(Damaged);
        }
        let (step, curve_bytes) = read_header(content).ok_or(Damaged)?;
        let rest = &content[HEADER_BYTES..];
        let (curve, state) =
            usize::try_from(curve_bytes).ok().and_then(|at| rest.split_at_checked(at)).ok_or(Damaged)?;
        Ok(Self { step, curve: curve.to_owned(), state: state.to_owned() })
    }
}

/// Says what a checkpoint's file is, without reading it whole; nothing where there is none.
///
/// # Errors
/// Those of the file system.
pub(super) fn describe(path: &Path) -> io::Result<Option<protocol::Checkpoint>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let about = file.metadata()?;
    let mut header = Vec::with_capacity(HEADER_BYTES);
    file.by_ref().take(HEADER_BYTES as u64).read_to_end(&mut header)?;
    let at = about.modified().ok().and_then(|at| Timestamp::try_from(at).ok()).unwrap_or(Timestamp::UNIX_EPOCH);
    Ok(read_header(&header).map(|(step, _)| protocol::Checkpoint { step, at, bytes: about.len() }))
}

/// Returns the step, and how many bytes the curve has.
fn read_header(bytes: &[u8]) -> Option<(u64, u64)> {
    let (step, rest) = bytes.strip_prefix(TITLE)?.split_first_chunk::<8>()?;
    let (curve_bytes, _) = rest.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*step), u64::from_le_bytes(*curve_bytes)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint { step: 150, curve: b"a curve".to_vec(), state: vec![7; 100] }
    }

    #[test]
    fn a_checkpoint_is_read_back_as_it_was_written() {
        let bytes = checkpoint().to_bytes();
        assert_eq!(Checkpoint::from_bytes(&bytes).unwrap(), checkpoint());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        assert_eq!(describe(&path).unwrap(), None);
        std::fs::write(&path, &bytes).unwrap();
        let described = describe(&path).unwrap().unwrap();
        assert_eq!((described.step, described.bytes), (150, bytes.len() as u64));
    }

    #[test]
    fn a_byte_that_changed_or_is_missing_is_noticed() {
        let bytes = checkpoint().to_bytes();
        for length in 0..bytes.len() {
            assert!(Checkpoint::from_bytes(&bytes[..length]).is_err());
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(Checkpoint::from_bytes(&damaged).is_err());
        }
    }
}
