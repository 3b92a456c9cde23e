//! A network in training on whatever device: one reader for the processor, one for graphics processors.

use std::borrow::Cow;

use super::{Backprop, BackpropError, Layered};
use crate::compute::{Compute, Kind};
use crate::kernels::layout::Shape;
use crate::network::{Network, Weights};

/// A network in training, on the device that it was made for. Boxed for their sizes.
#[derive(Debug)]
pub(crate) enum Learner {
    Kernels(Box<Backprop>),
    Layered(Box<Layered>),
}

impl Learner {
    /// Takes a network and the weights to start from.
    pub(crate) fn new(compute: &Compute, network: &Network, weights: &Weights) -> Result<Self, BackpropError> {
        Ok(match &compute.kind {
            Kind::Cpu { .. } => Self::Kernels(Box::new(Backprop::new(network, weights)?)),
            Kind::Layered { ops, .. } => Self::Layered(Box::new(Layered::new(ops, network, weights)?)),
        })
    }

    /// Returns the parameters, in the order of [`Network::parameters`].
    pub(crate) fn parameters(&self) -> &[Vec<f32>] {
        match self {
            Self::Kernels(net) => net.parameters(),
            Self::Layered(net) => net.parameters(),
        }
    }

    /// Returns the parameters and their gradients, for an optimiser.
    pub(crate) fn parameters_and_gradients(&mut self) -> (&mut [Vec<f32>], &[Vec<f32>]) {
        match self {
            Self::Kernels(net) => net.parameters_and_gradients(),
            Self::Layered(net) => net.parameters_and_gradients(),
        }
    }

    /// Paints photos whose sides fit the network: see [`Backprop::forward`]. `None` when a number is not finite.
    pub(crate) fn forward(
        &mut self,
        compute: &Compute,
        photos: &[f32],
        shape: Shape,
    ) -> candle_core::Result<Option<Cow<'_, [f32]>>> {
        match self {
            Self::Kernels(net) => Ok(net.forward(compute.pool(), photos, shape).ok().map(Cow::Borrowed)),
            Self::Layered(net) => Ok(net.forward(photos, shape)?.map(Cow::Owned)),
        }
    }

    /// Computes the gradients: see [`Backprop::backward`].
    pub(crate) fn backward(&mut self, compute: &Compute, gradient: &[f32]) -> candle_core::Result<()> {
        match self {
            Self::Kernels(net) => {
                net.backward(compute.pool(), gradient);
                Ok(())
            }
            Self::Layered(net) => net.backward(gradient),
        }
    }
}
