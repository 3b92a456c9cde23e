//! The devices and how busy they have been.

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use protocol::Device;

use super::list::Cursor;

/// How far back the history goes.
const SPAN: SignedDuration = SignedDuration::from_mins(30);

/// How often the daemon is asked for what no event tells: load and temperature.
const EVERY: SignedDuration = SignedDuration::from_secs(2);

/// The devices, as the daemon lists them.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    list: Vec<Device>,
    histories: HashMap<String, History>,
    asked_at: Option<Timestamp>,
    pub(crate) cursor: Cursor<String>,
}

/// When a device worked.
#[derive(Clone, Debug)]
struct History {
    /// Since when anybody has looked.
    since: Timestamp,
    /// Spans of work, oldest first.
    worked: VecDeque<(Timestamp, Timestamp)>,
    /// Since when it works, if it does.
    busy_since: Option<Timestamp>,
}

impl Devices {
    /// Takes note of all devices as they are now.
    pub(crate) fn replace(&mut self, at: Timestamp, devices: Vec<Device>) {
        for device in &devices {
            self.record(at, device);
        }
        self.histories.retain(|name, _| devices.iter().any(|device| device.name == *name));
        self.list = devices;
    }

    /// Takes note of a device as it is now.
    pub(crate) fn put(&mut self, at: Timestamp, device: Device) {
        self.record(at, &device);
        match self.list.iter_mut().find(|known| known.name == device.name) {
            Some(known) => *known = device,
            None => self.list.push(device),
        }
    }

    fn record(&mut self, at: Timestamp, device: &Device) {
        let fresh = || History { since: at, worked: VecDeque::new(), busy_since: None };
        let history = self.histories.entry(device.name.clone()).or_insert_with(fresh);
        match (history.busy_since, device.busy) {
            (None, true) => history.busy_since = Some(at),
            (Some(since), false) => {
                history.busy_since = None;
                history.worked.push_back((since, at));
            }
            _ => {}
        }
        while history.worked.front().is_some_and(|(_, end)| *end < at - SPAN) {
            history.worked.pop_front();
        }
    }

    /// Says whether it is time to ask again, and takes note that somebody does.
    pub(crate) fn wants_news(&mut self, now: Timestamp, in_view: bool) -> bool {
        let busy = self.list.iter().any(|device| device.busy || device.utilisation.is_some_and(|share| share > 0.005));
        let due = self.asked_at.is_none_or(|asked| now.duration_since(asked) >= EVERY);
        if !due || !(busy || in_view) {
            return false;
        }
        self.asked_at = Some(now);
        true
    }

    /// Returns all.
    pub(crate) fn all(&self) -> &[Device] {
        &self.list
    }

    /// Returns the rows to show.
    pub(crate) fn rows(&self) -> Vec<String> {
        self.list.iter().map(|device| device.name.clone()).collect()
    }

    /// Returns the chosen device.
    pub(crate) fn chosen(&self) -> Option<&Device> {
        self.list.get(self.cursor.index(&self.rows())?)
    }

    /// Returns the share of each of `buckets` equal spans before `now` in which a device worked, the last one ending
    /// now; none for spans before anybody looked.
    pub(crate) fn history(&self, name: &str, now: Timestamp, buckets: usize) -> Vec<Option<f64>> {
        let Some(history) = self.histories.get(name) else { return vec![None; buckets] };
        let width = SPAN.as_secs_f64() / buckets.max(1) as f64;
        let before = |at: Timestamp| now.duration_since(at).as_secs_f64();
        let running = history.busy_since.map(|since| (since, now));
        (0..buckets)
            .map(|bucket| {
                let (from, to) = ((buckets - bucket) as f64 * width, (buckets - bucket - 1) as f64 * width);
                if to > before(history.since) {
                    return None;
                }
                let spans = history.worked.iter().copied().chain(running);
                let worked =
                    spans.map(|(begin, end)| (before(begin).min(from) - before(end).max(to)).max(0.0)).sum::<f64>();
                Some((worked / width).clamp(0.0, 1.0))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::app::fixtures;

    #[test]
    fn the_history_tells_which_part_of_each_span_was_work() {
        let at = |minutes: i64| Timestamp::from_second(1_000_000 + minutes * 60).unwrap();
        let mut device = fixtures::devices().remove(0);
        let mut devices = Devices::default();
        let mut set = |minute, busy| {
            device.busy = busy;
            devices.put(at(minute), device.clone());
        };
        set(10, false);
        set(20, true);
        set(25, false);
        set(35, true);
        let name = device.name.clone();
        let history = devices.history(&name, at(40), 3);
        assert_eq!(history, [Some(0.0), Some(0.5), Some(0.5)]);
        let history = devices.history(&name, at(30), 3);
        assert_eq!(history[0], Some(0.0), "from the tenth minute on somebody looked");
        assert_eq!(devices.history("nobody", at(30), 2), [None, None]);
    }
}
