//! L-BFGS (Nocedal 1980) with a backtracking line search on the Armijo condition.

use std::collections::VecDeque;

use rayon::prelude::*;

use crate::kernels::ComputePool;

/// Pairs of steps and gradient changes that are remembered.
pub(crate) const MEMORY: usize = 20;
/// The share of the expected decrease that a step has to reach.
const ARMIJO: f64 = 1e-4;
/// Trials of one step's length.
const TRIALS: usize = 8;

/// A limited memory of curvature, and the point with the lowest loss so far.
#[derive(Clone, Debug)]
pub struct Lbfgs {
    state: LbfgsState,
}

/// All that L-BFGS remembers between two steps.
#[derive(Clone, Debug, PartialEq)]
pub struct LbfgsState {
    /// The latest steps, oldest first.
    pub pairs: VecDeque<Pair>,
    /// The best point so far.
    pub point: Vec<f32>,
    /// The gradient there.
    pub gradient: Vec<f32>,
    /// The loss there.
    pub loss: f64,
    /// How often the loss was evaluated.
    pub evaluations: usize,
}

/// One step, and what it told of the curvature.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// How far it went.
    pub step: Vec<f32>,
    /// How the gradient changed.
    pub change: Vec<f32>,
    /// `1 / (step · change)`.
    pub rho: f64,
}

/// Numbers that a task takes: fixed, so that sums are the same on any number of threads.
const PIECE: usize = 1 << 15;

fn dot(pool: &ComputePool, a: &[f32], b: &[f32]) -> f64 {
    let product = |(a, b): (&[f32], &[f32])| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    let pieces: Vec<f64> = pool.install(|| a.par_chunks(PIECE).zip(b.par_chunks(PIECE)).map(product).collect());
    pieces.iter().sum()
}

