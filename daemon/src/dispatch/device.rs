//! A device's thread: a photo at a time, and behind the photos a training or painting, step by step.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvError, TryRecvError};
use std::time::Instant;

use jiff::Timestamp;
use protocol::{ErrorCode, EventBody, JobId, JobState, StateName};

use super::turns::Turns;
use super::{Dispatch, Order, Word};
use crate::engine::Engine;
use crate::record::Record;
use crate::scheduler::{Input, Slot};
use crate::work::{Outcome, Preparation, Run, Turn, Workplace, failure, first_progress, is_set};

/// A device, as its thread sees it.
pub(super) struct Device {
    pub(super) index: usize,
    pub(super) name: String,
    pub(super) workplace: Workplace,
    pub(super) dispatch: Dispatch,
}

/// What a device has before it.
struct Desk {
    photo: Option<Order>,
    behind: Option<Behind>,
    turns: Turns,
}

/// A training or painting that a device has before it.
struct Behind {
    order: Order,
    stage: Stage,
}

/// How far a training or painting is on its device.
enum Stage {
    /// It has not had a turn.
    Ordered,
    /// It is being made ready for its first step.
    Opening(Record, Preparation),
    /// It takes steps.
    Running(Record, Box<Run>),
}

impl Desk {
    fn take(&mut self, word: Word) {
        match word {
            Word::Begin(order) if order.slot == Slot::Foreground => self.photo = Some(order),
            Word::Begin(order) => {
                self.behind = Some(Behind { order, stage: Stage::Ordered });
                self.turns.had_behind(Instant::now());
            }
            Word::Settled => {}
        }
    }

    /// Takes what has been ordered; waits for it where there is nothing else to do.
    fn listen(&mut self, inbox: &Receiver<Word>) -> Result<(), RecvError> {
        if self.photo.is_none() && self.behind.is_none() {
            self.take(inbox.recv()?);
        }
        loop {
            match inbox.try_recv() {
                Ok(word) => self.take(word),
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => return Err(RecvError),
            }
        }
    }
}

impl Device {
    /// Works until the dispatcher has ended.
    pub(super) fn run(&self, mut engine: Box<dyn Engine>, inbox: &Receiver<Word>) {
        let mut desk = Desk { photo: None, behind: None, turns: Turns::new(Instant::now()) };
        while let Ok(()) = desk.listen(inbox) {
            match desk.turns.next(desk.photo.is_some(), desk.behind.is_some(), Instant::now()) {
                Some(Slot::Foreground) => {
                    if let Some(order) = desk.photo.take() {
                        self.do_photo(&order, engine.as_mut());
                        self.let_go(Slot::Foreground, &mut desk, inbox);
                    }
                }
                Some(Slot::Background) => {
                    if let Some(behind) = desk.behind.take() {
                        desk.behind = self.do_turn(behind, engine.as_mut());
                        desk.turns.had_behind(Instant::now());
                        if desk.behind.is_none() {
                            self.let_go(Slot::Background, &mut desk, inbox);
                        }
                    }
                }
                None => {}
            }
        }
    }

    /// Tells the dispatcher that a slot is free, and hears at once what comes next: otherwise a step would slip in
    /// between any two photos.
    fn let_go(&self, slot: Slot, desk: &mut Desk, inbox: &Receiver<Word>) {
        self.dispatch.tell(Input::Ended { device: self.index, slot });
        while let Ok(word) = inbox.recv() {
            let is_settled = matches!(word, Word::Settled);
            desk.take(word);
            if is_settled {
                break;
            }
        }
    }

    fn do_photo(&self, order: &Order, engine: &mut dyn Engine) {
        let Some(record) = self.begin(order.job) else { return };
        let span = tracing::info_span!("job", id = %order.job, device = self.name);
        let _entered = span.enter();
        self.show(Slot::Foreground, Some(order.job));
        let outcome = guarded(|| self.workplace.stylize(&record, engine, &order.interrupted));
        self.end(&record, outcome.unwrap_or_else(Outcome::Failed));
        self.show(Slot::Foreground, None);
    }

    /// Gives a training or painting its turn, and returns it unless it has ended.
    fn do_turn(&self, behind: Behind, engine: &mut dyn Engine) -> Option<Behind> {
        let Behind { order, stage } = behind;
        let span = tracing::info_span!("job", id = %order.job, device = self.name);
        let _entered = span.enter();
        let stage = match stage {
            Stage::Ordered => self.do_order(&order, engine),
            Stage::Opening(record, preparation) => self.open_further(&order, record, preparation, engine),
            Stage::Running(record, mut run) => match guarded(|| run.turn(is_set(&order.interrupted))) {
                Ok(Turn::GoesOn) => Some(Stage::Running(record, run)),
                Ok(Turn::Ended(outcome)) => self.end_behind(&record, outcome),
                Err(failure) => self.end_behind(&record, Outcome::Failed(failure)),
            },
        };
        stage.map(|stage| Behind { order, stage })
    }

    fn do_order(&self, order: &Order, engine: &mut dyn Engine) -> Option<Stage> {
        if is_set(&order.interrupted) {
            self.give_back(order.job);
            return None;
        }
        let record = self.begin(order.job)?;
        self.show(Slot::Background, Some(order.job));
        match guarded(|| Preparation::begin(&self.workplace, &record, engine)) {
            Ok(Ok(preparation)) => Some(Stage::Opening(record, preparation)),
            Ok(Err(outcome)) => self.end_behind(&record, outcome),
            Err(failure) => self.end_behind(&record, Outcome::Failed(failure)),
        }
    }

