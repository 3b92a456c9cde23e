use proptest::prelude::*;

use super::*;

fn queued(job: JobId, class: Class) -> Input {
    Input::Queued { job, class, memory_bytes: 1 }
}

fn photo(job: JobId, memory_bytes: u64) -> Input {
    Input::Queued { job, class: Class::Interactive, memory_bytes }
}

fn training(job: JobId, memory_bytes: u64) -> Input {
    Input::Queued { job, class: Class::Background, memory_bytes }
}

fn start(job: JobId, device: usize, slot: Slot) -> Action {
    Action::Start { job, device, slot }
}

fn ended(device: usize, slot: Slot) -> Input {
    Input::Ended { device, slot }
}

fn interrupt(device: usize, slot: Slot) -> Action {
    Action::Interrupt { device, slot }
}

fn ids<const N: usize>() -> [JobId; N] {
    std::array::from_fn(|_| JobId::new())
}

use Slot::{Background, Foreground};

#[test]
fn interactive_goes_before_batch_and_first_in_goes_first_out() {
    let [running, batch1, inter1, batch2, inter2] = ids();
    let mut scheduler = Scheduler::new(1, 100);
    assert_eq!(scheduler.apply(queued(running, Class::Batch)), [start(running, 0, Foreground)]);
    for (job, class) in
        [(batch1, Class::Batch), (inter1, Class::Interactive), (batch2, Class::Batch), (inter2, Class::Interactive)]
    {
        assert_eq!(scheduler.apply(queued(job, class)), []);
    }
    assert_eq!(scheduler.queue().collect::<Vec<_>>(), [inter1, inter2, batch1, batch2]);
    assert_eq!(scheduler.apply(Input::Reprioritised { job: batch1, class: Class::Interactive }), []);
    assert_eq!(
        scheduler.queue().collect::<Vec<_>>(),
        [batch1, inter1, inter2, batch2],
        "it came before them and keeps its place in time"
    );
}

#[test]
fn a_photo_is_begun_beside_a_training_and_the_next_training_waits() {
    let [first, second, shot, next] = ids();
    let mut scheduler = Scheduler::new(1, 100);
    assert_eq!(scheduler.apply(queued(first, Class::Background)), [start(first, 0, Background)]);
    assert_eq!(scheduler.apply(queued(second, Class::Background)), []);
    assert_eq!(scheduler.apply(queued(shot, Class::Batch)), [start(shot, 0, Foreground)]);
    assert_eq!(scheduler.apply(queued(next, Class::Batch)), []);
    assert_eq!(scheduler.queue().collect::<Vec<_>>(), [next, second]);
    assert_eq!(scheduler.apply(ended(0, Foreground)), [start(next, 0, Foreground)]);
    assert_eq!(scheduler.apply(ended(0, Background)), [start(second, 0, Background)]);
}

#[test]
fn a_photo_prefers_a_device_without_a_training() {
    let [trained, one, two] = ids();
    let mut scheduler = Scheduler::new(2, 100);
    assert_eq!(scheduler.apply(queued(trained, Class::Background)), [start(trained, 0, Background)]);
    assert_eq!(scheduler.apply(queued(one, Class::Interactive)), [start(one, 1, Foreground)]);
    assert_eq!(scheduler.apply(queued(two, Class::Interactive)), [start(two, 0, Foreground)]);
}

#[test]
fn jobs_share_the_memory_budget_and_a_large_one_is_not_overtaken() {
    let [small, large, tiny] = ids();
    let mut scheduler = Scheduler::new(3, 10);
    assert_eq!(scheduler.apply(photo(small, 4)).len(), 1);
    assert_eq!(scheduler.apply(photo(large, 9)), []);
    assert_eq!(scheduler.apply(photo(tiny, 1)), [], "tiny would fit, but large came first");
    assert_eq!(scheduler.apply(ended(0, Foreground)), [start(large, 0, Foreground), start(tiny, 1, Foreground)]);
}

#[test]
fn a_photo_that_does_not_fit_beside_trainings_suspends_the_youngest() {
    let [old, young, large, last] = ids();
    let mut scheduler = Scheduler::new(2, 10);
    assert_eq!(scheduler.apply(training(old, 4)).len(), 1);
    assert_eq!(scheduler.apply(training(young, 4)).len(), 1);
    assert_eq!(scheduler.apply(training(last, 4)), []);
    assert_eq!(scheduler.apply(photo(large, 6)), [interrupt(1, Background)]);
    assert_eq!(scheduler.apply(Input::Reprioritised { job: large, class: Class::Batch }), [], "it has been asked");
    // The device puts it back into the queue, then lets go of it.
    assert_eq!(scheduler.apply(training(young, 4)), []);
    assert_eq!(scheduler.queue().collect::<Vec<_>>(), [large, young, last], "it goes on before the others");
    assert_eq!(scheduler.apply(ended(1, Background)), [start(large, 1, Foreground)]);
    assert_eq!(scheduler.apply(ended(1, Foreground)), [start(young, 1, Background)]);
}

