//! The jobs: newest first, filtered, sorted, marked.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};
use protocol::{Job, JobId, JobPage, JobState, Progress};

use super::filter::Filter;
use super::list::{Cursor, Motion};
use crate::words::style;

/// The columns to sort by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Newest first.
    Age,
    /// What runs, then what waits, then what has ended.
    State,
    /// By style.
    Style,
    /// By kind.
    Kind,
    /// The longest wait first.
    Waited,
}

impl Order {
    const ALL: [Self; 5] = [Self::Age, Self::State, Self::Style, Self::Kind, Self::Waited];

    /// Returns its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::State => "state",
            Self::Style => "style",
            Self::Kind => "kind",
            Self::Waited => "waited",
        }
    }
}

/// How often the places in the queue are asked for, at most.
const PLACES_EVERY: SignedDuration = SignedDuration::from_secs(1);

/// How many of the older jobs are here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Older {
    /// Nobody has asked for them.
    #[default]
    Unasked,
    /// Those after this cursor, or the newest, are on their way.
    Asked(Option<String>),
    /// There are more after this cursor.
    After(String),
    /// All are here.
    All,
}

/// Everything known about jobs, and what is shown of it.
#[derive(Clone, Debug)]
pub(crate) struct Jobs {
    known: BTreeMap<JobId, Job>,
    /// What is heard of running jobs between two changes of state.
    rates: HashMap<JobId, (Option<f64>, Option<f64>)>,
    pub(crate) older: Older,
    /// Whether the queue has moved since its places were asked for.
    queue_moved: bool,
    places_asked_at: Option<Timestamp>,
    pub(crate) filter: Filter,
    pub(crate) order: Order,
    pub(crate) reversed: bool,
    pub(crate) marks: BTreeSet<JobId>,
    pub(crate) cursor: Cursor<JobId>,
    /// The job that is open over the list.
    pub(crate) open: Option<JobId>,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            known: BTreeMap::new(),
            rates: HashMap::new(),
            older: Older::default(),
            queue_moved: false,
            places_asked_at: None,
            filter: Filter::default(),
            order: Order::Age,
            reversed: false,
            marks: BTreeSet::new(),
            cursor: Cursor::default(),
            open: None,
        }
    }
}

impl Jobs {
    /// Begins anew with what the daemon says is there.
    pub(crate) fn replace(&mut self, jobs: Vec<Job>) {
        self.known = jobs.into_iter().map(|job| (job.id, job)).collect();
        self.rates.clear();
        self.older = Older::Unasked;
        self.forget_the_gone();
    }

    /// Takes note that an answer may have been lost: what was on its way is asked for again.
    pub(crate) fn doubt(&mut self) {
        if let Older::Asked(cursor) = &mut self.older {
            self.older = cursor.take().map_or(Older::Unasked, Older::After);
        }
        self.queue_moved |= self.places_asked_at.is_some();
    }

    /// Takes note of a page of older jobs. What the events have said since is newer.
    pub(crate) fn add_older(&mut self, page: JobPage) {
        for job in page.jobs {
            self.known.entry(job.id).or_insert(job);
        }
        self.older = page.next.map_or(Older::All, Older::After);
    }

    /// Takes note of a job as it is now. Its place in the queue stays what it was until that is told again.
    pub(crate) fn put(&mut self, mut job: Job) {
        if !matches!(job.state, JobState::Running { .. }) {
            self.rates.remove(&job.id);
        }
        let is_queued = |job: &Job| matches!(job.state, JobState::Queued { .. });
        let before = self.known.get(&job.id);
        self.queue_moved |= is_queued(&job) || before.is_some_and(is_queued);
        if is_queued(&job) {
            job.queue_position = job.queue_position.or_else(|| before?.queue_position);
        }
        self.known.insert(job.id, job);
    }

    /// Says whether it is time to ask for the places in the queue, which no event tells; takes note that somebody does.
    pub(crate) fn wants_places(&mut self, now: Timestamp) -> bool {
        let due = self.places_asked_at.is_none_or(|asked| now.duration_since(asked) >= PLACES_EVERY);
        let asks = self.queue_moved && due;
        if asks {
            (self.queue_moved, self.places_asked_at) = (false, Some(now));
        }
        asks
    }

    /// Takes note of places in the queue, for jobs that still wait.
    pub(crate) fn set_places(&mut self, queue: Vec<Job>) {
        for told in queue {
            if let Some(job) = self.known.get_mut(&told.id).filter(|job| matches!(job.state, JobState::Queued { .. })) {
                job.queue_position = told.queue_position;
            }
        }
    }

    /// Takes note of how far a running job is.
    pub(crate) fn set_progress(&mut self, id: JobId, now: Progress, rate: Option<f64>, left: Option<f64>) {
        if let Some(JobState::Running { progress, .. }) = self.known.get_mut(&id).map(|job| &mut job.state) {
            *progress = now;
            self.rates.insert(id, (rate, left));
        }
    }

