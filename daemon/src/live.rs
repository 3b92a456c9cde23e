//! What changes too often for the index: progress, and devices at work.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use protocol::{Device, JobId, Progress};

use crate::engine::Profile;
use crate::scheduler::Slot;

/// The span over which utilisation is measured.
const UTILISATION_SPAN: Duration = Duration::from_secs(30);

/// The live state. Cheap to clone.
#[derive(Clone)]
pub struct Live(Arc<Mutex<State>>);

struct State {
    progress: HashMap<JobId, Progress>,
    devices: Vec<DeviceState>,
    /// When the last jobs ended, oldest first.
    ended: VecDeque<Instant>,
}

/// How many ends are remembered to tell how fast the queue moves.
const ENDS: usize = 32;

struct DeviceState {
    profile: Profile,
    photo: Option<JobId>,
    behind: Option<JobId>,
    /// Since when it has had anything to do.
    busy_since: Option<Instant>,
    /// Spans of work within the last while, oldest first.
    worked: VecDeque<(Instant, Instant)>,
}

impl Live {
    /// Begins with idle devices.
    #[must_use]
    pub fn new(profiles: Vec<Profile>) -> Self {
        let devices = profiles.into_iter().map(|profile| DeviceState {
            profile,
            photo: None,
            behind: None,
            busy_since: None,
            worked: VecDeque::new(),
        });
        let devices = devices.collect();
        Self(Arc::new(Mutex::new(State { progress: HashMap::new(), devices, ended: VecDeque::new() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of how much memory the devices can use.
    pub fn set_memory(&self, bytes: u64) {
        self.state().devices.iter_mut().for_each(|device| device.profile.memory_bytes = bytes);
    }

    /// Returns how far a running job is.
    #[must_use]
    pub fn progress(&self, job: JobId) -> Option<Progress> {
        self.state().progress.get(&job).copied()
    }

    /// Takes note of how far a running job is.
    pub fn set_progress(&self, job: JobId, progress: Progress) {
        self.state().progress.insert(job, progress);
    }

    /// Takes note of what a device has in a slot and returns the device as it is now.
    #[must_use]
    pub fn set_job(&self, device: usize, slot: Slot, job: Option<JobId>) -> Option<Device> {
        let mut state = self.state();
        let now = Instant::now();
        let device = state.devices.get_mut(device)?;
        let before = std::mem::replace(device.slot(slot), job);
        device.note_work(now);
        let device = device.view(now);
        if let Some(job) = before {
            state.progress.remove(&job);
            state.ended.push_back(now);
            if state.ended.len() > ENDS {
                state.ended.pop_front();
            }
        }
        Some(device)
    }

    /// Returns how long one more job takes to leave the queue at its present pace, once a few have.
    #[must_use]
    pub fn time_for_one_more(&self) -> Option<Duration> {
        let state = self.state();
        let spans = u32::try_from(state.ended.len()).ok()?.checked_sub(1).filter(|spans| *spans > 0)?;
        Some(state.ended.back()?.duration_since(*state.ended.front()?) / spans)
    }

    /// Returns all devices as they are now.
    #[must_use]
    pub fn devices(&self) -> Vec<Device> {
        let now = Instant::now();
        self.state().devices.iter_mut().map(|slot| slot.view(now)).collect()
    }
}

impl DeviceState {
    fn slot(&mut self, slot: Slot) -> &mut Option<JobId> {
        match slot {
            Slot::Foreground => &mut self.photo,
            Slot::Background => &mut self.behind,
        }
    }

    /// Begins or ends a span of work, by what the slots hold now.
    fn note_work(&mut self, now: Instant) {
        let is_busy = self.photo.or(self.behind).is_some();
        match self.busy_since {
            Some(since) if !is_busy => {
                self.worked.push_back((since, now));
                self.busy_since = None;
            }
            None if is_busy => self.busy_since = Some(now),
            _ => {}
        }
    }

    fn view(&mut self, now: Instant) -> Device {
        let Some(begin) = now.checked_sub(UTILISATION_SPAN) else { return self.describe(None) };
        while self.worked.front().is_some_and(|(_, end)| *end < begin) {
            self.worked.pop_front();
        }
        let running = self.busy_since.map(|since| (since, now));
        let busy: Duration = self.worked.iter().copied().chain(running).map(|(from, to)| to - from.max(begin)).sum();
        self.describe(Some((busy.as_secs_f64() / UTILISATION_SPAN.as_secs_f64()).min(1.0)))
    }

    fn describe(&self, utilisation: Option<f64>) -> Device {
        let Profile { name, kind, model, threads, memory_bytes } = self.profile.clone();
        // A photo comes and goes in front of what runs behind.
        let job = self.photo.or(self.behind);
        Device { name, kind, model, threads, memory_bytes, busy: job.is_some(), job, utilisation, temperature: None }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use protocol::DeviceKind;

    use super::*;

    #[test]
    fn a_device_shows_its_photo_before_what_runs_behind_and_is_busy_with_either() {
        let profile =
            Profile { name: "cpu".to_owned(), kind: DeviceKind::Cpu, model: None, threads: 1, memory_bytes: 1 };
        let live = Live::new(vec![profile]);
        let [trained, photo] = [JobId::new(), JobId::new()];
        let set = |slot, job| live.set_job(0, slot, job).map(|device| (device.busy, device.job)).unwrap();
        assert_eq!(set(Slot::Background, Some(trained)), (true, Some(trained)));
        assert_eq!(set(Slot::Foreground, Some(photo)), (true, Some(photo)));
        assert_eq!(set(Slot::Foreground, None), (true, Some(trained)));
        assert!(live.state().devices[0].worked.is_empty(), "it has not rested yet");
        assert_eq!(set(Slot::Background, None), (false, None));
        assert_eq!(live.state().devices[0].worked.len(), 1);
    }
}
