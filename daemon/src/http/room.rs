//! Places that only so many can hold at once, where that number may change while they are held.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;
use tokio::sync::watch::Receiver;

use crate::config::Config;

/// Counts who holds a place, against `limits.connections` as it is when somebody comes.
pub(super) struct Room {
    config: Receiver<Arc<Config>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    taken: AtomicUsize,
    left: Notify,
}

/// A place that is held until it is dropped.
pub(super) struct Place(Arc<Shared>);

impl Room {
    /// Begins empty.
    pub(super) fn new(config: Receiver<Arc<Config>>) -> Self {
        Self { config, shared: Arc::default() }
    }

    /// Takes a place if there is one.
    pub(super) fn try_enter(&self) -> Option<Place> {
        let count = self.config.borrow().limits.connections.max(1);
        let more = |taken| (taken < count).then_some(taken + 1);
        let entered = self.shared.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        entered.ok().map(|_| Place(Arc::clone(&self.shared)))
    }

    /// Waits for a place.
    pub(super) async fn enter(&self) -> Place {
        let mut config = self.config.clone();
        loop {
            // Listening begins before looking, so that nobody leaves unheard in between.
            let left = self.shared.left.notified();
            config.mark_unchanged();
            if let Some(place) = self.try_enter() {
                return place;
            }
            tokio::select! {
                () = left => {}
                // It ends with the daemon, whose doors are closed before.
                _ = config.changed() => {}
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
        self.0.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::config::Current;

    fn with_places(connections: usize) -> Config {
        let mut config = Config::default();
        config.limits.connections = connections;
        config
    }

    #[tokio::test]
    async fn who_waits_comes_in_when_somebody_leaves_or_the_room_grows() {
        let current = Current::new(with_places(1));
        let room = Room::new(current.follow());
        let first = room.try_enter().unwrap();
        assert!(room.try_enter().is_none());
        let mut second = Box::pin(room.enter());
        assert!(futures::poll!(&mut second).is_pending());
        drop(first);
        let second = second.await;
        let mut third = Box::pin(room.enter());
        assert!(futures::poll!(&mut third).is_pending());
        current.replace(with_places(2));
        let third = third.await;
        current.replace(with_places(1));
        drop(second);
        assert!(room.try_enter().is_none(), "the room has shrunk under those who are in it");
        drop(third);
        assert!(room.try_enter().is_some());
    }
}
