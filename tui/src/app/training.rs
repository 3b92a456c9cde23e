//! The trainings and paintings: their curves, and how they are looked at.

use std::collections::HashMap;

use protocol::{Checkpoint, Job, JobId, JobKind, LossCurve, LossPoint};

use super::Effect;
use super::jobs::Jobs;
use super::list::{Cursor, Motion};
use crate::curves::{Axis, Curve};
use crate::picture::Picture;

/// How many runs are compared at most.
pub(crate) const COMPARED: usize = 6;

/// How many windows the smoothing can have; each is twice the one before, from one point on.
const SMOOTHINGS: u32 = 9;

/// Which terms are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Terms {
    /// The sum alone.
    Total,
    /// The sum and what it is made of.
    All,
    /// The style loss, layer by layer.
    Layers,
}

/// What is known of one run.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// Its curve.
    pub(crate) curve: Curve,
    /// Whether what came before we looked has been asked for.
    is_curve_asked: bool,
    /// Whether the newest preview that was heard of has been asked for, and the checkpoints with it.
    is_preview_asked: bool,
    /// The step of the newest preview that was heard of.
    heard_step: Option<u64>,
    /// The newest preview that is here.
    pub(crate) preview: Option<Picture>,
    /// The last step that it shows, where an event has told it.
    pub(crate) preview_step: Option<u64>,
    /// Its checkpoints, newest first.
    pub(crate) checkpoints: Vec<Checkpoint>,
}

/// The runs and how they are looked at.
#[derive(Debug)]
pub(crate) struct Training {
    runs: HashMap<JobId, Run>,
    pub(crate) chosen: Cursor<JobId>,
    /// Runs that are drawn beside the chosen one.
    pub(crate) compared: Vec<JobId>,
    pub(crate) terms: Terms,
    /// How often the part that is shown has been halved.
    pub(crate) zoom: u32,
    /// A place along the bottom that is pointed at.
    pub(crate) cursor: Option<f64>,
    pub(crate) logarithmic: bool,
    pub(crate) axis: Axis,
    smoothing: u32,
    pub(crate) shows_picture: bool,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            runs: HashMap::new(),
            chosen: Cursor::default(),
            compared: Vec::new(),
            terms: Terms::Total,
            zoom: 0,
            cursor: None,
            logarithmic: true,
            axis: Axis::Steps,
            smoothing: 3,
            shows_picture: true,
        }
    }
}

/// Says whether a job has a curve.
pub(crate) fn has_curve(job: &Job) -> bool {
    matches!(job.kind(), JobKind::Train | JobKind::Paint)
}

impl Training {
    /// Returns the jobs that have curves, newest first.
    pub(crate) fn rows(jobs: &Jobs) -> Vec<JobId> {
        jobs.all().filter(|job| has_curve(job)).map(|job| job.id).collect()
    }

