//! The tokens file: names, roles and the hashes of tokens; never a token itself.
//!
//! ```toml
//! [[token]]
//! name = "alice"
//! role = "submit"
//! sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
//! ```

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{Role, private_file};

/// How long a changed tokens file may go unnoticed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// One token, as the daemon knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Whose it is.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// SHA-256 of the token's text.
    pub sha256: [u8; 32],
}

/// Why the tokens file can't be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// It is not there yet.
    #[error(
        "the tokens file {} does not exist; make the first token with `atelierd token add NAME --role admin`",
        .0.display()
    )]
    Missing(PathBuf),
    /// The disk refuses.
    #[error("the tokens file {}: {source}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the disk says.
        source: io::Error,
    },
    /// It is not what it should be.
    #[error("the tokens file {}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The name can't be used.
    #[error("a token's name is 1 to 64 of a-z, A-Z, 0-9, '.', '@', '-' and '_'")]
    InvalidName,
    /// The name is in use.
    #[error("there is a token named \"{0}\" already; remove it first, or choose another name")]
    NameTaken(String),
    /// No token has this name.
    #[error("there is no token named \"{0}\"")]
    NoSuchToken(String),
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokensToml {
    #[serde(default)]
    token: Vec<Row>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    role: Role,
    sha256: String,
}

/// Returns the SHA-256 by which a token is known.
#[must_use]
pub fn fingerprint(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Lists the tokens of a file.
///
/// # Errors
/// When it is missing, unreadable, or not a tokens file.
pub fn list(path: &Path) -> Result<Vec<Token>, TokensError> {
    let text = std::fs::read_to_string(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => TokensError::Missing(path.to_path_buf()),
        _ => TokensError::Disk { path: path.to_path_buf(), source },
    })?;
    let malformed = |reason: String| TokensError::Malformed { path: path.to_path_buf(), reason };
    // Only the line is told: the parser would quote the file's content.
    let file: TokensToml = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        malformed(format!("line {line}: {}", error.message()))
    })?;
    file.token
        .into_iter()
        .map(|row| {
            let sha256 = unhex(&row.sha256)
                .ok_or_else(|| malformed(format!("the sha256 of \"{}\" is not 64 hexadecimal digits", row.name)))?;
            Ok(Token { name: row.name, role: row.role, sha256 })
        })
        .collect()
}

/// Makes a token of 256 random bits, stores its hash, and returns the token: the only time it is ever seen.
///
/// # Errors
/// When the name is taken or unusable, or the file can't be read or written.
pub fn add(path: &Path, name: &str, role: Role) -> Result<String, TokensError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'@' | b'-' | b'_');
    if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
        return Err(TokensError::InvalidName);
    }
    let mut tokens = match list(path) {
        Err(TokensError::Missing(_)) => Vec::new(),
        listed => listed?,
    };
    if tokens.iter().any(|token| token.name == name) {
        return Err(TokensError::NameTaken(name.to_owned()));
    }
    let disk = |source| TokensError::Disk { path: path.to_path_buf(), source };
    let text = format!("atl_{}", URL_SAFE_NO_PAD.encode(random().map_err(disk)?));
    tokens.push(Token { name: name.to_owned(), role, sha256: fingerprint(&text) });
    store(path, &tokens)?;
    Ok(text)
}

/// Removes a token; it stops working within a second, and so do the page's sessions that it opened.
///
/// # Errors
/// When there is none of that name, or the file can't be read or written.
pub fn remove(path: &Path, name: &str) -> Result<(), TokensError> {
    let mut tokens = list(path)?;
    let before = tokens.len();
    tokens.retain(|token| token.name != name);
    if tokens.len() == before {
        return Err(TokensError::NoSuchToken(name.to_owned()));
    }
    store(path, &tokens)
}

fn store(path: &Path, tokens: &[Token]) -> Result<(), TokensError> {
    let rows =
        tokens.iter().map(|token| Row { name: token.name.clone(), role: token.role, sha256: hex(&token.sha256) });
    let text = toml::to_string(&TokensToml { token: rows.collect() })
        .map_err(|error| TokensError::Malformed { path: path.to_path_buf(), reason: error.to_string() })?;
    private_file::replace(path, text.as_bytes())
        .map_err(|source| TokensError::Disk { path: path.to_path_buf(), source })
}

/// The tokens in force. A changed file takes effect within a second; a broken one changes nothing and is logged.
#[derive(Debug)]
pub struct Keyring {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tokens: Arc<[Token]>,
    stamp: Option<Stamp>,
    looked: Instant,
}