    fn open_further(
        &self,
        order: &Order,
        record: Record,
        mut preparation: Preparation,
        engine: &mut dyn Engine,
    ) -> Option<Stage> {
        if is_set(&order.interrupted) && !self.workplace.goes_on(&record) {
            return self.end_behind(&record, Outcome::Interrupted);
        }
        match guarded(|| preparation.advance(&self.workplace, &record, engine)) {
            Ok(Ok(Some(run))) => Some(Stage::Running(record, Box::new(run))),
            Ok(Ok(None)) => Some(Stage::Opening(record, preparation)),
            Ok(Err(outcome)) => self.end_behind(&record, outcome),
            Err(failure) => self.end_behind(&record, Outcome::Failed(failure)),
        }
    }

    fn end_behind(&self, record: &Record, outcome: Outcome) -> Option<Stage> {
        self.end(record, outcome);
        self.show(Slot::Background, None);
        None
    }

    /// Returns a job that was interrupted before it was begun, if it still waits.
    fn give_back(&self, job: JobId) {
        if let Ok(Some(record)) = self.workplace.store.record(job)
            && record.job.state.name() == StateName::Queued
        {
            self.dispatch.enqueue(&record);
        }
    }

    /// Marks the job as running, if it still waits.
    fn begin(&self, job: JobId) -> Option<Record> {
        let device = self.name.clone();
        let spool = self.workplace.spool.clone();
        let begun = self.workplace.store.write(move |ledger| {
            let mut record = ledger.record(job)?;
            if record.job.state.name() != StateName::Queued {
                return None;
            }
            record.job.attempt += 1;
            record.has_room();
            let progress = first_progress(&record, &spool);
            record.job.state = JobState::Running { started_at: Timestamp::now(), device, progress };
            // The spool keeps saying "queued": that is what the job is again after a crash.
            ledger.put(&record);
            Some(record)
        });
        begun.durable_blocking().ok().flatten()
    }

    /// Records how the attempt ended, unless somebody has decided about the job meanwhile.
    fn end(&self, begun: &Record, outcome: Outcome) {
        let id = begun.job.id;
        let attempt = begun.job.attempt;
        let requeue = self.dispatch.clone();
        let spool = self.workplace.spool.clone();
        let ended = self.workplace.store.write(move |ledger| {
            let Some(mut record) = ledger.record(id).filter(|record| record.job.attempt == attempt) else { return };
            let JobState::Running { started_at, device, .. } = record.job.state.clone() else {
                // Somebody has decided about it; after which step it goes on is known only now.
                let unkept = unkept(outcome).filter(|_| !record.job.state.is_finished());
                let is_news = record.note_steps(&spool) || unkept.is_some();
                record.job.warnings.extend(unkept);
                if is_news {
                    ledger.save_anyway(&record);
                }
                return;
            };
            let finished_at = Timestamp::now();
            match outcome {
                Outcome::Succeeded(result) => {
                    record.kept_result = None;
                    record.job.state = JobState::Succeeded { started_at, finished_at, device, result };
                }
                Outcome::Failed(error) => {
                    tracing::warn!(code = %error.code, detail = error.detail, "the job failed");
                    let (started_at, device) = (Some(started_at), Some(device));
                    record.job.state = JobState::Failed { started_at, finished_at, device, error };
                }
                Outcome::Unpublished { failure: error, result } => {
                    tracing::warn!(code = %error.code, detail = error.detail, "the style could not be published");
                    record.kept_result = Some(*result);
                    let (started_at, device) = (Some(started_at), Some(device));
                    record.job.state = JobState::Failed { started_at, finished_at, device, error };
                }
                // Nobody has decided about it: it made room, or the daemon ends, and it waits again.
                Outcome::Interrupted => record.job.state = JobState::Queued { steps_done: 0 },
                Outcome::NoRoom(warning) => {
                    tracing::warn!(warning, "the job is paused until the disk has room");
                    record.wait_for_room(warning);
                }
            }
            record.note_steps(&spool);
            record.release_letter(finished_at);
            if let Ok(bytes) = spool.side_bytes(&record) {
                record.side_bytes = bytes;
            }
            // A job whose end has no room in the spool is run again after the next start.
            ledger.save_anyway(&record);
            if record.job.state.name() == StateName::Queued {
                requeue.enqueue(&record);
            }
        });
        if let Err(error) = ended.durable_blocking() {
            tracing::error!(job = %id, %error, "the job's end could not be recorded");
        }
        self.workplace.outbox.notify_one();
    }

    fn show(&self, slot: Slot, job: Option<JobId>) {
        if let Some(device) = self.workplace.live.set_job(self.index, slot, job) {
            self.workplace.store.show(EventBody::Device(device));
        }
    }
}

/// Says why a job that was stopped could not keep its newest steps, if it could not.
fn unkept(outcome: Outcome) -> Option<String> {
    let reason = match outcome {
        Outcome::Failed(failure) => failure.detail,
        Outcome::NoRoom(_) => "the disk of the data folder has no room for its checkpoint".to_owned(),
        Outcome::Succeeded(_) | Outcome::Unpublished { .. } | Outcome::Interrupted => return None,
    };
    tracing::warn!(reason, "a job that was stopped could not keep its newest steps");
    Some(format!("its newest steps could not be kept: {reason}"))
}

/// Turns a panic into the failure of one job.
fn guarded<R>(work: impl FnOnce() -> R) -> Result<R, protocol::Failure> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let said = panic.downcast_ref::<&str>().map(ToString::to_string);
        let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        tracing::error!(panic = said, "the work on a job panicked");
        failure(
            ErrorCode::WorkerPanicked,
            format!("the work on this job crashed ({said}); retry it, and report it if it happens again"),
        )
    })
}
