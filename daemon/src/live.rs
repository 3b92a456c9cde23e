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
    /// How long the last photos that ended were on their devices, oldest first.
    held: VecDeque<Duration>,
}

/// How many of them are remembered to tell how fast the queue moves.
const ENDS: usize = 32;

/// A job in a slot, and since when.
type Held = (JobId, Instant);

struct DeviceState {
    profile: Profile,
    photo: Option<Held>,
    behind: Option<Held>,
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
        Self(Arc::new(Mutex::new(State { progress: HashMap::new(), devices, held: VecDeque::new() })))
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
        let before = std::mem::replace(device.slot(slot), job.map(|job| (job, now)));
        device.note_work(now);
        let device = device.view(now);
        if let Some((job, since)) = before {
            state.progress.remove(&job);
            if slot == Slot::Foreground {
                state.held.push_back(now - since);
                if state.held.len() > ENDS {
                    state.held.pop_front();
                }
            }
        }
        Some(device)
    }

    /// Returns how long one more photo takes to leave the queue while all devices work, once any has ended. A training
    /// takes hours, and tells nothing of when there is room again.
    #[must_use]
    pub fn time_for_one_more(&self) -> Option<Duration> {
        let state = self.state();
        let (jobs, devices) = (u32::try_from(state.held.len()).ok()?, u32::try_from(state.devices.len()).ok()?);
        state.held.iter().sum::<Duration>().checked_div(jobs)?.checked_div(devices)
    }

    /// Returns all devices as they are now.
    #[must_use]
    pub fn devices(&self) -> Vec<Device> {
        let now = Instant::now();
        self.state().devices.iter_mut().map(|slot| slot.view(now)).collect()
    }
}

impl DeviceState {
    fn slot(&mut self, slot: Slot) -> &mut Option<Held> {
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
        let job = self.photo.or(self.behind).map(|(job, _)| job);
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

    #[test]
    fn one_more_photo_takes_as_long_as_the_last_ones_shared_by_all_devices() {
        let profile =
            || Profile { name: "cpu".to_owned(), kind: DeviceKind::Cpu, model: None, threads: 1, memory_bytes: 1 };
        let live = Live::new(vec![profile(), profile()]);
        let _ = live.set_job(0, Slot::Background, Some(JobId::new()));
        let _ = live.set_job(0, Slot::Background, None);
        assert_eq!(live.time_for_one_more(), None);
        live.state().held.extend([2, 4, 6].map(Duration::from_secs));
        assert_eq!(live.time_for_one_more(), Some(Duration::from_secs(2)));
    }
}
