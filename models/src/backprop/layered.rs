//! A transform network forward and backward layer by layer, on any device: what [`super::Backprop`] does on the kernels.
//!
//! The parameters stay where the optimiser is, with the processor, and are brought over for each step; a network has few
//! of them. Between [`Layered::forward`] and [`Layered::backward`] the device holds the step's history.

use std::collections::BTreeMap;

use candle_core::{Result, Tensor, Var};

use super::{BackpropError, MOMENTUM, check};
use crate::kernels::layout::Shape;
use crate::network::{Conv, Network, Weights};
use crate::ops::{self, Moments, Ops};
use crate::transform::{Observer, Transform};

/// A network in training.
#[derive(Debug)]
pub(crate) struct Layered {
    ops: Ops,
    network: Network,
    parameters: Vec<Vec<f32>>,
    gradients: Vec<Vec<f32>>,
    /// The parameters on the device, in their order, and what was painted with them.
    pass: Option<(Vec<Var>, Tensor)>,
}

/// What a step wants to know of every convolution.
#[derive(Default)]
struct Training {
    /// The sum of each outcome: no number where one of its numbers is none.
    sums: Vec<Tensor>,
    /// Mean and unbiased variance, by their parameters' names.
    statistics: Vec<(String, Tensor)>,
}

impl Layered {
    /// Takes a network and the weights to start from.
    ///
    /// # Panics
    /// The weights are another network's.
    pub(crate) fn new(ops: &Ops, network: &Network, weights: &Weights) -> std::result::Result<Self, BackpropError> {
        check(network)?;
        let parameters = super::in_order(network, weights);
        let gradients = parameters.iter().map(|p| vec![0.0; p.len()]).collect();
        Ok(Self { ops: ops.clone(), network: network.clone(), parameters, gradients, pass: None })
    }

    /// Returns the parameters, in the order of [`Network::parameters`].
    pub(crate) fn parameters(&self) -> &[Vec<f32>] {
        &self.parameters
    }

    /// Returns the parameters and their gradients, for an optimiser.
    pub(crate) fn parameters_and_gradients(&mut self) -> (&mut [Vec<f32>], &[Vec<f32>]) {
        (&mut self.parameters, &self.gradients)
    }

    /// Paints photos, `[n][3][h][w]` RGB 0..1, and returns the paintings, not clamped, in the same layout; `None` when
    /// a number is not finite.
    ///
    /// Batch norms take the statistics of these photos and move their running ones a tenth towards them.
    pub(crate) fn forward(&mut self, photos: &[f32], shape: Shape) -> Result<Option<Vec<f32>>> {
        let (mut vars, mut tensors) = (Vec::new(), BTreeMap::new());
        for (parameter, values) in self.network.parameters().into_iter().zip(&self.parameters) {
            let var = Var::from_tensor(&self.ops.tensor(values, &parameter.shape)?)?;
            tensors.insert(parameter.name, var.as_tensor().clone());
            vars.push(var);
        }
        let transform = Transform::of(&self.network, tensors, &self.ops);
        let mut training = Training::default();
        let photos = self.ops.tensor(photos, &[shape.batch, shape.channels, shape.height, shape.width])?;
        let paintings = transform.run(&photos, &mut training)?;
        let Training { sums, statistics } = training;
        if !ops::scalars(&sums)?.iter().all(|sum| sum.is_finite()) {
            return Ok(None);
        }
        for (name, values) in statistics {
            self.remember(&name, &ops::values(&values)?);
        }
        let values = ops::values(&paintings)?;
        self.pass = Some((vars, paintings));
        Ok(values.iter().all(|v| v.is_finite()).then_some(values))
    }

    /// Moves running statistics towards those of a step.
    fn remember(&mut self, name: &str, values: &[f32]) {
        let names = self.network.parameters();
        let place = names.iter().position(|p| p.name == name).expect("a norm's statistics are parameters");
        for (kept, new) in self.parameters[place].iter_mut().zip(values) {
            *kept += (MOMENTUM * (f64::from(*new) - f64::from(*kept))) as f32;
        }
    }

    /// Takes the gradient of a loss with respect to the paintings of the last [`Self::forward`] and computes that with
    /// respect to the parameters.
    ///
    /// # Panics
    /// There was no such call.
    pub(crate) fn backward(&mut self, gradient: &[f32]) -> Result<()> {
        let (vars, paintings) = self.pass.take().expect("photos are painted before their gradient is asked for");
        // The gradient of this sum with respect to the paintings is the one given.
        let weighed = (&paintings * self.ops.tensor(gradient, paintings.dims())?)?.sum_all()?;
        let mut gradients = weighed.backward()?;
        for (var, gradient) in vars.iter().zip(&mut self.gradients) {
            match gradients.remove(var) {
                Some(found) => *gradient = ops::values(&found)?,
                None => gradient.fill(0.0),
            }
        }
        Ok(())
    }
}

impl Observer for Training {
    const TRAINS: bool = true;
    type End = candle_core::Error;

    fn convolved(&mut self, conv: &Conv, y: &Tensor, moments: Option<&Moments>) -> Result<()> {
        let y = y.detach();
        self.sums.push(y.sum_all()?);
        if let Some(Moments { mean, variance }) = moments {
            let (n, _, h, w) = y.dims4()?;
            // The running variance is the unbiased one, as torch has it.
            let count = (n * h * w) as f64;
            let unbiased = variance.affine(count / (count - 1.0).max(1.0), 0.0)?;
            self.statistics.push((conv.norm_name("running_mean"), mean.flatten_all()?));
            self.statistics.push((conv.norm_name("running_var"), unbiased.flatten_all()?));
        }
        Ok(())
    }
}
