//! L-BFGS (Nocedal 1980) with a backtracking line search on the Armijo condition.

use std::collections::VecDeque;

/// Pairs of steps and gradient changes that are remembered.
const MEMORY: usize = 20;
/// The share of the expected decrease that a step has to reach.
const ARMIJO: f64 = 1e-4;
/// Trials of one step's length.
const TRIALS: usize = 8;

/// A limited memory of curvature, and the point with the lowest loss so far.
#[derive(Clone, Debug)]
pub struct Lbfgs {
    pairs: VecDeque<Pair>,
    point: Vec<f32>,
    gradient: Vec<f32>,
    loss: f64,
    evaluations: usize,
}

#[derive(Clone, Debug)]
struct Pair {
    step: Vec<f32>,
    change: Vec<f32>,
    /// 1 / (step · change).
    rho: f64,
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
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
        Self { pairs: VecDeque::new(), point, gradient, loss, evaluations: 1 }
    }

    /// Returns the best point so far.
    #[must_use]
    pub fn point(&self) -> &[f32] {
        &self.point
    }

    /// Returns its loss.
    #[must_use]
    pub fn loss(&self) -> f64 {
        self.loss
    }

    /// Returns how often the loss was evaluated.
    #[must_use]
    pub fn evaluations(&self) -> usize {
        self.evaluations
    }

    /// Takes one step; returns whether it found a lower loss. After `false` there is nothing left to find.
    pub fn step(&mut self, mut evaluate: impl FnMut(&[f32], &mut [f32]) -> f64) -> bool {
        let mut direction = self.direction();
        let mut slope = dot(&direction, &self.gradient);
        if slope >= 0.0 {
            // Curvature that leads uphill is forgotten.
            self.pairs.clear();
            direction = self.direction();
            slope = dot(&direction, &self.gradient);
        }
        if slope >= 0.0 {
            return false;
        }
        let mut length = if self.pairs.is_empty() { self.first_length() } else { 1.0 };
        let mut gradient = vec![0.0; self.point.len()];
        for _ in 0..TRIALS {
            let move_by = |(p, d): (&f32, &f32)| (f64::from(*p) + length * f64::from(*d)) as f32;
            let point: Vec<f32> = self.point.iter().zip(&direction).map(move_by).collect();
            let loss = evaluate(&point, &mut gradient);
            self.evaluations += 1;
            if loss <= self.loss + ARMIJO * length * slope {
                self.remember(&point, &gradient);
                (self.point, self.gradient, self.loss) = (point, gradient, loss);
                return true;
            }
            // The minimum of the parabola through both losses and the slope, within bounds.
            let parabola = -slope * length * length / (2.0 * (loss - self.loss - slope * length));
            length = if parabola.is_finite() { parabola.clamp(0.1 * length, 0.5 * length) } else { 0.1 * length };
        }
        let had_memory = !self.pairs.is_empty();
        self.pairs.clear();
        had_memory
    }

    /// Returns a first length that moves values of the order of 1 by a few hundredths on the average.
    fn first_length(&self) -> f64 {
        let mean = self.gradient.iter().map(|g| f64::from(g.abs())).sum::<f64>() / self.gradient.len().max(1) as f64;
        0.02 / mean.max(f64::MIN_POSITIVE)
    }

    fn remember(&mut self, point: &[f32], gradient: &[f32]) {
        let (step, change) = (difference(point, &self.point), difference(gradient, &self.gradient));
        let curvature = dot(&step, &change);
        if curvature <= 1e-10 * dot(&change, &change).sqrt() * dot(&step, &step).sqrt() {
            return;
        }
        if self.pairs.len() == MEMORY {
            self.pairs.pop_front();
        }
        self.pairs.push_back(Pair { step, change, rho: 1.0 / curvature });
    }

    /// Returns minus the gradient times the approximate inverse of the Hessian: the two-loop recursion.
    fn direction(&self) -> Vec<f32> {
        let mut q: Vec<f32> = self.gradient.iter().map(|g| -g).collect();
        let mut alphas = Vec::with_capacity(self.pairs.len());
        for pair in self.pairs.iter().rev() {
            let alpha = pair.rho * dot(&pair.step, &q);
            add(&mut q, -alpha, &pair.change);
            alphas.push(alpha);
        }
        if let Some(last) = self.pairs.back() {
            let scale = (1.0 / (last.rho * dot(&last.change, &last.change))) as f32;
            for v in &mut q {
                *v *= scale;
            }
        }
        for (pair, alpha) in self.pairs.iter().zip(alphas.iter().rev()) {
            let beta = pair.rho * dot(&pair.change, &q);
            add(&mut q, alpha - beta, &pair.step);
        }
        q
    }
}

fn add(to: &mut [f32], factor: f64, from: &[f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = (f64::from(*to) + factor * f64::from(*from)) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::Lbfgs;

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
        let mut lbfgs = Lbfgs::new(vec![-1.2, 1.0, 0.3, -0.5], valley);
        let mut losses = vec![lbfgs.loss()];
        while lbfgs.evaluations() < 200 && lbfgs.step(valley) {
            losses.push(lbfgs.loss());
        }
        assert!(losses.windows(2).all(|pair| pair[1] <= pair[0]), "{losses:?}");
        assert!(lbfgs.loss() < 1e-6, "{} after {} evaluations", lbfgs.loss(), lbfgs.evaluations());
    }
}
