//! Signed links: a mail's link opens one result without a token, until it expires.

use std::io;
use std::path::Path;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use protocol::JobId;
use sha2::Sha256;

use super::private_file;
use super::tokens::{hex, random, unhex};

/// Signs and verifies links to results. Cheap to clone.
#[derive(Clone)]
pub struct Signer {
    key: Arc<[u8; 32]>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

/// What a link is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkVerdict {
    /// It opens the result.
    Good,
    /// It did, and no longer does.
    Expired,
    /// It was not made here, or for another job.
    Forged,
}

impl Signer {
    /// Opens the key in the data folder, making it at the first time.
    ///
    /// # Errors
    /// When the file can't be read or written, or is not a key.
    pub fn open(data_dir: &Path) -> io::Result<Self> {
        let path = data_dir.join("links.key");
        match std::fs::read_to_string(&path) {
            Ok(text) => unhex(text.trim()).map(Self::new).ok_or_else(|| {
                let reason = format!("{} is not a key; remove it, and links in old mails end", path.display());
                io::Error::new(io::ErrorKind::InvalidData, reason)
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = random()?;
                private_file::replace(&path, hex(&key).as_bytes())?;
                Ok(Self::new(key))
            }
            Err(error) => Err(error),
        }
    }

    /// Signs with this key.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self { key: Arc::new(key) }
    }

    /// Returns the path and query of a link to a job's result, to be put behind the daemon's public address.
    #[must_use]
    pub fn link(&self, job: JobId, expires: Timestamp) -> String {
        let seconds = expires.as_second();
        let signature = hex(&self.mac(job, seconds).finalize().into_bytes());
        format!("/v1/jobs/{job}/result?cap={seconds}.{signature}")
    }

    /// Judges the `cap` of a link.
    #[must_use]
    pub fn verify(&self, job: JobId, cap: &str, now: Timestamp) -> LinkVerdict {
        let signed = || {
            let (seconds, signature) = cap.split_once('.')?;
            let seconds: i64 = seconds.parse().ok()?;
            self.mac(job, seconds).verify_slice(&unhex(signature)?).ok()?;
            Some(seconds)
        };
        match signed() {
            Some(expires) if now.as_second() < expires => LinkVerdict::Good,
            Some(_) => LinkVerdict::Expired,
            None => LinkVerdict::Forged,
        }
    }

    fn mac(&self, job: JobId, expires: i64) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.key).expect("HMAC takes keys of any length");
        mac.update(b"atelier result link v1\0");
        mac.update(job.as_bytes());
        mac.update(&expires.to_be_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn a_link_opens_its_own_job_until_it_expires() {
        let folder = tempfile::tempdir().unwrap();
        let signer = Signer::open(folder.path()).unwrap();
        let (job, now) = (JobId::new(), Timestamp::now());
        let expires = now + jiff::SignedDuration::from_secs(60);
        let link = signer.link(job, expires);
        let cap = link.strip_prefix(&format!("/v1/jobs/{job}/result?cap=")).unwrap();
        assert_eq!(signer.verify(job, cap, now), LinkVerdict::Good);
        assert_eq!(signer.verify(job, cap, expires), LinkVerdict::Expired);
        assert_eq!(signer.verify(JobId::new(), cap, now), LinkVerdict::Forged);
        // The key is the same after a restart, and another folder's is another.
        assert_eq!(Signer::open(folder.path()).unwrap().verify(job, cap, now), LinkVerdict::Good);
        assert_eq!(Signer::new([0; 32]).verify(job, cap, now), LinkVerdict::Forged);
    }

    #[test]
    fn nothing_of_a_link_can_be_changed() {
        let (signer, job, now) = (Signer::new([1; 32]), JobId::new(), Timestamp::now());
        let link = signer.link(job, now);
        let (seconds, signature) = link.split_once("cap=").unwrap().1.split_once('.').unwrap();
        let later = format!("{}.{signature}", seconds.parse::<i64>().unwrap() + 1_000_000);
        for cap in ["", ".", "1.", later.as_str(), seconds, "9999999999.00", &format!("{seconds}.{}", "0".repeat(64))] {
            assert_eq!(signer.verify(job, cap, now), LinkVerdict::Forged, "{cap}");
        }
    }
}
