//! Which job goes to which device, decided without doing anything: `apply(input) -> actions`.
//!
//! A device has two slots: one for photos, the foreground, and one for training and painting, the background. What
//! sits in both takes turns on the device's thread, so a photo does not wait for the background to be cleared away.
//!
//! Interactive photos go before batch photos, and those before the background; within a class, first in, first out.
//! The sum of what runs stays within the memory budget; a job that has to wait for memory is not overtaken by smaller
//! ones of its slot, or it would wait for ever. A photo that does not fit beside the background has the youngest of it
//! suspended, which then waits at the front of its class; so does one that is only to be finished with what there is and
//! finds no slot.

use std::collections::{BTreeMap, HashMap};

use protocol::{JobId, JobKind, Priority};

#[cfg(test)]
mod tests;

/// What decides which job goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A photo that somebody waits for.
    Interactive,
    /// A photo that may wait.
    Batch,
    /// Training and painting that are only to be finished with what there is.
    Finishing,
    /// Training and painting.
    Background,
}

impl Class {
    /// Returns the class of a job. Training and painting have one whatever their priority.
    #[must_use]
    pub const fn of(kind: JobKind, priority: Priority) -> Self {
        match (kind, priority) {
            (JobKind::Stylize, Priority::Interactive) => Self::Interactive,
            (JobKind::Stylize, Priority::Batch) => Self::Batch,
            (JobKind::Train | JobKind::Paint, _) => Self::Background,
        }
    }

    /// Returns the slot that jobs of this class take.
    #[must_use]
    pub const fn slot(self) -> Slot {
        match self {
            Self::Interactive | Self::Batch => Slot::Foreground,
            Self::Finishing | Self::Background => Slot::Background,
        }
    }
}

/// One of the two places of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// For photos.
    Foreground,
    /// For training and painting.
    Background,
}

impl Slot {
    /// Returns the first and the last of the classes whose jobs take it.
    const fn classes(self) -> (Class, Class) {
        match self {
            Self::Foreground => (Class::Interactive, Class::Batch),
            Self::Background => (Class::Finishing, Class::Background),
        }
    }
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A job waits for a device.
    Queued {
        /// The job.
        job: JobId,
        /// Its class.
        class: Class,
        /// Memory it needs while it runs.
        memory_bytes: u64,
    },
    /// A waiting job changed its class; it keeps its place in time.
    Reprioritised {
        /// The job.
        job: JobId,
        /// Its new class.
        class: Class,
    },
    /// All jobs together may take another amount of memory. What runs stays.
    Budget {
        /// The memory.
        memory_bytes: u64,
    },
    /// A job is not to be worked on any more: cancelled, paused or forgotten.
    Withdrawn {
        /// The job.
        job: JobId,
    },
    /// A device has ended what it was given.
    Ended {
        /// The device's index.
        device: usize,
        /// Where it sat.
        slot: Slot,
    },
    /// The daemon ends: nothing is started any more, and what runs is interrupted.
    Drain,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Begin a job in a free slot.
    Start {
        /// The job.
        job: JobId,
        /// The device's index.
        device: usize,
        /// Where it sits.
        slot: Slot,
    },
    /// Ask a device to stop what it does in a slot.
    Interrupt {
        /// The device's index.
        device: usize,
        /// The slot.
        slot: Slot,
    },
}

/// A job's place among the waiting: its class, then the order of arrival.
type Place = (Class, u64);

#[derive(Clone, Copy, Debug)]
struct Waiting {
    job: JobId,
    memory_bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    job: JobId,
    place: Place,
    memory_bytes: u64,
    stay: Stay,
}

/// How long a job keeps its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stay {
    /// Until it is done.
    Whole,
    /// It has been asked to make room, and then waits at its old place.
    Suspended,
    /// It has been asked to go.
    Withdrawn,
}

#[derive(Clone, Copy, Debug, Default)]
struct Device {
    foreground: Option<Running>,
    background: Option<Running>,
}

