//! Live events, and the recent past for watchers that come back.
//!
//! Events are kept once, in a ring; every watcher reads it at its own pace by sequence number. A slow watcher
//! costs nothing and is never waited for: when the ring has moved past it, it gets a new snapshot.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use protocol::{Event, JobId};
use tokio::sync::watch;

/// How many events the ring holds.
const RING: usize = 8192;

/// How many events a watcher takes from the ring at once.
const BATCH: usize = 64;

/// The ring of recent events. Cheap to clone.
#[derive(Clone)]
pub struct Feed {
    ring: Arc<Mutex<Ring>>,
    latest: watch::Sender<u64>,
}

/// An event that is shown to watchers, with its text once one of them has needed it: however many watch, it is written
/// and kept once.
#[derive(Debug)]
pub struct Shown {
    event: Event,
    text: OnceLock<Bytes>,
}

impl Shown {
    /// Makes an event ready to be shown.
    #[must_use]
    pub fn new(event: Event) -> Arc<Self> {
        Arc::new(Self { event, text: OnceLock::new() })
    }

    /// Returns the event itself.
    #[must_use]
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// Returns the event's text, which `write` makes of it the first time. There is one text.
    pub fn text(&self, write: impl FnOnce(&Event) -> Bytes) -> Bytes {
        self.text.get_or_init(|| write(&self.event)).clone()
    }
}

impl Deref for Shown {
    type Target = Event;

    fn deref(&self) -> &Event {
        &self.event
    }
}

struct Ring {
    events: VecDeque<Arc<Shown>>,
    /// Every event after this number is in the ring.
    complete_after: u64,
}

/// What a watcher asked for is no longer in the ring, or was never given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooOld;

impl Feed {
    /// Starts with what was kept of the past, in order. `latest` is the last number that was given out.
    #[must_use]
    pub fn new(past: Vec<Event>, complete_after: u64, latest: u64) -> Self {
        let ring = Ring { events: past.into_iter().map(Shown::new).collect(), complete_after };
        Self { ring: Arc::new(Mutex::new(ring)), latest: watch::Sender::new(latest) }
    }

    /// Shows events to everybody.
    pub fn publish(&self, events: Vec<Event>) {
        let Some(latest) = events.last().map(|event| event.sequence) else { return };
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.events.extend(events.into_iter().map(Shown::new));
        while ring.events.len() > RING {
            if let Some(dropped) = ring.events.pop_front() {
                ring.complete_after = dropped.sequence;
            }
        }
        drop(ring);
        self.latest.send_replace(latest);
    }

    /// Makes everybody who follows the newest number look up.
    pub fn wake(&self) {
        self.latest.send_modify(|_| {});
    }

    /// Returns the newest number.
    #[must_use]
    pub fn latest(&self) -> u64 {
        *self.latest.borrow()
    }

    /// Follows the newest number.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<u64> {
        self.latest.subscribe()
    }

    /// Returns the next events after a number, of one job or of all, and the number to go on from.
    ///
    /// # Errors
    /// [`TooOld`] when some that came after it are gone, or the number is from the future.
    pub fn after(&self, cursor: u64, job: Option<JobId>) -> Result<(Vec<Arc<Shown>>, u64), TooOld> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = ring.events.back().map_or(ring.complete_after, |event| event.sequence).max(self.latest());
        if cursor < ring.complete_after || cursor > newest {
            return Err(TooOld);
        }
        let start = ring.events.partition_point(|event| event.sequence <= cursor);
        let mut taken = Vec::new();
        let mut reached = cursor;
        for event in ring.events.range(start..) {
            if taken.len() == BATCH {
                break;
            }
            reached = event.sequence;
            if job.is_none() || event.job() == job {
                taken.push(Arc::clone(event));
            }
        }
        Ok((taken, reached))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use protocol::EventBody;

    use super::*;

    fn event(sequence: u64, job: JobId) -> Event {
        Event { sequence, at: Timestamp::UNIX_EPOCH, body: EventBody::End { job } }
    }

    fn after(feed: &Feed, cursor: u64, job: Option<JobId>) -> Result<(Vec<u64>, u64), TooOld> {
        let (events, reached) = feed.after(cursor, job)?;
        Ok((events.iter().map(|event| event.sequence).collect(), reached))
    }

    #[test]
    fn an_event_is_written_once_however_many_watch() {
        let shown = Shown::new(event(7, JobId::new()));
        let first = shown.text(|event| format!("number {}", event.sequence).into());
        let second = shown.text(|_| panic!("it is written already"));
        assert_eq!((first.as_ref(), first.as_ptr()), (b"number 7".as_slice(), second.as_ptr()));
    }

    #[test]
    fn a_watcher_that_comes_back_misses_nothing() {
        let job = JobId::new();
        let feed = Feed::new(vec![event(3, job), event(5, job)], 2, 5);
        feed.publish(vec![event(6, job), event(9, job)]);
        assert_eq!(after(&feed, 3, None), Ok((vec![5, 6, 9], 9)));
        assert_eq!(after(&feed, 9, None), Ok((vec![], 9)));
    }

    #[test]
    fn a_watcher_of_one_job_passes_over_the_others() {
        let (mine, other) = (JobId::new(), JobId::new());
        let feed = Feed::new(vec![], 0, 0);
        feed.publish((1..=200).map(|n| event(n, if n == 150 { mine } else { other })).collect());
        assert_eq!(after(&feed, 0, Some(mine)), Ok((vec![150], 200)));
    }

    #[test]
    fn what_has_left_the_ring_is_too_old() {
        let job = JobId::new();
        let feed = Feed::new(vec![], 10, 10);
        assert_eq!(after(&feed, 9, None), Err(TooOld));
        assert_eq!(after(&feed, 11, None), Err(TooOld), "a number from the future is of another data folder");
        for first in (11..).step_by(100).take(100) {
            feed.publish((first..first + 100).map(|n| event(n, job)).collect());
        }
        assert_eq!(after(&feed, 10, None), Err(TooOld));
    }
}
