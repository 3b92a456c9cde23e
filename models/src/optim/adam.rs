//! Adam (Kingma and Ba 2015).

use rayon::prelude::*;

use crate::kernels::ComputePool;

/// Numbers that a task changes.
const PIECE: usize = 8192;
/// The decay of the mean of gradients.
const BETA_1: f64 = 0.9;
/// The decay of the mean of their squares.
const BETA_2: f64 = 0.999;
/// Added to the root of the latter.
const EPS: f64 = 1e-8;

/// All that Adam remembers between two steps.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamState {
    /// Steps taken.
    pub steps: u64,
    /// Means of gradients, a vector a parameter.
    pub first: Vec<Vec<f32>>,
    /// Means of squared gradients, a vector a parameter.
    pub second: Vec<Vec<f32>>,
}

/// Adam with 0.9, 0.999 and 1e-8.
#[derive(Clone, Debug)]
pub struct Adam {
    state: AdamState,
}

impl Adam {
    /// Starts for parameters of these sizes.
    #[must_use]
    pub fn new(parameters: &[Vec<f32>]) -> Self {
        let zeros: Vec<_> = parameters.iter().map(|p| vec![0.0; p.len()]).collect();
        Self { state: AdamState { steps: 0, first: zeros.clone(), second: zeros } }
    }

    /// Goes on from a saved state; `None` when it is of other parameters.
    #[must_use]
    pub fn resume(parameters: &[Vec<f32>], state: AdamState) -> Option<Self> {
        let fits = |means: &[Vec<f32>]| means.iter().map(Vec::len).eq(parameters.iter().map(Vec::len));
        (fits(&state.first) && fits(&state.second)).then_some(Self { state })
    }

    /// Returns what has to be saved.
    #[must_use]
    pub fn state(&self) -> &AdamState {
        &self.state
    }

    /// Takes one step. Every number has its own, so the number of threads makes no difference.
    ///
    /// # Panics
    /// The parameters or their gradients are not those it was started for.
    pub fn step(
        &mut self,
        pool: &ComputePool,
        parameters: &mut [Vec<f32>],
        gradients: &[Vec<f32>],
        learning_rate: f64,
    ) {
        let AdamState { steps, first, second } = &mut self.state;
        assert_eq!((parameters.len(), gradients.len()), (first.len(), first.len()), "the optimiser's own parameters");
        *steps += 1;
        let power = i32::try_from(*steps).unwrap_or(i32::MAX);
        let change =
            Change { rate: learning_rate / (1.0 - BETA_1.powi(power)), correction: (1.0 - BETA_2.powi(power)).sqrt() };
        let vectors = parameters.iter_mut().zip(gradients).zip(first.iter_mut().zip(second));
        for ((parameter, gradient), (first, second)) in vectors {
            assert_eq!((parameter.len(), gradient.len()), (first.len(), first.len()), "the optimiser's own parameters");
            pool.install(|| {
                let pieces = parameter.par_chunks_mut(PIECE).zip(gradient.par_chunks(PIECE));
                let means = first.par_chunks_mut(PIECE).zip(second.par_chunks_mut(PIECE));
                pieces.zip(means).for_each(|((p, g), (m, v))| change.apply(p, g, m, v));
            });
        }
    }
}

/// One step's factors, the bias corrections included.
struct Change {
    rate: f64,
    correction: f64,
}

impl Change {
    fn apply(&self, parameters: &mut [f32], gradients: &[f32], first: &mut [f32], second: &mut [f32]) {
        for (((p, g), m), v) in parameters.iter_mut().zip(gradients).zip(first).zip(second) {
            let g = f64::from(*g);
            let mean = BETA_1 * f64::from(*m) + (1.0 - BETA_1) * g;
            let square = BETA_2 * f64::from(*v) + (1.0 - BETA_2) * g * g;
            (*m, *v) = (mean as f32, square as f32);
            *p -= (self.rate * mean / (square.sqrt() / self.correction + EPS)) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::{Adam, PIECE};
    use crate::kernels::ComputePool;

    #[test]
    fn the_first_step_goes_by_the_learning_rate_against_the_gradients_sign() {
        let mut parameters = vec![vec![1.0, 1.0, 1.0]];
        Adam::new(&parameters).step(&ComputePool::new(1).unwrap(), &mut parameters, &[vec![5.0, -0.001, 0.0]], 0.1);
        let expected = [0.9, 1.1, 1.0];
        assert!(parameters[0].iter().zip(expected).all(|(p, e)| (p - e).abs() < 1e-5), "{parameters:?}");
    }

    #[test]
    fn a_resumed_run_goes_on_as_if_it_had_not_stopped() {
        let pool = ComputePool::new(1).unwrap();
        let step = |adam: &mut Adam, p: &mut Vec<Vec<f32>>, i: usize| {
            let gradient: Vec<f32> = p[0].iter().map(|v| v * 2.0 + i as f32).collect();
            adam.step(&pool, p, &[gradient], 0.01);
        };
        let mut whole = vec![vec![1.0, -2.0]];
        let mut adam = Adam::new(&whole);
        let mut parts = whole.clone();
        let mut first = Adam::new(&parts);
        for i in 0..6 {
            step(&mut adam, &mut whole, i);
            if i == 3 {
                first = Adam::resume(&parts, first.state().clone()).expect("its own state fits");
            }
            step(&mut first, &mut parts, i);
        }
        assert_eq!(whole, parts);
        assert!(Adam::resume(&[vec![0.0; 3]], adam.state().clone()).is_none());
    }

    #[test]
    fn the_number_of_threads_makes_no_difference() {
        let run = |threads| {
            let mut parameters = vec![(0..3 * PIECE + 5).map(|i| i as f32 * 0.01).collect::<Vec<_>>()];
            let mut adam = Adam::new(&parameters);
            for _ in 0..3 {
                let gradient = parameters[0].iter().map(|v| v.sin()).collect();
                adam.step(&ComputePool::new(threads).unwrap(), &mut parameters, &[gradient], 0.01);
            }
            parameters
        };
        assert_eq!(run(1), run(3));
    }
}
