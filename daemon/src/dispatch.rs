//! The thread around the scheduler, and one thread a device.
//!
//! The store alone says what state a job is in. The scheduler only orders the waiting; when a device begins or ends
//! a job, the change is made in the store on condition that the job is still what the scheduler thought, so a
//! cancel, pause or retry that comes in between simply wins.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use jiff::Timestamp;
use protocol::{ErrorCode, EventBody, Job, JobId, JobState, Progress, job::ProgressUnit};

use crate::engine::Engine;
use crate::record::Record;
use crate::scheduler::{Action, Class, Input, Scheduler, Slot};
use crate::work::{Outcome, Workplace, failure, is_current};

/// Tells the dispatcher what has happened. Cheap to clone.
#[derive(Clone)]
pub struct Dispatch {
    inputs: Sender<Input>,
}

impl Dispatch {
    /// Tells it.
    pub fn tell(&self, input: Input) {
        // After the dispatcher has ended there is nothing left to schedule.
        let _ = self.inputs.send(input);
    }

    /// Tells it that a job waits for a device.
    pub fn enqueue(&self, job: &Job, memory_bytes: u64) {
        self.tell(Input::Queued { job: job.id, class: Class::of(job.kind(), job.priority), memory_bytes });
    }
}

/// The threads behind the dispatcher.
pub struct Threads {
    dispatcher: JoinHandle<()>,
    workers: Vec<JoinHandle<()>>,
}

impl Threads {
    /// Waits until all of them have ended, after [`Input::Drain`].
    pub fn join(self) {
        for thread in self.workers.into_iter().chain([self.dispatcher]) {
            if thread.join().is_err() {
                tracing::error!("a thread of the dispatcher panicked");
            }
        }
    }
}

struct Order {
    job: JobId,
    interrupted: Arc<AtomicBool>,
}

struct Hands {
    orders: Sender<Order>,
    interrupted: Arc<AtomicBool>,
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
    let dispatch = Dispatch { inputs };
    let mut hands = Vec::new();
    let mut workers = Vec::new();
    for (device, engine) in engines.into_iter().enumerate() {
        let (orders, inbox) = channel();
        let worker =
            Worker { device, name: engine.profile().name, workplace: workplace.clone(), dispatch: dispatch.clone() };
        let thread = std::thread::Builder::new().name(format!("device {}", worker.name));
        workers.push(thread.spawn(move || worker.run(engine, &inbox))?);
        hands.push(Hands { orders, interrupted: Arc::default() });
    }
    let scheduler = Scheduler::new(hands.len(), memory_budget);
    let live = workplace.live.clone();
    let dispatcher = std::thread::Builder::new()
        .name("dispatch".to_owned())
        .spawn(move || dispatch_loop(&receiver, scheduler, hands, &live))?;
    Ok((dispatch, Threads { dispatcher, workers }))
}

/// Runs until it is told to drain and every device is idle.
fn dispatch_loop(inputs: &Receiver<Input>, mut scheduler: Scheduler, mut hands: Vec<Hands>, live: &crate::live::Live) {
    let mut busy = 0_usize;
    let mut draining = false;
    while !(draining && busy == 0) {
        let Ok(first) = inputs.recv() else { break };
        for input in std::iter::once(first).chain(inputs.try_iter()) {
            draining |= input == Input::Drain;
            busy -= usize::from(matches!(input, Input::Ended { .. }));
            for action in scheduler.apply(input) {
                match action {
                    Action::Start { job, device, .. } => {
                        busy += 1;
                        let hands = &mut hands[device];
                        hands.interrupted = Arc::default();
                        let order = Order { job, interrupted: Arc::clone(&hands.interrupted) };
                        // A worker's thread lives as long as its sender; it catches every panic of its work.
                        let _ = hands.orders.send(order);
                    }
                    Action::Interrupt { device, .. } => hands[device].interrupted.store(true, Ordering::Release),
                }
            }
        }
        live.set_queue(scheduler.queue().collect());
    }
}

struct Worker {
    device: usize,
    name: String,
    workplace: Workplace,
    dispatch: Dispatch,
}

impl Worker {
    fn run(&self, mut engine: Box<dyn Engine>, inbox: &Receiver<Order>) {
        while let Ok(order) = inbox.recv() {
            if let Some(record) = self.begin(order.job) {
                let span = tracing::info_span!("job", id = %order.job, device = self.name);
                let _entered = span.enter();
                self.show(Some(order.job));
                let outcome = self.attempt(&record, engine.as_mut(), &order.interrupted);
                self.end(&record, outcome);
                self.show(None);
            }
            self.dispatch.tell(Input::Ended { device: self.device, slot: Slot::Foreground });
        }
    }

    /// Marks the job as running, if it still waits.
    fn begin(&self, job: JobId) -> Option<Record> {
        let device = self.name.clone();
        let begun = self.workplace.store.write(move |ledger| {
            let mut record = ledger.record(job)?;
            if record.job.state != JobState::Queued {
                return None;
            }
            record.job.attempt += 1;
            let progress = Progress { done: 0, total: 100, unit: ProgressUnit::Percent, rate: None };
            record.job.state = JobState::Running { started_at: Timestamp::now(), device, progress };
            // The spool keeps saying "queued": that is what the job is again after a crash.
            ledger.put(&record);
            Some(record)
        });
        begun.durable_blocking().ok().flatten()
    }

    fn attempt(&self, record: &Record, engine: &mut dyn Engine, interrupted: &AtomicBool) -> Outcome {
        let attempt = catch_unwind(AssertUnwindSafe(|| self.workplace.attempt(record, engine, interrupted)));
        attempt.unwrap_or_else(|panic| {
            let said = panic.downcast_ref::<&str>().map(ToString::to_string);
            let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            tracing::error!(panic = said, "the work on a job panicked");
            Outcome::Failed(failure(
                ErrorCode::WorkerPanicked,
                format!("the work on this job crashed ({said}); retry it, and report it if it happens again"),
            ))
        })
    }

    /// Records how the attempt ended, unless somebody has decided about the job meanwhile.
    fn end(&self, begun: &Record, outcome: Outcome) {
        let id = begun.job.id;
        let attempt = begun.job.attempt;
        let requeue = self.dispatch.clone();
        let ended = self.workplace.store.write(move |ledger| {
            let Some(mut record) = ledger.record(id).filter(|record| is_current(record, attempt)) else { return };
            let JobState::Running { started_at, device, .. } = record.job.state.clone() else { return };
            let finished_at = Timestamp::now();
            record.job.state = match outcome {
                Outcome::Succeeded(result) => JobState::Succeeded { started_at, finished_at, device, result },
                Outcome::Failed(error) => {
                    tracing::warn!(code = %error.code, detail = error.detail, "the job failed");
                    JobState::Failed { started_at: Some(started_at), finished_at, error }
                }
                // Nobody has decided about it, so it was the daemon's own end: the job waits for the next start.
                Outcome::Interrupted => JobState::Queued,
            };
            record.release_letter(finished_at);
            if ledger.save(&record).is_err() {
                // No room for the record: the row alone says so until the next start, which runs the job again.
                ledger.put(&record);
            }
            if record.job.state == JobState::Queued {
                requeue.enqueue(&record.job, record.memory_bytes);
            }
        });
        if let Err(error) = ended.durable_blocking() {
            tracing::error!(job = %id, %error, "the job's end could not be recorded");
        }
        self.workplace.outbox.notify_one();
    }

    fn show(&self, job: Option<JobId>) {
        if let Some(device) = self.workplace.live.set_job(self.device, job) {
            self.workplace.store.show(EventBody::Device(device));
        }
    }
}
