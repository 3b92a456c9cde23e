//! What a run starts from: random weights, or the ready style that is nearest.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{Lesson, TrainError, shape, weights_of};
use crate::backprop::Learner;
use crate::compute::Compute;
use crate::kernels::layout::Shape;
use crate::losses::Critic;
use crate::network::{Network, Weights};
use crate::package::Package;
use crate::vgg::Vgg;

use super::loader::Loader;

/// Returns weights as every run from nothing begins: kernels uniform in ±1/√(fan in), the last one's half as wide;
/// norms that change nothing.
pub(super) fn random_weights(network: &Network, random: &mut ChaCha8Rng) -> Weights {
    let mut values = Vec::new();
    for parameter in network.parameters() {
        let count = parameter.shape.iter().product::<usize>();
        let is_kernel = parameter.name.ends_with("conv.weight");
        let fan_in = parameter.shape.iter().skip(1).product::<usize>() as f32;
        let reach = if parameter.name.starts_with("out.") { 0.5 } else { 1.0 } / fan_in.max(1.0).sqrt();
        let is_one = parameter.name.ends_with("norm.weight") || parameter.name.ends_with("running_var");
        let rest = if is_one { 1.0 } else { 0.0 };
        values.push((0..count).map(|_| if is_kernel { random.random_range(-reach..reach) } else { rest }).collect());
    }
    weights_of(network, values.into_iter())
}

/// Looks for the ready style that is nearest to a lesson: the one whose network, as it is, has the lowest loss on the
/// lesson's first photos. A candidate a call, for whoever has other things to do in between.
pub struct Search {
    network: Network,
    shape: Shape,
    photos: Vec<f32>,
    loss: Critic,
    gradient: Vec<f32>,
    nearest: Option<(usize, f64)>,
}

impl Search {
    /// Looks at the lesson's artwork and its first photos.
    ///
    /// # Errors
    /// As [`super::Trainer::begin`].
    pub fn begin(compute: &Compute, vgg: &Vgg, lesson: &Lesson) -> Result<Self, TrainError> {
        lesson.check()?;
        let (network, shape) = (lesson.recipe.network(), shape(&lesson.recipe));
        let (artwork, sides) = lesson.artwork_planes();
        let photos = Loader::start(&lesson.photos, &lesson.recipe, 0)?.next_batch()?;
        let mut loss = Critic::new(compute, vgg, lesson.recipe.losses.clone(), &[(&artwork, sides, 1.0)])?;
        loss.set_content(compute, vgg, &photos, shape)?;
        let gradient = vec![0.0; photos.len()];
        Ok(Self { network, shape, photos, loss, gradient, nearest: None })
    }

    /// Looks at a candidate and gives it a number. One with another network than the recipe's is passed over.
    ///
    /// # Errors
    /// As [`super::Trainer::begin`].
    pub fn look(
        &mut self,
        compute: &Compute,
        vgg: &Vgg,
        (number, candidate): (usize, &Package),
    ) -> Result<(), TrainError> {
        let Self { network, shape, photos, loss, gradient, nearest } = self;
        if candidate.network() != network {
            return Ok(());
        }
        let mut net = Learner::new(compute, network, &candidate.weights)?;
        let Some(paintings) = net.forward(compute, photos, *shape)? else { return Ok(()) };
        let total = loss.evaluate(compute, vgg, &paintings, *shape, gradient)?.total;
        if total.is_finite() && nearest.is_none_or(|(_, lowest)| total < lowest) {
            *nearest = Some((number, total));
        }
        Ok(())
    }

    /// Returns the number of the nearest candidate so far; the first of several that are equally near.
    #[must_use]
    pub fn nearest(&self) -> Option<usize> {
        self.nearest.map(|(number, _)| number)
    }
}
