//! When a mail is tried again.

use std::time::Duration;

use jiff::Timestamp;
use protocol::JobId;
use sha2::{Digest, Sha256};

const FIRST_DELAY: Duration = Duration::from_secs(60);
const LONGEST_DELAY: Duration = Duration::from_secs(4 * 60 * 60);

/// How far ahead a try can be.
const FARTHEST: Duration = Duration::from_secs(5 * 60 * 60);

/// Says whether a mail that is to be tried at a time is to be tried now: also where that is farther ahead than any try is put
/// off, since the clock has been set back then.
#[must_use]
pub fn is_due(at: Timestamp, now: Timestamp) -> bool {
    at <= now || at.duration_since(now).unsigned_abs() > FARTHEST
}

/// What becomes of a mail that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is tried again then.
    TryAt(Timestamp),
    /// It has been tried for long enough.
    GiveUp,
}

/// Decides after the `attempts`-th failed try, the first one being 1, of a mail that was first due at `queued_at`.
///
/// The delay begins with a minute and doubles up to four hours, each time up to a fifth shorter or longer: by the
/// job's id, so that mails that failed together are not tried together for ever. The last try comes when
/// `give_up_after` ends.
#[must_use]
pub fn after_failure(job: JobId, attempts: u32, queued_at: Timestamp, now: Timestamp, give_up_after: Duration) -> Next {
    let deadline = queued_at.saturating_add(give_up_after).unwrap_or(Timestamp::MAX);
    if now >= deadline {
        return Next::GiveUp;
    }
    let doubled = 2_u32.saturating_pow(attempts.saturating_sub(1));
    let delay = FIRST_DELAY.saturating_mul(doubled).min(LONGEST_DELAY).mul_f64(spread(job, attempts));
    Next::TryAt(now.saturating_add(delay).unwrap_or(Timestamp::MAX).min(deadline))
}

/// A factor from 0.8 to 1.2.
fn spread(job: JobId, attempts: u32) -> f64 {
    let digest = Sha256::new().chain_update(job.as_bytes()).chain_update(attempts.to_be_bytes()).finalize();
    0.8 + 0.4 * f64::from(digest[0]) / 255.0
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use proptest::prelude::*;

    use super::*;

    const DAY: u64 = 24 * 60 * 60;

    fn start() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    proptest! {
        #[test]
        fn every_delay_is_within_a_fifth_of_its_doubling_and_never_past_the_deadline(
            id: [u8; 16], attempts in 1_u32..1000, waited in 0_u64..6 * DAY, give_up_after in 1_u64..5 * DAY,
        ) {
            let now = start() + Duration::from_secs(waited);
            let (limit, deadline) = (Duration::from_secs(give_up_after), start() + Duration::from_secs(give_up_after));
            match after_failure(JobId::from_bytes(id), attempts, start(), now, limit) {
                Next::GiveUp => prop_assert!(now >= deadline),
                Next::TryAt(then) => {
                    let plain = 60.0 * 2_f64.powi((attempts - 1).min(8) as i32).min(240.0);
                    let delay = then.duration_since(now).as_secs_f64();
                    prop_assert!(then > now && then <= deadline);
                    prop_assert!(!is_due(then, now) && is_due(then, then));
                    prop_assert!(delay <= plain * 1.2 + 1e-6);
                    prop_assert!(delay >= plain * 0.8 - 1e-6 || then == deadline);
                }
            }
        }
    }

    #[test]
    fn five_days_take_a_few_dozen_tries_and_end() {
        let job = JobId::from_bytes([7; 16]);
        let (mut now, mut attempts) = (start(), 1);
        while let Next::TryAt(then) = after_failure(job, attempts, start(), now, Duration::from_secs(5 * DAY)) {
            (now, attempts) = (then, attempts + 1);
        }
        assert_eq!(now, start() + Duration::from_secs(5 * DAY), "the last try comes at the very end");
        assert!((30..50).contains(&attempts), "{attempts}");
    }

    #[test]
    fn mails_that_failed_together_part() {
        let delays: std::collections::BTreeSet<_> = (0..20)
            .map(|n| match after_failure(JobId::from_bytes([n; 16]), 5, start(), start(), Duration::from_secs(DAY)) {
                Next::TryAt(then) => then,
                Next::GiveUp => panic!("a day has not gone by"),
            })
            .collect();
        assert!(delays.len() > 10);
    }
}
