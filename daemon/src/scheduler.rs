//! Which job goes to which device, decided without doing anything: `apply(input) -> actions`.
//!
//! Interactive jobs go before batch jobs; within a class, first in, first out. The sum of what running jobs need
//! stays within the memory budget; a job that has to wait for memory is not overtaken by smaller ones, or it would
//! wait for ever.

use std::collections::{BTreeMap, HashMap};

use protocol::{JobId, Priority};

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A job waits for a device.
    Queued {
        /// The job.
        job: JobId,
        /// Its class.
        priority: Priority,
        /// Memory it needs while it runs.
        memory_bytes: u64,
    },
    /// A waiting job changed its class; it keeps its place in time.
    Reprioritised {
        /// The job.
        job: JobId,
        /// Its new class.
        priority: Priority,
    },
    /// A job is not to be worked on any more: cancelled, paused or forgotten.
    Withdrawn {
        /// The job.
        job: JobId,
    },
    /// A device has ended what it was given.
    Idle {
        /// The device's index.
        device: usize,
    },
    /// The daemon ends: nothing is started any more, and what runs is interrupted.
    Drain,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Begin a job on an idle device.
    Start {
        /// The job.
        job: JobId,
        /// The device's index.
        device: usize,
    },
    /// Ask a device to stop what it does.
    Interrupt {
        /// The device's index.
        device: usize,
    },
}

/// A waiting job's place: its class, then the order of arrival.
type Place = (Priority, u64);

#[derive(Clone, Debug)]
struct Waiting {
    job: JobId,
    memory_bytes: u64,
}

#[derive(Clone, Debug)]
struct Running {
    job: JobId,
    memory_bytes: u64,
}

