//! Where a run is, and whether it goes well: the learning rate, leaps of the loss, and its end.

use serde::{Deserialize, Serialize};

use super::Recipe;

/// How much of the running average of the loss stays at each step.
const INERTIA: f64 = 0.95;
/// A loss so many times the average is a leap.
const LEAP: f64 = 6.0;
/// Steps until an average means something.
const SETTLED: u32 = 20;
/// A run is given up after so many roll-backs.
const MOST_ROLL_BACKS: u32 = 8;
/// By what share the average must have fallen to count as progress.
const PROGRESS: f64 = 0.005;

/// What a step's loss means for the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    GoOn,
    Finished,
    RollBack,
}

/// Where a run is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Course {
    step: u32,
    roll_backs: u32,
    /// Running average of the loss and its lowest value so far, as the bits of `f64`: text would round them.
    average: Option<u64>,
    lowest: Option<u64>,
    lowest_at: u32,
    has_levelled_out: bool,
}

impl Course {
    pub(super) fn step(&self) -> u32 {
        self.step
    }

    pub(super) fn roll_backs(&self) -> u32 {
        self.roll_backs
    }

    pub(super) fn is_finished(&self, recipe: &Recipe) -> bool {
        self.step >= recipe.steps || self.has_levelled_out
    }

    /// Returns the rate of the next step: the recipe's, halved at each roll-back.
    pub(super) fn learning_rate(&self, recipe: &Recipe) -> f64 {
        recipe.learning_rate_after(self.step) * 0.5f64.powi(self.roll_backs as i32)
    }

    /// Takes a step's loss into account; `None` for one that is not finite.
    pub(super) fn judge(&mut self, recipe: &Recipe, loss: Option<f64>) -> Verdict {
        let average = self.average.map(f64::from_bits);
        let Some(loss) = loss.filter(|loss| loss.is_finite()) else { return Verdict::RollBack };
        if average.is_some_and(|average| self.step >= SETTLED && loss > LEAP * average) {
            return Verdict::RollBack;
        }
        self.step += 1;
        let average = average.map_or(loss, |average| INERTIA * average + (1.0 - INERTIA) * loss);
        self.average = Some(average.to_bits());
        if self.lowest.map(f64::from_bits).is_none_or(|lowest| average < lowest * (1.0 - PROGRESS)) {
            (self.lowest, self.lowest_at) = (Some(average.to_bits()), self.step);
        }
        let patience = 100.max(recipe.steps / 10);
        self.has_levelled_out = recipe.early_stop && self.step - self.lowest_at >= patience;
        if self.is_finished(recipe) { Verdict::Finished } else { Verdict::GoOn }
    }

    /// Returns the course from an anchor on, with one more roll-back; `None` when there have been too many.
    pub(super) fn rolled_back_to(&self, anchor: &Self) -> Option<Self> {
        let roll_backs = self.roll_backs + 1;
        (roll_backs <= MOST_ROLL_BACKS).then(|| Self { roll_backs, ..anchor.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe() -> Recipe {
        Recipe { steps: 1000, early_stop: true, ..Recipe::house() }
    }

    #[test]
    fn a_leap_or_nonsense_takes_the_run_back_with_half_the_rate() {
        let mut course = Course::default();
        for _ in 0..30 {
            assert_eq!(course.judge(&recipe(), Some(2.0)), Verdict::GoOn);
        }
        let anchor = course.clone();
        for bad in [Some(13.0), Some(f64::NAN), Some(f64::INFINITY), None] {
            assert_eq!(course.judge(&recipe(), bad), Verdict::RollBack, "{bad:?}");
        }
        assert_eq!(course.judge(&recipe(), Some(5.0)), Verdict::GoOn, "photos differ");
        let back = course.rolled_back_to(&anchor);
        let rate = anchor.learning_rate(&recipe());
        assert_eq!(back.map(|course| (course.step(), course.learning_rate(&recipe()))), Some((30, rate / 2.0)));
    }

    #[test]
    fn a_run_that_keeps_going_wrong_is_given_up() {
        let mut course = Course::default();
        for _ in 0..MOST_ROLL_BACKS {
            course = course.rolled_back_to(&Course::default()).unwrap_or_default();
        }
        assert_eq!(course.roll_backs(), MOST_ROLL_BACKS);
        assert_eq!(course.rolled_back_to(&Course::default()), None);
    }

    #[test]
    fn a_run_ends_with_its_steps_or_when_its_loss_levels_out() {
        let run = |recipe: &Recipe, loss: fn(u32) -> f64| {
            let mut course = Course::default();
            while course.judge(recipe, Some(loss(course.step()))) == Verdict::GoOn {}
            course.step()
        };
        assert_eq!(run(&recipe(), |step| 3.0 * 0.99f64.powi(step as i32)), 1000);
        assert!((100..300).contains(&run(&recipe(), |step| if step < 50 { 4.0 } else { 3.0 })));
        assert_eq!(run(&Recipe { early_stop: false, ..recipe() }, |_| 3.0), 1000);
    }

    #[test]
    fn the_learning_rate_warms_up_and_ends_at_three_hundredths() {
        let recipe = Recipe { learning_rate: 1.0, ..recipe() };
        let rates: Vec<_> = (0..1000).map(|done| recipe.learning_rate_after(done)).collect();
        assert!((rates[0] - 0.05).abs() < 1e-12 && (rates[20] - 1.0).abs() < 1e-12, "{:?}", &rates[..21]);
        assert!(rates[..20].is_sorted() && rates[20..].is_sorted_by(|a, b| a >= b));
        assert!((rates[999] - 0.03).abs() < 1e-4, "{}", rates[999]);
    }
}
