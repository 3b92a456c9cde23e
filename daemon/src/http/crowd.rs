//! Who is connected, and who has to go when too many are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch::{self, Receiver};
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// How many are let in beyond `limits.connections`, and how many of the newest are spared: a newcomer has time to say
/// what it wants. A probe is then answered, and who wants more is told that there is no room.
const SPARE: usize = 128;

/// Counts connections against `limits.connections` as it is when somebody comes.
///
/// Nobody waits at the door: when all places are taken, who has been without a request for longest has to go.
pub(super) struct Crowd {
    config: Receiver<Arc<Config>>,
    inside: Arc<Mutex<Inside>>,
}

#[derive(Default)]
struct Inside {
    count: usize,
    /// Those without an open request, in the order in which they came to that.
    idle: BTreeMap<u64, CancellationToken>,
    /// How often somebody has.
    moments: u64,
}

/// A connection that was let in; it has left when this is dropped.
pub(super) struct Guest {
    inside: Arc<Mutex<Inside>>,
    dismissed: CancellationToken,
    requests: watch::Sender<usize>,
    /// Since when it has been without a request, as a key of [`Inside::idle`]; only that map says whether it is.
    idle_since: Mutex<u64>,
}

/// One open request of a guest; it ends with its answer's last byte.
pub(super) struct Open(Arc<Guest>);

impl Crowd {
    /// Begins empty.
    pub(super) fn new(config: Receiver<Arc<Config>>) -> Self {
        Self { config, inside: Arc::default() }
    }

    /// Lets somebody in, if need be in the place of another; nobody when everybody is busy, the spare places included.
    pub(super) fn enter(&self) -> Option<Arc<Guest>> {
        let room = self.config.borrow().limits.connections.max(1);
        let mut inside = lock(&self.inside);
        let is_crowded = inside.idle.len() > SPARE || inside.count >= room.saturating_add(SPARE);
        if inside.count >= room && is_crowded && !inside.dismiss() {
            return None;
        }
        inside.count += 1;
        let dismissed = CancellationToken::new();
        let since = inside.rest(&dismissed);
        let (requests, _) = watch::channel(0);
        Some(Arc::new(Guest { inside: Arc::clone(&self.inside), dismissed, requests, idle_since: Mutex::new(since) }))
    }

    /// Sends away who has been without a request for longest, where the system has no room for a newcomer.
    pub(super) fn make_room(&self) {
        lock(&self.inside).dismiss();
    }
}

impl Inside {
    /// Sends away who has been without a request for longest; false when nobody is.
    fn dismiss(&mut self) -> bool {
        let Some((_, guest)) = self.idle.pop_first() else { return false };
        guest.cancel();
        self.count -= 1;
        true
    }

    /// Notes that somebody has no request now.
    fn rest(&mut self, guest: &CancellationToken) -> u64 {
        self.moments += 1;
        self.idle.insert(self.moments, guest.clone());
        self.moments
    }
}

impl Guest {
    /// Begins a request.
    pub(super) fn begin(self: &Arc<Self>) -> Open {
        self.requests.send_modify(|requests| {
            *requests += 1;
            if *requests == 1 {
                lock(&self.inside).idle.remove(&*lock(&self.idle_since));
            }
        });
        Open(Arc::clone(self))
    }

    /// Follows how many requests are open.
    pub(super) fn requests(&self) -> Receiver<usize> {
        self.requests.subscribe()
    }

    /// Returns once the guest has to go at once.
    pub(super) async fn dismissed(&self) {
        self.dismissed.cancelled().await;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let guest = &self.0;
        guest.requests.send_modify(|requests| {
            *requests -= 1;
            let mut inside = lock(&guest.inside);
            if *requests == 0 && !guest.dismissed.is_cancelled() {
                *lock(&guest.idle_since) = inside.rest(&guest.dismissed);
            }
        });
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut inside = lock(&self.inside);
        // Who was sent away is no longer counted.
        if !self.dismissed.is_cancelled() {
            inside.idle.remove(&*lock(&self.idle_since));
            inside.count -= 1;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::config::Current;

    fn crowd(connections: usize) -> Crowd {
        let mut config = Config::default();
        config.limits.connections = connections;
        // What is followed stays as it is when its owner has gone.
        Crowd::new(Current::new(config).follow())
    }

    fn has_to_go(guest: &Guest) -> bool {
        guest.dismissed.is_cancelled()
    }

    #[test]
    fn who_has_been_without_a_request_for_longest_makes_room() {
        let crowd = crowd(3);
        let [first, second, third] = [(); 3].map(|()| crowd.enter().unwrap());
        drop(first.begin());
        let _busy = second.begin();
        let newer: Vec<_> = (0..SPARE).map(|_| crowd.enter().unwrap()).collect();
        assert_eq!([&first, &second, &third].map(|guest| has_to_go(guest)), [false, false, true]);
        drop(third);
        let _newest = crowd.enter().unwrap();
        assert!(has_to_go(&first) && !has_to_go(&second) && !newer.iter().any(|guest| has_to_go(guest)));
    }

    #[test]
    fn there_may_be_room_for_any_number() {
        let crowd = crowd(usize::MAX);
        let (first, _second) = (crowd.enter().unwrap(), crowd.enter().unwrap());
        assert!(!has_to_go(&first));
    }

    #[test]
    fn nobody_goes_while_there_is_room() {
        let crowd = crowd(2);
        let first = crowd.enter().unwrap();
        drop(crowd.enter());
        let _second = crowd.enter().unwrap();
        assert!(!has_to_go(&first));
        crowd.make_room();
        assert!(has_to_go(&first));
    }

    #[test]
    fn only_a_few_come_in_beyond_those_that_are_busy() {
        let crowd = crowd(5);
        let busy: Vec<_> = (0..5 + SPARE).map(|_| crowd.enter().unwrap().begin()).collect();
        assert!(crowd.enter().is_none());
        drop(busy);
        let guests: Vec<_> = (0..500).map(|_| crowd.enter().unwrap()).collect();
        assert_eq!(guests.iter().filter(|guest| !has_to_go(guest)).count(), SPARE + 1);
    }

    #[test]
    fn a_request_that_outlives_its_dismissed_connection_counts_nothing_twice() {
        let crowd = crowd(1);
        let guest = crowd.enter().unwrap();
        crowd.make_room();
        let request = guest.begin();
        drop(guest);
        drop(request);
        let guest = crowd.enter().unwrap();
        let request = guest.begin();
        drop(guest);
        assert_eq!(lock(&crowd.inside).count, 1, "its request is still answered");
        drop(request);
        let inside = lock(&crowd.inside);
        assert_eq!((inside.count, inside.idle.len()), (0, 0));
    }
}
