//! The outbox as people see it.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::JobId;
use crate::words::{UnknownWord, words};

words! {
    /// How far a mail has come.
    MailState {
        /// Its job is not finished yet.
        Pending = "pending",
        /// Waiting for its first or next try.
        Queued = "queued",
        /// Accepted by the transport.
        Sent = "sent",
        /// Refused for good, or given up.
        Failed = "failed",
    }
}

/// A job's own mail in brief.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// The recipient's address.
    pub to: String,
    /// How far it has come.
    pub state: MailState,
    /// How many times it was tried.
    pub attempts: u32,
}

/// One row of the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Mail {
    /// The recipient's address.
    pub recipient: String,
    /// The job whose result it carries.
    pub job: JobId,
    /// How far it has come.
    pub state: MailState,
    /// How many times it was tried.
    pub attempts: u32,
    /// When it is tried next, while it waits.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_try: Option<Timestamp>,
    /// What the transport said last.
    pub last_answer: Option<String>,
}