impl Device {
    fn slot(&self, slot: Slot) -> Option<&Running> {
        match slot {
            Slot::Foreground => self.foreground.as_ref(),
            Slot::Background => self.background.as_ref(),
        }
    }

    fn slot_mut(&mut self, slot: Slot) -> &mut Option<Running> {
        match slot {
            Slot::Foreground => &mut self.foreground,
            Slot::Background => &mut self.background,
        }
    }
}

/// The queue and the devices, as far as deciding needs to know them.
#[derive(Clone, Debug)]
pub struct Scheduler {
    waiting: BTreeMap<Place, Waiting>,
    places: HashMap<JobId, Place>,
    devices: Vec<Device>,
    memory_budget: u64,
    arrivals: u64,
    draining: bool,
}

impl Scheduler {
    /// Begins with idle devices and nothing to do.
    #[must_use]
    pub fn new(devices: usize, memory_budget: u64) -> Self {
        Self {
            waiting: BTreeMap::new(),
            places: HashMap::new(),
            devices: vec![Device::default(); devices],
            memory_budget,
            arrivals: 0,
            draining: false,
        }
    }

    /// Takes note of what has happened and says what is to be done.
    #[must_use]
    pub fn apply(&mut self, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        match input {
            Input::Queued { job, class, memory_bytes } => self.enqueue(job, class, memory_bytes),
            Input::Reprioritised { job, class } => self.reprioritise(job, class),
            Input::Withdrawn { job } => {
                self.remove(job);
                actions.extend(self.interrupt(|running| running.job == job));
            }
            Input::Ended { device, slot } => {
                if let Some(device) = self.devices.get_mut(device) {
                    *device.slot_mut(slot) = None;
                }
            }
            Input::Budget { memory_bytes } => self.memory_budget = memory_bytes,
            Input::Drain => {
                self.draining = true;
                actions.extend(self.interrupt(|_| true));
            }
        }
        if !self.draining {
            self.start_what_fits(&mut actions);
        }
        actions
    }

    /// Goes through the waiting jobs in the order in which they will start.
    pub fn queue(&self) -> impl Iterator<Item = JobId> {
        self.waiting.values().map(|waiting| waiting.job)
    }

    /// Returns how many waiting jobs start before one of them.
    #[must_use]
    pub fn place(&self, job: JobId) -> Option<u64> {
        let place = self.places.get(&job)?;
        Some(self.waiting.range(..place).count() as u64)
    }

    fn enqueue(&mut self, job: JobId, class: Class, memory_bytes: u64) {
        self.remove(job);
        let left = self.running().find(|running| running.job == job && running.stay == Stay::Suspended);
        let place = left.map_or((class, self.arrivals), |running| (class, running.place.1));
        self.arrivals += 1;
        self.waiting.insert(place, Waiting { job, memory_bytes });
        self.places.insert(job, place);
    }

    fn reprioritise(&mut self, job: JobId, class: Class) {
        if let Some(place) = self.places.get_mut(&job)
            && let Some(waiting) = self.waiting.remove(place)
        {
            place.0 = class;
            self.waiting.insert(*place, waiting);
        }
    }

    fn remove(&mut self, job: JobId) {
        if let Some(place) = self.places.remove(&job) {
            self.waiting.remove(&place);
        }
    }

    fn running(&self) -> impl Iterator<Item = &Running> {
        self.devices.iter().flat_map(|device| device.foreground.iter().chain(&device.background))
    }

    /// Asks those that are chosen to go.
    fn interrupt(&mut self, is_chosen: impl Fn(&Running) -> bool) -> Vec<Action> {
        let mut actions = Vec::new();
        for (index, device) in self.devices.iter_mut().enumerate() {
            for slot in [Slot::Foreground, Slot::Background] {
                if let Some(running) = device.slot_mut(slot).as_mut().filter(|running| is_chosen(running)) {
                    running.stay = Stay::Withdrawn;
                    actions.push(Action::Interrupt { device: index, slot });
                }
            }
        }
        actions
    }