/// The queue and the devices, as far as deciding needs to know them.
#[derive(Clone, Debug)]
pub struct Scheduler {
    waiting: BTreeMap<Place, Waiting>,
    places: HashMap<JobId, Place>,
    devices: Vec<Option<Running>>,
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
            devices: vec![None; devices],
            memory_budget,
            arrivals: 0,
            draining: false,
        }
    }

    /// Takes note of what has happened and says what is to be done.
    #[must_use]
    pub fn apply(&mut self, input: Input) -> Vec<Action> {
        match input {
            Input::Queued { job, priority, memory_bytes } => self.enqueue(job, priority, memory_bytes),
            Input::Reprioritised { job, priority } => self.reprioritise(job, priority),
            Input::Withdrawn { job } => return self.withdraw(job),
            Input::Idle { device } => {
                if let Some(slot) = self.devices.get_mut(device) {
                    *slot = None;
                }
            }
            Input::Drain => {
                self.draining = true;
                return self.busy().map(|(device, _)| Action::Interrupt { device }).collect();
            }
        }
        self.start_what_fits()
    }

    /// Goes through the waiting jobs in the order in which they will start.
    pub fn queue(&self) -> impl Iterator<Item = JobId> {
        self.waiting.values().map(|waiting| waiting.job)
    }

    fn enqueue(&mut self, job: JobId, priority: Priority, memory_bytes: u64) {
        self.remove(job);
        let place = (priority, self.arrivals);
        self.arrivals += 1;
        self.waiting.insert(place, Waiting { job, memory_bytes });
        self.places.insert(job, place);
    }

    fn reprioritise(&mut self, job: JobId, priority: Priority) {
        if let Some(place) = self.places.get_mut(&job)
            && let Some(waiting) = self.waiting.remove(place)
        {
            place.0 = priority;
            self.waiting.insert(*place, waiting);
        }
    }

    fn withdraw(&mut self, job: JobId) -> Vec<Action> {
        self.remove(job);
        let mut actions: Vec<_> =
            self.busy().filter(|(_, busy)| *busy == job).map(|(device, _)| Action::Interrupt { device }).collect();
        // The job may have held up others by the memory it waited for.
        actions.extend(self.start_what_fits());
        actions
    }

    fn remove(&mut self, job: JobId) {
        if let Some(place) = self.places.remove(&job) {
            self.waiting.remove(&place);
        }
    }

    fn busy(&self) -> impl Iterator<Item = (usize, JobId)> {
        self.devices.iter().enumerate().filter_map(|(device, slot)| Some((device, slot.as_ref()?.job)))
    }

    fn start_what_fits(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        while !self.draining {
            let Some(device) = self.devices.iter().position(Option::is_none) else { break };
            let used: u64 = self.devices.iter().flatten().map(|running| running.memory_bytes).sum();
            let Some(first) = self.waiting.first_entry() else { break };
            // A job alone on the machine always starts: it was let in under a budget that may have shrunk since.
            if used > 0 && used + first.get().memory_bytes > self.memory_budget {
                break;
            }
            let Waiting { job, memory_bytes } = first.remove();
            self.places.remove(&job);
            self.devices[device] = Some(Running { job, memory_bytes });
            actions.push(Action::Start { job, device });
        }
        actions
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn queued(job: JobId, priority: Priority) -> Input {
        Input::Queued { job, priority, memory_bytes: 1 }
    }

    fn ids<const N: usize>() -> [JobId; N] {
        std::array::from_fn(|_| JobId::new())
    }

    #[test]
    fn interactive_goes_before_batch_and_first_in_goes_first_out() {
        let [running, batch1, inter1, batch2, inter2] = ids();
        let mut scheduler = Scheduler::new(1, 100);
        assert_eq!(scheduler.apply(queued(running, Priority::Batch)), [Action::Start { job: running, device: 0 }]);
        for (job, priority) in [
            (batch1, Priority::Batch),
            (inter1, Priority::Interactive),
            (batch2, Priority::Batch),
            (inter2, Priority::Interactive),
        ] {
            assert_eq!(scheduler.apply(queued(job, priority)), []);
        }
        assert_eq!(scheduler.queue().collect::<Vec<_>>(), [inter1, inter2, batch1, batch2]);
        assert_eq!(scheduler.apply(Input::Reprioritised { job: batch1, priority: Priority::Interactive }), []);
        assert_eq!(
            scheduler.queue().collect::<Vec<_>>(),
            [batch1, inter1, inter2, batch2],
            "it came before them and keeps its place in time"
        );
    }

    #[test]
    fn jobs_share_the_memory_budget_and_a_large_one_is_not_overtaken() {
        let [small, large, tiny] = ids();
        let mut scheduler = Scheduler::new(3, 10);
        let job = |job, memory_bytes| Input::Queued { job, priority: Priority::Interactive, memory_bytes };
        assert_eq!(scheduler.apply(job(small, 4)).len(), 1);
        assert_eq!(scheduler.apply(job(large, 9)), []);
        assert_eq!(scheduler.apply(job(tiny, 1)), [], "tiny would fit, but large came first");
        assert_eq!(
            scheduler.apply(Input::Idle { device: 0 }),
            [Action::Start { job: large, device: 0 }, Action::Start { job: tiny, device: 1 }]
        );
    }

    #[test]
    fn withdrawing_interrupts_what_runs_and_lets_the_next_one_by() {
        let [first, second] = ids();
        let mut scheduler = Scheduler::new(1, 10);
        let _ = scheduler.apply(queued(first, Priority::Batch));
        let _ = scheduler.apply(queued(second, Priority::Batch));
        assert_eq!(scheduler.apply(Input::Withdrawn { job: first }), [Action::Interrupt { device: 0 }]);
        assert_eq!(scheduler.apply(Input::Idle { device: 0 }), [Action::Start { job: second, device: 0 }]);
    }

    #[test]
    fn draining_interrupts_everything_and_starts_nothing() {
        let [first, second] = ids();
        let mut scheduler = Scheduler::new(1, 10);
        let _ = scheduler.apply(queued(first, Priority::Batch));
        let _ = scheduler.apply(queued(second, Priority::Batch));
        assert_eq!(scheduler.apply(Input::Drain), [Action::Interrupt { device: 0 }]);
        assert_eq!(scheduler.apply(Input::Idle { device: 0 }), []);
    }

    fn any_input(jobs: Vec<JobId>) -> impl Strategy<Value = Input> {
        let job = proptest::sample::select(jobs);
        let priority = proptest::sample::select(Priority::ALL);
        prop_oneof![
            (job.clone(), priority.clone(), 1..8u64).prop_map(|(job, priority, memory_bytes)| Input::Queued {
                job,
                priority,
                memory_bytes
            }),
            (job.clone(), priority).prop_map(|(job, priority)| Input::Reprioritised { job, priority }),
            job.prop_map(|job| Input::Withdrawn { job }),
            (0..3usize).prop_map(|device| Input::Idle { device }),
        ]
    }

    proptest! {
        #[test]
        fn no_device_is_given_two_jobs_and_none_idles_beside_a_queue(
            inputs in proptest::collection::vec(any_input((0..6).map(|_| JobId::new()).collect()), 0..60)
        ) {
            let mut scheduler = Scheduler::new(3, 10);
            let mut busy = [None; 3];
            for input in inputs {
                if let Input::Idle { device } = input {
                    busy[device] = None;
                }
                for action in scheduler.apply(input) {
                    if let Action::Start { job, device } = action {
                        prop_assert_eq!(busy[device].replace(job), None);
                    }
                }
                if busy.iter().all(Option::is_none) {
                    prop_assert_eq!(scheduler.queue().count(), 0);
                }
            }
        }
    }
}
