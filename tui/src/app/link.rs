//! The connection, as people see it.

use jiff::{SignedDuration, Timestamp};

/// How the connection to the daemon is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Link {
    /// It has never been there.
    Connecting,
    /// It is there.
    Connected,
    /// It is gone, and is tried again.
    Lost {
        /// Why, in the network's words.
        reason: String,
        /// When it is tried again.
        retry_at: Timestamp,
    },
}

/// What the connection reports.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LinkNews {
    /// It is there, to this daemon.
    Connected(Host),
    /// It is gone, or was not found.
    Lost {
        /// Why, in the network's words.
        reason: String,
        /// How long until it is tried again.
        retry_in: SignedDuration,
    },
}

/// What the daemon says about itself and the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// Its version.
    pub(crate) version: String,
    /// What the caller may do.
    pub(crate) role: Role,
    /// Why it takes no work now.
    pub(crate) not_ready: Option<String>,
}

/// What the caller may do; each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Look.
    View,
    /// Submit and steer jobs.
    Submit,
    /// Change styles and forget jobs.
    Admin,
}

impl Role {
    /// Reads a role; one of a newer release may look.
    pub(crate) fn new(word: &str) -> Self {
        match word {
            "admin" => Self::Admin,
            "submit" => Self::Submit,
            _ => Self::View,
        }
    }
}