#[test]
fn a_photo_larger_than_the_budget_runs_alone() {
    let [trained, large] = ids();
    let mut scheduler = Scheduler::new(1, 10);
    let _ = scheduler.apply(training(trained, 4));
    assert_eq!(scheduler.apply(photo(large, 12)), [interrupt(0, Background)]);
    let _ = scheduler.apply(training(trained, 4));
    assert_eq!(scheduler.apply(ended(0, Background)), [start(large, 0, Foreground)]);
}

#[test]
fn a_training_is_not_suspended_for_memory_that_photos_have() {
    let [trained, running, large] = ids();
    let mut scheduler = Scheduler::new(2, 10);
    let _ = scheduler.apply(photo(running, 6));
    let _ = scheduler.apply(training(trained, 4));
    assert_eq!(scheduler.apply(photo(large, 6)), []);
    assert_eq!(scheduler.apply(ended(0, Foreground)), [start(large, 0, Foreground)]);
}

#[test]
fn withdrawing_interrupts_what_runs_and_lets_the_next_one_by() {
    let [first, second] = ids();
    let mut scheduler = Scheduler::new(1, 10);
    let _ = scheduler.apply(queued(first, Class::Background));
    let _ = scheduler.apply(queued(second, Class::Background));
    assert_eq!(scheduler.apply(Input::Withdrawn { job: first }), [interrupt(0, Background)]);
    assert_eq!(scheduler.apply(ended(0, Background)), [start(second, 0, Background)]);
}

#[test]
fn a_job_that_waits_again_is_not_begun_before_its_device_has_let_go_of_it() {
    let [job, other] = ids();
    let mut scheduler = Scheduler::new(2, 10);
    assert_eq!(scheduler.apply(queued(job, Class::Background)), [start(job, 0, Background)]);
    assert_eq!(scheduler.apply(Input::Withdrawn { job }), [interrupt(0, Background)]);
    assert_eq!(scheduler.apply(queued(job, Class::Background)), []);
    assert_eq!(scheduler.apply(queued(other, Class::Background)), [start(other, 1, Background)]);
    assert_eq!(scheduler.apply(ended(0, Background)), [start(job, 0, Background)]);
}

#[test]
fn a_larger_budget_lets_the_next_one_in_and_a_smaller_one_takes_nothing_away() {
    let [first, second, third] = ids();
    let mut scheduler = Scheduler::new(2, 10);
    assert_eq!(scheduler.apply(photo(first, 8)), [start(first, 0, Foreground)]);
    assert_eq!(scheduler.apply(photo(second, 8)), []);
    assert_eq!(scheduler.apply(Input::Budget { memory_bytes: 16 }), [start(second, 1, Foreground)]);
    assert_eq!(scheduler.apply(Input::Budget { memory_bytes: 8 }), []);
    assert_eq!(scheduler.apply(photo(third, 1)), []);
    assert_eq!(scheduler.apply(ended(0, Foreground)), [], "the other one still takes all there is");
}

#[test]
fn what_is_only_to_be_finished_does_not_wait_for_a_training() {
    let [running, waiting, kept] = ids();
    let mut scheduler = Scheduler::new(1, 10);
    assert_eq!(scheduler.apply(training(running, 1)), [start(running, 0, Background)]);
    assert_eq!(scheduler.apply(training(waiting, 1)), []);
    assert_eq!(scheduler.apply(training(kept, 1)), []);
    assert_eq!(scheduler.apply(queued(kept, Class::Finishing)), [interrupt(0, Background)]);
    assert_eq!(scheduler.queue().next(), Some(kept));
    assert_eq!(scheduler.apply(training(running, 1)), [], "it is on its way out and is not asked twice");
    assert_eq!(scheduler.apply(ended(0, Background)), [start(kept, 0, Background)]);
    assert_eq!(scheduler.apply(ended(0, Background)), [start(running, 0, Background)], "before those behind it");
}

#[test]
fn draining_interrupts_everything_and_starts_nothing() {
    let [first, second, shot] = ids();
    let mut scheduler = Scheduler::new(1, 10);
    for input in [training(first, 1), training(second, 1), photo(shot, 1)] {
        let _ = scheduler.apply(input);
    }
    assert_eq!(scheduler.apply(Input::Drain), [interrupt(0, Foreground), interrupt(0, Background)]);
    assert_eq!(scheduler.apply(ended(0, Foreground)), []);
    assert_eq!(scheduler.apply(training(first, 1)), []);
    assert_eq!(scheduler.apply(ended(0, Background)), []);
}

const CLASSES: [Class; 4] = [Class::Interactive, Class::Batch, Class::Finishing, Class::Background];
const BUDGET: u64 = 10;