fn difference(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

impl Lbfgs {
    /// Starts at a point; `evaluate` returns the loss there and writes its gradient.
    #[must_use]
    pub fn new(point: Vec<f32>, mut evaluate: impl FnMut(&[f32], &mut [f32]) -> f64) -> Self {
        let mut gradient = vec![0.0; point.len()];
        let loss = evaluate(&point, &mut gradient);
        Self { state: LbfgsState { pairs: VecDeque::new(), point, gradient, loss, evaluations: 1 } }
    }

    /// Goes on from a saved state.
    #[must_use]
    pub fn resume(state: LbfgsState) -> Self {
        Self { state }
    }

    /// Returns what has to be saved.
    #[must_use]
    pub fn state(&self) -> &LbfgsState {
        &self.state
    }

    /// Returns the best point so far.
    #[must_use]
    pub fn point(&self) -> &[f32] {
        &self.state.point
    }

    /// Returns its loss.
    #[must_use]
    pub fn loss(&self) -> f64 {
        self.state.loss
    }

    /// Returns how often the loss was evaluated.
    #[must_use]
    pub fn evaluations(&self) -> usize {
        self.state.evaluations
    }

    /// Takes one step; returns whether it found a lower loss. After `false` there is nothing left to find.
    pub fn step(&mut self, pool: &ComputePool, mut evaluate: impl FnMut(&[f32], &mut [f32]) -> f64) -> bool {
        let mut direction = self.direction(pool);
        let mut slope = dot(pool, &direction, &self.state.gradient);
        if slope >= 0.0 {
            // Curvature that leads uphill is forgotten.
            self.state.pairs.clear();
            direction = self.direction(pool);
            slope = dot(pool, &direction, &self.state.gradient);
        }
        if slope >= 0.0 {
            return false;
        }
        let mut length = if self.state.pairs.is_empty() { self.first_length() } else { 1.0 };
        let mut gradient = vec![0.0; self.state.point.len()];
        for _ in 0..TRIALS {
            let move_by = |(p, d): (&f32, &f32)| (f64::from(*p) + length * f64::from(*d)) as f32;
            let point: Vec<f32> = self.state.point.iter().zip(&direction).map(move_by).collect();
            let loss = evaluate(&point, &mut gradient);
            self.state.evaluations += 1;
            if loss <= self.state.loss + ARMIJO * length * slope {
                self.remember(pool, &point, &gradient);
                (self.state.point, self.state.gradient, self.state.loss) = (point, gradient, loss);
                return true;
            }
            // The minimum of the parabola through both losses and the slope, within bounds.
            let parabola = -slope * length * length / (2.0 * (loss - self.state.loss - slope * length));
            length = if parabola.is_finite() { parabola.clamp(0.1 * length, 0.5 * length) } else { 0.1 * length };
        }
        let had_memory = !self.state.pairs.is_empty();
        self.state.pairs.clear();
        had_memory
    }

    /// Returns a first length that moves values of the order of 1 by a few hundredths on the average.
    fn first_length(&self) -> f64 {
        let mean = self.state.gradient.iter().map(|g| f64::from(g.abs())).sum::<f64>()
            / self.state.gradient.len().max(1) as f64;
        0.02 / mean.max(f64::MIN_POSITIVE)
    }

    fn remember(&mut self, pool: &ComputePool, point: &[f32], gradient: &[f32]) {
        let (step, change) = (difference(point, &self.state.point), difference(gradient, &self.state.gradient));
        let curvature = dot(pool, &step, &change);
        if curvature <= 1e-10 * dot(pool, &change, &change).sqrt() * dot(pool, &step, &step).sqrt() {
            return;
        }
        if self.state.pairs.len() == MEMORY {
            self.state.pairs.pop_front();
        }
        self.state.pairs.push_back(Pair { step, change, rho: 1.0 / curvature });
    }

    /// Returns minus the gradient times the approximate inverse of the Hessian: the two-loop recursion.
    fn direction(&self, pool: &ComputePool) -> Vec<f32> {
        let mut q: Vec<f32> = self.state.gradient.iter().map(|g| -g).collect();
        let mut alphas = Vec::with_capacity(self.state.pairs.len());
        for pair in self.state.pairs.iter().rev() {
            let alpha = pair.rho * dot(pool, &pair.step, &q);
            add(pool, &mut q, -alpha, &pair.change);
            alphas.push(alpha);
        }
        if let Some(last) = self.state.pairs.back() {
            let scale = (1.0 / (last.rho * dot(pool, &last.change, &last.change))) as f32;
            for v in &mut q {
                *v *= scale;
            }
        }
        for (pair, alpha) in self.state.pairs.iter().zip(alphas.iter().rev()) {
            let beta = pair.rho * dot(pool, &pair.change, &q);
            add(pool, &mut q, alpha - beta, &pair.step);
        }
        q
    }
}

fn add(pool: &ComputePool, to: &mut [f32], factor: f64, from: &[f32]) {
    let add = |(to, from): (&mut [f32], &[f32])| {
        for (to, from) in to.iter_mut().zip(from) {
            *to = (f64::from(*to) + factor * f64::from(*from)) as f32;
        }
    };
    pool.install(|| to.par_chunks_mut(PIECE).zip(from.par_chunks(PIECE)).for_each(add));
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::Lbfgs;
    use crate::kernels::ComputePool;

    /// Rosenbrock's valley in pairs of variables.
    fn valley(x: &[f32], gradient: &mut [f32]) -> f64 {
        let mut loss = 0.0;
        for (x, g) in x.as_chunks::<2>().0.iter().zip(gradient.as_chunks_mut::<2>().0) {
            let (a, b) = (f64::from(x[0]), f64::from(x[1]));
            loss += (1.0 - a).powi(2) + 100.0 * (b - a * a).powi(2);
            g[0] = (-2.0 * (1.0 - a) - 400.0 * a * (b - a * a)) as f32;
            g[1] = (200.0 * (b - a * a)) as f32;
        }
        loss
    }

    #[test]
    fn a_bent_valley_is_followed_to_its_end() {
        let pool = ComputePool::new(2).unwrap();
        let mut lbfgs = Lbfgs::new(vec![-1.2, 1.0, 0.3, -0.5], valley);
        let mut losses = vec![lbfgs.loss()];
        while lbfgs.evaluations() < 200 && lbfgs.step(&pool, valley) {
            losses.push(lbfgs.loss());
        }
        assert!(losses.windows(2).all(|pair| pair[1] <= pair[0]), "{losses:?}");
        assert!(lbfgs.loss() < 1e-6, "{} after {} evaluations", lbfgs.loss(), lbfgs.evaluations());
    }
}
