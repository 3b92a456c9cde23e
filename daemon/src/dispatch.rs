//! The thread around the scheduler, and one thread a device.
//!
//! The store alone says what state a job is in. The scheduler only orders the waiting; when a device begins or ends
//! a job, the change is made in the store on condition that the job is still what the scheduler thought, so a
//! cancel, pause or retry that comes in between simply wins.

mod device;
mod turns;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use protocol::JobId;

use crate::engine::Engine;
use crate::record::Record;
use crate::scheduler::{Action, Input, Scheduler, Slot};
use crate::work::Workplace;

use device::Device;

/// Tells the dispatcher what has happened. Cheap to clone.
#[derive(Clone)]
pub struct Dispatch {
    inputs: Sender<Input>,
    scheduler: Arc<Mutex<Scheduler>>,
}

impl Dispatch {
    /// Tells it.
    pub fn tell(&self, input: Input) {
        // After the dispatcher has ended there is nothing left to schedule.
        let _ = self.inputs.send(input);
    }

    /// Tells it that a job waits for a device.
    pub fn enqueue(&self, record: &Record) {
        let (class, memory_bytes) = (record.class(), record.memory_bytes);
        self.tell(Input::Queued { job: record.job.id, class, memory_bytes });
    }

    /// Lists the waiting jobs in the order in which they will start.
    #[must_use]
    pub fn queue(&self) -> Vec<JobId> {
        self.scheduler().queue().collect()
    }

    /// Returns how many jobs start before one that waits.
    #[must_use]
    pub fn place(&self, job: JobId) -> Option<u64> {
        self.scheduler().place(job)
    }

    fn scheduler(&self) -> MutexGuard<'_, Scheduler> {
        self.scheduler.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs until it is told to drain and every device is idle.
    fn run(&self, inputs: &Receiver<Input>, mut hands: Vec<Hands>) {
        let mut busy = 0_usize;
        let mut draining = false;
        while !(draining && busy == 0) {
            let Ok(input) = inputs.recv() else { break };
            draining |= input == Input::Drain;
            for action in self.scheduler().apply(input) {
                match action {
                    Action::Start { job, device, slot } => {
                        busy += 1;
                        hands[device].begin(job, slot);
                    }
                    Action::Interrupt { device, slot } => {
                        hands[device].interrupted(slot).store(true, Ordering::Release);
                    }
                }
            }
            if let Input::Ended { device, .. } = input {
                busy -= 1;
                hands[device].say(Word::Settled);
            }
        }
    }
}

/// The threads behind the dispatcher.
pub struct Threads {
    dispatcher: JoinHandle<()>,
    devices: Vec<JoinHandle<()>>,
}

impl Threads {
    /// Waits until all of them have ended, after [`Input::Drain`].
    pub fn join(self) {
        for thread in self.devices.into_iter().chain([self.dispatcher]) {
            if thread.join().is_err() {
                tracing::error!("a thread of the dispatcher panicked");
            }
        }
    }
}

/// What a device is told.
enum Word {
    /// To begin a job.
    Begin(Order),
    /// That everything which follows from its last [`Input::Ended`] has been told.
    Settled,
}

/// A job for one slot of a device.
struct Order {
    job: JobId,
    slot: Slot,
    interrupted: Arc<AtomicBool>,
}

/// How the dispatcher reaches a device.
struct Hands {
    words: Sender<Word>,
    photo: Arc<AtomicBool>,
    behind: Arc<AtomicBool>,
}

impl Hands {
    fn interrupted(&mut self, slot: Slot) -> &mut Arc<AtomicBool> {
        match slot {
            Slot::Foreground => &mut self.photo,
            Slot::Background => &mut self.behind,
        }
    }

    fn begin(&mut self, job: JobId, slot: Slot) {
        *self.interrupted(slot) = Arc::default();
        let interrupted = Arc::clone(self.interrupted(slot));
        self.say(Word::Begin(Order { job, slot, interrupted }));
    }

    fn say(&self, word: Word) {
        // A device's thread lives as long as its sender; it catches every panic of its work.
        let _ = self.words.send(word);
    }
}

/// Starts one thread a device and the dispatcher over them.
///
/// # Errors
/// When a thread can't be started.
pub(crate) fn start(
    engines: Vec<Box<dyn Engine>>,
    workplace: &Workplace,
    memory_budget: u64,
) -> std::io::Result<(Dispatch, Threads)> {
    let (inputs, receiver) = channel();
    let scheduler = Arc::new(Mutex::new(Scheduler::new(engines.len(), memory_budget)));
    let dispatch = Dispatch { inputs, scheduler };
    let mut hands = Vec::new();
    let mut devices = Vec::new();
    for (index, engine) in engines.into_iter().enumerate() {
        let (words, inbox) = channel();
        let name = engine.profile().name;
        let device = Device { index, name, workplace: workplace.clone(), dispatch: dispatch.clone() };
        let thread = std::thread::Builder::new().name(format!("device {}", device.name));
        devices.push(thread.spawn(move || device.run(engine, &inbox))?);
        hands.push(Hands { words, photo: Arc::default(), behind: Arc::default() });
    }
    let dispatcher = dispatch.clone();
    let dispatcher =
        std::thread::Builder::new().name("dispatch".to_owned()).spawn(move || dispatcher.run(&receiver, hands))?;
    Ok((dispatch, Threads { dispatcher, devices }))
}