    fn start_what_fits(&mut self, actions: &mut Vec<Action>) {
        if let Some(starved) = self.start_in(Slot::Foreground, actions) {
            // Whatever the background took now, the photo would have to get back.
            self.make_room(starved, actions);
        } else {
            self.start_in(Slot::Background, actions);
            self.hurry(actions);
        }
    }

    /// Suspends the youngest training or painting for one that only has to be finished, which takes moments where it
    /// would otherwise wait for hours; nothing while somebody is on the way out already.
    fn hurry(&mut self, actions: &mut Vec<Action>) {
        let Some(((Class::Finishing, _), _)) = self.next(Slot::Background) else { return };
        let behind = self.devices.iter_mut().enumerate();
        let behind: Vec<_> = behind.filter_map(|(index, device)| Some((index, device.background.as_mut()?))).collect();
        if behind.iter().any(|(_, running)| running.stay != Stay::Whole) {
            return;
        }
        let long = behind.into_iter().filter(|(_, running)| running.place.0 == Class::Background);
        if let Some((device, youngest)) = long.max_by_key(|(_, running)| running.place) {
            youngest.stay = Stay::Suspended;
            actions.push(Action::Interrupt { device, slot: Slot::Background });
        }
    }

    /// Fills one kind of slot, and returns what the first job needs that has a slot and no memory.
    fn start_in(&mut self, slot: Slot, actions: &mut Vec<Action>) -> Option<u64> {
        loop {
            let device = self.free_device(slot)?;
            let (place, Waiting { job, memory_bytes }) = self.next(slot)?;
            let used: u64 = self.running().map(|running| running.memory_bytes).sum();
            // A job alone on the machine always starts: it was let in under a budget that may have shrunk since.
            if used > 0 && used + memory_bytes > self.memory_budget {
                return Some(memory_bytes);
            }
            self.remove(job);
            *self.devices[device].slot_mut(slot) = Some(Running { job, place, memory_bytes, stay: Stay::Whole });
            actions.push(Action::Start { job, device, slot });
        }
    }

    /// Finds the device with a free slot, one that is idle altogether before others.
    fn free_device(&self, slot: Slot) -> Option<usize> {
        let free = self.devices.iter().enumerate().filter(|(_, device)| device.slot(slot).is_none());
        free.min_by_key(|(_, device)| device.foreground.is_some() || device.background.is_some())
            .map(|(index, _)| index)
    }

    /// Finds the job that is next in a slot: not one that a device has not let go of yet.
    fn next(&self, slot: Slot) -> Option<(Place, Waiting)> {
        let (first, last) = slot.classes();
        let fitting = self.waiting.range((first, 0)..=(last, u64::MAX));
        let mut free = fitting.filter(|(_, waiting)| !self.running().any(|running| running.job == waiting.job));
        free.next().map(|(place, waiting)| (*place, *waiting))
    }

    /// Suspends what runs behind, the youngest first, until a photo fits beside the rest; nothing where that would not
    /// help, since then photos have the memory.
    fn make_room(&mut self, memory_bytes: u64, actions: &mut Vec<Action>) {
        let staying = |running: &&Running| running.stay == Stay::Whole;
        let photos: u64 = self
            .devices
            .iter()
            .filter_map(|device| device.foreground.as_ref())
            .filter(staying)
            .map(|running| running.memory_bytes)
            .sum();
        let budget = self.memory_budget;
        let fits_beside = |used: u64| used == 0 || used + memory_bytes <= budget;
        if !fits_beside(photos) {
            return;
        }
        let mut used: u64 = self.running().filter(staying).map(|running| running.memory_bytes).sum();
        while !fits_beside(used) {
            let behind = self.devices.iter_mut().enumerate();
            let behind = behind.filter_map(|(index, device)| Some((index, device.background.as_mut()?)));
            let staying = behind.filter(|(_, running)| running.stay == Stay::Whole);
            let Some((device, youngest)) = staying.max_by_key(|(_, running)| running.place) else { break };
            youngest.stay = Stay::Suspended;
            used -= youngest.memory_bytes;
            actions.push(Action::Interrupt { device, slot: Slot::Background });
        }
    }
}