    /// Returns the chosen job.
    pub(crate) fn job<'a>(&self, jobs: &'a Jobs) -> Option<&'a Job> {
        jobs.get(*self.chosen.row(&Self::rows(jobs))?)
    }

    /// Finds what is known of a run.
    pub(crate) fn run(&self, id: JobId) -> Option<&Run> {
        self.runs.get(&id)
    }

    /// Returns the chosen run and those it is compared with, without those that are gone.
    pub(crate) fn shown(&self, jobs: &Jobs) -> Vec<JobId> {
        let chosen = self.job(jobs).map(|job| job.id);
        let others = self.compared.iter().copied().filter(|id| Some(*id) != chosen && jobs.get(*id).is_some());
        chosen.into_iter().chain(others).take(COMPARED).collect()
    }

    /// Takes note of a step.
    pub(crate) fn hear(&mut self, job: JobId, point: &LossPoint) {
        self.runs.entry(job).or_default().curve.push(point);
    }

    /// Takes note of a curve as the daemon has kept it; what has come since stays.
    pub(crate) fn set_curve(&mut self, kept: &LossCurve) {
        let run = self.runs.entry(kept.job).or_default();
        let mut curve = Curve::new(kept);
        curve.extend_from(&run.curve);
        run.curve = curve;
    }

    /// Takes note that there is a newer preview. A checkpoint may have come by as well, which has no event of its own.
    pub(crate) fn hear_preview(&mut self, job: JobId, step: u64) {
        let run = self.runs.entry(job).or_default();
        (run.heard_step, run.is_preview_asked) = (Some(step), false);
    }

    /// Takes note of the preview that was asked for after this step.
    pub(crate) fn set_preview(&mut self, job: JobId, step: Option<u64>, picture: Picture) {
        let run = self.runs.entry(job).or_default();
        (run.preview, run.preview_step) = (Some(picture), step);
    }

    /// Takes note of checkpoints.
    pub(crate) fn set_checkpoints(&mut self, job: JobId, checkpoints: Vec<Checkpoint>) {
        self.runs.entry(job).or_default().checkpoints = checkpoints;
    }

    /// Forgets a run.
    pub(crate) fn forget(&mut self, job: JobId) {
        self.runs.remove(&job);
        self.compared.retain(|id| *id != job);
    }

    /// Takes note that steps and previews may have been missed: they are asked for again.
    pub(crate) fn doubt(&mut self) {
        for run in self.runs.values_mut() {
            (run.is_curve_asked, run.is_preview_asked, run.heard_step) = (false, false, None);
        }
    }

    /// Takes note that everything may have changed.
    pub(crate) fn replace(&mut self) {
        self.runs.clear();
    }

    /// Asks for what is in view and not here: the past of all runs, preview and checkpoints of the chosen one. Takes note
    /// that it is asked for.
    pub(crate) fn wanted(&mut self, jobs: &Jobs) -> Vec<Effect> {
        let mut wanted = Vec::new();
        for (at, id) in self.shown(jobs).into_iter().enumerate() {
            let run = self.runs.entry(id).or_default();
            if !std::mem::replace(&mut run.is_curve_asked, true) {
                wanted.push(Effect::Losses(id));
            }
            if at == 0 && !std::mem::replace(&mut run.is_preview_asked, true) {
                wanted.extend([Effect::Preview(id, run.heard_step), Effect::Checkpoints(id)]);
            }
        }
        wanted
    }

    /// Compares the chosen run with others, or no longer. Returns whether there is room for it.
    pub(crate) fn compare(&mut self, jobs: &Jobs) -> bool {
        let rows = Self::rows(jobs);
        let Some(&id) = self.chosen.row(&rows) else { return true };
        if let Some(at) = self.compared.iter().position(|known| *known == id) {
            self.compared.remove(at);
        } else if self.compared.len() == COMPARED {
            return false;
        } else {
            self.compared.push(id);
        }
        self.chosen.go(&rows, Motion::By(1));
        true
    }

    /// Draws the next choice of terms.
    pub(crate) fn next_terms(&mut self) {
        self.terms = match self.terms {
            Terms::Total => Terms::All,
            Terms::All => Terms::Layers,
            Terms::Layers => Terms::Total,
        };
    }

    /// Makes lines smoother, or less so.
    pub(crate) fn smooth(&mut self, more: bool) {
        self.smoothing = if more { (self.smoothing + 1).min(SMOOTHINGS) } else { self.smoothing.saturating_sub(1) };
    }

    /// Returns how many points a smoothed line is the mean of.
    pub(crate) const fn window(&self) -> usize {
        1 << self.smoothing
    }

    /// Measures the bottom anew; a place that was pointed at would be another one.
    pub(crate) fn switch_axis(&mut self) {
        self.axis = if self.axis == Axis::Steps { Axis::Clock } else { Axis::Steps };
        self.cursor = None;
    }

    /// Returns the left and the right end of what is shown of these runs.
    pub(crate) fn range(&self, shown: &[JobId]) -> Option<(f64, f64)> {
        let spans = shown.iter().filter_map(|id| self.run(*id)?.curve.span(self.axis));
        let (first, last) = spans.reduce(|(low, high), (first, last)| (low.min(first), high.max(last)))?;
        let width = (last - first) / f64::from(1_u32 << self.zoom.min(30));
        let middle = self.cursor.unwrap_or(last);
        // Around the cursor where there is one, at the end of the run otherwise; never beyond its ends.
        let left = (middle - width / 2.0).min(last - width).max(first);
        Some((left, left + width))
    }

    /// Moves the cursor by a hundredth of what is shown, at least a step; beyond the right end it goes away.
    pub(crate) fn point(&mut self, jobs: &Jobs, direction: f64) {
        let shown = self.shown(jobs);
        let Some((left, right)) = self.range(&shown) else { return };
        let least = if self.axis == Axis::Steps { 1.0 } else { 0.0 };
        let step = ((right - left) / 100.0).max(least);
        let step = if self.axis == Axis::Steps { step.round() } else { step };
        let first = shown.iter().filter_map(|id| self.run(*id)?.curve.span(self.axis)).map(|span| span.0);
        let first = first.fold(right, f64::min);
        let wanted = self.cursor.unwrap_or(right) + direction * step;
        let end = shown.iter().filter_map(|id| self.run(*id)?.curve.span(self.axis)).map(|span| span.1);
        let end = end.fold(first, f64::max);
        self.cursor = (wanted <= end).then(|| wanted.max(first));
    }

    /// Puts the cursor away, then the comparison, then the zoom.
    pub(crate) fn back(&mut self) {
        if self.cursor.take().is_some() {
            return;
        }
        if self.compared.is_empty() {
            self.zoom = 0;
        }
        self.compared.clear();
    }

    /// Says whether there is anything to put away.
    pub(crate) fn can_go_back(&self) -> bool {
        self.cursor.is_some() || !self.compared.is_empty() || self.zoom > 0
    }
}
