//! Who asks, and what they may do.

use std::fmt;

use protocol::ErrorCode;

use crate::refusal::Refusal;

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

/// Who asks: a token's name where tokens are in force, else the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// A token's name or a network address: the owner of idempotency keys and rate limits.
    pub name: String,
    /// What they may do.
    pub role: Role,
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
