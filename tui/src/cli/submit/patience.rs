//! When to try again and when to give up.

use std::time::Duration;

use protocol::ErrorCode;
use tokio::time::Instant;

use crate::conn::CallError;

/// How long a daemon may be away, as during a restart.
const AWAY: Duration = Duration::from_secs(60);
/// How long a batch waits for room in the queue, and any call for its turn under a limit on their pace.
const NO_ROOM: Duration = Duration::from_secs(600);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How a call takes a "not now".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Patience {
    /// One photo: a full queue is an answer, and the person decides.
    Single,
    /// One of many: room is made while the others are painted.
    Batch,
}

impl Patience {
    /// Calls until there is an answer that will not change by waiting. `again` hears why, before each pause.
    pub(in crate::cli) async fn with<T>(
        self,
        again: impl Fn(&CallError),
        mut call: impl AsyncFnMut() -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match call().await {
                Err(error) if begun.elapsed() < self.limit(&error) => error,
                answer => return answer,
            };
            again(&error);
            tokio::time::sleep(told_pause(&error).unwrap_or(pause)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Returns how long this error is worth waiting.
    fn limit(self, error: &CallError) -> Duration {
        match error {
            CallError::Unreachable { .. } => AWAY,
            CallError::Refused(refused) => match (refused.code, self) {
                (ErrorCode::Draining | ErrorCode::IdempotencyInProgress, _) => AWAY,
                // The pace is the program's own, and nobody wants to keep it by hand.
                (ErrorCode::RateLimited, _) | (ErrorCode::QueueFull, Self::Batch) => NO_ROOM,
                _ => Duration::ZERO,
            },
            CallError::Foreign { .. } | CallError::File { .. } => Duration::ZERO,
        }
    }
}

/// Returns the pause that the daemon asks for, within reason.
fn told_pause(error: &CallError) -> Option<Duration> {
    match error {
        CallError::Refused(refused) => refused.retry_after.map(|wait| wait.min(Duration::from_secs(30))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use protocol::convert::Refused;

    use super::*;

    fn refused(code: ErrorCode) -> CallError {
        CallError::Refused(Refused { code, detail: String::new(), retry_after: Some(Duration::from_secs(7)) })
    }

    /// Counts the calls until the answer, when the first three fail.
    async fn calls(patience: Patience, failure: impl Fn() -> CallError) -> usize {
        let mut calls = 0;
        let answer = patience
            .with(
                |_| {},
                async || {
                    calls += 1;
                    if calls <= 3 { Err(failure()) } else { Ok(()) }
                },
            )
            .await;
        assert_eq!(answer.is_ok(), calls == 4);
        calls
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_passes_is_tried_again() {
        let away = || CallError::Unreachable { server: "localhost:1".parse().unwrap(), reason: String::new() };
        assert_eq!(calls(Patience::Single, away).await, 4);
        assert_eq!(calls(Patience::Single, || refused(ErrorCode::Draining)).await, 4);
        assert_eq!(calls(Patience::Batch, || refused(ErrorCode::QueueFull)).await, 4);
        assert_eq!(calls(Patience::Single, || refused(ErrorCode::QueueFull)).await, 1);
        assert_eq!(calls(Patience::Single, || refused(ErrorCode::RateLimited)).await, 4);
        assert_eq!(calls(Patience::Batch, || refused(ErrorCode::MailLimit)).await, 1);
        assert_eq!(calls(Patience::Batch, || refused(ErrorCode::InvalidPicture)).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_daemon_that_stays_away_is_given_up() {
        let begun = Instant::now();
        let call = async || -> Result<(), _> {
            Err(CallError::Unreachable { server: "localhost:1".parse().unwrap(), reason: String::new() })
        };
        assert!(Patience::Single.with(|_| {}, call).await.is_err());
        assert!((AWAY..2 * AWAY).contains(&begun.elapsed()));
    }
}
