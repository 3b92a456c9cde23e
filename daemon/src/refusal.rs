//! A request that is not carried out, and why.

use std::time::Duration;

use protocol::ErrorCode;

/// Why a request is refused: a stable code, a sentence, and when to come back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// The stable code; it decides the HTTP and gRPC status.
    pub code: ErrorCode,
    /// A sentence that names the thing and the way out.
    pub detail: String,
    /// When trying again may help.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// Refuses for good.
    #[must_use]
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), retry_after: None }
    }

    /// Refuses for now.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }
}