/// A step of a made-up day. Ends are drawn from what runs, as devices never end what they have not begun.
#[derive(Clone, Debug)]
enum Step {
    Tell(Input),
    End { nth: usize, returns: bool },
}

fn any_step(jobs: Vec<JobId>) -> impl Strategy<Value = Step> {
    let job = proptest::sample::select(jobs);
    let class = proptest::sample::select(CLASSES.to_vec());
    let queued = (job.clone(), class.clone(), 1..8u64)
        .prop_map(|(job, class, memory_bytes)| Step::Tell(Input::Queued { job, class, memory_bytes }));
    prop_oneof![
        3 => queued,
        1 => (job.clone(), class).prop_map(|(job, class)| Step::Tell(Input::Reprioritised { job, class })),
        1 => job.prop_map(|job| Step::Tell(Input::Withdrawn { job })),
        3 => (0..6usize, any::<bool>()).prop_map(|(nth, returns)| Step::End { nth, returns }),
    ]
}

/// What the devices have, kept beside the scheduler by an onlooker.
#[derive(Default)]
struct Onlooker {
    slots: HashMap<(usize, Slot), (JobId, Class)>,
    interrupted: Vec<(usize, Slot)>,
    needs: HashMap<JobId, (Class, u64)>,
}

impl Onlooker {
    fn tell(&mut self, scheduler: &mut Scheduler, input: Input) -> Result<(), TestCaseError> {
        match input {
            Input::Queued { job, class, memory_bytes } => drop(self.needs.insert(job, (class, memory_bytes))),
            Input::Reprioritised { job, class } => {
                if let Some(known) = self.needs.get_mut(&job) {
                    known.0 = class;
                }
            }
            Input::Ended { device, slot } => {
                self.slots.remove(&(device, slot));
                self.interrupted.retain(|place| *place != (device, slot));
            }
            Input::Withdrawn { .. } | Input::Budget { .. } | Input::Drain => {}
        }
        for action in scheduler.apply(input) {
            match action {
                Action::Start { job, device, slot } => {
                    prop_assert!(self.slots.values().all(|(running, _)| *running != job), "begun twice");
                    let class = self.needs[&job].0;
                    prop_assert_eq!(class.slot(), slot);
                    prop_assert_eq!(self.slots.insert((device, slot), (job, class)), None, "two jobs in one slot");
                }
                Action::Interrupt { device, slot } => {
                    prop_assert!(self.slots.contains_key(&(device, slot)), "nothing to interrupt");
                    self.interrupted.push((device, slot));
                }
            }
        }
        let waiting: Vec<_> = scheduler.queue().collect();
        let classes: Vec<_> = waiting.iter().map(|job| self.needs[job].0).collect();
        prop_assert!(classes.is_sorted(), "{classes:?}");
        if self.slots.is_empty() {
            prop_assert!(waiting.is_empty(), "everything idles beside a queue");
        }
        Ok(())
    }

    /// Says whether a photo waits that only the background keeps from its memory, and nobody has been asked to go.
    fn is_photo_held_up(&self, scheduler: &Scheduler, devices: usize) -> bool {
        let photos = self.slots.keys().filter(|(_, slot)| *slot == Foreground).count();
        let waits = scheduler.queue().any(|job| self.needs[&job].0.slot() == Foreground && !self.has(job));
        waits && photos == 0 && devices > 0 && self.interrupted.is_empty() && !self.slots.is_empty()
    }

    fn has(&self, job: JobId) -> bool {
        self.slots.values().any(|(running, _)| *running == job)
    }
}

proptest! {
    #[test]
    fn whatever_happens_slots_memory_and_classes_are_kept_to(
        steps in proptest::collection::vec(any_step((0..7).map(|_| JobId::new()).collect()), 0..80)
    ) {
        let mut scheduler = Scheduler::new(3, BUDGET);
        let mut onlooker = Onlooker::default();
        for step in steps {
            match step {
                Step::Tell(input) => onlooker.tell(&mut scheduler, input)?,
                Step::End { nth, returns } => {
                    let mut busy: Vec<_> = onlooker.slots.keys().copied().collect();
                    busy.sort_by_key(|(device, slot)| (*device, *slot == Background));
                    let Some((device, slot)) = busy.get(nth).copied() else { continue };
                    let (job, class) = onlooker.slots[&(device, slot)];
                    if returns && onlooker.interrupted.contains(&(device, slot)) {
                        onlooker.tell(&mut scheduler, Input::Queued { job, class, memory_bytes: 3 })?;
                    }
                    onlooker.tell(&mut scheduler, Input::Ended { device, slot })?;
                }
            }
            let used: u64 = scheduler.running().map(|running| running.memory_bytes).sum();
            prop_assert!(used <= BUDGET || onlooker.slots.len() == 1, "{used} of {BUDGET}");
            prop_assert!(!onlooker.is_photo_held_up(&scheduler, 3), "a photo waits behind the background");
        }
    }
}