    /// Takes a job away.
    pub(crate) fn remove(&mut self, id: JobId) {
        self.known.remove(&id);
        self.rates.remove(&id);
        self.forget_the_gone();
    }

    fn forget_the_gone(&mut self) {
        self.marks.retain(|id| self.known.contains_key(id));
        self.open = self.open.filter(|id| self.known.contains_key(id));
    }

    /// Returns how many jobs wait: a snapshot has only the newest of a long queue, and their places tell of the others.
    pub(crate) fn queued(&self) -> usize {
        let queued = self.known.values().filter(|job| matches!(job.state, JobState::Queued { .. }));
        let last = queued.clone().filter_map(|job| job.queue_position).max();
        queued.count().max(last.map_or(0, |place| place as usize + 1))
    }

    /// Finds a job.
    pub(crate) fn get(&self, id: JobId) -> Option<&Job> {
        self.known.get(&id)
    }

    /// Returns all, newest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Job> {
        self.known.values().rev()
    }

    /// Returns how many there are.
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// Returns units a second of a running job.
    pub(crate) fn rate(&self, job: &Job) -> Option<f64> {
        let JobState::Running { progress, .. } = &job.state else { return None };
        self.rates.get(&job.id).and_then(|(rate, _)| *rate).or(progress.rate)
    }

    /// Returns the seconds that a running job still needs.
    pub(crate) fn left(&self, job: &Job) -> Option<f64> {
        let JobState::Running { progress, .. } = &job.state else { return None };
        self.rates.get(&job.id).and_then(|(_, left)| *left).or_else(|| progress.eta_seconds())
    }

    /// Returns the rows to show, in their order.
    pub(crate) fn rows(&self, now: Timestamp) -> Vec<JobId> {
        let mut rows: Vec<_> = self.all().filter(|job| self.filter.fits(job)).collect();
        // The sort is stable: equals stay newest first.
        match self.order {
            Order::Age => {}
            order => rows.sort_by(|a, b| compare(order, a, b, now)),
        }
        if self.reversed {
            rows.reverse();
        }
        rows.into_iter().map(|job| job.id).collect()
    }

    /// Sorts by the next column.
    pub(crate) fn sort_by_next(&mut self) {
        let at = Order::ALL.iter().position(|order| *order == self.order).unwrap_or(0);
        self.order = Order::ALL[(at + 1) % Order::ALL.len()];
    }

    /// Returns the chosen job: the open one, or the row under the cursor.
    pub(crate) fn chosen(&self, now: Timestamp) -> Option<&Job> {
        match self.open {
            Some(id) => self.get(id),
            None => self.get(*self.cursor.row(&self.rows(now))?),
        }
    }

    /// Returns the jobs that the next change is about: the marked ones, or the chosen one.
    pub(crate) fn targets(&self, now: Timestamp) -> Vec<&Job> {
        if self.open.is_some() || self.marks.is_empty() {
            return self.chosen(now).into_iter().collect();
        }
        self.marks.iter().rev().filter_map(|id| self.get(*id)).collect()
    }

    /// Marks the chosen row, or unmarks it, and goes on to the next.
    pub(crate) fn mark(&mut self, now: Timestamp) {
        let rows = self.rows(now);
        let Some(&id) = self.cursor.row(&rows) else { return };
        if !self.marks.remove(&id) {
            self.marks.insert(id);
        }
        self.cursor.go(&rows, Motion::By(1));
    }
}

/// Returns how long a job has waited for its present attempt, or waited before it.
pub(crate) fn waited(job: &Job, now: Timestamp) -> Option<f64> {
    let until = match &job.state {
        JobState::Queued { .. } => now,
        JobState::Running { started_at, .. } | JobState::Succeeded { started_at, .. } => *started_at,
        JobState::Failed { started_at, .. } | JobState::Cancelled { started_at, .. } => (*started_at)?,
        JobState::Paused { .. } => return None,
    };
    Some(until.duration_since(job.created_at).as_secs_f64().max(0.0))
}

fn compare(order: Order, a: &Job, b: &Job, now: Timestamp) -> Ordering {
    match order {
        Order::Age => b.id.cmp(&a.id),
        Order::State => rank(&a.state).cmp(&rank(&b.state)),
        Order::Style => style(a).cmp(style(b)),
        Order::Kind => a.kind().cmp(&b.kind()),
        Order::Waited => waited(b, now).unwrap_or(-1.0).total_cmp(&waited(a, now).unwrap_or(-1.0)),
    }
}

const fn rank(state: &JobState) -> u8 {
    match state {
        JobState::Running { .. } => 0,
        JobState::Queued { .. } => 1,
        JobState::Paused { .. } => 2,
        JobState::Failed { .. } => 3,
        JobState::Cancelled { .. } => 4,
        JobState::Succeeded { .. } => 5,
    }
}
