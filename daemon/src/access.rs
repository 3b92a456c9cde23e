//! Who asks, and what they may do.
//!
//! [`Guard`] decides about each request: its host, its origin, its token, its pace. [`tokens`] keeps the file of
//! token hashes, [`sessions`] the page's cookies, [`links`] signs the results' links in mails, and [`exposure`]
//! refuses a start that would leave the daemon open to strangers.

use std::fmt;
use std::str::FromStr;

use protocol::ErrorCode;

use crate::refusal::Refusal;

pub mod exposure;
pub mod guard;
pub mod host;
pub mod links;
mod private_file;
pub mod rate;
pub mod sessions;
pub mod tokens;

pub use exposure::check_exposure;
pub use guard::{Guard, Peer};
pub use links::Signer;

/// What a caller may do; each role may do everything that the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look at everything.
    View,
    /// Also submit and steer jobs.
    Submit,
    /// Also change styles, purge, and mail to anyone.
    Admin,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::View => "view",
            Self::Submit => "submit",
            Self::Admin => "admin",
        })
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        match text {
            "view" => Ok(Self::View),
            "submit" => Ok(Self::Submit),
            "admin" => Ok(Self::Admin),
            _ => Err(UnknownRole),
        }
    }
}

/// A word that is no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one of \"view\" \"submit\" \"admin\"")]
pub struct UnknownRole;

/// Who asks: a token's name where tokens are in force, else the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// A token's name or a network address: the owner of idempotency keys and rate limits.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// What says so.
    pub proof: Proof,
}

/// What a caller is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Where they are, as no tokens are in force.
    Address,
    /// A token, by its SHA-256.
    Token([u8; 32]),
    /// A session of the page, by its cookie's SHA-256.
    Session([u8; 32]),
    /// A signed link.
    Link,
}

impl Caller {
    /// Lets the caller go on when their role is at least `needed`.
    ///
    /// # Errors
    /// `forbidden` when it is not.
    pub fn require(&self, needed: Role) -> Result<(), Refusal> {
        if self.role >= needed {
            return Ok(());
        }
        Err(Refusal::new(
            ErrorCode::Forbidden,
            format!("this needs a token with the role \"{needed}\"; yours is \"{}\"", self.role),
        ))
    }
}
