//! Whose turn it is on a device: photos first, but what runs behind them is never forgotten.

use std::time::{Duration, Instant};

use crate::scheduler::Slot;

/// How long what runs behind waits at most while photos come one after another.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Whose turn it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turns {
    /// When what runs behind had its last turn, or was given to the device.
    last_behind: Instant,
}

impl Turns {
    pub(super) fn new(now: Instant) -> Self {
        Self { last_behind: now }
    }

    /// Takes note of a turn of what runs behind, or that there is something new behind.
    pub(super) fn had_behind(&mut self, now: Instant) {
        self.last_behind = now;
    }

    /// Decides between what is there; nothing when nothing is.
    pub(super) fn next(&self, has_photo: bool, has_behind: bool, now: Instant) -> Option<Slot> {
        match (has_photo, has_behind) {
            (true, true) if now.duration_since(self.last_behind) >= LONGEST_WAIT => Some(Slot::Background),
            (true, _) => Some(Slot::Foreground),
            (false, true) => Some(Slot::Background),
            (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photos_go_first_but_a_training_gets_a_step_every_ten_seconds() {
        let begin = Instant::now();
        let mut turns = Turns::new(begin);
        let mut behind = 0;
        // A stream of photos of 0.7 seconds, for a minute.
        for photo in 0..86 {
            let now = begin + Duration::from_millis(700) * photo;
            if turns.next(true, true, now) == Some(Slot::Background) {
                behind += 1;
                turns.had_behind(now);
                assert_eq!(turns.next(true, true, now), Some(Slot::Foreground), "one step, then the photo");
            }
        }
        assert_eq!(behind, 5);
    }

    #[test]
    fn without_photos_the_training_has_every_turn() {
        let now = Instant::now();
        let turns = Turns::new(now);
        assert_eq!(turns.next(false, true, now), Some(Slot::Background));
        assert_eq!(turns.next(true, false, now + Duration::from_secs(60)), Some(Slot::Foreground));
        assert_eq!(turns.next(false, false, now), None);
    }
}
