//! Places that only so many can hold at once, where that number may change while they are held.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch::Receiver;

use crate::config::Config;

/// Counts who holds a place, against `limits.connections` as it is when somebody comes.
pub(super) struct Room {
    config: Receiver<Arc<Config>>,
    most: usize,
    taken: Arc<AtomicUsize>,
}

/// A place that is held until it is dropped.
pub(super) struct Place(Arc<AtomicUsize>);

impl Room {
    /// Begins empty.
    pub(super) fn new(config: Receiver<Arc<Config>>) -> Self {
        Self { config, most: usize::MAX, taken: Arc::default() }
    }

    /// Has so many places at most.
    pub(super) fn smaller(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// Takes a place if there is one.
    pub(super) fn try_enter(&self) -> Option<Place> {
        let count = self.config.borrow().limits.connections.clamp(1, self.most);
        let more = |taken| (taken < count).then_some(taken + 1);
        let entered = self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        entered.ok().map(|_| Place(Arc::clone(&self.taken)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
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

    #[test]
    fn a_room_grows_and_shrinks_under_those_who_are_in_it() {
        let current = Current::new(with_places(1));
        let room = Room::new(current.follow());
        let first = room.try_enter().unwrap();
        assert!(room.try_enter().is_none());
        current.replace(with_places(2));
        let second = room.try_enter().unwrap();
        current.replace(with_places(1));
        drop(first);
        assert!(room.try_enter().is_none());
        drop(second);
        assert!(room.try_enter().is_some());
    }

    #[test]
    fn a_smaller_room_has_fewer_places() {
        let room = Room::new(Current::new(with_places(9)).follow()).smaller(2);
        let [_first, _second] = [(); 2].map(|()| room.try_enter().unwrap());
        assert!(room.try_enter().is_none());
    }
}