type Stamp = (SystemTime, u64, u64);

impl Keyring {
    /// Opens a tokens file.
    ///
    /// # Errors
    /// As [`list`].
    pub fn open(path: &Path) -> Result<Self, TokensError> {
        let stamp = stamp(path);
        let state = State { tokens: list(path)?.into(), stamp, looked: Instant::now() };
        Ok(Self { path: path.to_path_buf(), state: Mutex::new(state) })
    }

    /// Reads the file again.
    ///
    /// # Errors
    /// As [`list`]; the tokens in force stay.
    pub fn reload(&self) -> Result<(), TokensError> {
        let stamp = stamp(&self.path);
        let tokens = list(&self.path)?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.tokens, state.stamp) = (tokens.into(), stamp);
        Ok(())
    }

    /// Finds the token that has this fingerprint. Every token is compared, each in constant time.
    #[must_use]
    pub fn find(&self, fingerprint: &[u8; 32]) -> Option<Token> {
        let mut found = None;
        for token in self.current().iter() {
            if bool::from(token.sha256.ct_eq(fingerprint)) {
                found = Some(token.clone());
            }
        }
        found
    }

    fn current(&self) -> Arc<[Token]> {
        let due = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let due = state.looked.elapsed() >= LOOK_AGAIN && stamp(&self.path) != state.stamp;
            if state.looked.elapsed() >= LOOK_AGAIN {
                state.looked = Instant::now();
            }
            due
        };
        if due && let Err(error) = self.reload() {
            tracing::warn!(%error, "the changed tokens file is not used");
        }
        Arc::clone(&self.state.lock().unwrap_or_else(PoisonError::into_inner).tokens)
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let file = std::fs::metadata(path).ok()?;
    Some((file.modified().ok()?, file.len(), file.ino()))
}

/// Draws 256 bits from the system.
pub(super) fn random() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// Writes bytes as lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads 32 bytes from 64 hexadecimal digits.
pub(super) fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |b: u8| char::from(b).to_digit(16);
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn a_token_is_shown_once_and_only_its_hash_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        let token = add(&path, "alice", Role::Submit).unwrap();
        assert_eq!(token.len(), "atl_".len() + 43);
        assert!(!std::fs::read_to_string(&path).unwrap().contains(&token));
        let held = Keyring::open(&path).unwrap().find(&fingerprint(&token)).unwrap();
        assert_eq!((held.name.as_str(), held.role), ("alice", Role::Submit));
    }

    #[test]
    fn a_name_is_used_once_and_a_removed_token_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        let token = add(&path, "alice", Role::View).unwrap();
        let keyring = Keyring::open(&path).unwrap();
        assert!(matches!(add(&path, "alice", Role::Admin), Err(TokensError::NameTaken(_))));
        assert!(matches!(add(&path, "a\nb", Role::Admin), Err(TokensError::InvalidName)));
        remove(&path, "alice").unwrap();
        assert!(matches!(remove(&path, "alice"), Err(TokensError::NoSuchToken(_))));
        keyring.reload().unwrap();
        assert_eq!(keyring.find(&fingerprint(&token)), None);
    }

    #[test]
    fn a_broken_file_is_refused_by_its_line_and_leaves_the_tokens_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        let token = add(&path, "alice", Role::View).unwrap();
        let keyring = Keyring::open(&path).unwrap();
        std::fs::write(&path, "[[token]]\nname = \"a\"\nrole = \"king\"\nsha256 = \"00\"\n").unwrap();
        let refused = keyring.reload().unwrap_err().to_string();
        assert!(refused.contains("line 3"), "{refused}");
        std::fs::write(&path, "[[token]]\nname = \"a\"\nrole = \"view\"\ncolour = \"red\"\n").unwrap();
        let refused = keyring.reload().unwrap_err().to_string();
        assert!(refused.contains("line 4"), "{refused}");
        assert!(keyring.find(&fingerprint(&token)).is_some());
    }

    #[test]
    fn only_64_hexadecimal_digits_are_a_hash() {
        let bytes = fingerprint("x");
        assert_eq!(unhex(&hex(&bytes)), Some(bytes));
        for bad in ["", "00", &"0".repeat(63), &"g".repeat(64), &"ä".repeat(32), &"+1".repeat(32)] {
            assert_eq!(unhex(bad), None, "{bad}");
        }
    }
}
